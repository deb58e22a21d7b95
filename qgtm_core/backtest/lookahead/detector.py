"""The look-ahead detector: nothing that became known later may change what was said before.

Everything from raw rows to signals is computed from several histories that differ only after a session, and every row
up to that session must be the same in all of them, bit for bit. A table that differs although nothing it is made of
does is where a leak begins. What cannot be seen that way is checked in `lookahead_checks`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from qgtm_core import calendar
from qgtm_core.backtest.lookahead import accounts, checks
from qgtm_core.backtest.lookahead.differences import Difference, differences
from qgtm_core.backtest.lookahead.histories import Frames, shuffled, spoil, spoilt, truncated
from qgtm_core.backtest.lookahead.leak import Leak
from qgtm_core.backtest.lookahead.pipeline import Case, Pipeline, World, keys_of, parents, pit_of, world_of
from qgtm_core.errors import InvariantError
from qgtm_core.features.registry import FEATURES
from qgtm_core.pit import cut
from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_core.schemas.pit import PIT_TABLES
from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_core.strategies.spec import Strategy, consumed

Progress = Callable[[str, int, int], None]
BEYOND = 60  # sessions computed past a cut, through the noise
TRUNCATED, SPOILT = "the future deleted", "the future replaced by noise"


def compare(expected: World, found: World, until: dt.date) -> dict[str, Difference]:
    """Every table of both worlds up to a session."""
    out = {}
    for node, frame in expected.frames.items():
        if node in found.frames:
            both = [cut(f, until) for f in (frame, found.frames[node])]
            out[node] = differences(both[0], both[1], keys_of(node), "available_at" if node.startswith("pit/") else "")
    return out


def origins(compared: Mapping[str, Difference], strategies: Mapping[str, Strategy], kind: str) -> list[Leak]:
    """The tables that differ although nothing they are made of does, each with the shortest way to a signal."""
    wrong = [node for node, found in compared.items() if found.different]
    leaks = []
    for node in wrong:
        if not any(parent in wrong for parent in parents(node, strategies)):
            first = compared[node]
            stage, table = node.split("/")
            way = shortest_way(node, strategies, wrong) or shortest_way(node, strategies, ())
            leaks.append(
                Leak(stage, table, first.column, first.session, first.key, kind, first.expected, first.found, way)
            )
    return leaks


def ancestors(node: str, strategies: Mapping[str, Strategy]) -> tuple[str, ...]:
    """A table and all it is made of."""
    found = [node]
    for here in found:
        found += [parent for parent in parents(here, strategies) if parent not in found]
    return tuple(found)


def shortest_way(node: str, strategies: Mapping[str, Strategy], within: Sequence[str]) -> tuple[str, ...]:
    """Tables from a node to the nearest signal, over the nodes of `within` only (none given: over all)."""
    if node.startswith("signals/"):
        return ()
    nodes = list(dict.fromkeys(one for key in strategies for one in ancestors(f"signals/{key}", strategies)))
    nodes = [one for one in nodes if not within or one in within]
    ways: dict[str, tuple[str, ...]] = {node: ()}
    queue: list[str] = [node]
    for here in queue:
        for there in nodes:
            if there not in ways and here in parents(there, strategies):
                ways[there] = (*ways[here], there)
                queue.append(there)
                if there.startswith("signals/"):
                    return ways[there]
    return ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """One changed history against the full one, up to the session of the cut."""

    session: dt.date
    kind: str
    by_table: Mapping[str, Difference]
    refused: str = ""

    @property
    def rows(self) -> int:
        """Rows compared."""
        return sum(found.rows for found in self.by_table.values())

    @property
    def different(self) -> int:
        """Rows that differ."""
        return sum(found.different for found in self.by_table.values())


@dataclass(frozen=True, slots=True)
class Search:
    """What a search found; `blind` says why it proves nothing, empty when it does."""

    cuts: tuple[dt.date, ...]
    comparisons: tuple[Comparison, ...]
    checked: Mapping[str, int]  # rows, fits or orders that the other checks looked at
    leaks: tuple[Leak, ...]  # the first of each table and kind, in the order of the stages
    blind: str

    @property
    def ok(self) -> bool:
        """Whether no leak was found by eyes that see."""
        return not self.leaks and not self.blind


STAGES = ("raw", "pit", "models", "features", "signals", "portfolio", "returns", "fills")


def search(pipeline: Pipeline, case: Case, cuts: Sequence[dt.date], progress: Progress = lambda *_: None) -> Search:
    """Search everything the case's strategies depend on; the first leak of each table counts.

    Raises nothing for a leak; errors of the stages themselves are not caught.
    """
    steps = 2 * len(cuts) + 3
    progress("the full history", 0, steps)
    pit = {**pit_of(pipeline, case, case.raw), **case.fits}
    full = world_of(pipeline, case, pit, case.last)
    comparisons = []
    for i, session in enumerate(cuts):
        progress(f"{session}: {TRUNCATED}", 2 * i + 1, steps)
        comparisons.append(_truncated(pipeline, case, full, session))
        progress(f"{session}: {SPOILT}", 2 * i + 2, steps)
        comparisons.append(_spoilt(pipeline, case, full, session))
    progress("publication, fits, returns and fills", steps - 2, steps)
    found = {
        "raw rows by their publication": checks.published(case.raw),
        "pit rows by their source": checks.stated(pit, case.raw),
        "feature rows by their instants": checks.known_at_decision(full.of("features")),
        "stored fits": checks.stored_fits(case.fits),
        "fits made anew": checks.fits(pipeline, case, pit, cuts[-1]),
        "labels in folds": checks.folds(pipeline, pit, cuts[-1]),
        "returns": accounts.returns(pipeline, case, full, pit, cuts),
        "fills": accounts.fills(pipeline, cuts),
    }
    progress("a planted leak", steps - 1, steps)
    blind = blindness(pipeline, full, cuts[-1])
    progress("done", steps, steps)
    leaks = [leak for one in comparisons for leak in origins(one.by_table, case.strategies, one.kind)]
    leaks += [_with_way(leak, case) for _, others in found.values() for leak in others]
    refused = (
        [Leak("signals", "every strategy", "available_at", None, "", full.refused, "", "")] if full.refused else []
    )
    counts = {name: rows for name, (rows, _) in found.items()}
    return Search(tuple(cuts), tuple(comparisons), counts, _first_of_each([*leaks, *refused]), blind)


def _truncated(pipeline: Pipeline, case: Case, full: World, session: dt.date) -> Comparison:
    """From raw rows to signals and the target weights, without any later row."""
    pit = {**pit_of(pipeline, case, truncated(case.raw, session)), **truncated(case.fits, session)}
    world = world_of(pipeline, case, pit, session)
    target = _target(pipeline, case, full, world, cut(case.quotes, session), session)
    return Comparison(session, TRUNCATED, {**compare(full, world, session), **target}, world.refused)


def _spoilt(pipeline: Pipeline, case: Case, full: World, session: dt.date) -> Comparison:
    """PIT rows from raw rows with a false future; features and signals from PIT rows with noise, past the cut."""
    wild = World({f"pit/{n}": f for n, f in pit_of(pipeline, case, shuffled(RAW_TABLES, case.raw, session)).items()})
    compared = compare(full, wild, session)
    past = min(case.last, calendar.offset_session(session, BEYOND))
    with np.errstate(all="ignore"):  # noise may be infinite
        noise = world_of(pipeline, case, spoilt(PIT_TABLES, full.of("pit"), session), past)
        if noise.refused:
            noise = _each(pipeline, case, noise, past, session)
    target = _target(pipeline, case, full, noise, spoil(RAW_TABLES["decision_quotes"], case.quotes, session), session)
    return Comparison(session, SPOILT, {**compare(full, noise, session), **compared, **target})


def _target(
    pipeline: Pipeline, case: Case, full: World, other: World, quotes: pl.DataFrame, session: dt.date
) -> dict[str, Difference]:
    """Target weights of the session, where the pipeline makes any."""
    made = [
        pipeline.target(world.of("features"), world.of("signals"), given, session)
        for world, given in ((full, case.quotes), (other, quotes))
    ]
    if made[0] is None or made[1] is None:
        return {}
    return {"portfolio/target": differences(made[0], made[1], ("session", "symbol"))}


def _each(pipeline: Pipeline, case: Case, noise: World, past: dt.date, session: dt.date) -> World:
    """Signals one strategy at a time: a rule that refuses noise is asked for the sessions up to the cut only."""
    features, frames = noise.of("features"), dict(noise.frames)
    for key, strategy in case.strategies.items():
        own = {key: strategy, **{name: case.strategies[name] for name in consumed(strategy, case.strategies)}}
        try:
            frames[f"signals/{key}"] = pipeline.signals(own, features, case.days(past, lookback=False))[key]
        except InvariantError:
            frames[f"signals/{key}"] = pipeline.signals(own, features, case.days(session, lookback=False))[key]
    return World(frames)


def _with_way(leak: Leak, case: Case) -> Leak:
    node = f"{leak.stage}/{leak.table}"
    stored = leak.stage in {"raw", "pit", "features"}
    return replace(leak, reaches=shortest_way(node, case.strategies, ())) if stored else leak


def _first_of_each(leaks: Sequence[Leak]) -> tuple[Leak, ...]:
    """The earliest leak of each table, in the order of the stages; what rows say by themselves before comparisons."""
    order = sorted(
        leaks,
        key=lambda leak: (STAGES.index(leak.stage), leak.kind in {TRUNCATED, SPOILT}, leak.session or dt.date.min),
    )
    return tuple({(leak.stage, leak.table): leak for leak in reversed(order)}.values())[::-1]


def blindness(pipeline: Pipeline, full: World, session: dt.date) -> str:
    """Plant a leak in memory and look for it; why it was not found, empty when it was.

    Every number of one feature table is taken from the session after. Where there is no number nothing can be proven.
    """
    for name, frame in full.of("features").items():
        near = frame.filter(pl.col("session") == session)
        if any(near[c].is_finite().any() for c in _numbers(near)) and FEATURES[name].sources:
            leaky = replace(pipeline, features=lambda *given: peeking(pipeline.features(*given)))
            pit = {
                source: full.frames[f"pit/{source}"] for source in FEATURES[name].sources if source in full.of("pit")
            }
            days = calendar.schedule(calendar.offset_session(session, -2), calendar.next_session(session))
            days = days.select("session", "decided_at")
            worlds = [
                leaky.features(rows, until, (name,))[name]
                for rows, until in ((pit, days), (truncated(pit, session), days.filter(pl.col("session") <= session)))
            ]
            seen = differences(cut(worlds[0], session), cut(worlds[1], session), FEATURE_TABLES[name].key)
            return "" if seen.different else f"a leak planted in features/{name} at {session} was not found"
    return f"no feature of {session} has a value: nothing to compare"


def peeking(features: Frames) -> Frames:
    """Every number of a session replaced by that of the next one: the oldest mistake there is."""
    out = {}
    for name, frame in features.items():
        group = [c for c in FEATURE_TABLES[name].key if c != "session"]
        ahead = [pl.col(c).shift(-1) for c in _numbers(frame)]
        rows = frame.sort(*group, "session")
        out[name] = rows.with_columns(a.over(group) if group else a for a in ahead).sort("session", *group)
    return out


def _numbers(frame: pl.DataFrame) -> list[str]:
    return [name for name, dtype in frame.schema.items() if dtype == pl.Float64]
