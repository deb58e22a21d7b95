"""How a raw table is declared: columns that many feeds share."""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.spec import Column, Table

F = pl.Float64
S = pl.String
DAY = Column(pl.Date, "calendar day", nullable=False)


def usd(*, nullable: bool = True, low: float = 0.0001) -> Column:
    """A price in dollars; reverse splits adjusted backwards reach 1e7."""
    return Column(F, "USD", nullable, low=low, high=1e8)


def count(unit: str = "contracts", *, nullable: bool = True) -> Column:
    """A whole number of something, not negative."""
    return Column(pl.Int64, unit, nullable, low=0)


def text(*, nullable: bool = False) -> Column:
    """A string."""
    return Column(S, nullable=nullable)


def raw_table(
    name: str,
    key: tuple[str, ...],
    columns: dict[str, Column],
    description: str,
    publication: str,
    first_delivery_sessions: int | None = None,
) -> Table:
    """Declare `raw/<name>`: versioned, with its publication rule in words."""
    return Table(
        "raw",
        name,
        key,
        columns,
        description,
        versioned=True,
        publication=publication,
        first_delivery_sessions=first_delivery_sessions,
    )
