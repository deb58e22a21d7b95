"""features/geopolitics: how newspapers write about threats and acts of war, against their own last quarter."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import STAMPS, with_prefix
from qgtm_core.features.joint import observe_joint, one_series, same_days
from qgtm_core.features.known import macro_rows
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats

SERIES = {"threat": "GPRD_THREAT", "act": "GPRD_ACT"}
WEIGHTS = {"threat": 0.6, "act": 0.4}
FAST, SLOW = 7, 90  # calendar days
WINDOW = 756  # calendar days


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first day on which both indices are known on."""
    read = observe_joint([macro_rows(pit, *SERIES.values())], sessions, heat_features)
    return with_prefix(read, "gpr")


def heat_features(view: pl.DataFrame) -> pl.DataFrame:
    """Ratios of each day on which both indices are known, and the z-score of their weighted logarithms."""
    rows = same_days([one_series(view, name, series) for name, series in SERIES.items()])
    rows = rows.with_columns(_mean(name, n).alias(f"_{name}_{n}") for name in SERIES for n in (FAST, SLOW))
    ratio = {name: pl.col(f"_{name}_{FAST}") / pl.col(f"_{name}_{SLOW}") for name in SERIES}
    heat = ratio["threat"].log() * WEIGHTS["threat"] + ratio["act"].log() * WEIGHTS["act"]
    rows = rows.with_columns(gpr_heat=heat, threat_ratio_7_90=ratio["threat"], act_ratio_7_90=ratio["act"])
    columns = ("threat_ratio_7_90", "act_ratio_7_90", "gpr_heat")
    return rows.select(*STAMPS, "obs", *columns, gpr_heat_z_756=stats.zscore(pl.col("gpr_heat"), WINDOW))


def _mean(name: str, n: int) -> pl.Expr:
    """Mean of an index over n days; null where it is not positive."""
    mean = pl.col(name).rolling_mean(n, min_samples=stats.filled(n))
    return pl.when(mean > 0.0).then(mean)


FEATURES = (Feature("geopolitics", ("macro",), compute),)
