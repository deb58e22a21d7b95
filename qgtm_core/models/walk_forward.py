"""Fitting walk-forward: every refit session that has no fit yet, each from the rows known at its decision."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from qgtm_core import calendar
from qgtm_core.features import learning, regime
from qgtm_core.features.common import PRICE_KEY
from qgtm_core.models import meta
from qgtm_core.models.ensemble import SPEC as ENSEMBLE
from qgtm_core.models.ensemble import fit_rows
from qgtm_core.models.regime import SPEC as REGIME
from qgtm_core.models.regime import fit_regime
from qgtm_core.models.spec import Fit, ModelSpec, model_row, refit_sessions
from qgtm_core.pit import as_of, cut
from qgtm_core.schemas.features.learning import COLUMNS

Pit = Mapping[str, pl.DataFrame]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Trainer:
    """One model and how it is fitted: `examples(pit, sessions)` once, then `fit(examples known, pit known)`.

    `examples` returns rows by `session`, each as known at its decision; a fit of T is given those up to T.
    """

    spec: ModelSpec
    sources: tuple[str, ...]  # PIT tables
    examples: Callable[[Pit, pl.DataFrame], pl.DataFrame]
    fit: Callable[[pl.DataFrame, Pit], Fit | None]


def _fit_regime(examples: pl.DataFrame, _: Pit) -> Fit | None:
    return fit_regime(examples)


def _fit_ensemble(examples: pl.DataFrame, known: Pit) -> Fit | None:
    bars = as_of(known["prices"], calendar.last_known_session(), PRICE_KEY)
    return fit_rows(examples, bars, COLUMNS)


TRAINERS: tuple[Trainer, ...] = (
    Trainer(REGIME, ("prices", "macro"), regime.inputs, _fit_regime),
    Trainer(ENSEMBLE, ("prices", "macro", "positioning"), learning.inputs, _fit_ensemble),
)


def fit_missing(
    trainer: Trainer, pit: Pit, first: dt.date, last: dt.date, held: Collection[dt.date], progress: Progress
) -> Iterator[pl.DataFrame]:
    """Yield a row for each fit whose row belongs to the sessions first..last and whose session is not in `held`.

    `pit` holds all rows known by then; a fit of T is given the rows known at the decision of T and no others. A
    session with too little history yields nothing.
    """
    due = [day for day in refit_sessions(trainer.spec, first, last) if day not in held]
    if not due:
        return
    days = calendar.schedule(calendar.FIRST_SESSION, due[-1]).select("session")
    examples = trainer.examples({name: cut(pit[name], due[-1]) for name in trainer.sources}, days)

    def fit(day: dt.date) -> Fit | None:
        known = {name: cut(pit[name], day) for name in trainer.sources}
        return trainer.fit(examples.filter(pl.col("session") <= day), known)

    yield from _fit_each(trainer.spec, "models", due, fit, progress)


def fit_missing_meta(
    wide: pl.DataFrame,
    prices: pl.DataFrame,
    first: dt.date,
    last: dt.date,
    held: Collection[dt.date],
    progress: Progress,
    spec: ModelSpec = meta.SPEC,
) -> Iterator[pl.DataFrame]:
    """The same for the meta-labeller, from stored signals and features (`meta.wide_frame`) and `pit/prices`."""
    due = [day for day in refit_sessions(spec, first, last) if day not in held]

    def fit(day: dt.date) -> Fit | None:
        return meta.fit_meta(wide.filter(pl.col("session") <= day), as_of(prices, day, PRICE_KEY), spec)

    yield from _fit_each(spec, "meta_models", due, fit, progress)


def _fit_each(
    spec: ModelSpec, table: str, due: Sequence[dt.date], fit: Callable[[dt.date], Fit | None], progress: Progress
) -> Iterator[pl.DataFrame]:
    for number, day in enumerate(due, start=1):
        found = fit(day)
        if found is not None:
            yield model_row(spec, day, found, table)
        progress(f"{spec.model_id} of {day}", number, len(due))
