"""The durable books in PostgreSQL: `qgtm_core.ports.Ledger` and everything around it.

One transaction a method; what a method changes and its audit leaves commit together or not at all. Heartbeats, runs,
data-quality verdicts and panel documents are operating records and write no leaves.
"""

from __future__ import annotations

from qgtm_resources.clients.ledger_audit import LedgerAudit
from qgtm_resources.clients.ledger_books import LedgerBooks
from qgtm_resources.clients.ledger_controls import LedgerControls
from qgtm_resources.clients.ledger_orders import LedgerOrders
from qgtm_resources.clients.ledger_parity import LedgerParity
from qgtm_resources.clients.ledger_reconciliation import LedgerReconciliation
from qgtm_resources.clients.ledger_records import LedgerRecords


class PostgresLedger(
    LedgerBooks, LedgerOrders, LedgerControls, LedgerReconciliation, LedgerAudit, LedgerRecords, LedgerParity
):
    """The ledger behind a PostgreSQL URL; run `qgtm_resources.migrations.migrate(url)` before first use.

    Cheap to make and safe to share between threads; `close()` returns its connections.
    """
