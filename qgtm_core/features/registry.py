"""Which feature tables exist, what they are made from and the one function that computes them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping

import polars as pl

from qgtm_core import features
from qgtm_core.features.known import Known
from qgtm_core.features.spec import Feature
from qgtm_core.schemas.features import FEATURE_TABLES

__all__ = ["FEATURES", "Feature", "compute_all", "compute_features"]

_NOT_FAMILIES = {"registry", "spec", "common", "known"}


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
    return compute_all(pit, sessions, (table,))[table]


def compute_all(
    pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame, tables: Iterable[str] = tuple(FEATURES)
) -> dict[str, pl.DataFrame]:
    """`compute_features` of several tables of the same sessions, which look up each history once between them."""
    if sessions.is_empty():
        return {table: FEATURE_TABLES[table].empty() for table in tables}
    known, days = Known(pit, sessions["session"][-1]), sessions.select("session")
    return {table: _compute(FEATURES[table], known, days) for table in tables}


def _compute(feature: Feature, known: Known, days: pl.DataFrame) -> pl.DataFrame:
    declared = FEATURE_TABLES[feature.table]
    rows = feature.compute(known.only(feature.sources), days)
    rows = declared.conform(rows.select(list(declared.dtypes)))
    return rows.sort(declared.key) if rows.height > 1 else rows
