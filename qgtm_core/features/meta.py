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
    """One row a session from the first usable fit on; no fit while the newest is too old."""
    rows = newest_usable(pit["meta_models"], SPEC, sessions)
    decided = calendar.schedule().select("session", _decided="decided_at")
    rows = rows.join(decided, on="session", how="left", maintain_order="left")
    # each fit is packed once, whatever the number of sessions that use it
    fits = rows.unique("event_date", keep="first", maintain_order=True).select("event_date", "payload")
    packs = fits.with_columns(pl.Series("payload", [packed(text) for text in fits["payload"]], dtype=pl.String))
    rows = rows.drop("payload").join(packs, on="event_date", how="left", maintain_order="left")
    young = pl.col("_decided") - pl.col("model_available_at") < OLDEST
    fit = {"fitted": pl.col("event_date"), "payload": pl.col("payload")}
    return rows.select("session", *MODEL_HEALTH, **{name: pl.when(young).then(value) for name, value in fit.items()})


FEATURES = (Feature("meta", ("meta_models",), compute),)
