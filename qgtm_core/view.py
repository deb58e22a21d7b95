"""The market and the opinions as a decision sees them: aligned arrays, cut at the decision. No decisions here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

from qgtm_core.errors import InvariantError
from qgtm_core.universe import INSTRUMENTS, TRADED

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SessionView:
    """All that one decision may know. Arrays run over `symbols`; NaN means unknown.

    `score` and `confidence` are strategies x symbols, NaN where a strategy has no signal; `returns` are the last
    daily total returns, oldest first, sessions x symbols.
    """

    session: dt.date
    decided_at: dt.datetime
    symbols: tuple[str, ...]
    strategies: tuple[str, ...]
    score: Array
    confidence: Array
    annual_vol: Array
    returns: Array
    mid: Array
    half_spread_bp: Array
    adv_shares: Array
    quote_basis: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MarketPanel:
    """The arrays of many sessions at once; `views()` cuts them one decision at a time."""

    sessions: tuple[dt.date, ...]
    decided_at: tuple[dt.datetime, ...]
    symbols: tuple[str, ...]
    strategies: tuple[str, ...]
    score: Array  # sessions x strategies x symbols
    confidence: Array
    annual_vol: Array  # sessions x symbols
    returns: Array  # (lookback + sessions) x symbols
    lookback: int
    mid: Array
    half_spread_bp: Array
    adv_shares: Array
    quote_basis: tuple[tuple[str, ...], ...]

    def views(self) -> Iterator[SessionView]:
        """One view a session, oldest first. A view holds no row of a later session."""
        window = self.lookback + 1
        for i, session in enumerate(self.sessions):
            yield SessionView(
                session=session,
                decided_at=self.decided_at[i],
                symbols=self.symbols,
                strategies=self.strategies,
                score=self.score[i],
                confidence=self.confidence[i],
                annual_vol=self.annual_vol[i],
                returns=self.returns[i : i + window],
                mid=self.mid[i],
                half_spread_bp=self.half_spread_bp[i],
                adv_shares=self.adv_shares[i],
                quote_basis=self.quote_basis[i],
            )


def build_panel(
    prices: pl.DataFrame,
    signals: Mapping[str, pl.DataFrame],
    quotes: pl.DataFrame,
    sessions: pl.DataFrame,
    lookback: int,
    symbols: Sequence[str] = TRADED,
) -> MarketPanel:
    """Align features, signals and quotes of `sessions` (`session, decided_at`, oldest first).

    `prices` are rows of `features/prices` from `lookback` sessions before the first one on; `signals` are rows by
    strategy id, `quotes` rows of `raw/decision_quotes`; one with an empty or crossed book is no quote. A row that was
    not known at its decision raises InvariantError.
    """
    days = sessions["session"]
    first, last = days[0], days[-1]
    _require_known(prices, "available_at", sessions)
    _require_known(quotes, "available_at", sessions)
    grid = sessions.select("session")
    history = _history_days(prices, first, lookback).vstack(grid)
    now = prices.filter(pl.col("session").is_between(first, last))
    fresh = prices.sort("symbol", "session").with_columns(
        # a stale symbol repeats its last bar: the repeat is not a return
        fresh_return=pl.when(pl.col("event_at") != pl.col("event_at").shift(1).over("symbol")).then("return_1d")
    )
    spread = (pl.col("ask") - pl.col("bid")) / 2 / ((pl.col("ask") + pl.col("bid")) / 2) * 1e4
    quoted = (
        quotes.filter(
            pl.col("session").is_between(first, last) & (pl.col("bid") > 0) & (pl.col("ask") >= pl.col("bid"))
        )
        .sort("revision")  # the newest known revision wins
        .with_columns(mid=(pl.col("ask") + pl.col("bid")) / 2, half_spread_bp=spread)
    )
    ids = tuple(signals)
    shape = (len(days), len(ids), len(symbols))
    score, confidence = np.full(shape, np.nan), np.full(shape, np.nan)
    for i, strategy in enumerate(ids):
        opinions = signals[strategy].filter(pl.col("session").is_between(first, last) & (pl.col("status") == "OK"))
        _require_known(opinions, "available_at", sessions)
        score[:, i, :] = _matrix(opinions, grid, "score", symbols)
        confidence[:, i, :] = _matrix(opinions, grid, "confidence", symbols)
    return MarketPanel(
        sessions=tuple(days.to_list()),
        decided_at=tuple(sessions["decided_at"].to_list()),
        symbols=tuple(symbols),
        strategies=ids,
        score=score,
        confidence=confidence,
        annual_vol=_matrix(now, grid, "vol_ewma_94", symbols),
        returns=_matrix(fresh, history, "fresh_return", symbols),
        lookback=len(history) - len(grid),
        mid=_matrix(quoted, grid, "mid", symbols),
        half_spread_bp=_matrix(quoted, grid, "half_spread_bp", symbols),
        adv_shares=_matrix(now, grid, "adv_20_shares", symbols),
        quote_basis=_texts(quoted, grid, "basis", symbols),
    )


def _require_known(frame: pl.DataFrame, column: str, sessions: pl.DataFrame) -> None:
    late = frame.join(sessions, on="session", how="inner").filter(pl.col(column) > pl.col("decided_at"))
    if not late.is_empty():
        raise InvariantError(f"row from the future in a decision's view: {late.row(0, named=True)}")


def _history_days(prices: pl.DataFrame, first: dt.date, lookback: int) -> pl.DataFrame:
    return prices.select("session").unique().filter(pl.col("session") < first).sort("session").tail(lookback)


def _matrix(frame: pl.DataFrame, grid: pl.DataFrame, column: str, symbols: Sequence[str]) -> Array:
    """Sessions x symbols as floats, NaN where there is no row or the value is null."""
    days = {day: i for i, day in enumerate(grid["session"])}
    columns = {symbol: j for j, symbol in enumerate(symbols)}
    cut = frame.select(
        row=pl.col("session").replace_strict(days, default=None, return_dtype=pl.Int32),
        col=pl.col("symbol").replace_strict(columns, default=None, return_dtype=pl.Int32),
        value=pl.col(column).cast(pl.Float64),
    ).drop_nulls()
    out = np.full((len(days), len(columns)), np.nan)
    out[cut["row"].to_numpy(), cut["col"].to_numpy()] = cut["value"].to_numpy()
    return out


def _texts(frame: pl.DataFrame, grid: pl.DataFrame, column: str, symbols: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    values = sorted(set(frame[column].drop_nulls()))
    codes = {value: float(i) for i, value in enumerate(values)}
    coded = frame.with_columns(pl.col(column).replace_strict(codes, default=None, return_dtype=pl.Float64))
    matrix = _matrix(coded, grid, column, symbols)
    return tuple(tuple("" if np.isnan(v) else values[int(v)] for v in row) for row in matrix)


@lru_cache(maxsize=64)
def leverages(symbols: tuple[str, ...]) -> Array:
    """Leverage of each fund (read-only: it is shared)."""
    found = np.array([INSTRUMENTS[s].leverage for s in symbols])
    found.flags.writeable = False
    return found


@lru_cache(maxsize=64)
def metal_groups(symbols: tuple[str, ...]) -> Array:
    """Metals x symbols, 1 where the symbol belongs to the metal, else 0 (read-only)."""
    metals = [INSTRUMENTS[s].metal for s in symbols]
    found = np.array([[1.0 if metal is group else 0.0 for metal in metals] for group in dict.fromkeys(metals)])
    found.flags.writeable = False
    return found
