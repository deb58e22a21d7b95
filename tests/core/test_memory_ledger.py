from __future__ import annotations

from decimal import Decimal

from qgtm_core.audit import EMPTY_ROOT, AuditHead
from qgtm_core.execution.memory_ledger import MemoryLedger
from tests.ledgers import AT, an_intent, new_book


def test_a_ledger_without_audit_keeps_books_but_no_leaves() -> None:
    ledger = MemoryLedger(audit=False)
    book = new_book(ledger)
    ledger.save_intents([an_intent(book)])
    ledger.record("NOTE", "", {}, AT)
    assert ledger.audit_head() == AuditHead(0, EMPTY_ROOT)
    assert ledger.audit_leaves() == []
    assert len(ledger.orders(book)) == 1


def test_leaves_can_be_read_in_part() -> None:
    ledger = MemoryLedger()
    for number in range(4):
        ledger.record("NOTE", "", {"number": Decimal(number)}, AT)
    assert [leaf.body["number"] for leaf in ledger.audit_leaves(1, 2)] == ["1", "2"]
    assert len(ledger.audit_leaves()) == 4
