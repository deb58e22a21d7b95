"""The market as a decision sees it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl
import pytest

from qgtm_core import calendar
from qgtm_core.errors import InvariantError
from qgtm_core.universe import TRADED
from qgtm_core.view import MarketPanel, build_panel, leverages, metal_groups
from tests.core.views import panel

NAN = np.nan
SYMBOLS = ("GLD", "SLV")
FIRST, LAST = dt.date(2024, 6, 10), dt.date(2024, 6, 12)
DAYS = calendar.schedule(calendar.offset_session(FIRST, -4), LAST).select("session", "decided_at", "open_at")
ASKED = calendar.schedule(FIRST, LAST).select("session", "decided_at")


def price_rows() -> pl.DataFrame:
    """One row a session and symbol; the return of session number n is n / 100, and SLV's negative."""
    n = pl.int_range(pl.len()).cast(pl.Float64)
    rows = DAYS.with_columns(
        n=n,
        event_at=pl.col("open_at") - pl.duration(hours=1),
        available_at=pl.col("decided_at"),
        vol_ewma_94=0.1 + n / 100,
    ).with_columns(adv_20_shares=1000 + pl.col("n"))
    return pl.concat(
        [
            rows.with_columns(symbol=pl.lit("GLD"), return_1d=pl.col("n") / 100),
            rows.with_columns(symbol=pl.lit("SLV"), return_1d=-pl.col("n") / 100),
        ]
    )


def quote_rows() -> pl.DataFrame:
    rows = ASKED.with_columns(
        available_at=pl.col("decided_at"), bid=pl.lit(99.0), ask=pl.lit(101.0), basis=pl.lit("quote"), revision=0
    )
    return pl.concat([rows.with_columns(symbol=pl.lit(s)) for s in SYMBOLS])


def signal_rows(score: float = 0.5, status: str = "OK") -> pl.DataFrame:
    rows = ASKED.with_columns(
        available_at=pl.col("decided_at"), score=pl.lit(score), confidence=pl.lit(0.8), status=pl.lit(status)
    )
    return rows.with_columns(symbol=pl.lit("GLD"))


def built(lookback: int = 2, **frames: Any) -> MarketPanel:
    return build_panel(
        frames.get("prices", price_rows()),
        frames.get("signals", {"trend": signal_rows()}),
        frames.get("quotes", quote_rows()),
        ASKED,
        lookback,
        SYMBOLS,
    )


def test_arrays_are_aligned_and_unknown_is_nan() -> None:
    found = built()
    assert found.sessions == (FIRST, dt.date(2024, 6, 11), LAST)
    assert found.strategies == ("trend",)
    np.testing.assert_allclose(found.score[:, 0, 0], 0.5)
    np.testing.assert_allclose(found.confidence[:, 0, 0], 0.8)
    assert np.isnan(found.score[:, 0, 1]).all()
    np.testing.assert_allclose(found.annual_vol[:, 0], [0.14, 0.15, 0.16])
    np.testing.assert_allclose(found.adv_shares[:, 1], [1004, 1005, 1006])
    np.testing.assert_allclose(found.mid, 100.0)
    np.testing.assert_allclose(found.half_spread_bp, 100.0)
    assert found.quote_basis == (("quote", "quote"),) * 3


def test_each_view_ends_with_its_own_session_and_holds_no_later_row() -> None:
    views = list(built(lookback=2).views())
    np.testing.assert_allclose(views[0].returns[:, 0], [0.02, 0.03, 0.04])
    np.testing.assert_allclose(views[1].returns[:, 0], [0.03, 0.04, 0.05])
    np.testing.assert_allclose(views[2].returns[:, 1], [-0.04, -0.05, -0.06])
    assert [v.session for v in views] == list(built().sessions)
    assert views[1].decided_at == calendar.decision_time(dt.date(2024, 6, 11))


def test_changing_what_comes_later_leaves_a_view_as_it_was() -> None:
    later = pl.col("session") > dt.date(2024, 6, 11)
    changed = price_rows().with_columns(
        return_1d=pl.when(later).then(9.0).otherwise("return_1d"),
        vol_ewma_94=pl.when(later).then(9.0).otherwise("vol_ewma_94"),
    )
    quotes = quote_rows().with_columns(ask=pl.when(later).then(900.0).otherwise("ask"))
    here, there = list(built().views())[:2], list(built(prices=changed, quotes=quotes).views())[:2]
    for one, other in zip(here, there, strict=True):
        for name in ("score", "confidence", "annual_vol", "returns", "mid", "half_spread_bp", "adv_shares"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_one_session_alone_gives_the_view_it_has_in_a_range() -> None:
    (alone,) = build_panel(price_rows(), {"trend": signal_rows()}, quote_rows(), ASKED.tail(1), 2, SYMBOLS).views()
    last = list(built().views())[-1]
    np.testing.assert_array_equal(alone.returns, last.returns)
    np.testing.assert_array_equal(alone.mid, last.mid)


def test_a_stale_bar_repeated_is_not_a_return() -> None:
    stale = price_rows().with_columns(
        event_at=pl.when((pl.col("session") == LAST) & (pl.col("symbol") == "GLD"))
        .then(pl.col("event_at").shift(1))
        .otherwise("event_at")
    )
    assert np.isnan(list(built(prices=stale).views())[-1].returns[-1, 0])


def test_an_opinion_that_is_not_ok_is_none() -> None:
    assert np.isnan(built(signals={"trend": signal_rows(status="NO_SIGNAL")}).score).all()


def test_no_strategies_leave_no_opinions() -> None:
    assert built(signals={}).score.shape == (3, 0, 2)


@pytest.mark.parametrize("late", ["prices", "quotes", "signals"])
def test_a_row_from_the_future_stops_the_view(late: str) -> None:
    a_second_late = pl.col("decided_at") + pl.duration(seconds=1)
    frames: dict[str, Any] = {"prices": price_rows(), "quotes": quote_rows(), "signals": signal_rows()}
    frames[late] = frames[late].with_columns(available_at=a_second_late)
    frames = {name: frame.drop("decided_at") for name, frame in frames.items()}
    with pytest.raises(InvariantError, match="row from the future"):
        built(**{**frames, "signals": {"trend": frames["signals"]}})


@pytest.mark.parametrize(("bid", "ask"), [(0.0, 100.0), (0.0, 0.0), (101.0, 100.0), (None, 100.0), (-1.0, 100.0)])
def test_an_empty_or_crossed_book_is_no_quote(bid: float | None, ask: float) -> None:
    quotes = quote_rows().with_columns(bid=pl.lit(bid, pl.Float64), ask=pl.lit(ask))
    found = built(quotes=quotes)
    assert np.isnan(found.mid).all()
    assert found.quote_basis == (("", ""),) * 3


def test_the_newest_known_revision_of_a_quote_wins() -> None:
    corrected = quote_rows().with_columns(bid=pl.lit(49.0), ask=pl.lit(51.0), revision=1)
    for frames in ([quote_rows(), corrected], [corrected, quote_rows()]):
        assert built(quotes=pl.concat(frames)).mid[0, 0] == 50.0


def test_symbols_nobody_asked_for_are_left_out() -> None:
    found = build_panel(price_rows(), {}, quote_rows(), ASKED, 2)
    assert found.symbols == TRADED
    assert np.isfinite(found.mid).sum() == 6


def test_a_short_history_gives_a_short_lookback() -> None:
    assert built(lookback=100).lookback == 4


def test_a_panel_in_memory_cuts_views_the_same_way() -> None:
    found = panel(np.full((3, 2), 100.0))
    assert [v.returns.shape for v in found.views()] == [(81, 2)] * 3


def test_leverage_and_metals_follow_the_universe() -> None:
    symbols = ("GLD", "UGL", "SLV", "AGQ", "GDX")
    assert leverages(symbols).tolist() == [1, 2, 1, 2, 1]
    assert metal_groups(symbols).tolist() == [[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]]
    with pytest.raises(ValueError, match="read-only"):
        leverages(symbols)[0] = 5.0
