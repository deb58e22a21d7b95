"""Feature tables of leveraged funds."""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import INSTANT, Column, Table

LEVERAGED: tuple[tuple[str, str], ...] = (("UGL", "GLD"), ("AGQ", "SLV"))  # fund of twice the daily return, underlying

TABLES: tuple[Table, ...] = (
    feature_table(
        "leverage",
        ("session", "pair"),
        {
            **health("base_"),
            "base_vol_63": measure("annual", "sample volatility of the underlying, 63 log returns, 252 days", low=0),
            "base_trend_t_63": measure("sd", "M8 of the underlying over 63 bars"),
            **health("fund_"),
            "terms_known": Column(pl.Boolean, note="terms of the fund in force at the session are known"),
            "terms_available_at": Column(INSTANT, note="when the terms in force became known"),
            "expense_ratio": measure("decimal a year", "in force at the session", low=0),
            "borrow_rate": measure("decimal a year", "in force at the session; null = not quoted", low=0),
            "shortable": Column(pl.Boolean, note="the fund can be borrowed at the broker"),
        },
        "Volatility drag and terms of leveraged funds by fund/underlying",
    ),
)
