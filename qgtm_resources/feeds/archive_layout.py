"""Which file of the archive folder feeds which raw table, and under which column names. No preparation here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a file's column must hold."""

    TEXT = "text"
    DAY = "date"
    INSTANT = "UTC timestamp"
    NUMBER = "number"
    COUNT = "whole number"


@dataclass(frozen=True, slots=True)
class Source:
    """One column of a file: the raw column it becomes, its kind and whether the file must have it."""

    column: str
    kind: Kind
    required: bool = True


@dataclass(frozen=True, slots=True)
class FileLayout:
    """One file: its columns by the name they have in the file. Columns not named here are ignored."""

    file: str
    columns: Mapping[str, Source]


def _need(kind: Kind, /, **names: str) -> dict[str, Source]:
    return {name: Source(column, kind) for name, column in names.items()}


def _may(kind: Kind, /, **names: str) -> dict[str, Source]:
    return {name: Source(column, kind, required=False) for name, column in names.items()}


def _layout(file: str, *groups: Mapping[str, Source]) -> FileLayout:
    columns: dict[str, Source] = {}
    for group in (*groups, _may(Kind.TEXT, source="source")):
        columns.update(group)
    return FileLayout(file, columns)


T, D, S, N, C = Kind.TEXT, Kind.DAY, Kind.INSTANT, Kind.NUMBER, Kind.COUNT

FILES: dict[str, FileLayout] = {
    "bars_daily": _layout(
        "bars_daily.parquet",
        _need(T, symbol="symbol"),
        _need(D, date="event_date"),
        _need(N, open="open", high="high", low="low", close="close", adj_close="adj_close"),
        _need(C, volume="volume"),
        _may(T, volume_scope="volume_scope", flags="flags"),
    ),
    "bars_intraday": _layout(
        "bars_intraday.parquet",
        _need(T, symbol="symbol", interval="interval"),
        _need(S, ts="event_at"),
        _need(N, open="open", high="high", low="low", close="close"),
        _may(N, volume="volume", vwap="vwap"),
    ),
    "macro": _layout(
        "macro.parquet",
        _need(T, series_id="series_id"),
        _need(D, date="event_date"),
        _need(N, value="value"),
        _may(D, release_date="release_date", vintage_date="vintage_date"),
        _may(T, release_basis="release_basis", unit="unit"),
    ),
    "macro_vintages": _layout(
        "macro_vintages.parquet",
        _need(T, series_id="series_id", measure="measure"),
        _need(D, date="event_date", vintage_date="vintage_date"),
        _need(N, value="value"),
    ),
    "cot": _layout(
        "cot.parquet",
        _need(T, market="market", cftc_code="cftc_code", report_type="report_type"),
        _need(D, report_date="event_date"),
        _may(S, release_ts="release_ts"),
        _may(T, release_basis="release_basis"),
        _need(
            C,
            open_interest="open_interest",
            managed_money_long="managed_money_long",
            managed_money_short="managed_money_short",
        ),
        _may(
            C,
            managed_money_spread="managed_money_spread",
            prod_merc_long="producer_long",
            prod_merc_short="producer_short",
            swap_long="swap_long",
            swap_short="swap_short",
            swap_spread="swap_spread",
            other_rept_long="other_long",
            other_rept_short="other_short",
            other_rept_spread="other_spread",
            nonrept_long="nonreportable_long",
            nonrept_short="nonreportable_short",
            noncomm_long="noncommercial_long",
            noncomm_short="noncommercial_short",
            comm_long="commercial_long",
            comm_short="commercial_short",
        ),
    ),
    "lbma_fix": _layout(
        "lbma_fix.parquet",
        _need(T, metal="metal", session="fix"),
        _need(D, date="event_date"),
        _need(N, usd="usd_per_oz"),
    ),
    "futures": _layout(
        "futures.parquet",
        _need(T, root="root", series="series"),
        _need(C, rank="contract_rank"),
        _may(T, contract="contract", flags="flags"),
        _may(D, expiry_month="expiry_month"),
        _need(D, date="event_date"),
        _may(N, open="open", high="high", low="low"),
        _need(N, close="close"),
        _may(C, volume="volume", open_interest="open_interest"),
    ),
    "futures_margins": _layout(
        "futures_margins.parquet",
        _need(T, root="root"),
        _need(D, effective_date="event_date"),
        _need(N, initial_usd="initial_usd", maintenance_usd="maintenance_usd"),
    ),
    "etf_holdings": _layout(
        "etf_holdings.parquet",
        _need(T, symbol="symbol"),
        _need(D, date="event_date"),
        _may(
            N,
            nav_per_share_1030="nav_usd",
            premium_pct="premium_pct",
            oz_per_share="oz_per_share",
            ounces_in_trust="ounces",
            tonnes_in_trust="tonnes",
            net_assets_usd="net_assets_usd",
            shares_outstanding_est="shares_outstanding",
        ),
    ),
    "comex_stocks": _layout(
        "comex_stocks.parquet",
        _need(T, metal="metal", depository="depository", category="category"),
        _need(D, activity_date="event_date"),
        _may(D, report_date="report_date"),
        _may(N, received_oz="received_oz", withdrawn_oz="withdrawn_oz"),
        _need(N, total_oz="total_oz"),
    ),
    "comex_volume_oi": _layout(
        "comex_volume_oi.parquet",
        _need(T, root="root"),
        _need(D, date="event_date", expiry_month="expiry_month"),
        _may(C, total_volume="total_volume", deliveries="deliveries", oi_change="oi_change"),
        _need(C, open_interest="open_interest"),
    ),
    "gpr_daily": _layout(
        "gpr_daily.parquet",
        _need(D, date="event_date"),
        _need(N, gprd="gprd"),
        _may(N, gprd_act="gprd_act", gprd_threat="gprd_threat"),
    ),
    "gpr_monthly": _layout(
        "gpr_monthly.parquet",
        _need(D, date="event_date"),
        _need(N, gpr="gpr"),
        _may(N, gprt="gpr_threat", gpra="gpr_act"),
    ),
    "cb_gold_reserves": _layout(
        "cb_gold_reserves.parquet",
        _need(T, country="country"),
        _need(D, date="event_date"),
        _need(N, tonnes="tonnes"),
    ),
    "option_chain": _layout(
        "option_chain.parquet",
        _need(T, underlying="underlying", contract="contract", right="right"),
        _need(S, quote_ts="event_at"),
        _need(D, expiry="expiry"),
        _need(N, strike="strike", underlying_price="underlying_price", bid="bid", ask="ask"),
        _may(N, iv="iv", delta="delta", gamma="gamma", vega="vega", theta="theta"),
        _may(C, open_interest="open_interest", volume="volume"),
    ),
    "news": _layout(
        "news_headlines.parquet",
        _need(D, date="event_date"),
        _need(T, headline="headline"),
        _may(T, url="url", sentiment="sentiment"),
    ),
    "event_calendar": _layout(
        "event_calendar.parquet",
        _need(S, ts="event_at"),
        _need(T, event="event"),
        _may(T, category="category", importance="importance", unit="unit"),
        _may(N, actual_value="actual", forecast_value="forecast", previous_value="previous"),
    ),
    "fomc_meetings": _layout(
        "fomc_meetings.parquet",
        _need(D, decision_date="event_date"),
        _may(T, kind="kind"),
        _may(S, statement_ts="statement_ts"),
        _may(N, target_rate_upper_pct="target_rate_upper_pct"),
    ),
    "fx": _layout("fx.parquet", _need(T, pair="pair"), _need(D, date="event_date"), _need(N, rate="rate")),
    "sge_benchmark": _layout(
        "sge_benchmark.parquet",
        _need(D, date="event_date"),
        _need(N, pm_cny_per_g="pm_cny_per_g"),
        _may(N, am_cny_per_g="am_cny_per_g"),
    ),
    "sge_withdrawals": _layout("sge_withdrawals.parquet", _need(D, date="event_date"), _need(N, tonnes="tonnes")),
    "us_mint": _layout(
        "us_mint.parquet",
        _need(D, date="event_date"),
        _need(N, gold_oz="gold_oz"),
        _may(N, silver_oz="silver_oz"),
    ),
    "cb_gold_flows": _layout("cb_gold_flows.parquet", _need(D, date="event_date"), _need(N, net_tonnes="net_tonnes")),
    "mining_costs": _layout(
        "mining_costs.parquet",
        _need(T, symbol="symbol"),
        _need(D, date="event_date"),
        _need(N, aisc_usd_per_oz="aisc_usd_per_oz", production_koz="production_koz"),
        _may(S, filed_at="filed_at"),
    ),
    "eia_weekly": _layout(
        "eia_weekly.parquet", _need(T, series_id="series_id"), _need(D, date="event_date"), _need(N, value="value")
    ),
    "licensed_fix": _layout(
        "licensed_fix.parquet",
        _need(T, metal="metal", session="fix"),
        _need(D, date="event_date"),
        _need(N, usd="usd_per_oz"),
    ),
}
