"""features/meta: the fit of the meta-labeller that is young enough at each session."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import polars as pl

from qgtm_core import calendar
from qgtm_core.features.spec import Feature
from qgtm_core.models.meta import SPEC, packed
from qgtm_core.models.spec import MODEL_HEALTH, newest_usable

OLDEST = dt.timedelta(days=31)  # a fit this old is none


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first fit on, without one while the newest is too old."""
    rows = newest_usable(pit["meta_models"], SPEC, sessions)
    decided = calendar.schedule().select("session", _decided="decided_at")
    packs = {text: packed(text) for text in rows["payload"].unique().to_list()}
    rows = rows.with_columns(pl.col("payload").replace(packs)).join(
        decided, on="session", how="left", maintain_order="left"
    )
    young = pl.col("_decided") - pl.col("model_available_at") < OLDEST
    return rows.select("session", *(pl.when(young).then(pl.col(c)).alias(c) for c in (*MODEL_HEALTH, "payload")))


FEATURES = (Feature("meta", ("meta_models",), compute),)
