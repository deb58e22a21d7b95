"""The shadow job on an installation: signals that do not trade, then the options orders made of them."""

from __future__ import annotations

from qgtm_assets.options import WRITERS
from qgtm_core.schemas.options import TEMPLATES
from qgtm_core.schemas.signals import signal_table
from qgtm_core.strategies.registry import SHADOW
from tests.installation import LAST, Installation, problem


def test_the_shadow_job_writes_orders_for_every_options_strategy_after_its_signal(house: Installation) -> None:
    result = house.run(LAST, (), job="shadow")
    assert result.success, problem(result)
    ran = [event.asset_key.path for event in result.get_asset_materialization_events() if event.asset_key]
    assert ran[-1] == ["options", "templates"]
    assert {key[1] for key in ran[:-1]} == set(SHADOW)
    warehouse = house.warehouse.client
    rows = warehouse.read(TEMPLATES, LAST, LAST)
    assert set(rows["strategy_id"]) == {strategy.id for strategy in WRITERS}
    said = {s.id: warehouse.read(signal_table(s.id), LAST, LAST).row(0, named=True) for s in WRITERS}
    for strategy_id, row in {r["strategy_id"]: r for r in rows.to_dicts()}.items():
        told = said[strategy_id]
        assert row["score"] == (None if told["score"] is None else abs(told["score"]))
        if told["status"] == "NO_SIGNAL":
            assert (row["leg"], row["reason"]) == (0, told["reason"])
        elif row["leg"]:
            assert row["known_at"] is not None
            assert row["contract"]
