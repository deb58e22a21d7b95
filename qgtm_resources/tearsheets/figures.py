"""The figures of a record as text, each with its unit and its definition. Nothing is computed here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qgtm_core.backtest.evidence.gates import GATES, Verdict
from qgtm_core.backtest.metrics import METRICS
from qgtm_core.schemas.results import EVIDENCE_TABLE, METRICS_TABLE
from qgtm_resources.tearsheets.pointcharts import money
from qgtm_resources.tearsheets.results import Record, Row
from qgtm_resources.tearsheets.svg import signed

NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Spec:
    """How one column, or the two ends of an interval, is written."""

    columns: tuple[str, ...]
    label: str
    unit: str
    show: Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line: label, its values by column, unit; `title` says how it is defined."""

    label: str
    values: Mapping[str, str]
    unit: str
    title: str

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return any(text != NOTHING for text in self.values.values())


@dataclass(frozen=True, slots=True)
class GateLine:
    """One gate: what it looks at, the figure, the threshold, whether it passes."""

    column: str
    label: str
    value: str
    threshold: str
    unit: str
    passed: bool
    title: str

    @property
    def outcome(self) -> str:
        """In words; a gate without a figure that passes had nothing to judge."""
        if self.passed and self.value == NOTHING:
            return "does not apply"
        return "passed" if self.passed else "not passed"


def _ratio(value: float) -> str:
    return signed(value, 2)


def _share(value: float) -> str:
    return signed(value * 100.0, 2)


def _count(value: int) -> str:
    return f"{value:,}"


def _probability(value: float) -> str:
    return f"{value:.3f}"


def _one(value: float) -> str:
    return signed(value, 1)


_SHARPE = "annual"
GROUPS: Mapping[str, Sequence[Spec]] = {
    "Out of sample": (
        Spec(("oos_sharpe",), "Sharpe, walk-forward", _SHARPE, _ratio),
        Spec(("oos_low", "oos_high"), "95 % interval", _SHARPE, _ratio),
        Spec(("in_sample_sharpe",), "the same choices in training", _SHARPE, _ratio),
        Spec(("rolling_oos_sharpe",), "Sharpe, rolling training", _SHARPE, _ratio),
        Spec(("kfold_sharpe",), "Sharpe, purged k-fold", _SHARPE, _ratio),
        Spec(("cpcv_median",), "Sharpe, median of paths", _SHARPE, _ratio),
        Spec(("cpcv_low", "cpcv_high"), "5 % and 95 % of paths", _SHARPE, _ratio),
        Spec(("cpcv_paths",), "paths", "count", _count),
        Spec(("oos_sessions",), "sample", "sessions", _count),
    ),
    "Whole sample, registered parameters": (
        Spec(("sharpe",), "Sharpe, after costs", _SHARPE, _ratio),
        Spec(("sharpe_low", "sharpe_high"), "95 % interval", _SHARPE, _ratio),
        Spec(("gross_sharpe",), "Sharpe, before costs", _SHARPE, _ratio),
        Spec(("annual_return",), "return", "% a year", _share),
        Spec(("annual_vol",), "volatility", "% a year", _share),
        Spec(("max_drawdown",), "max drawdown", "% of the peak", _share),
        Spec(("first",), "first session", "", str),
        Spec(("last",), "last session", "", str),
        Spec(("sessions",), "sample", "sessions", _count),
    ),
    "Could it be luck?": (
        Spec(("dsr",), "deflated Sharpe", "probability", _probability),
        Spec(("dsr_library",), "deflated by the whole library", "probability", _probability),
        Spec(("psr",), "probabilistic Sharpe", "probability", _probability),
        Spec(("pbo",), "overfitting (PBO)", "probability", _probability),
        Spec(("trials",), "parameter sets tried", "count", _count),
        Spec(("trials_library",), "tried in the whole library", "count", _count),
    ),
    "Trading and costs": (
        Spec(("annual_turnover",), "turnover", "× a year", _one),
        Spec(("annual_cost",), "costs, all kinds", "% a year", _share),
        Spec(("cost_bp",), "costs", "bp of turnover", _one),
        Spec(("capacity_usd",), "capacity", "USD", money),
    ),
}
_UNITS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "decimal": ("%", _share), "share": ("%", _share), "annual": ("annual", _ratio), "ratio": ("ratio", _ratio),
    "sessions": ("sessions", _count),
}  # fmt: skip
_DRAWN = {column for specs in GROUPS.values() for spec in specs for column in spec.columns}
MORE = tuple(
    Spec((metric.id,), metric.label, *_UNITS[metric.unit]) for metric in METRICS.values() if metric.id not in _DRAWN
)
HASHES = ("evidence_hash", "data_hash", "params_hash", "costs_hash", "trials_hash", "code_version")
_BY_COLUMN = {column: spec for specs in (*GROUPS.values(), MORE) for spec in specs for column in spec.columns}


def groups_of(record: Record) -> list[tuple[str, list[Figure]]]:
    """The figures by group; groups of which nothing is known are left out."""
    values = {**record.metrics, **{k: v for k, v in record.evidence.items() if v is not None}}
    groups = [(name, [_figure(spec, values) for spec in specs]) for name, specs in GROUPS.items()]
    groups.append(("Shape of returns", [_figure(spec, values) for spec in MORE]))
    if not record.evidence:  # a replay alone: what was never asked is no gap
        groups = [(name, [figure for figure in lines if figure.known]) for name, lines in groups]
    return [(name, lines) for name, lines in groups if any(figure.known for figure in lines)]


def text_of(column: str, row: Row) -> str:
    """One figure as text, without its unit."""
    spec, value = _BY_COLUMN[column], row.get(column)
    return NOTHING if value is None else spec.show(value)


def gate_lines(row: Row) -> list[GateLine]:
    """The gates with figure, limit and outcome."""
    lines = []
    for gate in GATES:
        spec = _BY_COLUMN[gate.column]
        limit = f"{'≥' if gate.at_least else '≤'} {spec.show(gate.limit)}"
        outcome = gate.passes(row) if row else False
        lines.append(
            GateLine(
                gate.column, gate.name, text_of(gate.column, row), limit, spec.unit, outcome, definition(gate.column)
            )
        )
    return lines


def not_passed(row: Row) -> str:
    """Names of the gates a record does not pass, or what is missing."""
    if row["verdict"] == Verdict.NO_DATA.value:
        return str(row["failed"])
    return "; ".join(gate.name for gate in GATES if not gate.passes(row))


def definition(column: str) -> str:
    """What a column is, in the words of its declaration."""
    if column in EVIDENCE_TABLE.columns:
        return EVIDENCE_TABLE.columns[column].unit
    if column in METRICS:
        metric = METRICS[column]
        return f"{metric.definition}{f' ({metric.source})' if metric.source else ''}"
    return METRICS_TABLE.columns[column].unit if column in METRICS_TABLE.columns else ""


def _figure(spec: Spec, row: Row) -> Figure:
    values = {}
    for column in spec.columns:
        value = row.get(column)
        values[column] = NOTHING if value is None else spec.show(value)
    return Figure(spec.label, values, spec.unit, "; ".join(filter(None, map(definition, spec.columns))))


def day(value: dt.date | None) -> str:
    """A date, or a dash."""
    return NOTHING if value is None else str(value)
