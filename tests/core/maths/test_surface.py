"""Points of option surfaces against the same read with plain loops."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import polars as pl
import pytest

from qgtm_core.maths import surface
from tests.core.option_chains import chains, span

FIRST = dt.date(2022, 3, 1)


def noisy() -> pl.DataFrame:
    """Chains with holes: no bids, wide quotes, missing volatilities."""
    rows = chains(span(FIRST, 4), ("GLD", "SLV"), days=(9, 23, 37, 93))
    rng = np.random.default_rng(3)
    n = rows.height
    draws = rng.random((n, 3))
    return rows.with_columns(
        bid=pl.when(pl.Series(draws[:, 0] < 0.1)).then(0.0).otherwise("bid"),
        ask=pl.when(pl.Series(draws[:, 1] < 0.1)).then(pl.col("ask") * 1.5).otherwise("ask"),
        iv=pl.when(pl.Series(draws[:, 2] < 0.1)).then(None).otherwise("iv"),
    ).sample(fraction=1.0, shuffle=True, seed=4)


def usable(row: dict) -> bool:
    mid = (row["bid"] + row["ask"]) / 2
    return row["bid"] > 0 and row["ask"] - row["bid"] <= 0.25 * mid and row["iv"] is not None


def slow_atm(rows: list[dict]) -> float:
    pairs = {}
    for row in rows:
        pairs.setdefault(row["strike"], {})[row["right"]] = row
    both = sorted((k, p["C"], p["P"]) for k, p in pairs.items() if len(p) == 2)
    if not both:
        return math.nan
    gap = {k: (c["bid"] + c["ask"] - p["bid"] - p["ask"]) / 2 for k, c, p in both}
    level = min(gap, key=lambda k: abs(gap[k]))
    _strike, call, put = min(both, key=lambda pair: abs(pair[0] - level - gap[level]))
    return (call["iv"] + put["iv"]) / 2


def slow_at_delta(rows: list[dict], right: str, delta: float) -> float:
    mine = sorted((row["delta"], row["iv"]) for row in rows if row["right"] == right)
    below = [pair for pair in mine if pair[0] <= delta]
    above = [pair for pair in mine if pair[0] >= delta]
    if not below or not above:
        return math.nan
    return float(np.interp(delta, [below[-1][0], above[0][0]], [below[-1][1], above[0][1]]))


def test_points_of_each_expiry_equal_a_plain_reading() -> None:
    quotes = noisy()
    found = surface.expiry_points(quotes)
    assert found.height == 2 * 4 * 4
    for (underlying, at, expiry), group in quotes.group_by(surface.EXPIRY):
        rows = [row for row in group.to_dicts() if usable(row)]
        point = found.filter(underlying=underlying, event_at=at, expiry=expiry).row(0, named=True)
        assert (point["quotes"], point["passed"]) == (group.height, len(rows))
        expected = (slow_atm(rows), slow_at_delta(rows, "C", 0.25), slow_at_delta(rows, "P", -0.25))
        assert [point[name] for name in surface.POINTS] == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_a_snapshot_alone_gives_the_same_bits_as_among_others() -> None:
    quotes = noisy()
    whole = surface.expiry_points(quotes)
    for at in quotes["event_at"].unique():
        alone = surface.expiry_points(quotes.filter(pl.col("event_at") == at))
        assert alone.equals(whole.filter(pl.col("event_at") == at))


def test_a_chain_without_a_usable_quote_has_no_points() -> None:
    points = surface.expiry_points(noisy().with_columns(bid=pl.lit(0.0)))
    assert points["atm"].is_nan().all()
    assert points["passed"].sum() == 0


def test_a_month_lies_between_the_expiries_around_it() -> None:
    points = surface.with_days(surface.expiry_points(chains(span(FIRST, 2), days=(23, 37, 58))))
    month = surface.constant_maturity(points, 30, ("atm",), ("atm",))
    assert month.select("near", "far").unique().row(0) == (23, 37)
    for row in month.to_dicts():
        own = points.filter(event_at=row["event_at"]).sort("days")["atm"].to_list()
        variance = (own[0] ** 2 * 23 + own[1] ** 2 * 37) / 2
        assert row["atm"] == pytest.approx(math.sqrt(variance / 30))


def test_a_month_before_the_first_expiry_is_missing() -> None:
    points = surface.with_days(surface.expiry_points(chains(span(FIRST, 1), days=(37, 58))))
    assert surface.constant_maturity(points, 30, ("atm",), ("atm",)).is_empty()


def test_the_expiry_nearest_the_middle_of_the_window_is_chosen() -> None:
    points = surface.with_days(surface.expiry_points(chains(span(FIRST, 1), days=(30, 36, 44, 60))))
    assert surface.nearest_expiry(points, 30, 45)["days"].to_list() == [36]
    assert surface.nearest_expiry(points, 45, 59).is_empty()
