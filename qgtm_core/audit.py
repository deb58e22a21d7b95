"""Merkle tree of RFC 9162 over canonical-JSON leaves. Pure: storing leaves and heads is the ledger's work.

Leaf hash = SHA-256(0x00 || leaf), node hash = SHA-256(0x01 || left || right); an odd node is promoted. A linear hash
chain would still verify after its tail is deleted; here two heads are compared by a consistency proof, so it does not.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from qgtm_core.errors import InvariantError

EMPTY_ROOT = hashlib.sha256(b"").digest()


@dataclass(frozen=True, slots=True)
class AuditHead:
    """Root of the first `size` leaves; `at` is the storing database's clock (null for the empty tree)."""

    size: int
    root: bytes
    at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditLeaf:
    """One stored leaf: `text` is the canonical JSON that was hashed, the other fields repeat what it says."""

    index: int
    kind: str
    correlation_id: str
    at: dt.datetime | None
    text: str

    @property
    def hash(self) -> bytes:
        """RFC 9162 leaf hash."""
        return leaf_hash(self.text.encode())

    @property
    def body(self) -> dict[str, Any]:
        """What happened, as JSON values."""
        body: dict[str, Any] = json.loads(self.text)["body"]
        return body


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Outcome of checking a whole log; `first_bad_index` is null when it is sound."""

    size: int
    root: bytes
    ok: bool
    first_bad_index: int | None = None
    problem: str = ""


def leaf_hash(data: bytes) -> bytes:
    """Hash of one leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def canonical_json(value: Any) -> str:
    """One spelling per value: sorted keys, no spaces, ASCII, Decimal and instants as strings (UTC, microseconds).

    NaN and infinity raise InvariantError: they have no JSON spelling and no business in the books.
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def leaf_text(index: int, kind: str, correlation_id: str, at: dt.datetime | None, body: Mapping[str, Any]) -> str:
    """The canonical JSON of a leaf, which is what gets hashed and stored."""
    return canonical_json({"index": index, "kind": kind, "correlation_id": correlation_id, "at": at, "body": body})


def instant_text(at: dt.datetime) -> str:
    """An instant as `2026-03-05T20:30:00.000000Z`; a naive one raises InvariantError."""
    if at.tzinfo is None:
        raise InvariantError(f"the instant {at.isoformat()} has no time zone")
    return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def decimal_text(number: Decimal) -> str:
    """A decimal without exponent or trailing zeros, so that 1.50 and 1.5 hash alike."""
    if not number.is_finite():
        raise InvariantError(f"{number} has no canonical JSON")
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def _plain(value: Any) -> Any:
    """Reduce a value to JSON types, in the one spelling of `canonical_json`."""
    if isinstance(value, Mapping):
        return {str(_scalar(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(item) for item in value)
    return _scalar(value)


def _scalar(value: Any) -> str | int | float | bool | None:
    if isinstance(value, Enum):
        return value.name if isinstance(value, int) else str(value.value)
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, dt.datetime):
        return instant_text(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    if value is None or isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise InvariantError(f"{value!r} ({type(value).__name__}) has no canonical JSON")


@dataclass(frozen=True, slots=True)
class CompactRange:
    """The log n subtree hashes that stand for the first `size` leaves, largest first: all that appending needs."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def append(self, *hashes: bytes) -> CompactRange:
        """The range after these leaf hashes."""
        size, peaks = self.size, list(self.peaks)
        for hashed in hashes:
            node, carry = hashed, size
            while carry & 1:
                node = node_hash(peaks.pop(), node)
                carry >>= 1
            peaks.append(node)
            size += 1
        return CompactRange(size, tuple(peaks))

    @property
    def root(self) -> bytes:
        """Root of the tree over these leaves."""
        if not self.peaks:
            return EMPTY_ROOT
        node = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            node = node_hash(peak, node)
        return node


class MerkleTree:
    """All complete subtree hashes of a log in memory, for making proofs (a range needs log n look-ups)."""

    def __init__(self, leaf_hashes: Iterable[bytes] = ()) -> None:
        self._levels: list[list[bytes]] = [[]]
        for hashed in leaf_hashes:
            self.append(hashed)

    @property
    def size(self) -> int:
        """Number of leaves."""
        return len(self._levels[0])

    def append(self, hashed: bytes) -> None:
        """Add one leaf hash."""
        level = 0
        self._levels[0].append(hashed)
        while len(self._levels[level]) % 2 == 0:
            pair = node_hash(self._levels[level][-2], self._levels[level][-1])
            level += 1
            if level == len(self._levels):
                self._levels.append([])
            self._levels[level].append(pair)

    def root(self, size: int | None = None) -> bytes:
        """Root of the first `size` leaves (all by default)."""
        size = self._checked(size)
        return EMPTY_ROOT if size == 0 else self._range(0, size)

    def inclusion_proof(self, index: int, size: int | None = None) -> list[bytes]:
        """Audit path of leaf `index` in the tree of the first `size` leaves (RFC 9162, 2.1.3.1)."""
        size = self._checked(size)
        if not 0 <= index < size:
            raise InvariantError(f"leaf {index} is not in a tree of {size}")
        return self._path(index, 0, size)

    def consistency_proof(self, first: int, second: int | None = None) -> list[bytes]:
        """Proof that the tree of `first` leaves is a prefix of the tree of `second` (RFC 9162, 2.1.4.1)."""
        second = self._checked(second)
        if not 0 <= first <= second:
            raise InvariantError(f"a tree of {first} leaves is no prefix of one of {second}")
        return [] if first in {0, second} else self._subproof(first, 0, second, complete=True)

    def _checked(self, size: int | None) -> int:
        if size is None:
            return self.size
        if not 0 <= size <= self.size:
            raise InvariantError(f"the log has {self.size} leaves, not {size}")
        return size

    def _range(self, low: int, high: int) -> bytes:
        width = high - low
        if width & (width - 1) == 0:
            level = width.bit_length() - 1
            return self._levels[level][low >> level]
        split = low + _split(width)
        return node_hash(self._range(low, split), self._range(split, high))

    def _path(self, index: int, low: int, high: int) -> list[bytes]:
        if high - low == 1:
            return []
        split = low + _split(high - low)
        if index < split:
            return [*self._path(index, low, split), self._range(split, high)]
        return [*self._path(index, split, high), self._range(low, split)]

    def _subproof(self, first: int, low: int, high: int, *, complete: bool) -> list[bytes]:
        if first == high:
            return [] if complete else [self._range(low, high)]
        split = low + _split(high - low)
        if first <= split:
            return [*self._subproof(first, low, split, complete=complete), self._range(split, high)]
        return [*self._subproof(first, split, high, complete=False), self._range(low, split)]


def _split(width: int) -> int:
    """Largest power of two below `width` (width >= 2)."""
    return 1 << ((width - 1).bit_length() - 1)


def verify_inclusion(hashed: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """True when the proof shows that `hashed` is leaf `index` of the tree with this root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, node = index, size - 1, hashed
    for step in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            node = node_hash(step, node)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            node = node_hash(node, step)
        position, last = position >> 1, last >> 1
    return last == 0 and node == root


def verify_consistency(first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]) -> bool:
    """True when the proof shows that the second tree only appended to the first (RFC 9162, 2.1.4.2)."""
    if not 0 <= first <= second:
        return False
    if first in {0, second}:
        expected = EMPTY_ROOT if first == 0 else second_root
        return not proof and first_root == expected and (second > 0 or second_root == EMPTY_ROOT)
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    if not path:
        return False
    position, last = first - 1, second - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = path[0]
    for step in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, step)
        position, last = position >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root
