"""Every feature column agrees with a plain-Python computation from the rows known at the session."""

from __future__ import annotations

import datetime as dt
import functools
from typing import Any

import polars as pl
import pytest

from qgtm_core.features.registry import compute_features
from qgtm_core.schemas.features import CORRELATED, COT_MARKETS, FEATURE_TABLES, PAIRS
from tests.core import pit_frames
from tests.core.features import slow_features as slow

# inside the warm-ups, just past them and with everything filled
CHECKED = (dt.date(2014, 6, 2), dt.date(2015, 2, 17), dt.date(2016, 2, 8), dt.date(2017, 3, 30))


@functools.cache
def tables() -> dict[str, pl.DataFrame]:
    """Tables with late rows and revisions."""
    return pit_frames.tables(seed=11, share=0.004)


@functools.cache
def computed(table: str) -> pl.DataFrame:
    return compute_features(table, tables(), pit_frames.days())


def check(table: str, want: slow.Row, **key: Any) -> None:
    rows = computed(table).filter(*(pl.col(name) == value for name, value in key.items()))
    (got,) = rows.to_dicts()
    assert set(want) | set(key) == set(FEATURE_TABLES[table].dtypes)
    for name, value in want.items():
        assert got[name] == (pytest.approx(value, rel=1e-7, abs=1e-9) if isinstance(value, float) else value), name


@pytest.mark.parametrize("session", CHECKED)
@pytest.mark.parametrize("symbol", ["GLD", "SIL"])
def test_price_features(session, symbol):
    check("prices", slow.price_row(tables()["prices"], session, symbol), session=session, symbol=symbol)


@pytest.mark.parametrize("session", CHECKED)
@pytest.mark.parametrize("symbol", ["GLD", "PALL"])
def test_momentum_features(session, symbol):
    check("momentum", slow.momentum_row(tables()["prices"], session, symbol), session=session, symbol=symbol)


@pytest.mark.parametrize("session", CHECKED)
def test_macro_features(session):
    check("macro", slow.macro_row(tables()["macro"], session), session=session)


@pytest.mark.parametrize("session", CHECKED)
def test_cross_asset_features(session):
    check("cross_asset", slow.cross_asset_row(tables()["prices"], session), session=session)


@pytest.mark.parametrize("session", CHECKED)
def test_volatility_features(session):
    check("volatility", slow.volatility_row(tables()["macro"], tables()["prices"], session), session=session)


@pytest.mark.parametrize("session", CHECKED)
@pytest.mark.parametrize("pair", PAIRS, ids="/".join)
def test_pair_features(session, pair):
    y, x = pair
    check("pairs", slow.pair_row(tables()["prices"], session, y, x), session=session, pair=f"{y}/{x}")


@pytest.mark.parametrize("session", CHECKED)
@pytest.mark.parametrize("pair", [(CORRELATED[0], CORRELATED[1]), (CORRELATED[1], CORRELATED[4])], ids="/".join)
def test_correlation_features(session, pair):
    a, b = pair
    check(
        "correlation", slow.correlation_row(tables()["prices"], session, a, b), session=session, symbol_a=a, symbol_b=b
    )


@pytest.mark.parametrize("session", CHECKED)
@pytest.mark.parametrize("market", COT_MARKETS)
def test_positioning_features(session, market):
    want = slow.positioning_row(tables()["positioning"], session, COT_MARKETS[market])
    check("positioning", want, session=session, market=market)
