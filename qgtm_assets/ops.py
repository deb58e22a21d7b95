"""`ops/*`: what the operation itself produces. Reconciliation is run-less: its sensor reports it."""

import dagster as dg

from qgtm_core.types import KillTier
from qgtm_resources.clock import SystemClock
from qgtm_resources.flatten import flatten as flatten_book
from qgtm_resources.resources import BrokerResource, DeskResource, FeedResource, LedgerResource

RECONCILIATION = dg.AssetKey(["ops", "reconciliation"])
RECONCILED_CHECK = "books_match"

reconciliation_spec = dg.AssetSpec(
    RECONCILIATION,
    group_name="ops",
    deps=[["execution", "fills"]],
    owners=["team:operations"],
    kinds={"postgres"},
    description="Broker against ledger every 60 s: positions, orders, cash (reported by a sensor, without a run)",
)


@dg.asset(
    key=["ops", "audit_head"],
    group_name="ops",
    deps=[["tca", "orders"]],
    owners=["team:operations"],
    kinds={"postgres"},
    check_specs=[dg.AssetCheckSpec("audit_log_verifies", asset=["ops", "audit_head"])],
)
def audit_head(ledger: LedgerResource) -> dg.MaterializeResult:
    """Head of the append-only audit tree, verified leaf by leaf."""
    report = ledger.ledger.audit_verify()
    return dg.MaterializeResult(
        metadata={"leaves": report.size, "root": report.root.hex()},
        check_results=[
            dg.AssetCheckResult(passed=report.ok, check_name="audit_log_verifies", metadata={"leaves": report.size})
        ],
    )


class FlattenConfig(dg.Config):
    """Who asks for it and why; both go into the audit log."""

    actor: str = "operator"
    reason: str = "asked for"
    raise_tier: bool = False


@dg.asset(key=["ops", "flatten"], group_name="ops", owners=["team:operations"], kinds={"python"})
def flatten(
    context: dg.AssetExecutionContext,
    config: FlattenConfig,
    ledger: LedgerResource,
    desk: DeskResource,
    broker: BrokerResource,
    feed: FeedResource,
) -> dg.MaterializeResult:
    """Cancel all orders and close all positions. Reduce-only, idempotent; the tier must be FLATTEN."""
    session, now = desk.current_session(feed.feed), SystemClock().now()
    if config.raise_tier:
        ledger.ledger.raise_tier(desk.book, KillTier.FLATTEN, config.reason, session, now, config.actor)
    report = flatten_book(broker.open(session), ledger.ledger, desk.book, session, now, context.log.info)
    if report.remaining:
        raise dg.Failure(f"still held: {report.remaining}", allow_retries=False)
    return dg.MaterializeResult(metadata={"cancelled": len(report.cancelled), "closed": list(report.closed)})


OPS = [reconciliation_spec, audit_head, flatten]
