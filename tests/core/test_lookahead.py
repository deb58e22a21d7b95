"""The parts of the look-ahead detector: bitwise comparison, changed histories, and what rows say by themselves."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from qgtm_core import calendar
from qgtm_core.backtest.lookahead import accounts, checks
from qgtm_core.backtest.lookahead.detector import ancestors, shortest_way
from qgtm_core.backtest.lookahead.differences import ABSENT, differences
from qgtm_core.backtest.lookahead.histories import cut_sessions, shuffled, spoil, spoilt, too_early, truncated
from qgtm_core.backtest.lookahead.leak import Leak
from qgtm_core.backtest.lookahead.pipeline import Case, Pipeline, World, raw_of, wanted, world_of
from qgtm_core.backtest.research.returns import ResearchMarket
from qgtm_core.errors import InvariantError
from qgtm_core.schemas.pit import PIT_TABLES
from qgtm_core.schemas.raw import RAW_TABLES
from tests.core import pit_frames

CUT = dt.date(2016, 5, 11)
FRAME = pl.DataFrame({"session": [1, 2, 3], "x": [0.0, float("nan"), None]})


def test_equal_frames_do_not_differ_whatever_the_order_of_their_rows():
    found = differences(FRAME, FRAME.reverse(), ["session"])
    assert (found.rows, found.different, found.text) == (3, 0, "")


def test_zeros_of_two_signs_and_a_null_for_a_number_are_differences():
    other = pl.DataFrame({"session": [1, 2, 3], "x": [-0.0, float("nan"), 0.0]})
    found = differences(FRAME, other, ["session"])
    assert (found.different, found.text) == (2, "x at 1: 0.0 / -0.0")


def test_a_row_that_only_one_side_has_is_named_by_its_key():
    found = differences(FRAME, FRAME.head(2), ["session"], absent="available_at")
    assert (found.different, found.column, found.key) == (1, "available_at", "3")
    assert (found.expected, found.found) == ("a row", ABSENT)


def test_a_key_that_occurs_twice_is_a_difference():
    assert differences(FRAME, pl.concat([FRAME, FRAME.head(1)]), ["session"]).different


def test_the_first_difference_is_the_one_of_the_earliest_session():
    days = [dt.date(2024, 1, 3), dt.date(2024, 1, 2)]
    frame = pl.DataFrame({"symbol": ["A", "B"], "session": days, "x": [1.0, 2.0]})
    found = differences(frame, frame.with_columns(x=pl.col("x") + 1), ["symbol", "session"])
    assert found.session == days[1]


# histories


def test_the_past_of_a_changed_history_is_the_past():
    frames = {"prices": pit_frames.prices(), "macro": pit_frames.macro()}
    for changed in (spoilt(PIT_TABLES, frames, CUT), shuffled(PIT_TABLES, frames, CUT)):
        for name, frame in truncated(frames, CUT).items():
            past = changed[name].filter(pl.col("session") <= CUT)
            assert not differences(frame, past, PIT_TABLES[name].unique).different
            assert changed[name].height > frame.height


def test_a_spoilt_history_revises_everything_known_and_keeps_its_keys_unique():
    frame = pit_frames.macro()
    wild = spoil(PIT_TABLES["macro"], frame, CUT)
    PIT_TABLES["macro"].require_valid(wild)
    false = wild.filter(pl.col("revision") == 9_999)
    assert false["session"].unique().to_list() == [calendar.next_session(CUT)]
    assert false.height == frame.filter(pl.col("session") <= CUT).select("series_id", "event_date").n_unique()


def test_the_same_history_is_spoilt_the_same_way_twice():
    frame = pit_frames.prices()
    one, other = (spoil(PIT_TABLES["prices"], frame, CUT) for _ in range(2))
    assert not differences(one, other, PIT_TABLES["prices"].unique).different


def test_rows_that_are_too_early_are_known_a_session_before():
    frame = pit_frames.macro()
    early = too_early(frame)
    assert early["session"].min() < frame["session"].min()
    assert (early["available_at"] <= calendar.decision_time(calendar.last_known_session())).all()


def test_cuts_are_spread_over_weekdays_and_never_the_last_session():
    cuts = cut_sessions(dt.date(2020, 1, 2), dt.date(2023, 12, 29), 5)
    assert len(cuts) == 5
    assert len({day.isoweekday() for day in cuts}) >= 4
    assert max(cuts) < dt.date(2023, 12, 29)


def test_one_of_several_cuts_lies_in_the_widest_hole_of_a_series():
    rows = pit_frames.macro()
    first, last = rows["event_date"].min(), rows["event_date"].max()
    hole = dt.date(2016, 3, 1), dt.date(2016, 4, 15)
    holed = rows.filter(~pl.col("event_date").is_between(*hole))
    cuts = cut_sessions(first, last, 4, {"macro": holed})
    assert any(hole[0] < day < hole[1] for day in cuts)


def test_a_range_of_one_session_has_no_cut():
    assert cut_sessions(CUT, CUT, 4) == []


# what rows say by themselves


def raw_macro() -> pl.DataFrame:
    rows = pit_frames.macro().with_columns(release_basis=pl.lit("rule"))
    return rows.select(list(RAW_TABLES["macro"].dtypes))


def test_honest_rows_break_no_rule():
    rows, leaks = checks.published({"macro": raw_macro().with_columns(series_id=pl.lit("no rule of ours"))})
    assert rows == raw_macro().height
    assert leaks == []
    assert checks.stated({"macro": pit_frames.macro()}, {"macro": raw_macro()})[1] == []


def test_a_yield_of_friday_that_is_known_on_saturday_is_a_leak():
    (leak,) = checks.published({"macro": raw_macro()})[1]
    assert (leak.key, leak.kind) == ("DFII10, 2014-01-03", "before its publication")


def test_a_session_decided_before_its_row_was_known_is_a_leak():
    frame = raw_macro().with_columns(available_at=pl.col("available_at") + pl.duration(days=9))
    leak = checks.published({"macro": frame})[1][0]
    assert (leak.stage, leak.column, leak.kind) == ("raw", "available_at", "its session is decided before it is known")


def test_a_row_of_no_source_is_a_leak():
    invented = pit_frames.macro().with_columns(event_date=pl.col("event_date") + pl.duration(days=4000)).head(1)
    (leak,) = checks.stated({"macro": invented}, {"macro": raw_macro()})[1]
    assert "never said" in leak.kind


def test_a_feature_row_of_after_its_decision_is_a_leak():
    day = dt.date(2024, 3, 6)
    row = pl.DataFrame({"session": [day], "available_at": [calendar.close_at(day)]})
    (leak,) = checks.known_at_decision({"trend": row})[1]
    assert (leak.stage, leak.table, leak.column, leak.session) == ("features", "trend", "available_at", day)


def greedy(_trainer, _pit, first, *_):
    """A fit that has seen labels of nine days later."""
    fitted = calendar.previous_session(first)
    row = {"model_id": "m", "event_date": fitted, "trained_to": fitted + dt.timedelta(days=9), "observations": 1,
           "payload": "", "params_hash": "", "session": first, "revision": 0}  # fmt: skip
    yield pl.DataFrame([row], schema_overrides=PIT_TABLES["models"].dtypes).select(
        pl.col(name) if name in row else pl.lit(None, dtype).alias(name)
        for name, dtype in PIT_TABLES["models"].dtypes.items()
    )


def test_labels_settled_after_a_fit_are_a_leak():
    case = Case(wanted(["regime_classifier_pm"]), dt.date(2024, 1, 2), dt.date(2024, 6, 28), {})

    pit = {name: PIT_TABLES[name].empty() for name in ("prices", "macro", "positioning")}
    rows, leaks = checks.fits(Pipeline(fits=greedy), case, pit, dt.date(2024, 5, 1))
    assert rows == 2
    assert {leak.kind for leak in leaks} == {"labels settled after the fit"}


def test_a_stored_fit_that_knew_its_future_is_a_leak():
    (row,) = greedy(None, None, dt.date(2024, 4, 1))
    early = row.with_columns(available_at=pl.lit(calendar.open_at(dt.date(2024, 3, 28))))
    found = checks.stored_fits({"models": early})
    assert [leak.column for leak in found[1]] == ["trained_to", "available_at"]


def test_nothing_is_fitted_for_strategies_that_learn_nothing():
    case = Case(wanted(["gold_tsmom"]), dt.date(2024, 1, 2), dt.date(2024, 6, 28), {})
    assert checks.fits(Pipeline(), case, {}, dt.date(2024, 5, 1)) == (0, [])
    assert checks.folds(Pipeline(), {}, dt.date(2024, 5, 1)) == (0, [])


# accounts


def market(rows: int = 6) -> ResearchMarket:
    days = tuple(calendar.schedule(dt.date(2024, 3, 4))["session"].to_list()[:rows])
    one = np.full((rows, 2), 0.2)
    return ResearchMarket(days, ("GLD", "SLV"), one * 0.01, one, one, one * 1e9, one * 500, one * 0)


@pytest.mark.parametrize(("place", "wrong"), [(2, True), (5, False)])
def test_a_return_that_prices_before_the_entry_move_is_a_leak(place, wrong):
    one, other = market(), market()
    other.next_return[2] += 0.5
    leaks = accounts._market_leaks(one, other, place if wrong else 3)
    assert [leak.session for leak in leaks] == ([one.sessions[2]] if wrong else [])


def test_an_order_that_does_not_fill_is_no_leak():
    silent = Pipeline(fill=lambda intent, rows: replace(Pipeline().fill(intent, rows), executions=()))
    assert accounts.fills(silent, [dt.date(2024, 3, 6)]) == (2, [])


def test_a_fill_that_knows_the_next_session_is_a_leak():
    def ahead(intent, rows):
        return Pipeline().fill(intent, {intent.session: rows[calendar.next_session(intent.session)]})

    (leak,) = accounts.fills(Pipeline(fill=ahead), [dt.date(2024, 3, 6)])[1]
    assert leak.stage == "fills"


def test_without_signals_there_is_nothing_to_account():
    case = Case(wanted(["gold_tsmom"]), dt.date(2024, 1, 2), dt.date(2024, 6, 28), {})
    assert accounts.returns(Pipeline(), case, World({}), {}, [dt.date(2024, 3, 6)]) == (0, [])


# the path


def test_a_table_reaches_the_nearest_signal_by_the_shortest_way():
    strategies = wanted(["real_rate_gold"])
    way = shortest_way("raw/macro", strategies, ())
    assert way == ("pit/macro", "features/macro", "signals/real_rate_gold")
    assert set(way) < set(ancestors("signals/real_rate_gold", strategies))
    assert shortest_way("raw/cot", strategies, ()) == ()


def test_a_consumer_is_made_of_the_signals_it_reads():
    strategies = wanted(["precious_metals"])
    assert set(strategies) > {"precious_metals"}
    assert any(node.startswith("signals/") for node in ancestors("signals/precious_metals", strategies)[1:])
    assert "bars_daily" in raw_of(strategies)


def test_a_row_the_evaluation_refuses_is_kept_as_its_words():
    def refuse(*_):
        raise InvariantError("became known only after its decision")

    case = Case(wanted(["gold_tsmom"]), dt.date(2024, 6, 3), dt.date(2024, 6, 28), {})
    world = world_of(Pipeline(signals=refuse), case, {}, case.last)
    assert world.refused
    assert world.of("signals") == {}


def test_a_leak_is_told_in_one_line():
    leak = Leak("pit", "macro", "value", CUT, f"DFII10, {CUT}", "revised", "1.0", "2.0", ("features/macro",))
    assert leak.text == "pit/macro.value on 2016-05-11 (DFII10), revised: 1.0 / 2.0; reaches features/macro"
    assert leak.concerns("any", ("pit/macro",))
    assert not leak.concerns("any", ("pit/prices",))
    assert replace(leak, stage="fills").concerns("any", ())
    assert replace(leak, stage="returns", table="tsmom").concerns("tsmom", ())
