"""Look-ahead in the accounts: what a decision earns and at what it is filled, with past and future changed.

Each check returns how many values it looked at and the leaks it found.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from qgtm_core import calendar
from qgtm_core.backtest.fills import FillResult, MarketRow
from qgtm_core.backtest.lookahead.histories import SEED
from qgtm_core.backtest.lookahead.leak import Leak
from qgtm_core.backtest.lookahead.pipeline import Case, Pipeline, World
from qgtm_core.backtest.research.returns import ResearchMarket, matrix
from qgtm_core.schemas.pit import PIT_TABLES
from qgtm_core.types import Algo, OrderIntent, OrderType, Side
from qgtm_core.view import Array

Found = tuple[int, list[Leak]]
Pit = Mapping[str, pl.DataFrame]
ARRAYS = ("next_return", "annual_vol", "half_spread_bp", "adv_usd", "price_usd", "borrow_rate")
MID = 100.0  # USD, at the decision of an order worked in the check of fills
MOVED = 1.01  # times the mid


def returns(pipeline: Pipeline, case: Case, world: World, pit: Pit, cuts: Sequence[dt.date]) -> Found:
    """What a decision earns depends on no later decision, and on no price before the one it was entered at."""
    features, signals = world.of("features"), world.of("signals")
    days = case.days(case.last, lookback=False)
    if not signals or "prices" not in pit or days.height < 3:
        return 0, []
    terms = pit.get("fund_terms", PIT_TABLES["fund_terms"].empty())
    bars = pit["prices"].select("symbol", "event_date", "revision", "adj_close")
    market = pipeline.market(features["prices"], bars, case.quotes, terms, days)
    sessions = list(market.sessions)
    score = np.stack([matrix(frame, "score", sessions, market.symbols) for frame in signals.values()])
    full, leaks = pipeline.returns(score, market), []
    places = [sessions.index(day) for day in cuts if day in sessions[1:-1]]
    for place in places:
        cases = {
            "later scores and markets spoilt": (
                slice(None, place + 1),
                *_spoilt_future(case, list(signals), score, market, place),
            ),
            # without the session after it, the newest one does not know how long its positions are held
            "later sessions deleted": (slice(None, place), score[:, : place + 1], _first(market, place + 1)),
            "earlier returns spoilt": (slice(place, None), score, _spoilt_past(market, place)),
        }
        for kind, (kept, other, there) in cases.items():
            found = pipeline.returns(other, there)[:, : full.shape[1]]
            leaks += _return_leaks(list(signals), sessions, full, found, kept, kind)
        old = (
            pl.when(pl.col("event_date") < sessions[place]).then(pl.col("adj_close") * 1.5 + 1.0).otherwise("adj_close")
        )
        again = pipeline.market(features["prices"], bars.with_columns(adj_close=old), case.quotes, terms, days)
        leaks += _market_leaks(market, again, place)
    return full.size * len(places), list({(leak.table, leak.column): leak for leak in reversed(leaks)}.values())


def _return_leaks(
    ids: Sequence[str], sessions: Sequence[dt.date], full: Array, found: Array, kept: slice, kind: str
) -> list[Leak]:
    one, other = full[:, kept], found[:, kept]
    wrong = ~((one == other) | (np.isnan(one) & np.isnan(other)))
    days, leaks = sessions[kept], []
    for i in (int(place) for place in np.flatnonzero(wrong.any(axis=1))):
        t = int(wrong[i].argmax())
        leaks.append(Leak("returns", ids[i], "net", days[t], ids[i], kind, str(one[i, t]), str(other[i, t])))
    return leaks


def _market_leaks(market: ResearchMarket, again: ResearchMarket, place: int) -> list[Leak]:
    one, other = market.next_return[place:], again.next_return[place:]
    wrong = ~((one == other) | (np.isnan(one) & np.isnan(other)))
    if not wrong.any():
        return []
    t, n = (int(i) for i in np.argwhere(wrong)[0])
    day, symbol = market.sessions[place + t], market.symbols[n]
    kind = "prices before the session of the entry changed"
    return [Leak("returns", "market", "next_return", day, symbol, kind, str(one[t, n]), str(other[t, n]))]


def _spoilt_future(
    case: Case, ids: Sequence[str], score: Array, market: ResearchMarket, place: int
) -> tuple[Array, ResearchMarket]:
    """Other scores on the symbols each strategy trades, and another market, after a session."""
    random, wild = np.random.default_rng(SEED + place), score.copy()
    for i, key in enumerate(ids):
        traded = np.isin(market.symbols, case.strategies[key].symbols)
        wild[i, place + 1 :, traded] = random.uniform(-1, 1, (int(traded.sum()), score.shape[1] - place - 1))
    later = slice(place + 1, None)
    return wild, _with_arrays(market, {name: _noisy(getattr(market, name), later, random) for name in ARRAYS})


def _spoilt_past(market: ResearchMarket, place: int) -> ResearchMarket:
    noisy = _noisy(market.next_return, slice(None, place), np.random.default_rng(SEED + place))
    return replace(market, next_return=noisy)


def _noisy(values: Array, rows: slice, random: np.random.Generator) -> Array:
    out = values.copy()
    out[rows] = random.lognormal(0.0, 1.0, out[rows].shape)
    return out


def _first(market: ResearchMarket, rows: int) -> ResearchMarket:
    arrays = {name: getattr(market, name)[:rows] for name in ARRAYS}
    return _with_arrays(replace(market, sessions=market.sessions[:rows]), arrays)


def _with_arrays(market: ResearchMarket, arrays: Mapping[str, Array]) -> ResearchMarket:
    changed: Mapping[str, Any] = arrays
    return replace(market, **changed)


def fills(pipeline: Pipeline, cuts: Sequence[dt.date]) -> Found:
    """An order fills after its decision, at prices of its own session, and never better than the mid then.

    The order is worked in three markets a session apart. Prices known before the decision, or of another session, may
    not move the fill; the mid of its own session must.
    """
    orders, leaks = 0, []
    for session in cuts:
        before, after = (calendar.offset_session(session, by) for by in (-1, 1))
        rows = {before: _row(MID * 0.7), session: _row(MID), after: _row(MID * 1.3)}
        for side in Side:
            intent = _intent(session, side)
            found = pipeline.fill(intent, rows)
            orders += 1
            broken = [
                *_at_the_wrong_time(intent, found),
                *_at_the_wrong_price(intent, found),
                *(
                    (f"another price in the session {word} moves the fill", _price(found), _price(other))
                    for word, day in (("before", before), ("after", after))
                    if _price(other := pipeline.fill(intent, {**rows, day: _row(MID * 2)})) != _price(found)
                ),
                *_not_of_the_session(pipeline, intent, rows, found),
            ]
            leaks += [Leak("fills", "GLD", "price", session, side.value, *words) for words in broken[:1]]
    return orders, leaks[:1]


def _row(mid: float) -> MarketRow:
    return MarketRow("GLD", mid, 1.0, 1e7, 1e7, 0.01, vwap=mid * 1.002, close=mid * 1.004)


def _intent(session: dt.date, side: Side) -> OrderIntent:
    return OrderIntent(
        client_order_id=f"lookahead-{session}-{side.value}",
        session=session,
        book="lookahead",
        symbol="GLD",
        side=side,
        quantity_shares=Decimal(1000),
        order_type=OrderType.MARKET,
        limit_price=None,
        decision_mid=Decimal(str(MID)),
        algo=next(iter(Algo)),
        correlation_id="lookahead",
        decided_at=calendar.decision_time(session),
    )


def _price(found: FillResult) -> str:
    return str(found.executions[0].price) if found.executions else "no fill"


def _at_the_wrong_time(intent: OrderIntent, found: FillResult) -> list[tuple[str, str, str]]:
    close = calendar.close_at(intent.session)
    wrong = [e for e in found.executions if not intent.decided_at <= e.executed_at <= close]
    return [("filled outside decision and close", str(intent.decided_at), str(e.executed_at)) for e in wrong[:1]]


def _at_the_wrong_price(intent: OrderIntent, found: FillResult) -> list[tuple[str, str, str]]:
    better = [e for e in found.executions if intent.side.sign * (float(e.price) - MID) < 0.0]
    return [("better than the mid at the decision", str(MID), str(e.price)) for e in better[:1]]


def _not_of_the_session(
    pipeline: Pipeline, intent: OrderIntent, rows: Mapping[dt.date, MarketRow], found: FillResult
) -> list[tuple[str, str, str]]:
    moved = pipeline.fill(intent, {**rows, intent.session: _row(MID * MOVED)})
    if found.executions and _price(moved) == _price(found):
        return [("the market of its session does not move the fill", _price(found), _price(moved))]
    return []
