"""A small installation for tests of the graph: simulated market, real ledger and hot state, an account in memory.

The account is `SimBroker` behind the broker resource: the live graph then trades without a wire and without a clock,
so that it can be compared row for row with a backtest. The wire itself is tested with the paper venue.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from definitions import build_defs
from definitions import market_history as unchecked_history
from qgtm_core import calendar
from qgtm_core.backtest.fills import market_rows
from qgtm_core.backtest.simbroker import AccountRules, SimBroker
from qgtm_core.universe import TRADED
from qgtm_resources.clients.ledger import PostgresLedger
from qgtm_resources.clients.warehouse import Warehouse
from qgtm_resources.resources import (
    BrokerResource,
    DeskResource,
    FeedResource,
    HotStateResource,
    LedgerResource,
    WarehouseResource,
)
from qgtm_resources.settings import Settings, load_settings

YEARS = 2
LAST = dt.date(2024, 6, 28)  # the simulated market's last session
FIRST = calendar.offset_session(LAST, -29)  # 30 sessions
ASKED = 5  # sessions the run that makes a history is asked for; the first delivery reaches back over all others
CASH = Decimal(1_000_000)
QUIET: Mapping[str, Any] = {"loggers": {"progress": {}}}
TRADING = tuple(
    dg.AssetKey(key)
    for key in (
        ["portfolio", "target"],
        ["risk", "approved_orders"],
        ["execution", "fills"],
        ["execution", "positions"],
        ["tca", "orders"],
    )
)
ACCOUNTS: dict[str, SimBroker] = {}


class SimBrokerResource(BrokerResource):
    """One account a name and process; `open` moves it to the session and its market."""

    url: str = "memory"
    secret: str = ""
    mode: str = "simulated"
    archive: str = ""

    def open(self, session: dt.date) -> SimBroker:
        """The account in the session."""
        account = ACCOUNTS.setdefault(self.key, SimBroker(CASH, rules=AccountRules(allow_short=False)))
        account.open_session(session, self._market(session))
        return account

    def _market(self, session: dt.date) -> Mapping[str, Any]:
        feed = FeedResource(mode=self.mode, archive=self.archive, years=YEARS).feed
        return market_rows(feed.market(session, TRADED))


@dataclass(frozen=True)
class Installation:
    """One book on one warehouse folder."""

    settings: Settings
    ledger_url: str
    redis_url: str

    @property
    def book(self) -> str:
        return self.settings.book_name

    @property
    def account(self) -> SimBroker:
        return ACCOUNTS[self.book]

    @property
    def ledger(self) -> PostgresLedger:
        return LedgerResource(url=self.ledger_url).ledger

    @property
    def warehouse(self) -> WarehouseResource:
        return WarehouseResource(folder=str(self.settings.warehouse_folder))

    @property
    def feed(self) -> FeedResource:
        archive = str(self.settings.archive or "")
        return FeedResource(mode=self.settings.feed.value, archive=archive, years=YEARS)

    @property
    def hotstate(self) -> HotStateResource:
        return HotStateResource(url=self.redis_url)

    @property
    def broker(self) -> SimBrokerResource:
        return SimBrokerResource(key=self.book, mode=self.settings.feed.value, archive=str(self.settings.archive or ""))

    def desk(self, session: dt.date = LAST) -> DeskResource:
        return DeskResource(
            book=self.book,
            feed_label=self.settings.feed.value,
            mode=self.settings.feed.value,
            as_of=str(session),
            start_cash_usd=str(CASH),
        )

    def definitions(self, current: dt.date = LAST, **overrides: Any) -> dict[str, dg.Definitions]:
        """Both code locations of a day on which `current` is the session that may trade."""
        given = {
            "broker": self.broker,
            "ledger": LedgerResource(url=self.ledger_url),
            "hotstate": self.hotstate,
            "desk": self.desk(current),
            **overrides,
        }
        return build_defs(self.settings, **given)

    def run(
        self,
        session: dt.date,
        keys: Sequence[dg.AssetKey] = TRADING,
        *,
        job: str = "rebalance",
        current: dt.date | None = None,
        instance: dg.DagsterInstance | None = None,
        config: Mapping[str, Any] | None = None,
        **overrides: Any,
    ) -> dg.ExecuteInProcessResult:
        """Run a part of a live job for one session in this process; a failure is a result, not an exception."""
        live = self.definitions(current or session, **overrides)["live"]
        return live.resolve_job_def(job).execute_in_process(
            instance=instance or dg.DagsterInstance.ephemeral(),
            partition_key=str(session) if job != "flatten" else None,
            asset_selection=list(keys) or None,
            run_config={**QUIET, **(config or {})},
            raise_on_error=False,
        )


def problem(result: dg.ExecuteInProcessResult) -> str:
    """What the first failed step said."""
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            error = data.error
            while error is not None and error.cause is not None:
                error = error.cause
            told = data.user_failure_data.description if data.user_failure_data else None
            return f"{str(event.step_key).replace('__', '/')}: {told or (error.message.strip() if error else '')}"
    return next((str(event.message) for event in result.all_events if event.is_failure), "")


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    """Check name -> passed, of all checks of a run."""
    return {each.check_name: each.passed for each in result.get_asset_check_evaluations()}


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """A lock that all workers of a test run share."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True)
class MarketHistory:
    """A warehouse with the market tables of all history up to a session, and how it came to be."""

    folder: Path
    facts: Mapping[str, Any]

    def copy_to(self, settings: Settings) -> None:
        """Give an installation its own copy."""
        settings.warehouse_folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.folder / "market.duckdb", settings.warehouse_folder / "market.duckdb")


@contextmanager
def files_held_open() -> Iterator[None]:
    """Open each warehouse file once, not for every table: a file of 160 tables takes 35 ms to open.

    For tests whose subject is not the warehouse: its own tests, and those of commands, open files as work does.
    """
    held: dict[Path, duckdb.DuckDBPyConnection] = {}

    def connect(_: Warehouse, path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        if path not in held:
            held[path] = duckdb.connect(str(path))
        return held[path].cursor()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Warehouse, "_connect", connect)
        try:
            yield
        finally:
            for connection in held.values():
                connection.close()


def market_history(folder: Path, settings: Settings | None = None) -> MarketHistory:
    """Materialize what signals need over the newest sessions in one run of `history`, once for all workers."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = folder / "facts.json"
    with one_at_a_time(folder / "lock"):
        if not facts.exists():
            chosen = settings or load_settings(home=folder / "home", years=YEARS)
            with files_held_open():
                made = _make_history(chosen)
            facts.write_text(json.dumps(made))
    held = json.loads(facts.read_text())
    return MarketHistory(Path(held["folder"]), held)


def _make_history(settings: Settings) -> dict[str, Any]:
    # without check results: Dagster stores a planned one for each partition, and there are thousands (ADR 0004)
    graph = unchecked_history(settings)
    keys = market_keys(graph)
    last = settings.as_of or LAST
    first = calendar.offset_session(last, 1 - ASKED)
    with dg.DagsterInstance.ephemeral() as instance:
        result = graph.resolve_job_def("history").execute_in_process(
            instance=instance,
            asset_selection=keys,
            tags={"dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(last)},
            run_config=QUIET,
        )
        wanted = {str(day) for day in calendar.schedule(first, last)["session"]}
        storage = instance.event_log_storage
        missing = {key.to_user_string(): sorted(wanted - set(storage.get_materialized_partitions(key))) for key in keys}
        runs = len(instance.get_runs())
    return {
        "folder": str(settings.warehouse_folder),
        "success": result.success,
        "runs": runs,
        "sessions": len(wanted),
        "missing": missing,
        "checks": _checks_of_one_session(settings, last),
    }


def _checks_of_one_session(settings: Settings, session: dt.date) -> dict[str, bool]:
    """The checks of one strategy and all it comes from, for one session through the live graph."""
    broker = SimBrokerResource(key=settings.book_name)
    unused = {"ledger": LedgerResource(url="none"), "hotstate": HotStateResource(url="none"), "broker": broker}
    live = build_defs(settings, **unused)["live"]
    with dg.DagsterInstance.ephemeral() as instance:
        result = live.resolve_job_def("history").execute_in_process(
            instance=instance,
            asset_selection=[
                dg.AssetKey(["raw", "macro"]),
                dg.AssetKey(["pit", "macro"]),
                dg.AssetKey(["features", "macro"]),
                dg.AssetKey(["signals", "real_rate_gold"]),
            ],
            partition_key=str(session),
            run_config=QUIET,
        )
    return checks(result)


def market_keys(live: dg.Definitions) -> list[dg.AssetKey]:
    """Signals, everything they come from, and the quotes of the decision."""
    selection = dg.AssetSelection.groups("signals").upstream() | dg.AssetSelection.assets(["raw", "decision_quotes"])
    wanted = selection.resolve(live.resolve_asset_graph())
    made = live.resolve_job_def("history").asset_layer.selected_asset_keys  # the intraday sleeve has a job of its own
    return sorted(wanted & made, key=lambda key: key.path)


@lru_cache(maxsize=1)
def thirty_sessions() -> list[dt.date]:
    """The sessions of the shared history."""
    found: list[dt.date] = calendar.schedule(FIRST, LAST)["session"].to_list()
    return found
