"""Kill switch and gates of the PostgreSQL ledger.

Persons are self-declared names here: the two-person rule stops a mistake and leaves a trace, not a determined insider.
Signed keys for both persons come later.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.dialects.postgresql import insert

from qgtm_core.errors import GateClosed
from qgtm_core.execution import leaves
from qgtm_core.execution.leaves import Leaf
from qgtm_core.risk.killswitch import ResetRequest, person, reset_refusal
from qgtm_core.types import Gate, KillTier
from qgtm_resources.clients.ledger_base import LedgerBase, Transaction, lock_book, require_book
from qgtm_resources.clients.ledger_books import newest_kill_state
from qgtm_resources.clients.ledger_reconciliation import newest_confirmed_breaks
from qgtm_resources.clients.ledger_tables import GATES, KILL_RESETS, KILL_STATES


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """One gate's decision about a session."""

    book: str
    session: dt.date
    name: str
    passed: bool
    reason: str
    at: dt.datetime
    body: dict[str, Any]


class LedgerControls(LedgerBase):
    """Latching tiers, lowering them by two persons, recording gate decisions."""

    def gate(self, book: str) -> Gate:
        """The latched kill-switch tier of the book."""
        with self._snapshot() as connection:
            require_book(connection, book)
            return _gate_of(newest_kill_state(connection, book))

    def kill_states(self, book: str, limit: int = 100) -> list[tuple[dt.datetime, Gate, str]]:
        """Instant, tier with reason, and actor of the newest changes, newest first."""
        table = KILL_STATES
        query = select(table).where(table.c.book == book).order_by(table.c.id.desc()).limit(limit)
        with self._snapshot() as connection:
            require_book(connection, book)
            return [(row.at, _gate_of(row), row.actor) for row in connection.execute(query)]

    def raise_tier(self, book: str, tier: KillTier, reason: str, session: dt.date, at: dt.datetime, actor: str) -> Gate:
        """Latch a higher tier; a lower one changes nothing."""
        with self._transaction() as transaction:
            lock_book(transaction.connection, book)
            require_book(transaction.connection, book)
            current = _gate_of(newest_kill_state(transaction.connection, book))
            if tier <= current.tier:
                return current
            gate = Gate(tier, reason)
            _insert_state(transaction.connection, book, gate, session, at, actor)
            transaction.leaves.append(leaves.tier_raised(book, gate, session, at, actor))
            return gate

    def request_reset(self, book: str, by: str, reason: str, at: dt.datetime) -> int:
        """Ask that the tier return to NORMAL; returns the request's id. Replaces an earlier pending request.

        Raises GateClosed (audited) without a name, without a reason, or when nothing is latched.
        """
        with self._transaction() as transaction:
            lock_book(transaction.connection, book)
            require_book(transaction.connection, book)
            state = newest_kill_state(transaction.connection, book)
            refusals = (
                (not person(by), "the requester has no name"),
                (not reason.strip(), "a reset needs a reason"),
                (state is None or state.tier == KillTier.NORMAL, "the tier is NORMAL already"),
            )
            refusal = next((why for refused, why in refusals if refused), None)
            if refusal is None and state is not None:
                row = {"book": book, "kill_state_id": state.id, "requested_by": by, "reason": reason}
                insertion = insert(KILL_RESETS).values(**row, requested_at=at).returning(KILL_RESETS.c.id)
                request_id: int = transaction.connection.execute(insertion).scalar_one()
                transaction.leaves.append(Leaf("KILL_RESET_REQUESTED", "", at, row | {"request_id": request_id}))
                return request_id
            transaction.leaves.append(_refused(book, by, at, f"request: {refusal}"))
        raise GateClosed(f"reset of {book} refused: {refusal}")

    def approve_reset(self, book: str, by: str, at: dt.datetime, *, reconciled: bool) -> Gate:
        """Return the tier to NORMAL: another person, within 15 minutes, same latched state, clean books.

        `reconciled` is the caller's fresh verdict; confirmed breaks in the newest stored reconciliation refuse as well.
        A cause that still holds latches again at the next evaluation. Refusals raise GateClosed and are audited.
        """
        with self._transaction() as transaction:
            connection = transaction.connection
            lock_book(connection, book)
            require_book(connection, book)
            state, pending = newest_kill_state(connection, book), _pending(connection, book)
            clean = reconciled and not newest_confirmed_breaks(connection, book)
            refusal = reset_refusal(
                None if pending is None else _request_of(pending), by, at, state.id if state else 0, reconciled=clean
            )
            if refusal is None and pending is not None:
                return _lower(transaction, pending, by, at)
            transaction.leaves.append(_refused(book, by, at, f"approval: {refusal}"))
        raise GateClosed(f"reset of {book} refused: {refusal}")

    def save_gate(self, verdict: GateVerdict, correlation_id: str = "") -> None:
        """Record a gate's decision."""
        row = {
            "book": verdict.book,
            "session": verdict.session,
            "name": verdict.name,
            "passed": verdict.passed,
            "reason": verdict.reason,
            "body": verdict.body,
        }
        with self._transaction() as transaction:
            transaction.connection.execute(insert(GATES).values(**row, at=verdict.at, correlation_id=correlation_id))
            transaction.leaves.append(Leaf("GATE", correlation_id, verdict.at, row))

    def gates(self, book: str, session: dt.date) -> list[GateVerdict]:
        """Gate decisions of a session, oldest first."""
        query = select(GATES).where(GATES.c.book == book, GATES.c.session == session).order_by(GATES.c.id)
        with self._snapshot() as connection:
            require_book(connection, book)
            return [
                GateVerdict(row.book, row.session, row.name, row.passed, row.reason, row.at, row.body)
                for row in connection.execute(query)
            ]


def _gate_of(row: Row[Any] | None) -> Gate:
    return Gate(KillTier.NORMAL, "") if row is None else Gate(KillTier(row.tier), row.reason)


def _insert_state(
    connection: Connection, book: str, gate: Gate, session: dt.date | None, at: dt.datetime, actor: str
) -> None:
    connection.execute(
        insert(KILL_STATES).values(
            book=book, tier=int(gate.tier), reason=gate.reason, session=session, at=at, actor=actor
        )
    )


def _pending(connection: Connection, book: str) -> Row[Any] | None:
    """The newest request when it is not approved yet."""
    query = select(KILL_RESETS).where(KILL_RESETS.c.book == book).order_by(KILL_RESETS.c.id.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return row if row is not None and row.approved_by is None else None


def _request_of(row: Row[Any]) -> ResetRequest:
    return ResetRequest(row.requested_by, row.reason, row.requested_at, row.kill_state_id)


def _refused(book: str, by: str, at: dt.datetime, why: str) -> Leaf:
    return Leaf("KILL_RESET_REFUSED", "", at, {"book": book, "by": by, "why": why})


def _lower(transaction: Transaction, pending: Row[Any], by: str, at: dt.datetime) -> Gate:
    gate = Gate(KillTier.NORMAL, f"reset: {pending.reason}")
    transaction.connection.execute(
        update(KILL_RESETS).where(KILL_RESETS.c.id == pending.id).values(approved_by=by, approved_at=at)
    )
    _insert_state(transaction.connection, pending.book, gate, None, at, f"{pending.requested_by} and {by}")
    body = {
        "book": pending.book,
        "request_id": pending.id,
        "requested_by": pending.requested_by,
        "approved_by": by,
        "reason": pending.reason,
    }
    transaction.leaves.append(Leaf("KILL_RESET", "", at, body))
    return gate
