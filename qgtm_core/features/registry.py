"""Which feature tables exist, what they are made from and the one function that computes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from qgtm_core.features import calendar, correlation, cross_asset, macro, pairs, positioning, prices, volatility
from qgtm_core.pit import cut
from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_core.schemas.pit import PIT_TABLES


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature table: the PIT tables it reads and the causal computation over them."""

    table: str
    sources: tuple[str, ...]
    compute: Callable[[Mapping[str, pl.DataFrame], pl.DataFrame], pl.DataFrame]


FEATURES: dict[str, Feature] = {
    feature.table: feature
    for feature in (
        Feature("prices", ("prices",), prices.compute),
        Feature("macro", ("macro",), macro.compute),
        Feature("cross_asset", ("prices",), cross_asset.compute),
        Feature("volatility", ("macro", "prices"), volatility.compute),
        Feature("pairs", ("prices",), pairs.compute),
        Feature("positioning", ("positioning",), positioning.compute),
        Feature("correlation", ("prices",), correlation.compute),
        Feature("calendar", ("festivals",), calendar.compute),
    )
}


def compute_features(table: str, pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """Rows of `features/<table>` for exactly the asked sessions, sorted by key.

    `pit` holds the full known history of the table's sources (an absent one counts as empty); `sessions` has the
    column `session`, oldest first. Each row depends only on PIT rows with `session` up to its own.
    """
    declared, feature = FEATURE_TABLES[table], FEATURES[table]
    if sessions.is_empty():
        return declared.empty()
    last = sessions["session"][-1]
    known = {name: cut(pit[name], last) if name in pit else PIT_TABLES[name].empty() for name in feature.sources}
    rows = feature.compute(known, sessions.select("session"))
    return declared.conform(rows.select(list(declared.dtypes))).sort(declared.key)
