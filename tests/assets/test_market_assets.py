"""From a feed to signals through Dagster: what a delivery reaches back to, and what bad input may not do."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from qgtm_core import calendar
from qgtm_core.schemas.pit import PIT_TABLES
from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_core.schemas.results import DQ_TABLE
from tests.installation import FIRST, LAST, QUIET, Installation, MarketHistory, checks, problem
from tests.resources.archive_folders import bars, write

BARS = dg.AssetKey(["raw", "bars_daily"])
PRICES = dg.AssetKey(["pit", "prices"])
COT = dg.AssetKey(["raw", "cot"])
THURSDAY = calendar.previous_session(LAST)


def on_archive(new_house: Callable[..., Installation], folder: Path) -> Installation:
    folder.mkdir(exist_ok=True)
    if not (folder / "bars_daily.parquet").exists():
        write(folder, "bars_daily", bars("GLD"))
    return new_house(history=None, feed="archive", archive=folder)


def ingest(
    house: Installation, first: dt.date, last: dt.date, keys: Sequence[dg.AssetKey], instance: dg.DagsterInstance
) -> dg.ExecuteInProcessResult:
    """One run over sessions first..last."""
    from qgtm_resources import resources

    resources._feed.cache_clear()  # the test changes files behind the feed
    job = house.definitions()["live"].resolve_job_def("history")
    tags = {"dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(last)}
    return job.execute_in_process(
        instance=instance, asset_selection=list(keys), tags=tags, run_config=QUIET, raise_on_error=False
    )


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def stored(house: Installation, name: str = "bars_daily") -> list[dt.date]:
    return house.warehouse.client.sessions(RAW_TABLES[name])["session"].to_list()


def verdicts(house: Installation) -> list[tuple[str, str, str, str, str]]:
    frame = house.warehouse.client.read(DQ_TABLE).select("table", "source", "column", "value", "problem")
    return sorted(frame.iter_rows())


# One run over the newest sessions of the simulated market (the shared history)


def test_a_range_is_one_run_with_no_partition_missing(history: MarketHistory) -> None:
    assert history.facts["success"]
    assert history.facts["runs"] == 1
    assert history.facts["sessions"] > 1
    assert len(history.facts["missing"]) > 25
    assert not {name: days for name, days in history.facts["missing"].items() if days}


def test_every_blocking_check_of_a_strategy_and_its_sources_passed(history: MarketHistory) -> None:
    assert {"schema_and_keys_hold", "no_row_from_the_future", "opinions_are_finite"} <= set(history.facts["checks"])
    assert all(history.facts["checks"].values())


def test_the_first_delivery_brings_history_from_before_the_range(house: Installation) -> None:
    assert stored(house)[0] < calendar.offset_session(FIRST, -300)
    assert stored(house)[-1] == LAST


def test_features_and_signals_are_there_for_every_session_of_the_range(house: Installation) -> None:
    days = set(calendar.schedule(FIRST, LAST)["session"])
    assert days <= set(house.warehouse.read("features", "prices", FIRST, LAST)["session"])
    assert days <= set(house.warehouse.read("signals", "xsmom", FIRST, LAST)["session"])


def test_materializing_again_changes_nothing(house: Installation, instance: dg.DagsterInstance) -> None:
    before = {t: house.warehouse.read(*t).sort(pl.all()) for t in (("raw", "bars_daily"), ("pit", "prices"))}
    assert ingest(house, THURSDAY, LAST, (BARS, PRICES), instance).success
    for table, frame in before.items():
        again = house.warehouse.read(*table).sort(pl.all())
        assert again.drop("retrieved_at").equals(frame.drop("retrieved_at"))


# A small archive folder


def test_a_later_delivery_fills_the_hole_since_the_last_one(
    new_house: Callable[..., Installation], tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    house = on_archive(new_house, tmp_path / "archive")
    early = calendar.offset_session(LAST, -10)
    assert ingest(house, early, early, (BARS,), instance).success
    assert max(stored(house)) == early
    assert ingest(house, LAST, LAST, (BARS,), instance).success
    held = stored(house)
    assert held == calendar.schedule(held[0], LAST)["session"].to_list(), "no session between is missing"


def test_an_empty_table_is_a_table(
    new_house: Callable[..., Installation], tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    house = on_archive(new_house, tmp_path / "archive")
    assert ingest(house, LAST, LAST, (COT,), instance).success
    assert house.warehouse.read("raw", "cot").is_empty()


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def _as_text(path: Path) -> None:
    pl.read_parquet(path).with_columns(pl.col("close").cast(pl.String) + "x").write_parquet(path)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_truncate, "bars_daily.parquet: not a readable Parquet file"),
        (lambda path: path.write_bytes(b""), "bars_daily.parquet: the file is empty"),
        (_as_text, "bars_daily.parquet, column 'close': type is String, expected number"),
        (
            lambda path: pl.read_parquet(path).drop("volume").write_parquet(path),
            "bars_daily.parquet, column 'volume': column is missing",
        ),
    ],
    ids=["truncated", "empty", "type", "column"],
)
def test_a_file_that_cannot_be_trusted_stops_the_asset_at_once_and_keeps_what_is_stored(
    new_house: Callable[..., Installation],
    tmp_path: Path,
    instance: dg.DagsterInstance,
    spoil: Callable[[Path], None],
    words: str,
) -> None:
    folder = tmp_path / "archive"
    house = on_archive(new_house, folder)
    assert ingest(house, THURSDAY, THURSDAY, (BARS, PRICES), instance).success
    before = (house.warehouse.read("raw", "bars_daily"), house.warehouse.read("pit", "prices"))
    spoil(folder / "bars_daily.parquet")
    result = ingest(house, LAST, LAST, (BARS, PRICES), instance)
    assert not result.success
    assert words in problem(result)
    assert not [event for event in result.all_events if event.is_step_up_for_retry], "bad data is as bad a second time"
    assert {event.step_key for event in result.all_events if event.is_step_start} == {"raw__bars_daily"}
    assert house.warehouse.read("raw", "bars_daily").equals(before[0])
    assert house.warehouse.read("pit", "prices").equals(before[1])


@pytest.mark.parametrize(
    ("column", "value", "names"),
    [("close", -5.0, ("close", "row 12")), ("date", dt.date(2031, 1, 2), ("row 12",))],
    ids=["negative price", "from the future"],
)
def test_a_bad_row_is_set_aside_with_file_column_and_row(
    new_house: Callable[..., Installation],
    tmp_path: Path,
    instance: dg.DagsterInstance,
    column: str,
    value: object,
    names: tuple[str, ...],
) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    frame = bars("GLD")
    values = frame[column].to_list()
    values[12] = value
    write(folder, "bars_daily", frame.with_columns(pl.Series(column, values, dtype=frame.schema[column])))
    house = on_archive(new_house, folder)
    result = ingest(house, LAST, LAST, (BARS, PRICES), instance)
    assert result.success, problem(result)
    told = [" ".join(map(str, verdict)) for verdict in verdicts(house)]
    assert any(all(name in text for name in names) for text in told), told
    assert all("bars_daily" in text for text in told)
    good = house.warehouse.read("pit", "prices")
    assert len(good) == len(house.warehouse.read("raw", "bars_daily")) < len(frame) + 1
    assert good["close"].min() > 0  # type: ignore[operator]
    assert (good["available_at"] <= calendar.decision_time(LAST)).all()


def test_a_key_that_occurs_twice_is_not_stored_twice(
    new_house: Callable[..., Installation], tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    frame = bars("GLD")
    write(folder, "bars_daily", pl.concat([frame, frame.tail(1).with_columns(pl.col("close") + 1.0)]))
    house = on_archive(new_house, folder)
    result = ingest(house, LAST, LAST, (BARS,), instance)
    assert result.success, problem(result)
    held = house.warehouse.read("raw", "bars_daily")
    assert not held.select(RAW_TABLES["bars_daily"].unique).is_duplicated().any()
    words = "key occurs more than once; the first row is kept"
    assert verdicts(house) == [("raw/bars_daily", "bars_daily.parquet", "symbol", "row 30", words)]


def test_a_clean_session_keeps_the_verdicts_of_the_ones_before(
    new_house: Callable[..., Installation], tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """Quarantined on the way to `pit`: a bar whose high is below its low, on one early day."""
    house = on_archive(new_house, tmp_path / "archive")
    assert ingest(house, THURSDAY, THURSDAY, (BARS, PRICES), instance).success
    raw = house.warehouse.read("raw", "bars_daily")
    newest = raw["session"].max()
    assert isinstance(newest, dt.date)
    broken = raw.with_columns(high=pl.when(pl.col("session") == newest).then(pl.col("low") - 5.0).otherwise("high"))
    house.warehouse.client.write(RAW_TABLES["bars_daily"], broken)
    result = ingest(house, THURSDAY, THURSDAY, (PRICES,), instance)
    assert result.success, problem(result)
    before = verdicts(house)
    assert [line for line in before if line[0] == "pit/prices"]
    assert ingest(house, LAST, LAST, (BARS, PRICES), instance).success
    assert verdicts(house) == before


# Dagster facts that the design rests on


def two_steps(passed: bool, ran: list[str]) -> list[dg.AssetsDefinition]:
    @dg.asset(
        key=["a", "first"],
        check_specs=[
            dg.AssetCheckSpec("gate", asset=["a", "first"], blocking=True),
            dg.AssetCheckSpec("after", asset=["a", "first"]),
        ],
    )
    def first():
        yield dg.Output(1)
        yield dg.AssetCheckResult(passed=passed, check_name="gate")
        yield dg.AssetCheckResult(passed=True, check_name="after")
        ran.append("end of first")

    @dg.asset(key=["a", "second"], deps=[["a", "first"]])
    def second() -> None:
        ran.append("second")

    return [first, second]


@pytest.mark.parametrize("passed", [True, False])
def test_a_blocking_check_inside_an_asset_stops_what_follows(passed: bool) -> None:
    ran: list[str] = []
    result = dg.materialize(two_steps(passed, ran), raise_on_error=False)
    assert result.success is passed
    assert ("second" in ran) is passed
    assert checks(result)["gate"] is passed


def test_a_blocking_check_binds_one_run_not_the_asset() -> None:
    """Why the fills ask the gate again: alone, they run."""
    ran: list[str] = []
    assets = two_steps(False, ran)
    assert dg.materialize(assets, selection=[dg.AssetKey(["a", "second"])]).success
    assert ran == ["second"]


def test_every_pit_table_comes_from_raw_tables_that_exist() -> None:
    from qgtm_core.schemas.pit import PIT_SOURCES

    assert set(PIT_SOURCES) == set(PIT_TABLES)
    assert {source for sources in PIT_SOURCES.values() for source in sources} <= set(RAW_TABLES)
