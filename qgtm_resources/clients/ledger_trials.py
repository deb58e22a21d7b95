"""The trial ledger in PostgreSQL: every parameter set ever evaluated. It opens no book and writes no audit leaf."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from operator import attrgetter

import polars as pl
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from qgtm_core.backtest.evidence.trial_record import BEST_SCHEMA, TrialRow, as_frame, digest_of
from qgtm_resources.clients.ledger_base import LedgerBase
from qgtm_resources.clients.ledger_tables import TRIALS

_FIELDS = tuple(column.name for column in TRIALS.columns if not column.identity)


class TrialLedger(LedgerBase):
    """Trials may be added, never changed or deleted: the database refuses it.

    Run `qgtm_resources.migrations.migrate(url)` before first use.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, pool_size=1)

    def record(self, rows: Iterable[TrialRow]) -> int:
        """Remember evaluations, all or none, and return how many were new.

        The same parameters on the same data, by the same code, over the same sessions are the same evaluation: the
        first record of it stays.
        """
        ordered = sorted(rows, key=attrgetter("key"))  # one order for all writers, so that none waits for each other
        if not ordered:
            return 0
        values = [{name: getattr(row, name) for name in _FIELDS} for row in ordered]
        statement = insert(TRIALS).on_conflict_do_nothing().returning(TRIALS.c.seq)
        with self._transaction() as transaction:
            return len(transaction.connection.execute(statement, values).all())

    def counts(self) -> dict[str, int]:
        """Return the number of parameter sets ever evaluated by strategy, on whatever data and by whatever code."""
        number = func.count(TRIALS.c.params_hash.distinct())
        with self._snapshot() as connection:
            found = connection.execute(select(TRIALS.c.strategy_id, number).group_by(TRIALS.c.strategy_id)).all()
        return dict(sorted((strategy_id, int(count)) for strategy_id, count in found))

    def best_known(self, strategy_id: str | None = None) -> pl.DataFrame:
        """Return what was last recorded of each parameter set (`BEST_SCHEMA`), sorted by strategy and hash."""
        newest = select(func.max(TRIALS.c.seq)).group_by(TRIALS.c.strategy_id, TRIALS.c.params_hash)
        query = select(*(TRIALS.c[name] for name in BEST_SCHEMA)).where(TRIALS.c.seq.in_(newest))
        if strategy_id is not None:
            query = query.where(TRIALS.c.strategy_id == strategy_id)
        with self._snapshot() as connection:
            return as_frame([dict(row) for row in connection.execute(query).mappings()])

    def over(self, strategy_id: str, first: dt.date, last: dt.date, code_version: str) -> pl.DataFrame:
        """Return what one version of the code found of a strategy over exactly these sessions (`BEST_SCHEMA`)."""
        asked = {"strategy_id": strategy_id, "first": first, "last": last, "code_version": code_version}
        query = select(*(TRIALS.c[name] for name in BEST_SCHEMA)).where(*(TRIALS.c[k] == v for k, v in asked.items()))
        with self._snapshot() as connection:
            rows = [dict(row) for row in connection.execute(query.order_by(TRIALS.c.seq)).mappings()]
        return as_frame(rows).unique(["strategy_id", "params_hash"], keep="last", maintain_order=True)

    def versions(self) -> dict[str, tuple[str, ...]]:
        """Return the versions of the code that evaluated each strategy, in the order they first did."""
        first = func.min(TRIALS.c.seq)
        query = select(TRIALS.c.strategy_id, TRIALS.c.code_version).group_by(*TRIALS.c["strategy_id", "code_version"])
        found: dict[str, tuple[str, ...]] = {}
        with self._snapshot() as connection:
            for strategy_id, version in connection.execute(query.order_by(first)):
                found[strategy_id] = (*found.get(strategy_id, ()), version)
        return found

    def digest(self) -> str:
        """Return the hash of all distinct trials: two ledgers with the same trials say the same."""
        query = select(TRIALS.c.strategy_id, TRIALS.c.params_hash).distinct()
        with self._snapshot() as connection:
            return digest_of((strategy_id, params_hash) for strategy_id, params_hash in connection.execute(query))
