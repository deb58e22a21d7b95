"""Every stored table by (group, name): the one place that knows them all."""

from __future__ import annotations

from qgtm_core.errors import ConfigError
from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_core.schemas.intraday import INTRADAY_TABLES
from qgtm_core.schemas.options import OPTIONS_TABLES
from qgtm_core.schemas.pit import PIT_TABLES
from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_core.schemas.results import RESULT_TABLES
from qgtm_core.schemas.signals import signal_table
from qgtm_core.schemas.spec import Table
from qgtm_core.schemas.trading import TRADING_TABLES


def table_for(group: str, name: str) -> Table:
    """The declaration of `<group>/<name>`; raises ConfigError for a table nobody declared."""
    if group == "signals":
        return signal_table(name)
    tables = {"raw": RAW_TABLES, "pit": PIT_TABLES, "features": FEATURE_TABLES, "intraday": INTRADAY_TABLES}.get(group)
    table = (
        tables.get(name)
        if tables is not None
        else {**TRADING_TABLES, **RESULT_TABLES, **OPTIONS_TABLES}.get(f"{group}/{name}")
    )
    if table is None:
        raise ConfigError(f"no table {group}/{name} is declared")
    return table
