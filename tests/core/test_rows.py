"""Stage results as rows of the declared tables."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from qgtm_core.engine import approve_stage, open_session, target_stage
from qgtm_core.policy import Policy
from qgtm_core.rows import aligned, approved_rows, fill_rows, position_rows, target_rows
from qgtm_core.schemas.trading import APPROVED, FILLS, POSITIONS, TARGET
from qgtm_core.types import Side
from tests.core.views import SESSION, SYMBOLS, book, execution, intent, view

NAN = np.nan
POLICY = Policy()
VIEW = view(score=[0.5, NAN, 0.2, 0.1], mid=[100, 100, NAN, 100], vol=[0.2, 0.2, 0.2, NAN])
OPENED = open_session(book("1000000", GDX=10), VIEW, POLICY)


def test_target_rows_fit_their_table_and_unknown_is_null() -> None:
    frame = target_rows(OPENED, target_stage(OPENED, VIEW, ["t"], POLICY), VIEW, POLICY.policy_hash)
    assert TARGET.require_valid(frame)["symbol"].to_list() == sorted(SYMBOLS)
    by_symbol = {row["symbol"]: row for row in frame.to_dicts()}
    assert by_symbol["SLV"]["conviction"] is None
    assert by_symbol["GDX"]["mid"] is None
    assert by_symbol["UGL"]["annual_vol"] is None
    assert by_symbol["GDX"]["current_shares"] == 10.0
    assert by_symbol["GLD"]["target_weight"] > 0.0
    assert not frame.select(pl.col(pl.Float64).is_nan().any()).row(0)[0]


def test_approved_rows_fit_their_table_and_a_position_without_a_price_has_no_weight() -> None:
    target = target_stage(OPENED, VIEW, ["t"], POLICY)
    frame = approved_rows(OPENED, approve_stage(OPENED, target.target_weight, VIEW, POLICY), VIEW)
    APPROVED.require_valid(frame)
    by_symbol = {row["symbol"]: row for row in frame.to_dicts()}
    assert by_symbol["GDX"]["approved_weight"] is None
    assert by_symbol["GDX"]["reasons"] == "NO_QUOTE"
    assert by_symbol["UGL"]["reasons"] == "NO_VOLATILITY"
    assert by_symbol["GLD"]["tier"] == "NO_NEW"
    assert by_symbol["GLD"]["correlation_id"].startswith("sig-20240612-153000-")


def test_stored_rows_come_back_as_arrays_over_the_symbols() -> None:
    frame = pl.DataFrame({"symbol": ["SLV", "GLD", "PPLT"], "x": [2.0, None, 9.0]})
    np.testing.assert_equal(aligned(frame, "x", ("GLD", "SLV", "GDX")), [NAN, 2.0, NAN])


def test_a_target_survives_storing_to_the_last_bit() -> None:
    target = target_stage(OPENED, VIEW, ["t"], POLICY)
    frame = target_rows(OPENED, target, VIEW, "h")
    assert aligned(frame, "target_weight", SYMBOLS).tolist() == target.target_weight.tolist()


def test_fill_rows_take_session_and_book_from_their_order() -> None:
    order = intent(100, Side.SELL)
    frame = FILLS.require_valid(fill_rows([execution(order, 60, "220.05"), execution(order, 40, "220.06", 2)], [order]))
    assert frame["session"].unique().to_list() == [SESSION]
    assert frame["quantity_shares"].to_list() == [60.0, 40.0]
    assert frame["side"].to_list() == ["sell", "sell"]
    assert FILLS.require_valid(fill_rows([], [])).is_empty()


def test_positions_and_cash_add_up_and_a_missing_mark_is_null() -> None:
    held = {"SLV": Decimal(10), "GLD": Decimal(-3)}
    frame = POSITIONS.require_valid(position_rows(SESSION, "test", held, Decimal("99.50"), {"SLV": 25.0}))
    assert frame["symbol"].to_list() == ["GLD", "SLV", "USD"]
    assert frame["value_usd"].to_list() == [None, 250.0, 99.5]
    assert frame["mark"].to_list() == [None, 25.0, 1.0]


def test_an_empty_book_is_its_cash() -> None:
    assert position_rows(SESSION, "test", {}, Decimal(5), {})["value_usd"].sum() == pytest.approx(5.0)
