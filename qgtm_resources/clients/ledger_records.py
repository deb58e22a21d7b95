"""Operating records of the PostgreSQL ledger: plans, runs, models, data quality, heartbeats, panel documents."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from qgtm_core.audit import canonical_json
from qgtm_core.errors import InvariantError
from qgtm_core.execution.leaves import Leaf
from qgtm_resources.clients.ledger_base import LedgerBase
from qgtm_resources.clients.ledger_tables import DQ_RESULTS, HEARTBEATS, MODELS, PLANS, READ_MODELS, RUNS


@dataclass(frozen=True, slots=True)
class DqResult:
    """Verdict of one data-quality rule on one table and session."""

    session: dt.date
    table_name: str
    check_name: str
    passed: bool
    severity: str
    failed_rows: int
    message: str
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Last sign of life of a process; `beats` counts up for ever."""

    name: str
    at: dt.datetime
    beats: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A trained model: `stage` is staging, shadow, production or archived."""

    name: str
    version: str
    stage: str
    sha256: str
    path: str
    trained_at: dt.datetime
    metrics: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReadModel:
    """A panel document for the terminal; `id` rises with every publication."""

    id: int
    panel: str
    book: str
    session: dt.date | None
    as_of: dt.datetime
    document: dict[str, Any]


class LedgerRecords(LedgerBase):
    """Records that steer and show the work, as JSON bodies."""

    def save_plan(
        self, book: str, session: dt.date, kind: str, body: dict[str, Any], correlation_id: str, at: dt.datetime
    ) -> dict[str, Any]:
        """Record what a session decided (`kind`: target, approval ...), once; returns the first record."""
        row = {"book": book, "session": session, "kind": kind, "correlation_id": correlation_id, "body": body}
        with self._transaction() as transaction:
            insertion = insert(PLANS).values(**row, at=at).on_conflict_do_nothing().returning(PLANS.c.kind)
            if transaction.connection.execute(insertion).one_or_none() is not None:
                transaction.leaves.append(Leaf("PLAN", correlation_id, at, row))
                plain: dict[str, Any] = json.loads(canonical_json(body))  # as a later call will return it
                return plain
            key = (PLANS.c.book == book, PLANS.c.session == session, PLANS.c.kind == kind)
            stored: dict[str, Any] = transaction.connection.execute(select(PLANS.c.body).where(*key)).scalar_one()
            return stored

    def plan(self, book: str, session: dt.date, kind: str) -> dict[str, Any] | None:
        """The recorded plan of that kind, or None."""
        key = (PLANS.c.book == book, PLANS.c.session == session, PLANS.c.kind == kind)
        with self._snapshot() as connection:
            return connection.execute(select(PLANS.c.body).where(*key)).scalar_one_or_none()

    def plan_kinds(self, book: str, session: dt.date) -> list[str]:
        """Kinds of the recorded plans of a session, sorted."""
        query = select(PLANS.c.kind).where(PLANS.c.book == book, PLANS.c.session == session).order_by(PLANS.c.kind)
        with self._snapshot() as connection:
            return list(connection.execute(query).scalars())

    def record_run(
        self,
        run_id: str,
        name: str,
        status: str,
        started_at: dt.datetime,
        ended_at: dt.datetime | None = None,
        body: dict[str, Any] | None = None,
    ) -> None:
        """Record a run or its newest status."""
        row = {"name": name, "status": status, "started_at": started_at, "ended_at": ended_at, "body": body or {}}
        statement = insert(RUNS).values(run_id=run_id, **row)
        with self._transaction() as transaction:
            transaction.connection.execute(statement.on_conflict_do_update(index_elements=["run_id"], set_=row))

    def runs(self, limit: int = 100) -> list[dict[str, Any]]:
        """Newest runs first."""
        with self._snapshot() as connection:
            query = select(RUNS).order_by(RUNS.c.started_at.desc(), RUNS.c.run_id).limit(limit)
            return [dict(row) for row in connection.execute(query).mappings()]

    def register_model(self, model: ModelRecord, at: dt.datetime) -> None:
        """Record a trained model once; another file under the same name and version raises InvariantError."""
        with self._transaction() as transaction:
            insertion = insert(MODELS).values(**asdict(model)).on_conflict_do_nothing().returning(MODELS.c.name)
            if transaction.connection.execute(insertion).one_or_none() is not None:
                transaction.leaves.append(Leaf("MODEL_REGISTERED", "", at, asdict(model)))
                return
            key = (MODELS.c.name == model.name, MODELS.c.version == model.version)
            known = transaction.connection.execute(select(MODELS.c.sha256).where(*key)).scalar_one()
            if known != model.sha256:
                raise InvariantError(f"model {model.name} {model.version} is registered with another file")

    def set_model_stage(self, name: str, version: str, stage: str, at: dt.datetime, actor: str) -> None:
        """Move a model to another stage."""
        key = (MODELS.c.name == name, MODELS.c.version == version)
        with self._transaction() as transaction:
            if not transaction.connection.execute(update(MODELS).where(*key).values(stage=stage)).rowcount:
                raise InvariantError(f"there is no model {name} {version}")
            body = {"name": name, "version": version, "stage": stage, "actor": actor}
            transaction.leaves.append(Leaf("MODEL_STAGE", "", at, body))

    def models(self, name: str | None = None) -> list[ModelRecord]:
        """Registered models, newest first."""
        query = select(MODELS).order_by(MODELS.c.trained_at.desc(), MODELS.c.version.desc())
        if name is not None:
            query = query.where(MODELS.c.name == name)
        with self._snapshot() as connection:
            return [ModelRecord(**row) for row in connection.execute(query).mappings()]

    def record_dq(self, rows: Sequence[DqResult]) -> None:
        """Store verdicts; a later one on the same session, table and rule replaces the earlier."""
        newest = {(row.session, row.table_name, row.check_name): asdict(row) for row in rows}
        if not newest:
            return
        statement = insert(DQ_RESULTS)
        changed = {name: statement.excluded[name] for name in ("passed", "severity", "failed_rows", "message", "at")}
        upsert = statement.on_conflict_do_update(index_elements=["session", "table_name", "check_name"], set_=changed)
        with self._transaction() as transaction:
            transaction.connection.execute(upsert, list(newest.values()))

    def dq_results(self, session: dt.date) -> list[DqResult]:
        """Verdicts of a session, by table and rule."""
        table = DQ_RESULTS
        query = select(table).where(table.c.session == session).order_by(table.c.table_name, table.c.check_name)
        with self._snapshot() as connection:
            return [DqResult(**row) for row in connection.execute(query).mappings()]

    def heartbeat(self, name: str, at: dt.datetime, body: dict[str, Any] | None = None) -> int:
        """Record a sign of life; returns the number of beats so far."""
        statement = insert(HEARTBEATS).values(name=name, at=at, beats=1, body=body or {})
        changed = {"at": at, "beats": HEARTBEATS.c.beats + 1, "body": body or {}}
        upsert = statement.on_conflict_do_update(index_elements=["name"], set_=changed).returning(HEARTBEATS.c.beats)
        with self._transaction() as transaction:
            beats: int = transaction.connection.execute(upsert).scalar_one()
            return beats

    def heartbeats(self) -> dict[str, Heartbeat]:
        """Last sign of life by process name."""
        with self._snapshot() as connection:
            rows = connection.execute(select(HEARTBEATS).order_by(HEARTBEATS.c.name)).mappings()
            return {row["name"]: Heartbeat(**row) for row in rows}

    def publish_panel(
        self, panel: str, book: str, document: dict[str, Any], as_of: dt.datetime, session: dt.date | None = None
    ) -> int:
        """Store a new version of a panel document; returns its id."""
        row = {"panel": panel, "book": book, "session": session, "as_of": as_of, "document": document}
        with self._transaction() as transaction:
            insertion = insert(READ_MODELS).values(**row).returning(READ_MODELS.c.id)
            identity: int = transaction.connection.execute(insertion).scalar_one()
            return identity

    def panel(self, panel: str, book: str) -> ReadModel | None:
        """The newest version of a panel document, or None."""
        table = READ_MODELS
        query = select(table).where(table.c.panel == panel, table.c.book == book).order_by(table.c.id.desc()).limit(1)
        with self._snapshot() as connection:
            row = connection.execute(query).mappings().one_or_none()
            return None if row is None else ReadModel(**row)
