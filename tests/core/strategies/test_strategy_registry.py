"""The registry holds exactly what is specified, and the documentation shows exactly what it holds."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import polars as pl
import pytest

from qgtm_core import calendar
from qgtm_core.correlation import correlation_id, correlation_ids
from qgtm_core.errors import ConfigError
from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_core.schemas.intraday import INTRADAY_FEATURES
from qgtm_core.strategies.catalogue import render_markdown
from qgtm_core.strategies.panel import legs_of
from qgtm_core.strategies.registry import REGISTRY, collect
from qgtm_core.strategies.spec import STALENESS, Sleeve, Strategy
from qgtm_core.universe import INSTRUMENTS, TRADED
from tests.core.strategies.specified import SPECIFIED

DOCS = Path(__file__).resolve().parents[3] / "docs" / "strategies.md"

COMPUTES = {"d": {"daily"}, "w": {"weekly", "weekly, last session"}, "e": {"event"}, "i": {"intraday"}}
COMPUTES["m"] = {"monthly", "monthly, first week"}
# Where a declaration departs from the specification, and why
DEPARTURES = {
    ("central_bank_gold", "cadence"): "recomputed each session: it changes when a month is published",
    ("gold_mint_sales", "warm-up"): "64 bars of GLD; the 60 months are the other input's",
    ("levered_etf_decay", "fee"): "the expense ratio in force comes from the dated table of fund terms",
}

every_strategy = pytest.mark.parametrize("strategy", REGISTRY.values(), ids=list(REGISTRY))


def test_the_registry_holds_the_76_specified_strategies_in_order() -> None:
    assert list(REGISTRY) == list(SPECIFIED)
    assert len(REGISTRY) == 76


@every_strategy
def test_a_declaration_is_the_one_specified(strategy: Strategy) -> None:
    number, category, status, computes, horizon, warmup, capacity = SPECIFIED[strategy.id][0]
    found = {
        "number": strategy.number == number,
        "category": strategy.category == category,
        "status": strategy.status.value == status,
        "cadence": strategy.cadence.value in COMPUTES[computes],
        "horizon": strategy.horizon_sessions == horizon,
        "warm-up": strategy.warmup == warmup,
        "capacity": strategy.capacity == capacity,
    }
    assert {what for what, same in found.items() if not same} == departures(strategy) & set(found)


@every_strategy
def test_parameters_have_the_specified_names_and_defaults(strategy: Strategy) -> None:
    specified = SPECIFIED[strategy.id][1]
    other = {name for name, value in specified.items() if _plain(strategy.params.get(name)) != value}
    assert other == departures(strategy) & set(specified)


def departures(strategy: Strategy) -> set[str]:
    return {what for key, what in DEPARTURES if key == strategy.id}


def _plain(value: object) -> object:
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


@every_strategy
def test_a_declaration_tells_a_reader_everything(strategy: Strategy) -> None:
    assert strategy.rationale
    assert strategy.formula
    assert strategy.source
    assert strategy.exposures
    assert all(item.data for item in strategy.inputs)
    assert set(strategy.differs) <= set(REGISTRY) - {strategy.id}


@every_strategy
def test_every_declared_column_exists_in_its_feature_table(strategy: Strategy) -> None:
    for item in strategy.inputs:
        columns = {**FEATURE_TABLES, **INTRADAY_FEATURES}[item.table].columns
        health = (item.coverage, item.availability) if item.coverage else (f"{item.prefix}obs",)
        assert set(item.columns) | set(item.optional) | set(health) <= set(columns)
        assert item.staleness in STALENESS


@every_strategy
def test_every_symbol_is_traded_and_has_a_leg(strategy: Strategy) -> None:
    known = TRADED if strategy.sleeve in {Sleeve.DAILY, Sleeve.INTRADAY} else tuple(INSTRUMENTS)
    assert set(strategy.symbols) <= set(known)
    assert {leg.symbol for leg in legs_of(strategy)} == set(strategy.symbols)


def test_changing_a_parameter_changes_the_hash() -> None:
    hashes = {s.params_hash for s in REGISTRY.values()}
    assert len(hashes) == len(REGISTRY)
    gold = REGISTRY["real_rate_gold"]
    assert dataclasses.replace(gold, params={**gold.params, "z0": 2.5}).params_hash not in hashes


def test_two_strategies_may_share_neither_id_nor_number() -> None:
    gold = REGISTRY["real_rate_gold"]
    with pytest.raises(ConfigError, match="occurs twice"):
        collect([("a.real_rate_gold", gold), ("b.real_rate_gold", gold)])
    with pytest.raises(ConfigError, match="already belongs"):
        collect([("a.real_rate_gold", gold), ("a.other", dataclasses.replace(gold, id="other"))])
    with pytest.raises(ConfigError, match="named after its id"):
        collect([("a.misnamed", gold)])


def test_the_documentation_is_the_registry() -> None:
    page = render_markdown()
    assert DOCS.read_text(encoding="utf-8") == page
    for strategy in REGISTRY.values():
        assert f"\n## {strategy.id}\n" in page


def test_a_correlation_id_tells_the_decision_in_new_york() -> None:
    session = calendar.session_on_or_after(pl.date_range(pl.date(2024, 7, 3), pl.date(2024, 7, 3), eager=True)[0])
    found = correlation_id(session, "GLD")
    assert re.fullmatch(r"sig-20240703-123000-[a-z2-7]{4}", found)  # an early close
    assert found == correlation_id(session, "GLD") != correlation_id(session, "SLV")
    assert correlation_ids([session, session], ["GLD", "SLV"]).to_list() == [found, correlation_id(session, "SLV")]
