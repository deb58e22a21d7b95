"""Real history: deleting the future changes nothing, and every table is filled."""

from __future__ import annotations

import datetime as dt
import functools

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from qgtm_core import calendar, pit
from qgtm_core.features.registry import FEATURES, compute_features
from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_core.schemas.pit import PIT_SOURCES
from qgtm_resources.feeds.archive import ArchiveFeed
from tests.archive import require_archive

pytestmark = pytest.mark.archive

FIRST, LAST = dt.date(2006, 1, 3), dt.date(2024, 6, 28)
CUTS = (dt.date(2008, 10, 10), dt.date(2013, 10, 21), dt.date(2020, 3, 16), dt.date(2024, 6, 27))
SOURCES = sorted({source for feature in FEATURES.values() for source in feature.sources})


@functools.cache
def history() -> dict[str, pl.DataFrame]:
    feed = ArchiveFeed(require_archive())
    return {
        table: pit.normalise(table, {raw: feed.rows(raw, calendar.FIRST_SESSION, LAST) for raw in PIT_SOURCES[table]})[
            0
        ]
        for table in SOURCES
    }


@functools.cache
def computed(table: str) -> pl.DataFrame:
    return compute_features(table, history(), calendar.schedule(FIRST, LAST))


@pytest.mark.parametrize("table", FEATURES)
def test_deleting_the_future_changes_no_feature(table):
    for cut in CUTS:
        known = {name: frame.filter(pl.col("session") <= cut) for name, frame in history().items()}
        one = compute_features(table, known, calendar.schedule(cut, cut))
        assert_frame_equal(one, computed(table).filter(pl.col("session") == cut), check_exact=True)


# What the archive cannot fill, by table: the beginning of the columns and what is missing. "" = the whole table
NOT_HELD = {
    "lease": {"": "no SOFR"},
    "inventory": {"": "warehouse reports of 2025-26 only"},
    "liquidity": {"": "no balance sheet of the Federal Reserve"},
    "margin": {"": "no all-in costs of miners"},
    "meta": {"": "no fits"},
    "official": {"": "quarterly holdings only, no monthly flows"},
    "option_surface": {"": "no chain of GLD; SLV after the range"},
    "petroleum": {"": "no crude stocks"},
    "premium": {"": "no fund below its net asset value"},
    "curve": {"nearby": "ten days of dated contracts", "next": "as above", "basis_momentum": "as above"},
    "carry": {"carry_ewma": "ten days of dated contracts"},
    "event_risk": {"chain": "no chain of GLD", "event_iv": "as above", "event_base": "as above"},
    "fixes": {"shanghai": "no Shanghai benchmark"},
    "haven": {"vix_slope": "no three-month volatility index"},
    "industrial": {"xli": "no bars of XLI", "indpro": "no industrial production"},
    "learning": {"model": "no fits", "p_": "no fits", "auc": "no fits"},
    "regime": {"model": "no fits", "p_": "no fits"},
    "physical": {"withdrawals": "no Shanghai withdrawals", "mint": "no coin sales"},
    "positioning": {"long_gap": "combined reports lack the spreads", "short_gap": "as above"},
}
BEGINS_LATE = {
    "macro": {"high_yield"},  # spreads from August 2023
    "cross_asset": {"btc"},  # bitcoin from 2014
    "curve": {"front_premium"},
    "formation": {"formation_rank"},  # only the five nearest pairs of a month have one
}


@pytest.mark.parametrize("table", FEATURES)
def test_real_history_fills_every_column_whose_data_it_holds(table):
    rows, lacks = computed(table), NOT_HELD.get(table, {})
    FEATURE_TABLES[table].require_valid(rows)
    assert rows.is_empty() == ("" in lacks)
    for name, column in FEATURE_TABLES[table].columns.items():
        values = rows[name].drop_nulls()
        if any(name.startswith(start) for start in lacks):
            assert values.is_empty(), name
        else:
            late = any(name.startswith(start) for start in BEGINS_LATE.get(table, ()))
            assert len(values) > (0.0 if late else 0.5) * rows.height, name
        if column.dtype.is_float():
            assert values.is_finite().all(), name


def test_reports_that_caught_up_after_the_shutdown_of_2019_are_flagged():
    gold = computed("positioning").filter(market="gold")
    flags = {day: gold.filter(session=day)["backlog"].item() for day in (dt.date(2019, 2, 20), dt.date(2019, 4, 3))}
    assert list(flags.values()) == [True, False]


def test_the_correlation_of_gold_with_the_dollar_is_negative_as_a_rule():
    assert computed("cross_asset")["gld_uup_corr_126"].mean() < -0.3
