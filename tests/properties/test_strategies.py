"""Every strategy of the registry, held against the properties that all of them must have."""

from __future__ import annotations

import datetime as dt
import io
from functools import lru_cache

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from qgtm_core import calendar
from qgtm_core.schemas.signals import signal_table
from qgtm_core.strategies.evaluate import evaluate
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.strategies.spec import STALENESS, Strategy
from tests.properties import market

MIDDLE = dt.date(2020, 11, 12)  # a Thursday inside the range asked for
DECIDED = calendar.decision_time(MIDDLE)

every_strategy = pytest.mark.parametrize("strategy", REGISTRY.values(), ids=list(REGISTRY))


def up_to_the_middle(signals: pl.DataFrame) -> pl.DataFrame:
    return signals.filter(pl.col("session") <= MIDDLE)


@lru_cache(maxsize=8)
def disturbed(kind: str) -> dict[str, pl.DataFrame]:
    """Signals of the market with one disturbance."""
    price = {name: pl.col(name) for name in ("close", "adj_close", "open", "high", "low")}
    pit = market.base()
    if kind == "deleted":
        return market.signals_of(market.known_at(pit, DECIDED), last=MIDDLE)
    if kind == "garbled":
        return market.signals_of(market.garbled_after(pit, DECIDED))
    if kind == "revised":
        return market.signals_of(market.revised_after(pit, DECIDED))
    if kind == "negated":
        return market.signals_of(market.with_prices(pit, **{n: 1e4 / c for n, c in price.items()}))
    tenfold = {n: pl.when(symbol=kind).then(c * 10.0).otherwise(c) for n, c in price.items()}
    return market.signals_of(market.with_prices(pit, **tenfold))


@every_strategy
def test_every_strategy_has_an_opinion_on_the_synthetic_market(strategy: Strategy) -> None:
    signals = market.base_signals()[strategy.id]
    signal_table(strategy.id).require_valid(signals)
    assert signals.filter(status="OK").height > 0
    assert set(signals["reason"].drop_nulls()) <= {"GATE"}


@every_strategy
def test_deleting_what_was_not_yet_known_changes_nothing(strategy: Strategy) -> None:
    assert_frame_equal(
        disturbed("deleted")[strategy.id], up_to_the_middle(market.base_signals()[strategy.id]), check_exact=True
    )


@every_strategy
def test_garbage_in_the_future_changes_nothing(strategy: Strategy) -> None:
    assert_frame_equal(
        up_to_the_middle(disturbed("garbled")[strategy.id]),
        up_to_the_middle(market.base_signals()[strategy.id]),
        check_exact=True,
    )


def test_the_garbage_does_reach_the_sessions_after_it() -> None:
    changed = [
        name
        for name, signals in disturbed("garbled").items()
        if not signals.filter(pl.col("session") > MIDDLE).equals(
            market.base_signals()[name].filter(pl.col("session") > MIDDLE)
        )
    ]
    assert set(REGISTRY) - set(changed) <= {"gold_seasonal_demand"}  # its dates were known before


@every_strategy
def test_a_revision_that_comes_later_changes_no_earlier_signal(strategy: Strategy) -> None:
    assert_frame_equal(
        up_to_the_middle(disturbed("revised")[strategy.id]),
        up_to_the_middle(market.base_signals()[strategy.id]),
        check_exact=True,
    )


@every_strategy
def test_scores_and_confidences_stay_in_their_bounds(strategy: Strategy) -> None:
    for kind in ("garbled", "revised", "negated"):
        signals = disturbed(kind)[strategy.id]
        spoken = signals.filter(status="OK")
        assert spoken["score"].is_between(-1.0, 1.0).all()
        assert spoken["confidence"].is_between(0.0, 1.0).all()
        silent = signals.filter(status="NO_SIGNAL")
        assert silent["score"].null_count() == silent.height == silent["reason"].count()
        assert (silent["confidence"] == 0.0).all()


@every_strategy
def test_no_signal_uses_a_row_from_after_its_decision(strategy: Strategy) -> None:
    signals = market.base_signals()[strategy.id]
    assert (signals["available_at"] <= signals["decided_at"]).all()
    assert (signals["as_of_max"] <= signals["available_at"]).all()


@every_strategy
def test_the_same_panel_gives_the_same_bytes(strategy: Strategy) -> None:
    def written() -> bytes:
        buffer = io.BytesIO()
        signals = evaluate(strategy, market.base_features(), market.sessions(), include_quarantined=True)
        signals.rechunk().write_ipc(buffer)
        return buffer.getvalue()

    assert written() == written()


@every_strategy
def test_day_by_day_with_the_declared_look_back_equals_the_whole_range(strategy: Strategy) -> None:
    whole = market.base_signals()[strategy.id]
    days = market.sessions().tail(34)  # reaches over a month end and several weeks
    single = []
    for day in days.iter_slices(1):
        session = day["session"][0]
        first = calendar.offset_session(session, -strategy.lookback)
        seen = pl.col("session").is_between(first, session)
        features = {name: market.base_features()[name].filter(seen) for name in strategy.tables}
        single.append(evaluate(strategy, features, day, include_quarantined=True))
    later = whole.filter(pl.col("session") >= days["session"][0])
    assert_frame_equal(pl.concat(single), later, check_exact=True)


def silent_everywhere(strategy: Strategy, features: dict[str, pl.DataFrame], day: dt.date, reason: str) -> None:
    out = evaluate(strategy, features, market.sessions(day, day), include_quarantined=True)
    assert out.select("symbol", "status", "reason").rows() == [
        (symbol, "NO_SIGNAL", reason) for symbol in sorted(strategy.symbols)
    ]


REQUIRED = [
    pytest.param(strategy, item.table, column, id=f"{strategy.id}-{column}")
    for strategy in REGISTRY.values()
    for item in strategy.inputs
    for column in dict.fromkeys([*item.columns, item.coverage or f"{item.prefix}obs"])
    if column not in item.optional
]


@pytest.mark.parametrize(("strategy", "table", "column"), REQUIRED)
def test_a_required_column_that_is_gone_is_missing_for_every_symbol(
    strategy: Strategy, table: str, column: str
) -> None:
    features = {**market.base_features(), table: market.base_features()[table].drop(column)}
    silent_everywhere(strategy, features, market.LAST, "MISSING")


@every_strategy
def test_a_source_that_is_gone_is_missing_for_every_symbol(strategy: Strategy) -> None:
    for source in market.required_by(strategy):
        rest = {name: frame for name, frame in market.base().items() if name != source}
        silent_everywhere(strategy, lean_features(strategy, rest, market.LAST), market.LAST, "MISSING")


@pytest.mark.parametrize("strategy", [s for s in REGISTRY.values() if s.warmup], ids=lambda s: s.id)
def test_a_history_shorter_than_the_warm_up_is_too_short_for_every_symbol(strategy: Strategy) -> None:
    start = dt.date(2020, 9, 1)
    young = {
        name: frame if name == "festivals" else frame.filter(pl.col("event_date") >= start)
        for name, frame in market.base().items()
    }
    silent_everywhere(strategy, lean_features(strategy, young, market.LAST), market.LAST, "WARMUP")


@every_strategy
def test_a_dead_feed_is_stale_for_every_symbol(strategy: Strategy) -> None:
    oldest = max(STALENESS[item.staleness] for item in strategy.inputs)
    frozen = market.known_at(market.base(), calendar.decision_time(market.LAST) - oldest - dt.timedelta(days=4))
    ends = pl.col("event_date") < dt.date(2021, 6, 1)
    frozen = {**frozen, "festivals": frozen["festivals"].filter(ends)}
    silent_everywhere(strategy, lean_features(strategy, frozen, market.LAST), market.LAST, "STALE")


def lean_features(strategy: Strategy, pit: market.Pit, day: dt.date) -> dict[str, pl.DataFrame]:
    """The strategy's own tables for one session and its look-back."""
    days = market.sessions(calendar.offset_session(day, -strategy.lookback), day)
    return {table: market.compute_features(table, pit, days) for table in strategy.tables}


@pytest.mark.parametrize("symbol", ["GLD", "SLV"])
@every_strategy
def test_ten_times_the_price_of_one_symbol_leaves_the_scores(strategy: Strategy, symbol: str) -> None:
    # the hedge filter gives slope and intercept the same noise, which a change of unit mixes: never quite invariant
    tolerance = 0.05 if strategy.id == "kalman_pairs" else 1e-6
    scaled, plain = disturbed(symbol)[strategy.id], market.base_signals()[strategy.id]
    assert scaled["reason"].equals(plain["reason"])
    gap = (scaled["score"] - plain["score"]).abs().max()
    assert gap is None or gap <= tolerance


@pytest.mark.parametrize(("strategy_id", "tolerance"), [("tsmom", 0.02), ("xsmom", 1e-9)])
def test_turning_every_return_around_turns_the_score_around(strategy_id: str, tolerance: float) -> None:
    # tsmom sizes by the volatility of simple returns, which differs a little from that of their mirror image
    plain, turned = market.base_signals()[strategy_id], disturbed("negated")[strategy_id]
    assert (plain["score"] + turned["score"]).abs().max() <= tolerance
    assert (plain["score"].sign() == -turned["score"].sign()).all()
