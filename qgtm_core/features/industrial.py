"""features/industrial: copper, industrial shares and industrial production."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core.features.common import (
    HEALTH,
    STAMPS,
    observe_pair,
    price_series,
    side_by_side,
    with_prefix,
)
from qgtm_core.features.known import macro_rows
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats
from qgtm_core.pit import observe

FloatArray = NDArray[np.float64]
Places = NDArray[np.int64]

COPPER, INDUSTRIALS, MARKET = "CPER", "XLI", "SPY"
PRODUCTION = "INDPRO"
YEAR = 252  # bars
STEP = 60  # bars
MONTHS = 36
QUARTER = 3  # months


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first known row of any input on."""
    copper = {"cper_zchg_60": stats.change_z(pl.col("price").log(), STEP, YEAR)}
    ratio = observe_pair(pit, INDUSTRIALS, MARKET, sessions, _relative)
    return side_by_side(
        [
            price_series(pit, COPPER, sessions, copper, "cper"),
            with_prefix(ratio.select("session", *HEALTH, "xli_spy_zchg_60"), "xli_spy"),
            production(macro_rows(pit, PRODUCTION), sessions),
        ]
    )


def _relative(bars: pl.DataFrame) -> pl.DataFrame:
    ratio = pl.col("a").log() - pl.col("b").log()
    return bars.select(*STAMPS, "obs", xli_spy_zchg_60=stats.change_z(ratio, STEP, YEAR))


def production(macro: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Read at each session the z-score of the newest 3-month change of industrial production, within its vintage.

    Every release revises the months before it, so each state of knowledge is one row of a matrix of months.
    """
    usable = (pl.col("series_id") == PRODUCTION) & pl.col("value").is_finite()
    rows = macro.filter(usable).sort("available_at", "revision")
    arrivals = rows["session"].unique().sort()
    read = np.unique(np.searchsorted(arrivals.to_numpy(), sessions["session"].to_numpy(), side="right"))
    states = arrivals.gather(read[read > 0] - 1)
    known = vintages(rows, states.to_numpy())
    newest = known.shape[1] - 1 - np.argmax(known[:, ::-1] >= 0, axis=1) if len(known) else np.zeros(0, dtype=np.int64)
    level = np.where(known >= 0, np.append(rows["value"].to_numpy(), np.nan)[known], np.nan)
    observations = rows[["event_at", "available_at"]][known[np.arange(len(known)), newest]].with_columns(
        pl.Series("session", states, dtype=pl.Date),
        pl.Series("obs", (known >= 0).sum(axis=1), dtype=pl.Int32),
        pl.Series("indpro_z_36", quarterly_z(level, newest), dtype=pl.Float64).fill_nan(None),
    )
    return with_prefix(observe(sessions, observations.select("session", *HEALTH, "indpro_z_36")), "indpro")


def vintages(rows: pl.DataFrame, states: NDArray[np.datetime64]) -> Places:
    """Row of the newest revision of each month at each state of knowledge: (states, months), -1 = not known.

    `rows` are in order of arrival; `states` are sessions, oldest first; months run from the first to the last without
    a gap.
    """
    month = rows["event_date"].to_numpy().astype("datetime64[M]").astype(np.int64)
    first = int(month.min()) if len(month) else 0
    months = int(month.max()) - first + 1 if len(month) else 1
    state = np.searchsorted(states, rows["session"].to_numpy(), side="left")
    known = np.full((len(states), months), -1, dtype=np.int64)
    inside = state < len(states)
    np.maximum.at(known, (state[inside], month[inside] - first), np.arange(rows.height)[inside])
    filled: Places = np.maximum.accumulate(known, axis=0)
    return filled


def quarterly_z(level: FloatArray, newest: Places) -> FloatArray:
    """M2, over 36 months, of the percent change over three, at column `newest` of each row of (states, months).

    NaN where that change or a fifth of the changes is missing, or where they do not vary.
    """
    before = np.full((len(level), MONTHS + QUARTER), np.nan)
    padded = np.hstack([before, level])
    months = newest[:, None] + before.shape[1] - np.arange(MONTHS)[::-1]
    row = np.arange(len(level))[:, None]
    change = np.ascontiguousarray((padded[row, months] / padded[row, months - QUARTER] - 1.0) * 100.0)
    finite = np.isfinite(change)
    count = finite.sum(axis=1)
    mean = np.where(finite, change, 0.0).sum(axis=1) / np.maximum(count, 1)
    squares = np.where(finite, (change - mean[:, None]) ** 2, 0.0).sum(axis=1)
    sd = np.sqrt(squares / np.maximum(count - 1, 1))
    enough = (count >= stats.filled(MONTHS)) & (sd > stats.MIN_SD)
    z: FloatArray = np.where(enough, (change[:, -1] - mean) / np.where(enough, sd, 1.0), np.nan)
    return z


FEATURES = (Feature("industrial", ("prices", "macro"), compute),)
