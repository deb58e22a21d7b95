"""Feature tables of physical demand: vault load-out and coins."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "physical",
        ("session",),
        {
            **health("withdrawals_"),
            "withdrawals_growth_12": measure("log change", "tonnes against the same month a year before"),
            "withdrawals_growth_12_z_36": measure("sd", "M2 over 36 months"),
            **health("mint_"),
            "mint_excess": measure("log points", "ln(oz + 1000) over its mean of the same month in 5 earlier years"),
            "mint_excess_over_sd_60": measure(
                "sd", "mint_excess over its deviation of 60 months; null = fewer than 4 of the 5 earlier years known"
            ),
            **health("gld_"),
            "gld_log_return_63": measure("log change", "GLD over 63 bars"),
        },
        "Monthly physical demand for gold, and the return that tells bargain hunting from euphoria",
    ),
)
