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
from qgtm_core.strategies.spec import STALENESS, Strategy
from qgtm_core.universe import TRADED

DOCS = Path(__file__).resolve().parents[3] / "docs" / "strategies.md"

# number, cadence, horizon, warm-up, capacity and the parameters whose names are normative
SPECIFIED = {
    "real_rate_gold": (
        (1, "daily", 20, 566, "High"),
        {"k": [5, 20, 60], "w": [0.2, 0.5, 0.3], "w_trend": 0.8, "w_level": 0.2, "win": 504, "z0": 2.0},
    ),
    "dxy_gold": (
        (6, "daily", 20, 312, "High"),
        {"k": [20, 60], "win": 252, "rho_win": 126, "rho_gate": -0.1, "rho_full": -0.4},
    ),
    "breakeven_inflation_gold": (
        (7, "daily", 20, 312, "High"),
        {"k": [20, 60], "w": [0.6, 0.4], "win": 252, "damp": 0.5},
    ),
    "vix_haven": (
        (9, "event", 15, 252, "Med"),
        {"pr_min": 0.80, "ret_days": 5, "ret_max": -0.02, "ret_full": 0.06, "decay": 15},
    ),
    "tsmom": ((12, "monthly", 21, 273, "High"), {"look": 252, "com": 60, "vol_target": 0.15, "min_symbols": 3}),
    "xsmom": ((13, "monthly", 21, 253, "High"), {"look": 252, "skip": 21, "min_symbols": 3}),
    "carver_trend": (
        (15, "daily", 40, 320, "High"),
        {
            "speeds": [[16, 64], [32, 128], [64, 256]],
            "scalars": [3.75, 2.65, 1.87],
            "fdm": 1.07,
            "cap": 20,
            "vol_span": 35,
            "buffer": 0.10,
        },
    ),
    "gold_silver_ratio": (
        (20, "daily", 40, 252, "Med"),
        {"win": 252, "z_in": 2.0, "z_out": 0.5, "z_stop": 4.0, "hl": [5, 90], "full": 3.0, "q": 0.5},
    ),
    "kalman_pairs": ((22, "daily", 10, 252, "High"), {"delta": 1.0e-4, "v": 1.0e-3, "z_min": 1.0, "z0": 2.0}),
    "cot_precious": ((30, "weekly", 15, 156, "Med"), {"win_w": 156, "dead": 1.0, "full": 2.5, "q_backlog": 0.5}),
    "vol_risk_parity": (
        (38, "weekly", 21, 126, "High"),
        {"lam": 0.97, "corr_win": 126, "vol_target": 0.12, "use_erc": False, "min_symbols": 3},
    ),
    "gold_seasonal_demand": (
        (49, "daily", 20, 0, "Med"),
        {
            "lny": [5, 40, 0.5],
            "lny_after": [-20, -1, -0.2],
            "diwali": [3, 30, 0.4],
            "akshaya": [0, 15, 0.2],
            "wedding": 0.1,
            "summer": -0.2,
            "q": 0.5,
        },
    ),
}

every_strategy = pytest.mark.parametrize("strategy", REGISTRY.values(), ids=list(REGISTRY))


def test_the_registry_holds_the_specified_strategies_in_order() -> None:
    assert list(REGISTRY) == list(SPECIFIED)


@every_strategy
def test_declarations_and_parameters_are_those_specified(strategy: Strategy) -> None:
    declared, params = SPECIFIED[strategy.id]
    found = (
        strategy.number,
        strategy.cadence.value,
        strategy.horizon_sessions,
        strategy.warmup,
        strategy.capacity,
    )
    assert found == declared
    assert {name: strategy.params[name] for name in params} == params


@every_strategy
def test_every_declared_column_exists_in_its_feature_table(strategy: Strategy) -> None:
    for item in strategy.inputs:
        columns = {**FEATURE_TABLES, **INTRADAY_FEATURES}[item.table].columns
        health = (item.coverage, item.availability) if item.coverage else (f"{item.prefix}obs",)
        assert set(item.columns) | set(item.optional) | set(health) <= set(columns)
        assert item.staleness in STALENESS


@every_strategy
def test_every_symbol_is_traded_and_has_a_leg(strategy: Strategy) -> None:
    assert set(strategy.symbols) <= set(TRADED)
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
