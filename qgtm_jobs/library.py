"""The strategies as an operator sees them: what each one needs, what of it is held, and what it last said."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from qgtm_core import calendar
from qgtm_core.schemas.signals import signal_table
from qgtm_core.strategies.catalogue import chart, describe
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.strategies.spec import Strategy
from qgtm_resources.clients.warehouse import Held, Survey, Warehouse
from qgtm_resources.held_data import held_of, references

if TYPE_CHECKING:
    from rich.console import RenderableType

SHOWN_SIGNALS = 20


@dataclass(frozen=True, slots=True)
class Datum:
    """One thing a strategy cannot do without, and what is held of it."""

    reference: str
    held: Held

    @property
    def there(self) -> bool:
        """Whether anything is held."""
        return self.held.rows > 0


@dataclass(frozen=True, slots=True)
class LastSignal:
    """The newest session a strategy was computed for."""

    session: dt.date
    age_sessions: int
    opinions: Mapping[str, float | None]  # by symbol; null = silent
    reasons: tuple[str, ...]

    @property
    def text(self) -> str:
        """Scores by symbol, or the reasons of its silence."""
        spoken = [f"{symbol} {round(s, 2) + 0.0:+.2f}" for symbol, s in self.opinions.items() if s is not None]
        return ", ".join(spoken) or "/".join(self.reasons)


@dataclass(frozen=True, slots=True)
class Entry:
    """One strategy with its data and its last word; `last` is null before the first computation."""

    strategy: Strategy
    data: tuple[Datum, ...]
    last: LastSignal | None

    @property
    def missing(self) -> tuple[str, ...]:
        """What it cannot do without and does not have."""
        return tuple(datum.reference for datum in self.data if not datum.there)

    def document(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {
            **describe(self.strategy),
            "data_available": not self.missing,
            "missing": list(self.missing),
            "data": [
                {
                    "reference": d.reference,
                    "rows": d.held.rows,
                    "newest_event": d.held.event_at,
                    "newest_available": d.held.available_at,
                    "newest_value": d.held.value,
                }
                for d in self.data
            ],
            "last_signal": None
            if self.last is None
            else {
                "session": self.last.session,
                "age_sessions": self.last.age_sessions,
                "scores": dict(self.last.opinions),
                "reasons": list(self.last.reasons),
            },
        }


def read(warehouse: Warehouse, chosen: Iterable[Strategy]) -> list[Entry]:
    """Look every chosen strategy up in the warehouse; ages are counted to the newest session of any of them."""
    strategies = list(chosen)
    held = held_of(warehouse, strategies)
    newest = _newest(warehouse, list(REGISTRY.values()))
    today = max((frame["session"][0] for frame in newest.values()), default=dt.date.min)
    return [
        Entry(s, tuple(Datum(text, held[text]) for text in references(s)), _last(newest.get(s.id), today))
        for s in strategies
    ]


def recent(warehouse: Warehouse, strategy: Strategy, sessions: int = SHOWN_SIGNALS) -> pl.DataFrame:
    """The last signals of a strategy, oldest first: `session, symbol, score, confidence, status, reason, as_of_max`."""
    table = signal_table(strategy.id)
    held = warehouse.sessions(table)["session"].tail(sessions)
    if held.is_empty():
        return table.empty()
    return warehouse.read(table, held[0], held[-1]).sort("session", "symbol")


def _newest(warehouse: Warehouse, strategies: Sequence[Strategy]) -> dict[str, pl.DataFrame]:
    """The rows of each strategy's newest session."""
    tables = [signal_table(s.id) for s in strategies]
    ends = [h.event_at for h in warehouse.survey("signals", [Survey(t, "status", {}, event="session") for t in tables])]
    days = sorted({end for end in ends if isinstance(end, dt.date)})
    found: dict[str, pl.DataFrame] = {}
    for day in days:
        there = [table for table, end in zip(tables, ends, strict=True) if end == day]
        frames = warehouse.read_many(there, day, day)
        found |= {table.name: frame for table, frame in zip(there, frames, strict=True)}
    return found


def _last(rows: pl.DataFrame | None, today: dt.date) -> LastSignal | None:
    if rows is None or rows.is_empty():
        return None
    rows = rows.filter(pl.col("decided_at") == pl.col("decided_at").max()).sort("symbol")
    session = rows["session"][0]
    age = calendar.sessions_since(session, today)
    reasons = tuple(rows["reason"].drop_nulls().unique().sort())
    return LastSignal(session, age, dict(rows.select("symbol", "score").iter_rows()), reasons)


def listing(entries: Sequence[Entry]) -> pl.DataFrame:
    """One row a strategy, for a table on screen."""
    return pl.DataFrame(
        {
            "no": [e.strategy.number for e in entries],
            "id": [e.strategy.id for e in entries],
            "category": [e.strategy.category for e in entries],
            "status": [e.strategy.status.value for e in entries],
            "computes": [e.strategy.cadence.value for e in entries],
            "data": [_availability(e) for e in entries],
            "last": [e.last.session if e.last else None for e in entries],
            "age": [e.last.age_sessions if e.last else None for e in entries],
            "signal": [e.last.text if e.last else None for e in entries],
        },
        schema_overrides={"last": pl.Date, "age": pl.Int32, "signal": pl.String},
    )


def _availability(entry: Entry) -> str:
    if not entry.missing:
        return "all there"
    return f"misses {len(entry.missing)} of {len(entry.data)}: {', '.join(entry.missing)}"


def pages(entry: Entry, signals: pl.DataFrame) -> Iterable[RenderableType]:
    """What `show` prints: the declaration, the inputs with their newest rows, the last signals as a chart."""
    from rich.text import Text

    from qgtm_jobs import render

    s = entry.strategy
    yield Text(f"{s.id}: no. {s.number}, {s.category}, {s.status.value}, computes {s.cadence.value}", style="bold")
    lines = [
        s.rationale,
        f"Formula: {s.formula}",
        f"Trades {', '.join(s.symbols)} for {s.horizon}; capacity {s.capacity}; source: {s.source}",
        f"Exposures: {', '.join(s.exposures)}",
        *(f"Differs from {other}: {how}" for other, how in s.differs.items()),
        *([f"Reads the signals of {', '.join(s.consumes)}"] if s.consumes else []),
    ]
    yield Text("\n".join(lines))
    params = pl.DataFrame({"parameter": list(s.params), "default": [str(v) for v in s.params.values()]})
    yield render.table(f"Parameters ({s.params_hash})", params, limit=params.height)
    yield render.table("Data it cannot do without", _data_frame(entry), limit=200)
    yield render.table(f"Last {SHOWN_SIGNALS} signals, oldest to newest", _charts(signals), limit=100)


def _data_frame(entry: Entry) -> pl.DataFrame:
    from qgtm_jobs import render

    return pl.DataFrame(
        {
            "data": [d.reference for d in entry.data],
            "rows": [d.held.rows for d in entry.data],
            "newest": [render.text_of(d.held.event_at) for d in entry.data],
            "known_since": [render.text_of(d.held.available_at) for d in entry.data],
            "value": [d.held.value for d in entry.data],
        },
        schema_overrides={"value": pl.String},
    )


def _charts(signals: pl.DataFrame) -> pl.DataFrame:
    """One line a symbol: the chart, the newest score, its confidence and reason."""
    rows = []
    for (symbol,), own in signals.sort("decided_at").group_by("symbol", maintain_order=True):
        newest = own.row(-1, named=True)
        rows.append(
            {
                "symbol": symbol,
                "chart": chart(own["score"].tail(SHOWN_SIGNALS)),
                "score": newest["score"],
                "confidence": newest["confidence"],
                "reason": newest["reason"],
                "newest": newest["session"],
                "as_of": newest["as_of_max"],
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)


def chosen(category: str | None, status: str | None) -> list[Strategy]:
    """Strategies of a category and a status; null = all."""
    return [
        s
        for s in REGISTRY.values()
        if category in {None, s.category} and (status is None or s.status.value.lower() == status.lower())
    ]
