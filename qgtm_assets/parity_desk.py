"""From warehouse, ledger and feed to the parity report of past sessions; the comparing is the core's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from qgtm_assets.desk import CLUSTERS, TRADING, panel
from qgtm_core import calendar
from qgtm_core.backtest.fills import market_rows
from qgtm_core.backtest.parity.records import Cause, Changed, Ended, Facts, Level, Sides, Stages
from qgtm_core.backtest.parity.report import Report, compare
from qgtm_core.backtest.parity.rerun import Bench, nothing, run_again, run_staged, with_signals
from qgtm_core.engine import apply_executions
from qgtm_core.features.registry import FEATURES, compute_all
from qgtm_core.intraday.sleeve import of_sleeve, shares_of, sleeve_positions
from qgtm_core.ports import Feed
from qgtm_core.schemas.signals import signal_table
from qgtm_core.strategies.evaluate import evaluate, evaluate_all
from qgtm_core.strategies.panel import signal_key
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.strategies.spec import Strategy, consumed
from qgtm_core.types import BookState
from qgtm_core.universe import TRADED
from qgtm_core.view import SessionView, build_panel
from qgtm_resources.clients.ledger import PostgresLedger
from qgtm_resources.resources import DeskResource, WarehouseResource

Frames = dict[str, pl.DataFrame]
QUOTES = "decision_quotes"
EMPTY = signal_table("any").empty()
CHAIN = frozenset({Level.SIGNAL.value, Level.TARGET.value, Level.ORDER.value})


@dataclass(frozen=True, slots=True)
class ParityDesk:
    """One book of one installation, and the strategies that are compared."""

    warehouse: WarehouseResource
    ledger: PostgresLedger
    desk: DeskResource
    feed: Feed
    strategies: Mapping[str, Strategy]

    def reports(self, first: dt.date, last: dt.date) -> Iterator[Report]:
        """The sessions first..last from the first one that the book was opened for, oldest first."""
        openings = self.ledger.openings(self.desk.book)
        if not openings or last < min(openings):
            return
        first = calendar.session_on_or_after(max(first, min(openings)))
        views = panel(self.warehouse, self.desk, first, last)
        live = self._stored_signals(first, last)
        again = signals_again(self.warehouse, self.strategies, first, last)
        readers = {key: strategy for key, strategy in self.strategies.items() if strategy.consumes}
        staged = {**again, **signals_again(self.warehouse, readers, first, last)}
        for view in views.views():
            told = [_of_session(frames, view.session) for frames in (live, again, staged)]
            yield self._report(view, openings, told)

    def _stored_signals(self, first: dt.date, last: dt.date) -> Frames:
        return self.warehouse.read_many("signals", list(self.strategies), first, last)

    def _report(self, view: SessionView, openings: Mapping[dt.date, BookState], told: Sequence[pl.DataFrame]) -> Report:
        session = view.session
        live = self._recorded(session, told[0])
        bench = self._bench(view, openings)
        again, short = run_again(bench, with_signals(view, told[1]), told[1])
        staged, short_live = run_staged(bench, with_signals(view, told[0]), told[2], live)
        decided = self._decided(live, session)
        facts = self._facts(session, decided, opened=session in openings)
        facts = replace(facts, shortfalls={**short, **short_live})
        report = compare(Sides(live, again, staged), facts)
        if decided is None or not self._doubtful(report):
            return report
        # something is left to explain: look for rows that came after the decision, and decide without them
        then = as_known(self.warehouse, self.desk, session, decided, self._doubtful(report))
        if then is None:
            return report
        known_view, made, changed = then
        known_signals = pl.concat([made, told[1].join(made, on=["strategy_id", "symbol"], how="anti")])
        believed = known_signals if overwritten(report) else told[0]
        known, _ = run_staged(bench, with_signals(known_view, believed), known_signals, live)
        return compare(Sides(live, again, staged, known), replace(facts, changed=changed))

    def _doubtful(self, report: Report) -> dict[str, Strategy]:
        """Strategies to compute again without late rows; empty when all is explained but for fills.

        Where a target differs and no signal does, the signals may have been stored anew since: all that trade.
        """
        left = report.rows.filter(pl.col("level").is_in(CHAIN) & (pl.col("cause") == Cause.UNEXPLAINED.value))
        if left.is_empty():
            return {}
        names = set(left["strategy_id"]) - {""}
        traded = {strategy.id for strategy in TRADING} if overwritten(report) or not names else set()
        return {key: strategy for key, strategy in self.strategies.items() if key in names | traded}

    def _recorded(self, session: dt.date, signals: pl.DataFrame) -> Stages:
        """What live wrote down; orders of the intraday sleeve have ticks of their own and are not compared here."""
        where = {"book": self.desk.book}
        target = self.warehouse.read("portfolio", "target", session, session, where=where)
        approved = self.warehouse.read("risk", "approved_orders", session, session, where=where)
        intents = tuple(i for i, _ in self.ledger.orders(self.desk.book, session) if not of_sleeve(i))
        own = {intent.client_order_id for intent in intents}
        fills = tuple(f for f in self.ledger.executions(self.desk.book, session) if f.client_order_id in own)
        return replace(nothing(signals), target=target, approved=approved, intents=intents, executions=fills)

    def _bench(self, view: SessionView, openings: Mapping[dt.date, BookState]) -> Bench:
        session, book = view.session, self.desk.book
        state = openings.get(session)
        if state is None:  # not run: the book as the session before left it
            before = max(day for day in openings if day < session)
            fills = self.ledger.executions(book, before)
            outside = self.ledger.external_executions(book, calendar.open_at(before), calendar.open_at(session))
            known = {fill.execution_id for fill in fills}
            state = apply_executions(openings[before], [*fills, *(f for f in outside if f.execution_id not in known)])
        ticks = [i for i, _ in self.ledger.orders(book, session) if of_sleeve(i) and i.decided_at <= view.decided_at]
        sleeve = sleeve_positions(ticks, self.ledger.executions(book, session))
        market = market_rows(self.feed.market(session, TRADED))
        return Bench(state, CLUSTERS, self.desk.policy, market, shares_of(sleeve, view.symbols))

    def _decided(self, live: Stages, session: dt.date) -> dt.datetime | None:
        """When live had decided, by the ledger's clock: its first order, else its approval; null without either.

        Whatever was retrieved later cannot have been seen. What was retrieved a little before may not have been either;
        that is not proven, and stays unexplained.
        """
        if live.intents:
            return self.ledger.recorded_at(live.intents[0].correlation_id, "INTENT")
        return self.ledger.recorded_at(f"book-{self.desk.book}-{session:%Y%m%d}", "approval")

    def _facts(self, session: dt.date, decided: dt.datetime | None, *, opened: bool) -> Facts:
        book, ledger = self.desk.book, self.ledger
        details = ledger.order_details(book, session)
        day = (calendar.open_at(session), calendar.open_at(calendar.next_session(session)))
        return Facts(
            session=session,
            book=book,
            opened=opened,
            policy_hash=self.desk.policy.policy_hash,
            params={key: strategy.params_hash for key, strategy in self.strategies.items()},
            traded=frozenset(strategy.id for strategy in TRADING),
            orders={
                intent.client_order_id: Ended(state, *reversed(details[intent.client_order_id][1:]))
                for intent, state in ledger.orders(book, session)
            },
            external=tuple(ledger.external_executions(book, *day)),
            tiers=tuple(ledger.tiers_of(book, session)),
            confirmed_breaks=0 if decided is None else ledger.confirmed_breaks(book, decided),
            ranges=self._ranges(session),
            fees_usd=ledger.fees(book, *day),
        )

    def _ranges(self, session: dt.date) -> dict[str, tuple[float, float]]:
        """Lowest and highest price of the session by symbol; its bar becomes known one session later."""
        bars = self.warehouse.read("pit", "prices", session, calendar.offset_session(session, 5))
        own = bars.filter(pl.col("event_date") == session).drop_nulls(["low", "high"]).sort("revision")
        return {row[0]: (row[1], row[2]) for row in own.select("symbol", "low", "high").iter_rows()}


def signals_again(
    warehouse: WarehouseResource,
    strategies: Mapping[str, Strategy],
    first: dt.date,
    last: dt.date,
    features: Mapping[str, pl.DataFrame] | None = None,
) -> Frames:
    """Signals of sessions first..last by strategy, from the stored features (or those given).

    A strategy that reads others' signals is given those made here, and the stored ones of strategies not asked for.
    """
    if not strategies:
        return {}
    since = calendar.offset_session(first, -max(strategy.lookback for strategy in strategies.values()))
    tables = sorted({item.table for strategy in strategies.values() for item in strategy.inputs})
    held = warehouse.read_many("features", [t for t in tables if t not in (features or {})], since, last)
    known = {**held, **(features or {})}
    sessions = calendar.schedule(first, last).select("session", "decided_at")
    alone = {key: strategy for key, strategy in strategies.items() if not strategy.consumes}
    made = evaluate_all(alone, known, sessions)
    for key in strategies.keys() - alone.keys():
        strategy = strategies[key]
        children = list(consumed(strategy, REGISTRY))
        stored = warehouse.read_many("signals", children, since, last)
        told = {
            signal_key(child): stored[child]
            if child not in made
            else pl.concat([stored[child].filter(pl.col("session") < first), made[child]])
            for child in children
        }
        made[key] = evaluate(strategy, {**known, **told}, sessions)
    return {key: made[key] for key in strategies}


def overwritten(report: Report) -> bool:
    """Whether a target differs though no signal does: then the stored signals need not be those it was made from."""
    levels = set(report.rows["level"])
    return Level.TARGET.value in levels and Level.SIGNAL.value not in levels


def as_known(
    warehouse: WarehouseResource,
    desk: DeskResource,
    session: dt.date,
    decided: dt.datetime,
    strategies: Mapping[str, Strategy],
) -> tuple[SessionView, pl.DataFrame, tuple[Changed, ...]] | None:
    """The view, signals of the strategies and what changed, without the rows retrieved after `decided`.

    Null when no such row is stored: then nothing that came later can explain anything.
    """
    tables = sorted({item.table for s in strategies.values() for item in s.inputs} | {"prices"})
    sources = sorted({source for table in tables for source in FEATURES[table].sources})
    pit = warehouse.read_many("pit", sources, None, session)
    quotes = warehouse.read("raw", QUOTES, session, session)
    changed = tuple(_changed(name, frame, decided) for name, frame in {**pit, QUOTES: quotes}.items())
    changed = tuple(each for each in changed if each.rows)
    if not changed:
        return None
    before = {name: _before(frame, decided) for name, frame in pit.items()}
    reach = max((s.lookback for s in strategies.values()), default=0)
    lookback = desk.policy.portfolio.correlation_sessions - 1
    days = calendar.schedule(calendar.offset_session(session, -max(reach, lookback + 1)), session)
    features = compute_all(before, days.select("session", "decided_at"), tables)
    told = signals_again(warehouse, strategies, session, session, features)
    stored = warehouse.read_many("signals", [s.id for s in TRADING], session, session)
    asked = calendar.schedule(session, session).select("session", "decided_at")
    known = build_panel(features["prices"], stored, _before(quotes, decided), asked, lookback)
    return next(known.views()), pl.concat([EMPTY, *told.values()]), changed


def _of_session(frames: Mapping[str, pl.DataFrame], session: dt.date) -> pl.DataFrame:
    return pl.concat([EMPTY, *(frame.filter(pl.col("session") == session) for frame in frames.values())])


def _before(frame: pl.DataFrame, decided: dt.datetime) -> pl.DataFrame:
    return frame.filter(pl.col("retrieved_at").is_null() | (pl.col("retrieved_at") <= decided))


def _changed(name: str, frame: pl.DataFrame, decided: dt.datetime) -> Changed:
    after = frame.filter(pl.col("retrieved_at") > decided)
    return Changed(name, after.height, after.filter(pl.col("revision") > 0).height)
