"""Named random streams: every part of the simulated market draws from its own, so parts never disturb each other."""

from __future__ import annotations

from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Arrays always have this many sessions (32 years), whatever part is shown: a longer history never changes a shorter one
HORIZON = 8192


def stream(seed: int, name: str) -> np.random.Generator:
    """The generator of one named part of the market."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, crc32(name.encode())])))


def normals(seed: int, name: str, *shape: int) -> Array:
    """Standard normal draws of a named stream; `shape` must not depend on how much history is shown."""
    return stream(seed, name).standard_normal(shape)


def uniforms(seed: int, name: str, *shape: int) -> Array:
    """Uniform draws on [0, 1) of a named stream."""
    return stream(seed, name).random(shape)


def autoregress(shocks: Array, persistence: float) -> Array:
    """x_t = persistence · x_{t-1} + shock_t along the first axis, from x_0 = shock_0."""
    from scipy.signal import lfilter

    smoothed: Array = lfilter([1.0], [1.0, -persistence], shocks, axis=0)
    return smoothed


def ewma(values: Array, half_life: float) -> Array:
    """Exponential average of the present and past values along the first axis, from the first value."""
    keep = 0.5 ** (1.0 / half_life)
    start = values[:1]
    averaged: Array = autoregress((values - start) * (1.0 - keep), keep) + start
    return averaged
