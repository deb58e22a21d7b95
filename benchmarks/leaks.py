"""Look-ahead mistakes to plant, each as it is made in practice: one stage of the path replaced by a leaky one.

The detector must find every one, in the right table and column. Some need a history in which something was revised or
is missing: `history` changes the raw rows first, in a way that is no leak by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import polars as pl

from benchmarks.leak_stages import (
    FUNDS,
    NEXT_RETURN,
    SERIES,
    at_the_open,
    at_yesterdays_close,
    by_group,
    by_its_deviation,
    centred,
    cot_of_tuesday,
    evening_as_utc,
    filled_from_behind,
    hole,
    in_features,
    in_pit,
    in_raw,
    later_dividends,
    newest_value,
    next_open,
    on_event_date,
    on_the_whole_sample,
    revised,
    same_bar,
    smoothed,
    survivors,
    volatility_of_all,
    weekly,
    without_lag,
    without_purge,
)
from qgtm_core.backtest.lookahead.detector import Search, search
from qgtm_core.backtest.lookahead.histories import Frames, cut_sessions
from qgtm_core.backtest.lookahead.pipeline import Case, Pipeline, raw_of, wanted


@dataclass(frozen=True, slots=True)
class Planted:
    """One leak: what it does, where it must be found, and on which strategy it is looked for."""

    name: str
    what: str
    strategy_id: str
    stage: str
    table: str
    column: str
    plant: Callable[[Pipeline], Pipeline] = lambda pipeline: pipeline
    history: Callable[[Frames], Frames] = lambda raw: raw
    adapter: Callable[[Frames], Frames] = lambda raw: raw  # a feed that dates its rows wrongly

    @property
    def place(self) -> tuple[str, str, str]:
        """Stage, table and column in which it begins."""
        return self.stage, self.table, self.column


def look_for(planted: Planted, case: Case, cuts: int) -> Search:
    """Search the case's history with the leak planted, for its strategy only."""
    return _search(planted, case, cuts, planted.adapter, planted.plant)


def look_without(planted: Planted, case: Case, cuts: int) -> Search:
    """Search the same history without the leak: nothing may be found."""
    return _search(planted, case, cuts, lambda raw: raw, lambda pipeline: pipeline)


def _search(
    planted: Planted,
    case: Case,
    cuts: int,
    adapter: Callable[[Frames], Frames],
    plant: Callable[[Pipeline], Pipeline],
) -> Search:
    own = wanted([planted.strategy_id])
    raw = {name: case.raw[name] for name in raw_of(own)}
    changed = replace(case, strategies=own, raw=adapter(planted.history(raw)))
    return search(plant(Pipeline()), changed, cut_sessions(case.first, case.last, cuts))


LEAKS: tuple[Planted, ...] = (
    Planted("cot_of_tuesday", "COT report dated by its Tuesday, not by the Friday of its publication",
            "cot_precious", "raw", "cot", "available_at", adapter=in_raw("cot", cot_of_tuesday)),
    Planted("evening_as_utc", "time-zone slip: an evening release is available in the afternoon",
            "real_rate_gold", "raw", "macro", "available_at", adapter=in_raw("macro", evening_as_utc)),
    Planted("macro_without_lag", "macro series without its publication lag",
            "real_rate_gold", "pit", "macro", "available_at", in_pit("macro", without_lag)),
    Planted("revised_macro", "revised macro value at the date of its first release",
            "real_rate_gold", "pit", "macro", "value", in_pit("macro", newest_value(SERIES, "value")),
            revised("macro", SERIES, "value", pl.col("series_id").eq("DFII10"))),
    Planted("restated_holdings", "ETF holdings as restated later",
            "gold_etf_flow", "pit", "flows", "tonnes", in_pit("flows", newest_value(FUNDS, "tonnes")),
            revised("etf_holdings", FUNDS, "tonnes", pl.col("symbol").eq("GLD"))),
    Planted("later_dividends", "price adjusted by dividends that were paid later",
            "gold_tsmom", "pit", "prices", "adj_close", in_pit("prices", later_dividends)),
    Planted("filled_from_behind", "gap of a macro series filled backwards",
            "real_rate_gold", "pit", "macro", "available_at", in_pit("macro", filled_from_behind), hole),
    Planted("shifted_label", "column shifted by one row in the wrong direction",
            "gold_momentum_mr", "features", "trend", "reversal_t_5",
            in_features("trend", by_group("trend", "reversal_t_5", lambda x: x.shift(-1)))),
    Planted("next_return", "return of the next session used as a feature",
            "tsmom", "features", "prices", "return_5d",
            in_features("prices", by_group("prices", "return_5d", lambda x: x + NEXT_RETURN))),
    Planted("centred_average", "moving average centred on its session",
            "gold_tsmom", "features", "trend", "trend_t_63",
            in_features("trend", by_group("trend", "trend_t_63", centred))),
    Planted("full_sample_zscore", "z-score with the mean and deviation of the whole sample",
            "dxy_gold", "features", "cross_asset", "uup_zchg_20",
            in_features("cross_asset", by_group("cross_asset", "uup_zchg_20", lambda x: (x - x.mean()) / x.std()))),
    Planted("full_sample_range", "scaled by the smallest and largest value of the whole sample",
            "cot_precious", "features", "positioning", "mm_net_pct_oi",
            in_features("positioning", by_group("positioning", "mm_net_pct_oi",
                                                lambda x: (x - x.min()) / (x.max() - x.min())))),
    Planted("future_rank", "quantile ranked among values that come later",
            "vix_haven", "features", "volatility", "vix_pr_252",
            in_features("volatility", by_group("volatility", "vix_pr_252", lambda x: x.rank() / x.count()))),
    Planted("on_event_date", "joined by the day an observation is about",
            "real_rate_gold", "features", "macro", "real_10y", on_event_date),
    Planted("week_at_its_start", "weekly bar stamped at its start",
            "tsmom", "features", "prices", "close", in_features("prices", weekly)),
    Planted("smoothed_states", "two-sided (smoothed) probabilities of change points",
            "regime_classifier_pm", "features", "regime", "change_probability_10",
            in_features("regime", by_group("regime", "change_probability_10", smoothed))),
    Planted("next_open", "open of the next session",
            "overnight_gold", "features", "overnight", "overnight_mean_60", next_open),
    Planted("survivors", "universe of symbols that ended well", "tsmom", "signals", "tsmom", "score", survivors),
    Planted("by_its_deviation", "score scaled by its own deviation over the whole sample",
            "gold_momentum_mr", "signals", "gold_momentum_mr", "score", by_its_deviation),
    Planted("whole_sample_fit", "model fitted on the whole sample",
            "regime_classifier_pm", "models", "regime_classifier_pm", "payload", on_the_whole_sample),
    Planted("folds_without_purge", "folds that share labels whose horizons overlap",
            "ml_ensemble", "models", "ml_ensemble", "folds", without_purge),
    Planted("same_bar", "decision credited with the bar it was made on",
            "gold_momentum_mr", "returns", "gold_momentum_mr", "net", same_bar),
    Planted("volatility_of_all", "volatility target met with the volatility of the whole record",
            "gold_momentum_mr", "returns", "gold_momentum_mr", "net", volatility_of_all),
    Planted("yesterdays_close", "order filled at a close known before it was decided",
            "gold_momentum_mr", "fills", "GLD", "price", at_yesterdays_close),
    Planted("at_the_open", "order filled at the open of the bar it was decided on",
            "gold_momentum_mr", "fills", "GLD", "price", at_the_open),
)  # fmt: skip
