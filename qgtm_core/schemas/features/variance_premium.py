"""Feature table of the variance premium of gold: implied against realised variance, and the trends beside it."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "variance_premium",
        ("session",),
        {
            **health("gvz_"),
            "gvz": measure("points", "implied volatility index of GLD options, newest usable close"),
            "gvz_pr_252": measure("share", "M4 percentile rank over 252 observations", low=0.0, high=1.0),
            "gvz_rank_252": measure("share", "(value - min) / (max - min) over 252 observations", low=0.0, high=1.0),
            **health("gld_"),
            "rv_21": measure("annual", "realised volatility of GLD: root of 252/21 times 21 squared log returns"),
            "gld_t_63": measure("sd", "M8 trend t-statistic of GLD over 63 bars"),
            **health("slv_"),
            "slv_t_63": measure("sd", "M8 trend t-statistic of SLV over 63 bars"),
            "vrp": measure("annual variance", "M20 on the newest day with both an index close and a GLD bar"),
            "vrp_z_252": measure("sd", "M2 of vrp over 252 common days"),
        },
        "Implied against realised variance of gold, as known at each decision",
    ),
)
