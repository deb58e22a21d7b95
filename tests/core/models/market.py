"""A small market in which the learning models can be fitted within seconds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import polars as pl

from qgtm_core.features import learning, regime
from qgtm_core.models import ensemble, walk_forward
from qgtm_core.models import regime as regime_model
from qgtm_core.models.walk_forward import Trainer
from qgtm_core.pit import as_of
from qgtm_core.schemas.features.learning import COLUMNS
from qgtm_core.schemas.pit import PIT_TABLES
from tests.core import pit_frames

SYMBOLS = ("GLD", "SLV", "GDX", "SPY", "UUP", "TIP", "TLT")
ASKED = (dt.date(2016, 12, 1), dt.date(2017, 3, 31))

REGIME = replace(regime_model.SPEC, min_observations=120, params={**regime_model.SPEC.params, "restarts": 2})
ENSEMBLE = replace(
    ensemble.SPEC,
    min_observations=100,
    params={**ensemble.SPEC.params, "folds": 2, "trees": {**ensemble.TREES, "rounds": 8, "min_data_in_leaf": 30}},
)


def _macro(share: float) -> pl.DataFrame:
    first, second = pit_frames.macro(2, share), pit_frames.macro(9, share)
    names = {"VIXCLS": "GVZCLS", "T10YIE": "T10Y2Y"}
    other = second.filter(pl.col("series_id").is_in(list(names))).with_columns(pl.col("series_id").replace(names))
    return pl.concat([first, other])


@lru_cache(maxsize=2)
def pit(share: float = 0.0) -> Mapping[str, pl.DataFrame]:
    """The sources of both models, without fits."""
    return {
        "prices": pit_frames.prices(1, SYMBOLS, share),
        "macro": _macro(share),
        "positioning": pit_frames.positioning(3, share),
        "models": PIT_TABLES["models"].empty(),
    }


def trainers() -> tuple[Trainer, Trainer]:
    """Both models, with little history asked for and few rounds."""
    return (
        Trainer(REGIME, ("prices", "macro"), regime.inputs, lambda rows, _: regime_model.fit_regime(rows, REGIME)),
        Trainer(
            ENSEMBLE,
            ("prices", "macro", "positioning"),
            learning.inputs,
            lambda rows, known: ensemble.fit_rows(
                rows, as_of(known["prices"], dt.date(2099, 1, 1), ("symbol", "event_date")), COLUMNS, ENSEMBLE
            ),
        ),
    )


def fits(tables: Mapping[str, pl.DataFrame], first: dt.date, last: dt.date) -> pl.DataFrame:
    """Fits of both models whose rows belong to the range."""
    rows = [
        row
        for trainer in trainers()
        for row in walk_forward.fit_missing(trainer, tables, first, last, (), lambda *_: None)
    ]
    return pl.concat([PIT_TABLES["models"].empty(), *rows])


@lru_cache(maxsize=2)
def with_fits(share: float = 0.0) -> Mapping[str, pl.DataFrame]:
    """The market with the fits of its last year."""
    tables = pit(share)
    return {**tables, "models": fits(tables, dt.date(2016, 6, 1), pit_frames.LAST)}
