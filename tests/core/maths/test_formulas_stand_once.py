"""Where each shared formula M1 to M39 stands and which test asserts its worked check: the table, kept true."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent

# number: (functions, the first one is the formula and the others are its forms or parts; file and words of its test)
FORMULAS: dict[int, tuple[tuple[str, ...], str, str]] = {
    1: (("pit.as_of",), "../test_pit.py", "an_as_of_read_takes_the_newest_revision_known"),
    2: (
        ("maths.statistics.zscore", "maths.trailing.zscore", "maths.regression.zscore"),
        "test_statistics.py",
        "a_z_score_never_exceeds_its_bound",
    ),
    3: (
        ("maths.statistics.change_z", "maths.trailing.change_z"),
        "test_statistics.py",
        "a_change_z_does_not_remove_the_mean_of_changes",
    ),
    4: (("maths.statistics.percentile_rank",), "test_statistics.py", "a_percentile_rank_counts_values_not_above"),
    5: (("maths.statistics.ewma_variance",), "test_statistics.py", "ewma_variance_follows_the_worked_step"),
    6: (("maths.statistics.mop_volatility",), "test_statistics.py", "ex_ante_volatility_agrees_with_a_plain_loop"),
    7: (("maths.trend.vol_scale",), "test_trend.py", "m7_size_is_target_over_volatility"),
    8: (("maths.trend.t_statistic", "maths.trend.trend_t"), "test_trend.py", "m8_worked_check"),
    9: (("maths.regression.least_squares",), "test_regression.py", "weighted_least_squares_agree_with_statsmodels"),
    10: (
        ("maths.statistics.half_life_of_slope", "maths.statistics.half_life", "maths.regression.half_life"),
        "test_statistics.py",
        "a_half_life_follows_the_worked_number",
    ),
    11: (
        ("maths.regression.engle_granger", "maths.regression.adf"),
        "test_regression.py",
        "the_critical_values_are_those_of_mackinnon",
    ),
    12: (
        ("maths.statistics.kalman_hedge", "maths.statistics.kalman_recursion"),
        "test_statistics.py",
        "the_kalman_step_follows_the_worked_numbers",
    ),
    13: (("maths.trend.donchian", "maths.trend.breakout_forecast"), "test_trend.py", "m13_breakout_is_held"),
    14: (("maths.statistics.ewmac",), "test_statistics.py", "ewmac_agrees_with_a_plain_loop"),
    15: (
        ("maths.trend.diversification_multiplier", "maths.trend.combined_forecast"),
        "test_trend.py",
        "m15_worked_check_of_the_multiplier",
    ),
    16: (("maths.trend.time_series_momentum",), "test_trend.py", "m16_worked_check_of_gold_and_silver"),
    17: (("maths.trend",), "test_trend.py", "m17_is_the_rank_by_session"),  # the rank is strategies.helpers.rank
    18: (("maths.curve",), "test_curve.py", "the_worked_curve_gives_its_roll_yield_and_lease"),
    19: (("maths.positioning",), "test_positioning.py", "the_cot_index_is_that_of_the_worked_example"),
    20: (("maths.variance.variance_premium",), "test_ranges.py", "the_variance_premium_is_the_worked_one"),
    21: (
        (
            "maths.ranges.yang_zhang",
            "maths.ranges.parkinson",
            "maths.ranges.garman_klass",
            "maths.ranges.rogers_satchell",
        ),
        "test_ranges.py",
        "three_bars_have_the_worked_yang_zhang_variance",
    ),
    22: (("maths.options", "maths.surface"), "test_options.py", "the_printed_call_is_worth"),
    23: (
        ("maths.regimes.forward_filter",),
        "test_regimes.py",
        "one_step_of_the_filter_gives_the_printed_probabilities",
    ),
    24: (
        ("maths.regimes.run_lengths", "maths.regimes.change_probability"),
        "test_regimes.py",
        "the_run_lengths_after_three_returns_are_the_printed_ones",
    ),
    25: (("maths.labels.triple_barrier", "maths.labels.barriers"), "test_labels.py", "the_barriers_are_the_printed"),
    26: (
        (
            "maths.labels.purged_folds",
            "maths.labels.average_uniqueness",
            "maths.cross_validation.purged_folds",
            "maths.cross_validation.combinatorial_folds",
        ),
        "test_labels.py",
        "no_training_label_lives_while_a_test_label_does",
    ),
    27: (("maths.allocation.inverse_volatility",), "test_allocation_more.py", "inverse_volatility_gives_each"),
    28: (("maths.allocation.equal_risk_contribution",), "test_allocation_more.py", "equal_risk_contribution_gives"),
    29: (("maths.allocation.hierarchical_risk_parity",), "test_allocation_more.py", "gives_the_worked_weights"),
    30: (("maths.allocation.kelly",), "test_allocation_more.py", "kelly_gives_the_worked_leverage"),
    31: (("maths.tail.historical_var_cvar",), "test_tail.py", "the_worked_losses_have_the_worked_var_and_cvar"),
    32: (("maths.tail.optimised_cvar",), "test_tail.py", "optimised_cvar_is_that_of_the_linear_programme"),
    33: (
        ("maths.tail.tail_expected_shortfall", "maths.tail.tail_var"),
        "test_tail.py",
        "the_worked_tail_has_the_worked_quantile_and_shortfall",
    ),
    34: (
        (
            "maths.costs.square_root_impact",
            "maths.costs.temporary_impact",
            "maths.costs.permanent_impact",
            "maths.costs.execution_impact",
        ),
        "test_costs.py",
        "the_square_root_law_gives_the_worked_seven_basis_points",
    ),
    35: (
        (
            "maths.costs.implementation_shortfall",
            "maths.costs.slippage_bp",
            "maths.costs.vwap",
            "maths.costs.twap",
            "maths.costs.fill_rate",
        ),
        "test_costs.py",
        "the_shortfall_of_a_part_filled_order_is_the_worked_one",
    ),
    36: (("maths.costs.illiquidity",), "test_costs.py", "illiquidity_of_one_worked_day"),
    37: (
        (
            "maths.validation.deflated_sharpe",
            "maths.validation.probabilistic_sharpe",
            "maths.validation.expected_best_sharpe",
        ),
        "test_validation.py",
        "the_worked_strategy_beats_zero_but_not_the_best_of_76_trials",
    ),
    38: (
        ("maths.validation.backtest_overfitting",),
        "test_validation.py",
        "the_second_worst_of_five_has_the_worked_logit",
    ),
    39: (
        (
            "maths.validation.walk_forward",
            "maths.validation.purged_training",
            "maths.validation.decayed",
            "maths.cross_validation.expanding_folds",
            "maths.cross_validation.rolling_folds",
        ),
        "test_validation.py",
        "steps_train_on_three_years_and_test_on_half_a_year",
    ),
}


def found(name: str) -> object:
    """A function or a module of the core by its name."""
    module, _, last = name.rpartition(".")
    holder = importlib.import_module(f"qgtm_core.{module}")
    return getattr(holder, last) if hasattr(holder, last) else importlib.import_module(f"qgtm_core.{name}")


def test_the_table_has_every_formula() -> None:
    assert list(FORMULAS) == list(range(1, 40))


@pytest.mark.parametrize("number", FORMULAS)
def test_a_formula_names_its_number_where_it_stands(number: int) -> None:
    for name in FORMULAS[number][0]:
        assert re.search(rf"\bM{number}\b|M\d+ to M\d+", found(name).__doc__ or ""), name


@pytest.mark.parametrize("number", FORMULAS)
def test_a_formula_has_the_test_that_the_table_names(number: int) -> None:
    _, file, words = FORMULAS[number]
    assert words in (HERE / file).read_text()
