"""Order templates as rows of `options/templates`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import polars as pl

from qgtm_core.correlation import correlation_id
from qgtm_core.options.payoff import Leg
from qgtm_core.options.template import Refusal, Template
from qgtm_core.schemas.options import TEMPLATES


def template_rows(
    session: dt.date, book: str, decided_at: dt.datetime, built: Sequence[Template | Refusal]
) -> pl.DataFrame:
    """One row a leg of each order, one row with leg 0 where there is none; sorted by the key."""
    rows: list[dict[str, Any]] = []
    for result in built:
        common = {
            "session": session,
            "book": book,
            "strategy_id": result.strategy_id,
            "structure": result.structure,
            "underlying": result.underlying,
            "decided_at": decided_at,
            "correlation_id": correlation_id(session, result.underlying),
            "score": result.score,
        }
        if isinstance(result, Refusal):
            rows.append({**common, "leg": 0, "reason": str(result.reason), "detail": result.detail})
        else:
            order = {**common, **_order(result)}
            rows += [{**order, "leg": n, **_leg(leg)} for n, leg in enumerate(result.legs, start=1)]
    frame = pl.DataFrame(rows, schema=TEMPLATES.dtypes) if rows else TEMPLATES.empty()
    return frame.sort(TEMPLATES.key)


def _order(order: Template) -> dict[str, Any]:
    same = (
        "quantity", "time_in_force", "limit_mid", "limit_worst", "premium_usd", "collateral_usd", "covering_shares",
        "max_loss_usd", "max_profit_usd", "annual_yield", "net_delta", "net_gamma", "net_vega", "hedge_shares",
        "quoted_at", "known_at",
    )  # fmt: skip
    prices = sorted(order.break_evens)
    leave = order.exit
    return {
        **{name: getattr(order, name) for name in same},
        **{name: getattr(leave, name) for name in ("take_profit_usd", "stop_loss_usd", "close_on", "expires_on")},
        "break_even_low": prices[0] if prices else None,
        "break_even_high": prices[-1] if len(prices) > 1 else None,
    }


def _leg(leg: Leg) -> dict[str, Any]:
    quote = leg.quote
    names = ("contract", "expiry", "right", "strike", "bid", "ask", "iv", "delta")
    return {
        **{name: getattr(quote, name) for name in names},
        "side": "buy" if leg.side > 0 else "sell",
        "ratio": leg.ratio,
    }
