"""features/variance_premium: the volatility index of gold against what GLD realised, and the trends of GLD and SLV."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import STAMPS, macro_series, one_price, price_series, side_by_side
from qgtm_core.features.known import macro_rows, price_rows
from qgtm_core.features.spec import Feature
from qgtm_core.features.trend import daily_sd
from qgtm_core.maths import statistics as stats
from qgtm_core.maths import variance
from qgtm_core.maths.trend import trend_t
from qgtm_core.pit import point_in_time

GVZ = "GVZCLS"
YEAR = 252  # observations
QUARTER = 63  # bars
_ROW = ("name", "event_date", "value", *STAMPS, "revision")


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
            price_series(pit, "GLD", sessions, gold, "gld"),
            price_series(pit, "SLV", sessions, {"slv_t_63": trend}, "slv"),
            premium(pit, sessions),
        ]
    )


def premium(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """`session, vrp, vrp_z_252` on the days that have both an index close and a GLD bar; later of both stamps."""
    index = macro_rows(pit, GVZ).with_columns(name=pl.lit(GVZ))
    bars = price_rows(pit, "GLD")
    bars = bars.with_columns(value=pl.when(pl.col("close").is_finite()).then("adj_close"), name=pl.lit("GLD"))
    both = pl.concat([index.select(_ROW), bars.select(_ROW)])
    found = point_in_time(both, ("name", "event_date"), sessions, _premium_of, together=True)
    return found.drop("event_at")


def _premium_of(view: pl.DataFrame) -> pl.DataFrame:
    index = view.filter((pl.col("name") == GVZ) & pl.col("value").is_finite()).sort("event_date")
    bars = one_price(
        view.filter(pl.col("name") == "GLD").with_columns(symbol=pl.lit("GLD"), adj_close="value", close="value"),
        "GLD",
        "price",
    )
    bars = bars.with_columns(realised=variance.realised_variance(pl.col("price").log().diff()))
    joined = index.join(bars, on="event_date", how="inner", maintain_order="left")
    vrp = variance.variance_premium(pl.col("value"), pl.col("realised"))
    later = {name: pl.max_horizontal(name, f"{name}_right") for name in ("session", "event_at")}
    return joined.select(**later, vrp=vrp).with_columns(vrp_z_252=stats.zscore(pl.col("vrp"), YEAR))


FEATURES = (Feature("variance_premium", ("macro", "prices"), compute),)
