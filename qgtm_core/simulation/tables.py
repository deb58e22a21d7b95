"""Every raw table of the simulated market by name."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from qgtm_core import festivals
from qgtm_core.simulation import curve, events, intraday, meetings, options, physical, positioning, prices, rates
from qgtm_core.simulation.market import Market, finish


def _festivals(_market: Market) -> pl.DataFrame:
    """The almanac, the same in every market."""
    return finish("seasonal_calendar", festivals.rows())


# `licensed_fix` needs a licence and has no builder
BUILDERS: dict[str, Callable[[Market], pl.DataFrame]] = {
    "bars_daily": prices.bars_daily,
    "bars_intraday": intraday.bars_intraday,
    "decision_quotes": prices.decision_quotes,
    "macro": rates.macro,
    "macro_vintages": rates.macro_vintages,
    "cot": positioning.cot,
    "lbma_fix": curve.lbma_fix,
    "futures": curve.futures,
    "futures_margins": curve.futures_margins,
    "etf_holdings": positioning.etf_holdings,
    "comex_stocks": positioning.comex_stocks,
    "comex_volume_oi": curve.comex_volume_oi,
    "gpr_daily": rates.gpr_daily,
    "gpr_monthly": rates.gpr_monthly,
    "cb_gold_reserves": positioning.cb_gold_reserves,
    "option_chain": options.option_chain,
    "news": events.news,
    "event_calendar": events.event_calendar,
    "fomc_meetings": meetings.fomc_meetings,
    "seasonal_calendar": _festivals,
    "fx": physical.fx,
    "sge_benchmark": physical.sge_benchmark,
    "sge_withdrawals": physical.sge_withdrawals,
    "us_mint": physical.us_mint,
    "cb_gold_flows": physical.cb_gold_flows,
    "mining_costs": physical.mining_costs,
    "fund_terms": physical.fund_terms,
    "eia_weekly": physical.eia_weekly,
}
