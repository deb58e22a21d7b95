"""The 60 s reconciliation: a sensor that reports run-less events. It starts nothing and corrects nothing."""

import dagster as dg

from qgtm_assets.ops import RECONCILED_CHECK, RECONCILIATION
from qgtm_core.errors import TransientError
from qgtm_core.execution.reconcile import ReconciliationReport
from qgtm_resources.clock import SystemClock
from qgtm_resources.reconciliation import reconcile_once
from qgtm_resources.resources import BrokerResource, DeskResource, FeedResource, HotStateResource, LedgerResource


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Compares positions, orders and cash of broker and ledger every 60 s",
)
def reconciliation_sensor(
    desk: DeskResource,
    feed: FeedResource,
    ledger: LedgerResource,
    broker: BrokerResource,
    hotstate: HotStateResource,
) -> dg.SensorResult | dg.SkipReason:
    """Report one materialization and one check result a tick."""
    books, now = ledger.ledger, SystemClock().now()
    books.open_book(desk.book, desk.cash_usd, desk.feed_label)
    try:
        report = reconcile_once(broker.open(desk.current_session(feed.feed)), books, desk.book, now, hotstate.client)
    except TransientError as fault:
        # no event at all: silence is what the freshness of this asset, and the kill switch, react to
        return dg.SkipReason(f"a side did not answer: {fault}")
    found = "books match" if report.ok else f"{len(report.breaks)} breaks, {len(report.confirmed)} confirmed"
    return dg.SensorResult(asset_events=events_of(report), skip_reason=f"no run needed: {found}")


def events_of(report: ReconciliationReport) -> list[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """The tick as asset events."""
    classes = {name.value: count for name, count in report.classes.items()}
    return [
        dg.AssetMaterialization(
            RECONCILIATION,
            metadata={"breaks": len(report.breaks), "confirmed": len(report.confirmed), **report.compared},
        ),
        dg.AssetCheckEvaluation(
            asset_key=RECONCILIATION,
            check_name=RECONCILED_CHECK,
            passed=report.ok,
            severity=dg.AssetCheckSeverity.ERROR if report.confirmed else dg.AssetCheckSeverity.WARN,
            metadata={"classes": classes, "breaks": [f"{b.break_class} {b.key}" for b in report.breaks]},
        ),
    ]
