"""Which feature tables exist, what they are made from and the one function that computes them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping

import polars as pl

from qgtm_core import features
from qgtm_core.features.spec import Feature
from qgtm_core.pit import cut
from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_core.schemas.pit import PIT_TABLES

__all__ = ["FEATURES", "Feature", "compute_features"]

_NOT_FAMILIES = {"registry", "spec", "common"}


def _found() -> dict[str, Feature]:
    """Every `FEATURES` of the modules beside this one, by table."""
    names = sorted({module.name for module in pkgutil.iter_modules(features.__path__)} - _NOT_FAMILIES)
    modules = [importlib.import_module(f"{features.__name__}.{name}") for name in names]
    return {feature.table: feature for module in modules for feature in getattr(module, "FEATURES", ())}


FEATURES: dict[str, Feature] = _found()


def compute_features(table: str, pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """Rows of `features/<table>` for exactly the asked sessions, sorted by key.

    `pit` holds the full known history of the table's sources (an absent one counts as empty); `sessions` has the
    columns `session` and `decided_at`, oldest first. Each row depends only on PIT rows with `session` up to its own.
    """
    declared, feature = FEATURE_TABLES[table], FEATURES[table]
    if sessions.is_empty():
        return declared.empty()
    last = sessions["session"][-1]
    known = {name: cut(pit[name], last) if name in pit else PIT_TABLES[name].empty() for name in feature.sources}
    rows = feature.compute(known, sessions.select("session"))
    return declared.conform(rows.select(list(declared.dtypes))).sort(declared.key)
