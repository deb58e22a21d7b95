"""Every house number of sizing, risk and routing in one place, each with its unit. No code that uses them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from qgtm_core.risk.killswitch import KillLimits


@dataclass(frozen=True, slots=True)
class PortfolioPolicy:
    """How opinions become weights."""

    annual_vol_target: float = 0.10
    max_multiplier: float = 3.0  # volatility targeting may scale weak conviction up by no more than this
    correlation_sessions: int = 126
    correlation_min_obs: int = 60  # below it two symbols count as perfectly correlated
    no_trade_band_weight: float = 0.005  # share of equity
    allow_short: bool = False
    # most the strategies of one cluster may hold of the total strategy budget
    cluster_caps: Mapping[str, float] = field(default_factory=lambda: {"momentum": 0.25})


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Hard limits on the book, as shares of equity unless said otherwise; leveraged funds count their leverage."""

    max_position_weight: float = 0.25
    max_metal_weight: float = 0.60
    max_gross_weight: float = 1.50
    max_order_adv_share: float = 0.05  # of 20-day mean volume
    min_order_notional_usd: float = 200.0


@dataclass(frozen=True, slots=True)
class RoutingPolicy:
    """How an approved change becomes an order."""

    vwap_above_adv_share: float = 0.01
    twap_above_adv_share: float = 0.05
    limit_above_half_spread_bp: float = 4.0  # wide markets get a collar instead of a market order
    collar_bp: float = 300.0  # limit price beyond the decision mid


@dataclass(frozen=True, slots=True)
class IntradayPolicy:
    """Budget of the intraday sleeve, apart from the daily one. Its limits come before those of the book."""

    max_gross_weight: float = 0.10  # share of equity, shared equally by the strategies that trade
    annual_vol_limit: float = 0.02  # of the sleeve alone
    no_trade_band_weight: float = 0.002  # share of equity
    throttle_share: float = 0.5  # of the budget, while the kill switch throttles


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything `step_session` needs besides the data.

    `simulated_reset_sessions` exists for backtests only: no persons are there to reset a latched tier, so it is
    assumed to be reset that many sessions later, and every such reset is counted in the result. Null in live use.
    """

    portfolio: PortfolioPolicy = field(default_factory=PortfolioPolicy)
    limits: RiskLimits = field(default_factory=RiskLimits)
    kill: KillLimits = field(default_factory=KillLimits)
    routing: RoutingPolicy = field(default_factory=RoutingPolicy)
    simulated_reset_sessions: int | None = None
    intraday: IntradayPolicy = field(default_factory=IntradayPolicy)

    @property
    def policy_hash(self) -> str:
        """Short hash of every number above."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]
