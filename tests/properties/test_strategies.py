"""Every strategy of the registry, held against the properties that all of them must have."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable
from functools import lru_cache

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from qgtm_core import calendar
from qgtm_core.schemas.signals import signal_table
from qgtm_core.strategies.evaluate import evaluate
from qgtm_core.strategies.panel import signal_key
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.strategies.spec import STALENESS, Input, Strategy, consumed
from tests.properties import market

MIDDLE = dt.date(2024, 5, 16)  # a Thursday inside the range asked for
DECIDED = calendar.decision_time(MIDDLE)
# Scores that compare a price with an absolute level: an all-in cost, a net asset value, another market or a strike.
LEVELS = {
    "gold_miner_aisc_margin",
    "gold_phys_premium",
    "gold_sge_premium",
    "covered_call_writer",
    "cash_secured_put",
    "vrp_harvester",
    "gold_collar",
    "silver_ratio_spread",
    "event_straddle",
}
# Its gates (fit, half-life, cointegration) hold on few sessions of any market, and on none of these.
GATED = {"gold_real_rate_residual"}
# Terms in force until others take effect: old ones are not stale.
IN_FORCE = {"fund_terms"}

every_strategy = pytest.mark.parametrize("strategy", market.STRATEGIES.values(), ids=list(market.STRATEGIES))


def inputs(wanted: Callable[[Strategy, Input], bool]) -> pytest.MarkDecorator:
    """The test for every input of every strategy that is wanted."""
    chosen = [
        pytest.param(s, item, id=f"{s.id}-{item.table}-{item.name or n}")
        for s in market.STRATEGIES.values()
        for n, item in enumerate(s.inputs)
        if wanted(s, item)
    ]
    return pytest.mark.parametrize(("strategy", "item"), chosen)


def may_go_stale(strategy: Strategy, item: Input) -> bool:
    return not IN_FORCE & {table for table, _ in market.refs(strategy, item.data)}


every_input = inputs(lambda _, __: True)


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
        turned = {n: 1e4 / pl.col(m) for n, m in zip(price, ("close", "adj_close", "open", "low", "high"), strict=True)}
        return market.signals_of(market.with_prices(pit, **turned))
    tenfold = {n: pl.when(symbol=kind).then(c * 10.0).otherwise(c) for n, c in price.items()}
    return market.signals_of(market.with_prices(pit, **tenfold))


@every_strategy
def test_every_strategy_has_an_opinion_on_the_simulated_market(strategy: Strategy) -> None:
    signals = market.base_signals()[strategy.id]
    signal_table(strategy.id).require_valid(signals)
    if strategy.id in GATED:
        assert set(signals["reason"]) == {"GATE"}
    else:
        assert signals.filter(status="OK").height > 0, signals.group_by("symbol", "reason").len()


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


@every_strategy
def test_a_revision_that_comes_later_changes_no_earlier_signal(strategy: Strategy) -> None:
    assert_frame_equal(
        up_to_the_middle(disturbed("revised")[strategy.id]),
        up_to_the_middle(market.base_signals()[strategy.id]),
        check_exact=True,
    )


def test_the_garbage_does_reach_the_sessions_after_it() -> None:
    def later(signals: pl.DataFrame) -> pl.DataFrame:
        return signals.filter(pl.col("session") > MIDDLE)

    plain, garbled = market.base_signals(), disturbed("garbled")
    changed = {name for name in plain if not later(garbled[name]).equals(later(plain[name]))}
    daily = {s.id for s in market.STRATEGIES.values() if s.cadence.value == "daily" and s.inputs}
    dated, flat = {"gold_seasonal_demand"}, {"gold_day_of_week", "tail_hedge_pm"}  # dates known before; no view at all
    assert daily - changed - GATED <= dated | flat


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


@every_strategy
def test_an_opinion_says_when_its_newest_row_became_known(strategy: Strategy) -> None:
    spoken = market.base_signals()[strategy.id].filter(status="OK")
    if strategy.inputs or strategy.consumes:
        assert spoken["available_at"].null_count() == 0


@every_strategy
def test_the_same_panel_gives_the_same_bytes(strategy: Strategy) -> None:
    known = {**market.base_features(), **children_of(strategy)}

    def written() -> bytes:
        buffer = io.BytesIO()
        signals = evaluate(strategy, known, market.sessions(), include_quarantined=True)
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
        stored = {name: market.base_features()[name] for name in strategy.tables} | children_of(strategy)
        known = {name: frame.filter(seen) for name, frame in stored.items()}
        single.append(evaluate(strategy, known, day, include_quarantined=True))
    later = whole.filter(pl.col("session") >= days["session"][0])
    assert_frame_equal(pl.concat(single), later, check_exact=True)


@every_strategy
def test_the_features_of_one_session_alone_give_the_signal_of_the_whole_range(strategy: Strategy) -> None:
    today = market.lean_signals(strategy, market.base())
    whole = market.base_signals()[strategy.id].filter(pl.col("session") == market.LAST)
    assert_frame_equal(today, whole, check_exact=True)


def children_of(strategy: Strategy) -> dict[str, pl.DataFrame]:
    """Signals a strategy reads, under the names it gets them by."""
    return {signal_key(key): market.base_signals()[key] for key in consumed(strategy, REGISTRY)}


def silent_everywhere(strategy: Strategy, pit: market.Pit, *reasons: str) -> None:
    signals = market.lean_signals(strategy, pit)
    assert set(signals["symbol"]) == set(strategy.symbols)
    assert signals["status"].unique().to_list() == ["NO_SIGNAL"], signals
    assert set(signals["reason"]) <= set(reasons), signals


@every_input
def test_every_input_says_which_data_it_cannot_do_without(strategy: Strategy, item: Input) -> None:
    assert item.data
    for table, rows in market.refs(strategy, item.data):
        assert market.base()[table].filter(rows).height > 0, table


@every_input
def test_data_that_never_existed_are_missing_for_every_symbol(strategy: Strategy, item: Input) -> None:
    silent_everywhere(strategy, market.without(market.base(), strategy, item.data), "MISSING")


@inputs(lambda _, item: item.warmup > 1)
def test_too_few_observations_are_a_warm_up_for_every_symbol(strategy: Strategy, item: Input) -> None:
    few = market.young(market.base(), strategy, item.data, item.warmup - 1)
    silent_everywhere(strategy, few, "WARMUP")


@inputs(may_go_stale)
def test_data_that_stopped_are_stale_for_every_symbol(strategy: Strategy, item: Input) -> None:
    if item.coverage:
        pit = {
            **market.base(),
            "festivals": market.base()["festivals"].filter(pl.col("event_date") <= market.LAST),
            "events": market.base()["events"].filter(pl.col("event_at").dt.date() <= market.LAST),
            "fomc": market.base()["fomc"].filter(pl.col("event_date") <= market.LAST),
        }
    else:
        ended = calendar.decision_time(market.LAST) - STALENESS[item.staleness] - dt.timedelta(days=4)
        pit = dict(market.frozen(market.base(), strategy, item.data, ended))
    silent_everywhere(strategy, pit, "STALE")


@pytest.mark.parametrize("symbol", ["GLD", "SLV"])
@pytest.mark.parametrize("strategy", [s for s in market.STRATEGIES.values() if s.id not in LEVELS], ids=lambda s: s.id)
def test_ten_times_the_price_of_one_symbol_leaves_the_scores(strategy: Strategy, symbol: str) -> None:
    # the hedge filter gives slope and intercept the same noise, which a change of unit mixes: never quite invariant
    tolerance = 0.05 if strategy.id == "kalman_pairs" else 1e-6
    scaled, plain = disturbed(symbol)[strategy.id], market.base_signals()[strategy.id]
    assert scaled["reason"].equals(plain["reason"])
    gap = (scaled["score"] - plain["score"]).abs().max()
    assert gap is None or gap <= tolerance


@pytest.mark.parametrize(
    ("strategy_id", "tolerance"), [("tsmom", 0.02), ("xsmom", 1e-9), ("gold_tsmom", 1e-9), ("gold_momentum_mr", 1e-9)]
)
def test_turning_every_return_around_turns_the_score_around(strategy_id: str, tolerance: float) -> None:
    # tsmom sizes by the volatility of simple returns, which differs a little from that of their mirror image
    plain, turned = market.base_signals()[strategy_id], disturbed("negated")[strategy_id]
    assert (plain["score"] + turned["score"]).abs().max() <= tolerance
    assert (plain["score"].sign() == -turned["score"].sign()).all()
