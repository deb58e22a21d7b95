"""Fees that US regulators charge on every sale of shares, by the day from which each rate holds. A constant table."""

from __future__ import annotations

import bisect
import datetime as dt
from collections.abc import Sequence

import numpy as np

from qgtm_core.view import Array

# (from this trade date, USD on a million USD sold, source). Section 31 of the Securities Exchange Act: exchanges pay
# the SEC, brokers pass it on. A rate takes effect 30 days (60 since 2012) after the year's appropriation was enacted,
# or on 1 April at mid-year.
SECTION_31: tuple[tuple[str, float, str], ...] = (
    ("2005-12-22", 30.70, "SEC annual adjustment FY2006; still current in SEC release 2006-194"),
    ("2007-03-17", 15.30, "SEC fee rate advisories FY2007; SEC release 2007-89"),
    ("2008-01-25", 11.00, "SEC fee rate advisories FY2008; SEC release 2007-89"),
    ("2008-04-01", 5.60, "FINRA information notice 3/10/08"),
    ("2009-04-10", 25.70, "SEC fee rate advisories FY2009; FINRA information notice 10/2/09"),
    ("2010-01-15", 12.70, "SEC release 2009-270"),
    ("2010-04-01", 16.90, "FINRA information notice 3/10/10"),
    ("2011-01-21", 19.20, "SEC release 2010-255"),
    ("2012-02-21", 18.00, "SEC fee rate advisory #5 FY2012"),
    ("2012-04-01", 22.40, "SEC fee rate advisory #6 FY2012; SEC release 2012-232"),
    ("2013-05-25", 17.40, "SEC fee rate advisory #3 FY2013; FINRA information notice 3/3/14"),
    ("2014-03-18", 22.10, "FINRA information notice 3/3/14"),
    ("2015-02-14", 18.40, "SEC fee rate advisory #3 FY2015; SEC release 2016-2"),
    ("2016-02-16", 21.80, "SEC release 2016-2; FINRA information notice 3/15/16"),
    ("2017-07-04", 23.10, "SEC fee rate advisory #3 FY2017"),
    ("2018-05-22", 13.00, "FINRA information notice 5/7/18"),
    ("2019-04-16", 20.70, "SEC fee rate advisory #2 FY2019; FINRA information notice 2/3/20"),
    ("2020-02-18", 22.10, "FINRA information notice 2/3/20"),
    ("2021-02-25", 5.10, "FINRA information notice 2/16/21"),
    ("2022-05-14", 22.90, "SEC fee rate advisory #2 FY2022; SEC announcement of 2023-01-23"),
    ("2023-02-27", 8.00, "SEC announcement of 2023-01-23"),
    ("2024-05-22", 27.80, "SEC fee rate advisory #2 FY2024"),
    ("2025-05-14", 0.00, "FINRA information notice 4/24/25"),
    ("2026-04-04", 20.60, "SEC fee rate advisory 2026-2; SEC release 34-104909"),
)

# (from this trade date, USD a share sold, source). FINRA's trading activity fee. Its cap a trade (3.75 to 9.79 USD) and
# a proposed waiver for the last quarter of 2026 are left out: without them a sale pays more, never less.
TRADING_ACTIVITY: tuple[tuple[str, float, str], ...] = (
    ("2004-11-01", 0.000075, "NASD notice 04-84; FINRA regulatory notice 11-27"),
    ("2011-07-01", 0.000090, "FINRA regulatory notice 11-27"),
    ("2012-03-01", 0.000095, "FINRA regulatory notice 12-06"),
    ("2012-07-01", 0.000119, "FINRA regulatory notice 12-31"),
    ("2022-01-01", 0.000130, "SR-FINRA-2020-032"),
    ("2023-01-01", 0.000145, "SR-FINRA-2020-032"),
    ("2024-01-01", 0.000166, "SR-FINRA-2020-032"),
    ("2026-01-01", 0.000195, "SR-FINRA-2024-019"),
)


def section_31(sessions: Sequence[dt.date]) -> Array:
    """SEC fee of each session as a fraction of the value sold; before the table begins, its first rate."""
    return in_force(SECTION_31, sessions) / 1e6


def trading_activity(sessions: Sequence[dt.date]) -> Array:
    """FINRA fee of each session in USD a share sold; before the table begins, its first rate."""
    return in_force(TRADING_ACTIVITY, sessions)


def in_force(table: Sequence[tuple[str, float, str]], sessions: Sequence[dt.date]) -> Array:
    """The rate of the newest row that holds on each session."""
    days = [dt.date.fromisoformat(day) for day, _, _ in table]
    rows = [max(bisect.bisect_right(days, session) - 1, 0) for session in sessions]
    return np.array([rate for _, rate, _ in table])[rows] if rows else np.empty(0)
