"""Declaration of a `signals/<strategy>` table: one row a session and symbol, or a tick and symbol."""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.spec import INSTANT, Column, Table

_COLUMNS = {
    "session": Column(pl.Date, nullable=False),
    "strategy_id": Column(pl.String, nullable=False),
    "symbol": Column(pl.String, nullable=False),
    "score": Column(pl.Float64, "share of the strategy's risk budget; null = no opinion", low=-1.0, high=1.0),
    "confidence": Column(pl.Float64, nullable=False, low=0.0, high=1.0),
    "status": Column(pl.String, "OK or NO_SIGNAL", nullable=False),
    "reason": Column(pl.String, "why there is no signal"),
    "horizon_sessions": Column(pl.Int32, "sessions", nullable=False),
    "as_of_max": Column(INSTANT, "event time of the newest row used"),
    "available_at": Column(INSTANT, "availability of the newest row used; never after decided_at"),
    "decided_at": Column(INSTANT, nullable=False),
    "correlation_id": Column(pl.String, nullable=False),
    "params_hash": Column(pl.String, nullable=False),
}


# Strategies on their own clock within the session: their signals are keyed by the tick as well.
INTRADAY_IDS = frozenset(
    {"gold_silver_ratio_intraday", "vwap_reversion_intraday", "gold_gamma_scalp", "mvg_v1", "fix_dislocation"}
)


def intraday_signal_table(strategy_id: str) -> Table:
    """The declaration of one intraday strategy's signal table: the same columns, one row a tick and symbol."""
    horizon = Column(pl.Int32, "bars of the strategy", nullable=False)
    columns = {**_COLUMNS, "horizon_sessions": horizon}
    return Table("signals", strategy_id, ("session", "decided_at", "symbol"), columns, f"Signals of {strategy_id}")


def signal_table(strategy_id: str) -> Table:
    """The declaration of one strategy's signal table."""
    if strategy_id in INTRADAY_IDS:
        return intraday_signal_table(strategy_id)
    return Table("signals", strategy_id, ("session", "symbol"), _COLUMNS, f"Signals of {strategy_id}")
