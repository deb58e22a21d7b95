"""When could each feed's rows first have been known? Publication rules as whole-column Polars expressions.

Every rule takes the column a row is about (a calendar day, or an instant where the name says so) and returns the
earliest instant, UTC, at which the row could be used. Rules are evaluated in the provider's own zone, so daylight
saving follows that zone. Nothing here reads a feed; an adapter that carries true release dates uses those instead.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pandas.tseries.holiday import USFederalHolidayCalendar  # exchange_calendars has loaded pandas already

from qgtm_core import calendar

NEW_YORK = "America/New_York"
LONDON = "Europe/London"
SHANGHAI = "Asia/Shanghai"
UTC = "UTC"

# Reports whose publication a government shutdown delayed: as-of day -> publication day (CFTC catch-up schedule).
COT_RELEASE_OVERRIDES: dict[dt.date, dt.date] = {
    dt.date(2025, 9, 30): dt.date(2025, 11, 19),
    dt.date(2025, 10, 7): dt.date(2025, 11, 21),
    dt.date(2025, 10, 14): dt.date(2025, 11, 25),
    dt.date(2025, 10, 21): dt.date(2025, 12, 2),
    dt.date(2025, 10, 28): dt.date(2025, 12, 5),
    dt.date(2025, 11, 4): dt.date(2025, 12, 9),
    dt.date(2025, 11, 10): dt.date(2025, 12, 12),
    dt.date(2025, 11, 18): dt.date(2025, 12, 16),
    dt.date(2025, 11, 25): dt.date(2025, 12, 19),
    dt.date(2025, 12, 2): dt.date(2025, 12, 23),
    dt.date(2025, 12, 9): dt.date(2025, 12, 30),
    dt.date(2025, 12, 16): dt.date(2026, 1, 6),
    dt.date(2025, 12, 23): dt.date(2026, 1, 9),
    dt.date(2025, 12, 30): dt.date(2026, 1, 13),
    dt.date(2026, 1, 6): dt.date(2026, 1, 16),
    dt.date(2026, 1, 13): dt.date(2026, 1, 20),
}
COT_DELAY = dt.timedelta(minutes=5)  # after the printed release time
INTRADAY_DELAY = dt.timedelta(seconds=5)  # after a bar's end or an auction's print
OPTION_DELAY = dt.timedelta(minutes=15)  # delayed quotes
SCHEDULE_AHEAD = dt.timedelta(days=90)  # a release date is public at least this long before
PETROLEUM_DELAY = dt.timedelta(minutes=2)  # after the printed release time
FESTIVAL_AHEAD = dt.timedelta(days=1095)  # lunar calendars are computed years ahead
INTERVALS: dict[str, dt.timedelta] = {
    "1m": dt.timedelta(minutes=1),
    "5m": dt.timedelta(minutes=5),
    "15m": dt.timedelta(minutes=15),
    "30m": dt.timedelta(minutes=30),
    "60m": dt.timedelta(minutes=60),
}


@lru_cache(maxsize=1)
def federal_holidays() -> tuple[dt.date, ...]:
    """Observed US federal holidays, 1960-2040, oldest first."""
    found = USFederalHolidayCalendar().holidays(start="1960-01-01", end="2040-12-31")
    return tuple(stamp.date() for stamp in found)


@lru_cache(maxsize=1)
def _holidays() -> NDArray[np.datetime64]:
    return np.array(federal_holidays(), dtype="datetime64[D]")


def at(day: pl.Expr, hour: int, minute: int = 0, zone: str = NEW_YORK) -> pl.Expr:
    """The instant of a wall-clock time on a day in a zone, UTC."""
    local = day.dt.combine(dt.time(hour, minute), time_unit="us").dt.replace_time_zone(zone)
    return local.dt.convert_time_zone(UTC)


def business_day(day: pl.Expr, by: int) -> pl.Expr:
    """The federal business day `by` days later; 0 rolls a holiday or weekend forward. Null stays null."""

    def shifted(days: pl.Series) -> pl.Series:
        # polars' own add_business_days repeats the list of holidays for each row of a lazy frame: a gigabyte a column
        roll: Literal["forward", "backward"] = "forward" if by == 0 else "backward"
        moved = np.busday_offset(days.to_numpy().astype("datetime64[D]"), by, roll=roll, holidays=_holidays())
        return pl.Series(days.name, moved, dtype=pl.Date)

    return day.map_batches(shifted, return_dtype=pl.Date)


def week_monday(day: pl.Expr, weeks: int = 0) -> pl.Expr:
    """Monday of the day's week, shifted by whole weeks."""
    return day - pl.duration(days=day.dt.weekday().cast(pl.Int64) - 1 - 7 * weeks)


def session_close(day: pl.Expr) -> pl.Expr:
    """NYSE close of the day, UTC; 16:00 New York on days the calendar does not hold (before 2000, weekends)."""
    held = calendar.schedule()
    close = day.replace_strict(held["session"], held["close_at"], default=None)
    return pl.coalesce(close, at(day, 16))


def daily_bar(day: pl.Expr) -> pl.Expr:
    """Daily bar: session close + 15 minutes, early closes included."""
    return session_close(day) + calendar.BAR_DELAY


def round_the_clock_bar(day: pl.Expr) -> pl.Expr:
    """Daily bar of a market that never closes (UTC day): midnight UTC + 15 minutes."""
    return at(day.dt.offset_by("1d"), 0, 15, UTC)


def intraday_bar(start: pl.Expr, interval: pl.Expr) -> pl.Expr:
    """Intraday bar by its starting instant and interval name: its end + 5 seconds."""
    return intraday_end(start, interval) + INTRADAY_DELAY


def intraday_end(start: pl.Expr, interval: pl.Expr) -> pl.Expr:
    """End of an intraday bar; null for an unknown interval."""
    names = pl.Series(list(INTERVALS))
    spans = pl.Series(list(INTERVALS.values()), dtype=pl.Duration("us"))
    return start + interval.replace_strict(names, spans, default=None)


def h15(day: pl.Expr) -> pl.Expr:
    """Treasury yields (H.15): next business day 17:15 New York."""
    return at(business_day(day, 1), 17, 15)


def h10(day: pl.Expr) -> pl.Expr:
    """Broad dollar (H.10): Monday after the week 17:15 New York; next business day when that is a holiday."""
    return at(business_day(week_monday(day, 1), 0), 17, 15)


def h41(day: pl.Expr) -> pl.Expr:
    """Federal Reserve balance sheet (H.4.1) by its Wednesday: next business day (Thursday) 17:30 New York."""
    return at(business_day(day, 1), 17, 30)


def overnight_rate(day: pl.Expr) -> pl.Expr:
    """SOFR of a day: next business day 08:00 New York."""
    return at(business_day(day, 1), 8)


def reverse_repo(day: pl.Expr) -> pl.Expr:
    """Overnight reverse repo: printed after 13:15 on the day; next business day 09:00 New York (a late bound)."""
    return at(business_day(day, 1), 9)


def next_morning(day: pl.Expr) -> pl.Expr:
    """VIX (one and three months) and GVZ as copied by FRED: next business day 10:00 New York."""
    return at(business_day(day, 1), 10)


def next_day_open(day: pl.Expr) -> pl.Expr:
    """Trust holdings and exchange volume reports: next business day 09:00 New York."""
    return at(business_day(day, 1), 9)


def cot_release_day(day: pl.Expr) -> pl.Expr:
    """Day a COT report is published, by its as-of day.

    Friday of the week; the next business day from Monday on when Wednesday, Thursday or Friday is a federal holiday;
    the catch-up table where a shutdown held it back.
    """
    holidays = list(federal_holidays())
    monday = week_monday(day)
    delayed = pl.any_horizontal(*(monday.dt.offset_by(f"{n}d").is_in(holidays) for n in (2, 3, 4)))
    regular = pl.when(delayed).then(business_day(week_monday(day, 1), 0)).otherwise(monday.dt.offset_by("4d"))
    overridden = day.replace_strict(COT_RELEASE_OVERRIDES, default=None, return_dtype=pl.Date)
    return pl.coalesce(overridden, regular)


def cot(day: pl.Expr) -> pl.Expr:
    """COT: 15:30 New York on the release day + 5 minutes; never usable at the 15:30 decision of that day."""
    return at(cot_release_day(day), 15, 30) + COT_DELAY


def lbma(day: pl.Expr) -> pl.Expr:
    """London auction prices: the public site holds them back to midnight; 00:05 London on the next day."""
    return at(day.dt.offset_by("1d"), 0, 5, LONDON)


def licensed_fix(printed_at: pl.Expr) -> pl.Expr:
    """London auction prices on a licensed real-time line, by the auction's instant: 5 seconds later."""
    return printed_at + INTRADAY_DELAY


def fx_close(day: pl.Expr) -> pl.Expr:
    """Exchange rates: 16:15 New York on the day."""
    return at(day, 16, 15)


def shanghai_benchmark(day: pl.Expr) -> pl.Expr:
    """Shanghai gold benchmark: the afternoon fix (14:15 Shanghai) + 60 minutes."""
    return at(day, 15, 15, SHANGHAI)


def shanghai_withdrawals(month: pl.Expr) -> pl.Expr:
    """Shanghai load-out by any day of its month: 15th of the next month 18:00 Shanghai."""
    return at(month.dt.month_start().dt.offset_by("1mo").dt.offset_by("14d"), 18, 0, SHANGHAI)


def us_mint(month: pl.Expr) -> pl.Expr:
    """US Mint sales by any day of their month: fifth business day of the next month 17:00 New York."""
    opening = business_day(month.dt.month_start().dt.offset_by("1mo"), 0)
    return at(business_day(opening, 4), 17)


def mining_filing(quarter_end: pl.Expr) -> pl.Expr:
    """Mining costs without a known filing instant: 45 days after the quarter 17:00 New York (a late bound)."""
    return at(business_day(quarter_end.dt.offset_by("45d"), 0), 17)


def fund_terms(day: pl.Expr) -> pl.Expr:
    """Fees and borrow terms of funds: their effective day 09:00 New York."""
    return at(day, 9)


def petroleum(friday: pl.Expr) -> pl.Expr:
    """EIA weekly petroleum stocks by their Friday: Wednesday 10:30 New York + 2 minutes.

    Thursday 12:00 + 2 minutes (a late bound) when Monday, Tuesday or Wednesday of that week is a federal holiday.
    """
    monday = week_monday(friday, 1)
    holidays = list(federal_holidays())
    delayed = pl.any_horizontal(*(monday.dt.offset_by(f"{n}d").is_in(holidays) for n in range(3)))
    thursday = at(monday.dt.offset_by("3d"), 12)
    return pl.when(delayed).then(thursday).otherwise(at(monday.dt.offset_by("2d"), 10, 30)) + PETROLEUM_DELAY


def comex_report_day(activity: pl.Expr) -> pl.Expr:
    """Day of the warehouse report that holds an activity day: the next business day."""
    return business_day(activity, 1)


def comex_stocks(report: pl.Expr) -> pl.Expr:
    """COMEX warehouse stocks by *report* day: 18:00 New York."""
    return at(report, 18)


def futures_settlement(day: pl.Expr) -> pl.Expr:
    """Futures settlements: 20:00 New York on the day."""
    return at(day, 20)


def margin_change(day: pl.Expr) -> pl.Expr:
    """Exchange margins: 00:00 New York on the effective day."""
    return at(day, 0)


def gpr_daily(day: pl.Expr) -> pl.Expr:
    """Daily geopolitical risk index: the Monday after the day 12:00 New York."""
    return at(week_monday(day, 1), 12)


def gpr_monthly(month: pl.Expr) -> pl.Expr:
    """Monthly geopolitical risk index by the month's first day: first Monday of the next month 12:00 New York."""
    start = month.dt.month_start().dt.offset_by("1mo")
    return at(week_monday(start.dt.offset_by("6d")), 12)


def cb_gold(day: pl.Expr) -> pl.Expr:
    """Official gold reserves by any day of the period's last month: 15th of the second month after, 12:00 UTC."""
    return at(day.dt.month_start().dt.offset_by("2mo").dt.offset_by("14d"), 12, 0, UTC)


def monthly_release(month: pl.Expr) -> pl.Expr:
    """Monthly statistics without a known release day: the 25th of the next month 08:30 New York (a late bound)."""
    return at(month.dt.month_start().dt.offset_by("1mo").dt.offset_by("24d"), 8, 30)


def late_monthly_release(month: pl.Expr) -> pl.Expr:
    """Consumption prices without a known release day: 5th of the second month after 08:30 New York (a late bound)."""
    return at(month.dt.month_start().dt.offset_by("2mo").dt.offset_by("4d"), 8, 30)


def option_quote(quoted_at: pl.Expr) -> pl.Expr:
    """Option chain by its quote instant: 15 minutes later."""
    return quoted_at + OPTION_DELAY


def dated_news(day: pl.Expr) -> pl.Expr:
    """A headline of which only the day is known: the close of that day."""
    return session_close(day)


def release_schedule(event_at: pl.Expr) -> pl.Expr:
    """The date of a scheduled release: 90 days ahead."""
    return event_at - SCHEDULE_AHEAD


def fomc_schedule(day: pl.Expr) -> pl.Expr:
    """The dates of FOMC meetings: 1 October of the year before 00:00 New York (a late bound; out by September)."""
    return at(day.dt.truncate("1y").dt.offset_by("-3mo"), 0)


def festival(day: pl.Expr) -> pl.Expr:
    """Festival dates: three years ahead."""
    return at(day, 0, 0, UTC) - FESTIVAL_AHEAD
