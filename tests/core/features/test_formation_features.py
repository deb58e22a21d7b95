"""Formed pairs against a plain loop: once a month, from what was known at its first session."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from polars.testing import assert_frame_equal

from qgtm_core import calendar
from qgtm_core.features.registry import compute_features
from qgtm_core.schemas.features.formation import FORMED_PAIRS
from tests.core import pit_frames
from tests.core.features.window_frames import (
    CHECKED,
    SYMBOLS,
    check,
    common,
    computed,
    half_life,
    prices,
    row,
    statistic,
    tables,
)


def formation(pair: tuple[str, str], month: dt.date) -> dict[str, Any] | None:
    """A pair's formation from what was known at the first session of the month."""
    days, (y, x) = common(prices(month, pair[0]), prices(month, pair[1]))
    if len(days) < 252 or (month - days[-1]).days > 5:
        return None
    y, x = y[-252:], x[-252:]
    gap = y / y[0] - x / x[0]
    fit = sm.OLS(np.log(y), sm.add_constant(np.log(x))).fit()
    return {
        "days": (days[-252], days[-1]),
        "sd": gap.std(ddof=1),
        "distance": (gap**2).sum(),
        "half_life": half_life(gap),
        "adf": statistic(fit.resid),
    }


@pytest.mark.parametrize("session", CHECKED)
def test_formations_agree_with_a_plain_loop(session):
    month = calendar.schedule(session.replace(day=1), session)["session"][0]
    made = {pair: formation(pair, month) for pair in FORMED_PAIRS if set(pair) <= {*SYMBOLS}}
    passing = sorted((f["distance"], pair) for pair, f in made.items() if f and f["adf"] <= -3.34)
    rank = {pair: place for place, (_, pair) in enumerate(passing, start=1)}
    assert computed("formation")["pair"].n_unique() == len(made)
    for pair, formed in made.items():
        got = row("formation", session, pair="/".join(pair))
        days, (y, x) = common(prices(session, pair[0]), prices(session, pair[1]))
        assert (got["obs"], got["formed_on"]) == (len(days), month if formed else None)
        assert got["formation_rank"] == rank.get(pair)
        if formed:
            start = days.index(formed["days"][0])
            gap = (y[-1] / y[start] - x[-1] / x[start]) / formed["sd"] if days[-1] > formed["days"][1] else None
            want = {f"formation_{n}_252": formed[n] for n in ("distance", "half_life", "adf")}
            check(got, {**want, "gap": gap})


def test_the_first_session_of_a_month_has_no_gap_and_the_next_one_has():
    rows = computed("formation").filter(pair="GLD/PHYS").sort("session").filter(pl.col("formed_on").is_not_null())
    first = rows.filter(pl.col("session") == pl.col("formed_on"))
    assert first["gap"].null_count() == first.height > 20
    later = rows.filter(pl.col("session") > pl.col("formed_on"))
    assert later["gap"].null_count() < 0.05 * later.height
    assert (rows["formed_on"].dt.truncate("1mo") == rows["session"].dt.truncate("1mo")).all()


def test_a_split_inside_the_month_moves_no_gap():
    bars = tables()["prices"].filter(pl.col("symbol").is_in(["GDX", "NEM"]))
    bars = bars.filter(pl.col("revision") == 0)
    day = dt.date(2017, 3, 15)
    old = (pl.col("symbol") == "NEM") & (pl.col("event_date") < day)
    rescaled = bars.filter(old).with_columns(
        adj_close=pl.col("adj_close") / 10,
        revision=pl.lit(1, pl.Int32),
        session=pl.lit(day),
        available_at=pl.lit(calendar.decision_time(day)),
    )
    newer = bars.filter(~old & (pl.col("symbol") == "NEM")).with_columns(adj_close=pl.col("adj_close") / 10)
    split = pl.concat([bars.filter(old | (pl.col("symbol") == "GDX")), rescaled, newer])
    days = pit_frames.days(dt.date(2017, 3, 1), dt.date(2017, 3, 31))
    plain, after = (compute_features("formation", {"prices": frame}, days) for frame in (bars, split))
    columns = ["session", "formation_distance_252", "formation_adf_252", "gap"]
    assert_frame_equal(plain.select(columns), after.select(columns), rel_tol=1e-9)


def test_a_pair_whose_bars_ended_is_not_formed_again():
    bars = tables()["prices"].filter((pl.col("symbol") != "NEM") | (pl.col("event_date") < dt.date(2017, 1, 20)))
    rows = compute_features("formation", {"prices": bars}, pit_frames.days(dt.date(2017, 1, 25), dt.date(2017, 2, 8)))
    formed = rows.filter(pair="GDX/NEM").select("session", "formed_on").rows()
    assert {on for day, on in formed if day.month == 1} == {dt.date(2017, 1, 3)}
    assert {on for day, on in formed if day.month == 2} == {None}
