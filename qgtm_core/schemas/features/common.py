"""How a feature table is declared: keys, measures and the health of its inputs."""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.spec import INSTANT, Column, Table

SESSION = Column(pl.Date, "New York session", nullable=False)
KEY = Column(pl.String, nullable=False)


def measure(unit: str, note: str = "", low: float | None = None, high: float | None = None) -> Column:
    """A number with its unit and, in `note`, its window."""
    return Column(pl.Float64, unit, low=low, high=high, note=note)


def health(prefix: str = "") -> dict[str, Column]:
    """The three columns that tell how an input fares: `obs`, `event_at`, `available_at`, after `prefix`."""
    return {
        f"{prefix}obs": Column(pl.Int32, "observations", note="usable observations known at the decision; null = none"),
        f"{prefix}event_at": Column(INSTANT, note="newest usable observation"),
        f"{prefix}available_at": Column(INSTANT, note="when that observation became known"),
    }


def feature_table(name: str, key: tuple[str, ...], columns: dict[str, Column], description: str) -> Table:
    """Declare `features/<name>`; the key columns come first."""
    keys = {k: (SESSION if k == "session" else KEY) for k in key}
    return Table("features", name, key, {**keys, **columns}, description)
