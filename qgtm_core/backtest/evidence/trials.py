"""Trials: one strategy under many parameter sets, its panel laid out once and only the rule run again.

What can be varied is what the rule computes with (`variants.read_by`). Look-backs of features cannot: they are baked
into the feature tables, and a rule reads them only to name a column. A parameter set the rule cannot work with is a
fault, kept with its reason; a rule that fails with its registered parameters is an error.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core.errors import ConfigError, QgtmError
from qgtm_core.strategies.evaluate import evaluate_all, in_order
from qgtm_core.strategies.grid import Floats, Ints, Shelf
from qgtm_core.strategies.opinions import opinions
from qgtm_core.strategies.panel import Panel, Span, build_panel, signal_key, span_of
from qgtm_core.strategies.spec import Strategy, consumed, params_hash_of
from qgtm_core.strategies.variants import Place, is_number, leaves, name_of, read_by, value_at, with_values
from qgtm_core.universe import TRADED

FACTORS = (0.75, 1.25)
LIMIT = 512  # parameter sets of one grid
Grids = Mapping[str, Mapping[str, Sequence[float]]]  # strategy id -> parameter name -> values
_DIGITS = 12  # of a varied value, so that 0.3 x 0.75 is 0.225
_FAULTS = (QgtmError, pl.exceptions.PolarsError, ArithmeticError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Trial:
    """One parameter set; `changed` says how it differs from the registered one ("" = not at all).

    `params_hash` is that of a strategy registered with these parameters.
    """

    strategy_id: str
    params: Mapping[str, Any]
    changed: str
    params_hash: str

    @classmethod
    def of(cls, strategy_id: str, params: Mapping[str, Any], changed: str = "") -> Self:
        """A trial with its hash."""
        return cls(strategy_id, params, changed, params_hash_of(strategy_id, params))


@dataclass(frozen=True, slots=True)
class Family:
    """The trials of one strategy that could be evaluated, the registered first, and what they said.

    `scores` is (trials, sessions, symbols), NaN where silent; a strategy's symbols outside `symbols` are left out.
    `first_alike` gives for each trial the first one with the same scores to the last bit: itself where nothing before
    it is alike (parameters of quality or of events that never came change no score). `faulted` are the trials without
    scores, `faults` the reason of each by its hash.
    """

    strategy_id: str
    symbols: tuple[str, ...]
    trials: tuple[Trial, ...]
    scores: Floats
    first_alike: Ints
    faulted: tuple[Trial, ...]
    faults: Mapping[str, str]

    @property
    def distinct(self) -> Ints:
        """Numbers of the trials whose scores no earlier trial has."""
        return np.flatnonzero(self.first_alike == np.arange(len(self.trials)))


def moved(value: float) -> tuple[float, ...]:
    """Return the neighbours of a leaf: x 0.75 and x 1.25, an integer by at least one, a boolean its opposite.

    A zero has none: it has no size to take a share of. Who wants to vary one names its values in a grid.
    """
    if isinstance(value, bool):
        return (not value,)
    if value == 0:
        return ()
    low, high = sorted(float(f"{value * factor:.{_DIGITS}g}") for factor in FACTORS)
    if isinstance(value, int):
        return min(round(low), value - 1), max(round(high), value + 1)
    return low, high


def neighbourhood(strategy: Strategy, read: Iterable[Place]) -> tuple[Trial, ...]:
    """Return the registered set, then each leaf that is read moved on its own, in the order they stand.

    Weights are not brought back to a sum of one: only the rule may do that.
    """
    places = frozenset(read)
    varied = [place for place in leaves(strategy.params) if place in places]
    changes = [{place: value} for place in varied for value in moved(value_at(strategy.params, place))]
    return _registered(strategy), *(_changed(strategy, change) for change in changes)


def sweep(strategy: Strategy, grid: Mapping[str, Sequence[float]], read: Iterable[Place]) -> tuple[Trial, ...]:
    """Return the registered set, then all other combinations of the values given by name (`z0`, `w[1]`).

    Raises ConfigError on a name that is none of `read`, on an empty or wrong list of values, and on more than LIMIT
    combinations.
    """
    known, places = {name_of(place): place for place in leaves(strategy.params)}, frozenset(read)
    usable = [name for name, place in known.items() if place in places]
    for name, values in grid.items():
        if name not in usable:
            why = "names a column of the features or is not read" if name in known else "does not exist"
            raise ConfigError(f"{strategy.id}: parameter {name!r} {why}; vary {', '.join(usable) or 'nothing'}")
        if not values or not all(is_number(value) for value in values) or len(set(values)) < len(values):
            raise ConfigError(f"{strategy.id}: parameter {name!r} needs a list of different numbers, not {values!r}")
    combinations = math.prod(len(values) for values in grid.values())
    if combinations > LIMIT:
        raise ConfigError(f"{strategy.id}: {combinations} parameter sets are too many for one grid; at most {LIMIT}")
    made = [
        _changed(strategy, {known[name]: value for name, value in zip(grid, combination, strict=True)})
        for combination in itertools.product(*grid.values())
    ]
    return _registered(strategy), *(trial for trial in made if trial.changed)


def evaluate_trials(
    strategy: Strategy,
    features: Mapping[str, pl.DataFrame],
    sessions: pl.DataFrame,
    trials: Sequence[Trial] | None = None,
    *,
    grid: Mapping[str, Sequence[float]] | None = None,
    shelf: Shelf | None = None,
    symbols: tuple[str, ...] = TRADED,
) -> Family:
    """Evaluate a strategy under each parameter set: `trials`, else the `grid`, else the neighbourhood.

    `features` and `sessions` are those of `evaluate`, the signals it consumes under `signal_key` included; a `shelf`
    over sessions that end with these replaces `features`. A strategy declared DEAD speaks. The registered set scores
    to the last bit what `evaluate` scores. Raises ConfigError when the first trial is not the registered set or there
    are no sessions, and whatever the rule raises with its registered parameters.
    """
    asked = in_order(sessions)
    if asked.is_empty():
        raise ConfigError(f"{strategy.id}: there are no sessions to evaluate trials on")
    span = span_of(strategy, asked)
    panel = build_panel(strategy, shelf or Shelf(features, span.sessions), span)
    chosen = tuple(trials) if trials is not None else _design(strategy, read_by(strategy, panel.frame), grid)
    if not chosen or chosen[0].params_hash != strategy.params_hash:
        raise ConfigError(f"{strategy.id}: the first trial is not the registered parameter set")
    place = np.searchsorted(span.sessions, asked["session"].cast(pl.Int32).to_numpy())
    return _family(strategy, panel, span, place, chosen, symbols)


def families(
    chosen: Iterable[str],
    registry: Mapping[str, Strategy],
    features: Mapping[str, pl.DataFrame],
    sessions: pl.DataFrame,
    *,
    signals: Mapping[str, pl.DataFrame] | None = None,
    symbols: tuple[str, ...] = TRADED,
    grids: Grids | None = None,
) -> Iterator[Family]:
    """Evaluate the grids, else neighbourhoods, of several daily strategies, one after the other over shared tables.

    Those that consume signals are given `signals` of the registered parameters by id, dead strategies not silenced;
    they are computed where these are not given.
    """
    strategies = [registry[key] for key in chosen]
    asked = in_order(sessions)
    children = dict.fromkeys(child for s in strategies for child in consumed(s, registry))
    if signals is None:
        signals = evaluate_all({c: registry[c] for c in children}, features, asked, include_quarantined=True)
    if not strategies or asked.is_empty():
        return
    held = span_of(max(strategies, key=lambda s: s.lookback), asked).sessions
    shared = Shelf(features, held)
    for strategy in strategies:
        shelf = shared
        if strategy.consumes:
            told = {signal_key(child): signals[child] for child in consumed(strategy, registry)}
            shelf = Shelf({**{t: features[t] for t in strategy.tables if t in features}, **told}, held)
        grid = (grids or {}).get(strategy.id)
        yield evaluate_trials(strategy, features, asked, grid=grid, shelf=shelf, symbols=symbols)


def _design(strategy: Strategy, read: Iterable[Place], grid: Mapping[str, Sequence[float]] | None) -> tuple[Trial, ...]:
    return neighbourhood(strategy, read) if grid is None else sweep(strategy, grid, read)


def _family(
    strategy: Strategy,
    panel: Panel,
    span: Span,
    place: NDArray[np.intp],
    trials: Sequence[Trial],
    symbols: Sequence[str],
) -> Family:
    """Run the rule for every trial; only the registered one may not fail."""
    kept: list[Trial] = []
    said: list[Floats] = []
    faults: dict[str, str] = {}
    for trial in trials:
        try:
            said.append(opinions(replace(strategy, params=trial.params), panel, span).said(place))
        except _FAULTS as fault:
            if trial.params_hash == strategy.params_hash:
                raise
            faults[trial.params_hash] = f"{type(fault).__name__}: {' '.join(str(fault).split())}"[:200]
            continue
        kept.append(trial)
    own = sorted(strategy.symbols)
    there = [n for n, symbol in enumerate(own) if symbol in symbols]
    scores = np.full((len(kept), len(place), len(symbols)), np.nan)
    scores[:, :, [symbols.index(own[n]) for n in there]] = np.stack(said)[:, :, there]
    seen: dict[bytes, int] = {}
    alike = np.array([seen.setdefault(score.tobytes(), n) for n, score in enumerate(said)])
    faulted = tuple(trial for trial in trials if trial.params_hash in faults)
    return Family(strategy.id, tuple(symbols), tuple(kept), scores, alike, faulted, faults)


def _registered(strategy: Strategy) -> Trial:
    return Trial.of(strategy.id, strategy.params)


def _changed(strategy: Strategy, values: Mapping[Place, float]) -> Trial:
    params = strategy.params
    differ = {place: value for place, value in values.items() if value != value_at(params, place)}
    said = [f"{name_of(place)} {value_at(params, place):g} → {value:g}" for place, value in differ.items()]
    return Trial.of(strategy.id, with_values(params, differ), ", ".join(said))
