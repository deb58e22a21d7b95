"""Feature tables of pairs on common bars."""

from __future__ import annotations

from qgtm_core.schemas.features.common import KEY, feature_table, health, measure
from qgtm_core.schemas.spec import Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "pairs",
        ("session", "pair"),
        {
            "y": KEY,
            "x": KEY,
            **health(),
            "kalman_z": measure("sd", "M12 innovation over its standard deviation"),
            "kalman_slope": measure("ratio", "M12 hedge slope after the update"),
            "kalman_slope_mean_252": measure("ratio", "mean of the slope over 252 bars"),
            "kalman_slope_sd_252": measure("ratio", "standard deviation of the slope over 252 bars"),
            "ratio_z_252": measure("sd", "M2 of ln(y/x) over 252 common bars"),
            "ratio_half_life_252": measure("sessions", "M10 half-life of ln(y/x); null when not mean-reverting"),
        },
        "Pairs on their common bars; pair is 'Y/X'",
    ),
)
