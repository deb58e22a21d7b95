"""Features never see the future, and a revision changes later sessions only."""

from __future__ import annotations

import datetime as dt
import functools

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from qgtm_core import calendar
from qgtm_core.features.registry import FEATURES, compute_features
from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_core.schemas.pit import PIT_TABLES
from tests.core import pit_frames
from tests.properties import market

# The simulated market, with a few late rows and revisions in every table; one and a half years after all warm-ups.
FIRST, LAST = dt.date(2023, 1, 3), dt.date(2024, 6, 28)
CUTS = (dt.date(2023, 5, 8), dt.date(2023, 11, 24), dt.date(2024, 6, 3))
SHARE = 0.0008  # of the recent rows late, and as many revised
STAMPS = {"session", "event_date", "event_at", "available_at", "retrieved_at", "revision"}
KNOWN_AHEAD = {"festivals", "events", "fomc", "fund_terms"}  # dates and terms, which are not revised


def days(first: dt.date = FIRST, last: dt.date = LAST) -> pl.DataFrame:
    return calendar.schedule(first, last).select("session", "decided_at")


def troubled(name: str, frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """A table in which some of the newest rows come late and others are revised."""
    recent = pl.col("session") >= dt.date(2022, 12, 1)
    newest, older = frame.filter(recent), frame.filter(~recent)
    if name in KNOWN_AHEAD or newest.is_empty():
        return frame
    declared = PIT_TABLES[name]
    measured = [n for n, c in declared.columns.items() if n not in declared.key and c.dtype.is_float()]
    fresh = newest.drop("session", "revision")
    rows = pit_frames.revise(fresh, measured, rng, SHARE)
    again = pit_frames.complete(name, rows.select([*fresh.columns, "revision"]))
    return pl.concat([older, again])


@functools.cache
def tables() -> dict[str, pl.DataFrame]:
    rng = np.random.default_rng(21)
    return {name: troubled(name, frame, rng) for name, frame in market.base().items()}


@functools.cache
def computed(table: str) -> pl.DataFrame:
    return compute_features(table, tables(), days())


def garbage(frame: pl.DataFrame, after: dt.date) -> pl.DataFrame:
    """The frame with every number of rows known after a session replaced."""
    numbers = [n for n, t in frame.schema.items() if n not in STAMPS and t.is_numeric()]
    later = pl.col("session") > after
    return frame.with_columns(
        pl.when(later).then(pl.col(n) * 1000 + 7).otherwise(n).cast(frame.schema[n]).alias(n) for n in numbers
    )


@pytest.mark.parametrize("table", FEATURES)
@pytest.mark.parametrize("cut", CUTS)
def test_features_do_not_change_when_later_rows_are_deleted(table, cut):
    known = {name: frame.filter(pl.col("session") <= cut) for name, frame in tables().items()}
    want = computed(table).filter(pl.col("session") <= cut)
    assert_frame_equal(compute_features(table, known, days(last=cut)), want, check_exact=True)
    one = compute_features(table, known, days(cut, cut))
    assert_frame_equal(one, want.filter(pl.col("session") == cut), check_exact=True)


@pytest.mark.parametrize("table", FEATURES)
def test_features_do_not_change_when_later_rows_are_garbage(table):
    cut = CUTS[1]
    spoiled = {name: garbage(frame, cut) for name, frame in tables().items()}
    got = compute_features(table, spoiled, days())
    sessions = pl.col("session") <= cut
    assert_frame_equal(got.filter(sessions), computed(table).filter(sessions), check_exact=True)


@pytest.mark.parametrize("table", FEATURES)
def test_a_range_equals_its_sessions_computed_one_at_a_time(table):
    few = days(dt.date(2024, 3, 1), dt.date(2024, 3, 12))
    one_by_one = [compute_features(table, tables(), few.slice(i, 1)) for i in range(few.height)]
    assert_frame_equal(pl.concat(one_by_one), compute_features(table, tables(), few), check_exact=True)


@pytest.mark.parametrize("table", FEATURES)
def test_the_order_of_stored_rows_does_not_matter(table):
    shuffled = {name: frame.sample(fraction=1.0, shuffle=True, seed=3) for name, frame in tables().items()}
    few = days(dt.date(2024, 3, 1), dt.date(2024, 3, 12))
    want = computed(table).join(few.select("session"), on="session", how="semi")
    assert_frame_equal(compute_features(table, shuffled, few), want, check_exact=True)


def test_a_revision_changes_the_features_from_the_session_that_learns_of_it():
    prices = pit_frames.prices(seed=5)
    day, known = dt.date(2016, 5, 2), dt.date(2016, 6, 1)
    old = prices.filter((pl.col("symbol") == "GLD") & (pl.col("event_date") == day))
    new = old.with_columns(
        adj_close=pl.col("adj_close") * 1.1,
        revision=pl.lit(1, pl.Int32),
        available_at=pl.lit(dt.datetime(2016, 6, 1, 12, tzinfo=dt.UTC)),
    )
    revised = pl.concat([prices, pit_frames.complete("prices", new)])
    for table in ("prices", "pairs", "correlation", "cross_asset"):
        days = pit_frames.days(dt.date(2016, 5, 16), dt.date(2016, 6, 10))
        before, after = (compute_features(table, {"prices": frame}, days) for frame in (prices, revised))
        earlier = pl.col("session") < known
        assert_frame_equal(before.filter(earlier), after.filter(earlier), check_exact=True)
        keys = list(FEATURE_TABLES[table].key)
        differs = before.join(after, on=before.columns, how="anti", nulls_equal=True).select(keys)
        assert differs["session"].min() == known
        assert differs["session"].n_unique() == after.filter(~earlier)["session"].n_unique()


@pytest.mark.parametrize("table", FEATURES)
def test_every_row_was_known_at_its_decision(table):
    rows = computed(table).join(days(), on="session")
    for name in [n for n in rows.columns if n.endswith("available_at")]:
        assert (rows[name] <= rows["decided_at"]).all()


@pytest.mark.parametrize("table", FEATURES)
def test_every_value_is_a_number_or_null(table):
    rows = computed(table)
    FEATURE_TABLES[table].require_valid(rows)
    for name in [n for n, t in rows.schema.items() if t.is_float()]:
        assert rows[name].drop_nulls().is_finite().all(), name


@pytest.mark.parametrize("table", FEATURES)
def test_every_session_has_a_row_from_the_first_known_one_on(table):
    keys = [name for name in FEATURE_TABLES[table].key if name != "session"]
    rows = computed(table)
    every = days()["session"]
    groups = rows.partition_by(keys) if keys else [rows]
    for group in groups:
        assert group["session"].to_list() == [day for day in every if day >= group["session"][0]]


def test_a_dead_feed_keeps_its_rows_with_their_old_instants():
    stopped = {name: frame.filter(pl.col("session") <= CUTS[0]) for name, frame in tables().items()}
    rows = compute_features("macro", stopped, days())
    assert rows["session"][-1] == LAST
    assert rows["real_10y_available_at"].max() == rows.filter(session=CUTS[0])["real_10y_available_at"].item()


@pytest.mark.parametrize("table", FEATURES)
def test_empty_or_absent_inputs_give_no_rows(table):
    few = days(last=dt.date(2023, 1, 9))
    empty = {name: declared.empty() for name, declared in PIT_TABLES.items()}
    for pit in (empty, {}):
        got = compute_features(table, pit, few)
        assert got.is_empty()
        assert got.schema == FEATURE_TABLES[table].dtypes


@pytest.mark.parametrize("table", FEATURES)
def test_no_sessions_give_no_rows(table):
    got = compute_features(table, tables(), days().clear())
    assert got.is_empty()
    assert got.schema == FEATURE_TABLES[table].dtypes


@pytest.mark.parametrize("table", ["prices", "macro", "positioning", "cross_asset", "pairs", "calendar"])
def test_a_missing_symbol_or_series_leaves_the_others_as_they_were(table):
    some = {
        **tables(),
        "prices": tables()["prices"].filter(~pl.col("symbol").is_in(["SIL", "PALL", "SPY", "UUP"])),
        "macro": tables()["macro"].filter(pl.col("series_id") != "T10YIE"),
        "positioning": tables()["positioning"].filter(pl.col("market") == "gold"),
        "festivals": tables()["festivals"].filter(pl.col("event") == "diwali"),
    }
    got = compute_features(table, some, days())
    common = [n for n in got.columns if not got[n].is_null().all() and n not in {"covered", "festivals_available_at"}]
    keys = list(FEATURE_TABLES[table].key)
    full = computed(table).join(got.select(keys), on=keys, how="semi").select(common)
    assert got.height > 0
    assert_frame_equal(got.select(common), full, check_exact=True)


def test_symbols_outside_the_universe_are_not_counted():
    prices = pit_frames.prices(symbols=("GLD", "BTC-USD"))
    assert compute_features("prices", {"prices": prices}, pit_frames.days())["symbol"].unique().to_list() == ["GLD"]


@pytest.mark.parametrize("value", [None, float("nan"), 0.0])
def test_bars_without_a_usable_price_are_skipped(value):
    prices = pit_frames.prices(symbols=("GLD",))
    day = prices["event_date"][300]
    hole = pl.when(pl.col("event_date") == day).then(pl.lit(value, pl.Float64)).otherwise("adj_close")
    holed = {"prices": prices.with_columns(adj_close=hole)}
    without = {"prices": prices.filter(pl.col("event_date") != day)}
    days = pit_frames.days()
    assert_frame_equal(compute_features("prices", holed, days), compute_features("prices", without, days))


def test_volume_of_one_venue_is_not_counted():
    prices = pit_frames.prices(symbols=("GLD",)).with_columns(volume_scope=pl.lit("iex"))
    assert compute_features("prices", {"prices": prices}, pit_frames.days())["adv_20_shares"].is_null().all()


def test_a_price_scale_changes_no_ratio_feature():
    prices = pit_frames.prices()
    tenfold = prices.with_columns(pl.col("close", "adj_close") * 10)
    got, want = (compute_features("prices", {"prices": p}, pit_frames.days()) for p in (tenfold, prices))
    assert_frame_equal(got.drop("close", "adj_close"), want.drop("close", "adj_close"), rel_tol=1e-8, abs_tol=1e-10)


def test_a_report_that_comes_more_than_ten_days_after_its_tuesday_sets_the_backlog_flag():
    reports = pit_frames.positioning().with_columns(release_basis=pl.lit("rule"))
    late = reports.with_columns(available_at=pl.col("available_at") + pl.duration(days=8))
    for rows, flag in ((reports, False), (pit_frames.complete("positioning", late), True)):
        backlog = compute_features("positioning", {"positioning": rows}, pit_frames.days())["backlog"]
        assert backlog.unique().to_list() == [flag]


def test_a_backlog_release_basis_sets_the_flag():
    reports = pit_frames.positioning().with_columns(release_basis=pl.lit("shutdown_2013_bound"))
    assert compute_features("positioning", {"positioning": reports}, pit_frames.days())["backlog"].all()
