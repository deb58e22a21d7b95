"""features/option_surface: implied volatilities of GLD and SLV by snapshot, and where they stand in their history.

A snapshot's numbers come from its own quotes; history is the snapshots of the last REACH sessions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core.features.known import macro_rows
from qgtm_core.features.snapshots import Floats, Ints, Snapshots, places, table, views
from qgtm_core.features.spec import Feature
from qgtm_core.features.variance_premium import GVZ
from qgtm_core.maths import trailing

UNDERLYINGS = ("GLD", "SLV")
REACH = 300  # sessions of snapshots that count as history: 252 of them may be needed
MONTH, QUARTER = 30, 90  # days
WRITTEN = (30, 45)  # days to expiry of the options that are written
HEDGED = (45, 75)  # days to expiry around the 60 of a collar
INDEX_AGE = np.timedelta64(5, "D")  # of the volatility index at a snapshot
HALF_YEAR, YEAR = 126, 252  # snapshots
CHANGE = 10

# prefix of the health columns, the measure that makes a snapshot usable, the columns read off the newest of them
_SERIES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("chain_", "expiries", ("underlying_price", "expiries", "days_30_45", "quotes_30_45", "days_60", "quotes_60")),
    ("iv_30_", "iv_30", ("iv_30",)),
    ("skew_", "skew", ("rr_30", "bf_30", "skew", "skew_quotes")),
    ("iv_90_", "iv_90", ("iv_90",)),
    ("slope_", "slope_90", ("slope_90",)),
)
WHOLE = ("days_30_45", "days_60", *(f"{prefix}obs" for prefix, _, _ in _SERIES))

Measures = Mapping[str, Floats]


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, underlying) with a snapshot in the last REACH sessions."""
    index = macro_rows(pit, GVZ)
    parts = [
        _read(symbol, snapshots, _measures(snapshots, index), days)
        for symbol in UNDERLYINGS
        for days, snapshots in views(pit["option_points"], symbol, sessions, REACH)
    ]
    return pl.concat(parts)


def _measures(snapshots: Snapshots, index: pl.DataFrame) -> Measures:
    """Each snapshot's own numbers; NaN = cannot be had."""
    smiles = snapshots.smiles
    priced = np.isfinite(smiles.atm)
    month, quarter = smiles.around(MONTH, priced), smiles.around(QUARTER, priced)
    wings = smiles.around(MONTH, smiles.whole)
    call, put, atm = (smiles.at(MONTH, point, *wings) for point in ("call_25", "put_25", "atm"))
    expiries = np.bincount(smiles.of_row[priced], minlength=len(smiles.starts)).astype(np.float64)
    iv_90 = smiles.at(QUARTER, "atm", *quarter)
    return {
        "underlying_price": snapshots.underlying_price,
        "expiries": np.where(expiries > 0, expiries, np.nan),
        **_chosen(snapshots, WRITTEN, "30_45"),
        **_chosen(snapshots, HEDGED, "60"),
        "iv_30": smiles.at(MONTH, "atm", *month),
        "rr_30": call - put,
        "bf_30": (call + put) * 0.5 - atm,
        "skew": (call - put) / atm,
        "skew_quotes": _share(snapshots, *wings),
        "iv_90": iv_90,
        "slope_90": iv_90 * 100.0 - _index_then(snapshots, index),
    }


def _chosen(snapshots: Snapshots, window: tuple[int, int], name: str) -> Measures:
    """Days to the usable expiry nearest the middle of a window of days, and the share of its quotes that pass."""
    rows = snapshots.smiles.nearest(*window)
    days = np.append(snapshots.smiles.days.astype(np.float64), np.nan)[rows]
    return {f"days_{name}": days, f"quotes_{name}": _share(snapshots, rows, rows)}


def _share(snapshots: Snapshots, near: Ints, far: Ints) -> Floats:
    """Share of the quotes of one or two expiries that pass the filter; NaN without them."""
    quotes, passed = (np.append(n, 0) for n in (snapshots.quotes, snapshots.passed))
    other = np.where(far == near, -1, far)
    counted = quotes[near] + quotes[other]
    return np.where(near >= 0, (passed[near] + passed[other]) / np.maximum(counted, 1), np.nan)


def _index_then(snapshots: Snapshots, index: pl.DataFrame) -> Floats:
    """The newest index value known at each snapshot's decision; NaN where it is too old."""
    rows = index.filter(pl.col("value").is_finite()).sort("event_date", "available_at", "revision")
    session = rows["session"].to_numpy()
    arrival = np.argsort(session, kind="stable")
    newest = np.append(np.maximum.accumulate(arrival), -1) if len(arrival) else np.array([-1])
    row = newest[np.searchsorted(session[arrival], snapshots.session, side="right") - 1]
    day = np.append(rows["event_date"].to_numpy(), np.datetime64("NaT", "D"))[row]
    fresh = snapshots.session - day <= INDEX_AGE
    return np.where(fresh, np.append(rows["value"].to_numpy(), np.nan)[row], np.nan)


def _read(symbol: str, snapshots: Snapshots, measures: Measures, sessions: pl.DataFrame) -> pl.DataFrame:
    """Features of one underlying at each session from its own snapshots."""
    asked = sessions["session"].to_numpy()
    readers = places(asked)
    about = np.isfinite(measures["expiries"])
    there = snapshots.seen(about, measures["expiries"], readers, REACH)[1] >= 0
    readers = readers[there]
    never = np.datetime64("NaT", "us")
    event_at, available_at = (np.append(at, never) for at in (snapshots.event_at, snapshots.available_at))
    columns: dict[str, NDArray[Any]] = {"session": asked[there]}
    for prefix, value, names in _SERIES:
        past, row = snapshots.seen(np.isfinite(measures[value]), measures[value], readers, REACH)
        columns |= {
            f"{prefix}obs": np.where(row >= 0, past.counts, np.nan),
            f"{prefix}event_at": event_at[row],
            f"{prefix}available_at": available_at[row],
            **{name: np.append(measures[name], np.nan)[row] for name in names},
            **_history(past, value),
        }
    return table(columns, WHOLE).with_columns(symbol=pl.lit(symbol))


def _history(past: trailing.Trailing, value: str) -> Measures:
    """Where the newest value stands among those before it."""
    if value == "iv_30":
        return {"iv_30_rank_252": trailing.range_rank(past.last(YEAR))}
    if value == "skew":
        changes = trailing.change_z(past.last(HALF_YEAR + CHANGE), CHANGE)
        return {"skew_zchg_10": changes, "skew_z_126": trailing.zscore(past.last(HALF_YEAR))}
    if value == "slope_90":
        return {"slope_z_126": trailing.zscore(past.last(HALF_YEAR))}
    return {}


FEATURES = (Feature("option_surface", ("option_points", "macro"), compute),)
