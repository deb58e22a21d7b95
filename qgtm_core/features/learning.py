"""features/learning: what the learning strategies read about gold, silver and miners, and what the fits say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core.features.common import HEALTH
from qgtm_core.features.known import macro_rows
from qgtm_core.features.legs import Columns, Floats, Ints, Read, Wanted, laid_out, numbers, read_each
from qgtm_core.features.spec import Feature
from qgtm_core.features.windows import Bars, leg, price_legs
from qgtm_core.maths import moving
from qgtm_core.maths.statistics import MIN_SD
from qgtm_core.models.ensemble import LEARNERS, SPEC, SYMBOLS, from_payload
from qgtm_core.models.spec import MODEL_HEALTH, newest_usable
from qgtm_core.schemas.features import COT_MARKETS, COT_REPORT
from qgtm_core.schemas.features.learning import COLUMNS, CROSS_WINDOWS, LAGS, MACRO, OTHERS, RATIOS, TRENDS

YEAR, QUARTER, MONTH, WEEK = 252, 63, 21, 5  # bars
THREE_YEARS = 156  # weekly reports
MARKETS = ("gold", "silver")
P_COLUMNS = tuple(f"p_{name}" for name in LEARNERS)
Pit = Mapping[str, pl.DataFrame]


def inputs(pit: Pit, sessions: pl.DataFrame) -> pl.DataFrame:
    """Every column of COLUMNS by (session, symbol), with the symbol's health and the share that is usable.

    A column is null when its input is older than a strategy may use.
    """
    prices = _prices(pit, sessions)
    shared = {**_common(prices, sessions), **_macro(pit, sessions), **_reports(pit, sessions)}
    days, parts = sessions["session"], []
    for symbol in SYMBOLS:
        own = prices[symbol]
        flags = {f"is_{name.lower()}": np.full(len(own.place), float(name == symbol)) for name in ("SLV", "GDX")}
        values = {**own.columns, **flags, **{name: shared[name][own.place] for name in COLUMNS if name in shared}}
        keys = [days.gather(own.place), pl.Series("symbol", [symbol]).new_from_index(0, len(own.place))]
        parts.append(pl.DataFrame([*keys, *own.health(), *(numbers(name, values[name]) for name in COLUMNS)]))
    frame = pl.concat(parts).sort("session", "symbol")
    usable = np.isfinite(matrix(frame)).sum(axis=1)
    return frame.with_columns(pl.Series("coverage", usable * (1.0 / len(COLUMNS)), dtype=pl.Float64))


def matrix(rows: pl.DataFrame, columns: Sequence[str] = COLUMNS) -> Floats:
    """The columns a fit reads as (rows, columns); NaN = not usable."""
    return np.ascontiguousarray(rows.select(columns).to_numpy())


# what is known of each source


def _prices(pit: Pit, sessions: pl.DataFrame) -> dict[str, Read]:
    """Columns of each symbol by its name, and of each ratio by `A/B`."""
    symbols = (*SYMBOLS, *OTHERS)
    wanted = {symbol: Wanted((symbol,), partial(_of_symbol, symbol)) for symbol in symbols}
    for a, b in RATIOS:
        wanted[f"{a}/{b}"] = Wanted((a, b), partial(_of_ratio, a, b))
    return read_each([price_legs(pit, symbols)], wanted, sessions)


def _of_symbol(symbol: str, bars: Bars, ends: Ints) -> Columns:
    """Features of bars from the bars up to them; of the symbols that are not traded only the trends."""
    log_price, full = np.log(bars.values[symbol]), symbol in SYMBOLS
    move = np.diff(log_price, prepend=np.nan)
    sd = moving.riskmetrics_sd(move)
    trends = moving.trend_t(log_price, sd, ends, sorted({*TRENDS, *CROSS_WINDOWS}) if full else CROSS_WINDOWS)
    found = {f"t_{h}": values for h, values in trends.items()}
    if not full:
        return found
    scale = np.where(sd[ends] > MIN_SD, sd[ends], np.nan)
    spread = {n: moving.standard_deviation(move[1:], ends - 1, n) for n in (WEEK, MONTH, QUARTER, YEAR)}
    seen = int(np.isnan(sd).sum())  # the first bars have no volatility
    return {
        **{f"lag_{k}": moving.back(log_price, ends, k - 1, k) / scale for k in LAGS},
        **found,
        "vol_5_21": np.log(spread[WEEK] / spread[MONTH]),
        "vol_21_63": np.log(spread[MONTH] / spread[QUARTER]),
        "vol_63_252": np.log(spread[QUARTER] / spread[YEAR]),
        **{f"z_{n}": moving.zscore(log_price, ends, n) for n in (MONTH, QUARTER, YEAR)},
        "vol_pr_252": moving.percentile_rank(sd[seen:], ends - seen, YEAR),
        "drawdown_252": moving.below_maximum(log_price, ends, YEAR),
    }


def _of_ratio(a: str, b: str, bars: Bars, ends: Ints) -> Columns:
    ratio = np.log(bars.values[a] / bars.values[b])
    return {f"{a}_{b}_z_{n}".lower(): moving.zscore(ratio, ends, n) for n in (QUARTER, YEAR)}


def _common(prices: Mapping[str, Read], sessions: pl.DataFrame) -> Columns:
    """Trends of every symbol and the ratios, on the sessions, for all symbols."""
    found: dict[str, Floats] = {}
    for symbol in (*SYMBOLS, *OTHERS):
        read = prices[symbol]
        trends = {f"{symbol.lower()}_t_{w}": read.columns[f"t_{w}"] for w in CROSS_WINDOWS}
        found |= laid_out(replace(read, columns=trends), sessions, "daily")
    for a, b in RATIOS:
        found |= laid_out(prices[f"{a}/{b}"], sessions, "daily")
    return found


def _macro(pit: Pit, sessions: pl.DataFrame) -> Columns:
    """The shapes of every series, on the sessions."""
    legs = [leg(macro_rows(pit, series), series, "value", positive=False) for series in MACRO]
    wanted = {series: Wanted((series,), partial(_shapes, series)) for series in MACRO}
    found: dict[str, Floats] = {}
    for read in read_each(legs, wanted, sessions).values():
        found |= laid_out(read, sessions, "daily")
    return found


def _shapes(series: str, bars: Bars, ends: Ints) -> Columns:
    (name, wanted), value = MACRO[series], bars.values[series]
    found: dict[str, Floats] = {}
    for shape, k, n in wanted:
        if shape == "zchg":
            found[f"{name}_{shape}_{k}"] = moving.change_z(value, ends, k, n)
        else:
            found[f"{name}_{shape}_{n}"] = {"z": moving.zscore, "pr": moving.percentile_rank}[shape](value, ends, n)
    return found


def _reports(pit: Pit, sessions: pl.DataFrame) -> Columns:
    """Managed money in each market as a share of its open interest, on the sessions."""
    net = (pl.col("managed_money_long") - pl.col("managed_money_short")) / pl.col("open_interest")
    legs, wanted = [], {}
    for market in MARKETS:
        rows = pit["positioning"].filter(cftc_code=COT_MARKETS[market], report_type=COT_REPORT)
        legs.append(leg(rows.sort("event_date").with_columns(net=net), market, "net", positive=False))
        wanted[market] = Wanted((market,), partial(_of_reports, market))
    found: dict[str, Floats] = {}
    for read in read_each(legs, wanted, sessions).values():
        found |= laid_out(read, sessions, "weekly")
    return found


def _of_reports(market: str, bars: Bars, ends: Ints) -> Columns:
    name, net = f"{market}_mm_net_pct_oi", bars.values[market]
    return {name: net[ends], f"{name}_z_156": moving.zscore(net, ends, THREE_YEARS)}


# what the fits say


def compute(pit: Pit, sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, symbol) from the symbol's first known bar on; predictions from the first usable fit on."""
    rows = inputs(pit, sessions)
    fits = newest_usable(pit["models"], SPEC, sessions)
    known = fits.select("session", *MODEL_HEALTH, auc="auc_oos")
    joined = rows.join(known, on="session", how="left", maintain_order="left")
    p = predicted(rows, fits)
    said = [numbers(name, p[:, k]) for k, name in enumerate(P_COLUMNS)]
    columns = ("session", "symbol", *HEALTH, "coverage", *MODEL_HEALTH, *P_COLUMNS, "auc", *COLUMNS)
    return joined.with_columns(said).select(columns)


def predicted(rows: pl.DataFrame, fits: pl.DataFrame) -> Floats:
    """Calibrated probability of each learner, (rows, learners), by the fit in use at the session; NaN without one."""
    p = np.full((rows.height, len(LEARNERS)), np.nan)
    if fits.is_empty():
        return p
    fit = np.searchsorted(fits["session"].to_numpy(), rows["session"].to_numpy(), side="right") - 1
    new = np.flatnonzero((fits["event_date"] != fits["event_date"].shift(1)).fill_null(value=True).to_numpy())
    edges: NDArray[np.int64] = np.append(np.searchsorted(fit, new), rows.height)
    for k, first in enumerate(new):
        at = slice(int(edges[k]), int(edges[k + 1]))
        columns, learners = from_payload(fits["payload"][int(first)])
        x = matrix(rows[at], columns)
        for n, name in enumerate(LEARNERS):
            p[at, n] = learners[name].probability(x)
    return p


FEATURES = (Feature("learning", ("prices", "macro", "positioning", "models"), compute),)
