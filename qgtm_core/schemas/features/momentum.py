"""Feature table of slow trends by symbol."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

TRENDING: tuple[str, ...] = ("GLD", "SLV", "PPLT", "PALL", "GDX")
EWMAC_SPANS = ((16, 64), (32, 128), (64, 256))

TABLES: tuple[Table, ...] = (
    feature_table(
        "momentum",
        ("session", "symbol"),
        {
            **health(),
            "log_return_252_21": measure("decimal", "log total return from 252 to 21 bars ago"),
            "vol_mop": measure("annual", "M6 ex-ante volatility, centre of mass 60, 261 days"),
            "vol_ewma_97": measure("annual", "M5 volatility, lambda 0.97"),
            **{
                f"ewmac_{fast}_{slow}": measure("price-vol units", "M14 raw forecast before its scalar")
                for fast, slow in EWMAC_SPANS
            },
        },
        "Slow returns, volatilities and moving-average crossovers of metals and miners from daily bars",
    ),
)
