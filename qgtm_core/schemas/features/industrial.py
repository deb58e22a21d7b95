"""Feature tables of industrial demand."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "industrial",
        ("session",),
        {
            **health("cper_"),
            "cper_zchg_60": measure("sd", "M3 of the log price of CPER over 252 bars"),
            **health("xli_spy_"),
            "xli_spy_zchg_60": measure("sd", "M3 of the log ratio of XLI to SPY over 252 common bars"),
            **health("indpro_"),
            "indpro_z_36": measure("sd", "M2 over 36 months of the 3-month percent change, newest vintage known"),
        },
        "Copper, industrial shares and industrial production as known at each decision",
    ),
)
