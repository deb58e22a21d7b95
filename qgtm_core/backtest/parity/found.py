"""Holding runs beside each other, field by field, and keeping what differs. No cause is decided here. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from qgtm_core.backtest.parity.records import STRENGTH, Cause, Facts, Level

NOISE = 1e-9  # of a number, relative above 1
_HERE = "_here"


@dataclass(frozen=True, slots=True)
class Seen:
    """One field that differs. `as_staged` and `as_known` say whether that run gives the live value back."""

    key: Mapping[str, str]
    field: str
    live: Any
    again: Any
    unit: str
    as_staged: bool = False
    as_known: bool = False

    @property
    def by(self) -> float:
        """Size of the difference in the field's own unit; infinite where one side is no number."""
        both = (self.live, self.again)
        return abs(self.live - self.again) if all(isinstance(value, float) for value in both) else math.inf

    @property
    def rounded(self) -> bool:
        """Whether only the noise of floats differs."""
        return near(self.live, self.again)


@dataclass(slots=True)
class Found:
    """Differences so far, as rows of `ops/parity`."""

    facts: Facts
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, level: Level, seen: Seen, cause: Cause, explanation: str) -> None:
        """Keep one difference."""
        self.rows.append(
            {
                "session": self.facts.session,
                "book": self.facts.book,
                "level": level.value,
                "strategy_id": seen.key.get("strategy_id", ""),
                "symbol": seen.key["symbol"],
                "client_order_id": seen.key.get("client_order_id", ""),
                "field": seen.field,
                "live": _text(seen.live),
                "backtest": _text(seen.again),
                "difference": _difference(seen),
                "unit": seen.unit,
                "cause": cause.value,
                "explanation": explanation,
            }
        )

    def inherited(
        self, levels: Sequence[Level], symbol: str, strategies: Collection[str] | None = None
    ) -> tuple[Cause, str]:
        """The strongest cause among the differences of the stages before: of this symbol, or else of any.

        Symbols share one volatility target and the same limits, so another symbol's difference moves this one.
        """
        names = {level.value for level in levels}
        before = [
            row
            for row in self.rows
            if row["level"] in names
            and (strategies is None or not row["strategy_id"] or row["strategy_id"] in strategies)
        ]
        own = [row for row in before if row["symbol"] == symbol] or before
        if not own:
            return Cause.UNEXPLAINED, "no difference before this one accounts for it"
        strongest = min(own, key=lambda row: STRENGTH[row["cause"]])
        counted = ", ".join(f"{n} {level}" for level, n in Counter(row["level"] for row in own).items())
        place = " ".join(filter(None, (strongest["strategy_id"], strongest["symbol"], strongest["field"])))
        return Cause(strongest["cause"]), f"follows from {counted} differences, first {place}"


def near(left: Any, right: Any) -> bool:
    """Equal, or two numbers that differ by noise."""
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=NOISE, abs_tol=NOISE)
    return bool(left == right)


def beside(
    frames: Sequence[pl.DataFrame],
    key: Sequence[str],
    fields: Mapping[str, str],
    *,
    only_first_of_missing: bool = False,
) -> Iterator[Seen]:
    """Fields (with units) of live and again that differ, beside staged and known: `frames` in this order.

    A row that one of the two lacks differs in every field that the other one has, or in the first field alone.
    """
    names = ("", "_again", "_staged", "_known")[: len(frames)]
    wide = frames[0].select(*key, *fields, pl.lit(value=True).alias(_HERE))
    for frame, name in zip(frames[1:], names[1:], strict=True):
        other = frame.select(*key, pl.col(*fields).name.suffix(name), pl.lit(value=True).alias(_HERE + name))
        wide = wide.join(other, on=list(key), how="full", coalesce=True)
    wide = wide.filter(pl.any_horizontal(pl.col(_HERE, f"{_HERE}_again").is_not_null())).sort(key)
    first = next(iter(fields))
    whole = pl.all_horizontal(pl.col(_HERE, f"{_HERE}_again").is_not_null())
    for name, unit in fields.items():
        differs = pl.col(name).ne_missing(pl.col(f"{name}_again"))
        if only_first_of_missing and name != first:
            differs &= whole
        for row in wide.filter(differs).iter_rows(named=True):
            yield _seen(row, key, name, unit, names)


def _seen(row: Mapping[str, Any], key: Sequence[str], name: str, unit: str, names: Sequence[str]) -> Seen:
    def gives_back(run: str) -> bool:
        return run in names and row[_HERE] == row[_HERE + run] and near(row[name], row[name + run])

    return Seen(
        key={part: row[part] for part in key},
        field=name,
        live=row[name],
        again=row[f"{name}_again"],
        unit=unit,
        as_staged=gives_back("_staged"),
        as_known=gives_back("_known"),
    )


def _text(value: Any) -> str | None:
    return None if value is None else repr(value) if isinstance(value, float) else str(value)


def _difference(seen: Seen) -> float | None:
    """Live minus again; prices in basis points of the model's."""
    if not (isinstance(seen.live, float) and isinstance(seen.again, float)):
        return None
    if seen.unit == "bp":
        return (seen.live / seen.again - 1.0) * 1e4 if seen.again else None
    return seen.live - seen.again
