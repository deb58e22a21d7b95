"""Shared shapes of scores: saturation, dead zones, ranks. Expressions in, expressions out; null stays null.

Never divide a column by a constant here or in a rule, use `over`: Polars divides a column of one row exactly but
multiplies longer ones by the reciprocal, so a live session would differ from a backtest in the last bit.
"""

from __future__ import annotations

import polars as pl


def clip_score(score: pl.Expr) -> pl.Expr:
    """A score held inside [-1, 1]."""
    return score.clip(-1.0, 1.0)


def over(value: pl.Expr, constant: float) -> pl.Expr:
    """Value over a constant, rounded the same way for any number of rows."""
    return value * (1.0 / constant)


def lin(z: pl.Expr, z0: float) -> pl.Expr:
    """Linear in z, saturated at plus and minus z0."""
    return over(z, z0).clip(-1.0, 1.0)


def dead(z: pl.Expr, start: float, full: float) -> pl.Expr:
    """Zero while |z| < start, then linear up to one at |z| = full, with the sign of z."""
    size = over(z.abs() - start, full - start).clip(upper_bound=1.0)
    return pl.when(z.abs() < start).then(0.0).otherwise(z.sign() * size)


def rank(value: pl.Expr, by: str = "session") -> pl.Expr:
    """Ascending average rank within `by`, spread over [-1, 1]; null where the value is null, NaN for one member."""
    members = value.count().over(by).cast(pl.Float64)
    return (value.rank("average").over(by) - (members + 1.0) / 2.0) / ((members - 1.0) / 2.0)


def pair_leg(score: pl.Expr, slope: pl.Expr, side: str = "side") -> pl.Expr:
    """Score of one leg: the pair's score on y, minus slope times it on x, scaled so that neither exceeds one."""
    scale = slope.abs().clip(lower_bound=1.0)
    return pl.when(pl.col(side) == "y").then(score / scale).otherwise(-slope * score / scale)
