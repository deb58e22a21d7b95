"""Which charts a record gets: those its rows can fill, and no others."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import polars as pl

from qgtm_resources.tearsheets import pointcharts
from qgtm_resources.tearsheets.pointcharts import money
from qgtm_resources.tearsheets.results import Record
from qgtm_resources.tearsheets.svg import Band, Chart, Floats
from qgtm_resources.tearsheets.timecharts import (
    Curve,
    Dates,
    drawdown,
    exposure,
    growth,
    pct,
    rolling_sharpe,
    shading,
    stacked,
)

COSTS = (
    ("c1", "spread", "spread_1d"),
    ("c2", "impact", "impact_1d"),
    ("c3", "commission and fees", "commission_1d"),
    ("c4", "borrow", "borrow_1d"),
)


def charts_of(record: Record) -> list[Chart]:
    """All charts of one record, in reading order; none where nothing was ever earned or lost."""
    over_time = _of_portfolio(record) if record.portfolio.height > 1 else _of_strategy(record)
    points = (
        pointcharts.by_label(
            record, "YEAR", "Sharpe ratio by year", "95 % intervals, independent returns (Lo 2002).", samples=False
        ),
        pointcharts.by_label(
            record, "REGIME", "Sharpe ratio by regime", "95 % intervals, independent returns (Lo 2002).", samples=True
        ),
        pointcharts.folds(record),
        pointcharts.paths(record),
        pointcharts.capacity(record),
    )
    return [*over_time, *(chart for chart in points if chart is not None)]


def oos_from(record: Record) -> dt.date | None:
    """First session of the first walk-forward test; null without one."""
    first = record.out_of_sample["session"].min()
    return first if isinstance(first, dt.date) else None


def _of_strategy(record: Record) -> list[Chart]:
    rows = record.returns
    if rows.height < 2:
        return []
    dates, net = Dates(rows["session"]), _wealth(rows["return_1d"])
    bands = shading(dates, oos_from(record))
    curves = [Curve("l3", "before costs", _wealth(rows["gross_1d"]) - 1.0), Curve("l1", "after costs", net - 1.0)]
    note = "Registered parameters, compounded; in-sample stretches are shaded."
    tested = _out_of_sample(record, rows["session"], net)
    if tested is not None:
        curves.append(tested)
        note += (
            " Out of sample is the walk-forward choice among parameter sets, drawn from the level of the curve after "
            "costs at its start."
        )
    kinds = [(css, name, rows[column].to_numpy()) for css, name, column in COSTS]
    charts = [
        growth(dates, curves, shading(dates, oos_from(record), named=True), note),
        drawdown(dates, net, bands),
        rolling_sharpe(dates, rows["return_1d"], bands),
        exposure(dates, rows["gross_weight"].to_numpy(), rows["net_weight"].to_numpy(), "% of capital"),
        stacked(dates, kinds, "% of capital", "Cumulative, by kind, not compounded.", lambda v: pct(v, 2), 100.0),
    ]
    return [chart for chart in charts if chart is not None]


def _of_portfolio(record: Record) -> list[Chart]:
    rows = record.portfolio
    dates = Dates(rows["session"])
    wealth = (rows["equity_usd"] / rows["equity_usd"][0]).to_numpy()
    bands: Sequence[Band] = shading(dates, oos_from(record)) if record.out_of_sample.height else ()
    returns = rows["equity_usd"].pct_change()
    paper = [
        Curve(css, name, _paper(rows[column]))
        for css, name, column in (("l3", "target on paper", "wanted_1d"), ("l4", "held, before costs", "held_1d"))
        if rows[column].null_count() < rows.height
    ]
    costs = [("c1", "against the arrival mid", rows["cost_usd"].to_numpy())]
    charts = [
        growth(
            dates, [*paper, Curve("l1", "account", wealth - 1.0)], bands,
            "The account as replayed, after fills and costs; the target weights and what was held, without costs.",
        ),
        drawdown(dates, wealth, bands),
        rolling_sharpe(dates, returns, bands),
        exposure(dates, rows["gross_weight"].to_numpy(), rows["net_weight"].to_numpy(), "% of equity"),
        stacked(dates, costs, "USD", "Cumulative, of simulated fills against the mid at arrival.", _usd, 1.0),
    ]  # fmt: skip
    return [chart for chart in charts if chart is not None]


def _usd(value: float) -> str:
    return f"USD {money(value)}"


def _wealth(returns: pl.Series) -> Floats:
    """Growth of one unit of capital."""
    return np.asarray(np.cumprod(1.0 + returns.to_numpy()), dtype=np.float64)


def _paper(to_next_close: pl.Series) -> Floats:
    """Wealth less one of what earns until the next close, on the session of that close; a hole where not known."""
    earned = to_next_close.shift(1, fill_value=0.0)
    return np.where(earned.is_null().to_numpy(), np.nan, _wealth(earned.fill_null(0.0)) - 1.0)


def _out_of_sample(record: Record, sessions: pl.Series, net: Floats) -> Curve | None:
    """The walk-forward series on the sessions of the curve, from its level at the start; null without one."""
    tested = record.out_of_sample.select("session", "return_1d")
    if tested.is_empty():
        return None
    joined = pl.DataFrame({"session": sessions}).join(tested, on="session", how="left")["return_1d"]
    returns = joined.fill_null(np.nan).to_numpy()
    known = np.isfinite(returns)
    if not known.any():
        return None
    start = int(known.argmax())
    level = float(net[start - 1]) if start else 1.0
    values = level * np.cumprod(1.0 + np.where(known, returns, 0.0)) - 1.0
    name = f"out of sample, from {sessions[start]}"
    return Curve("l2", name, np.where(known, values, np.nan), level - 1.0)
