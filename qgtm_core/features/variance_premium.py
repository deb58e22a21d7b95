"""features/variance_premium: the volatility index of gold against what GLD realised, and the trends of GLD and SLV."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import DAY_KEY, macro_series, price_series, side_by_side
from qgtm_core.features.known import bars_of, macro_rows, price_rows
from qgtm_core.features.spec import Feature
from qgtm_core.features.trend import daily_sd
from qgtm_core.maths import statistics as stats
from qgtm_core.maths import variance
from qgtm_core.maths.trend import trend_t
from qgtm_core.pit import observe, segments_of

GVZ = "GVZCLS"
GOLD, SILVER = "GLD", "SLV"
YEAR = 252  # observations
QUARTER = 63  # bars


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first known index close or bar on."""
    value, log_price = pl.col("value"), pl.col("price").log()
    index = {
        "gvz": value,
        "gvz_pr_252": stats.percentile_rank(value, YEAR),
        "gvz_rank_252": variance.range_rank(value, YEAR),
    }
    trend = trend_t(log_price, daily_sd(log_price), QUARTER)
    gold = {"rv_21": variance.realised_variance(log_price.diff()).sqrt(), "gld_t_63": trend}
    return side_by_side(
        [
            macro_series(pit, GVZ, sessions, index, "gvz"),
            price_series(pit, GOLD, sessions, gold, "gld"),
            price_series(pit, SILVER, sessions, {"slv_t_63": trend}, "slv"),
            premium(pit, sessions),
        ]
    )


def premium(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """`session, vrp, vrp_z_252` on the days that have both an index close and a GLD bar; the later session of both."""
    legs = [macro_rows(pit, GVZ), price_rows(pit, GOLD)]
    parts = [
        observe(days, _premium_of(index, bars_of(pit, GOLD, bars)))
        for days, (index, bars) in segments_of(legs, DAY_KEY, sessions)
    ]
    return pl.concat(parts)


def _premium_of(index: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    implied = index.filter(pl.col("value").is_finite()).sort("event_date").select("event_date", "session", "value")
    realised = variance.realised_variance(pl.col("adj_close").log().diff())
    held = bars.select("event_date", "session", realised=realised)
    joined = implied.join(held, on="event_date", how="inner", maintain_order="left")
    vrp = variance.variance_premium(pl.col("value"), pl.col("realised"))
    return joined.select(session=pl.max_horizontal("session", "session_right"), vrp=vrp).with_columns(
        vrp_z_252=stats.zscore(pl.col("vrp"), YEAR)
    )


FEATURES = (Feature("variance_premium", ("macro", "prices"), compute),)
