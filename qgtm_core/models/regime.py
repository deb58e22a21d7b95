"""The regime model of id 60: three states of gold's surroundings, fitted to five features as known at each session."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import polars as pl

from qgtm_core.maths.regimes import FloatArray, GaussianHmm, fit_hmm
from qgtm_core.models.spec import Fit, ModelSpec, Refit

# x of the model, in this order; all of features/regime
COLUMNS = ("gld_t_5", "real_10y_zchg_20", "uup_zchg_20", "vix_pr_252", "gvz_z_252")
VOLATILITY = (3, 4)  # which of them measure volatility
RETURN = 0
STATES = ("trending", "mean_reverting", "crisis")  # in the order in which a stored model keeps them

SPEC = ModelSpec(
    model_id="regime_classifier_pm",
    refit=Refit.QUARTERLY,
    min_observations=1260,
    shadow_sessions=30,
    params={"columns": COLUMNS, "states": len(STATES), "restarts": 10, "seed": 60},
)


def fit_regime(inputs: pl.DataFrame, spec: ModelSpec = SPEC) -> Fit | None:
    """Fit to all rows of `session` and COLUMNS that are complete; None when they are too few."""
    rows = inputs.select("session", *COLUMNS).drop_nulls().sort("session")
    if rows.height < spec.min_observations:
        return None
    x = rows.select(COLUMNS).to_numpy()
    hmm, likelihood = fit_hmm(x, spec.params["states"], spec.params["seed"], spec.params["restarts"])
    last = rows["session"][-1]
    assert isinstance(last, dt.date)
    return Fit(to_payload(ordered(hmm, x)), rows.height, last, log_likelihood=likelihood)


def ordered(hmm: GaussianHmm, x: FloatArray) -> GaussianHmm:
    """Put the states in the order of STATES: by volatility first, then by mean.

    The crisis is the state with the highest mean volatility (both measures in units of their standard deviation in x);
    of the others the trending one has the mean return that is larger in size.
    """
    scale = x.std(axis=0, ddof=1)
    volatility = sum(hmm.mean[:, d] / scale[d] for d in VOLATILITY)
    crisis = int(np.argmax(volatility))
    rest = [k for k in range(len(hmm.start)) if k != crisis]
    rest.sort(key=lambda k: -abs(hmm.mean[k, RETURN]))
    order = [*rest, crisis]
    return GaussianHmm(hmm.start[order], hmm.transition[np.ix_(order, order)], hmm.mean[order], hmm.variance[order])


def to_payload(hmm: GaussianHmm) -> str:
    """The model as text; reading it back gives the same bits."""
    arrays = {name: getattr(hmm, name).tolist() for name in ("start", "transition", "mean", "variance")}
    return json.dumps({"columns": COLUMNS, "states": STATES, **arrays})


def from_payload(text: str) -> GaussianHmm:
    """Read a stored model."""
    held = json.loads(text)
    return GaussianHmm(*(np.asarray(held[name]) for name in ("start", "transition", "mean", "variance")))
