"""Raw to PIT: good rows pass, rows that cannot be right are held back with the reason."""

from __future__ import annotations

import datetime as dt
import math

import polars as pl
import pytest

from qgtm_core import calendar
from qgtm_core.pit import normalise
from qgtm_core.quarantine import QUARANTINE_SCHEMA
from qgtm_core.schemas.pit import PIT_SOURCES, PIT_TABLES
from qgtm_core.schemas.raw import RAW_TABLES

DAY = dt.date(2020, 3, 3)
CLOSE = calendar.close_at(DAY)
HIGHEST_USD = RAW_TABLES["bars_daily"].columns["open"].high
NEXT = dt.date(2020, 3, 4)


def raw(table: str, **values: object) -> pl.DataFrame:
    """One raw row about DAY, known a quarter of an hour after its close; the rest is null."""
    declared = RAW_TABLES[table]
    row = {
        "event_date": DAY,
        "event_at": CLOSE,
        "available_at": CLOSE + calendar.BAR_DELAY,
        "retrieved_at": CLOSE + calendar.BAR_DELAY,
        "revision": 0,
        "session": NEXT,
        "source": "test",
        **values,
    }
    return pl.DataFrame(
        {name: pl.Series([row.get(name)], dtype=dtype) for name, dtype in declared.dtypes.items()},
    )


def bar(**values: object) -> pl.DataFrame:
    good = {"symbol": "GLD", "open": 10.0, "high": 11.0, "low": 9.0, "close": 10.5, "adj_close": 10.5, "volume": 100}
    return raw("bars_daily", **{**good, **values})


def problems(table: str, *frames: pl.DataFrame) -> list[tuple[str, str]]:
    """Quarantined (column, problem) of frames that all hold bad rows only."""
    (source,) = PIT_SOURCES[table]
    good, held = normalise(table, {source: pl.concat(frames)})
    assert good.is_empty()
    assert held.schema == QUARANTINE_SCHEMA
    return sorted(held.select("column", "problem").iter_rows())


def test_a_good_bar_passes_and_loses_the_columns_that_are_not_declared():
    good, held = normalise("prices", {"bars_daily": bar(flags="iex_volume")})
    assert good.schema == PIT_TABLES["prices"].dtypes
    assert (good.height, held.height) == (1, 0)
    assert held.schema == QUARANTINE_SCHEMA


def test_a_bad_row_is_held_back_alone():
    good, held = normalise("prices", {"bars_daily": pl.concat([bar(), bar(symbol="SLV", close=-1.0)])})
    assert good["symbol"].to_list() == ["GLD"]
    assert held.row(0, named=True) == {
        "table": "prices",
        "session": NEXT,
        "key": "symbol=SLV, event_date=2020-03-03, revision=0",
        "column": "close",
        "value": "-1.0",
        "problem": "is below 0.0001",
    }


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_held_back(value):
    assert ("adj_close", "is not a finite number") in problems("prices", bar(adj_close=value))


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"high": 8.0, "close": 8.5, "low": 9.0}, ("high", "is below low")),
        ({"close": 11.5}, ("close", "is above high")),
        ({"close": 8.5}, ("close", "is below low")),
        ({"open": 2e9}, ("open", f"is above {HIGHEST_USD:g}")),
        ({"volume": -1}, ("volume", "is below 0")),
        ({"close": None}, ("close", "is missing")),
        ({"available_at": None}, ("available_at", "is missing")),
        ({"session": None}, ("session", "is missing")),
        ({"session": dt.date(2020, 3, 7)}, ("session", "is not a session")),
        ({"session": DAY}, ("session", "is decided before the row was known")),
        ({"available_at": CLOSE - dt.timedelta(hours=1)}, ("available_at", "is before the event")),
    ],
)
def test_a_bar_that_cannot_be_right_is_held_back(values, problem):
    assert problem in problems("prices", bar(**values))


def test_a_bar_without_open_high_and_low_passes():
    good, _ = normalise("prices", {"bars_daily": bar(open=None, high=None, low=None, volume=None)})
    assert good.height == 1


def test_rounding_of_adjusted_prices_is_not_an_inconsistency():
    good, _ = normalise("prices", {"bars_daily": bar(close=11.0000001)})
    assert good.height == 1


def test_a_row_with_two_problems_has_two_lines():
    assert len(problems("prices", bar(close=math.nan, volume=-5))) == 2


LEGS = {
    **{f"{leg}_{side}": 100 for leg in ("managed_money", "producer", "swap", "other") for side in ("long", "short")},
    **{f"{leg}_spread": 10 for leg in ("managed_money", "swap", "other")},
    "nonreportable_long": 50,
    "nonreportable_short": 50,
    "open_interest": 480,
}


def report(kind: str, **values: object) -> pl.DataFrame:
    return raw("cot", **{"cftc_code": "088691", "market": "gold", "report_type": kind, **LEGS, **values})


@pytest.mark.parametrize(
    ("kind", "values", "passes"),
    [
        ("disaggregated_futures_only", {}, True),
        ("disaggregated_futures_only", {"open_interest": 481}, False),
        ("disaggregated_futures_and_options_combined", {"open_interest": 483}, True),
        ("disaggregated_futures_and_options_combined", {"open_interest": 490}, False),
        ("disaggregated_futures_only", {"open_interest": 999, "swap_spread": None, "swap_long": None}, True),
    ],
)
def test_open_interest_must_be_the_sum_of_its_legs_where_all_are_given(kind, values, passes):
    if not passes:
        assert problems("positioning", report(kind, **values)) == [
            ("open_interest", "is not the sum of long and spread positions"),
            ("open_interest", "is not the sum of short and spread positions"),
        ]
    else:
        # a missing leg on the short side only would still leave the long side to check
        good, _ = normalise("positioning", {"cot": report(kind, **{**values, **_no_short(values)})})
        assert good.height == 1


def _no_short(values: dict[str, object]) -> dict[str, object]:
    return {"swap_short": None} if "swap_long" in values else {}


def test_a_schedule_may_be_known_before_its_event_and_an_outcome_may_not():
    early = {"available_at": CLOSE - dt.timedelta(days=30), "event": "CPI"}
    frames = [raw("event_calendar", stage=stage, **early) for stage in ("schedule", "outcome")]
    good, held = normalise("events", {"event_calendar": pl.concat(frames)})
    assert good["stage"].to_list() == ["schedule"]
    assert held["problem"].to_list() == ["is before the event"]


@pytest.mark.parametrize(("table", "source"), [("festivals", "seasonal_calendar"), ("margins", "futures_margins")])
def test_days_fixed_in_advance_may_be_known_before_they_come(table, source):
    row = raw(
        source,
        available_at=CLOSE - dt.timedelta(days=30),
        event="diwali",
        root="GC",
        initial_usd=1.0,
        maintenance_usd=1.0,
    )
    good, held = normalise(table, {source: row})
    assert (good.height, held.height) == (1, 0)


def test_macro_stacks_series_vintages_petroleum_stocks_and_geopolitical_risk():
    good, held = normalise(
        "macro",
        {
            "macro": raw("macro", series_id="WALCL", value=7.2e6, unit="Millions of U.S. Dollars"),
            "eia_weekly": raw("eia_weekly", series_id="WCESTUS1", value=424_120.0),
            "macro_vintages": pl.concat(
                [
                    raw("macro_vintages", series_id="UNRATE", measure="level", value=3.6),
                    raw("macro_vintages", series_id="CPIAUCSL", measure="yoy_pct", value=2.3),
                ]
            ),
            "gpr_daily": raw("gpr_daily", gprd=100.0, gprd_act=None, gprd_threat=90.0),
            "gpr_monthly": raw("gpr_monthly", gpr=80.0, gpr_act=70.0, gpr_threat=60.0),
        },
    )
    assert held.is_empty()
    PIT_TABLES["macro"].require_valid(good)
    assert good.select("series_id", "value", "revision", "unit").rows() == [
        ("WALCL", 7.2e6, 0, "Millions of U.S. Dollars"),
        ("UNRATE", 3.6, 1000, None),
        ("CPIAUCSL_YOY", 2.3, 0, None),
        ("WCESTUS1", 424_120.0, 0, "Thousand Barrels"),
        ("GPRD", 100.0, 0, None),
        ("GPRD_THREAT", 90.0, 0, None),
        ("GPR", 80.0, 0, None),
        ("GPR_ACT", 70.0, 0, None),
        ("GPR_THREAT", 60.0, 0, None),
    ]


def test_a_macro_value_keeps_the_range_of_its_raw_table():
    good, held = normalise("macro", {"macro": raw("macro", series_id="DFII10", value=-2e6)})
    assert good.is_empty()
    assert held["problem"].to_list() == ["is below -1e+06"]


@pytest.mark.parametrize("table", PIT_TABLES)
def test_tables_without_raw_rows_are_empty_in_their_declared_shape(table):
    for given in ({}, {name: RAW_TABLES[name].empty() for name in PIT_SOURCES[table]}):
        good, held = normalise(table, given)
        assert good.schema == PIT_TABLES[table].dtypes
        assert (good.height, held.height) == (0, 0)
