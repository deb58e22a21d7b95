"""Fits of the meta-labeller made by hand: one small tree, for tests that need some fit and not years of signals."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import polars as pl

from qgtm_core.models import meta
from qgtm_core.models.ensemble import Learner
from qgtm_core.models.spec import Fit, model_row, refit_sessions
from qgtm_core.models.trees import Trees
from qgtm_core.schemas.pit import PIT_TABLES


def payload(primaries: Sequence[str]) -> str:
    """Strong signals are kept, weak ones dropped in a likely crisis and halved otherwise."""
    size, crisis = meta.COLUMNS.index("size"), meta.COLUMNS.index("p_crisis")
    tree = Trees(
        feature=np.array([[size, crisis, 0, 0, 0]]),
        threshold=np.array([[0.4, 0.3, 0.0, 0.0, 0.0]]),
        left=np.array([[1, 3, 2, 3, 4]]),
        right=np.array([[2, 4, 2, 3, 4]]),
        missing_left=np.array([[True, True, True, True, True]]),
        value=np.array([[0.0, 0.0, 1.0, 0.0, -1.0]]),
        depth=2,
    )
    return meta.to_payload(sorted(primaries), Learner(tree, np.array([-1.0, 0.0, 1.0]), np.array([0.4, 0.5, 0.6])))


def fits(primaries: Sequence[str], first: dt.date, last: dt.date) -> pl.DataFrame:
    """One such fit on every session of a fit whose row belongs to first..last."""
    made = Fit(payload(primaries), 500, first, auc_oos=0.5)
    rows = [model_row(meta.SPEC, day, made, "meta_models") for day in refit_sessions(meta.SPEC, first, last)]
    return pl.concat([PIT_TABLES["meta_models"].empty(), *rows])
