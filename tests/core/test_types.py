"""Derived properties of the shared values."""

from __future__ import annotations

import datetime as dt

import pytest

from qgtm_core.types import Gate, KillTier, OrderState, Quote, Side


def test_a_quote_knows_its_middle_and_half_spread() -> None:
    quote = Quote("GLD", bid=99.9, ask=100.1, quoted_at=dt.datetime(2024, 6, 12, tzinfo=dt.UTC), basis="quote")
    assert quote.mid == pytest.approx(100.0)
    assert quote.half_spread_bp == pytest.approx(10.0)


def test_four_order_states_are_final() -> None:
    assert {s.value for s in OrderState if s.final} == {"FILLED", "CANCELLED", "EXPIRED", "REJECTED"}


def test_a_gate_is_open_below_no_new() -> None:
    assert [Gate(tier, "").open for tier in KillTier] == [True, True, True, False, False]


def test_sides_have_opposite_signs() -> None:
    assert Side.BUY.sign == -Side.SELL.sign == 1
