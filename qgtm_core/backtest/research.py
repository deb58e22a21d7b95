"""Every strategy on its own, vectorised: what its scores would have earned, before any portfolio construction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qgtm_core.backtest.metrics import Performance, performance
from qgtm_core.view import Array, MarketPanel

VOL_TARGET = 0.10  # annual volatility a full score is sized to, per symbol
MAX_WEIGHT = 1.0


@dataclass(frozen=True, slots=True)
class StrategyRecord:
    """One strategy's hypothetical record. `active` counts sessions with at least one signal."""

    strategy_id: str
    returns: Array  # net, one a session; the return earned from this session's close to the next
    performance: Performance
    gross_sharpe: float | None
    annual_turnover: float  # sum of |change in weight| a year
    active: int
    first_active: int  # index of the first session with a signal, -1 = never


def strategy_records(panel: MarketPanel, next_return: Array, half_spread_bp: Array) -> list[StrategyRecord]:
    """Weight = score x min(1, 10 % / volatility), equal over a strategy's symbols, entered at the close of the session.

    `next_return` is sessions x symbols: the total return from the session's close to the next one, NaN where unknown
    (such a position earns nothing and is not counted as known). Costs: half the spread on every change of weight. A
    symbol without a volatility has no weight.
    """
    unknown = np.full_like(panel.annual_vol, np.nan)
    scale = np.minimum(MAX_WEIGHT, np.divide(VOL_TARGET, panel.annual_vol, out=unknown, where=panel.annual_vol > 0.0))
    earned, spread = _finite(next_return), _finite(half_spread_bp) / 1e4
    records = []
    for i, strategy in enumerate(panel.strategies):
        score = panel.score[:, i, :]
        traded = np.isfinite(score).any(axis=0)
        weight = np.nan_to_num(score * scale) / max(int(traded.sum()), 1)
        change = np.abs(np.diff(weight, axis=0, prepend=0.0))
        gross = (weight * earned).sum(axis=1)
        net = gross - (change * spread).sum(axis=1)
        has_signal = np.isfinite(score).any(axis=1)
        first = int(np.argmax(has_signal)) if has_signal.any() else -1
        sample = net[first:] if first >= 0 else net[:0]
        records.append(
            StrategyRecord(
                strategy_id=strategy,
                returns=net,
                performance=performance(sample),
                gross_sharpe=performance(gross[first:]).sharpe if first >= 0 else None,
                annual_turnover=float(change.sum() / max(len(sample), 1) * 252),
                active=int(has_signal.sum()),
                first_active=first,
            )
        )
    return records


def _finite(values: Array) -> Array:
    return np.where(np.isfinite(values), values, 0.0)
