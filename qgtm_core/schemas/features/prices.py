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
            "vol_ewma_94": measure("annual", "M5 RiskMetrics volatility, lambda 0.94"),
            "adv_20_shares": measure("shares", "mean consolidated volume of 20 bars; IEX volume is not counted"),
        },
        "Returns, volatility and volume by symbol from daily bars",
    ),
)
