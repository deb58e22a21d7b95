"""`pit/models` and `pit/meta_models` through Dagster on a real warehouse, with trainers that ask for less history."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from qgtm_assets import models as assets
from qgtm_core import calendar
from qgtm_core.models import meta
from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_core.schemas.pit import PIT_TABLES
from qgtm_core.schemas.signals import signal_table
from qgtm_core.types import SignalStatus
from qgtm_resources.clients.warehouse import Warehouse
from qgtm_resources.io_manager import WarehouseIOManager
from qgtm_resources.resources import WarehouseResource
from tests.core.models import market

FIRST, LAST = dt.date(2016, 12, 1), dt.date(2017, 1, 20)
SPOKEN = "tsmom"
META = replace(
    meta.SPEC,
    min_observations=500,
    params={**meta.SPEC.params, "trees": {**meta.SPEC.params["trees"], "rounds": 5, "min_data_in_leaf": 5}},
)


@lru_cache(maxsize=1)
def signals() -> pl.DataFrame:
    """What one primary has said about gold: its side changes at random."""
    table, days = signal_table(SPOKEN), calendar.schedule(dt.date(2014, 6, 2), LAST)
    said = {"symbol": "GLD", "strategy_id": SPOKEN, "confidence": 0.5, "status": SignalStatus.OK.value}
    score = np.where(np.random.default_rng(1).random(days.height) < 0.5, -0.5, 0.5)
    rows = days.select("session", "decided_at").with_columns(pl.Series("score", score))
    known = {**said, "correlation_id": "c", "params_hash": "x", "horizon_sessions": 5}
    return rows.select(
        (pl.col(n) if n in rows.columns else pl.lit(known.get(n))).cast(d).alias(n) for n, d in table.dtypes.items()
    )


def state(name: str) -> pl.DataFrame:
    """A feature table with some numbers in the columns that the meta-labeller reads."""
    table, days = FEATURE_TABLES[name], signals()["session"].to_frame()
    number = dict.fromkeys(meta.STATE[name], 0.2)
    rows = days.with_columns(symbol=pl.lit("GLD"))
    return rows.select(
        (pl.col(n) if n in table.key else pl.lit(number.get(n))).cast(d).alias(n) for n, d in table.dtypes.items()
    )


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    made = Warehouse(tmp_path)
    for name in ("prices", "macro", "positioning"):
        rows = market.pit()[name]
        made.write(PIT_TABLES[name], rows.filter(pl.col("session") <= LAST))
    for name in meta.STATE:
        made.write(FEATURE_TABLES[name], state(name))
    made.write(signal_table(SPOKEN), signals())
    return made


@pytest.fixture(autouse=True)
def modest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same trainers with less history and fewer rounds."""
    monkeypatch.setattr(assets, "TRAINERS", market.trainers())
    monkeypatch.setattr(meta, "SPEC", META)


def run(warehouse: Warehouse, asset: dg.AssetsDefinition, first: dt.date, last: dt.date) -> dg.ExecuteInProcessResult:
    tags = {"dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(last)}
    folder = str(warehouse.folder)
    resources = {
        "io_manager": WarehouseIOManager(folder=folder, book="none"),
        "warehouse": WarehouseResource(folder=folder),
    }
    return dg.materialize([asset], tags=tags, resources=resources)


def made(result: dg.ExecuteInProcessResult, name: str) -> int:
    """New fits, as the run reports them."""
    found = result.asset_materializations_for_node(f"pit__{name}")
    (fits,) = {each.metadata["new_fits"].value for each in found}
    assert isinstance(fits, int)
    return fits


def test_fits_are_stored_once_and_a_later_run_adds_only_what_is_missing(warehouse: Warehouse) -> None:
    (models, _) = assets.MODEL_ASSETS
    result = run(warehouse, models, FIRST, dt.date(2016, 12, 29))
    before = warehouse.read(PIT_TABLES["models"])
    assert result.success
    assert all(check.passed for check in result.get_asset_check_evaluations())
    assert set(before["model_id"]) == {"ml_ensemble", "regime_classifier_pm"}
    assert before["event_date"].max() == dt.date(2016, 9, 30)
    assert made(result, "models") == before.height
    assert made(run(warehouse, models, dt.date(2017, 1, 3), LAST), "models") == 2
    after = warehouse.read(PIT_TABLES["models"])
    assert after.filter(pl.col("session") < LAST.replace(day=1)).equals(before)
    assert after["event_date"].max() == dt.date(2016, 12, 30)
    assert made(run(warehouse, models, dt.date(2017, 1, 3), LAST), "models") == 0
    assert warehouse.read(PIT_TABLES["models"]).equals(after)


def test_the_judge_is_fitted_to_stored_signals(warehouse: Warehouse) -> None:
    (_, judge) = assets.MODEL_ASSETS
    result = run(warehouse, judge, FIRST, LAST)
    fits = warehouse.read(PIT_TABLES["meta_models"])
    assert made(result, "meta_models") == fits.height > 3
    model = meta.from_packed(meta.packed(fits["payload"][-1]))
    assert model is not None
    assert model.primaries == (SPOKEN,)
    assert (fits["trained_to"] < fits["event_date"]).all()
    assert fits.filter(pl.col("session") > LAST).is_empty()
