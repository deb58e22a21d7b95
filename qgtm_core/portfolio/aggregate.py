"""Opinions of many strategies into one conviction a symbol. Sizes are not decided here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from qgtm_core.view import Array


def strategy_budgets(clusters: Sequence[str], caps: Mapping[str, float]) -> Array:
    """Share of the total budget of each strategy: equal, then clusters above their cap scaled down to it.

    Correlated strategies must not outvote the rest by number; what a cluster gives up goes to the others.
    """
    names = np.array(clusters)
    budgets = np.full(len(names), 1.0 / max(len(names), 1))
    for cluster, cap in caps.items():
        inside = names == cluster
        held = budgets[inside].sum()
        if inside.all() or held <= cap:
            continue
        budgets[inside] *= cap / held
        budgets[~inside] *= (1.0 - cap) / budgets[~inside].sum()
    return budgets


def aggregate(score: Array, confidence: Array, budgets: Array) -> tuple[Array, Array]:
    """Return conviction in [-1, 1] and disagreement in [0, 1] by symbol.

    Conviction is the budget-weighted mean of confidence x score over the strategies that have an opinion on the
    symbol; one without a signal is left out of the mean (it is not a zero). NaN where none has one. Disagreement is
    1 - |sum| / sum of absolute votes: 0 = unanimous, 1 = they cancel.
    """
    known = np.isfinite(score) & np.isfinite(confidence)
    votes = np.where(known, score * confidence, 0.0) * budgets[:, None]
    weight = np.where(known, budgets[:, None], 0.0).sum(axis=0)
    absolute = np.abs(votes).sum(axis=0)
    total = votes.sum(axis=0)
    conviction = np.divide(total, weight, out=np.full(score.shape[1], np.nan), where=weight > 0)
    disagreement = 1.0 - np.divide(np.abs(total), absolute, out=np.ones(score.shape[1]), where=absolute > 0)
    return conviction, disagreement
