"""Festivals that gold demand precedes, by year. A constant table; no feed carries it."""

from __future__ import annotations

import datetime as dt

import polars as pl

from qgtm_core import calendar, publication
from qgtm_core.schemas.raw import RAW_TABLES

# Sources. Lunar new year: second new moon after the winter solstice, Beijing time; agrees with the public holidays of
# Singapore. Diwali: the evening (after sunset in Delhi) of the new moon that begins Kartika; agrees with India's public
# holidays from 2001. Akshaya Tritiya: the day whose sunrise in Delhi falls in the third lunar day of the bright half of
# Vaishakha, or the day before when that lunar day ends within three muhurtas of the sunrise and began before noon.
FIRST_YEAR, LAST_YEAR = 1999, 2031
_DATES: dict[str, str] = {
    "lunar_new_year": (
        "1999-02-16 2000-02-05 2001-01-24 2002-02-12 2003-02-01 2004-01-22 2005-02-09 2006-01-29 "
        "2007-02-18 2008-02-07 2009-01-26 2010-02-14 2011-02-03 2012-01-23 2013-02-10 2014-01-31 "
        "2015-02-19 2016-02-08 2017-01-28 2018-02-16 2019-02-05 2020-01-25 2021-02-12 2022-02-01 "
        "2023-01-22 2024-02-10 2025-01-29 2026-02-17 2027-02-06 2028-01-26 2029-02-13 2030-02-03 "
        "2031-01-23 "
    ),
    "diwali": (
        "1999-11-07 2000-10-26 2001-11-14 2002-11-04 2003-10-25 2004-11-12 2005-11-01 2006-10-21 "
        "2007-11-09 2008-10-28 2009-10-17 2010-11-05 2011-10-26 2012-11-13 2013-11-03 2014-10-23 "
        "2015-11-11 2016-10-30 2017-10-19 2018-11-07 2019-10-27 2020-11-14 2021-11-04 2022-10-24 "
        "2023-11-12 2024-10-31 2025-10-20 2026-11-08 2027-10-29 2028-10-17 2029-11-05 2030-10-26 "
        "2031-11-14 "
    ),
    "akshaya_tritiya": (
        "1999-04-18 2000-05-06 2001-04-26 2002-05-15 2003-05-04 2004-04-22 2005-05-11 2006-04-30 "
        "2007-04-19 2008-05-07 2009-04-27 2010-05-16 2011-05-06 2012-04-24 2013-05-13 2014-05-02 "
        "2015-04-21 2016-05-09 2017-04-28 2018-04-18 2019-05-07 2020-04-26 2021-05-14 2022-05-03 "
        "2023-04-22 2024-05-10 2025-04-30 2026-04-19 2027-05-09 2028-04-27 2029-05-16 2030-05-05 "
        "2031-04-24 "
    ),
}
FESTIVALS: dict[str, tuple[dt.date, ...]] = {
    event: tuple(dt.date.fromisoformat(day) for day in days.split()) for event, days in _DATES.items()
}


def rows() -> pl.DataFrame:
    """The table `raw/seasonal_calendar`: every festival of the table, each known three years ahead."""
    table = RAW_TABLES["seasonal_calendar"]
    dates = [(event, day) for event, days in FESTIVALS.items() for day in days]
    frame = pl.DataFrame(dates, schema={"event": pl.String, "event_date": pl.Date}, orient="row")
    known = publication.festival(pl.col("event_date"))
    return (
        calendar.with_session(
            frame.with_columns(event_at=publication.at(pl.col("event_date"), 0, 0, "UTC"), available_at=known)
        )
        .filter(pl.col("session").is_not_null())  # known only after the calendar's end
        .with_columns(
            retrieved_at=pl.col("available_at"),
            revision=pl.lit(0, dtype=pl.Int32),
            source=pl.lit("almanac"),
        )
        .select(list(table.dtypes))
        .sort("session", "event_date", "event")
    )
