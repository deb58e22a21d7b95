"""M19: formulas over reports of positions, as causal Polars expressions. Contracts in, shares and indices out.

Null in, null out; windows follow the rules of `qgtm_core.maths.statistics`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add

import polars as pl

from qgtm_core.maths.variance import range_rank


def net_share(long: pl.Expr, short: pl.Expr, open_interest: pl.Expr) -> pl.Expr:
    """Long minus short as a share of open interest (Sanders, Irwin and Merrin 2009); not finite without interest."""
    return (long - short) / open_interest


def cot_index(net: pl.Expr, n: int) -> pl.Expr:
    """Place of the newest net position between the least and the greatest of n, 0 to 100 (Briese 2008).

    Null below 0.8 n values or when all are equal.
    """
    return 100.0 * range_rank(net, n)


def hedging_pressure(long: pl.Expr, short: pl.Expr) -> pl.Expr:
    """Short minus long over short plus long of the hedgers, −1 to 1 (de Roon, Nijman and Veld 2000).

    Null when they hold nothing.
    """
    gross = short + long
    return pl.when(gross > 0).then((short - long) / gross)


def open_interest_gap(open_interest: pl.Expr, side: Sequence[pl.Expr], spreads: Sequence[pl.Expr]) -> pl.Expr:
    """Open interest minus all positions of one side and all spreads: 0 in a sound report, contracts.

    Null when the report lacks a category.
    """
    return open_interest - reduce(add, [*side, *spreads])
