"""Feature tables of volatility from whole bars: its term structure by symbol, and gold's straddle."""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Column, Table

CYCLICALS: tuple[str, ...] = ("SLV", "PPLT", "PALL", "GDX")

TABLES: tuple[Table, ...] = (
    feature_table(
        "range_volatility",
        ("session", "symbol"),
        {
            **health(),
            "vol_yz_10": measure("annual", "M21 Yang-Zhang volatility over 10 bars"),
            "vol_yz_60": measure("annual", "M21 Yang-Zhang volatility over 60 bars"),
            "vol_yz_slope_z_252": measure("sd", "M2 of ln(vol_yz_10 / vol_yz_60) over 252 bars"),
        },
        "Realised-volatility term structure of silver, platinum, palladium and miners",
    ),
    feature_table(
        "straddle",
        ("session",),
        {
            **health("gld_"),
            "strike_age_sessions": Column(pl.Int32, "sessions", note="since the strike was set, 0 to 20"),
            "log_moneyness": measure("decimal", "ln of the newest price over the strike, on today's basis"),
            "vol_yz_5": measure("annual", "M21 Yang-Zhang volatility of GLD over 5 bars"),
            **health("gvz_"),
            "gvz": measure("points", "newest usable close"),
        },
        "A synthetic one-month straddle on GLD, struck anew every 21 sessions of the exchange calendar",
    ),
    feature_table(
        "tail",
        ("session",),
        {
            **health("gld_"),
            "es_99": measure("decimal", "M33 expected shortfall of a day's loss, 99 %, from 1000 daily losses of GLD"),
            "es_99_ratio": measure("ratio", "es_99 over the median of its last 252 values"),
        },
        "Modelled tail of gold",
    ),
)
