"""The archive feed on small folders: what is known when, revisions, quotes and what the venue saw."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from qgtm_core import calendar
from qgtm_core.errors import ConfigError, DataError
from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_resources.feeds.archive import ArchiveFeed
from tests.resources.archive_folders import FRIDAY, bars, sessions_before, write

D = dt.date
EVER = (calendar.FIRST_SESSION, calendar.last_known_session())


def instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=calendar.NEW_YORK).astimezone(dt.UTC)


def test_a_folder_that_is_not_there_is_a_setting_to_change(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no archive folder at .*absent; set QGTM_ARCHIVE"):
        ArchiveFeed(tmp_path / "absent")


@pytest.mark.parametrize("name", sorted(RAW_TABLES))
def test_a_missing_file_is_an_empty_table(tmp_path: Path, name: str) -> None:
    rows = ArchiveFeed(tmp_path).rows(name, *EVER)
    assert rows.schema == pl.Schema(RAW_TABLES[name].dtypes)
    assert rows.is_empty() == (name not in ("seasonal_calendar", "fund_terms"))  # constant tables need no file
    assert ArchiveFeed(tmp_path).rejected(name).is_empty()


def test_an_unknown_table_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no raw table 'bars_weekly'; there are bars_daily"):
        ArchiveFeed(tmp_path).rows("bars_weekly", *EVER)


def test_without_bars_there_is_no_last_session(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"bars_daily.parquet, column 'symbol': no usable daily bar"):
        ArchiveFeed(tmp_path).last_session()


def test_the_last_session_is_that_of_the_newest_bar_of_a_known_instrument(tmp_path: Path) -> None:
    write(tmp_path, "bars_daily", pl.concat([bars("GLD", days=3), bars("BTC-USD", days=1, last=D(2024, 6, 30))]))
    assert ArchiveFeed(tmp_path).last_session() == FRIDAY


def test_a_daily_bar_is_seen_at_the_next_sessions_decision(tmp_path: Path) -> None:
    write(tmp_path, "bars_daily", bars("GLD", days=2))
    rows = ArchiveFeed(tmp_path).rows("bars_daily", *EVER)
    assert rows.select("event_date", "session").rows() == [(D(2024, 6, 27), FRIDAY), (FRIDAY, D(2024, 7, 1))]
    assert rows["available_at"][1] == instant("2024-06-28 16:15")


def test_rows_are_those_of_the_sessions_asked_for(tmp_path: Path) -> None:
    write(tmp_path, "bars_daily", bars("GLD", days=5))
    assert ArchiveFeed(tmp_path).rows("bars_daily", FRIDAY, FRIDAY)["event_date"].to_list() == [D(2024, 6, 27)]


def test_a_bar_from_before_the_first_session_belongs_to_it(tmp_path: Path) -> None:
    write(tmp_path, "bars_daily", bars("SPY", days=1, last=D(1993, 1, 29)))
    rows = ArchiveFeed(tmp_path).rows("bars_daily", calendar.FIRST_SESSION, calendar.FIRST_SESSION)
    assert rows["event_date"].to_list() == [D(1993, 1, 29)]


def test_bitcoin_has_weekend_bars_that_are_known_after_midnight_utc(tmp_path: Path) -> None:
    write(tmp_path, "bars_daily", bars("BTC-USD", days=1, last=D(2024, 6, 29)))
    rows = ArchiveFeed(tmp_path).rows("bars_daily", *EVER)
    assert rows["available_at"].to_list() == [dt.datetime(2024, 6, 30, 0, 15, tzinfo=dt.UTC)]


def _macro(*rows: tuple[str, dt.date, float, dt.date | None, str | None, dt.date | None]) -> pl.DataFrame:
    names = ("series_id", "date", "value", "release_date", "release_basis", "vintage_date")
    types = (pl.String, pl.Date, pl.Float64, pl.Date, pl.String, pl.Date)
    return pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")


@pytest.mark.parametrize(
    ("series", "day", "released", "basis", "known"),
    [
        ("DFII10", D(2024, 6, 26), D(2024, 6, 27), "rule", "2024-06-27 17:15"),
        ("VIXCLS", D(2024, 6, 26), D(2024, 6, 27), "rule", "2024-06-27 10:00"),
        ("CPIAUCSL", D(2024, 5, 1), D(2024, 6, 12), "observed", "2024-06-12 08:30"),
        ("DX_F_CLOSE", D(2024, 6, 26), D(2024, 6, 26), "same_day_close", "2024-06-26 20:00"),
        ("DTWEXBGS", D(2024, 6, 20), D(2024, 6, 24), "rule", "2024-06-24 17:15"),
        ("DFII10", D(2024, 6, 26), None, None, "2024-06-27 17:15"),
        ("GVZCLS", D(2024, 6, 26), None, None, "2024-06-27 10:00"),
        ("DTWEXBGS", D(2024, 6, 20), None, None, "2024-06-24 17:15"),
        ("CPIAUCSL", D(2024, 5, 1), None, None, "2024-06-25 08:30"),
        ("PCEPILFE", D(2024, 5, 1), None, None, "2024-07-05 08:30"),
    ],
)
def test_a_macro_value_is_known_at_its_hour_of_the_release_day_or_by_rule(
    tmp_path: Path, series: str, day: dt.date, released: dt.date | None, basis: str | None, known: str
) -> None:
    write(tmp_path, "macro", _macro((series, day, 2.0, released, basis, D(2026, 8, 21))))
    rows = ArchiveFeed(tmp_path).rows("macro", *EVER)
    assert rows["available_at"].to_list() == [instant(known)]
    assert rows["release_basis"].to_list() == [basis or "rule"]


def test_a_first_release_comes_before_its_revisions_and_repeated_values_are_no_revision(tmp_path: Path) -> None:
    day, released = D(2024, 5, 1), D(2024, 6, 7)
    write(tmp_path, "macro", _macro(("UNRATE", day, 4.1, released, "observed", D(2026, 8, 21))))
    vintages = pl.DataFrame(
        {
            "series_id": ["UNRATE"] * 3,
            "date": [day] * 3,
            "vintage_date": [released, D(2025, 12, 11), D(2026, 8, 21)],
            "measure": ["level_first_release", "level", "level"],
            "value": [4.0, 4.0, 4.1],
        }
    )
    write(tmp_path, "macro_vintages", vintages)
    feed = ArchiveFeed(tmp_path)
    rows = feed.rows("macro", *EVER).sort("revision")
    assert rows.select("revision", "value", "available_at").rows() == [
        (0, 4.0, instant("2024-06-07 08:30")),
        (1, 4.1, instant("2026-08-21 08:30")),
    ]
    assert feed.rows("macro", calendar.FIRST_SESSION, FRIDAY)["value"].to_list() == [4.0]
    assert feed.rows("macro_vintages", *EVER)["measure"].unique().to_list() == ["level"]


def test_a_value_of_unknown_vintage_cannot_be_ordered_among_the_others(tmp_path: Path) -> None:
    day = D(2024, 5, 1)
    write(tmp_path, "macro", _macro(("UNRATE", day, 4.1, D(2024, 6, 7), "observed", None)))
    vintage = {"series_id": ["UNRATE"], "date": [day], "vintage_date": [D(2025, 12, 11)], "measure": ["level"]}
    write(tmp_path, "macro_vintages", pl.DataFrame({**vintage, "value": [4.0]}))
    assert ArchiveFeed(tmp_path).rows("macro", *EVER).select("revision", "value").rows() == [(0, 4.1)]


def test_inflation_vintages_keep_their_measure(tmp_path: Path) -> None:
    vintage = pl.DataFrame(
        {
            "series_id": ["CPIAUCSL"],
            "date": [D(2024, 5, 1)],
            "vintage_date": [D(2024, 6, 12)],
            "measure": ["yoy_pct_first_release_nsa"],
            "value": [3.3],
        }
    )
    write(tmp_path, "macro_vintages", vintage)
    rows = ArchiveFeed(tmp_path).rows("macro_vintages", *EVER)
    assert rows.select("measure", "revision", "session").rows() == [("yoy_pct", 0, D(2024, 6, 12))]


def _cot(**columns: object) -> pl.DataFrame:
    base: dict[str, object] = {
        "market": "gold",
        "cftc_code": "088691",
        "report_type": "disaggregated_futures_only",
        "report_date": D(2024, 6, 18),
        "open_interest": 100,
        "managed_money_long": 50,
        "managed_money_short": 10,
    }
    return pl.DataFrame({name: [value] for name, value in {**base, **columns}.items()})


def test_positions_are_known_five_minutes_after_the_release_of_the_file(tmp_path: Path) -> None:
    released = dt.datetime(2024, 6, 25, 19, 30, tzinfo=dt.UTC)
    write(tmp_path, "cot", _cot(release_ts=released, release_basis="next_observed"))
    rows = ArchiveFeed(tmp_path).rows("cot", *EVER)
    assert rows.select("available_at", "release_basis").rows() == [
        (released + dt.timedelta(minutes=5), "next_observed")
    ]


def test_positions_without_a_release_are_known_by_rule_and_absent_columns_are_null(tmp_path: Path) -> None:
    write(tmp_path, "cot", _cot())
    rows = ArchiveFeed(tmp_path).rows("cot", *EVER)
    assert rows.select("available_at", "session", "release_basis", "producer_long").rows() == [
        (instant("2024-06-24 15:35"), D(2024, 6, 25), "rule", None)
    ]


def test_a_release_has_a_schedule_without_figures_and_an_outcome(tmp_path: Path) -> None:
    at = dt.datetime(2024, 6, 12, 12, 30, tzinfo=dt.UTC)
    write(tmp_path, "event_calendar", pl.DataFrame({"ts": [at], "event": ["CPI"], "actual_value": [0.1]}))
    rows = ArchiveFeed(tmp_path).rows("event_calendar", *EVER)
    assert rows.select("stage", "actual", "session").rows() == [
        ("schedule", None, D(2024, 3, 14)),
        ("outcome", 0.1, D(2024, 6, 12)),
    ]


def test_only_scheduled_meetings_are_known_in_the_october_before_and_only_past_ones_have_an_outcome(
    tmp_path: Path,
) -> None:
    at = dt.datetime(2024, 6, 12, 18, tzinfo=dt.UTC)
    meetings = pl.DataFrame(
        {
            "decision_date": [D(2024, 6, 12), D(2020, 3, 15), D(2026, 12, 9)],
            "kind": ["scheduled", "unscheduled", "scheduled"],
            "statement_ts": [at, at.replace(year=2020, month=3, day=15), None],
            "target_rate_upper_pct": [5.5, 0.25, None],
        }
    )
    write(tmp_path, "fomc_meetings", meetings)
    rows = ArchiveFeed(tmp_path).rows("fomc_meetings", *EVER).sort("event_date", "stage")
    assert rows.select("event_date", "stage", "target_rate_upper_pct").rows() == [
        (D(2020, 3, 15), "outcome", 0.25),
        (D(2024, 6, 12), "outcome", 5.5),
        (D(2024, 6, 12), "schedule", None),
        (D(2026, 12, 9), "schedule", None),
    ]
    assert rows.filter(stage="schedule")["session"].to_list() == [D(2023, 10, 2), D(2025, 10, 1)]


def test_warehouse_reports_without_a_date_are_of_the_next_business_day(tmp_path: Path) -> None:
    write(
        tmp_path,
        "comex_stocks",
        pl.DataFrame(
            {
                "metal": ["gold"],
                "activity_date": [D(2026, 11, 19)],
                "depository": ["ALL"],
                "category": ["registered"],
                "total_oz": [1.0],
            }
        ),
    )
    rows = ArchiveFeed(tmp_path).rows("comex_stocks", *EVER)
    assert rows.select("report_date", "available_at").rows() == [(D(2026, 11, 20), instant("2026-11-20 18:00"))]


def test_headlines_get_an_id_that_does_not_depend_on_their_place_in_the_file(tmp_path: Path) -> None:
    frame = pl.DataFrame({"date": [FRIDAY, FRIDAY], "headline": ["gold up", "gold down"]})
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    write(tmp_path / "a", "news_headlines", frame)
    write(tmp_path / "b", "news_headlines", frame.reverse())
    found = [ArchiveFeed(tmp_path / f).rows("news", *EVER).sort("headline")["news_id"].to_list() for f in ("a", "b")]
    assert found[0] == found[1]
    assert len(set(found[0])) == 2


def test_a_settlement_that_was_not_struck_is_no_row(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "root": ["GC", "GC"],
            "series": ["front", "front"],
            "rank": [1, 1],
            "date": [D(2024, 6, 27), FRIDAY],
            "close": [2330.0, None],
        }
    )
    write(tmp_path, "futures", frame)
    feed = ArchiveFeed(tmp_path)
    assert feed.rows("futures", *EVER)["event_date"].to_list() == [D(2024, 6, 27)]
    assert feed.rejected("futures").is_empty()


def _hour(symbol: str, start: str, close: float, *, volume: float = 100.0, vwap: float | None = None) -> pl.DataFrame:
    price = {name: [close] for name in ("open", "high", "low", "close")}
    return pl.DataFrame(
        {"symbol": [symbol], "ts": [instant(start)], "interval": ["60m"], **price, "volume": [volume], "vwap": [vwap]},
        schema_overrides={"vwap": pl.Float64, "ts": pl.Datetime("us", "UTC")},
    )


def test_the_decision_sees_the_last_hour_that_has_ended_and_never_the_running_one(tmp_path: Path) -> None:
    write(tmp_path, "bars_daily", bars("GLD", days=3))
    hours = [_hour("GLD", f"2024-06-28 {h}:00", price) for h, price in ((13, 200.0), (14, 201.0), (15, 999.0))]
    write(tmp_path, "bars_intraday", pl.concat(hours))
    quote = ArchiveFeed(tmp_path).rows("decision_quotes", FRIDAY, FRIDAY).row(0, named=True)
    assert quote["basis"] == "intraday_bar"
    assert (quote["bid"] + quote["ask"]) / 2 == pytest.approx(201.0)
    assert (quote["ask"] - quote["bid"]) / 201.0 == pytest.approx(2 * 0.5e-4)
    assert quote["event_at"] == instant("2024-06-28 15:00")
    assert quote["available_at"] == instant("2024-06-28 15:00:05")
    assert quote["session"] == quote["event_date"] == FRIDAY


def test_without_an_hour_the_decision_sees_the_close_before(tmp_path: Path) -> None:
    frame = bars("GLD", days=3)
    write(tmp_path, "bars_daily", frame)
    quote = ArchiveFeed(tmp_path).rows("decision_quotes", FRIDAY, FRIDAY).row(0, named=True)
    assert quote["basis"] == "previous_close"
    assert (quote["bid"] + quote["ask"]) / 2 == pytest.approx(frame["close"][1])
    assert quote["event_at"] == instant("2024-06-27 16:00")


def test_a_symbol_quiet_for_more_than_five_sessions_has_no_quote(tmp_path: Path) -> None:
    gone = sessions_before(FRIDAY, 10)[0]
    write(tmp_path, "bars_daily", pl.concat([bars("GLD", days=20), bars("SLV", days=5, last=gone)]))
    quotes = ArchiveFeed(tmp_path).rows("decision_quotes", *EVER).filter(symbol="SLV")
    assert quotes["event_date"].max() == calendar.offset_session(gone, 5)


def test_no_quote_is_younger_than_its_decision(tmp_path: Path) -> None:
    write(tmp_path, "bars_daily", bars("GLD", days=40))
    quotes = (
        ArchiveFeed(tmp_path)
        .rows("decision_quotes", *EVER)
        .join(calendar.schedule().select("session", "decided_at"), on="session")
    )
    assert quotes.filter(pl.col("available_at") > pl.col("decided_at")).is_empty()


def test_only_instruments_of_the_universe_are_quoted_and_trade(tmp_path: Path) -> None:
    write(tmp_path, "bars_daily", pl.concat([bars("GLD", days=30), bars("XYZ", days=30)]))
    feed = ArchiveFeed(tmp_path)
    assert feed.rows("decision_quotes", *EVER)["symbol"].unique().to_list() == ["GLD"]
    assert feed.market_range(FRIDAY, FRIDAY)["symbol"].to_list() == ["GLD"]


def test_the_venue_trades_at_the_close_with_statistics_of_the_twenty_bars_before(tmp_path: Path) -> None:
    frame = bars("GLD", days=30)
    write(tmp_path, "bars_daily", frame)
    row = ArchiveFeed(tmp_path).market(FRIDAY, ["GLD", "SLV"]).row(0, named=True)
    before = frame.slice(9, 20)
    assert row["mid"] == row["close"] == frame["close"][-1]
    assert row["adv_shares"] == pytest.approx(before["volume"].mean())
    returns = frame["adj_close"].log().diff().slice(9, 20)
    assert row["daily_vol"] == pytest.approx(returns.std())
    assert row["volume_shares"] == frame["volume"][-1]
    assert row["vwap"] is None
    assert row["half_spread_bp"] == 0.5


def test_volume_of_one_exchange_is_not_the_markets_volume(tmp_path: Path) -> None:
    partly = pl.when(pl.col("date") >= D(2024, 6, 27)).then(pl.lit("iex")).otherwise(pl.lit("consolidated"))
    frame = bars("GLD", days=30).with_columns(volume_scope=partly)
    write(tmp_path, "bars_daily", frame)
    row = ArchiveFeed(tmp_path).market(FRIDAY, ["GLD"]).row(0, named=True)
    assert row["volume_shares"] is None
    assert row["adv_shares"] == pytest.approx(frame["volume"].slice(8, 20).mean())


def test_a_symbol_that_did_not_trade_is_absent(tmp_path: Path) -> None:
    idle = bars("GLD", days=30).with_columns(volume=pl.when(pl.col("date") == FRIDAY).then(0).otherwise("volume"))
    write(tmp_path, "bars_daily", idle)
    assert ArchiveFeed(tmp_path).market(FRIDAY, ["GLD"]).is_empty()


def test_the_late_price_weighs_the_bars_that_reach_past_the_decision(tmp_path: Path) -> None:
    write(tmp_path, "bars_daily", bars("GLD", days=30))
    hours = [
        _hour("GLD", "2024-06-28 14:00", 100.0, vwap=100.0),
        _hour("GLD", "2024-06-28 15:00", 210.0, vwap=208.0),
        _hour("GLD", "2024-06-28 16:00", 300.0, vwap=300.0),
    ]
    write(tmp_path, "bars_intraday", pl.concat(hours))
    assert ArchiveFeed(tmp_path).market(FRIDAY, ["GLD"])["vwap"].to_list() == [208.0]


def test_a_range_of_sessions_is_the_sessions_one_by_one(tmp_path: Path) -> None:
    write(tmp_path, "bars_daily", pl.concat([bars("GLD", days=40), bars("SLV", days=40)]))
    feed = ArchiveFeed(tmp_path)
    whole = feed.market_range(sessions_before(FRIDAY, 5)[0], FRIDAY)
    assert whole["session"].is_sorted()
    assert feed.market_range(FRIDAY, FRIDAY, ["SLV"])["symbol"].to_list() == ["SLV"]
    for session in whole["session"].unique():
        assert whole.filter(session=session).drop("session").rows() == feed.market(session, ["GLD", "SLV"]).rows()


def test_intraday_rows_of_a_session_are_those_known_between_two_decisions(tmp_path: Path) -> None:
    hours = [_hour("GLD", f"2024-06-{day} {h}:00", 200.0) for day in (27, 28) for h in range(10, 16)]
    write(tmp_path, "bars_intraday", pl.concat(hours))
    feed = ArchiveFeed(tmp_path)
    rows = feed.rows("bars_intraday", FRIDAY, FRIDAY)
    starts = rows["event_at"].sort()
    assert starts[0] == instant("2024-06-27 15:00")  # ended after Thursday's decision
    assert starts[-1] == instant("2024-06-28 14:00")
    assert rows.height == 6
    assert feed.rows("bars_intraday", *EVER).height == 12
