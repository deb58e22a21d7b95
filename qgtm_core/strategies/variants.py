"""Parameters of a rule: where they stand, which of them the rule computes with, and copies with others.

A place is where a leaf stands in the parameters: `("z0",)`, `("w", 1)`, `("w", "gold_seasonality")`.

Look-backs of features are baked into the feature tables: a rule reads them only to name a column
(`f"flow_z_{params['win']}"`), and another value names a column that does not exist. Such parameters, and those no rule
reads at all, cannot be varied without computing the features again, so they are not varied here.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.spec import Strategy

Place = tuple[str | int, ...]
_Told = Callable[[Place], None]


def read_by(strategy: Strategy, panel: pl.DataFrame) -> frozenset[Place]:
    """Return the places of the numeric leaves the rule computes with, in one run over a panel as `build_panel` makes.

    Left out are leaves it does not read and leaves it writes into a text, which is the name of a column.
    """
    read, named = set[Place](), set[Place]()
    watched = _watched(strategy.params, (), read.add, named.add)
    strategy.rule(panel, watched)
    return frozenset(place for place in read - named if is_number(value_at(strategy.params, place)))


class _Whole(int):
    """An integer that tells when it becomes text."""

    told: Callable[[], None]

    def __format__(self, spec: str) -> str:
        self.told()
        return format(int(self), spec)

    def __str__(self) -> str:
        self.told()
        return str(int(self))


class _Fraction(float):
    """A decimal number that tells when it becomes text."""

    told: Callable[[], None]

    def __format__(self, spec: str) -> str:
        self.told()
        return format(float(self), spec)

    def __str__(self) -> str:
        self.told()
        return str(float(self))


class _Watched(Mapping[str, Any]):
    """Parameters that tell which of their leaves are read; of a list all at once."""

    def __init__(self, held: Mapping[str, Any], at: Place, read: _Told, named: _Told) -> None:
        self._held, self._at, self._read, self._named = held, at, read, named

    def __getitem__(self, key: str) -> Any:
        return _watched(self._held[key], (*self._at, key), self._read, self._named)

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)


def _watched(value: Any, at: Place, read: _Told, named: _Told) -> Any:
    if isinstance(value, Mapping):
        return _Watched(value, at, read, named)
    if isinstance(value, list | tuple):
        return type(value)(_watched(item, (*at, n), read, named) for n, item in enumerate(value))
    read(at)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    number = _Whole(value) if isinstance(value, int) else _Fraction(value)
    number.told = lambda: named(at)
    return number


def value_at(params: Mapping[str, Any], place: Place) -> Any:
    """The leaf at a place."""
    value: Any = params
    for key in place:
        value = value[key]
    return value


def with_values(params: Mapping[str, Any], values: Mapping[Place, Any]) -> dict[str, Any]:
    """A copy of the parameters with these leaves changed."""
    changed = copy.deepcopy(dict(params))
    for place, value in values.items():
        held: Any = changed
        for key in place[:-1]:
            held = held[key]
        held[place[-1]] = value
    return changed


def name_of(place: Place) -> str:
    """A place as it is written: `z0`, `w[1]`, `w.gold_seasonality`."""
    head, *rest = place
    return str(head) + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in rest)


def leaves(params: Mapping[str, Any]) -> tuple[Place, ...]:
    """Places of all numeric leaves, in the order they stand."""
    return tuple(place for place, value in _walk(params, ()) if is_number(value))


def _walk(value: Any, at: Place) -> Iterator[tuple[Place, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _walk(item, (*at, key))
    elif isinstance(value, list | tuple):
        for n, item in enumerate(value):
            yield from _walk(item, (*at, n))
    else:
        yield at, value


def is_number(value: Any) -> bool:
    """True for a finite number or a boolean."""
    return isinstance(value, int | float) and math.isfinite(value)
