"""Charts of a few figures each: folds, paths, years, regimes and capital."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from qgtm_core.backtest.metrics import sharpe_standard_error
from qgtm_resources.tearsheets.results import Record
from qgtm_resources.tearsheets.svg import Band, Chart, Floats, Key, Mark, Scale, Tick, line, scale_of, signed

NORMAL_95 = 1.959964  # two-sided quantile of the normal distribution
MAX_LABELS = 8
DODGE = 0.16  # of a slot: how far the two dots of a fold stand apart


def by_label(record: Record, method: str, title: str, note: str, *, samples: bool) -> Chart | None:
    """Sharpe ratio with its 95 % interval, one dot a label (a year, a regime)."""
    rows = record.method(method).filter(pl.col("sharpe").is_not_null() & (pl.col("sessions") > 1))
    if rows.is_empty():
        return None
    listed = list(rows.iter_rows(named=True))
    errors = [NORMAL_95 * sharpe_standard_error(r["sharpe"], r["sessions"]) for r in listed]
    sharpes = np.array([r["sharpe"] for r in listed])
    scale = scale_of(sharpes - errors, sharpes + errors)
    marks: list[Mark] = []
    for place, row, error in zip(_slots(len(listed)), listed, errors, strict=True):
        value = row["sharpe"]
        title_ = (
            f"{row['label']}: Sharpe {signed(value, 2)}, 95 % interval {signed(value - error, 2)} to "
            f"{signed(value + error, 2)}, n = {row['sessions']:,} sessions"
        )
        top = scale.px(value + error)
        marks += [
            Mark("whisker", _sign(value), x=place, y=top, height=round(scale.px(value - error) - top, 2)),
            Mark("dot", _sign(value), title_, x=place, y=scale.px(value)),
        ]
    below = [f"n = {r['sessions']:,}" for r in listed] if samples else []
    return _chart(method.lower(), title, note, marks, [r["label"] for r in listed], scale, below=below)


def folds(record: Record) -> Chart | None:
    """Walk-forward, expanding: the choice's Sharpe ratio in training and in the test that followed."""
    rows = record.method("EXPANDING")
    if rows.is_empty():
        return None
    trained, tested = (rows[name].fill_null(np.nan).to_numpy() for name in ("in_sample_sharpe", "sharpe"))
    scale = scale_of(trained, tested)
    slot = 100.0 / len(rows)
    marks: list[Mark] = []
    for place, row in zip(_slots(len(rows)), rows.iter_rows(named=True), strict=True):
        text = (
            f"test {row['first']} to {row['last']}, {row['sessions']} sessions: "
            f"training {_sharpe(row['in_sample_sharpe'])}, test {_sharpe(row['sharpe'])}; "
            f"parameters {row['trial'] or 'as registered'}"
        )
        for css, name, shift in (("d-soft", "in_sample_sharpe", -DODGE), ("", "sharpe", DODGE)):
            value = row[name]
            if value is not None and math.isfinite(value):
                x = round(place + shift * slot, 3)
                marks.append(Mark("dot", css or _sign(value), text, x=x, y=scale.px(value)))
    keys = [
        Key("d-soft", "in training, mean", _sharpe(_mean(trained))),
        Key("d-pos", "in the test, mean", _sharpe(_mean(tested))),
    ]
    note = (
        "Each pair is one test: the parameters chosen in all sessions before it, and what they did in it; "
        "below zero in the other colour."
    )
    labels = [str(day.year) for day in rows["first"]]
    return _chart("folds", "Sharpe ratio by walk-forward test", note, marks, labels, scale, keys)


def paths(record: Record) -> Chart | None:
    """Sharpe ratio of every combinatorial path, lowest first."""
    values = np.sort(record.method("CPCV")["sharpe"].drop_nulls().to_numpy())
    if not len(values):
        return None
    e = record.evidence
    scale = scale_of(values)
    marks = [
        Mark("dot", _sign(v), f"{signed(v, 2)}: path {k} of {len(values)}, lowest first", x=place, y=scale.px(v))
        for k, (place, v) in enumerate(zip(_slots(len(values)), values, strict=True), 1)
    ]
    keys = [
        Key("", name, signed(e[column], 2))
        for column, name in (("cpcv_low", "5 %"), ("cpcv_median", "median"), ("cpcv_high", "95 %"))
        if e.get(column) is not None
    ]
    note = f"Combinatorial purged cross-validation: {len(values)} ways through history, sorted."
    return _chart(
        "paths", "Sharpe ratio by path", note, marks, [str(k) for k in range(1, len(values) + 1)], scale, keys
    )


def capacity(record: Record) -> Chart | None:
    """Net Sharpe ratio against capital, with the capacity marked."""
    rows = record.method("CAPACITY").with_columns(usd=pl.col("label").cast(pl.Float64))
    rows = rows.filter(pl.col("sharpe").is_not_null())
    if rows.height < 2:
        return None
    usd, sharpe = rows["usd"].to_numpy(), rows["sharpe"].to_numpy()
    low, high = math.log10(usd[0]), math.log10(usd[-1])
    across: Floats = (np.log10(usd) - low) / (high - low)
    scale = scale_of(sharpe)
    marks = [Mark("line", "l1", "net Sharpe", line(across, sharpe, scale))]
    marks += [
        Mark("dot", "d-1", f"USD {money(u)}: Sharpe {signed(s, 2)}", x=round(float(a) * 100, 2), y=scale.px(float(s)))
        for a, u, s in zip(across, usd, sharpe, strict=True)
    ]
    powers = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    ticks = [Tick(round((p - low) / (high - low) * 100.0, 2), money(10.0**p)) for p in powers]
    limit, bands = record.evidence.get("capacity_usd"), []
    if limit is not None and usd[0] < limit < usd[-1]:
        cut = round((math.log10(limit) - low) / (high - low) * 100.0, 2)
        bands = [Band(cut, round(100.0 - cut, 2), "is", f"beyond capacity, USD {money(limit)}")]
    return Chart(
        id="capacity", title="Capacity", unit="annual Sharpe ratio, after costs", marks=marks, x_ticks=ticks,
        note="Against capital in USD, logarithmic. Capacity is where impact takes half of the Sharpe ratio before it.",
        y_ticks=scale.ticks(), zero=scale.zero, bands=bands,
    )  # fmt: skip


def money(usd: float) -> str:
    """Short dollars: 250 k, 1.5 M, 2 bn."""
    for size, suffix in ((1e9, " bn"), (1e6, " M"), (1e3, " k")):
        if usd >= size * 0.9995:
            return f"{usd / size:.3g}{suffix}"
    return f"{usd:.0f}"


def _chart(
    name: str,
    title: str,
    note: str,
    marks: list[Mark],
    labels: list[str],
    scale: Scale,
    keys: Sequence[Key] = (),
    below: Sequence[str] = (),
) -> Chart:
    places, step = _slots(len(labels)), -(-len(labels) // MAX_LABELS)
    ticks = [Tick(places[k], labels[k], below[k] if below else "") for k in range(0, len(labels), step)]
    return Chart(
        id=name, title=title, unit="annual, after costs", note=note, marks=marks, x_ticks=ticks,
        y_ticks=scale.ticks(), zero=scale.zero, keys=keys,
    )  # fmt: skip


def _slots(count: int) -> list[float]:
    """The middle of each of `count` equal slots, in percent."""
    return [round((k + 0.5) / count * 100.0, 2) for k in range(count)]


def _sign(value: float) -> str:
    return "d-neg" if value < 0.0 else "d-pos"


def _mean(values: Floats) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None


def _sharpe(value: float | None) -> str:
    return "none" if value is None or not math.isfinite(value) else signed(value, 2)
