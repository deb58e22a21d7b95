"""The id that follows one opinion on one symbol from signal to transaction cost: equal in live and backtest."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections.abc import Iterable
from functools import lru_cache

import polars as pl

from qgtm_core import calendar

_SUFFIX_BYTES = 5  # 40 bits of the digest make whole base32 letters
_SUFFIX_LETTERS = 4
INTRADAY_PREFIX = "int-"


def correlation_id(session: dt.date, symbol: str) -> str:
    """Return `sig-YYYYMMDD-HHMMSS-xxxx`: the decision in New York and four letters from session and symbol."""
    return _prefix(session) + _suffix(session, symbol)


def correlation_ids(sessions: Iterable[dt.date], symbols: Iterable[str]) -> pl.Series:
    """Return the ids of aligned sessions and symbols; each distinct pair is hashed once in a process."""
    ids = [correlation_id(session, symbol) for session, symbol in zip(sessions, symbols, strict=True)]
    return pl.Series("correlation_id", ids, dtype=pl.String)


@lru_cache(maxsize=1 << 14)
def _prefix(session: dt.date) -> str:
    decided = calendar.decision_time(session).astimezone(calendar.NEW_YORK)
    return f"sig-{decided:%Y%m%d-%H%M%S}-"


@lru_cache(maxsize=1 << 17)
def _suffix(session: dt.date, symbol: str) -> str:
    return _letters(f"{session}|{symbol}")


def _letters(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.b32encode(digest[:_SUFFIX_BYTES]).decode()[:_SUFFIX_LETTERS].lower()


def tick_correlation_id(decided_at: dt.datetime, symbol: str) -> str:
    """Return `int-YYYYMMDD-HHMMSS-xxxx`: the id of an intraday opinion, by its tick in New York and the symbol."""
    local = decided_at.astimezone(calendar.NEW_YORK)
    return f"{INTRADAY_PREFIX}{local:%Y%m%d-%H%M%S}-{_letters(f'{local:%Y%m%d%H%M%S}|{symbol}')}"


def tick_correlation_ids(ticks: Iterable[dt.datetime], symbols: Iterable[str]) -> pl.Series:
    """Return the ids of aligned ticks and symbols."""
    ids = [tick_correlation_id(tick, symbol) for tick, symbol in zip(ticks, symbols, strict=True)]
    return pl.Series("correlation_id", ids, dtype=pl.String)
