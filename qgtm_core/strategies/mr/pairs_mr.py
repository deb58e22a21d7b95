"""Pairs of close relatives by the distance method: formed once a month, traded until the next formation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core.schemas.features.formation import FORMED_PAIRS, GROUPS
from qgtm_core.strategies.replay import Matrix, by_leg, flat, windows
from qgtm_core.strategies.spec import Cadence, Input, Leg, Strategy
from qgtm_core.types import Reason, StrategyStatus

MONTH_SESSIONS = 23  # the most a month holds: a trade is replayed from its formation
PARAMS: Mapping[str, Any] = {
    "formation": 252,
    "top": 5,
    "entry": 2.0,
    "full": 3.0,
    "max_hold": 20,
    "adf_max": -3.34,
    "hl_max": 20,
    "q_min": 0.3,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return each symbol's mean score over its open pairs, 0 without one, on all its legs; WARMUP before a formation.

    The quality is the share of the session's open pairs that revert fast enough, at least `q_min`.
    """
    month = panel["session"].unique(maintain_order=True).dt.truncate("1mo").to_physical().to_numpy()
    names = panel["pair"].head(panel.height // len(month)).to_numpy()
    _, one_leg, pair_of = np.unique(names, return_index=True, return_inverse=True)
    year = params["formation"]
    columns = ("gap", "formation_rank", f"formation_adf_{year}", f"formation_half_life_{year}")
    gap, rank, adf, half_life = (by_leg(panel, name)[:, one_leg] for name in columns)
    chosen = (rank <= params["top"]) & (adf <= params["adf_max"])  # false where null
    side = np.where(chosen, open_sides(gap, month, params["entry"], params["max_hold"]), 0.0)
    is_open = (side != 0.0) & np.isfinite(gap)
    quick = (is_open & (half_life <= params["hl_max"])).sum(axis=1) / np.maximum(is_open.sum(axis=1), 1)
    quality = np.maximum(params["q_min"], quick)[:, None]
    size = np.where(is_open, -side * np.minimum(1.0, np.abs(gap) / params["full"]), np.nan)[:, pair_of]
    own = pl.when(pl.col("side") == "y").then("size").otherwise(-pl.col("size"))
    return panel.with_columns(flat("size", size), flat("quality", np.broadcast_to(quality, size.shape))).select(
        score=own.mean().over("session", "symbol").fill_null(0.0),
        quality="quality",
        reason=pl.when(pl.col("formed_on").is_null()).then(pl.lit(Reason.WARMUP.value)),
    )


def open_sides(gap: Matrix, month: NDArray[np.int32], entry: float, max_hold: int) -> Matrix:
    """Return the sign of the gap when the open trade began, 0 = none, for (sessions, legs), replayed from flat.

    A trade begins at |gap| >= entry and ends when the gap changes sign, after `max_hold` sessions or with the month,
    whose last session is the last of its formation. One that ran out of time does not begin again before the gap
    changes sign. Unusable gaps (NaN) hold.
    """
    past = windows(gap, MONTH_SESSIONS)
    ours = windows(month[:, None].astype(np.float64), MONTH_SESSIONS)[:, 0] == month[:, None]
    side, held, spent = np.zeros(gap.shape), np.zeros(gap.shape), np.zeros(gap.shape)
    for step in range(MONTH_SESSIONS):
        now = np.where(ours[:, step, None], past[..., step], np.nan)
        sign, seen = np.sign(now), np.isfinite(now)
        held = held + (ours[:, step, None] & (side != 0.0))
        spent = np.where((side != 0.0) & (held >= max_hold), side, spent)
        spent = np.where(seen & (sign != spent), 0.0, spent)
        side = np.where((seen & (sign != side)) | (spent != 0.0), 0.0, side)
        begins = (side == 0.0) & (np.abs(now) >= entry) & (sign != spent)
        side, held = np.where(begins, sign, side), np.where(begins, 0.0, held)
    return side


_COLUMNS = ("formed_on", "formation_rank", "formation_adf_252", "formation_half_life_252", "gap")

STRATEGY = Strategy(
    id="pairs_mr",
    number=24,
    category="mr",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=20,
    symbols=tuple(symbol for group in GROUPS.values() for symbol in group),
    legs=tuple(Leg(symbol, pair=f"{y}/{x}", side=s) for y, x in FORMED_PAIRS for symbol, s in ((y, "y"), (x, "x"))),
    inputs=(Input("formation", _COLUMNS, warmup=253, optional=_COLUMNS, data=("prices[symbol={symbol}].adj_close",)),),
    params=PARAMS,
    rule=rule,
    rule_lookback=MONTH_SESSIONS - 1,
    capacity="High",
    exposures=("≈0 by design",),
    source="Gatev, Goetzmann & Rouwenhorst 2006; Engle & Granger 1987",
    rationale="Prices of close relatives that parted come together again.",
    formula="at the month's first session: the 5 same-group pairs of least squared distance over 252 common bars with "
    "ADF t <= -3.34; d = (y - x)/sd of the formation; open at |d| >= 2 until d changes sign, 20 sessions or the "
    "month's end; y = -sign(d)*min(1, |d|/3), x = +, mean over a symbol's open pairs",
    differs={
        "kalman_pairs": "a discrete rule on distance with formation and trading apart; no adaptive hedge ratio",
        "gold_silver_ratio": "pairs within a group only, formed monthly; gold and silver never meet",
        "gold_platinum": "of the platinum group it trades platinum against palladium only",
        "gold_silver_ratio_intraday": "daily bars and overnight positions",
        "silver_ratio_spread": "shares, not an option structure",
    },
)
