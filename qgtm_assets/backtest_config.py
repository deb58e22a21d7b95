"""What a backtest may vary, and the name of its result. The rest is the house policy."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import replace
from decimal import Decimal

import dagster as dg
from pydantic import Field

from qgtm_assets.desk import TRADING
from qgtm_core.backtest.evidence.investigation import investigable
from qgtm_core.backtest.research.costs import CostModel
from qgtm_core.errors import ConfigError
from qgtm_core.policy import Policy
from qgtm_resources.resources import DeskResource


class BacktestConfig(dg.Config):
    """Run config of `backtest/*`."""

    start_cash_usd: str = Field(default="1000000", description="cash of the book, and the capital of research")
    annual_vol_target: float | None = Field(default=None, description="of the portfolio; house policy when empty")
    allow_short: bool | None = Field(default=None, description="house policy when empty")
    simulated_reset_sessions: int = Field(default=5, description="sessions after which a latched tier is lifted")
    strategies: list[str] = Field(default_factory=list, description="ids to judge; empty = every one")
    grids: dict[str, dict[str, list[float]]] = Field(
        default_factory=dict, description="id -> parameter -> values, in place of its neighbourhood"
    )


def policy_of(desk: DeskResource, config: BacktestConfig) -> Policy:
    """The house policy with what the backtest varies, and with simulated resets."""
    house = desk.policy
    portfolio = replace(
        house.portfolio,
        annual_vol_target=config.annual_vol_target or house.portfolio.annual_vol_target,
        allow_short=house.portfolio.allow_short if config.allow_short is None else config.allow_short,
    )
    return replace(house, portfolio=portfolio, simulated_reset_sessions=config.simulated_reset_sessions)


def costs_of(config: BacktestConfig) -> CostModel:
    """The cost model at the backtest's capital."""
    return CostModel(capital_usd=float(config.start_cash_usd))


def chosen_strategies(config: BacktestConfig) -> tuple[str, ...]:
    """Ids to judge. Raises ConfigError on one that a daily backtest cannot look at."""
    known = investigable()
    unknown = [key for key in (*config.strategies, *config.grids) if key not in known]
    if unknown:
        raise ConfigError(f"{', '.join(unknown)}: no strategy of a daily backtest; see `qgtm strategies`")
    return tuple(key for key in known if not config.strategies or key in config.strategies)


def backtest_id(policy: Policy, first: dt.date, last: dt.date, config: BacktestConfig) -> str:
    """Name of a result: another policy, range, start or design is another backtest, and never overwrites this one."""
    text = json.dumps(
        [
            policy.policy_hash,
            str(first),
            str(last),
            str(Decimal(config.start_cash_usd).normalize()),
            [strategy.params_hash for strategy in TRADING],
            sorted(config.strategies),
            config.grids,
        ],
        sort_keys=True,
    )
    return f"backtest-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
