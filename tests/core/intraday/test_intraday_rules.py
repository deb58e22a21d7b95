"""Worked numbers of the intraday rules, on panels with the columns each rule reads."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgtm_core.intraday.replay import hedged, trades
from qgtm_core.strategies.panel import legs_of
from qgtm_core.strategies.registry import INTRADAY
from qgtm_core.strategies.spec import Strategy

DAY = dt.date(2024, 6, 27)
NOON = dt.datetime(2024, 6, 27, 16, 0, 5, tzinfo=dt.UTC)  # 12:00 New York
TEN_TEN = dt.datetime(2024, 6, 27, 14, 10, 5, tzinfo=dt.UTC)


def panel(strategy: Strategy, *ticks: dict[str, Any], first: dt.datetime = NOON) -> pl.DataFrame:
    """One session of consecutive ticks; every leg of a tick gets the same values."""
    rows = [
        {
            "session": DAY,
            "decided_at": first + dt.timedelta(minutes=5 * number),
            "tick": number,
            "may_enter": True,
            "may_hold": True,
            "symbol": leg.symbol,
            "pair": leg.pair,
            "side": leg.side,
            **values,
        }
        for number, values in enumerate(ticks)
        for leg in legs_of(strategy)
    ]
    frame = pl.DataFrame(rows, schema_overrides={"tick": pl.Int32, "decided_at": pl.Datetime("us", "UTC")})
    return frame.with_columns(pl.col(pl.Null).cast(pl.Float64))


def scores(name: str, *ticks: dict[str, Any], first: dt.datetime = NOON) -> list[dict[str, float | None]]:
    """Score by symbol, one mapping a tick; a rule's own reason silences."""
    strategy = INTRADAY[name]
    given_panel = panel(strategy, *ticks, first=first)
    out = strategy.rule(given_panel, strategy.params)
    if "reason" in out.columns:
        out = out.with_columns(score=pl.when(pl.col("reason").is_null()).then("score"))
    told = given_panel.select("tick", "symbol").hstack(out.select("score"))
    return [dict(part.select("symbol", "score").iter_rows()) for part in told.partition_by("tick", maintain_order=True)]


def test_53_enters_against_the_ratio_and_stays_out_below_the_threshold() -> None:
    (entry,) = scores("gold_silver_ratio_intraday", {"z_130": 2.3})
    assert entry == {"GLD": pytest.approx(-0.7667, abs=5e-4), "SLV": pytest.approx(0.7667, abs=5e-4)}
    assert scores("gold_silver_ratio_intraday", {"z_130": 1.2}) == [{"GLD": 0.0, "SLV": 0.0}]


def test_53_holds_between_the_thresholds_and_ends_after_thirteen_bars() -> None:
    told = scores("gold_silver_ratio_intraday", {"z_130": 2.3}, *({"z_130": 1.2},) * 50)
    assert [t["SLV"] for t in told[1:39]] == [pytest.approx(0.4)] * 38
    assert [t["SLV"] for t in told[39:]] == [0.0] * 12


def vwap_tick(price: float = 220.66, sd: float = 12e-4, change: float = 0.0, bars: int = 30) -> dict[str, Any]:
    return {"close": price, "vwap": 220.0, "deviation_sd_78": sd, "vwap_change_12": change, "session_bars": bars}


def test_54_fades_the_deviation() -> None:
    assert np.log(220.66 / 220.0) / 12e-4 == pytest.approx(2.4963, abs=5e-4)
    assert scores("vwap_reversion_intraday", vwap_tick()) == [{"GLD": pytest.approx(-0.6241, abs=5e-4)}]


def test_54_stands_aside_while_the_session_trends_and_before_nine_bars() -> None:
    assert scores("vwap_reversion_intraday", vwap_tick(change=1.6 * 12e-4)) == [{"GLD": 0.0}]
    assert scores("vwap_reversion_intraday", vwap_tick(change=1.4 * 12e-4))[0]["GLD"] != 0.0
    assert scores("vwap_reversion_intraday", vwap_tick(bars=8)) == [{"GLD": None}]


def gamma_tick(price: float = 100.4, vol: float = 0.30, strike: float | None = 100.0) -> dict[str, Any]:
    years = (1.0 + 195.0 / 390.0) / 252.0
    return {
        "close": price, "strike": strike, "years_left": years, "realised_vol": vol, "session_bars": 40, "gvz": 16.0,
    }  # fmt: skip


def test_55_is_the_delta_of_the_straddle() -> None:
    assert gamma_tick()["years_left"] == pytest.approx(0.005952, abs=1e-6)
    assert scores("gold_gamma_scalp", gamma_tick()) == [{"GLD": pytest.approx(0.2583, abs=5e-4)}]


def test_55_says_nothing_while_realised_does_not_beat_implied_or_no_strike_is_set() -> None:
    assert scores("gold_gamma_scalp", gamma_tick(vol=1.14 * 0.16)) == [{"GLD": None}]
    assert scores("gold_gamma_scalp", gamma_tick(strike=None)) == [{"GLD": None}]


def test_55_changes_its_hedge_only_by_a_tenth() -> None:
    told = scores("gold_gamma_scalp", gamma_tick(), gamma_tick(100.45), gamma_tick(100.7))
    assert told[1] == told[0]
    assert told[2]["GLD"] == pytest.approx(0.4306, abs=5e-3)


def test_56_trades_the_residual_with_its_hedge() -> None:
    told = scores("mvg_v1", {"z_3": -2.4, "beta_260": 1.8}, {"z_3": -1.9, "beta_260": 1.8})
    assert told[0] == {"GDX": pytest.approx(0.4444, abs=5e-4), "GLD": pytest.approx(-0.8, abs=5e-4)}
    assert told[1] == {"GDX": 0.0, "GLD": 0.0}


def fix_tick(**more: Any) -> dict[str, Any]:
    return {"print_usd_oz": 2401.50, "mid_usd": 222.05, "oz_per_share": 0.0924, "error_sd_60": 3e-4, **more}


def test_64_fades_the_print_for_two_hours_from_ten_past_ten() -> None:
    assert pytest.approx(2403.139, abs=5e-4) == 222.05 / 0.0924
    assert np.log(2401.50 / (222.05 / 0.0924)) * 1e4 == pytest.approx(-6.821, abs=5e-3)
    told = scores("fix_dislocation", *(fix_tick(),) * 26, first=TEN_TEN)
    assert told[:24] == [{"GLD": pytest.approx(0.5157, abs=5e-4)}] * 24
    assert told[24:] == [{"GLD": None}] * 2


def test_64_is_silent_before_its_minute_and_without_a_print_of_today() -> None:
    before = TEN_TEN - dt.timedelta(minutes=5)
    assert scores("fix_dislocation", fix_tick(), first=before) == [{"GLD": None}]
    assert scores("fix_dislocation", fix_tick(print_usd_oz=None), first=TEN_TEN) == [{"GLD": None}]


def test_64_does_not_enter_later_when_it_could_not_at_its_minute() -> None:
    told = scores("fix_dislocation", fix_tick(may_enter=False), fix_tick(), first=TEN_TEN)
    assert told == [{"GLD": 0.0}, {"GLD": 0.0}]


# The replay of trades

cells = st.floats(-5, 5) | st.just(float("nan"))


def slowly(
    z: list[float], enter: list[bool], hold: list[bool], limits: tuple[float, float, float], ticks: int
) -> list[float]:
    """The convention in plain words, one tick at a time."""
    go_in, go_out, stop = limits
    side, age, taken, stopped, spent, told = 0.0, 0, 0, False, False, []
    for now, may_enter, may_hold in zip(z, enter, hold, strict=True):
        known, size = bool(np.isfinite(now)), abs(now)
        if known:
            stopped = False if size <= go_out else stopped or size >= stop
            spent = spent and size >= go_in
        if side:
            age += 1
            if age >= ticks and known and size >= go_in:
                spent = True
            if age >= ticks or not known or size <= go_out or side * now > 0 or stopped or not may_hold:
                side = 0.0
        fresh = known and size >= go_in and size > go_out and not stopped and not spent
        if side == 0.0 and fresh and may_enter and may_hold and taken < 3:
            side, age, taken = -float(np.sign(now)), 0, taken + 1
        told.append(side)
    return told


@given(st.lists(st.tuples(cells, st.booleans(), st.booleans()), min_size=1, max_size=40), st.integers(1, 12))
def test_trades_of_many_sessions_at_once_are_those_of_one_tick_at_a_time(
    rows: list[tuple[float, bool, bool]], ticks: int
) -> None:
    z, enter, hold = (list(column) for column in zip(*rows, strict=True))
    cube = [np.array([values, values], dtype=float)[:, :, None] for values in (z, enter, hold)]
    found = trades(*cube, enter=2.0, leave=0.5, stop=3.5, hold_ticks=ticks)
    want = slowly(z, enter, hold, (2.0, 0.5, 3.5), ticks)
    assert found[0, :, 0].tolist() == found[1, :, 0].tolist() == pytest.approx(want)


@given(st.lists(st.tuples(cells, st.booleans()), min_size=1, max_size=60))
def test_no_session_has_more_than_three_entries(rows: list[tuple[float, bool]]) -> None:
    z = np.array([r[0] for r in rows])[None, :, None]
    enter = np.array([float(r[1]) for r in rows])[None, :, None]
    for side in (
        trades(z, enter, np.ones_like(z), enter=2.0, leave=0.5, stop=3.5),
        (hedged(np.where(z == 0.0, np.nan, np.clip(z, -1, 1)), enter, np.ones_like(z), step=0.1) != 0.0).astype(float),
    ):
        flat = np.concatenate([[0.0], side[0, :, 0]])
        begins = (flat[1:] != 0.0) & (flat[:-1] != flat[1:])
        assert int(begins.sum()) <= 3
        assert not (begins & (enter[0, :, 0] == 0.0)).any()
