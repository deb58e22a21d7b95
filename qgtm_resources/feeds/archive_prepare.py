"""From a file's rows to raw rows: when each happened, when it was known, which revision it is. Pure frame functions.

Every function takes the frame of `archive_file.scan` (raw column names, `_file_row`) and adds `event_at`,
`available_at` and `revision`. Values are passed on as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

import polars as pl

from qgtm_core import publication as known
from qgtm_resources.feeds import archive_prepare_metal
from qgtm_resources.feeds.archive_prepare_metal import dated as _dated

Frame = pl.LazyFrame
Prepare = Callable[[Frame], Frame]

_DAY = pl.col("event_date")
# Monthly statistics: event_date is the month's first day, the value is about the whole month
MONTHLY = ("CPIAUCSL", "CPILFESL", "PCEPILFE", "UNRATE", "FEDFUNDS", "INDPRO")
_MORNING_RELEASES = ("CPIAUCSL", "CPILFESL", "PCEPILFE", "UNRATE")  # 08:30 New York
_CBOE_COPIES = ("VIXCLS", "VXVCLS", "GVZCLS")
_BALANCE_SHEET = ("WALCL", "WTREGEN")


def bars_daily(frame: Frame) -> Frame:
    """Close + 15 min; markets quoted in USD round the clock (`…-USD`) at the end of the UTC day."""
    always_open = pl.col("symbol").str.ends_with("-USD")
    return _dated(
        frame,
        pl.when(always_open).then(known.at(_DAY.dt.offset_by("1d"), 0, 0, "UTC")).otherwise(known.session_close(_DAY)),
        pl.when(always_open).then(known.round_the_clock_bar(_DAY)).otherwise(known.daily_bar(_DAY)),
    )


def bars_intraday(frame: Frame) -> Frame:
    """Bar end + 5 s; null for an interval that is not one of 1m, 5m, 15m, 30m, 60m."""
    return _dated(frame, pl.col("event_at"), known.intraday_bar(pl.col("event_at"), pl.col("interval")))


def macro_event_at() -> pl.Expr:
    """End of the day (16:00 New York) or of the month a macro row is about."""
    monthly = pl.col("series_id").is_in(MONTHLY)
    return pl.when(monthly).then(known.at(_DAY.dt.month_start().dt.offset_by("1mo"), 0)).otherwise(known.at(_DAY, 16))


def macro_published(release_day: pl.Expr) -> pl.Expr:
    """Instant of publication on a release day, by series."""
    series = pl.col("series_id")
    return (
        pl.when(series.is_in(_MORNING_RELEASES))
        .then(known.at(release_day, 8, 30))
        .when(series.is_in(_CBOE_COPIES))
        .then(known.at(release_day, 10))
        .when(series.is_in(_BALANCE_SHEET))
        .then(known.at(release_day, 17, 30))
        .when(series == "SOFR")
        .then(known.at(release_day, 8))
        .when(pl.col("release_basis") == "same_day_close")
        .then(known.at(release_day, 20))
        .otherwise(known.at(release_day, 17, 15))
    )


def macro_rule() -> pl.Expr:
    """Publication by rule, for rows without a release day."""
    series = pl.col("series_id")
    return (
        pl.when(series == "PCEPILFE")
        .then(known.late_monthly_release(_DAY))
        .when(series.is_in(MONTHLY))
        .then(known.monthly_release(_DAY))
        .when(series.is_in(_CBOE_COPIES))
        .then(known.next_morning(_DAY))
        .when(series == "DTWEXBGS")
        .then(known.h10(_DAY))
        .when(series.is_in(_BALANCE_SHEET))
        .then(known.h41(_DAY))
        .when(series == "SOFR")
        .then(known.overnight_rate(_DAY))
        .when(series == "RRPONTSYD")
        .then(known.reverse_repo(_DAY))
        .otherwise(known.h15(_DAY))
    )


def macro(frame: Frame) -> Frame:
    """At the series' hour on the release day of the file; by rule where the file has none."""
    dated = _dated(frame, macro_event_at(), pl.coalesce(macro_published(pl.col("release_date")), macro_rule()))
    return dated.with_columns(release_basis=pl.col("release_basis").fill_null("rule")).drop("release_date")


def with_level_vintages(macro_rows: pl.DataFrame, vintages: pl.DataFrame) -> pl.DataFrame:
    """Order the versions of each level by vintage: the oldest keeps the release instant, later ones their own day.

    `macro_rows` are prepared macro rows (the newest vintage), `vintages` the rows of `macro_vintages` prepared.
    A vintage that repeats the value before it is not a revision. Of a key without other vintages, or whose own vintage
    is not known, nothing changes.
    """
    key = ["series_id", "event_date"]
    ordered = macro_rows.filter(pl.col("vintage_date").is_not_null())
    levels = vintages.filter(pl.col("measure") == "level").join(ordered.select(key), on=key, how="semi")
    revised = macro_rows.join(levels.select(key).unique(), on=key, how="semi")
    published = revised.select(*key, "release_basis", "unit", published="available_at", happened="event_at")
    versions = (
        pl.concat(
            [
                revised.select(*key, "vintage_date", "value", "source", "_file_row"),
                levels.select(*key, "vintage_date", "value", "source", "_file_row"),
            ]
        )
        .unique([*key, "vintage_date"], keep="first", maintain_order=True)
        .sort(*key, "vintage_date")
        .filter((pl.col("value") != pl.col("value").shift(1).over(key)).fill_null(value=True))
        .join(published, on=key, how="left")
        .with_columns(revision=pl.int_range(pl.len(), dtype=pl.Int32).over(key))
        .with_columns(
            event_at=pl.col("happened"),
            available_at=pl.when(pl.col("revision") == 0)
            .then(pl.col("published"))
            .otherwise(pl.max_horizontal(known.at(pl.col("vintage_date"), 8, 30), pl.col("published"))),
        )
    )
    untouched = macro_rows.join(levels.select(key).unique(), on=key, how="anti")
    return pl.concat([untouched, versions.select(untouched.columns)])


def macro_vintages(frame: Frame) -> Frame:
    """08:30 New York on the vintage day; revisions in order of vintage."""
    measure = pl.col("measure").str.replace("^level.*$", "level").str.replace("^yoy_pct.*$", "yoy_pct")
    return (
        frame.with_columns(measure=measure)
        .sort("series_id", "event_date", "measure", "vintage_date")
        .with_columns(
            event_at=macro_event_at(),
            available_at=known.at(pl.col("vintage_date"), 8, 30),
            revision=pl.int_range(pl.len(), dtype=pl.Int32).over("series_id", "event_date", "measure"),
        )
    )


def cot(frame: Frame) -> Frame:
    """Release instant of the file + 5 min; by rule where the file has none."""
    return _dated(
        frame,
        known.at(_DAY, 16),
        pl.coalesce(pl.col("release_ts") + known.COT_DELAY, known.cot(_DAY)),
    ).with_columns(release_basis=pl.col("release_basis").fill_null("rule"))


def lbma_fix(frame: Frame) -> Frame:
    """00:05 London next day; event_at is the auction."""
    return _dated(frame, archive_prepare_metal.auction(), known.lbma(_DAY))


def futures(frame: Frame) -> Frame:
    """20:00 New York; event_at is the gold settlement time. A row without a close observed nothing and is skipped."""
    return _dated(
        frame.filter(pl.col("close").is_not_null()).with_columns(pl.col("contract_rank").cast(pl.Int32)),
        known.at(_DAY, 13, 30),
        known.futures_settlement(_DAY),
    )


def futures_margins(frame: Frame) -> Frame:
    """From the effective day on."""
    return _dated(frame, known.margin_change(_DAY), known.margin_change(_DAY))


def etf_holdings(frame: Frame) -> Frame:
    """Next business day 09:00 New York."""
    return _dated(frame, known.at(_DAY, 16, 15), known.next_day_open(_DAY))


def comex_stocks(frame: Frame) -> Frame:
    """Report day 18:00 New York; the report day by rule where the file has none."""
    reported = frame.with_columns(report_date=pl.coalesce("report_date", known.comex_report_day(_DAY)))
    return _dated(reported, known.at(_DAY, 17), known.comex_stocks(pl.col("report_date")))


def comex_volume_oi(frame: Frame) -> Frame:
    """Next business day 09:00 New York."""
    return _dated(frame, known.at(_DAY, 17), known.next_day_open(_DAY))


def gpr_daily(frame: Frame) -> Frame:
    """Next Monday noon New York."""
    return _dated(frame, known.at(_DAY.dt.offset_by("1d"), 0), known.gpr_daily(_DAY))


def gpr_monthly(frame: Frame) -> Frame:
    """First Monday of the next month. Months that hold only the historical index are skipped."""
    some = pl.any_horizontal(pl.col("gpr", "gpr_threat", "gpr_act").is_not_null())
    return _dated(frame.filter(some), known.at(_DAY.dt.month_start().dt.offset_by("1mo"), 0), known.gpr_monthly(_DAY))


def cb_gold_reserves(frame: Frame) -> Frame:
    """15th of the second month after the quarter."""
    return _dated(frame, known.at(_DAY.dt.offset_by("1d"), 0, 0, "UTC"), known.cb_gold(_DAY))


def option_chain(frame: Frame) -> Frame:
    """Quote + 15 min. A volatility of 0 means the vendor did not compute one."""
    iv = pl.when(pl.col("iv") > 0).then(pl.col("iv"))
    return _dated(frame.with_columns(iv=iv), pl.col("event_at"), known.option_quote(pl.col("event_at")))


def _digest(texts: pl.Series) -> pl.Series:
    return pl.Series([blake2b(str(text).encode(), digest_size=8).hexdigest() for text in texts], dtype=pl.String)


def news(frame: Frame) -> Frame:
    """The close of the day. The id is a hash of day, headline and address, so it survives a reordered file."""
    text = pl.concat_str(pl.col("event_date").cast(pl.String), "headline", pl.col("url").fill_null(""), separator="|")
    named = frame.with_columns(news_id=text.map_batches(_digest, return_dtype=pl.String))
    return _dated(named, known.dated_news(_DAY), known.dated_news(_DAY))


def event_calendar(frame: Frame) -> Frame:
    """Two rows a release: the schedule ahead (no figures but the name) and the outcome at the release."""
    blank = [pl.lit(None, dtype=pl.Float64).alias(name) for name in ("actual", "forecast", "previous")]
    schedule = _dated(
        frame.with_columns(*blank, stage=pl.lit("schedule")),
        pl.col("event_at"),
        known.release_schedule(pl.col("event_at")),
    )
    outcome = _dated(frame.with_columns(stage=pl.lit("outcome")), pl.col("event_at"), pl.col("event_at"))
    return pl.concat([schedule, outcome])


def fomc_meetings(frame: Frame) -> Frame:
    """Schedule in the October before (scheduled meetings only), outcome at the statement of those that took place."""
    statement = pl.coalesce("statement_ts", known.at(_DAY, 14))
    unscheduled = pl.col("kind").fill_null("scheduled") != "scheduled"
    schedule = _dated(
        frame.filter(~unscheduled).with_columns(
            stage=pl.lit("schedule"), target_rate_upper_pct=pl.lit(None, dtype=pl.Float64)
        ),
        statement,
        known.fomc_schedule(_DAY),
    )
    took_place = pl.col("statement_ts").is_not_null() | pl.col("target_rate_upper_pct").is_not_null()
    outcome = _dated(frame.filter(took_place).with_columns(stage=pl.lit("outcome")), statement, statement)
    return pl.concat([schedule, outcome])


PREPARE: dict[str, Prepare] = {
    "bars_daily": bars_daily,
    "bars_intraday": bars_intraday,
    "macro": macro,
    "macro_vintages": macro_vintages,
    "cot": cot,
    "lbma_fix": lbma_fix,
    "futures": futures,
    "futures_margins": futures_margins,
    "etf_holdings": etf_holdings,
    "comex_stocks": comex_stocks,
    "comex_volume_oi": comex_volume_oi,
    "gpr_daily": gpr_daily,
    "gpr_monthly": gpr_monthly,
    "cb_gold_reserves": cb_gold_reserves,
    "option_chain": option_chain,
    "news": news,
    "event_calendar": event_calendar,
    "fomc_meetings": fomc_meetings,
    **archive_prepare_metal.PREPARE,
}
