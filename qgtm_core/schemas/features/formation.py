"""Feature table of the distance method: pairs formed once a month, then traded."""

from __future__ import annotations

from itertools import combinations

import polars as pl

from qgtm_core.schemas.features.common import KEY, feature_table, health, measure
from qgtm_core.schemas.spec import Column, Table

# Unlevered instruments that move for the same reason; pairs are formed within a group only
GROUPS: dict[str, tuple[str, ...]] = {
    "gold": ("GLD", "IAU", "GLDM", "SGOL", "PHYS"),
    "silver": ("SLV", "SIVR", "PSLV"),
    "miners": ("GDX", "GDXJ", "SIL", "NEM", "AEM"),
    "royalty": ("FNV", "WPM", "RGLD"),
    "platinum_group": ("PPLT", "PALL"),
}
# Funds that hold the same bars in the same way: their spread is smaller than the cost of trading it
TWINS: tuple[frozenset[str], ...] = (frozenset({"GLD", "IAU", "GLDM", "SGOL"}), frozenset({"SLV", "SIVR"}))
FORMED_PAIRS: tuple[tuple[str, str], ...] = tuple(
    (a, b)
    for group in GROUPS.values()
    for a, b in combinations(group, 2)
    if not any({a, b} <= twins for twins in TWINS)
)

TABLES: tuple[Table, ...] = (
    feature_table(
        "formation",
        ("session", "pair"),
        {
            "y": KEY,
            "x": KEY,
            **health(),
            "formed_on": Column(
                pl.Date, "New York session", note="first session of the month; null = too few bars then"
            ),
            "formation_rank": measure(
                "count", "by distance among the pairs with adf_252 at most -3.34 (5 %), from 1; null = not so", low=1
            ),
            "formation_distance_252": measure("1", "sum of squared gaps of y and x, both 1 at the first bar", low=0),
            "formation_adf_252": measure("t", "M11 of ln y on ln x, lags by AIC up to 5"),
            "formation_half_life_252": measure("sessions", "M10 of the gap; null when not mean-reverting", low=0),
            "gap": measure(
                "sd",
                "newest y less x, both 1 at the first bar, over the gap's sd in the formation; null "
                "until the first bar after the formation",
            ),
        },
        "Pairs formed at the month's first session on the last 252 common bars then known; pair is 'Y/X'",
    ),
)
