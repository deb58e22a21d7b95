"""features/learning: what the learning strategies read about gold, silver and miners, and what the fits say."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from qgtm_core import calendar
from qgtm_core.features.common import HEALTH, PRICE_KEY, STAMPS, macro_series, observe_pair, usable_prices
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats
from qgtm_core.maths.trend import trend_t
from qgtm_core.models.ensemble import LEARNERS, SPEC, SYMBOLS, from_payload
from qgtm_core.models.spec import MODEL_HEALTH, newest_usable
from qgtm_core.pit import point_in_time
from qgtm_core.schemas.features import COT_MARKETS, COT_REPORT
from qgtm_core.schemas.features.learning import COLUMNS, CROSS_WINDOWS, LAGS, MACRO, OTHERS, RATIOS, TRENDS
from qgtm_core.strategies.spec import STALENESS

YEAR, QUARTER, MONTH, WEEK = 252, 63, 21, 5  # bars
THREE_YEARS = 156  # weekly reports
P_COLUMNS = tuple(f"p_{name}" for name in LEARNERS)


def inputs(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """Every column of COLUMNS by (session, symbol), with the symbol's health and the share that is usable.

    A column is null when its input is older than a strategy may use.
    """
    bars = _bars(pit["prices"], sessions)
    own = bars.filter(pl.col("symbol").is_in(SYMBOLS))
    parts = [
        *_others(bars),
        *_ratios(pit["prices"], sessions),
        *_macro(pit["macro"], sessions),
        *_reports(pit["positioning"], sessions),
    ]
    frame = own.with_columns(is_slv=_is("SLV"), is_gdx=_is("GDX"))
    for part in parts:
        frame = frame.join(part, on="session", how="left", maintain_order="left")
    usable = pl.sum_horizontal(pl.col(name).is_finite().fill_null(value=False) for name in COLUMNS)
    return frame.with_columns(coverage=usable.cast(pl.Float64) * (1.0 / len(COLUMNS))).sort("session", "symbol")


def _is(symbol: str) -> pl.Expr:
    return (pl.col("symbol") == symbol).cast(pl.Float64)


def _bars(prices: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Columns of each symbol's own bars, of all symbols that are read."""
    rows = prices.filter(pl.col("symbol").is_in([*SYMBOLS, *OTHERS]))
    return point_in_time(rows, PRICE_KEY, sessions, bar_features)


def bar_features(view: pl.DataFrame) -> pl.DataFrame:
    """Features of each bar from the bars up to it, by symbol."""
    rows = usable_prices(view)
    price, log_price, move = pl.col("adj_close"), pl.col("_log"), pl.col("_return")
    rows = rows.with_columns(_log=price.log().over("symbol"))
    rows = rows.with_columns(_return=(log_price - log_price.shift(1)).over("symbol"))
    rows = rows.with_columns(_sd=stats.ewma_variance(move).sqrt().over("symbol"))
    sd = pl.col("_sd")
    spread = {n: stats.rolling_sd(move, n) for n in (WEEK, MONTH, QUARTER, YEAR)}
    features = {
        **{f"lag_{k}": pl.when(sd > stats.MIN_SD).then(move.shift(k - 1) / sd) for k in LAGS},
        **{f"t_{h}": trend_t(log_price, sd, h) for h in sorted({*TRENDS, *CROSS_WINDOWS})},
        "vol_5_21": (spread[WEEK] / spread[MONTH]).log(),
        "vol_21_63": (spread[MONTH] / spread[QUARTER]).log(),
        "vol_63_252": (spread[QUARTER] / spread[YEAR]).log(),
        **{f"z_{n}": stats.zscore(log_price, n) for n in (MONTH, QUARTER, YEAR)},
        "vol_pr_252": stats.percentile_rank(sd, YEAR),
        "drawdown_252": log_price - log_price.rolling_max(YEAR, min_samples=stats.filled(YEAR)),
    }
    rows = rows.with_columns(**{name: expr.over("symbol") for name, expr in features.items()})
    return rows.select(*STAMPS, "symbol", "obs", *features)


def _fresh(frame: pl.DataFrame, columns: list[str], known: str, staleness: str) -> pl.DataFrame:
    """`session` and the columns, null where the input is older than its class allows."""
    decided = calendar.schedule().select("session", _decided="decided_at")
    rows = frame.join(decided, on="session", how="left", maintain_order="left")
    young = pl.col("_decided") - pl.col(known) <= STALENESS[staleness]
    return rows.select("session", *(pl.when(young).then(pl.col(c)).alias(c) for c in columns))


def _others(bars: pl.DataFrame) -> list[pl.DataFrame]:
    parts = []
    for symbol in (*SYMBOLS, *OTHERS):
        names = {f"t_{w}": f"{symbol.lower()}_t_{w}" for w in CROSS_WINDOWS}
        part = bars.filter(pl.col("symbol") == symbol).rename(names)
        parts.append(_fresh(part, list(names.values()), "available_at", "daily"))
    return parts


def _ratios(prices: pl.DataFrame, sessions: pl.DataFrame) -> list[pl.DataFrame]:
    parts = []
    for a, b in RATIOS:
        names = [f"{a}_{b}_z_{n}".lower() for n in (QUARTER, YEAR)]

        def features(bars: pl.DataFrame, names: list[str] = names) -> pl.DataFrame:
            ratio = (pl.col("a") / pl.col("b")).log()
            scores = zip(names, (QUARTER, YEAR), strict=True)
            return bars.select(*STAMPS, "obs", **{name: stats.zscore(ratio, n) for name, n in scores})

        parts.append(_fresh(observe_pair(prices, a, b, sessions, features), names, "available_at", "daily"))
    return parts


def _macro(macro: pl.DataFrame, sessions: pl.DataFrame) -> list[pl.DataFrame]:
    parts = []
    for series, (name, wanted) in MACRO.items():
        columns = {f"{name}_{shape}_{k or n}": _shape(shape, k, n) for shape, k, n in wanted}
        part = macro_series(macro, series, sessions, columns, name)
        parts.append(_fresh(part, list(columns), f"{name}_available_at", "daily"))
    return parts


def _shape(shape: str, step: int, window: int) -> pl.Expr:
    value = pl.col("value")
    if shape == "zchg":
        return stats.change_z(value, step, window)
    return stats.zscore(value, window) if shape == "z" else stats.percentile_rank(value, window)


def _reports(reports: pl.DataFrame, sessions: pl.DataFrame) -> list[pl.DataFrame]:
    parts = []
    for market in ("gold", "silver"):
        names = [f"{market}_mm_net_pct_oi", f"{market}_mm_net_pct_oi_z_156"]

        def features(view: pl.DataFrame, names: list[str] = names) -> pl.DataFrame:
            net = (pl.col("managed_money_long") - pl.col("managed_money_short")) / pl.col("open_interest")
            rows = view.with_columns(net.alias(names[0])).filter(pl.col(names[0]).is_finite()).sort("event_date")
            score = stats.zscore(pl.col(names[0]), THREE_YEARS).alias(names[1])
            return rows.select(*STAMPS, "cftc_code", "report_type", names[0], score)

        rows = reports.filter(cftc_code=COT_MARKETS[market], report_type=COT_REPORT)
        read = point_in_time(rows, ("cftc_code", "report_type", "event_date"), sessions, features)
        parts.append(_fresh(read, names, "available_at", "weekly"))
    return parts


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, symbol) from the symbol's first known bar on; predictions from the first usable fit on."""
    rows = inputs(pit, sessions)
    fits = newest_usable(pit["models"], SPEC, sessions)
    columns = [*MODEL_HEALTH]
    known = fits.select("session", *columns, "payload", auc="auc_oos")
    joined = rows.join(known, on="session", how="left", maintain_order="left")
    return predicted(joined).select("session", "symbol", *HEALTH, "coverage", *columns, *P_COLUMNS, "auc", *COLUMNS)


def predicted(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the calibrated probability of each learner, by the fit in `payload`; null without one."""
    p = np.full((rows.height, len(LEARNERS)), np.nan)
    place = rows.select("payload").with_row_index("_row")
    for (text,), part in place.group_by(["payload"], maintain_order=True):
        if text is None:
            continue
        at = part["_row"].to_numpy()
        columns, learners = from_payload(str(text))
        x = rows[at].select(pl.col(list(columns)).cast(pl.Float64).fill_null(np.nan)).to_numpy()
        for k, name in enumerate(LEARNERS):
            p[at, k] = learners[name].probability(x)
    return rows.with_columns(pl.Series(c, p[:, k], dtype=pl.Float64).fill_nan(None) for k, c in enumerate(P_COLUMNS))


FEATURES = (Feature("learning", ("prices", "macro", "positioning", "models"), compute),)
