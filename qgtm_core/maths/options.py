"""M22: values, Greeks and implied volatilities of European options, and the points read off a volatility surface.

Arrays broadcast together; years are ACT/365 calendar years, volatilities and rates annual decimals. NaN = cannot be
computed. American exercise is ignored (fine up to |delta| 0.5). Sources: Black and Scholes (1973), Merton (1973);
start of the implied volatility: Manaster and Koehler (1982).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

MAX_SPREAD = 0.25  # of the mid: wider quotes are not used
MAX_VOL = 10.0
MIN_VOL = 1e-4
_STEPS = 60  # each at least halves the bracket, so 60 always suffice
_TOLERANCE = 1e-12  # of the volatility


@dataclass(frozen=True, slots=True)
class Greeks:
    """Sensitivities of one option on one share."""

    delta: FloatArray  # USD for one USD of the underlying
    gamma: FloatArray  # delta for one USD of the underlying
    vega: FloatArray  # USD for one point (0.01) of volatility
    theta: FloatArray  # USD for one calendar day passing


def _floats(*values: ArrayLike) -> list[FloatArray]:
    """The values as arrays of one shape."""
    return list(np.broadcast_arrays(*(np.asarray(each, dtype=np.float64) for each in values)))


def _log_moneyness(spot: FloatArray, strike: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        money: FloatArray = np.log(spot / strike)
    return money


def _d1(log_moneyness: FloatArray, years: FloatArray, vol: FloatArray, carry: FloatArray | float) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        d1: FloatArray = (log_moneyness + (carry + vol**2 / 2.0) * years) / (vol * np.sqrt(years))
    return d1


def value(
    call: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    vol: ArrayLike,
    rate: ArrayLike = 0.0,
    dividend: ArrayLike = 0.0,
) -> FloatArray:
    """Black-Scholes-Merton value in USD a share; `call` is true for calls, false for puts."""
    from scipy.special import ndtr

    s, k, t, v, r, q = _floats(spot, strike, years, vol, rate, dividend)
    sign = np.where(np.asarray(call, dtype=bool), 1.0, -1.0)
    d1 = _d1(_log_moneyness(s, k), t, v, r - q)
    worth = s * np.exp(-q * t) * ndtr(sign * d1) - k * np.exp(-r * t) * ndtr(sign * (d1 - v * np.sqrt(t)))
    result: FloatArray = sign * worth
    return result


def greeks(
    call: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    vol: ArrayLike,
    rate: ArrayLike = 0.0,
    dividend: ArrayLike = 0.0,
) -> Greeks:
    """Delta, gamma, vega a point and theta a day."""
    from scipy.special import ndtr

    s, k, t, v, r, q = _floats(spot, strike, years, vol, rate, dividend)
    sign = np.where(np.asarray(call, dtype=bool), 1.0, -1.0)
    d1 = _d1(_log_moneyness(s, k), t, v, r - q)
    d2 = d1 - v * np.sqrt(t)
    grown, paid = np.exp(-q * t), k * np.exp(-r * t)
    density = np.exp(-(d1**2) / 2.0) / np.sqrt(2.0 * np.pi)
    decay = -s * grown * density * v / (2.0 * np.sqrt(t))
    drift = sign * (q * s * grown * ndtr(sign * d1) - r * paid * ndtr(sign * d2))
    return Greeks(
        delta=sign * grown * ndtr(sign * d1),
        gamma=grown * density / (s * v * np.sqrt(t)),
        vega=s * grown * density * np.sqrt(t) / 100.0,
        theta=(decay + drift) / 365.0,
    )


def implied_volatility(
    price: ArrayLike,
    call: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    rate: ArrayLike = 0.0,
    dividend: ArrayLike = 0.0,
) -> FloatArray:
    """Volatility at which `value` equals the price; NaN outside the no-arbitrage bounds or beyond `MAX_VOL`.

    In-the-money options are solved as the out-of-the-money option of the same strike (parity), which keeps the digits
    of their time value. Newton steps that leave the bracket are replaced by halving it.
    """
    p, s, k, t, r, q = _floats(price, spot, strike, years, rate, dividend)
    is_call = np.broadcast_to(np.asarray(call, dtype=bool), p.shape)
    ahead, paid = s * np.exp(-q * t), k * np.exp(-r * t)
    otm_call = paid >= ahead
    target = np.where(is_call == otm_call, p, p + np.where(is_call, -1.0, 1.0) * (ahead - paid))
    sane = (t > 0) & (s > 0) & (k > 0) & (target > 0) & (target < np.where(otm_call, ahead, paid))
    found = np.full(p.shape, np.nan)
    if sane.any():
        found[sane] = _solve(otm_call[sane], target[sane], s[sane], k[sane], t[sane], (r[sane], q[sane]))
    return found


def _solve(
    call: NDArray[np.bool_],
    target: FloatArray,
    s: FloatArray,
    k: FloatArray,
    t: FloatArray,
    rates: tuple[FloatArray, FloatArray],
) -> FloatArray:
    r, q = rates
    low, high = np.full(target.shape, MIN_VOL), np.full(target.shape, MAX_VOL)
    forward = np.log(s / k) + (r - q) * t
    vol = np.clip(np.sqrt(2.0 * np.abs(forward) / t), 0.05, 5.0)
    for _ in range(_STEPS):
        gap = value(call, s, k, t, vol, r, q) - target
        low, high = np.where(gap < 0, vol, low), np.where(gap > 0, vol, high)
        slope = greeks(call, s, k, t, vol, r, q).vega * 100.0
        with np.errstate(divide="ignore", invalid="ignore"):
            step = vol - gap / slope
        inside = np.isfinite(step) & (step > low) & (step < high)
        moved = np.where(gap == 0, vol, np.where(inside, step, (low + high) / 2.0))
        settled = np.abs(moved - vol) <= _TOLERANCE * np.maximum(vol, 1.0)
        vol = moved
        if settled.all():
            break
    edge = (vol <= MIN_VOL * (1.0 + 1e-6)) | (vol >= MAX_VOL * (1.0 - 1e-6))
    return np.where(edge, np.nan, vol)


def total_variance_volatility(
    near: ArrayLike, near_vol: ArrayLike, far: ArrayLike, far_vol: ArrayLike, at: ArrayLike
) -> FloatArray:
    """Volatility at a maturity between two others, linear in total variance vol²·T; one unit of time for all.

    NaN unless near <= at <= far and the interpolated variance is positive.
    """
    t1, v1, t2, v2, t = _floats(near, near_vol, far, far_vol, at)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(t2 > t1, (t - t1) / (t2 - t1), 0.0)
        variance = v1**2 * t1 + share * (v2**2 * t2 - v1**2 * t1)
        usable = (t1 <= t) & (t <= t2) & (t > 0) & (variance > 0)
        return np.where(usable, np.sqrt(np.where(usable, variance / t, 1.0)), np.nan)


def risk_reversal(call_vol: ArrayLike, put_vol: ArrayLike) -> FloatArray:
    """RR: implied volatility of the 25-delta call less that of the 25-delta put."""
    call, put = _floats(call_vol, put_vol)
    return call - put


def butterfly(call_vol: ArrayLike, put_vol: ArrayLike, atm_vol: ArrayLike) -> FloatArray:
    """BF: mean implied volatility of the 25-delta options less that at the money."""
    call, put, atm = _floats(call_vol, put_vol, atm_vol)
    return (call + put) / 2.0 - atm


def event_move(vol: ArrayLike, sessions: ArrayLike, base_vol: ArrayLike, days_a_year: float = 252.0) -> FloatArray:
    """Standard deviation of the one session an event falls on, implied by an expiry after it (Dubinsky et al. 2019).

    vol²·n/252 − base²·(n−1)/252 with n sessions to that expiry; NaN where it is not positive.
    """
    v, n, base = _floats(vol, sessions, base_vol)
    variance = (v**2 * n - base**2 * (n - 1.0)) / days_a_year
    return np.where(variance > 0, np.sqrt(np.where(variance > 0, variance, 1.0)), np.nan)


def straddle_delta(log_moneyness: ArrayLike, years: ArrayLike, vol: ArrayLike) -> FloatArray:
    """Delta of one call and one put at the same strike, 2·N(d1) − 1, without rates: within ±1.

    `log_moneyness` is ln of the price over the strike. NaN without time or volatility.
    """
    from scipy.special import ndtr

    money, t, v = _floats(log_moneyness, years, vol)
    d1 = _d1(money, t, v, 0.0)
    return np.where(np.isfinite(d1), 2.0 * ndtr(d1) - 1.0, np.nan)
