"""The table of monthly returns, with yearly totals and a colour class by sign and size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from qgtm_resources.tearsheets.svg import signed

SHADES = 4
FULL = 0.95  # quantile of the months' sizes that has the deepest colour
NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Cell:
    """A return in percent; empty text = no session in the month."""

    text: str
    css: str
    title: str


@dataclass(frozen=True, slots=True)
class Year:
    """Twelve months and their compounded total."""

    year: int
    months: tuple[Cell, ...]
    total: Cell


def monthly(sessions: pl.Series, returns: pl.Series) -> list[Year]:
    """Months of the sessions, each compounded; newest year last. Null returns are left out."""
    frame = pl.DataFrame({"day": sessions, "r": returns}).drop_nulls()
    grown = ((pl.col("r") + 1.0).product() - 1.0).alias("r")
    by_month = frame.group_by(year=pl.col("day").dt.year(), month=pl.col("day").dt.month()).agg(grown, n=pl.len())
    by_year = frame.group_by(year=pl.col("day").dt.year()).agg(grown, n=pl.len()).sort("year")
    deep_month, deep_year = (float(np.quantile(f["r"].abs().to_numpy(), FULL)) if f.height else 0.0
                             for f in (by_month, by_year))  # fmt: skip
    held = {(year, month): (r, n) for year, month, r, n in by_month.iter_rows()}
    return [
        Year(
            year,
            tuple(_cell(held.get((year, m)), f"{NAMES[m - 1]} {year}", deep_month) for m in range(1, 13)),
            _cell((total, n), str(year), deep_year),
        )
        for year, total, n in by_year.iter_rows()
    ]


def _cell(found: tuple[float, int] | None, when: str, deep: float) -> Cell:
    if found is None:
        return Cell("", "", f"{when}: no session in the sample")
    value, sessions = found
    shade = min(round(abs(value) / deep * SHADES), SHADES) if deep > 0.0 else 0
    css = f"{'p' if value > 0.0 else 'n'}{shade}" if shade else ""
    return Cell(signed(value * 100.0, 1), css, f"{when}: {signed(value * 100.0, 2)} %, {sessions} sessions")
