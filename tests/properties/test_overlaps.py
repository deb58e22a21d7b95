"""Strategies that look at the same reports must not say the same thing."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from qgtm_core import calendar
from qgtm_core.features.registry import compute_features
from qgtm_core.strategies.evaluate import evaluate
from qgtm_core.strategies.registry import REGISTRY
from tests.properties import market

SAME = 0.8  # weekly scores correlated more than this in size are one opinion
FIRST = dt.date(2016, 7, 1)  # both have their history by then


@pytest.mark.parametrize("symbol", ["GLD", "SLV", "PPLT", "PALL"])
def test_hedging_pressure_is_not_cot_precious_turned_round(symbol: str) -> None:
    pair = [REGISTRY[key] for key in ("cot_precious", "hedging_pressure")]
    days = market.sessions(calendar.offset_session(FIRST, -max(s.lookback for s in pair)))
    known = {"positioning": compute_features("positioning", market.base(), days)}
    asked = market.sessions(FIRST)
    weekly = [
        evaluate(s, known, asked)
        .filter(symbol=symbol, status="OK")
        .group_by(pl.col("session").dt.truncate("1w"))
        .agg(pl.col("score").first())
        for s in pair
    ]
    both = weekly[0].join(weekly[1], on="session")
    assert both.height > 250
    assert abs(both.select(pl.corr("score", "score_right")).item()) < SAME


def test_the_two_havens_of_the_volatility_index_are_not_one() -> None:
    """Were they, the later one would have to be disabled."""
    pair = [REGISTRY[key] for key in ("vix_haven", "gold_vix_haven")]
    asked = market.sessions(calendar.offset_session(market.LAST, -251), market.LAST)
    days = market.sessions(calendar.offset_session(asked["session"][0], -max(s.lookback for s in pair)))
    tables = {table for s in pair for table in s.tables}
    known = {table: compute_features(table, market.base(), days) for table in tables}
    one, other = (evaluate(s, known, asked).filter(status="OK") for s in pair)
    both = one.join(other, on="session")
    assert both.height > 200
    assert abs(both.select(pl.corr("score", "score_right")).item()) < SAME
