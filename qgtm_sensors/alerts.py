"""Alerts: failed runs and failed checks into the ledger and onto the wire. Routing to people comes with delivery."""

import dagster as dg

from qgtm_resources.clock import SystemClock
from qgtm_resources.resources import HotStateResource, LedgerResource

CHECK_BATCH = 200


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING, description="Writes every failed run into the audit log"
)
def run_failure_alert(context: dg.RunFailureSensorContext, ledger: LedgerResource, hotstate: HotStateResource) -> None:
    """One audit leaf and one announcement a failed run."""
    body = {
        "run": context.dagster_run.run_id,
        "job": context.dagster_run.job_name,
        "problem": context.failure_event.message,
    }
    ledger.ledger.record("alert", f"run-{context.dagster_run.run_id[:8]}", body, SystemClock().now())
    hotstate.client.announce("alerts", body)


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes failed asset checks into the audit log: a failed non-blocking check fails no run",
)
def failed_check_alert(
    context: dg.SensorEvaluationContext, ledger: LedgerResource, hotstate: HotStateResource
) -> dg.SkipReason:
    """Read check evaluations after the cursor; alert on those that failed."""
    records = context.instance.event_log_storage.get_event_records(
        dg.EventRecordsFilter(
            event_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION, after_cursor=int(context.cursor or 0)
        ),
        limit=CHECK_BATCH,
        ascending=True,
    )
    failed = 0
    for record in records:
        evaluation = record.event_log_entry.dagster_event.asset_check_evaluation_data  # type: ignore[union-attr]
        if evaluation.passed:
            continue
        failed += 1
        body = {
            "check": evaluation.check_name,
            "asset": evaluation.asset_key.to_user_string(),
            "severity": evaluation.severity.value,
        }
        ledger.ledger.record("alert", f"check-{record.storage_id}", body, SystemClock().now())
        hotstate.client.announce("alerts", body)
    if records:
        context.update_cursor(str(records[-1].storage_id))
    return dg.SkipReason(f"{len(records)} check results read, {failed} failed")
