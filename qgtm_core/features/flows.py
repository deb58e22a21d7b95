"""features/flows: changes of the metal held by trusts, on each trust's own observations."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import STAMPS, with_prefix
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats
from qgtm_core.pit import point_in_time

TRUSTS = ("GLD", "SLV", "PPLT", "PALL")
KEY = ("symbol", "event_date")
TONNES_PER_OUNCE = 1.0 / 32_150.7466
YEAR = 252  # observations
MONTH = 20
WEEK = 5


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, trust) from the trust's first known holding on."""
    rows = pit["flows"].filter(pl.col("symbol").is_in(TRUSTS))
    held = with_prefix(point_in_time(rows, KEY, sessions, held_metal), "held")
    issuer = with_prefix(point_in_time(rows, KEY, sessions, issuer_metal), "issuer")
    return held.join(issuer, on=["session", "symbol"], how="full", coalesce=True)


def held_metal(view: pl.DataFrame) -> pl.DataFrame:
    """Month-long flows of each day: of the issuer's tonnes where it states them, else of shares times ounces."""
    issuer = _positive(pl.col("tonnes"))
    computed = _positive(pl.col("shares_outstanding") * pl.col("oz_per_share") * TONNES_PER_OUNCE)
    rows = view.with_columns(held_tonnes=pl.coalesce(issuer, computed), _derived=issuer.is_null())
    rows = _flows(rows.filter(pl.col("held_tonnes").is_not_null()), "held_tonnes", "flow", MONTH)
    derived = pl.col("_derived")
    return rows.with_columns(derived=(derived | derived.shift(MONTH, fill_value=False)).over("symbol")).drop("_derived")


def issuer_metal(view: pl.DataFrame) -> pl.DataFrame:
    """Week-long flows of each day, of the issuer's own tonnes only."""
    rows = view.with_columns(_tonnes=_positive(pl.col("tonnes"))).filter(pl.col("_tonnes").is_not_null())
    return _flows(rows, "_tonnes", "issuer_flow", WEEK).drop("_tonnes", "_derived", strict=False)


def _positive(value: pl.Expr) -> pl.Expr:
    return pl.when(value.is_finite() & (value > 0)).then(value)


def _flows(rows: pl.DataFrame, tonnes: str, name: str, k: int) -> pl.DataFrame:
    """Add `obs`, the k-step log change of each trust's tonnes and its z-score; drop what nobody reads."""
    level, flow = pl.col(tonnes).log(), pl.col(f"{name}_{k}")
    extra = [column for column in rows.columns if column == "_derived"]
    rows = rows.sort("event_date").select(*STAMPS, "symbol", tonnes, *extra)
    rows = rows.with_columns(
        obs=pl.col(tonnes).cum_count().over("symbol").cast(pl.Int32),
        **{f"{name}_{k}": (level - level.shift(k)).over("symbol")},
    )
    return rows.with_columns(stats.zscore(flow, YEAR).over("symbol").alias(f"{name}_{k}_z_{YEAR}"))


FEATURES = (Feature("flows", ("flows",), compute),)
