"""The graph as a whole: what is registered where, what it is called, and that the manual speaks of all of it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from definitions import build_defs
from qgtm_assets.delivery import OWNERS
from qgtm_resources.clients.alpaca import PAPER_URL
from qgtm_resources.resources import BrokerResource
from qgtm_resources.settings import PREFIX, Settings, load_settings
from tests.archive import ROOT
from tests.graph_text import SNAPSHOT, graph_text

MANUAL = ROOT / "docs" / "operations.md"


@pytest.fixture(scope="module")
def locations() -> dict[str, dg.Definitions]:
    return build_defs(load_settings(home=Path("home")))


def own_keys(location: dg.Definitions) -> list[dg.AssetKey]:
    graph = location.resolve_asset_graph()
    return [key for key in graph.get_all_asset_keys() if graph.get(key).group_name != "default"]


def test_the_graph_is_the_one_that_was_looked_at(home: Path) -> None:
    """After a wanted change: `python -m tests.graph_text`, then read the difference."""
    assert graph_text() == SNAPSHOT.read_text()


@pytest.mark.parametrize("location", ["live", "research"])
def test_every_key_has_two_parts_and_the_first_is_its_group(locations, location: str) -> None:
    graph = locations[location].resolve_asset_graph()
    for key in own_keys(locations[location]):
        assert len(key.path) == 2, key
        assert graph.get(key).group_name == key.path[0]
        assert graph.get(key).owners, key
        assert graph.get(key).kinds, key


def test_both_locations_load_in_full(locations: dict[str, dg.Definitions]) -> None:
    for location in locations.values():
        dg.Definitions.validate_loadable(location)


def test_research_cannot_trade(locations: dict[str, dg.Definitions]) -> None:
    research = locations["research"]
    assert {"broker", "ledger", "hotstate"}.isdisjoint(research.resources or {})
    assert {key.path[0] for key in own_keys(research)} == {"backtest", "evidence"}
    repository = research.get_repository_def()
    assert (repository.sensor_defs, repository.schedule_defs) == ([], [])


def test_lineage_reaches_from_a_bar_to_the_cost_of_an_order(locations: dict[str, dg.Definitions]) -> None:
    graph = locations["live"].resolve_asset_graph()
    sources = dg.AssetSelection.assets(["tca", "orders"]).upstream().resolve(graph)
    assert dg.AssetKey(["raw", "bars_daily"]) in sources
    assert {key.path[0] for key in sources} >= {"raw", "pit", "features", "signals", "portfolio", "risk", "execution"}


def test_nothing_after_the_features_starts_by_itself(locations: dict[str, dg.Definitions]) -> None:
    graph = locations["live"].resolve_asset_graph()
    automated = {key.path[0] for key in graph.get_all_asset_keys() if graph.get(key).automation_condition}
    assert automated == {"pit", "features"}


def test_orders_are_never_retried_by_dagster(locations: dict[str, dg.Definitions]) -> None:
    for name in ("rebalance", "flatten"):
        job = locations["live"].resolve_job_def(name)
        assert job.tags["dagster/max_retries"] == "0"
    graph = locations["live"].resolve_asset_graph()
    for key in own_keys(locations["live"]):
        if key.path[0] in {"portfolio", "risk", "execution", "tca"}:
            assert graph.assets_def_for_key(key).op.retry_policy is None


def test_stages_that_build_on_the_session_before_take_one_session_a_run(locations: dict[str, dg.Definitions]) -> None:
    graph = locations["live"].resolve_asset_graph()
    policies = {
        key.path[0]: graph.get(key).backfill_policy.max_partitions_per_run
        for key in own_keys(locations["live"])
        if graph.get(key).partitions_def is not None
    }
    assert policies == {
        "raw": None, "pit": None, "features": None, "signals": None,
        "portfolio": 1, "risk": 1, "execution": 1, "tca": 1, "intraday": 1, "options": None, "ops": 1,
    }  # fmt: skip


def test_an_override_replaces_a_resource_by_name() -> None:
    broker = BrokerResource(url="u", key="k", secret="s")
    assert (build_defs(load_settings(home=Path("home")), broker=broker)["live"].resources or {})["broker"] is broker


@pytest.mark.parametrize(
    ("settings", "url", "live"),
    [
        ({"alpaca_key": "k", "alpaca_secret": "s"}, PAPER_URL, False),
        (
            {"feed": "live", "live_trading": True, "live_key": "k", "live_secret": "s"},
            "https://api.alpaca.markets",
            True,
        ),
    ],
    ids=["paper keys", "live keys"],
)
def test_the_account_follows_the_keys(home: Path, settings: dict[str, object], url: str, live: bool) -> None:
    broker = (build_defs(load_settings(**settings))["live"].resources or {})["broker"]
    assert (broker.url, broker.live, broker.venue_cash_usd) == (url, live, "")


def test_without_keys_the_account_is_the_book_at_the_paper_venue(home: Path) -> None:
    broker = (build_defs(load_settings(book="mine"))["live"].resources or {})["broker"]
    assert (broker.key, broker.live, broker.venue_cash_usd) == ("mine", False, "1000000")


def test_a_code_server_finds_both_locations_by_name(home: Path) -> None:
    import definitions

    assert definitions.live is not definitions.research
    with pytest.raises(AttributeError):
        definitions.__getattr__("nothing")
    definitions._locations.cache_clear()


def names_of(locations: dict[str, dg.Definitions]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {kind: set() for kind in ("group", "check", "job", "sensor", "schedule")}
    for location in locations.values():
        repository = location.get_repository_def()
        found["group"] |= {key.path[0] for key in own_keys(location)}
        found["check"] |= {key.name for key in location.resolve_asset_graph().asset_check_keys}
        found["job"] |= {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
        found["sensor"] |= {sensor.name for sensor in repository.sensor_defs}
        found["schedule"] |= {schedule.name for schedule in repository.schedule_defs}
    return found | {"setting": {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}}


@pytest.mark.parametrize("kind", ["group", "check", "job", "sensor", "schedule", "setting"])
def test_the_manual_has_a_line_for_each(locations: dict[str, dg.Definitions], kind: str) -> None:
    lines = MANUAL.read_text().splitlines()
    missing = {name for name in names_of(locations)[kind] if not any(x.startswith(f"| `{name}` |") for x in lines)}
    assert not missing


def test_the_manual_speaks_of_nothing_that_is_gone(locations: dict[str, dg.Definitions]) -> None:
    known = set().union(*names_of(locations).values())
    told = {line.split("`")[1] for line in MANUAL.read_text().splitlines() if line.startswith("| `")}
    assert told <= known


def test_every_group_has_an_owner(locations: dict[str, dg.Definitions]) -> None:
    assert set(OWNERS) == names_of(locations)["group"]
