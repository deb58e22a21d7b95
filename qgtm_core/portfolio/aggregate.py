"""Opinions of many strategies into one conviction a symbol. Sizes are not decided here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from qgtm_core.view import Array


def strategy_budgets(clusters: Sequence[str], caps: Mapping[str, float]) -> Array:
    """Share of the total budget of each strategy: equal, then clusters above their cap scaled down to it.

    Correlated strategies must not outvote the rest by number; what a cluster gives up goes to the others, which may
    lift another one over its cap, so caps are applied until all hold. Where every cluster is capped and the caps leave
    something over, it goes to all in proportion.
    """
    names = np.array(clusters, dtype=np.str_)
    budgets = np.full(len(names), 1.0 / max(len(names), 1))
    capped = np.zeros(len(names), dtype=bool)
    while over := [c for c, cap in caps.items() if budgets[(names == c) & ~capped].sum() > cap + 1e-12]:
        inside = names == over[0]
        budgets[inside] *= caps[over[0]] / budgets[inside].sum()
        capped |= inside
        rest = budgets[~capped].sum()
        if rest > 0.0:
            budgets[~capped] *= (1.0 - budgets[capped].sum()) / rest
        else:
            budgets /= budgets.sum() or 1.0
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
    return np.clip(conviction, -1.0, 1.0), np.maximum(disagreement, 0.0)  # rounding may step over the bounds
