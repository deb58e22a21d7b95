"""Which rows of a raw table are unfit, and why. One bad row is set aside; it does not stop the others."""

from __future__ import annotations

import datetime as dt

import polars as pl

from qgtm_core import calendar
from qgtm_core.schemas.spec import Table
from qgtm_core.universe import INSTRUMENTS

REJECTED = {
    "table": pl.String,
    "file": pl.String,
    "row": pl.Int64,
    "column": pl.String,
    "problem": pl.String,
    "key": pl.String,
}
# Tables whose rows are *meant* to be known before the event they are about
_AHEAD = {"event_calendar": "stage", "fomc_meetings": "stage"}
_LONELY_GAP_DAYS = 30  # a hole this long before the last few dates of a file ...
_LONELY_DATES = 5  # ... that has fewer dates than this behind it marks those dates as wrong


def empty_rejections() -> pl.DataFrame:
    """No rejected rows."""
    return pl.DataFrame(schema=REJECTED)


def _text(expression: pl.Expr) -> pl.Expr:
    return expression.cast(pl.String).fill_null("null")


def _value_faults(table: Table) -> list[tuple[pl.Expr, str, pl.Expr]]:
    """Null and range faults: condition, column, words."""
    faults = []
    for name, column in table.columns.items():
        if not column.nullable:
            faults.append((pl.col(name).is_null(), name, pl.lit("null in a required column")))
        if column.dtype == pl.Float64:
            faults.append((~pl.col(name).is_finite(), name, pl.lit("not a finite number")))
        if column.low is not None:
            words = pl.format(f"{{}} is below the lowest sane value {column.low:g}", _text(pl.col(name)))
            faults.append((pl.col(name) < column.low, name, words))
        if column.high is not None:
            words = pl.format(f"{{}} is above the highest sane value {column.high:g}", _text(pl.col(name)))
            faults.append((pl.col(name) > column.high, name, words))
    return faults


def _time_faults(table: Table) -> list[tuple[pl.Expr, str, pl.Expr]]:
    """Rows known before they happened, or only after the calendar ends."""
    day = "event_date" if "event_date" in table.columns else "event_at"
    faults = [
        (
            pl.col("available_at").is_null() | pl.col("event_at").is_null(),
            day,
            pl.lit("no instant can be derived (unknown interval, fixing or day)"),
        ),
        (pl.col("session").is_null(), day, pl.format("future-dated: {} is beyond the calendar", _text(pl.col(day)))),
    ]
    if table.name != "seasonal_calendar":
        early = pl.col("event_at") > pl.col("available_at")
        if table.name in _AHEAD:
            early &= pl.col(_AHEAD[table.name]) != "schedule"
        words = pl.format(
            "future-dated: about {} UTC but said to be known at {} UTC",
            pl.col("event_at").dt.strftime("%Y-%m-%d %H:%M"),
            pl.col("available_at").dt.strftime("%Y-%m-%d %H:%M"),
        )
        faults.append((early, day, words))
    return faults


def _bar_faults(table: Table, frame: pl.DataFrame) -> list[tuple[pl.Expr, str, pl.Expr]]:
    if table.name not in ("bars_daily", "bars_intraday"):
        return []
    words = pl.format("high {} is below low {}", _text(pl.col("high")), _text(pl.col("low")))
    faults = [(pl.col("high") < pl.col("low"), "high", words)]
    if table.name == "bars_daily":
        faults.append(_off_session())
        since = _lonely_since(frame)
        if since is not None:
            words = pl.format("future-dated: {} lies far behind the other bars", _text(pl.col("event_date")))
            faults.append((pl.col("event_date") >= since, "event_date", words))
    return faults


def _off_session() -> tuple[pl.Expr, str, pl.Expr]:
    """A bar of an instrument of the universe on a day without a session; indices may print on holidays."""
    day = pl.col("event_date")
    held = day.is_between(calendar.FIRST_SESSION, calendar.last_known_session())
    closed = held & ~day.is_in(calendar.schedule()["session"].to_list())
    listed = pl.col("symbol").is_in(list(INSTRUMENTS))
    return closed & listed, "event_date", pl.format("{} is not a trading session", _text(day))


def _lonely_since(frame: pl.DataFrame) -> dt.date | None:
    """First of a handful of dates that stand alone long after every other bar, or None."""
    dates = frame["event_date"].drop_nulls().unique().sort()
    gaps = (dates.diff().dt.total_days() > _LONELY_GAP_DAYS).fill_null(value=False).arg_true()
    if not len(gaps) or len(dates) - int(gaps[-1]) >= _LONELY_DATES:
        return None
    first: dt.date = dates[int(gaps[-1])]
    return first


def _duplicate(table: Table) -> tuple[pl.Expr, str, pl.Expr]:
    again = pl.struct(table.unique).is_first_distinct().not_()
    return again, table.key[0], pl.lit("key occurs more than once; the first row is kept")


def split(table: Table, frame: pl.DataFrame, file: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the fit rows (declared columns only) and the rejected ones (see `REJECTED`).

    The frame carries the declared columns and `_file_row`, the position in the file counted from 0. Of rows that
    share a key the first is kept. A row is rejected for its first fault only.
    """
    faults = _value_faults(table) + _time_faults(table) + _bar_faults(table, frame)
    suspect = pl.any_horizontal(condition.fill_null(value=False) for condition, _, _ in faults)
    marked = frame.with_columns(_suspect=suspect)
    kept = marked.filter(~pl.col("_suspect"))
    condition, column, words = _duplicate(table)
    kept = kept.with_columns(_again=condition)
    bad = pl.concat(
        [
            marked.filter("_suspect").with_columns(_fault=_chain(faults)).drop("_suspect"),
            kept.filter("_again")
            .with_columns(_fault=_chain([(pl.lit(value=True), column, words)]))
            .drop("_suspect", "_again"),
        ]
    )
    return kept.filter(~pl.col("_again")).select(list(table.dtypes)), _report(table, bad, file)


def _chain(faults: list[tuple[pl.Expr, str, pl.Expr]]) -> pl.Expr:
    """First fault of a row as a struct of column and problem; put into words for unfit rows only."""
    return pl.coalesce(
        *(
            pl.when(condition.fill_null(value=False)).then(pl.struct(column=pl.lit(column), problem=words))
            for condition, column, words in faults
        ),
        pl.lit(None, dtype=pl.Struct({"column": pl.String, "problem": pl.String})),
    )


def _report(table: Table, bad: pl.DataFrame, file: str) -> pl.DataFrame:
    key = pl.concat_str(*(_text(pl.col(name)) for name in table.key), separator=" / ")
    return bad.select(
        table=pl.lit(table.name),
        file=pl.lit(file),
        row=pl.col("_file_row"),
        column=pl.col("_fault").struct.field("column"),
        problem=pl.col("_fault").struct.field("problem"),
        key=key,
    ).sort("row")
