"""One leak, as the look-ahead detector tells it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Leak:
    """Something said earlier that depends on something known later."""

    stage: str  # raw, pit, features, signals, portfolio, returns, fills or models
    table: str  # or the strategy or the model
    column: str
    session: dt.date | None  # of the first row that differs
    key: str
    kind: str  # what was done to the future, or what the row breaks
    expected: str
    found: str
    reaches: tuple[str, ...] = ()  # the shortest way to a signal: "features/macro", "signals/real_rate_gold"

    @property
    def text(self) -> str:
        """In one line."""
        way = f"; reaches {' → '.join(self.reaches)}" if self.reaches else ""
        values = f": {self.expected} / {self.found}" if self.expected or self.found else ""
        return f"{self.stage}/{self.table}.{self.column} at {self.key or self.session}, {self.kind}{values}{way}"
