"""Real quotes of SLV options: the vendor's volatilities are recovered, parity holds, the surface is plausible."""

from __future__ import annotations

import datetime as dt
import functools

import numpy as np
import polars as pl
import pytest

from qgtm_core import calendar, pit
from qgtm_core.features.registry import compute_features
from qgtm_core.maths import options, surface
from qgtm_core.options.build import Signal, build
from qgtm_core.options.chain import read_chain
from qgtm_core.options.template import Account, Refusal, Rules, Template
from qgtm_core.strategies.registry import REGISTRY
from qgtm_resources.feeds.archive import ArchiveFeed
from tests.archive import require_archive

pytestmark = pytest.mark.archive

FIRST, LAST = dt.date(2026, 6, 15), dt.date(2026, 6, 30)
RATE = 0.036  # what put-call parity of the same quotes implies


@functools.cache
def silver() -> pl.DataFrame:
    raw = ArchiveFeed(require_archive()).rows("option_chain", calendar.FIRST_SESSION, LAST)
    return pit.normalise("options", {"option_chain": raw})[0].filter(underlying="SLV")


def near_the_money() -> pl.DataFrame:
    days = (pl.col("expiry") - surface.NEW_YORK_DAY).dt.total_days()
    rows = silver().with_columns(days=days, mid=(pl.col("bid") + pl.col("ask")) / 2)
    return rows.filter(surface.passes() & (pl.col("iv") > 0) & pl.col("days").is_between(7, 200))


def test_the_vendors_volatilities_are_recovered_from_the_middle_of_the_quotes() -> None:
    rows = near_the_money().filter(pl.col("delta").abs().is_between(0.1, 0.5))
    call, spot, strike, years = (
        (rows["right"] == "C").to_numpy(),
        rows["underlying_price"].to_numpy(),
        rows["strike"].to_numpy(),
        rows["days"].to_numpy() / 365.0,
    )
    own = options.implied_volatility(rows["mid"].to_numpy(), call, spot, strike, years, RATE)
    gap = own - rows["iv"].to_numpy()
    assert rows.height > 4_000
    assert not np.isnan(own).any()
    assert abs(np.median(gap)) < 0.001
    assert np.median(np.abs(gap)) < 0.005
    found = options.greeks(call, spot, strike, years, rows["iv"].to_numpy(), RATE)
    assert np.median(np.abs(found.delta - rows["delta"].to_numpy())) < 0.005
    assert np.median(found.vega / rows["vega"].to_numpy()) == pytest.approx(1.0, abs=0.02)
    assert np.median(found.gamma / rows["gamma"].to_numpy()) == pytest.approx(1.0, abs=0.02)


def test_calls_and_puts_of_a_strike_agree_on_the_spot() -> None:
    rows = near_the_money().filter(
        pl.col("strike").is_between(pl.col("underlying_price") * 0.9, pl.col("underlying_price") * 1.1)
    )
    key = ["event_at", "expiry", "strike"]
    pairs = rows.filter(right="C").join(rows.filter(right="P"), on=key, suffix="_put")
    paid = pairs["strike"] * (-RATE * pairs["days"] / 365.0).exp()
    implied = pairs["mid"] - pairs["mid_put"] + paid
    gap = (implied / pairs["underlying_price"] - 1.0).abs()
    assert len(gap) > 1_000
    assert gap.median() < 0.003
    assert gap.quantile(0.95) < 0.01


def test_the_surface_of_silver_is_plausible() -> None:
    known = {"option_points": pit.normalise("option_points", {"option_chain": silver()})[0]}
    asked = calendar.schedule(FIRST, LAST).select("session", "decided_at")
    rows = compute_features("option_surface", known, asked).filter(symbol="SLV")
    assert rows["chain_obs"].max() == 9
    assert rows["iv_30"].is_between(0.3, 0.6).all()
    assert rows["iv_90"].is_between(0.3, 0.6).all()
    assert rows["rr_30"].abs().max() < 0.12
    assert rows["bf_30"].is_between(0.0, 0.05).all()
    assert rows["skew_quotes"].is_between(0.4, 1.0).all()
    fell = rows.filter(pl.col("underlying_price") == pl.col("underlying_price").min())["rr_30"]
    assert fell.max() == rows["rr_30"].min()  # puts are dearest after the fall


def test_a_butterfly_is_built_on_real_quotes_but_not_on_old_ones() -> None:
    rows = silver().filter(session=dt.date(2026, 6, 16))
    decided_at = calendar.decision_time(dt.date(2026, 6, 16))
    chain = read_chain(rows, "SLV", decided_at)
    strategy, account = REGISTRY["silver_ratio_spread"], Account(1e6, 1e6)
    stale = build(strategy, Signal("OK", 0.5, None), chain, account, decided_at)
    assert isinstance(stale, Refusal)  # quoted after the close of the session before
    assert stale.reason == "STALE"
    built = build(
        strategy, Signal("OK", 0.5, None), chain, account, decided_at, rules=Rules(max_age=dt.timedelta(days=1))
    )
    assert isinstance(built, Template)
    near, body, far = (leg.quote for leg in built.legs)
    assert near.delta == pytest.approx(0.5, abs=0.06)
    assert body.delta == pytest.approx(0.25, abs=0.03)
    assert far.strike - body.strike > body.strike - near.strike
    assert built.max_loss_usd <= 5_000.0
