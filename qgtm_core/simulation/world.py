"""The simulated market itself: regimes, rates, dollar, volatility and the daily returns of every instrument.

All arrays have `HORIZON` sessions from the origin; row i is the i-th session. No calendar and no tables here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qgtm_core.simulation.randomness import HORIZON, Array, autoregress, ewma, normals, stream, uniforms
from qgtm_core.universe import INSTRUMENTS

CALM, TREND, STRESS = 0, 1, 2
EPISODE_SESSIONS = np.array([150.0, 120.0, 45.0])  # mean length of a regime
GOLD_DRIFT = np.array([-0.02, 0.18, 0.05]) / 252.0  # a session, by regime
EQUITY_DRIFT = np.array([0.11, 0.09, -0.25]) / 252.0
GOLD_VOL = np.array([0.12, 0.14, 0.22]) / np.sqrt(252.0)
EQUITY_VOL = np.array([0.11, 0.13, 0.28]) / np.sqrt(252.0)
REAL_YIELD_HOME = np.array([0.9, 0.1, 0.5])  # percent, by regime
DOLLAR_VOL = 0.0036
MEETING_EVERY = 31.5  # sessions between policy decisions: eight a year


# Drawn together from the first version of the market on; an instrument that came later has streams of its own, so that
# the market of the others stays what it was
FOUNDERS = (
    "GLD", "IAU", "GLDM", "SGOL", "SLV", "SIVR", "PPLT", "PALL", "GDX", "GDXJ", "SIL", "NEM", "AEM", "FNV", "WPM",
    "RGLD", "UGL", "AGQ", "SPY", "UUP", "TIP", "TLT", "IEF", "CPER", "USO",
)  # fmt: skip
SYMBOLS = (*FOUNDERS, *(symbol for symbol in INSTRUMENTS if symbol not in FOUNDERS))


def instrument_normals(seed: int, name: str, *points: int) -> Array:
    """Standard normal draws for every instrument: (`HORIZON`, symbols in the order of `SYMBOLS`, *points)."""
    founders = normals(seed, name, HORIZON, len(FOUNDERS), *points)
    later = [normals(seed, f"{name} {symbol}", HORIZON, *points) for symbol in SYMBOLS[len(FOUNDERS) :]]
    return np.concatenate([founders, *(draws[:, None] for draws in later)], axis=1)


@dataclass(frozen=True, slots=True)
class World:
    """Latent state and returns by session; yields in percent, returns and vols as decimals a session."""

    regime: NDArray[np.int64]
    real_10y: Array
    breakeven_10y: Array
    slope: Array  # 10-year minus policy rate, percent
    gold_vol: Array
    equity_vol: Array
    returns: dict[str, Array]  # total log returns by symbol, plus GOLD, SILVER, PLATINUM, PALLADIUM, COPPER, OIL
    tension: Array  # geopolitical risk, log deviation


def simulate(seed: int) -> World:
    """Draw one market; the same seed gives the same market."""
    regime = _regimes(seed)
    shocks = normals(seed, "factors", HORIZON, 8)
    real_shock, dollar_shock, gold_shock, equity_shock, inflation_shock = shocks[:, :5].T
    gold_vol = _volatility(seed, "gold", GOLD_VOL[regime], 0.25 * np.abs(gold_shock) - 0.2)
    equity_vol = _volatility(seed, "equity", EQUITY_VOL[regime], -0.35 * equity_shock)
    equity = EQUITY_DRIFT[regime] + equity_vol * equity_shock
    real = _mean_reverting(REAL_YIELD_HOME[regime], 0.045 * real_shock, 0.99)
    breakeven = _mean_reverting(np.full(HORIZON, 2.1), 0.025 * inflation_shock + 0.012 * equity_shock, 0.992)
    dollar = DOLLAR_VOL * (0.35 * real_shock + 0.94 * dollar_shock)
    fear = (regime == STRESS) * 0.15 * -equity_shock
    gold = GOLD_DRIFT[regime] + gold_vol * (-0.42 * real_shock - 0.38 * dollar_shock + 0.80 * gold_shock + fear)
    metals = _metals(shocks, gold, equity, gold_vol)
    slope = 1.0 + autoregress(0.03 * normals(seed, "slope", HORIZON), 0.995)
    tension = autoregress(0.06 * normals(seed, "tension", HORIZON) + 0.02 * (regime == STRESS), 0.97)
    returns = _instruments(seed, metals, equity, dollar, real, breakeven, slope)
    return World(regime, real, breakeven, slope, gold_vol, equity_vol, returns, tension)


def _regimes(seed: int) -> NDArray[np.int64]:
    """Episodes of geometric length; the next regime is one of the two others."""
    lengths = stream(seed, "regime length").exponential(size=HORIZON)
    steps = 1 + (uniforms(seed, "regime step", HORIZON) < 0.45)
    states = np.concatenate([[CALM], np.cumsum(steps[:-1]) % 3])
    sessions = 10 + (lengths * (EPISODE_SESSIONS[states] - 10)).astype(np.int64)
    return np.repeat(states, sessions)[:HORIZON].astype(np.int64)


def _volatility(seed: int, name: str, level: Array, news: Array) -> Array:
    """Stochastic volatility a session: log-AR(1) around the regime's level, pushed by the session *before*."""
    own = 0.05 * normals(seed, f"volatility {name}", HORIZON)
    pushed = 0.12 * np.concatenate([[0.0], news[:-1]])
    level_log = ewma(np.log(level), 8.0)
    volatility: Array = np.exp(level_log + np.clip(autoregress(own + pushed, 0.95), -0.9, 0.9))
    return volatility


def _mean_reverting(home: Array, shocks: Array, persistence: float) -> Array:
    return ewma(home, 60.0) + autoregress(shocks, persistence)


def _metals(shocks: Array, gold: Array, equity: Array, gold_vol: Array) -> dict[str, Array]:
    return {
        "GOLD": gold,
        "SILVER": 1.35 * gold + 0.15 * equity + _returning(1.15 * gold_vol * shocks[:, 5]),
        "PLATINUM": 0.75 * gold + 0.30 * equity + _returning(1.0 * gold_vol * shocks[:, 6]),
        "PALLADIUM": 0.55 * gold + 0.40 * equity + _returning(1.6 * gold_vol * shocks[:, 7]),
    }


def _returning(shocks: Array) -> Array:
    """Returns whose sum wanders back to zero over about a year, so that linked prices never part for good."""
    level = autoregress(shocks, 0.996)
    return np.diff(level, prepend=0.0)


# closed-end trust: (metal, mean premium to the metal, cost a year)
CLOSED_END: dict[str, tuple[str, float, float]] = {
    "PHYS": ("GOLD", -0.008, 0.0041),
    "PSLV": ("SILVER", -0.012, 0.0062),
}
PREMIUM_SHOCK = 0.0016  # a session; with the persistence a standard deviation of 0.7 percent
PREMIUM_PERSISTENCE = 0.975


def premium(seed: int, symbol: str) -> Array:
    """Log premium of a closed-end trust's price to the metal behind it, by session."""
    noise: Array = autoregress(PREMIUM_SHOCK * normals(seed, f"premium {symbol}", HORIZON), PREMIUM_PERSISTENCE)
    return CLOSED_END[symbol][1] + noise


# symbol: (metal, beta, equity beta, own volatility a session, cost a year)
_LINKED: dict[str, tuple[str, float, float, float, float]] = {
    "GLD": ("GOLD", 1.0, 0.0, 0.00005, 0.0040),
    "IAU": ("GOLD", 1.0, 0.0, 0.00015, 0.0025),
    "GLDM": ("GOLD", 1.0, 0.0, 0.00015, 0.0010),
    "SGOL": ("GOLD", 1.0, 0.0, 0.00025, 0.0017),
    "SLV": ("SILVER", 1.0, 0.0, 0.0001, 0.0050),
    "SIVR": ("SILVER", 1.0, 0.0, 0.0003, 0.0030),
    "PPLT": ("PLATINUM", 1.0, 0.0, 0.0004, 0.0060),
    "PALL": ("PALLADIUM", 1.0, 0.0, 0.0006, 0.0060),
    "GDX": ("GOLD", 1.75, 0.35, 0.0100, 0.0300),
    "GDXJ": ("GOLD", 1.95, 0.45, 0.0125, 0.0400),
    "SIL": ("SILVER", 0.85, 0.45, 0.0120, 0.0350),
    "NEM": ("GOLD", 1.55, 0.40, 0.0150, 0.0200),
    "AEM": ("GOLD", 1.70, 0.40, 0.0155, 0.0150),
    "FNV": ("GOLD", 1.20, 0.35, 0.0115, -0.0100),
    "WPM": ("SILVER", 0.80, 0.40, 0.0130, -0.0100),
    "RGLD": ("GOLD", 1.25, 0.35, 0.0130, -0.0050),
    "UGL": ("GOLD", 2.0, 0.0, 0.0003, 0.0300),
    "AGQ": ("SILVER", 2.0, 0.0, 0.0005, 0.0500),
}


def _instruments(
    seed: int,
    metals: dict[str, Array],
    equity: Array,
    dollar: Array,
    real: Array,
    breakeven: Array,
    slope: Array,
) -> dict[str, Array]:
    """Total log returns by symbol; miners share part of their own noise."""
    noise = dict(zip(SYMBOLS, instrument_normals(seed, "instruments").T, strict=True))
    sector = normals(seed, "sector", HORIZON)
    returns = dict(metals)
    for symbol, (metal, beta, equity_beta, own, cost) in _LINKED.items():
        miner = own >= 0.01
        idiosyncratic = _returning(own * (0.6 * sector + 0.8 * noise[symbol])) if miner else own * noise[symbol]
        drag = (beta**2 - beta) / 2.0 * metals[metal] ** 2 if beta >= 2.0 else 0.0
        returns[symbol] = beta * metals[metal] + equity_beta * equity + idiosyncratic - drag - cost / 252.0
    real_change, nominal_change = (
        np.diff(real, prepend=real[0]),
        np.diff(real + breakeven, prepend=real[0] + breakeven[0]),
    )
    slope_change = np.diff(slope, prepend=slope[0])
    returns["SPY"] = equity + 0.0001 * noise["SPY"]
    returns["UUP"] = dollar + 0.0002 * noise["UUP"]
    returns["TIP"] = 0.00008 - 0.068 * real_change + 0.0006 * noise["TIP"]
    returns["IEF"] = 0.00008 - 0.075 * nominal_change + 0.0006 * noise["IEF"]
    returns["TLT"] = 0.00010 - 0.160 * (0.9 * nominal_change + 0.2 * slope_change) + 0.0015 * noise["TLT"]
    returns["CPER"] = 0.35 * metals["GOLD"] + 0.45 * equity + _returning(0.010 * noise["CPER"])
    returns["USO"] = 0.50 * equity + 0.020 * noise["USO"]
    returns["XLI"] = 1.05 * equity + _returning(0.004 * noise["XLI"])
    for symbol, (metal, _, cost) in CLOSED_END.items():
        returns[symbol] = metals[metal] + np.diff(premium(seed, symbol), prepend=0.0) - cost / 252.0
    return returns
