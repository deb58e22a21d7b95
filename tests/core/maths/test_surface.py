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


def smiles(days: tuple[int, ...], sessions: int = 2) -> surface.Smiles:
    """Snapshots of one underlying with expiries so many days ahead."""
    points = surface.expiry_points(chains(span(FIRST, sessions), days=days))
    ahead = points.select(surface.days_ahead())["expiry"].to_numpy()
    return surface.Smiles.of(points, np.arange(sessions) * len(days), ahead)


def test_a_month_lies_between_the_expiries_around_it() -> None:
    held = smiles((23, 37, 58))
    near, far = held.around(30, np.isfinite(held.atm))
    assert (held.days[near].tolist(), held.days[far].tolist()) == ([23, 23], [37, 37])
    for place, found in enumerate(held.at(30, "atm", near, far)):
        own = held.atm[3 * place : 3 * place + 3]
        variance = (own[0] ** 2 * 23 + own[1] ** 2 * 37) / 2
        assert found == pytest.approx(math.sqrt(variance / 30))


def test_an_expiry_on_the_day_itself_stands_alone() -> None:
    held = smiles((23, 30, 37))
    near, far = held.around(30, held.whole)
    assert near.tolist() == far.tolist() == [1, 4]
    assert held.at(30, "call_25", near, far) == pytest.approx(held.call_25[near])


def test_a_month_before_the_first_expiry_is_missing() -> None:
    held = smiles((37, 58))
    near, far = held.around(30, held.whole)
    assert near.tolist() == far.tolist() == [-1, -1]
    assert np.isnan(held.at(30, "atm", near, far)).all()


def test_an_expiry_without_the_point_is_passed_over() -> None:
    held = smiles((23, 37, 58))
    near, far = held.around(30, held.days != 37)
    assert (near.tolist(), far.tolist()) == ([0, 3], [2, 5])


def test_the_expiry_nearest_the_middle_of_the_window_is_chosen() -> None:
    held = smiles((30, 36, 44, 60))
    assert held.days[held.nearest(30, 45)].tolist() == [36, 36]
    assert held.nearest(45, 59).tolist() == [-1, -1]
    assert held.days[held.nearest(30, 44)].tolist() == [36, 36]
    assert smiles((34, 40), 1).nearest(30, 44).tolist() == [0]  # of two equally near the earlier


def test_no_snapshots_have_no_expiries() -> None:
    none = np.zeros(0, dtype=np.int64)
    empty = surface.Smiles.of(surface.expiry_points(noisy().clear()), none, none)
    near, far = empty.around(30, empty.whole)
    assert (len(near), len(far), len(empty.nearest(30, 45))) == (0, 0, 0)
    assert len(empty.at(30, "atm", near, far)) == 0
