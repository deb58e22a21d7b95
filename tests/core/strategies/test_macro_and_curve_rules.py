"""The worked numbers of the macro and curve strategies, each asserted on the rule alone."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest

from qgtm_core.maths import curve
from qgtm_core.strategies.panel import legs_of
from qgtm_core.strategies.registry import REGISTRY
from tests.core.strategies.strategy_frames import panel_of

CLOSE = 5e-4


def said(strategy_id: str, columns: dict[str, list[Any]]) -> dict[str, tuple[float, float]]:
    """Score and quality by symbol for one session with these values, legs in order of their symbol."""
    strategy = REGISTRY[strategy_id]
    out = strategy.rule(panel_of(strategy, columns), strategy.params)
    symbols = [leg.symbol for leg in legs_of(strategy)]
    return dict(zip(symbols, zip(out["score"], out["quality"], strict=True), strict=True))


def score(strategy_id: str, **values: float) -> float:
    """The only score of a strategy with one symbol."""
    ((found, _),) = said(strategy_id, {name: [value] for name, value in values.items()}).values()
    return found


def sureness(strategy_id: str, symbol: str, columns: dict[str, list[Any]]) -> float:
    """Confidence of a symbol while every input is fresh."""
    value, quality = said(strategy_id, columns)[symbol]
    return quality * (0.3 + 0.7 * abs(value))


def test_an_easing_impulse_lifts_gold() -> None:
    impulse = {
        "nominal_2y_zchg_63": [-1.0],
        "net_liquidity_growth_13_z_156": [0.4],
        "net_liquidity_acceleration_13_z_156": [-0.6],
    }
    assert said("gold_druckenmiller_delta", impulse)["GLD"][0] == pytest.approx(0.2500, abs=CLOSE)
    assert sureness("gold_druckenmiller_delta", "GLD", impulse) == pytest.approx(0.4750, abs=CLOSE)


@pytest.mark.parametrize(
    ("z", "front", "want"),
    [(1.4, -0.40, 0.70), (1.4, 0.10, 0.35), (-1.0, -0.2, -0.125), (-1.0, 0.2, -0.5), (-1.0, 0.0, -0.125)],
)
def test_a_steepening_counts_in_full_when_the_front_end_leads(z: float, front: float, want: float) -> None:
    got = score("gold_yield_curve_steepener", slope_10y2y_zchg_60=z, slope_2y_chg_60=front)
    assert got == pytest.approx(want, abs=CLOSE)


def test_threats_lift_gold_and_less_so_silver() -> None:
    heat = 0.6 * math.log(180 / 120) + 0.4 * math.log(130 / 100)
    assert heat == pytest.approx(0.3482, abs=CLOSE)
    columns = {"gpr_heat_z_756": [heat / 0.2] * 2}
    both = said("gold_geopolitical_risk", columns)
    assert both["GLD"][0] == pytest.approx(0.6206, abs=CLOSE)
    assert both["SLV"][0] == pytest.approx(0.2482, abs=CLOSE)
    assert sureness("gold_geopolitical_risk", "GLD", columns) == pytest.approx(0.5875, abs=CLOSE)


@pytest.mark.parametrize("z", [-3.0, -0.6, 0.0, 0.49])
def test_quiet_news_is_a_view_to_be_flat(z: float) -> None:
    assert [s for s, _ in said("gold_geopolitical_risk", {"gpr_heat_z_756": [z] * 2}).values()] == [0.0, 0.0]


def test_central_banks_buying_more_than_usual_lift_gold() -> None:
    columns = {"official_tonnes_3m_z_60": [(210 - 150) / 60], "official_buying_share_6m": [1.0]}
    assert said("central_bank_gold", columns)["GLD"][0] == pytest.approx(0.6500, abs=CLOSE)
    assert sureness("central_bank_gold", "GLD", columns) == pytest.approx(0.5285, abs=CLOSE)


def test_the_vix_slope_counts_as_far_as_gold_is_a_haven() -> None:
    columns = {"vix_slope_z_252": [1.4], "gld_vix_corr_63": [0.18]}
    assert said("gold_vix_haven", columns)["GLD"][0] == pytest.approx(0.4200, abs=CLOSE)
    assert sureness("gold_vix_haven", "GLD", columns) == pytest.approx(0.3564, abs=CLOSE)


def test_without_haven_correlation_the_view_is_flat_and_unsure() -> None:
    assert said("gold_vix_haven", {"vix_slope_z_252": [1.4], "gld_vix_corr_63": [-0.1]})["GLD"] == (0.0, 0.3)


def test_decoupled_gold_loses_what_bitcoin_wins() -> None:
    columns = {"gld_btc_corr_60": [-0.15], "btc_zchg_20": [1.6]}
    assert said("gold_bitcoin_regime", columns)["GLD"][0] == pytest.approx(-0.2400, abs=CLOSE)
    assert sureness("gold_bitcoin_regime", "GLD", columns) == pytest.approx(0.2808, abs=CLOSE)


def votes(real: float, dollar: float, breakeven: float, spread: float) -> float:
    return score(
        "gold_macro_regime",
        real_10y_chg_60=real,
        uup_return_60=dollar,
        breakeven_10y_chg_60=breakeven,
        high_yield_spread_chg_60=spread,
    )


def test_four_votes_add_up() -> None:
    assert votes(-0.25, 0.015, 0.05, 0.40) == pytest.approx(0.2000, abs=CLOSE)


def test_a_move_of_exactly_its_band_votes_whatever_the_rounding() -> None:
    assert votes(-(0.3 - 0.2), 0.0, 0.0, 0.0) == 0.4
    assert votes(-0.099, 0.0, 0.0, 0.0) == 0.0


def test_contango_makes_a_negative_forecast() -> None:
    f1, f2, years, volatility = (pl.lit(v) for v in (2400.0, 2420.0, 1 / 6, 0.15))
    carry = pl.select(curve.risk_adjusted_carry(f1, f2, years, volatility)).item()
    assert carry == pytest.approx(-0.3333, abs=CLOSE)
    got = said("carver_carry", {"carry_ewma_90": [carry, 5.0, -5.0, 0.0]})
    assert got["GLD"][0] == pytest.approx(-0.5000, abs=CLOSE)
    assert [got[s][0] for s in ("PALL", "PPLT", "SLV")] == [1.0, -1.0, 0.0]  # legs by symbol, GLD first


@pytest.mark.parametrize(
    ("strategy_id", "r1", "r2", "sd", "want"),
    [
        ("gc_term_structure", 0.152, 0.149, 0.004, 0.3750),
        ("si_term_structure", 0.21, 0.224, 0.010, -0.7000),
        ("si_term_structure", 0.002, 0.0, 0.0001, 0.5),
    ],
)
def test_basis_momentum_is_measured_in_its_own_deviations(
    strategy_id: str, r1: float, r2: float, sd: float, want: float
) -> None:
    got = score(strategy_id, nearby_return_252=r1, next_return_252=r2, basis_momentum_sd_504=sd)
    assert got == pytest.approx(want, abs=CLOSE)


def test_the_dearest_metal_to_borrow_ranks_first() -> None:
    lease = {"GLD": 0.004, "SLV": 0.009, "PPLT": 0.025, "PALL": -0.006}
    got = said("cross_carry", {"lease_median_5": [lease[leg.symbol] for leg in legs_of(REGISTRY["cross_carry"])]})
    want = {"GLD": -1 / 3, "SLV": 1 / 3, "PPLT": 1.0, "PALL": -1.0}
    assert {symbol: value for symbol, (value, _) in got.items()} == pytest.approx(want, abs=CLOSE)


def test_an_unknown_lease_leaves_the_other_metals_ranked() -> None:
    got = said("cross_carry", {"lease_median_5": [0.004, None, 0.025, 0.009]})
    assert [got[s][0] for s in ("GLD", "PALL", "PPLT", "SLV")] == [-1.0, None, 1.0, 0.0]


@pytest.mark.parametrize(("f1", "f2", "want"), [(2400.0, 2412.0, 0.3574), (2405.0, 2402.0, 1.0)])
def test_dear_leases_and_inverted_curves_are_stress(f1: float, f2: float, want: float) -> None:
    near, far, years, rate = (pl.lit(v) for v in (f1, f2, 60 / 365, 0.043))
    lease = pl.select(curve.implied_lease(near, far, years, rate)).item()
    got = said("backwardation_stress", {"lease": [lease] * 2, "front_premium_min_3": [f1 / f2 - 1] * 2})
    assert got["GLD"][0] == pytest.approx(want, abs=CLOSE)
    assert got["SLV"] == got["GLD"]


def test_stress_is_never_short() -> None:
    got = said("backwardation_stress", {"lease": [-0.2, 0.004], "front_premium_min_3": [-0.1, 0.0005]})
    assert [value for value, _ in got.values()] == [0.0, 0.0]
