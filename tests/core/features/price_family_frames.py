"""Random tables for the families that read prices and known dates only: opens, schedules and fund terms included."""

from __future__ import annotations

import datetime as dt
import functools

import numpy as np
import polars as pl

from tests.core import pit_frames

SYMBOLS = ("GLD", "SLV", "PPLT", "PALL", "GDX", "CPER", "XLI", "SPY", "UGL", "AGQ")
FIRST, LAST = dt.date(2009, 1, 2), dt.date(2014, 6, 30)
Frames = dict[str, pl.DataFrame]


def days(first: dt.date = FIRST, last: dt.date = LAST) -> pl.DataFrame:
    return pit_frames.days(first, last)


def prices(seed: int = 31, share: float = 0.0) -> pl.DataFrame:
    """Random walks with opens near the close before; some opens are missing."""
    rows = pit_frames.prices(seed, SYMBOLS, share=share, first=FIRST, last=LAST)
    rng = np.random.default_rng(seed)
    gap = pl.Series(rng.normal(0.0, 0.004, rows.height))
    open_ = pl.when(pl.Series(rng.random(rows.height) > 0.02)).then(pl.col("close") * (1.0 + gap))
    return rows.with_columns(open=open_)


def _monthly(day: int) -> list[dt.datetime]:
    months = pl.date_range(dt.date(2009, 1, 1), dt.date(2014, 9, 1), "1mo", eager=True)
    return [dt.datetime(m.year, m.month, day, 13, 30, tzinfo=dt.UTC) for m in months]


def events() -> pl.DataFrame:
    """Two lines a release, 90 days ahead; one date is known only on its eve and one only after it; outcomes as well."""
    parts = []
    for category, day in (("CPI", 15), ("NFP", 4), ("GDP", 20)):
        lines = pl.DataFrame({"event_at": _monthly(day)}).with_columns(category=pl.lit(category))
        late = pl.col("event_at").dt.date()
        lines = lines.with_columns(
            available_at=pl.when(late == dt.date(2012, 5, day))
            .then(pl.col("event_at") - dt.timedelta(hours=20))
            .when(late == dt.date(2012, 10, day))
            .then(pl.col("event_at") + dt.timedelta(days=6))
            .otherwise(pl.col("event_at") - dt.timedelta(days=90)),
            stage=pl.lit("schedule"),
        )
        happened = lines.with_columns(stage=pl.lit("outcome"), available_at="event_at")
        parts += [x.with_columns(event=pl.lit(f"{category} {n}")) for x in (lines, happened) for n in ("a", "b")]
    return pit_frames.complete("events", pl.concat(parts))


def fomc() -> pl.DataFrame:
    """A meeting every 45 days, a year's known on its 1 January; an unscheduled one as well."""
    dates = pl.date_range(dt.date(2009, 1, 14), dt.date(2014, 12, 30), "45d", eager=True)
    day = pl.col("event_date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    rows = pl.DataFrame({"event_date": dates}).with_columns(
        event_at=day + dt.timedelta(hours=19), kind=pl.lit("scheduled")
    )
    ahead = rows.with_columns(
        stage=pl.lit("schedule"),
        available_at=pl.col("event_date").dt.truncate("1y").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
    )
    sudden = rows.head(1).with_columns(
        event_date=dt.date(2012, 7, 10),
        event_at=dt.datetime(2012, 7, 10, 12, tzinfo=dt.UTC),
        kind=pl.lit("unscheduled"),
    )
    happened = pl.concat([rows, sudden]).with_columns(stage=pl.lit("outcome"), available_at="event_at")
    return pit_frames.complete("fomc", pl.concat([ahead, happened]))


TERMS = (
    # symbol, effective day, known on, expense ratio, borrow rate, shortable, revision
    ("UGL", dt.date(2010, 1, 4), dt.date(2010, 1, 4), 0.0095, 0.02, True, 0),
    ("UGL", dt.date(2012, 1, 2), dt.date(2011, 11, 1), 0.0100, 0.03, True, 0),  # announced ahead, on a holiday
    ("UGL", dt.date(2013, 1, 2), dt.date(2013, 3, 1), 0.0100, None, False, 0),  # known late
    ("UGL", dt.date(2012, 1, 2), dt.date(2012, 6, 1), 0.0100, 0.05, True, 1),  # corrected
    ("AGQ", dt.date(2011, 1, 3), dt.date(2011, 1, 3), 0.0095, 0.04, True, 0),
)


def fund_terms() -> pl.DataFrame:
    names = ("symbol", "event_date", "known_on", "expense_ratio", "borrow_rate", "shortable", "revision")
    rows = pl.DataFrame(TERMS, schema=names, orient="row").with_columns(pl.col("revision").cast(pl.Int32))
    instant = pl.col("event_date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC") + dt.timedelta(hours=14)
    known = pl.col("known_on").cast(pl.Datetime("us")).dt.replace_time_zone("UTC") + dt.timedelta(hours=14)
    return pit_frames.complete("fund_terms", rows.with_columns(event_at=instant, available_at=known).drop("known_on"))


def production(seed: int = 33) -> pl.DataFrame:
    """Industrial production, first known in the middle of the next month; each release revises the last three."""
    rng = np.random.default_rng(seed)
    months = pl.date_range(dt.date(2008, 11, 1), dt.date(2014, 4, 1), "1mo", eager=True)
    level = 100 * np.exp(np.cumsum(rng.normal(0, 0.005, len(months))))
    rows = []
    for i, month in enumerate(months):
        for revision in range(min(3, len(months) - i)):
            at = dt.datetime(month.year, month.month, 16, 13, 15, tzinfo=dt.UTC) + dt.timedelta(
                days=30 * (1 + revision)
            )
            rows.append((month, at, revision, level[i] * (1 + 0.002 * revision * rng.normal())))
    names = {"event_date": pl.Date, "available_at": pl.Datetime("us", "UTC"), "revision": pl.Int32, "value": pl.Float64}
    frame = pl.DataFrame(rows, schema=names, orient="row").with_columns(
        series_id=pl.lit("INDPRO"), event_at=pl.col("event_date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    )
    return pit_frames.complete("macro", frame)


@functools.cache
def tables() -> Frames:
    """All of them, with late and revised bars."""
    return {
        "prices": prices(share=0.003),
        "macro": production(),
        "events": events(),
        "fomc": fomc(),
        "fund_terms": fund_terms(),
    }
