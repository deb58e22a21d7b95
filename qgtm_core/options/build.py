"""From a signal and an option chain to an order template: selection, cover, size, limits and exits."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qgtm_core import calendar
from qgtm_core.options import payoff
from qgtm_core.options.chain import SHARES, Chain
from qgtm_core.options.payoff import Leg
from qgtm_core.options.structures import STRUCTURES, Structure, Unbuilt
from qgtm_core.options.template import Account, Exit, Refusal, Refused, Rules, Template
from qgtm_core.strategies.spec import Strategy
from qgtm_core.types import SignalStatus


@dataclass(frozen=True, slots=True)
class Signal:
    """What a strategy said at the decision."""

    status: str
    score: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class _Sized:
    """A structure that fits the account."""

    legs: tuple[Leg, ...]
    quantity: int
    cover: payoff.Cover
    outcome: payoff.Payoff


def build(
    strategy: Strategy,
    signal: Signal,
    chain: Chain | None,
    account: Account,
    decided_at: dt.datetime,
    event: dt.date | None = None,
    rules: Rules | None = None,
) -> Template | Refusal:
    """Write the order of one strategy out, or say why there is none.

    `event` is the session of the next scheduled event (for straddles). Sizes: covered calls and collars are a share of
    the holding, cash-secured puts of the cash, all others of `risk_share` of equity by their largest loss.
    """
    rules = rules or Rules()
    structure = STRUCTURES[strategy.id]
    try:
        score, usable = _wanted(signal), _fresh(chain, decided_at, rules)
        sized = _fit(structure, usable, strategy.params, score, account, event, rules)
    except Unbuilt as why:
        return Refusal(strategy.id, structure.name, strategy.symbols[0], signal.score, why.reason, str(why))
    leave = _exit(strategy.params, sized, event, decided_at, rules)
    return _write(strategy, structure, score, usable, sized, leave)


def build_all(
    asked: Sequence[tuple[Strategy, Signal]],
    chains: Mapping[str, Chain | None],
    account: Account,
    decided_at: dt.datetime,
    event: dt.date | None = None,
    rules: Rules | None = None,
) -> list[Template | Refusal]:
    """The same for several strategies, in their order: what one order leans on is not there for the next."""
    built: list[Template | Refusal] = []
    for strategy, signal in asked:
        result = build(strategy, signal, chains.get(strategy.symbols[0]), account, decided_at, event, rules)
        built.append(result)
        if isinstance(result, Template):
            account = account.less(result.collateral_usd, result.underlying, result.covering_shares)
    return built


def _wanted(signal: Signal) -> float:
    if signal.status != SignalStatus.OK or signal.score is None:
        raise Unbuilt("the strategy has no signal", signal.reason or Refused.MISSING)
    if signal.score <= 0.0:
        raise Unbuilt("the score is zero", Refused.FLAT)
    return signal.score


def _fresh(chain: Chain | None, decided_at: dt.datetime, rules: Rules) -> Chain:
    if chain is None:
        raise Unbuilt("no option chain is known at the decision", Refused.MISSING)
    age = decided_at - chain.known_at
    if age > rules.max_age:
        raise Unbuilt(f"the chain became known {age} before the decision", Refused.STALE)
    return chain


def _fit(
    structure: Structure,
    chain: Chain,
    params: Mapping[str, Any],
    score: float,
    account: Account,
    event: dt.date | None,
    rules: Rules,
) -> _Sized:
    """Choose the legs and how many of them; no option is sold that is not covered."""
    legs = structure.legs(chain, params, event)
    needs = payoff.cover(legs)
    held = int(account.shares.get(chain.underlying, 0.0) // SHARES)
    if needs.calls > structure.shares:
        raise Unbuilt("a sold call is covered neither by a bought one nor by shares", Refused.UNCOVERED)
    outcome = payoff.payoff(legs, chain.price, structure.shares)
    if structure.shares:
        units, unit = held, f"{structure.shares * SHARES} shares of {chain.underlying}"
    elif needs.cash:
        units, unit = int(account.cash_usd // (needs.cash * SHARES)), f"{needs.cash * SHARES:.0f} USD in cash"
    else:
        budget = rules.risk_share * account.equity_usd
        units, unit = _within(budget, outcome.max_loss * SHARES), f"{outcome.max_loss * SHARES:.0f} USD at risk"
        needed = max(payoff.net_worst(legs), outcome.max_loss) * SHARES
        units = min(units, _within(account.cash_usd, needed))
    if units < 1:
        covered = structure.shares or needs.cash
        raise Unbuilt(f"one unit needs {unit}", Refused.UNCOVERED if covered else Refused.SMALL)
    quantity = math.floor(score * units + 1e-9)
    if quantity < 1:
        raise Unbuilt(f"a score of {score:.2f} of {units} units is less than one", Refused.SMALL)
    return _Sized(legs, quantity, needs, outcome)


def _within(budget: float, unit: float) -> int:
    """Whole units that a budget pays for; none where a unit costs nothing, for its size has no bound."""
    return math.floor(budget / unit) if unit > 0 else 0


def _exit(
    params: Mapping[str, Any], sized: _Sized, event: dt.date | None, decided_at: dt.datetime, rules: Rules
) -> Exit:
    """Half the largest profit, twice the credit, and a day before expiry (or after the event)."""
    contracts = sized.quantity * SHARES
    credit = -payoff.net_mid(sized.legs)
    last = min(leg.quote.expiry for leg in sized.legs)
    today = decided_at.astimezone(calendar.NEW_YORK).date()
    if "exit_sessions" in params and event is not None:
        close_on: dt.date | None = calendar.offset_session(event, params["exit_sessions"])
    else:
        close_on = calendar.session_on_or_before(last - dt.timedelta(days=rules.roll_days))
        close_on = close_on if close_on > today else None
    # a holding beside the options has a profit of its own; half of what the options themselves can earn is taken
    best = sized.outcome.max_profit if not sized.cover.calls else max(credit, 0.0)
    return Exit(
        take_profit_usd=rules.take_profit * best * contracts if best else None,
        stop_loss_usd=rules.loss_multiple * credit * contracts if credit > 0 else None,
        close_on=close_on,
        expires_on=calendar.session_on_or_before(last),
    )


def _write(
    strategy: Strategy, structure: Structure, score: float, chain: Chain, sized: _Sized, leave: Exit
) -> Template:
    legs, outcome = sized.legs, sized.outcome
    contracts = sized.quantity * SHARES
    delta, gamma, vega = (
        sum(leg.weight * getattr(leg.quote, name) for leg in legs) for name in ("delta", "gamma", "vega")
    )
    mid = payoff.net_mid(legs)
    hedge = structure.hedged and abs(delta) > strategy.params["hedge_delta"]
    return Template(
        strategy_id=strategy.id,
        structure=structure.name,
        underlying=chain.underlying,
        score=score,
        quantity=sized.quantity,
        legs=legs,
        limit_mid=round(mid, 2),
        limit_worst=round(payoff.net_worst(legs), 2),
        premium_usd=mid * contracts,
        collateral_usd=_collateral(structure, sized) * contracts,
        covering_shares=sized.cover.calls * contracts,
        max_loss_usd=outcome.max_loss * contracts,
        max_profit_usd=None if outcome.max_profit is None else outcome.max_profit * contracts,
        break_evens=outcome.break_evens,
        annual_yield=_yield(chain, sized, mid),
        net_delta=delta * contracts,
        net_gamma=gamma * contracts,
        net_vega=vega * contracts,
        hedge_shares=-round(delta * contracts) if hedge else 0,
        exit=leave,
        quoted_at=chain.quoted_at,
        known_at=chain.known_at,
    )


def _collateral(structure: Structure, sized: _Sized) -> float:
    """Cash a share of a unit: the strike of a bare put, the debit beside a holding, else the largest loss."""
    if structure.shares:
        return max(payoff.net_worst(sized.legs), 0.0)
    return sized.cover.cash or sized.outcome.max_loss


def _yield(chain: Chain, sized: _Sized, mid: float) -> float | None:
    """Premium over the cash set aside, a year of 365 days; null unless cash covers a put."""
    if not sized.cover.cash:
        return None
    day = chain.quoted_at.astimezone(calendar.NEW_YORK).date()
    days = (sized.legs[0].quote.expiry - day).days
    return -mid / sized.cover.cash * 365.0 / days if days > 0 else None
