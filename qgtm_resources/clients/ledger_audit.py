"""The audit log of the PostgreSQL ledger: appending, reading, proving, checking.

Heads are stored with every append. Signing them and keeping copies elsewhere is not done yet: until it is, a person
who may drop the database can replace the whole log, and only a head noted outside tells.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, select

from qgtm_core.audit import (
    EMPTY_ROOT,
    AuditHead,
    AuditLeaf,
    AuditReport,
    CompactRange,
    MerkleTree,
    instant_text,
    leaf_hash,
)
from qgtm_core.execution.leaves import Leaf
from qgtm_resources.clients.ledger_base import LedgerBase, append_leaves
from qgtm_resources.clients.ledger_rows import leaf_of
from qgtm_resources.clients.ledger_tables import AUDIT_HEADS, AUDIT_LEAVES

POSITION = AUDIT_LEAVES.c["index"]
STORED: Select[Any] = select(
    POSITION.label("position"),
    AUDIT_LEAVES.c.kind,
    AUDIT_LEAVES.c.correlation_id,
    AUDIT_LEAVES.c.at,
    AUDIT_LEAVES.c.leaf,
    AUDIT_LEAVES.c.leaf_hash,
).order_by(POSITION)


class LedgerAudit(LedgerBase):
    """The Merkle log over everything the ledger did."""

    def record(self, kind: str, correlation_id: str, body: dict[str, Any], at: dt.datetime) -> int:
        """Append one audit leaf; returns its index."""
        with self._transaction() as transaction:
            return append_leaves(transaction.connection, [Leaf(kind, correlation_id, at, body)])

    def audit_leaves(self, first: int = 0, last: int | None = None) -> list[AuditLeaf]:
        """Leaves first..last, both included."""
        query = STORED.where(first <= POSITION)
        if last is not None:
            query = query.where(last >= POSITION)
        with self._snapshot() as connection:
            return [leaf_of(row) for row in connection.execute(query)]

    def search(self, correlation_id: str) -> list[AuditLeaf]:
        """Everything recorded under a correlation id, oldest first."""
        query = STORED.where(AUDIT_LEAVES.c.correlation_id == correlation_id)
        with self._snapshot() as connection:
            return [leaf_of(row) for row in connection.execute(query)]

    def audit_head(self) -> AuditHead:
        """The newest head; size 0 for an empty log."""
        heads = self.audit_heads(1)
        return heads[0] if heads else AuditHead(0, EMPTY_ROOT)

    def audit_heads(self, limit: int = 100) -> list[AuditHead]:
        """The newest heads, newest first."""
        table = AUDIT_HEADS
        query = select(table.c.tree_size, table.c.root, table.c.at).order_by(table.c.tree_size.desc()).limit(limit)
        with self._snapshot() as connection:
            return [AuditHead(row.tree_size, bytes(row.root), row.at) for row in connection.execute(query)]

    def inclusion_proof(self, index: int, size: int | None = None) -> list[bytes]:
        """Audit path of leaf `index` in the tree of the first `size` leaves (all by default)."""
        return self._tree().inclusion_proof(index, size)

    def consistency_proof(self, first: int, second: int | None = None) -> list[bytes]:
        """Proof that the log of `first` leaves is a prefix of the log of `second` (all by default)."""
        return self._tree().consistency_proof(first, second)

    def audit_verify(self, known: Sequence[AuditHead] = ()) -> AuditReport:
        """Recompute every leaf and every head; `known` are heads noted outside this database.

        Only a head kept elsewhere shows that the tail, or everything, was deleted together with its heads.
        """
        with self._snapshot() as connection:
            heads = {row.tree_size: bytes(row.root) for row in connection.execute(select(AUDIT_HEADS))}
            outside = {head.size: head.root for head in known}
            return _checked(connection, heads, outside)

    def _tree(self) -> MerkleTree:
        query = select(AUDIT_LEAVES.c.leaf_hash).order_by(POSITION)
        with self._snapshot() as connection:
            return MerkleTree(bytes(hashed) for hashed in connection.execute(query).scalars())


def _checked(connection: Connection, heads: dict[int, bytes], outside: dict[int, bytes]) -> AuditReport:
    tree, sound_until = CompactRange(), 0
    for row in connection.execute(STORED.execution_options(yield_per=5_000)):
        leaf = leaf_of(row)
        problem = "an index is missing" if leaf.index != tree.size else _leaf_problem(leaf, bytes(row.leaf_hash))
        if problem:
            return AuditReport(tree.size, tree.root, ok=False, first_bad_index=tree.size, problem=problem)
        tree = tree.append(leaf.hash)
        for stored in (heads.get(tree.size), outside.get(tree.size)):
            if stored not in {None, tree.root}:
                problem = f"the head of size {tree.size} does not match the leaves"
                return AuditReport(tree.size, tree.root, ok=False, first_bad_index=sound_until, problem=problem)
        if tree.size in heads:
            sound_until = tree.size
    largest = max((*heads, *outside), default=0)
    if largest > tree.size:
        problem = f"a head speaks of {largest} leaves, the log has {tree.size}"
        return AuditReport(tree.size, tree.root, ok=False, first_bad_index=tree.size, problem=problem)
    if sound_until < tree.size:
        problem = "the last leaves have no head"
        return AuditReport(tree.size, tree.root, ok=False, first_bad_index=sound_until, problem=problem)
    return AuditReport(tree.size, tree.root, ok=True)


def _leaf_problem(leaf: AuditLeaf, stored_hash: bytes) -> str:
    """What is wrong with one stored leaf, or empty."""
    if leaf_hash(leaf.text.encode()) != stored_hash:
        return "the leaf does not match its hash"
    try:
        said = json.loads(leaf.text)
    except ValueError:
        return "the leaf is not JSON"
    at = None if leaf.at is None else instant_text(leaf.at)
    columns = (leaf.index, leaf.kind, leaf.correlation_id, at)
    if columns != (said.get("index"), said.get("kind"), said.get("correlation_id"), said.get("at")):
        return "the columns do not say what the leaf says"
    return ""
