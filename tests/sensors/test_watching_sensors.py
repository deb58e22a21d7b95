"""Reconciliation, kill switch and alerts: what they report, on a real ledger and a real Valkey."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import dagster as dg
import pytest

from qgtm_core import calendar
from qgtm_core.errors import TransientError
from qgtm_core.ports import Broker
from qgtm_core.types import KillTier
from qgtm_jobs.jobs import flatten
from qgtm_resources.clients.ledger import PostgresLedger
from qgtm_resources.resources import LedgerResource
from qgtm_sensors.alerts import failed_check_alert, run_failure_alert
from qgtm_sensors.killswitch import killswitch_sensor
from qgtm_sensors.reconciliation import reconciliation_sensor
from tests.installation import LAST, Installation, SimBrokerResource

AT = calendar.decision_time(LAST)


class SilentBroker(SimBrokerResource):
    """A broker that does not answer."""

    def open(self, session: dt.date) -> Broker:
        raise TransientError("no answer within 5 s")


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def tick(house: Installation, instance: dg.DagsterInstance, **overrides: Any) -> Any:
    resources = {
        "desk": house.desk(),
        "feed": house.feed,
        "ledger": LedgerResource(url=house.ledger_url),
        "broker": house.broker,
        "hotstate": house.hotstate,
        **overrides,
    }
    return reconciliation_sensor(dg.build_sensor_context(instance=instance, resources=resources))


def reported(result: Any) -> tuple[dg.AssetMaterialization, dg.AssetCheckEvaluation]:
    assert isinstance(result, dg.SensorResult)
    made, checked = result.asset_events
    assert isinstance(made, dg.AssetMaterialization)
    assert isinstance(checked, dg.AssetCheckEvaluation)
    return made, checked


def test_books_that_agree_are_reported_without_a_run(house: Installation, instance: dg.DagsterInstance) -> None:
    made, checked = reported(tick(house, instance))
    assert made.asset_key == checked.asset_key == dg.AssetKey(["ops", "reconciliation"])
    assert checked.passed
    assert made.metadata["breaks"].value == 0
    assert house.ledger.reconciliations(house.book, limit=1)[0]["ok"]
    beat = house.hotstate.client.last_heartbeat("reconciliation")
    assert beat is not None


def test_a_difference_warns_once_and_is_an_error_when_it_stays(
    house: Installation, instance: dg.DagsterInstance
) -> None:
    house.broker.open(LAST)
    house.account.cash_usd -= Decimal(5_000)
    _, first = reported(tick(house, instance))
    assert (first.passed, first.severity) == (False, dg.AssetCheckSeverity.WARN)
    made, second = reported(tick(house, instance))
    assert (second.passed, second.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert made.metadata["confirmed"].value == 1
    assert house.ledger.book_state(house.book).cash_usd == Decimal(1_000_000), "nothing is corrected"


def test_a_broker_that_does_not_answer_leaves_no_event(house: Installation, instance: dg.DagsterInstance) -> None:
    result = tick(house, instance, broker=SilentBroker(key=house.book))
    assert isinstance(result, dg.SkipReason)
    assert result.skip_message == "a side did not answer: no answer within 5 s"
    assert house.ledger.reconciliations(house.book, limit=1) == []


# Kill switch


def kill_tick(house: Installation, instance: dg.DagsterInstance) -> Any:
    resources = {"desk": house.desk(), "ledger": LedgerResource(url=house.ledger_url)}
    return killswitch_sensor(dg.build_sensor_context(instance=instance, resources=resources))


def test_without_a_book_there_is_nothing_to_flatten(house: Installation, instance: dg.DagsterInstance) -> None:
    assert kill_tick(house, instance).skip_message == f"book {house.book} is not open yet"


@pytest.mark.parametrize("tier", [KillTier.NORMAL, KillTier.THROTTLE, KillTier.NO_NEW])
def test_a_lower_tier_flattens_nothing(
    house: Installation, books: PostgresLedger, instance: dg.DagsterInstance, tier: KillTier
) -> None:
    books.raise_tier(house.book, tier, "a test", LAST, AT, "test")
    assert kill_tick(house, instance).skip_message == f"tier is {tier.name}"


def test_a_latched_flatten_is_requested_under_one_key(
    house: Installation, books: PostgresLedger, instance: dg.DagsterInstance
) -> None:
    books.raise_tier(house.book, KillTier.FLATTEN, "a test", LAST, AT, "test")
    first, second = kill_tick(house, instance), kill_tick(house, instance)
    assert isinstance(first, dg.RunRequest)
    assert first.run_key == second.run_key == f"flatten:{house.book}:{AT.isoformat()}"
    assert killswitch_sensor.job_name == flatten.name


# Alerts


def alerts(books: PostgresLedger) -> list[dict[str, Any]]:
    return [leaf.body for leaf in books.audit_leaves() if leaf.kind == "alert"]


def alert_resources(house: Installation) -> dict[str, Any]:
    return {"ledger": LedgerResource(url=house.ledger_url), "hotstate": house.hotstate}


def test_a_failed_check_is_written_down_once(
    house: Installation, books: PostgresLedger, instance: dg.DagsterInstance
) -> None:
    name = f"check_of_{house.book.replace('-', '_')}"

    @dg.asset(check_specs=[dg.AssetCheckSpec(name, asset="thing"), dg.AssetCheckSpec("fine", asset="thing")])
    def thing():
        yield dg.Output(1)
        yield dg.AssetCheckResult(passed=False, check_name=name, severity=dg.AssetCheckSeverity.WARN)
        yield dg.AssetCheckResult(passed=True, check_name="fine")

    assert dg.materialize([thing], instance=instance).success, "a failed check that only warns fails no run"
    context = dg.build_sensor_context(instance=instance, resources=alert_resources(house))
    assert failed_check_alert(context).skip_message == "2 check results read, 1 failed"
    written = [body for body in alerts(books) if body.get("check") == name]
    assert written == [{"check": name, "asset": "thing", "severity": "WARN"}]
    later = dg.build_sensor_context(instance=instance, cursor=context.cursor, resources=alert_resources(house))
    assert failed_check_alert(later).skip_message == "0 check results read, 0 failed"


def test_a_failed_run_is_written_down(house: Installation, books: PostgresLedger, instance: dg.DagsterInstance) -> None:
    @dg.op
    def fails() -> None:
        raise ValueError("broken on purpose")

    @dg.job
    def work() -> None:
        fails()

    result = work.execute_in_process(instance=instance, raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_run_failure]
    context = dg.build_run_status_sensor_context(
        sensor_name="run_failure_alert",
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=failure,
        resources=alert_resources(house),
    ).for_run_failure()
    run_failure_alert(context)
    (written,) = [body for body in alerts(books) if body.get("run") == result.run_id]
    assert written["job"] == "work"
    assert "fails" in written["problem"]
