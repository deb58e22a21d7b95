"""features/premium: what the market pays for PHYS over its net asset value."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import with_prefix
from qgtm_core.features.spec import Feature
from qgtm_core.features.windows import Bars, full_windows, leg, read_legs
from qgtm_core.maths import regression
from qgtm_core.maths.regression import FloatArray, IntArray, stack

FUND = "PHYS"
YEAR = 252  # days with both values


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first day on that has a close and a net asset value."""
    fund = pl.col("symbol") == FUND
    legs = [leg(pit["prices"].filter(fund), "close", "close"), leg(pit["flows"].filter(fund), "nav", "nav_usd")]
    return with_prefix(read_legs(legs, ("close", "nav"), sessions, premium), "premium")


def premium(days: Bars, ends: IntArray) -> dict[str, FloatArray]:
    """Premium of each day and where it stands within a year."""
    paid = days.values["close"] / days.values["nav"] - 1.0

    def z(at: IntArray) -> FloatArray:
        return regression.zscore(stack(paid, at, YEAR))[:, None]

    return {"premium": paid[ends], **full_windows(ends, YEAR, ("premium_z_252",), z)}


FEATURES = (Feature("premium", ("prices", "flows"), compute),)
