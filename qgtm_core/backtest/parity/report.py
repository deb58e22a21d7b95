"""Live against backtest, for one session of one book: what differs, and what the records say about why. Pure.

Four runs of the same stages are held beside each other (`Sides`): what live recorded; `again`, all of it computed anew
from what is stored now; `staged`, each stage anew but from what live recorded of the stage before; `known`, the same
from the rows that had been retrieved when live decided. A difference between live and `again` whose live value `staged`
gives back comes from the stage before; one that `known` gives back comes from the rows retrieved since. No cause is
assigned because it is likely: without a record or such a run as proof it is UNEXPLAINED.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from qgtm_core.audit import canonical_json
from qgtm_core.backtest.parity import levels
from qgtm_core.backtest.parity.found import Found
from qgtm_core.backtest.parity.records import Cause, Facts, Level, Sides, Stages
from qgtm_core.schemas.parity import PARITY_TABLE
from qgtm_core.types import OrderIntent

__all__ = ["ALLOWED_SHARE", "Cause", "Facts", "Level", "Report", "Sides", "Stages", "compare", "unexplained_share"]

ALLOWED_SHARE = 0.01  # of orders that may stay unexplained (house rule)


@dataclass(frozen=True, slots=True)
class LevelCount:
    """Items of one level: compared, equal, and different by cause (an item counts once for each of its causes)."""

    session: dt.date
    book: str
    level: str
    compared: int
    equal: int
    causes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Report:
    """One session: rows of `ops/parity`, items compared by level, and whether the intents are the same bytes."""

    session: dt.date
    book: str
    rows: pl.DataFrame
    compared: Mapping[str, int]
    orders: int
    intents_identical: bool

    @property
    def unexplained_orders(self) -> int:
        """Symbols with a difference that nothing explains, each counted as one order."""
        return _unexplained(self.rows)["symbol"].n_unique()

    def levels(self) -> list[LevelCount]:
        """A level each, from signals to fees."""
        return [self._level(level) for level in Level]

    def _level(self, level: Level) -> LevelCount:
        own = self.rows.filter(pl.col("level") == level.value)
        item = ("strategy_id", "symbol", "client_order_id") if level is Level.FILL else ("strategy_id", "symbol")
        counts = own.group_by("cause").agg(n=pl.struct(item).n_unique()).sort("cause")
        compared = self.compared[level.value]
        equal = compared - own.select(item).n_unique()
        return LevelCount(self.session, self.book, level.value, compared, equal, dict(counts.iter_rows()))


def _unexplained(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("cause") == Cause.UNEXPLAINED.value)


def unexplained_share(reports: Sequence[Report]) -> float:
    """Unexplained orders as a share of all orders; 0 where there is neither.

    A symbol with an unexplained difference counts as an order whether one was sent or not, so that an alarm never
    needs a trade.
    """
    unexplained = sum(report.unexplained_orders for report in reports)
    silent = sum(max(report.unexplained_orders - report.orders, 0) for report in reports)
    total = sum(report.orders for report in reports) + silent
    return unexplained / total if total else 0.0


def intent_bytes(intents: Sequence[OrderIntent]) -> bytes:
    """Intents as canonical JSON, one a line, in the order in which they are sent: two runs are compared by these."""
    return "\n".join(canonical_json(_plain(intent)) for intent in intents).encode()


def _plain(intent: OrderIntent) -> dict[str, object]:
    return {name: getattr(intent, name) for name in OrderIntent.__dataclass_fields__}


def compare(sides: Sides, facts: Facts) -> Report:
    """Every difference of the session with its cause, as rows of `ops/parity`, and how much was compared."""
    found = Found(facts)
    compared = {
        Level.SIGNAL.value: levels.signals(sides, facts, found),
        Level.TARGET.value: levels.target(sides, facts, found),
        Level.ORDER.value: levels.orders(sides, facts, found),
        Level.FILL.value: levels.fills(sides, facts, found),
        Level.FEES.value: levels.fees(facts, found),
    }
    live, again = sides.live.intents, sides.again.intents
    ids = {intent.client_order_id for intent in (*live, *again)}
    return Report(
        session=facts.session,
        book=facts.book,
        rows=PARITY_TABLE.conform(pl.DataFrame(found.rows, schema=PARITY_TABLE.dtypes)),
        compared=compared,
        orders=len(ids),
        intents_identical=intent_bytes(live) == intent_bytes(again),
    )
