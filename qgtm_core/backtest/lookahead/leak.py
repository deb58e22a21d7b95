"""One leak, as the look-ahead detector tells it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
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
        """In one line: where, on which session, what was seen and what it reaches."""
        place = ", ".join(part for part in self.key.split(", ") if part != str(self.session))
        day = f" on {self.session}" if self.session else ""
        values = f": {self.expected} / {self.found}" if self.expected or self.found else ""
        way = f"; reaches {' → '.join(self.reaches)}" if self.reaches else ""
        return f"{self.stage}/{self.table}.{self.column}{day}{f' ({place})' if place else ''}, {self.kind}{values}{way}"

    def concerns(self, strategy_id: str, own: Collection[str]) -> bool:
        """Whether a strategy is touched by it, given the tables it is made of; what belongs to no table touches all."""
        if self.stage in {"fills", "models", "portfolio"} or self.table in {"market", "panel"}:
            return True
        return self.table == strategy_id if self.stage == "returns" else f"{self.stage}/{self.table}" in own
