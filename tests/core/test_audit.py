from __future__ import annotations

import datetime as dt
import functools
import hashlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgtm_core.audit import (
    EMPTY_ROOT,
    AuditLeaf,
    CompactRange,
    MerkleTree,
    canonical_json,
    leaf_hash,
    leaf_text,
    node_hash,
    verify_consistency,
    verify_inclusion,
)
from qgtm_core.errors import InvariantError
from qgtm_core.types import KillTier, Side

# The eight leaves and roots that Certificate Transparency implementations test against.
LEAVES = [bytes.fromhex(h) for h in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")] + [
    bytes(range(0x60, 0x70))
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]


def slow_root(hashes: list[bytes]) -> bytes:
    """The definition of RFC 9162, 2.1.1, word for word."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return node_hash(slow_root(hashes[:split]), slow_root(hashes[split:]))


@functools.lru_cache(maxsize=1)
def numbered(size: int = 256) -> tuple[list[bytes], MerkleTree, list[bytes]]:
    hashes = [leaf_hash(str(n).encode()) for n in range(size)]
    tree = MerkleTree(hashes)
    return hashes, tree, [tree.root(n) for n in range(size + 1)]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_equal_the_published_vectors(size: int) -> None:
    assert MerkleTree(HASHES[:size]).root().hex() == ROOTS[size - 1]
    assert CompactRange().append(*HASHES[:size]).root.hex() == ROOTS[size - 1]


def test_published_inclusion_paths_are_reproduced() -> None:
    tree = MerkleTree(HASHES)
    assert [step.hex() for step in tree.inclusion_proof(0)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    assert [step.hex() for step in tree.inclusion_proof(2, 3)] == [ROOTS[1]]


def test_published_consistency_proofs_are_reproduced() -> None:
    tree = MerkleTree(HASHES)
    assert [step.hex() for step in tree.consistency_proof(6, 8)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        ROOTS[3],
    ]
    assert tree.consistency_proof(8, 8) == []


def test_the_empty_tree_hashes_to_the_hash_of_nothing() -> None:
    assert MerkleTree().root() == CompactRange().root == EMPTY_ROOT == slow_root([])


def test_every_leaf_of_every_tree_up_to_256_has_a_valid_inclusion_proof() -> None:
    hashes, tree, roots = numbered()
    for size in range(1, 257):
        for index in range(size):
            proof = tree.inclusion_proof(index, size)
            assert verify_inclusion(hashes[index], index, size, proof, roots[size])


def test_every_pair_of_trees_up_to_256_is_consistent() -> None:
    _, tree, roots = numbered()
    for second in range(257):
        for first in range(second + 1):
            proof = tree.consistency_proof(first, second)
            assert verify_consistency(first, second, roots[first], roots[second], proof)


@given(st.integers(1, 70))
def test_all_three_ways_to_a_root_agree(size: int) -> None:
    hashes = numbered()[0][:size]
    grown = CompactRange()
    for hashed in hashes:
        grown = grown.append(hashed)
    assert grown.root == MerkleTree(hashes).root() == slow_root(hashes)
    assert len(grown.peaks) == size.bit_count()


@given(st.integers(1, 256), st.data())
def test_a_changed_inclusion_proof_is_refused(size: int, data: st.DataObject) -> None:
    hashes, tree, roots = numbered()
    index = data.draw(st.integers(0, size - 1))
    proof = tree.inclusion_proof(index, size)
    other = data.draw(st.integers(0, 255).filter(lambda n: n != index))
    assert not verify_inclusion(hashes[other], index, size, proof, roots[size])
    assert not verify_inclusion(hashes[index], index, size, [*proof, hashes[0]], roots[size])
    assert not verify_inclusion(hashes[index], index, size, proof, roots[size - 1])
    assert not verify_inclusion(hashes[index], size, size, proof, roots[size])
    if proof:
        assert not verify_inclusion(hashes[index], index, size, proof[:-1], roots[size])
        spoilt = data.draw(st.integers(0, len(proof) - 1))
        changed = [*proof[:spoilt], EMPTY_ROOT, *proof[spoilt + 1 :]]
        assert not verify_inclusion(hashes[index], index, size, changed, roots[size])


@given(st.integers(2, 256), st.data())
def test_a_changed_consistency_proof_is_refused(second: int, data: st.DataObject) -> None:
    _, tree, roots = numbered()
    first = data.draw(st.integers(1, second - 1))
    proof = tree.consistency_proof(first, second)
    assert not verify_consistency(first, second, roots[second], roots[second], proof)
    assert not verify_consistency(first, second, roots[first], roots[first], proof)
    assert not verify_consistency(first, second, roots[first], roots[second], [*proof, EMPTY_ROOT])
    assert not verify_consistency(first, second, roots[first], roots[second], proof[:-1])
    assert not verify_consistency(first, second, roots[first], roots[second], [])
    spoilt = data.draw(st.integers(0, len(proof) - 1))
    changed = [*proof[:spoilt], EMPTY_ROOT, *proof[spoilt + 1 :]]
    assert not verify_consistency(first, second, roots[first], roots[second], changed)


def test_degenerate_consistency_claims_are_judged() -> None:
    root = HASHES[0]
    assert verify_consistency(0, 5, EMPTY_ROOT, root, [])
    assert verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    assert verify_consistency(3, 3, root, root, [])
    assert not verify_consistency(0, 0, EMPTY_ROOT, root, [])
    assert not verify_consistency(0, 5, root, root, [])
    assert not verify_consistency(3, 3, root, HASHES[1], [])
    assert not verify_consistency(3, 3, root, root, [root])
    assert not verify_consistency(5, 3, root, root, [])
    assert not verify_consistency(-1, 3, root, root, [])


@pytest.mark.parametrize(
    "ask",
    [
        lambda tree: tree.root(9),
        lambda tree: tree.root(-1),
        lambda tree: tree.inclusion_proof(8),
        lambda tree: tree.inclusion_proof(-1),
        lambda tree: tree.consistency_proof(9, 8),
        lambda tree: tree.consistency_proof(1, 9),
    ],
)
def test_a_proof_about_leaves_that_are_not_there_is_refused(ask) -> None:
    with pytest.raises(InvariantError):
        ask(MerkleTree(HASHES))


def test_values_have_one_spelling() -> None:
    body = {
        "b": Decimal("1.50"),
        "a": dt.datetime(2026, 3, 5, 15, 30, tzinfo=dt.timezone(dt.timedelta(hours=-5))),
        "c": [dt.date(2026, 3, 5), KillTier.NO_NEW, Side.BUY, None, True, 1.5, {Side.SELL: Decimal("-0.00")}],
        "d": frozenset({"y", "x"}),
        "e": "é",
    }
    assert canonical_json(body) == (
        '{"a":"2026-03-05T20:30:00.000000Z","b":"1.5","c":["2026-03-05","NO_NEW","buy",null,true,1.5,{"sell":"0"}],'
        '"d":["x","y"],"e":"\\u00e9"}'
    )


@pytest.mark.parametrize(
    ("number", "text"),
    [("1E+2", "100"), ("100", "100"), ("0.10", "0.1"), ("-0", "0"), ("0E-9", "0"), ("1E-9", "0.000000001")],
)
def test_equal_decimals_are_spelt_alike(number: str, text: str) -> None:
    assert canonical_json(Decimal(number)) == f'"{text}"'


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        Decimal("-Infinity"),
        dt.datetime(2026, 3, 5, 15, 30),  # noqa: DTZ001 - the naive instant is the point
        object(),
        b"bytes",
    ],
)
def test_what_has_no_single_meaning_cannot_enter_the_log(value: object) -> None:
    with pytest.raises(InvariantError):
        canonical_json({"value": value})


def test_a_leaf_hashes_the_text_it_carries() -> None:
    text = leaf_text(3, "NOTE", "sig", None, {"amount": Decimal("1.0")})
    leaf = AuditLeaf(3, "NOTE", "sig", None, text)
    assert text == '{"at":null,"body":{"amount":"1"},"correlation_id":"sig","index":3,"kind":"NOTE"}'
    assert leaf.hash == hashlib.sha256(b"\x00" + text.encode()).digest()
    assert leaf.body == {"amount": "1"}
