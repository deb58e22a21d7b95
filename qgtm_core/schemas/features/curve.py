"""Feature tables of metal futures curves."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

# market -> (root of its futures, fund that expresses it)
METALS: dict[str, tuple[str, str]] = {
    "gold": ("GC", "GLD"),
    "silver": ("SI", "SLV"),
    "platinum": ("PL", "PPLT"),
    "palladium": ("PA", "PALL"),
}
# delivery months that trade; the others are listed but thin
CYCLES: dict[str, tuple[int, ...]] = {
    "GC": (2, 4, 6, 8, 12),
    "SI": (3, 5, 7, 9, 12),
    "PL": (1, 4, 7, 10),
    "PA": (3, 6, 9, 12),
}

_KEY = ("session", "market")

TABLES: tuple[Table, ...] = (
    feature_table(
        "curve",
        _KEY,
        {
            **health(),
            "f1": measure("USD/oz", "nearest contract of the cycle with 10 days or more to first notice", low=0),
            "f2": measure("USD/oz", "next contract of the cycle", low=0),
            "years_between": measure("years", "between the two deliveries, ACT/365", low=0),
            "roll_yield": measure("decimal a year", "M18; positive = backwardation"),
            "basis": measure("decimal", "M18, (f1 - f2) / f1"),
            "front_premium_min_3": measure(
                "decimal", "least f1 / f2 - 1 of 3 sessions in a row; null across a missing one"
            ),
            "nearby_return_252": measure("decimal", "252 returns of the first contract, compounded"),
            "next_return_252": measure("decimal", "252 returns of the second contract, compounded"),
            "basis_momentum_252": measure("decimal", "the first less the second"),
            "basis_momentum_sd_504": measure("decimal", "sample sd over 504 observations", low=0),
        },
        "The first two dated contracts by metal; returns are those of the contract held, rolled on the same day",
    ),
    feature_table(
        "carry",
        _KEY,
        {
            **health(),
            "carry": measure("", "(f1 - f2) a year over annual price volatility (M5 of the fund, at least 60 bars)"),
            "carry_ewma_90": measure("", "exponential mean, span 90"),
        },
        "Risk-adjusted carry by metal, on days with both a curve and a bar of the metal's fund",
    ),
    feature_table(
        "lease",
        _KEY,
        {
            **health(),
            "lease": measure("decimal a year", "M18: continuous SOFR of the same business day plus roll yield"),
            "lease_median_5": measure("decimal a year", "median of 5 observations"),
        },
        "Implied lease rate by metal, on days with both a curve and an overnight rate",
    ),
)
