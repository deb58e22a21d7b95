"""Rules that read prices and dates only give the numbers worked out in their specification."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgtm_core import calendar
from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_core.strategies.evaluate import evaluate
from qgtm_core.strategies.registry import REGISTRY
from tests.core.strategies.strategy_frames import asked, panel_of

TOLERANCE = 5e-4
MINE = {
    "tsmom": 12, "xsmom": 13, "overnight_gold": 14, "carver_trend": 15, "gold_tsmom": 17, "gold_day_of_week": 18,
    "gold_multi_ma_trend": 19, "skew_trades": 42, "seasonality_pm": 46, "levered_etf_decay": 47, "event_drift_pm": 48,
    "gold_seasonal_demand": 49, "gold_seasonality": 67, "gold_momentum_mr": 68, "silver_industrial": 69,
    "miners_leverage": 70,
}  # fmt: skip


def near(value: float) -> object:
    return pytest.approx(value, abs=TOLERANCE)


def opinions(strategy_id: str, session: dt.date = dt.date(2024, 6, 28), **columns: list[object]) -> pl.DataFrame:
    strategy = REGISTRY[strategy_id]
    return strategy.rule(panel_of(strategy, columns, session), strategy.params)


def by_symbol(strategy_id: str, **columns: list[object]) -> dict[str, float]:
    strategy = REGISTRY[strategy_id]
    out = opinions(strategy_id, **columns)
    return dict(zip(panel_of(strategy, columns)["symbol"], out["score"], strict=True))


@pytest.mark.parametrize("strategy_id", MINE)
def test_a_declaration_says_what_it_computes_needs_and_how_it_differs(strategy_id: str) -> None:
    strategy = REGISTRY[strategy_id]
    assert strategy.number == MINE[strategy_id]
    assert strategy.formula
    assert strategy.rationale
    assert strategy.source
    assert strategy.differs
    assert all(item.data for item in strategy.inputs)
    for item in strategy.inputs:
        assert {*item.columns} <= {*FEATURE_TABLES[item.table].columns}


def test_gold_tsmom_averages_four_bounded_t_statistics() -> None:
    t = {h: r / (0.01 * h**0.5) for h, r in zip((21, 63, 126, 252), (0.02, 0.05, 0.08, 0.15), strict=True)}
    assert opinions("gold_tsmom", **{f"trend_t_{h}": [v] for h, v in t.items()})["score"][0] == near(0.6810)


@given(st.lists(st.floats(-9, 9), min_size=4, max_size=4))
def test_gold_tsmom_flips_with_its_returns(t: list[float]) -> None:
    columns = {f"trend_t_{h}": [v] for h, v in zip((21, 63, 126, 252), t, strict=True)}
    mirrored = {name: [-v for v in values] for name, values in columns.items()}
    assert opinions("gold_tsmom", **columns)["score"][0] == -opinions("gold_tsmom", **mirrored)["score"][0]


def weekday(mean: float, early: float = 0.001, late: float = 0.001) -> float | None:
    return opinions(
        "gold_day_of_week",
        weekday_n=[150.0],
        weekday_mean=[mean],
        weekday_sd=[0.0095],
        weekday_mean_early=[early],
        weekday_mean_late=[late],
    )["score"][0]


def test_gold_day_of_week_shrinks_its_t_statistic() -> None:
    assert weekday(0.0014) == near(0.3610)


def test_gold_day_of_week_is_flat_when_nothing_stands_out() -> None:
    assert weekday(0.0009) == 0.0


def test_gold_day_of_week_is_flat_when_the_halves_disagree() -> None:
    assert weekday(0.0014, early=-0.0001) == 0.0


def test_gold_day_of_week_cannot_say_without_variance() -> None:
    out = opinions(
        "gold_day_of_week",
        weekday_n=[150.0],
        weekday_mean=[0.001],
        weekday_sd=[0.0],
        weekday_mean_early=[0.001],
        weekday_mean_late=[0.001],
    )
    assert out["score"][0] is None


def averages(**slopes: float) -> float:
    price, means = 240.0, {20: 238.0, 50: 236.0, 100: 239.5, 200: 225.0}
    gaps = {f"average_gap_{n}": [price / m - 1] for n, m in means.items()}
    slope = {f"average_slope_{n}_10": [slopes.get(f"s{n}", 0.01)] for n in means}
    return opinions("gold_multi_ma_trend", **gaps, **slope)["score"][0]


def test_gold_multi_ma_trend_counts_votes_outside_the_band() -> None:
    assert averages() == near(0.75)
    assert averages(s100=-0.01) == near(0.75)


def test_gold_multi_ma_trend_halves_a_vote_against_the_slope() -> None:
    assert averages(s200=-0.01) == near((1 + 1 + 0 + 0.5) / 4)


def night(mean: float, sd: float = 0.0062) -> tuple[float, str | None]:
    out = opinions("overnight_gold", overnight_mean_60=[mean], overnight_sd_60=[sd])
    return out["score"][0], out["reason"][0]


def test_overnight_gold_is_long_when_nights_pay() -> None:
    assert night(0.0006) == (near(0.3748), None)


@pytest.mark.parametrize(("mean", "reason"), [(0.00019, "GATE"), (0.00021, None), (-0.001, "GATE")])
def test_overnight_gold_is_gated_until_nights_cover_the_spread(mean: float, reason: str | None) -> None:
    score, why = night(mean)
    assert why == reason
    assert 0.0 <= score <= 1.0


def test_skew_trades_buys_negative_skew() -> None:
    got = by_symbol("skew_trades", skew_252=[-0.3, 0.6, 0.1, -0.8])  # GLD, PALL, PPLT, SLV
    assert got == {"GLD": near(0.3333), "PALL": near(-1.0), "PPLT": near(-0.3333), "SLV": near(1.0)}


def test_seasonality_pm_follows_a_month_that_stands_out() -> None:
    got = by_symbol(
        "seasonality_pm",
        next_month_n=[20.0, 20.0, 20.0, 20.0],
        next_month_mean=[0.019, 0.010, -0.019, 0.2],
        next_month_sd=[0.046] * 4,
    )
    assert got == {"GLD": near(0.6157), "PALL": 0.0, "PPLT": near(-0.6157), "SLV": near(1.0)}


def decay(**changes: list[object]) -> pl.DataFrame:
    """Legs by symbol: AGQ, GLD, SLV, UGL."""
    columns: dict[str, list[object]] = {
        "base_vol_63": [0.18] * 4,
        "base_trend_t_63": [0.3] * 4,
        "expense_ratio": [0.0095] * 4,
        "borrow_rate": [0.02] * 4,
        "shortable": [True] * 4,
    }
    return opinions("levered_etf_decay", **{**columns, **changes})


def test_levered_etf_decay_shorts_the_fund_against_twice_the_underlying() -> None:
    assert decay()["score"].to_list() == [near(-0.1825), near(0.3650), near(0.3650), near(-0.1825)]


def test_levered_etf_decay_is_flat_in_a_trend() -> None:
    scores = decay(base_trend_t_63=[0.3, -1.5, 0.3, -1.5])["score"].to_list()
    assert scores == [near(-0.1825), 0.0, near(0.3650), 0.0]


def test_levered_etf_decay_is_gated_when_the_fund_cannot_be_borrowed() -> None:
    out = decay(shortable=[True, False, True, False])
    assert out["reason"].to_list() == [None, "GATE", None, "GATE"]


def test_levered_etf_decay_is_flat_when_borrowing_costs_more_than_the_decay() -> None:
    assert set(decay(borrow_rate=[0.2] * 4)["score"].to_list()) == {0.0}


def drift(**changes: list[object]) -> tuple[float | None, str | None]:
    columns: dict[str, list[object]] = {}
    for kind in ("fomc", "cpi", "nfp"):
        columns |= {f"{kind}_next": [False], f"{kind}_n": [48.0], f"{kind}_mean": [0.0022], f"{kind}_sd": [0.0085]}
    out = opinions("event_drift_pm", **{**columns, **changes})
    return out["score"][0], out["reason"][0]


def test_event_drift_follows_a_drift_that_stands_out() -> None:
    assert drift(cpi_next=[True]) == (near(0.5977), None)


def test_event_drift_is_flat_when_the_drift_is_small() -> None:
    assert drift(cpi_next=[True], cpi_n=[40.0], cpi_mean=[0.0018], cpi_sd=[0.0090]) == (0.0, None)


def test_event_drift_is_capped() -> None:
    assert drift(nfp_next=[True], nfp_mean=[-0.02])[0] == near(-0.6)


def test_event_drift_says_nothing_between_events() -> None:
    assert drift() == (None, "OUT_OF_WINDOW")


def test_event_drift_needs_twenty_four_past_events() -> None:
    assert drift(fomc_next=[True], fomc_n=[23.0]) == (None, "WARMUP")
    assert drift(fomc_next=[True], fomc_n=[None], fomc_mean=[None], fomc_sd=[None]) == (None, "WARMUP")
    assert drift(fomc_next=[True], fomc_n=[24.0])[1] is None


def test_event_drift_averages_events_of_one_session_that_have_a_past() -> None:
    assert drift(cpi_next=[True], fomc_next=[True], fomc_mean=[0.0])[0] == near(0.5977 / 2)
    assert drift(cpi_next=[True], fomc_next=[True], fomc_n=[3.0])[0] == near(0.5977)


@pytest.mark.parametrize(
    ("computed", "score"),
    [
        (dt.date(2023, 8, 31), 0.5),
        (dt.date(2023, 9, 29), 0.0),
        (dt.date(2023, 10, 31), 0.5),
        (dt.date(2023, 12, 29), 0),
    ],
)
def test_gold_seasonality_reads_the_month_in_which_it_is_held(computed: dt.date, score: float) -> None:
    assert opinions("gold_seasonality", computed)["score"][0] == score


def test_gold_seasonality_speaks_every_session_without_any_input() -> None:
    days = asked(dt.date(2023, 8, 1), dt.date(2023, 12, 29))
    got = evaluate(REGISTRY["gold_seasonality"], {}, days)
    assert set(got["status"]) == {"OK"}
    held = got.filter(pl.col("score") > 0)["session"]
    last = [calendar.session_on_or_before(day) for day in (dt.date(2023, 8, 31), dt.date(2023, 10, 31))]
    assert set(held.dt.month()) == {8, 9, 10, 11}
    assert [day for day in held if day.month in (8, 10)] == last
    assert dt.date(2023, 9, 29) not in set(held)


def test_gold_momentum_mr_follows_the_year_and_fades_the_week() -> None:
    assert opinions("gold_momentum_mr", momentum_t_252_21=[1.1], reversal_t_5=[1.4])["score"][0] == near(0.1750)
    assert opinions("gold_momentum_mr", momentum_t_252_21=[-1.1], reversal_t_5=[-1.4])["score"][0] == near(-0.1750)


def test_silver_industrial_buys_silver_against_half_the_gold() -> None:
    got = by_symbol("silver_industrial", cper_zchg_60=[1.1] * 2, xli_spy_zchg_60=[0.4] * 2, indpro_z_36=[-0.5] * 2)
    assert got == {"SLV": near(0.3425), "GLD": near(-0.1713)}


def miners(up: float, down: float, t: float = 1.2, r2: float = 0.6) -> pl.DataFrame:
    columns = {"beta_up_252": up, "beta_down_252": down, "r2_252": r2, "trend_t_63": t}
    return opinions("miners_leverage", **{name: [value] * 2 for name, value in columns.items()})


def test_miners_leverage_is_half_as_large_on_juniors() -> None:
    assert miners(1.9, 1.6)["score"].to_list() == [near(0.6), near(0.3)]


def test_miners_leverage_is_flat_without_convexity() -> None:
    assert miners(1.5, 1.9)["score"].to_list() == [0.0, 0.0]


def test_miners_leverage_trusts_itself_as_far_as_gold_explains_miners() -> None:
    assert miners(1.9, 1.6, r2=0.3)["quality"][0] == near(0.5)
    assert miners(1.9, 1.6, r2=0.9)["quality"][0] == 1.0
