"""Checks that read the operation's own records. The blocking gates are part of the assets they guard."""

import dagster as dg

from qgtm_assets.ops import RECONCILED_CHECK, RECONCILIATION
from qgtm_resources.resources import DeskResource, LedgerResource


@dg.asset_check(asset=RECONCILIATION, name=RECONCILED_CHECK, description="Broker and ledger agreed at the last tick")
def books_match(ledger: LedgerResource, desk: DeskResource) -> dg.AssetCheckResult:
    """The newest reconciliation of the book; the sensor reports the same check at every tick."""
    newest = ledger.ledger.reconciliations(desk.book, limit=1)
    if not newest:
        return dg.AssetCheckResult(passed=False, metadata={"problem": "never reconciled"})
    return dg.AssetCheckResult(passed=bool(newest[0]["ok"]), metadata={"at": str(newest[0]["at"])})


GATE_CHECKS = [books_match]
