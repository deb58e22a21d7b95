"""Daily bars of one symbol with their place in the exchange calendar; no feature table lives here."""

from __future__ import annotations

import polars as pl

from qgtm_core import calendar
from qgtm_core.features.common import STAMPS
from qgtm_core.features.known import usable_bars


def session_bars(view: pl.DataFrame) -> pl.DataFrame:
    """Usable bars of one symbol: `event_date, session, event_at, available_at, obs, open, close, price, return_1s`.

    `price` is the adjusted close. `return_1s` is the simple return over exactly one session: null where the bar of
    the session before is unknown.
    """
    rows = usable_bars(view)
    days = calendar.schedule().select(event_date="session", _before=pl.col("session").shift(1))
    price = pl.col("adj_close")
    step = pl.when(pl.col("event_date").shift(1) == pl.col("_before")).then(price / price.shift(1) - 1.0)
    return rows.join(days, on="event_date", how="left", maintain_order="left").select(
        "event_date", *STAMPS, "obs", "open", "close", price.alias("price"), step.alias("return_1s")
    )
