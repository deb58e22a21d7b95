"""Feature tables of option chains."""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Column, Table

_DAYS = "calendar days"

TABLES: tuple[Table, ...] = (
    feature_table(
        "option_surface",
        ("session", "symbol"),
        {
            **health("chain_"),
            "underlying_price": measure("USD", "of the newest snapshot with a usable expiry"),
            "expiries": measure("expiries", "at most 150 days away with a usable quote of both rights at the money"),
            "days_30_45": Column(pl.Int32, _DAYS, note="of the usable expiry nearest the middle of 30-45; null = none"),
            "quotes_30_45": measure("share", "of that expiry's quotes that pass the filter", low=0.0, high=1.0),
            "days_60": Column(pl.Int32, _DAYS, note="of the usable expiry nearest 60, within 45-75; null = none"),
            "quotes_60": measure("share", "of that expiry's quotes that pass the filter", low=0.0, high=1.0),
            **health("iv_30_"),
            "iv_30": measure("annual", "M22 at the money, 30 days, linear in total variance"),
            "iv_30_rank_252": measure("share", "(value - min) / (max - min) over 252 snapshots", low=0.0, high=1.0),
            **health("skew_"),
            "rr_30": measure("annual", "M22 25-delta call less put, 30 days"),
            "bf_30": measure("annual", "M22 mean of the 25-delta options less at the money, 30 days"),
            "skew": measure("ratio", "rr_30 over iv_30"),
            "skew_zchg_10": measure("sd", "M3 over 126 snapshots"),
            "skew_z_126": measure("sd", "M2 over 126 snapshots"),
            "skew_quotes": measure("share", "of the quotes of the bracketing expiries that pass", low=0.0, high=1.0),
            **health("iv_90_"),
            "iv_90": measure("annual", "M22 at the money, 90 days"),
            **health("slope_"),
            "slope_90": measure("points", "iv_90 less the newest GVZ known at the snapshot, at most 5 days old"),
            "slope_z_126": measure("sd", "M2 over 126 snapshots"),
        },
        "Volatility surfaces of GLD and SLV by snapshot, as known at each decision; obs are of the last 300 sessions",
    ),
)
