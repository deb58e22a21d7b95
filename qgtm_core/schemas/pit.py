"""Declarations of the `pit` tables: raw rows normalised by domain, bad rows quarantined, revisions kept.

The row contract (`session, event_at, available_at, retrieved_at, revision, source`) comes with every table.
"""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_core.schemas.spec import Column, Table


def _same(name: str, raw: str, drop: tuple[str, ...] = ()) -> Table:
    """A PIT table with the columns of one raw table."""
    table = RAW_TABLES[raw]
    columns = {n: c for n, c in table.columns.items() if n not in drop}
    return Table(
        "pit",
        name,
        table.key,
        columns,
        table.description,
        versioned=True,
        publication=table.publication,
        first_delivery_sessions=table.first_delivery_sessions,
    )


_SERIES = {
    "series_id": Column(pl.String, nullable=False),
    "event_date": Column(pl.Date, nullable=False),
    "value": Column(pl.Float64, "unit of the series", nullable=False),
    "unit": Column(pl.String, note="as the publisher words it; null = not stated"),
}

_VOLATILITY = Column(pl.Float64, "annual", note="null = no usable quotes there", low=0.0, high=10.0)
_POINTS = {
    "underlying": Column(pl.String, nullable=False),
    "expiry": Column(pl.Date, nullable=False),
    "underlying_price": RAW_TABLES["option_chain"].columns["underlying_price"],
    "atm": _VOLATILITY,
    "call_25": _VOLATILITY,
    "put_25": _VOLATILITY,
    "quotes": Column(pl.Int64, "quotes", note="of the expiry, all of them", nullable=False, low=0),
    "passed": Column(pl.Int64, "quotes", note="that pass the filter of M22", nullable=False, low=0),
}

# PIT table -> the raw tables it is made of
PIT_SOURCES: dict[str, tuple[str, ...]] = {
    "prices": ("bars_daily",),
    "bars_intraday": ("bars_intraday",),
    "macro": ("macro", "macro_vintages", "gpr_daily", "gpr_monthly", "eia_weekly"),
    "positioning": ("cot",),
    "curve": ("futures",),
    "fixes": ("lbma_fix",),
    "margins": ("futures_margins",),
    "flows": ("etf_holdings",),
    "reserves": ("cb_gold_reserves",),
    "inventory": ("comex_stocks",),
    "open_interest": ("comex_volume_oi",),
    "options": ("option_chain",),
    "option_points": ("option_chain",),
    "news": ("news",),
    "events": ("event_calendar",),
    "fomc": ("fomc_meetings",),
    "festivals": ("seasonal_calendar",),
    "fx": ("fx",),
    "shanghai": ("sge_benchmark",),
    "withdrawals": ("sge_withdrawals",),
    "mint": ("us_mint",),
    "official_flows": ("cb_gold_flows",),
    "mining_costs": ("mining_costs",),
    "fund_terms": ("fund_terms",),
    "licensed_fixes": ("licensed_fix",),
}

PIT_TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        _same("prices", "bars_daily", drop=("flags",)),
        _same("bars_intraday", "bars_intraday"),
        # series ids of GPR: GPRD, GPRD_ACT, GPRD_THREAT, GPR, GPR_ACT, GPR_THREAT; of petroleum stocks: WCESTUS1; a
        # vintage of measure "yoy_pct" is kept as "<series>_YOY"
        Table("pit", "macro", ("series_id", "event_date"), _SERIES, "Macro series, one value a row", versioned=True),
        _same("positioning", "cot"),
        _same("curve", "futures", drop=("flags",)),
        _same("fixes", "lbma_fix"),
        _same("margins", "futures_margins"),
        _same("flows", "etf_holdings"),
        _same("reserves", "cb_gold_reserves"),
        _same("inventory", "comex_stocks"),
        _same("open_interest", "comex_volume_oi"),
        _same("options", "option_chain"),
        # made of the quotes of a snapshot that became known in one session; `revision` is how many sessions after
        # the first decision past the snapshot that was
        Table(
            "pit",
            "option_points",
            ("underlying", "event_at", "expiry"),
            _POINTS,
            "Implied volatility of each expiry of a snapshot: at the money and at 25 delta",
            versioned=True,
            publication=RAW_TABLES["option_chain"].publication,
            first_delivery_sessions=RAW_TABLES["option_chain"].first_delivery_sessions,
        ),
        _same("news", "news"),
        _same("events", "event_calendar"),
        _same("fomc", "fomc_meetings"),
        _same("festivals", "seasonal_calendar"),
        _same("fx", "fx"),
        _same("shanghai", "sge_benchmark"),
        _same("withdrawals", "sge_withdrawals"),
        _same("mint", "us_mint"),
        _same("official_flows", "cb_gold_flows"),
        _same("mining_costs", "mining_costs"),
        _same("fund_terms", "fund_terms"),
        _same("licensed_fixes", "licensed_fix"),
    )
}

# Fitted models are computed by `qgtm_assets/models.py` from tables of this group, not from raw rows.
_MODELS = {
    "model_id": Column(pl.String, nullable=False),
    "event_date": Column(pl.Date, "session whose decision bounds what the fit has seen", nullable=False),
    "trained_to": Column(pl.Date, "last session that occurs in the training rows", nullable=False),
    "observations": Column(pl.Int32, "sessions trained on", nullable=False),
    "payload": Column(pl.String, "parameters, as JSON", nullable=False),
    "auc_oos": Column(pl.Float64, "area under the ROC curve on purged folds; null = no classifier", low=0.0, high=1.0),
    "log_likelihood": Column(pl.Float64, "of the training rows; null = not fitted by likelihood"),
    "params_hash": Column(pl.String, nullable=False),
}
for _name in ("models", "meta_models"):
    PIT_TABLES[_name] = Table("pit", _name, ("model_id", "event_date"), _MODELS, "Fitted models", versioned=True)
    PIT_SOURCES[_name] = ()
