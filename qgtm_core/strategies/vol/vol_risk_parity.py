"""A long base of equal risk, scaled down when the whole is volatile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from qgtm_core.maths.allocation import equal_risk_contribution, inverse_volatility
from qgtm_core.strategies.replay import Matrix, by_leg, flat
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {
    "lam": 0.97,
    "corr_win": 126,
    "vol_target": 0.12,
    "use_erc": False,
    "min_symbols": 3,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return weights over the largest of them, times target over portfolio volatility (at most one).

    A symbol without a volatility, or without correlations to the others, gets null and the rest share the risk.
    """
    volatility = by_leg(panel, f"vol_ewma_{params['lam'] * 100:.0f}")
    correlation = _correlations(panel, f"corr_{params['corr_win']}", volatility.shape)
    active = _active(volatility, correlation)
    volatility = np.where(active, volatility, np.nan)
    covariance = np.where(active[:, :, None] & active[:, None, :], correlation, 0.0)
    covariance *= np.nan_to_num(volatility)[:, :, None] * np.nan_to_num(volatility)[:, None, :]
    weights = inverse_volatility(volatility)
    if params["use_erc"]:
        weights = _equal_risk(weights, covariance, active)
    portfolio = np.sqrt(np.maximum(np.einsum("si,sij,sj->s", weights, covariance, weights), 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.minimum(1.0, params["vol_target"] / portfolio)
        score = weights / weights.max(axis=1, keepdims=True) * scale[:, None]
    return pl.DataFrame([flat("score", np.where(active, score, np.nan))]).with_columns(quality=pl.lit(1.0))


def _correlations(panel: pl.DataFrame, column: str, shape: tuple[int, ...]) -> Matrix:
    """Return (sessions, legs, legs) with ones on the diagonal; each leg's own rows carry its pairs."""
    sessions, legs = shape
    symbols = panel["symbol"].head(legs).to_list()
    pairs = [(i, j) for i in range(legs) for j in range(legs) if i < j]
    names = [f"{column}@{'/'.join(sorted((symbols[i], symbols[j])))}" for i, j in pairs]
    values = panel.select(names).to_numpy().astype(float).reshape(sessions, legs, len(pairs))
    matrix = np.broadcast_to(np.eye(legs), (sessions, legs, legs)).copy()
    for n, (i, j) in enumerate(pairs):
        matrix[:, i, j], matrix[:, j, i] = values[:, i, n], values[:, j, n]
    return matrix


def _active(volatility: Matrix, correlation: Matrix) -> np.ndarray:
    """Return which legs take part: while a correlation is missing, the leg with most of them missing drops out."""
    active = np.isfinite(volatility) & (volatility > 0.0)
    for _ in range(volatility.shape[1]):
        missing = ~np.isfinite(correlation) & active[:, :, None] & active[:, None, :]
        count = missing.sum(axis=2)
        worst = count.shape[1] - 1 - count[:, ::-1].argmax(axis=1)  # of equals, the one listed last
        rows = np.flatnonzero(count.any(axis=1))
        active[rows, worst[rows]] = False
    return active


def _equal_risk(weights: Matrix, covariance: Matrix, active: np.ndarray) -> Matrix:
    """Replace each session's weights by those of equal risk contribution among its active legs."""
    for n in np.flatnonzero(active.any(axis=1)):
        members = np.flatnonzero(active[n])
        weights[n, members] = equal_risk_contribution(covariance[n][np.ix_(members, members)])
    return weights


STRATEGY = Strategy(
    id="vol_risk_parity",
    number=38,
    category="vol",
    status=StrategyStatus.PAPER,
    cadence=Cadence.WEEKLY,
    horizon_sessions=21,
    symbols=("GLD", "SLV", "PPLT", "PALL", "GDX"),
    inputs=(
        Input("momentum", ("vol_ewma_97",), warmup=126, data=("prices[symbol={symbol}].adj_close",)),
        Input("correlation", ("corr_126",), warmup=126, data=("prices[symbol={symbol}].adj_close",)),
    ),
    params=PARAMS,
    rule=rule,
    capacity="High",
    exposures=("GOLD+", "SILVER_REL+", "VOL-"),
    source="Maillard, Roncalli & Teiletche 2010; Moreira & Muir 2017",
    rationale="An equal-risk long base, scaled down when volatility is high, earns more for its risk.",
    min_symbols=PARAMS["min_symbols"],
    formula="score_i = w_i / max(w) * min(1, 12 % / sqrt(w'Cov w)), w_i in proportion to 1/vol_i; vol by EWMA(0.97)",
    differs={"tsmom": "long of every metal, by risk alone; that one takes the side of each metal's last year"},
)
