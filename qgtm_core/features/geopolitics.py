"""features/geopolitics: how newspapers write about threats and acts of war, against their own last quarter."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import with_prefix
from qgtm_core.features.joint import observe_series
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats

SERIES = {"threat": "GPRD_THREAT", "act": "GPRD_ACT"}
WEIGHTS = {"threat": 0.6, "act": 0.4}
FAST, SLOW = 7, 90  # calendar days
WINDOW = 756  # calendar days


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first day on which both indices are known on."""
    heat = _heat("threat") * WEIGHTS["threat"] + _heat("act") * WEIGHTS["act"]
    columns = {
        "threat_ratio_7_90": _mean("threat", FAST) / _mean("threat", SLOW),
        "act_ratio_7_90": _mean("act", FAST) / _mean("act", SLOW),
        "gpr_heat": heat,
        "gpr_heat_z_756": stats.zscore(heat, WINDOW),
    }
    return with_prefix(observe_series(pit, SERIES, sessions, columns), "gpr")


def _mean(name: str, n: int) -> pl.Expr:
    """Mean of an index over n days; null where it is not positive."""
    mean = pl.col(name).rolling_mean(n, min_samples=stats.filled(n))
    return pl.when(mean > 0.0).then(mean)


def _heat(name: str) -> pl.Expr:
    return (_mean(name, FAST) / _mean(name, SLOW)).log()


FEATURES = (Feature("geopolitics", ("macro",), compute),)
