"""Feature tables of prices and returns by symbol."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "prices",
        ("session", "symbol"),
        {
            **health(),
            "close": measure("USD", "newest usable close, split basis"),
            "adj_close": measure("USD", "newest usable close, total-return basis"),
            "return_1d": measure("decimal", "simple total return of the newest bar"),
            "return_5d": measure("decimal", "simple total return over 5 bars"),
            "log_return_252": measure("decimal", "log total return over 252 bars"),
            "log_return_252_21": measure("decimal", "log total return from 252 to 21 bars ago"),
            "vol_mop": measure("annual", "M6 ex-ante volatility, centre of mass 60, 261 days"),
            "vol_ewma_94": measure("annual", "M5 RiskMetrics volatility, lambda 0.94"),
            "vol_ewma_97": measure("annual", "M5 volatility, lambda 0.97"),
            "ewmac_16_64": measure("price-vol units", "M14 raw forecast before its scalar"),
            "ewmac_32_128": measure("price-vol units", "M14 raw forecast before its scalar"),
            "ewmac_64_256": measure("price-vol units", "M14 raw forecast before its scalar"),
            "adv_20_shares": measure("shares", "mean consolidated volume of 20 bars; IEX volume is not counted"),
        },
        "Returns, volatility and trend by symbol from daily bars",
    ),
)
