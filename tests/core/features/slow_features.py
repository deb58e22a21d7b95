"""Plain-Python features from first principles: lists and loops, one number at a time, nothing shared with the core."""

from __future__ import annotations

import datetime as dt
import math
import statistics as st
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import polars as pl

Row = dict[str, object]


def known_rows(rows: pl.DataFrame, session: dt.date, **where: str) -> list[Row]:
    """Newest known revision of each event date at a session, oldest event first."""
    best: dict[dt.date, Row] = {}
    for row in rows.iter_rows(named=True):
        if row["session"] > session or any(row[name] != value for name, value in where.items()):
            continue
        old = best.get(row["event_date"])
        if old is None or (row["available_at"], row["revision"]) > (old["available_at"], old["revision"]):
            best[row["event_date"]] = row
    return [best[day] for day in sorted(best)]


def health(rows: list[Row], prefix: str = "") -> Row:
    newest = rows[-1]
    return {
        f"{prefix}obs": len(rows),
        f"{prefix}event_at": newest["event_at"],
        f"{prefix}available_at": newest["available_at"],
    }


def absent(prefix: str, *names: str) -> Row:
    """What an input without rows leaves in a table."""
    return dict.fromkeys((*(f"{prefix}{name}" for name in ("obs", "event_at", "available_at")), *names))


def _window(x: Sequence[float], n: int) -> Sequence[float] | None:
    return x[-n:] if len(x) >= math.ceil(0.8 * n) else None


def z(x: Sequence[float], n: int) -> float | None:
    w = _window(x, n)
    return None if w is None else (w[-1] - st.fmean(w)) / st.stdev(w)


def zchg(x: Sequence[float], k: int, n: int) -> float | None:
    w = _window([b - a for a, b in zip(x[:-k], x[k:], strict=True)], n)
    return None if w is None else w[-1] / math.sqrt(st.fmean(c * c for c in w))


def back(x: Sequence[float], k: int) -> float | None:
    return x[-1 - k] if len(x) > k else None


def simple(x: Sequence[float], k: int) -> float | None:
    old = back(x, k)
    return None if old is None else x[-1] / old - 1


def ewma_vol(r: Sequence[float], decay: float) -> float | None:
    if len(r) < 20:
        return None
    variance = st.variance(r[:20])
    for value in r[20:]:
        variance = decay * variance + (1 - decay) * value**2
    return math.sqrt(252 * variance)


def mop(r: Sequence[float]) -> float | None:
    if len(r) < 60:
        return None
    w = [(60 / 61) ** i for i in range(len(r))][::-1]
    mean = sum(a * b for a, b in zip(w, r, strict=True)) / sum(w)
    return math.sqrt(261 * sum(a * (b - mean) ** 2 for a, b in zip(w, r, strict=True)) / sum(w))


def ewmac(p: Sequence[float], fast: int, slow: int) -> float | None:
    if len(p) < slow:
        return None

    def average(span: int) -> float:
        w = [(1 - 2 / (span + 1)) ** i for i in range(len(p))][::-1]
        return sum(a * b for a, b in zip(w, p, strict=True)) / sum(w)

    d = np.diff(p)
    deviations = []
    for end in range(max(35, len(d) - 499), len(d) + 1):
        w = (1 - 2 / 36) ** np.arange(end)[::-1]
        mean = (w * d[:end]).sum() / w.sum()
        biased = (w * (d[:end] - mean) ** 2).sum() / w.sum()
        deviations.append(math.sqrt(biased * w.sum() ** 2 / (w.sum() ** 2 - (w**2).sum())))
    floor = float(np.quantile(deviations, 0.05)) if len(deviations) >= 100 else 0.0
    return (average(fast) - average(slow)) / max(deviations[-1], floor)


def price_row(prices: pl.DataFrame, session: dt.date, symbol: str) -> Row:
    rows = known_rows(prices, session, symbol=symbol)
    p = [float(row["adj_close"]) for row in rows]
    r = [b / a - 1 for a, b in pairwise(p)]
    volumes = [row["volume"] for row in rows[-20:] if row["volume_scope"] == "consolidated"]
    year = back(p, 252)
    return {
        **health(rows),
        "close": rows[-1]["close"],
        "adj_close": p[-1],
        "return_1d": simple(p, 1),
        "return_5d": simple(p, 5),
        "log_return_252": math.log(p[-1] / year) if year else None,
        "vol_ewma_94": ewma_vol(r, 0.94),
        "adv_20_shares": st.fmean(volumes) if len(volumes) >= 16 else None,
    }


def momentum_row(prices: pl.DataFrame, session: dt.date, symbol: str) -> Row:
    rows = known_rows(prices, session, symbol=symbol)
    p = [float(row["adj_close"]) for row in rows]
    r = [b / a - 1 for a, b in pairwise(p)]
    year, month = back(p, 252), back(p, 21)
    return {
        **health(rows),
        "log_return_252_21": math.log(month / year) if year and month else None,
        "vol_mop": mop(r),
        "vol_ewma_97": ewma_vol(r, 0.97),
        "ewmac_16_64": ewmac(p, 16, 64),
        "ewmac_32_128": ewmac(p, 32, 128),
        "ewmac_64_256": ewmac(p, 64, 256),
    }


def macro_row(macro: pl.DataFrame, session: dt.date) -> Row:
    real = known_rows(macro, session, series_id="DFII10")
    inflation = known_rows(macro, session, series_id="T10YIE")
    y, b = ([float(row["value"]) for row in rows] for rows in (real, inflation))
    return {
        **health(real, "real_10y_"),
        "real_10y": y[-1],
        **{f"real_10y_zchg_{k}": zchg(y, k, 504) for k in (5, 20, 60)},
        "real_10y_z_504": z(y, 504),
        "real_10y_chg_20": y[-1] - y[-21],
        "real_10y_chg_60": y[-1] - y[-61],
        **health(inflation, "breakeven_10y_"),
        "breakeven_10y": b[-1],
        **{f"breakeven_10y_zchg_{k}": zchg(b, k, 252) for k in (20, 60)},
        "breakeven_10y_chg_20": b[-1] - b[-21],
        "breakeven_10y_chg_60": b[-1] - b[-61],
        **absent("nominal_2y_", "nominal_2y", "nominal_2y_zchg_63"),  # of series that these frames do not have
        **absent("slope_", "slope_10y2y", "slope_10y2y_zchg_60", "slope_2y_chg_60"),
        **absent("high_yield_spread_", "high_yield_spread", "high_yield_spread_chg_60"),
    }


def common_row(prices: pl.DataFrame, session: dt.date, a: str, b: str) -> tuple[Row, list[float], list[float]]:
    """Health of the common bars and both legs' prices on them."""
    left = {row["event_date"]: row for row in known_rows(prices, session, symbol=a)}
    right = {row["event_date"]: row for row in known_rows(prices, session, symbol=b)}
    both = sorted(left.keys() & right.keys())
    last = both[-1]
    stamps = {name: max(left[last][name], right[last][name]) for name in ("event_at", "available_at")}
    prices_a, prices_b = ([float(leg[day]["adj_close"]) for day in both] for leg in (left, right))
    return {"obs": len(both), **stamps}, prices_a, prices_b


def correlation(p: Sequence[float], q: Sequence[float], n: int) -> float | None:
    w = _window([(math.log(b / a), math.log(d / c)) for a, b, c, d in zip(p, p[1:], q, q[1:], strict=False)], n)
    return None if w is None else st.correlation(*zip(*w, strict=True))


def cross_asset_row(prices: pl.DataFrame, session: dt.date) -> Row:
    dollar, gold = known_rows(prices, session, symbol="UUP"), known_rows(prices, session, symbol="GLD")
    log_dollar = [math.log(row["adj_close"]) for row in dollar]
    _, p, q = common_row(prices, session, "GLD", "UUP")
    return {
        **health(dollar, "uup_"),
        "uup_zchg_20": zchg(log_dollar, 20, 252),
        "uup_zchg_60": zchg(log_dollar, 60, 252),
        "uup_return_60": simple([float(row["adj_close"]) for row in dollar], 60),
        **health(gold, "gld_"),
        "gld_uup_corr_126": correlation(p, q, 126),
        **absent("btc_", "btc_zchg_20"),
        **absent("gld_btc_", "gld_btc_corr_60"),
    }


def volatility_row(macro: pl.DataFrame, prices: pl.DataFrame, session: dt.date) -> Row:
    vix, spy = known_rows(macro, session, series_id="VIXCLS"), known_rows(prices, session, symbol="SPY")
    v, p = [float(row["value"]) for row in vix], [float(row["adj_close"]) for row in spy]
    w = v[-252:]
    return {
        **health(vix, "vix_"),
        "vix": v[-1],
        "vix_pr_252": sum(x <= v[-1] for x in w) / len(w) if len(w) >= 202 else None,
        **health(spy, "spy_"),
        "spy_return_5d": simple(p, 5),
    }


def correlation_row(prices: pl.DataFrame, session: dt.date, a: str, b: str) -> Row:
    stamps, p, q = common_row(prices, session, a, b)
    return {**stamps, "corr_126": correlation(p, q, 126)}


def half_life(x: Sequence[float], n: int) -> float | None:
    w = _window([(a, b - a) for a, b in pairwise(x)], n)
    if w is None:
        return None
    slope = st.linear_regression(*zip(*w, strict=True)).slope
    return -math.log(2) / math.log(1 + slope) if -1 < slope < 0 else None


def pair_row(prices: pl.DataFrame, session: dt.date, y: str, x: str) -> Row:
    stamps, p, q = common_row(prices, session, y, x)
    beta, cov, slopes, score = np.zeros(2), np.eye(2), [], math.nan
    for a, b in zip(p, q, strict=True):
        h = np.array([math.log(b), 1.0])
        r = cov + 1e-4 / (1 - 1e-4) * np.eye(2)
        variance = h @ r @ h + 1e-3
        e = math.log(a) - h @ beta
        gain = r @ h / variance
        beta, cov = beta + gain * e, r - np.outer(gain, h @ r)
        slopes.append(float(beta[0]))
        score = e / math.sqrt(variance)
    ratio = [math.log(a / b) for a, b in zip(p, q, strict=True)]
    w = _window(slopes, 252)
    return {
        "y": y,
        "x": x,
        **stamps,
        "kalman_z": score,
        "kalman_slope": slopes[-1],
        "kalman_slope_mean_252": None if w is None else st.fmean(w),
        "kalman_slope_sd_252": None if w is None else st.stdev(w),
        "ratio_z_252": z(ratio, 252),
        "ratio_half_life_252": half_life(ratio, 252),
    }


def positioning_row(reports: pl.DataFrame, session: dt.date, code: str) -> Row:
    rows = known_rows(reports, session, cftc_code=code)
    share = [(row["managed_money_long"] - row["managed_money_short"]) / row["open_interest"] for row in rows]
    newest = rows[-1]
    late = (newest["available_at"].date() - newest["event_date"]).days > 10
    return {
        **health(rows),
        "mm_net_pct_oi": share[-1],
        "mm_net_pct_oi_z_156": z(share, 156),
        "backlog": late or newest["release_basis"] == "next_observed",
        # the reports of these tests hold nothing but managed money
        **dict.fromkeys(("long_gap", "short_gap", "hedging_pressure", "hedging_pressure_mean_52")),
        **dict.fromkeys(("commercial_net", "commercial_index_26", "commercial_index_156")),
        **dict.fromkeys(f"{name}_{part}" for name in ("hedgers", "legacy") for part in health(rows)),
    }
