"""Feature tables of market regimes."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "regime",
        ("session",),
        {
            **health("gld_"),
            "gld_t_5": measure("sd", "M8 log return over 5 bars in units of M5 volatility"),
            "gld_t_63": measure("sd", "M8 log return over 63 bars in units of M5 volatility"),
            "change_probability_10": measure(
                "probability", "M24 run of daily returns shorter than 10 bars, hazard 1/250, 250 bars or more", 0, 1
            ),
            **health("real_10y_"),
            "real_10y_zchg_20": measure("sd", "M3 over 504 observations"),
            **health("uup_"),
            "uup_zchg_20": measure("sd", "M3 of ln adj_close over 252 bars"),
            **health("vix_"),
            "vix_pr_252": measure("share", "M4 percentile rank in 252 observations", 0, 1),
            **health("gvz_"),
            "gvz_z_252": measure("sd", "M2 over 252 observations"),
            **health("model_"),
            "p_trending": measure("probability", "M23 filtered", 0, 1),
            "p_mean_reverting": measure("probability", "M23 filtered", 0, 1),
            "p_crisis": measure("probability", "M23 filtered", 0, 1),
        },
        "Regime probabilities of gold, filtered, from the newest fit that has waited 30 sessions. For the model, "
        "`obs` counts the sessions of its training and `available_at` is the decision of the first session that may "
        "use it",
    ),
)
