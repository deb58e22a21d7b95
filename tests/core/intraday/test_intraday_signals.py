"""Intraday signals on a small market: bar by bar equals the whole day, and the rules of the sleeve's clock hold."""

from __future__ import annotations

import dataclasses
import datetime as dt
from functools import lru_cache

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from qgtm_core import calendar
from qgtm_core.errors import DataError
from qgtm_core.intraday import clock
from qgtm_core.intraday.evaluate import evaluate_intraday
from qgtm_core.intraday.features import compute_intraday
from qgtm_core.schemas.pit import PIT_TABLES
from qgtm_core.schemas.signals import INTRADAY_IDS, intraday_signal_table, signal_table
from qgtm_core.strategies.registry import INTRADAY
from qgtm_core.strategies.spec import DataRef, Strategy
from tests.core.intraday import markets

NY = calendar.NEW_YORK
FLAG = {"QGTM_ENABLE_MVG"}
TRADED = [INTRADAY[k] for k in ("gold_silver_ratio_intraday", "vwap_reversion_intraday", "gold_gamma_scalp", "mvg_v1")]
each = pytest.mark.parametrize("strategy", TRADED, ids=[s.id for s in TRADED])
DAY = dt.date(2024, 7, 1)


def signals(strategy: Strategy, pit: dict[str, pl.DataFrame], ticks: pl.DataFrame) -> pl.DataFrame:
    return evaluate_intraday(strategy, pit, ticks, include_quarantined=True, flags=FLAG)


@lru_cache(maxsize=32)
def whole(name: str, seed: int = 3) -> pl.DataFrame:
    return signals(INTRADAY[name], markets.pit(seed), markets.ticks())


def local(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(at=pl.col("decided_at").dt.convert_time_zone("America/New_York").dt.time())


def entries(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows in which a position begins."""
    held = pl.col("score").fill_null(0.0)
    before = held.shift(1).over("session", "symbol").fill_null(0.0)
    return local(frame).filter((held != 0.0) & (before == 0.0))


def test_the_declared_ids_are_those_with_a_clock_of_their_own() -> None:
    assert set(INTRADAY) == INTRADAY_IDS
    for name in INTRADAY:
        assert signal_table(name).key == ("session", "decided_at", "symbol")


@each
def test_tick_by_tick_equals_the_whole_day(strategy: Strategy) -> None:
    ticks = markets.ticks(DAY, DAY)
    known = [
        signals(
            strategy,
            {
                name: frame.filter(pl.col("available_at") <= tick["decided_at"][0])
                for name, frame in markets.pit().items()
            },
            tick,
        )
        for tick in ticks.iter_slices(1)
    ]
    assert_frame_equal(pl.concat(known), whole(strategy.id).filter(pl.col("session") == DAY), check_exact=True)


@each
def test_the_history_before_the_declared_look_back_changes_nothing(strategy: Strategy) -> None:
    since = calendar.offset_session(DAY, -strategy.rule_lookback)
    short = {n: f if n == "events" else f.filter(pl.col("session") >= since) for n, f in markets.pit().items()}
    if strategy.id == "mvg_v1":
        since = max(since, markets.FIRST)
    found = signals(strategy, short, markets.ticks(DAY, DAY))
    assert_frame_equal(found, whole(strategy.id).filter(pl.col("session") == DAY), check_exact=True)


@each
def test_garbage_after_a_tick_changes_nothing_before_it(strategy: Strategy) -> None:
    ticks = markets.ticks(DAY, DAY)
    cut = ticks["decided_at"][40]
    bars = markets.bars()
    wild = pl.when(pl.col("available_at") > cut).then(3.0).otherwise(1.0)
    pit = {**markets.pit(), "bars_intraday": bars.with_columns(pl.col("close", "vwap") * wild)}
    seen = pl.col("decided_at") <= cut
    found = signals(strategy, pit, ticks)
    assert_frame_equal(
        found.filter(seen), whole(strategy.id).filter(pl.col("session") == DAY).filter(seen), check_exact=True
    )


@each
def test_a_bar_revised_later_changes_no_earlier_tick(strategy: Strategy) -> None:
    ticks = markets.ticks(DAY, DAY)
    cut = ticks["decided_at"][40]
    bars = markets.bars()
    late = bars.filter((pl.col("available_at") <= cut) & (pl.col("session") == DAY)).with_columns(
        pl.col("close") * 1.01, revision=pl.lit(1, pl.Int32), available_at=pl.lit(cut + dt.timedelta(seconds=1))
    )
    pit = {**markets.pit(), "bars_intraday": pl.concat([bars, late])}
    found, before = signals(strategy, pit, ticks), whole(strategy.id).filter(pl.col("session") == DAY)
    seen = pl.col("decided_at") <= cut
    assert_frame_equal(found.filter(seen), before.filter(seen), check_exact=True)
    assert strategy.id == "mvg_v1" or not found.filter(~seen).equals(before.filter(~seen))  # flat that afternoon


@each
def test_signals_have_their_declared_shape_and_no_row_of_the_future(strategy: Strategy) -> None:
    found = whole(strategy.id)
    intraday_signal_table(strategy.id).require_valid(found)
    spoken = found.filter(status="OK")
    assert spoken.height
    assert (spoken["available_at"] <= spoken["decided_at"]).all()
    assert (spoken["as_of_max"] <= spoken["available_at"]).all()
    assert spoken["score"].is_between(-1.0, 1.0).all()
    assert spoken["confidence"].is_between(0.0, 1.0).all()
    assert found.filter(status="NO_SIGNAL")["score"].is_null().all()
    assert found["correlation_id"].str.starts_with("int-").all()


@pytest.mark.parametrize("seed", [3, 4, 5])
@each
def test_entries_keep_to_the_window_and_to_three_a_session(strategy: Strategy, seed: int) -> None:
    begun = entries(whole(strategy.id, seed))
    full = begun.filter(pl.col("session") != dt.date(2024, 7, 3))
    assert full["at"].is_between(dt.time(9, 45), dt.time(15, 30)).all()
    early = begun.filter(pl.col("session") == dt.date(2024, 7, 3))
    assert early["at"].is_between(dt.time(9, 45), dt.time(12, 30)).all()
    assert begun.group_by("session", "symbol").len()["len"].max() in {None, 1, 2, 3}


@each
def test_everything_is_flat_a_quarter_of_an_hour_before_the_close(strategy: Strategy) -> None:
    at = local(pl.concat([whole(strategy.id, seed) for seed in (3, 4, 5)]))
    shut = pl.when(pl.col("session") == dt.date(2024, 7, 3)).then(pl.time(12, 40)).otherwise(pl.time(15, 40))
    late = at.filter(pl.col("at") >= shut)
    assert late.height
    assert set(late["reason"]) == {"OUT_OF_WINDOW"}
    assert at.filter(pl.col("at") < shut).filter(pl.col("score") != 0.0).height


def test_the_market_of_these_tests_does_trade() -> None:
    for strategy in TRADED:
        assert sum(entries(whole(strategy.id, seed)).height for seed in (3, 4, 5)) >= 3, strategy.id


@each
def test_nothing_is_entered_around_a_release(strategy: Strategy) -> None:
    begun = pl.concat([entries(whole(strategy.id, seed)) for seed in (3, 4, 5)])
    assert begun.height
    moments = begun["decided_at"].unique().to_list()
    pit = {**markets.pit(), "events": markets.releases(*moments)}
    for seed in (3, 4, 5):
        again = entries(signals(strategy, {**pit, "bars_intraday": markets.bars(seed)}, markets.ticks()))
        apart = [abs((a - b).total_seconds()) for a in again["decided_at"] for b in moments]
        assert min(apart, default=1801.0) > 1800.0


def test_a_release_that_is_not_yet_known_bars_nothing() -> None:
    strategy = TRADED[0]
    moment = entries(whole(strategy.id))["decided_at"][0]
    events = markets.releases(markets.NEWS_AT, moment).with_columns(
        available_at=pl.when(pl.col("event_at") == moment)
        .then(moment + dt.timedelta(seconds=1))
        .otherwise("available_at")
    )
    found = signals(strategy, {**markets.pit(), "events": events}, markets.ticks())
    assert entries(found)["decided_at"][0] == moment


def test_bars_older_than_two_lengths_are_stale() -> None:
    strategy = INTRADAY["vwap_reversion_intraday"]
    stop = dt.datetime(2024, 7, 1, 15, 0, tzinfo=dt.UTC)  # 11:00 New York
    late = (pl.col("available_at") > stop) & (pl.col("interval") == "5m")
    pit = {**markets.pit(), "bars_intraday": markets.bars().filter(~late)}
    found = local(signals(strategy, pit, markets.ticks(DAY, DAY)))
    reason = dict(found.select("at", "reason").iter_rows())
    assert reason[dt.time(11, 5, 5)] is None  # the newest bar ended at 10:55
    assert reason[dt.time(11, 10, 5)] == "STALE"


def test_without_dates_of_releases_nothing_is_said() -> None:
    strategy = TRADED[0]
    none = {**markets.pit(), "events": PIT_TABLES["events"].empty()}
    assert set(signals(strategy, none, markets.ticks(DAY, DAY))["reason"]) == {"MISSING"}
    soon = markets.releases().with_columns(event_at=pl.lit(dt.datetime(2024, 7, 20, tzinfo=dt.UTC)))
    reasons = signals(strategy, {**markets.pit(), "events": soon}, markets.ticks(DAY, DAY))["reason"]
    assert set(reasons) == {"STALE", "OUT_OF_WINDOW"}


REQUIRED = [
    pytest.param(s, text, id=f"{s.id}-{text}")
    for s in TRADED
    for item in s.inputs
    for text in item.data
    if not text.endswith((".vwap", ".volume"))
]


@pytest.mark.parametrize(("strategy", "text"), REQUIRED)
def test_without_what_it_declares_to_need_it_is_silent(strategy: Strategy, text: str) -> None:
    ref = DataRef.parse(text)
    pit = markets.pit()
    pit[ref.table] = pit[ref.table].filter(~ref.matches(strategy.symbols))
    assert set(signals(strategy, pit, markets.ticks(DAY, DAY))["reason"]) == {"MISSING"}


def test_a_short_history_is_a_warm_up() -> None:
    since = calendar.offset_session(DAY, -2)
    pit = {**markets.pit(), "bars_intraday": markets.bars().filter(pl.col("session") >= since)}
    assert set(signals(TRADED[0], pit, markets.ticks(DAY, DAY))["reason"]) == {"WARMUP"}


def test_the_dead_one_is_disabled_unless_flag_and_research_agree() -> None:
    strategy, ticks = INTRADAY["mvg_v1"], markets.ticks(DAY, DAY)
    for research, flags in ((False, ()), (True, ()), (False, FLAG)):
        found = evaluate_intraday(strategy, markets.pit(), ticks, include_quarantined=research, flags=flags)
        assert set(found["reason"]) == {"DISABLED"}
        intraday_signal_table(strategy.id).require_valid(found)
    assert "DISABLED" not in set(signals(strategy, markets.pit(), ticks)["reason"])
    unflagged = dataclasses.replace(strategy, params={k: v for k, v in strategy.params.items() if k != "flag"})
    assert set(evaluate_intraday(unflagged, markets.pit(), ticks)["reason"]) == {"QUARANTINED"}


def test_the_auction_needs_a_licence() -> None:
    found = signals(INTRADAY["fix_dislocation"], markets.pit(), markets.ticks(DAY, DAY))
    assert set(found["reason"]) == {"NOT_LICENSED"}


def test_an_instant_between_two_ticks_is_refused() -> None:
    ticks = markets.ticks(DAY, DAY).head(1).with_columns(pl.col("decided_at") + dt.timedelta(seconds=1))
    with pytest.raises(DataError, match="is no tick of 2024-07-01"):
        signals(TRADED[0], markets.pit(), ticks)


@each
def test_ten_times_the_price_of_a_fund_changes_no_score(strategy: Strategy) -> None:
    scale = pl.when(pl.col("symbol") == "GLD").then(10.0).otherwise(1.0)
    bars = markets.bars().with_columns(pl.col("close", "vwap") * scale)
    found = signals(strategy, {**markets.pit(), "bars_intraday": bars}, markets.ticks(DAY, DAY))
    want = whole(strategy.id).filter(pl.col("session") == DAY)
    assert found["reason"].equals(want["reason"], null_equal=True)
    np.testing.assert_allclose(found["score"].fill_null(0.0), want["score"].fill_null(0.0), atol=1e-6)


# Features against plain computations


def days() -> pl.DataFrame:
    return clock.ticks(DAY, DAY)


def plain_bars(symbol: str, interval: str) -> pl.DataFrame:
    """Bars known at the last tick of the day, oldest first, with the New York day."""
    rows = markets.bars().filter((pl.col("symbol") == symbol) & (pl.col("interval") == interval))
    return rows.sort("event_at").with_columns(day=pl.col("event_at").dt.convert_time_zone("America/New_York").dt.date())


def test_the_ratio_leaves_the_gaps_over_night_out() -> None:
    gld, slv = plain_bars("GLD", "15m"), plain_bars("SLV", "15m")
    rows = compute_intraday("ratio_15m", markets.pit(), days())
    at = rows.filter(pl.col("decided_at") == days()["decided_at"][53])  # 14:00:05
    known = gld["available_at"] <= at["decided_at"][0]
    x = np.log((gld["close"] / slv["close"]).filter(known).to_numpy())
    day = gld["day"].filter(known).to_numpy()
    moves = np.diff(x, prepend=x[0])
    moves[np.concatenate([[True], day[1:] != day[:-1]])] = 0.0
    path = np.cumsum(moves)[-130:]
    assert at["z_130"][0] == pytest.approx((path[-1] - path.mean()) / path.std(ddof=1), rel=1e-9)


def test_the_session_price_starts_anew_every_morning() -> None:
    gld = plain_bars("GLD", "5m").filter(pl.col("day") <= DAY)
    rows = compute_intraday("vwap_5m", markets.pit(), days())
    at = rows.filter(pl.col("decided_at") == days()["decided_at"][29])  # 30 bars
    deviations = []
    for (_,), part in gld.group_by("day", maintain_order=True):
        value = np.cumsum((part["vwap"] * part["volume"]).to_numpy()) / np.cumsum(part["volume"].to_numpy())
        deviations += np.log(part["close"].to_numpy() / value).tolist()
        session = value
    upto = len(gld) - 78 + 30
    assert at["session_bars"][0] == 30
    assert at["vwap"][0] == pytest.approx(session[29])
    assert at["vwap_change_12"][0] == pytest.approx(np.log(session[29] / session[17]))
    assert at["deviation_sd_78"][0] == pytest.approx(np.std(deviations[upto - 78 : upto], ddof=1))
    first = rows.filter(pl.col("session_bars") == 5, pl.col("decided_at") == days()["decided_at"][4])
    assert first["vwap_change_12"][0] == pytest.approx(np.log(session[4] / session[0]))


def test_the_strike_is_the_price_at_ten_and_volatility_is_todays() -> None:
    gld = plain_bars("GLD", "5m").filter(pl.col("day") == DAY)
    rows = compute_intraday("gamma_5m", markets.pit(), days())
    assert rows.filter(pl.col("decided_at") == days()["decided_at"][4])["strike"][0] is None
    at = rows.filter(pl.col("decided_at") == days()["decided_at"][38])  # 12:45:05
    assert at["strike"][0] == gld["close"][5]
    assert at["years_left"][0] == pytest.approx((1 + 195 / 390) / 252)
    returns = np.diff(np.log(gld["close"].to_numpy()[:39]))
    assert at["realised_vol"][0] == pytest.approx(np.sqrt(252 * 78 * np.mean(returns**2)))
    assert (at["gvz"][0], at["close"][0]) == (9.0, gld["close"][38])
    assert at["gvz_event_at"][0].date() == calendar.previous_session(DAY)


def test_the_residual_of_miners_is_that_of_a_regression() -> None:
    rows = compute_intraday("miners_30m", markets.pit(), days())
    at = rows.filter(pl.col("decided_at") == days()["decided_at"][41])  # 13:00:05, seven bars
    returns = {}
    for symbol in ("GDX", "GLD"):
        bars = plain_bars(symbol, "30m").filter(pl.col("available_at") <= at["decided_at"][0])
        moves = np.diff(np.log(bars["close"].to_numpy()), prepend=np.nan)
        moves[np.concatenate([[True], bars["day"].to_numpy()[1:] != bars["day"].to_numpy()[:-1]])] = 0.0
        returns[symbol] = moves[-260:]
    beta = np.polyfit(returns["GLD"], returns["GDX"], 1)[0]
    residual = returns["GDX"] - beta * returns["GLD"]
    assert at["beta_260"][0] == pytest.approx(beta)
    assert at["z_3"][0] == pytest.approx(residual[-3:].sum() / (np.sqrt(3) * residual.std(ddof=1)))
