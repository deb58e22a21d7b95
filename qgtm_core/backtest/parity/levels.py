"""The levels of the parity report one by one: what is compared, and which record proves which cause. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import polars as pl

from qgtm_core.backtest.fills import average_price
from qgtm_core.backtest.parity.causes import closes_by_switch, fill_cause, of_stage, since, stopped, words
from qgtm_core.backtest.parity.found import Found, Seen, beside
from qgtm_core.backtest.parity.records import Cause, Facts, Level, Sides, Stages
from qgtm_core.execution.intents import SHARE_NOISE
from qgtm_core.types import Execution, KillTier, OrderIntent

SIGNAL_FIELDS = {"score": "share of the risk budget", "confidence": "share", "status": "", "reason": ""}
TARGET_FIELDS = {
    "opinions": "strategies",
    "conviction": "share",
    "disagreement": "share",
    "annual_vol": "annual",
    "mid": "bp",
    "quote_basis": "",
    "current_shares": "shares",
    "current_weight": "share of equity",
    "target_weight": "share of equity",
}
APPROVED_FIELDS = {"approved_shares": "shares", "reasons": ""}
ORDER_FIELDS = {
    "quantity_shares": "shares",
    "side": "",
    "order_type": "",
    "limit_price": "bp",
    "decision_mid": "bp",
    "algo": "",
}
_ORDER_SCHEMA = {
    "symbol": pl.String,
    "client_order_id": pl.String,
    **{n: pl.Float64 if n in {"quantity_shares", "limit_price", "decision_mid"} else pl.String for n in ORDER_FIELDS},
}
_FILL_SCHEMA = {
    "symbol": pl.String,
    "client_order_id": pl.String,
    "filled_shares": pl.Float64,
    "average_price": pl.Float64,
}


def signals(sides: Sides, facts: Facts, found: Found) -> int:
    """Scores of every strategy and symbol; returns how many pairs were compared."""
    key = ("strategy_id", "symbol")
    frames = [_of(side, "signals") for side in _runs(sides)]
    silent = set(frames[1]["strategy_id"]) - set(frames[0]["strategy_id"])
    hashes = dict(frames[0].select("strategy_id", "params_hash").unique("strategy_id").iter_rows())
    seen = list(beside(frames, key, SIGNAL_FIELDS))
    # what the inputs of a strategy explain first: a consumer inherits from the strategies it reads
    for each in sorted(seen, key=lambda one: one.as_staged):
        strategy = each.key["strategy_id"]
        if each.rounded:
            cause, why = Cause.ROUNDING, "1e-9"
        elif strategy in silent:
            cause, why = Cause.SESSION_NOT_RUN, "no signal of this strategy was recorded in this session"
        elif hashes.get(strategy) not in {None, facts.params.get(strategy)}:
            cause, why = Cause.CODE_CHANGED, f"parameters {hashes[strategy]} then, {facts.params.get(strategy)} now"
        elif each.as_known:
            cause, why = since(facts)
        elif each.as_staged:
            cause, why = found.inherited((Level.SIGNAL,), each.key["symbol"])
        else:
            cause, why = Cause.UNEXPLAINED, "same parameters, same rows, another value"
        found.add(Level.SIGNAL, each, cause, why)
    return _items(frames[:2], key)


def target(sides: Sides, facts: Facts, found: Found) -> int:
    """Target weights and what they are made of, by symbol, and the equity they are shares of."""
    frames = [_of(side, "target") for side in _runs(sides)]
    if frames[0].is_empty():
        _not_run(facts, found, Level.TARGET, "no target was recorded")
        return 1
    policy = _policy(frames[0], facts)
    whole = [frame.select(pl.lit("").alias("symbol"), "equity_usd").head(1) for frame in frames]
    seen = [*beside(whole, ("symbol",), {"equity_usd": "USD"}), *beside(frames, ("symbol",), TARGET_FIELDS)]
    for each in seen:
        if each.rounded:
            cause, why = Cause.ROUNDING, "1e-9"
        elif each.as_staged:
            cause, why = found.inherited((Level.SIGNAL,), each.key["symbol"], facts.traded)
        elif each.as_known:
            cause, why = since(facts)
        elif policy and each.field == "target_weight":
            cause, why = Cause.POLICY_CHANGED, policy
        else:
            cause, why = Cause.UNEXPLAINED, "the recorded signals do not give this value again"
        found.add(Level.TARGET, each, cause, why)
    return _items(frames[:2], ("symbol",))


def orders(sides: Sides, facts: Facts, found: Found) -> int:
    """What risk approved and what was ordered, by symbol, and the tier it was approved under."""
    approved = [_of(side, "approved") for side in _runs(sides)]
    policy = _policy(_of(sides.live, "target"), facts)
    if approved[0].is_empty():
        _not_run(facts, found, Level.ORDER, "no approval was recorded")
    else:
        _tier(approved, facts, found)
        for each in beside(approved, ("symbol",), APPROVED_FIELDS):
            found.add(Level.ORDER, each, *of_stage(each, facts, found, (Level.TARGET, Level.ORDER), policy))
    frames = [_order_frame(side.intents) for side in _runs(sides)]
    held = approved[0].is_empty() or (not sides.live.intents and bool(sides.staged.intents))
    halt = stopped(facts, approved[0].is_empty()) if held else None
    close = _close_shares(approved[:2])
    for each in beside(frames, ("symbol", "client_order_id"), ORDER_FIELDS, only_first_of_missing=True):
        if halt is not None and each.live is None:
            cause, why = halt
        elif each.field == "quantity_shares" and each.by <= 1.0 and each.key["symbol"] in close:
            cause, why = Cause.ROUNDING, "the shares before rounding agree"
        elif each.again is None and closes_by_switch(each, facts):
            cause, why = Cause.KILL_SWITCH, words(facts, KillTier.FLATTEN)
        else:
            cause, why = of_stage(each, facts, found, (Level.ORDER, Level.TARGET), policy)
        found.add(Level.ORDER, each, cause, why)
    return max(_items(approved[:2], ("symbol",)), _items(frames[:2], ("symbol",)))


def fills(sides: Sides, facts: Facts, found: Found) -> int:
    """What was filled and at which average price, by order; then every fill that no order of ours asked for."""
    asked = (sides.live.intents, sides.again.intents, sides.live.intents)  # staged: the model's fills of live's orders
    filled = (sides.live.executions, sides.again.executions, sides.staged.executions)
    frames = [_fill_frame(*one) for one in zip(asked, filled, strict=True)]
    both = {intent.client_order_id: intent for intent in (*sides.again.intents, *sides.live.intents)}
    for each in beside(frames, ("symbol", "client_order_id"), {"filled_shares": "shares", "average_price": "bp"}):
        if each.field == "average_price" and None in {each.live, each.again}:
            continue  # said by the shares: one of the two filled nothing
        if each.rounded:
            cause, why = Cause.ROUNDING, "1e-9"
        elif each.as_staged:
            cause, why = found.inherited((Level.ORDER,), each.key["symbol"])
        else:
            cause, why = fill_cause(each, both[each.key["client_order_id"]], facts)
        found.add(Level.FILL, each, cause, why)
    for fill in facts.external:
        signed = float(fill.side.sign * fill.quantity_shares)
        key = {"symbol": fill.symbol, "client_order_id": fill.execution_id}
        seen = Seen(key, "filled_shares", signed, 0.0, "shares")
        found.add(Level.FILL, seen, Cause.OUTSIDE_ORDER, f"fill {fill.execution_id} was booked as EXTERNAL")
    return len(both) + len(facts.external)


def fees(facts: Facts, found: Found) -> int:
    """Fees of the session. The model folds its commission into the price, so it has no fee of its own."""
    paid = -sum(facts.fees_usd.values())
    if paid:
        told = f"{len(facts.fees_usd)} cash flows of kind FEE: {', '.join(sorted(facts.fees_usd)[:3])}"
        found.add(Level.FEES, Seen({"symbol": ""}, "fees_usd", paid, 0.0, "USD"), Cause.FEES, told)
    return 1


def _policy(target: pl.DataFrame, facts: Facts) -> str:
    """The house rules then and now, where they differ."""
    was = facts.policy_hash if target.is_empty() else str(target["policy_hash"][0])
    return "" if was == facts.policy_hash else f"house rules {was} then, {facts.policy_hash} now"


def _tier(approved: Sequence[pl.DataFrame], facts: Facts, found: Found) -> None:
    """The tier that live approved under, against that of the recorded opening."""
    whole = [frame.select(pl.lit("").alias("symbol"), "tier").head(1) for frame in approved[:2]]
    for each in beside([*whole, whole[1]], ("symbol",), {"tier": ""}):
        event = next((raised for raised in facts.tiers if raised.gate.tier.name == each.live), None)
        if event is None:
            found.add(Level.ORDER, each, Cause.UNEXPLAINED, "the ledger has no change to this tier")
        else:
            found.add(Level.ORDER, each, Cause.KILL_SWITCH, words(facts, event.gate.tier))


def _not_run(facts: Facts, found: Found, level: Level, words: str) -> None:
    why = words if facts.opened else "the book was not opened for this session"
    found.add(level, Seen({"symbol": ""}, "stage", None, "run", ""), Cause.SESSION_NOT_RUN, why)


# frames


def _runs(sides: Sides) -> list[Stages]:
    """Live, again, staged and, where rows were retrieved since, known."""
    runs = [sides.live, sides.again, sides.staged]
    return runs if sides.known is None else [*runs, sides.known]


def _of(side: Stages, name: str) -> pl.DataFrame:
    frame: pl.DataFrame = getattr(side, name)
    return frame


def _items(frames: Sequence[pl.DataFrame], key: Sequence[str]) -> int:
    """Different keys in any of the frames."""
    return pl.concat([frame.select(key) for frame in frames]).n_unique()


def _order_frame(intents: Sequence[OrderIntent]) -> pl.DataFrame:
    rows: list[dict[str, Any]] = [
        {
            "symbol": i.symbol,
            "client_order_id": i.client_order_id,
            "quantity_shares": float(i.quantity_shares),
            "side": i.side.value,
            "order_type": i.order_type.value,
            "limit_price": None if i.limit_price is None else float(i.limit_price),
            "decision_mid": float(i.decision_mid),
            "algo": i.algo.value,
        }
        for i in intents
    ]
    return pl.DataFrame(rows, schema=_ORDER_SCHEMA)


def _fill_frame(intents: Sequence[OrderIntent], executions: Sequence[Execution]) -> pl.DataFrame:
    """One row an order; nothing filled is zero shares and no price."""
    by_order: dict[str, list[Execution]] = defaultdict(list)
    for fill in executions:
        by_order[fill.client_order_id].append(fill)
    rows = []
    for intent in intents:
        own = by_order[intent.client_order_id]
        price = average_price(own)
        rows.append(
            {
                "symbol": intent.symbol,
                "client_order_id": intent.client_order_id,
                "filled_shares": float(sum((fill.quantity_shares for fill in own), Decimal(0))),
                "average_price": None if price is None else float(price),
            }
        )
    return pl.DataFrame(rows, schema=_FILL_SCHEMA)


def _close_shares(approved: Sequence[pl.DataFrame]) -> set[str]:
    """Symbols whose approved shares agree but for the noise of floats."""
    live, again = (dict(frame.select("symbol", "approved_shares").iter_rows()) for frame in approved)
    return {symbol for symbol in live.keys() & again.keys() if abs(live[symbol] - again[symbol]) <= SHARE_NOISE}
