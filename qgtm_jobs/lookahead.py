"""What `qgtm lookahead` does: read the stored raw rows and fits, search them, and tell strategy by strategy."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from qgtm_core import calendar
from qgtm_core.backtest.lookahead.detector import Search, ancestors, search
from qgtm_core.backtest.lookahead.histories import cut_sessions
from qgtm_core.backtest.lookahead.leak import Leak
from qgtm_core.backtest.lookahead.pipeline import Case, Pipeline, pit_of, raw_of, wanted
from qgtm_core.errors import ConfigError
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.strategies.spec import Cadence
from qgtm_jobs.operations import bring_history
from qgtm_jobs.workshop import workshop
from qgtm_resources.settings import Settings

if TYPE_CHECKING:
    from rich.console import RenderableType

    from qgtm_resources.resources import WarehouseResource

Progress = Callable[[str, int, int], None]
SESSIONS = 756  # searched when no first session is given: three years
FITS = ("models", "meta_models")


@dataclass(frozen=True, slots=True)
class LookaheadReport:
    """What was searched and what was found, by strategy."""

    first: dt.date
    last: dt.date
    strategy_id: str | None
    found: Search
    strategies: pl.DataFrame
    seconds: Mapping[str, float]

    @property
    def ok(self) -> bool:
        """Whether nothing leaks and the detector sees."""
        return self.found.ok

    def document(self) -> Mapping[str, Any]:
        """Everything, as plain values."""
        return {
            "first": self.first,
            "last": self.last,
            "cuts": self.found.cuts,
            "rows_compared": sum(one.rows for one in self.found.comparisons),
            "checked": self.found.checked,
            "leaks": [{**_fields(leak), "text": leak.text} for leak in self.found.leaks],
            "blind": self.found.blind,
            "strategies": self.strategies,
            "seconds": self.seconds,
            "ok": self.ok,
        }

    def shown(self) -> Iterable[RenderableType]:
        """A line a strategy, the leaks in full, and what was done."""
        from qgtm_jobs.render import pairs, table

        yield f"\n[bold]Look-ahead, {self.first} … {self.last}[/bold]\n"
        yield table("By strategy: everything it is made of counts", self.strategies, limit=self.strategies.height)
        if self.found.leaks:
            lines = pl.DataFrame({"leak": [leak.text for leak in self.found.leaks]})
            yield table("Leaks, in the order of the stages; the first one is where to begin", lines, limit=100)
        rows = sum(one.rows for one in self.found.comparisons)
        yield pairs(
            "What was done",
            {
                "future deleted and spoilt after": ", ".join(str(day) for day in self.found.cuts),
                "rows compared bit by bit": f"{rows:,}",
                **{name: f"{count:,} looked at" for name, count in self.found.checked.items()},
                "a leak planted in memory": self.found.blind or "was found",
                "leaks": len(self.found.leaks),
                **{f"seconds, {name}": value for name, value in self.seconds.items()},
            },
        )


def _fields(leak: Leak) -> dict[str, Any]:
    return {name: getattr(leak, name) for name in leak.__dataclass_fields__}


def require_known(strategy_id: str | None) -> None:
    """Raise ConfigError for an id that is none, or that of a strategy which computes within the session."""
    if strategy_id is None:
        return
    if strategy_id not in REGISTRY:
        import difflib

        near = ", ".join(difflib.get_close_matches(strategy_id, tuple(REGISTRY), n=3, cutoff=0.4))
        raise ConfigError(f"there is no strategy {strategy_id!r}; near it: {near or 'see `qgtm strategies`'}")
    if REGISTRY[strategy_id].cadence is Cadence.INTRADAY:
        raise ConfigError(f"{strategy_id} computes within the session; this search is for those that compute daily")


def search_stored(
    settings: Settings,
    strategy_id: str | None,
    first: dt.date | None,
    last: dt.date | None,
    cuts: int,
    progress: Progress,
    pipeline: Pipeline | None = None,
) -> LookaheadReport:
    """Search the stored history of an installation; history that is missing is brought in first.

    `pipeline` is the real one unless a leak is to be planted. Raises ConfigError for a range without sessions to cut.
    """
    begun = time.perf_counter()
    with workshop(settings, progress, venue=False) as shop:
        end = calendar.session_on_or_before(min(last or shop.session, shop.session))
        begin = calendar.session_on_or_after(first or calendar.offset_session(end, -SESSIONS))
        if calendar.sessions_since(begin, end) < 2:
            raise ConfigError(f"nothing to search between {begin} and {end}, the last session of the data")
        bring_history(shop, end, progress)
        brought = time.perf_counter()
        case = read_case(shop.resources["warehouse"], strategy_id, begin, end)
    read = time.perf_counter()
    real = pipeline or Pipeline()
    chosen = cut_sessions(begin, end, cuts, pit_of(real, case, case.raw))
    found = search(real, case, chosen, progress)
    seconds = {"start and history": brought - begun, "read": read - brought, "search": time.perf_counter() - read}
    rows = by_strategy(found, case, [strategy_id] if strategy_id else list(case.strategies))
    return LookaheadReport(begin, end, strategy_id, found, rows, {name: round(s, 2) for name, s in seconds.items()})


def read_case(warehouse: WarehouseResource, strategy_id: str | None, first: dt.date, last: dt.date) -> Case:
    """The stored raw rows and fits that a strategy (none: every daily one) goes back to."""
    strategies = wanted([strategy_id] if strategy_id else [])
    return Case(
        strategies,
        first,
        last,
        warehouse.read_many("raw", raw_of(strategies), None, last),
        warehouse.read_many("pit", FITS, None, last),
        warehouse.read("raw", "decision_quotes", first, last),
    )


def by_strategy(found: Search, case: Case, ids: Sequence[str]) -> pl.DataFrame:
    """One row a strategy: rows compared of all it is made of, leaks among them, and the first one."""
    rows = []
    for key in ids:
        own = ancestors(f"signals/{key}", case.strategies)
        leaks = [leak for leak in found.leaks if leak.concerns(key, own)]
        compared = sum(diff.rows for one in found.comparisons for node, diff in one.by_table.items() if node in own)
        rows.append(
            {
                "strategy": key,
                "status": case.strategies[key].status.value,
                "tables": len(own),
                "rows_compared": compared,
                "leaks": len(leaks),
                "first_leak": leaks[0].text if leaks else None,
            }
        )
    return pl.DataFrame(rows, schema_overrides={"first_leak": pl.String}).sort(
        "leaks", descending=True, maintain_order=True
    )
