"""Paper against replay: what a book lost between the portfolio it wanted and the money it made, piece by piece.

The idea is the implementation shortfall of Perold (1988), taken over a whole backtest instead of one order.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import polars as pl

from qgtm_core.backtest.metrics import SESSIONS_A_YEAR
from qgtm_core.errors import DataError
from qgtm_core.schemas.results import PORTFOLIO_TABLE
from qgtm_core.types import KillTier

CALM = (KillTier.NORMAL.name, KillTier.WARN.name)  # tiers that change no order


@dataclass(frozen=True, slots=True)
class ImplementationGap:
    """Annual returns as decimals, arithmetic (mean a session × 252): wanted + the five pieces = actual, exactly.

    `limits` is approved − wanted in sessions whose tier changes no order, `kill_switch` the same in all others;
    `execution` is held − approved: partial fills, volume caps, whole shares, the way from the decision's price to the
    close; `costs` are the costs of fills; `timing` is what is left: fills away from the close, prices at which the book
    is marked, and dividends, which the wanted portfolio earns and a replayed book is not paid.
    """

    sessions: int
    unknown: int  # sessions without a paper return: the last one, or no return known
    wanted: float
    limits: float
    kill_switch: float
    execution: float
    costs: float
    timing: float
    actual: float

    def as_dict(self) -> dict[str, float | int]:
        """Plain values for tables and JSON."""
        return asdict(self)


def implementation_gap(portfolio_rows: pl.DataFrame) -> ImplementationGap:
    """Split the way from the target weights to the book's return, from rows of `backtest/portfolio` of one book.

    What a session's weights earn falls into the next session's return, beside the costs of that session's fills.
    Null returns count as nothing. Raises DataError for rows of several books.
    """
    if portfolio_rows["book"].n_unique() > 1:
        raise DataError(f"{PORTFOLIO_TABLE.group}/{PORTFOLIO_TABLE.name}", "rows of several books", column="book",
                        remedy="Pass the rows of one book")  # fmt: skip
    rows = portfolio_rows.sort("session")
    wanted, approved, held = (pl.col(name).fill_null(0.0) for name in ("wanted_1d", "approved_1d", "held_1d"))
    calm = pl.col("tier").is_in(CALM)
    cut = approved - wanted
    before = pl.col("equity_usd") / (1.0 + pl.col("return_1d"))
    pieces = rows.select(
        wanted=wanted,
        limits=pl.when(calm).then(cut).otherwise(0.0),
        kill_switch=pl.when(calm).then(0.0).otherwise(cut),
        execution=held - approved,
        held=held,
        costs=-pl.when(before > 0.0).then(pl.col("cost_usd") / before).fill_null(0.0),
        actual=pl.col("return_1d").fill_null(0.0),
    )
    n = rows.height
    annual = {name: float(pieces[name].sum()) / n * SESSIONS_A_YEAR if n else 0.0 for name in pieces.columns}
    held_annual = annual.pop("held")
    return ImplementationGap(
        sessions=n,
        unknown=rows["wanted_1d"].null_count(),
        timing=annual["actual"] - held_annual - annual["costs"],
        **annual,
    )
