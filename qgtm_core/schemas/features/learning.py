"""Feature tables of the learning strategies."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Column, Table

LAGS = (1, 2, 3, 4, 5)
TRENDS = (5, 10, 21, 63, 126, 252)  # of the symbol itself
CROSS_WINDOWS = (5, 21)  # of every symbol, for every symbol
OTHERS = ("SPY", "TIP", "TLT", "UUP")
RATIOS = (("GLD", "SLV"), ("GDX", "GLD"))
# series -> name, and (shape, step or 0, window) of each column
MACRO: dict[str, tuple[str, tuple[tuple[str, int, int], ...]]] = {
    "DFII10": ("real_10y", (("zchg", 5, 504), ("zchg", 20, 504), ("zchg", 60, 504), ("z", 0, 504))),
    "T10YIE": ("breakeven_10y", (("zchg", 20, 252), ("zchg", 60, 252))),
    "T10Y2Y": ("curve_10y_2y", (("zchg", 20, 252),)),
    "VIXCLS": ("vix", (("zchg", 5, 252), ("z", 0, 63), ("pr", 0, 252))),
    "GVZCLS": ("gvz", (("zchg", 5, 252), ("z", 0, 252))),
}
_NOTE = {"zchg": "M3 over {n} observations", "z": "M2 over {n} observations", "pr": "M4 in {n} observations"}


def _own() -> dict[str, Column]:
    """Columns of the symbol's own bars."""
    return {
        **{f"lag_{k}": measure("sd", f"daily log return {k - 1} bars ago over M5 volatility") for k in LAGS},
        **{f"t_{h}": measure("sd", f"M8 log return over {h} bars in units of M5 volatility") for h in TRENDS},
        "vol_5_21": measure("log ratio", "volatility of 5 bars over that of 21"),
        "vol_21_63": measure("log ratio", "volatility of 21 bars over that of 63"),
        "vol_63_252": measure("log ratio", "volatility of 63 bars over that of 252"),
        **{f"z_{n}": measure("sd", f"M2 of ln adj_close over {n} bars") for n in (21, 63, 252)},
        "vol_pr_252": measure("share", "M4 of M5 volatility in 252 bars", 0, 1),
        "drawdown_252": measure("decimal", "log price below its maximum of 252 bars", high=0),
        "is_slv": measure("0 or 1", "the symbol is SLV"),
        "is_gdx": measure("0 or 1", "the symbol is GDX"),
    }


def _common() -> dict[str, Column]:
    """Columns that all symbols of a session share; null while their input is stale."""
    return {
        **{
            f"{s.lower()}_t_{w}": measure("sd", f"M8 of {s} over {w} bars")
            for s in ("GDX", "GLD", "SLV", *OTHERS)
            for w in CROSS_WINDOWS
        },
        **{
            f"{a}_{b}_z_{n}".lower(): measure("sd", f"M2 of ln({a}/{b}) over {n} common bars")
            for a, b in RATIOS
            for n in (63, 252)
        },
        **{
            f"{name}_{shape}_{k or n}": measure("share" if shape == "pr" else "sd", _NOTE[shape].format(n=n))
            for name, wanted in MACRO.values()
            for shape, k, n in wanted
        },
        **{
            f"{market}_{column}": measure(unit, note)
            for market in ("gold", "silver")
            for column, unit, note in (
                ("mm_net_pct_oi", "share of open interest", "managed money long minus short"),
                ("mm_net_pct_oi_z_156", "sd", "M2 over 156 weeks"),
            )
        },
    }


# what a fit reads, in this order
COLUMNS: tuple[str, ...] = (*_own(), *_common())

TABLES: tuple[Table, ...] = (
    feature_table(
        "learning",
        ("session", "symbol"),
        {
            **health(),
            "coverage": measure("share", "of the columns a fit reads that are usable", 0, 1),
            **health("model_"),
            "p_gbm": measure("probability", "upper barrier first within 5 sessions, by boosted trees", 0, 1),
            "p_logit": measure("probability", "the same, by logistic regression", 0, 1),
            "p_ridge": measure("probability", "the same, by ridge regression on the sign", 0, 1),
            "auc": measure("share", "of the ensemble, pooled over purged folds of the training", 0, 1),
            **_own(),
            **_common(),
        },
        "Inputs and predictions of the learning strategies for GLD, SLV and GDX. For the model, `obs` counts the "
        "labelled sessions of its training and `available_at` is the decision of the first session that may use it",
    ),
)
