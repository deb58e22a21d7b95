"""US business days as whole-column expressions: which day of a daily series belongs to a day it may not have."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core import calendar
from qgtm_core.publication import federal_holidays


@lru_cache(maxsize=1)
def _holidays() -> NDArray[np.datetime64]:
    closed = calendar.holidays(calendar.FIRST_SESSION, calendar.last_known_session())
    return np.array([*federal_holidays(), *closed], dtype="datetime64[D]")


def last_business_day(day: pl.Expr) -> pl.Expr:
    """The newest day on or before `day` on which both banks and the exchange are open. Null stays null.

    Rates, reverse repos and settlements all exist on such a day. Outside the exchange calendar banks alone decide.
    """

    def rolled(days: pl.Series) -> pl.Series:
        moved = np.busday_offset(days.to_numpy().astype("datetime64[D]"), 0, roll="backward", holidays=_holidays())
        return pl.Series(days.name, moved, dtype=pl.Date)

    return day.map_batches(rolled, return_dtype=pl.Date)


def first_notice(delivery_month: pl.Expr) -> pl.Expr:
    """First notice of a metal future: the last business day before its delivery month (any day of it)."""
    return last_business_day(delivery_month.dt.month_start() - pl.duration(days=1))
