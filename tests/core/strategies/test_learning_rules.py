"""The learning strategies against the worked numbers of their specification."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest

from qgtm_core.strategies.research import ml_ensemble, regime_classifier_pm
from qgtm_core.strategies.spec import Strategy


def judged(strategy: Strategy, **values: Any) -> dict[str, Any]:
    """What the rule says about one row."""
    panel = pl.DataFrame({name: [value] for name, value in values.items()}, schema=dict.fromkeys(values, pl.Float64))
    return strategy.rule(panel, strategy.params).row(0, named=True)


def confidence(quality: float, score: float) -> float:
    return quality * (0.3 + 0.7 * abs(score))


def regime(t_63: float, p: tuple[float, float, float] = (0.6, 0.3, 0.1), changed: float = 0.1) -> dict[str, Any]:
    names = dict(zip(regime_classifier_pm.PROBABILITIES, p, strict=True))
    return judged(regime_classifier_pm.STRATEGY, **names, gld_t_63=t_63, change_probability_10=changed)


def test_the_regime_score_follows_the_trend_in_its_trending_part():
    up, down = regime(1.2), regime(-1.2)
    assert up["score"] == pytest.approx(0.4, abs=5e-4)
    assert down["score"] == pytest.approx(-0.32, abs=5e-4)
    assert up["quality"] == pytest.approx(0.1827, abs=5e-4)
    assert confidence(up["quality"], up["score"]) == pytest.approx(0.1059, abs=5e-4)


def test_a_recent_change_halves_the_quality():
    assert regime(1.0, changed=0.51)["quality"] == pytest.approx(0.1827 / 2, abs=5e-4)
    assert regime(1.0, changed=0.5)["quality"] == pytest.approx(0.1827, abs=5e-4)


def test_a_certain_state_has_full_quality_and_an_even_one_none():
    assert regime(1.0, (1.0, 0.0, 0.0)) == pytest.approx({"score": 0.6, "quality": 1.0})
    assert regime(1.0, (0.0, 0.0, 1.0))["score"] == pytest.approx(0.4)
    assert regime(1.0, (1 / 3, 1 / 3, 1 / 3))["quality"] == pytest.approx(0.0, abs=1e-12)
    assert math.isclose(regime(0.0)["score"], 0.04)


def ensemble(**changed: float) -> dict[str, Any]:
    values = {"p_gbm": 0.58, "p_logit": 0.54, "p_ridge": 0.61, "auc": 0.53, "coverage": 1.0, **changed}
    return judged(ml_ensemble.STRATEGY, **values)


def test_the_ensemble_weighs_its_learners():
    found = ensemble()
    assert found["score"] == pytest.approx(0.1550, abs=5e-4)
    assert confidence(found["quality"], found["score"]) == pytest.approx(0.2451, abs=5e-4)
    assert found["reason"] is None


@pytest.mark.parametrize(("auc", "quality"), [(0.47, 0.0), (0.5, 0.0), (0.55, 1.0), (0.7, 1.0)])
def test_without_skill_there_is_no_quality(auc, quality):
    assert ensemble(auc=auc)["quality"] == pytest.approx(quality)


def test_too_few_usable_features_are_missing_data():
    assert ensemble(coverage=0.89)["reason"] == "MISSING"
    assert ensemble(coverage=0.9)["reason"] is None


@pytest.mark.parametrize("strategy", [regime_classifier_pm.STRATEGY, ml_ensemble.STRATEGY], ids=lambda s: s.id)
def test_no_model_no_opinion(strategy):
    names = [c for item in strategy.inputs for c in item.columns]
    found = judged(strategy, **dict.fromkeys(names, None) | {"coverage": 1.0, "auc": None})
    assert found["score"] is None
