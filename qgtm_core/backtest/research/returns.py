"""Every strategy on its own, vectorised: what its scores would have earned, with every cost, before any portfolio.

Arrays are sessions x symbols (T, N), with a family of parameter sets or strategies in front where there is one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import polars as pl

from qgtm_core.backtest.research.costs import CostModel, cost_rates
from qgtm_core.features.leverage import terms_in_force
from qgtm_core.schemas.results import STRATEGY_RETURNS_TABLE
from qgtm_core.universe import TRADED
from qgtm_core.view import Array, build_panel

VOL_TARGET = 0.10  # annual volatility a full score is sized to, per symbol
MAX_WEIGHT = 1.0
Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True, eq=False)
class ResearchMarket:
    """What research needs of the market: (T, N) arrays, NaN where not known.

    `next_return` is the total return from the session's close to the symbol's next one: the outcome, which nothing may
    decide on. Everything else was known at the session's decision.
    """

    sessions: tuple[dt.date, ...]
    symbols: tuple[str, ...]
    next_return: Array
    annual_vol: Array  # decimal
    half_spread_bp: Array
    adv_usd: Array
    price_usd: Array
    borrow_rate: Array  # decimal a year


@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """Returns and exposures of each session, (…, T), as shares of capital; costs are positive.

    A row runs from the session's close to the next: `gross` is earned in it, trading is paid at its start. `unknown` is
    the weight whose return is not known: it earned nothing. `turnover` is the sum of |change of target weight|.
    """

    gross: Array
    spread: Array
    impact: Array
    commission: Array
    borrow: Array
    net: Array
    gross_weight: Array
    net_weight: Array
    turnover: Array
    unknown: Array

    @property
    def cost(self) -> Array:
        """Costs of all kinds."""
        return self.spread + self.impact + self.commission + self.borrow

    def at(self, index: Any) -> Account:
        """The same figures of one member or of a part of the sessions: `account.at((k, slice(first, None)))`."""
        return Account(*(getattr(self, field.name)[index] for field in fields(self)))


def research_market(
    prices: pl.DataFrame,
    pit_prices: pl.DataFrame,
    quotes: pl.DataFrame,
    fund_terms: pl.DataFrame,
    sessions: pl.DataFrame,
    symbols: Sequence[str] = TRADED,
) -> ResearchMarket:
    """Align the market of `sessions` (`session, decided_at`, oldest first).

    `prices` are rows of `features/prices`, `quotes` of `raw/decision_quotes`, `fund_terms` of `pit/fund_terms`, all as
    known at each decision (a later row raises InvariantError). `pit_prices` are `symbol, event_date, revision,
    adj_close` and may reach past the last session: they only say what a position earned.
    """
    days = tuple(sessions["session"].to_list())
    panel = build_panel(prices, {}, quotes, sessions, 0, symbols)
    terms = terms_in_force(fund_terms.filter(pl.col("symbol").is_in(symbols)), sessions)
    close = matrix(prices, "close", days, symbols)
    return ResearchMarket(
        sessions=days,
        symbols=tuple(symbols),
        next_return=next_returns(pit_prices, days, symbols),
        annual_vol=panel.annual_vol,
        half_spread_bp=panel.half_spread_bp,
        adv_usd=panel.adv_shares * close,
        price_usd=close,
        borrow_rate=matrix(terms, "borrow_rate", days, symbols),
    )


def next_returns(pit_prices: pl.DataFrame, sessions: Sequence[dt.date], symbols: Sequence[str]) -> Array:
    """Total return from each session's close to the next bar of the symbol, (T, N); NaN without both bars.

    The newest revision of `pit_prices` (`symbol, event_date, revision, adj_close`) counts.
    """
    latest = pit_prices.sort("symbol", "event_date", "revision").unique(
        ["symbol", "event_date"], keep="last", maintain_order=True
    )
    following = pl.col("adj_close").shift(-1).over("symbol")
    ahead = latest.select("symbol", session="event_date", ahead=following / pl.col("adj_close") - 1.0)
    return matrix(ahead, "ahead", sessions, symbols)


def matrix(frame: pl.DataFrame, column: str, sessions: Sequence[dt.date], symbols: Sequence[str]) -> Array:
    """A column of rows by `session, symbol` as (T, N); NaN where there is no row or no value."""
    days = pl.DataFrame({"session": list(sessions)}, schema={"session": pl.Date}).with_row_index("row")
    names = pl.DataFrame({"symbol": list(symbols)}, schema={"symbol": pl.String}).with_row_index("column")
    value = pl.col(column).cast(pl.Float64)
    cut = frame.select("session", "symbol", value=value).drop_nulls().join(days, on="session").join(names, on="symbol")
    out = np.full((len(days), len(names)), np.nan)
    out[cut["row"].to_numpy(), cut["column"].to_numpy()] = cut["value"].to_numpy()
    return out


def weights(score: Array, market: ResearchMarket) -> Array:
    """Target weights of scores (…, T, N): score x min(1, 10 % / volatility) / symbols it has spoken on so far.

    NaN scores are silence and weigh nothing; so does a symbol without a volatility.
    """
    unknown = np.full_like(market.annual_vol, np.nan)
    scale = np.divide(VOL_TARGET, market.annual_vol, out=unknown, where=market.annual_vol > 0.0)
    known = np.isfinite(score)
    spoken = np.maximum(np.logical_or.accumulate(known, axis=-2).sum(axis=-1), 1)
    known &= np.isfinite(scale)
    sized = np.zeros(score.shape)
    np.multiply(score, np.minimum(MAX_WEIGHT, scale), out=sized, where=known)
    sized /= spoken[..., None]
    return sized


def spoke(score: Array) -> Flags:
    """Whether there was any signal in each session: (…, T) of scores (…, T, N)."""
    found: Flags = np.asarray(np.isfinite(score).any(axis=-1))
    return found


def account(weight: Array, market: ResearchMarket, costs: CostModel) -> Account:
    """Returns of target weights (…, T, N), entered at the close of their session; the book begins empty.

    A position whose next return is not known earns nothing (see `Account.unknown`).
    """
    from qgtm_core.kernels.costing import FIELDS, charge_nb

    rates = cost_rates(market, costs)
    leading = weight.shape[:-2]
    family = np.ascontiguousarray(weight.reshape(-1, *weight.shape[-2:]), dtype=float)
    out = np.zeros((FIELDS, *family.shape[:2]))
    tables = (market.next_return, rates.spread, rates.impact, rates.commission, rates.sale, rates.borrow)
    charge_nb(family, *(np.ascontiguousarray(table) for table in tables), out)
    gross, spread, impact, commission, borrow, gross_weight, net_weight, turnover, unknown = (
        figure.reshape(*leading, weight.shape[-2]) for figure in out
    )
    net = gross - spread - impact - commission - borrow
    return Account(gross, spread, impact, commission, borrow, net, gross_weight, net_weight, turnover, unknown)


def strategy_returns_rows(
    found: Account, spoken: Flags, sessions: Sequence[dt.date], strategy_ids: Sequence[str], book: str
) -> pl.DataFrame:
    """Rows of `backtest/strategy_returns`: `found` and `spoken` are (strategies, T)."""
    if not strategy_ids or not sessions:
        return STRATEGY_RETURNS_TABLE.empty()
    columns = {
        "gross_1d": found.gross,
        "spread_1d": found.spread,
        "impact_1d": found.impact,
        "commission_1d": found.commission,
        "borrow_1d": found.borrow,
        "return_1d": found.net,
        "gross_weight": found.gross_weight,
        "net_weight": found.net_weight,
        "turnover": found.turnover,
        "spoke": spoken,
    }
    keys = pl.DataFrame({"strategy_id": list(strategy_ids)}).join(
        pl.DataFrame({"session": list(sessions)}), how="cross", maintain_order="left_right"
    )
    values = pl.DataFrame({name: values.reshape(-1) for name, values in columns.items()})
    rows = pl.concat([keys, values], how="horizontal").with_columns(book=pl.lit(book))
    return rows.select(list(STRATEGY_RETURNS_TABLE.dtypes))
