"""features/regime: what the regime model reads, its filtered probabilities, and change points of gold's returns."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from qgtm_core import calendar
from qgtm_core.features.common import (
    PRICE_KEY,
    STAMPS,
    first_read,
    macro_series,
    price_series,
    side_by_side,
    usable_bars,
)
from qgtm_core.features.known import price_rows
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats
from qgtm_core.maths.regimes import FloatArray, change_probability, forward_filter, log_density
from qgtm_core.maths.trend import trend_t
from qgtm_core.models.regime import COLUMNS, SPEC, STATES, from_payload
from qgtm_core.models.spec import MODEL_HEALTH, newest_usable
from qgtm_core.pit import point_in_time

REAL_YIELD, VIX, GVZ = "DFII10", "VIXCLS", "GVZCLS"
ONE_YEAR, TWO_YEARS = 252, 504  # observations
SHORT_RUN = 10  # bars
FILTER_SESSIONS = 252  # that the filter reads before the first session that uses a fit
P_COLUMNS = tuple(f"p_{state}" for state in STATES)


def inputs(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """The five inputs of the model (and t_63) as known at each session, with their health."""
    price, value = pl.col("price"), pl.col("value")
    log_price = price.log()
    daily_sd = stats.ewma_variance(price / price.shift(1) - 1.0).sqrt()
    trend = {f"gld_t_{h}": trend_t(log_price, daily_sd, h) for h in (5, 63)}
    real = {"real_10y_zchg_20": stats.change_z(value, 20, TWO_YEARS)}
    dollar = {"uup_zchg_20": stats.change_z(log_price, 20, ONE_YEAR)}
    return side_by_side(
        [
            price_series(pit, "GLD", sessions, trend, "gld"),
            macro_series(pit, REAL_YIELD, sessions, real, "real_10y"),
            price_series(pit, "UUP", sessions, dollar, "uup"),
            macro_series(pit, VIX, sessions, {"vix_pr_252": stats.percentile_rank(value, ONE_YEAR)}, "vix"),
            macro_series(pit, GVZ, sessions, {"gvz_z_252": stats.zscore(value, ONE_YEAR)}, "gvz"),
        ]
    ).sort("session")


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first known input on; probabilities from the first usable fit on."""
    fits = newest_usable(pit["models"], SPEC, sessions)
    since = _anchors(fits)["anchor"].min()
    first = sessions["session"][0] if since is None else min(since, sessions["session"][0])
    days = calendar.schedule(first, sessions["session"][-1]).select("session")
    rows = inputs(pit, days)
    known = rows.join(sessions.select("session"), on="session", how="semi", maintain_order="left")
    parts = [
        known,
        _change_points(price_rows(pit, "GLD"), sessions),
        fits.select("session", *MODEL_HEALTH),
        probabilities(fits, days, rows),
    ]
    joined = known
    for part in parts[1:]:
        joined = joined.join(part, on="session", how="left", maintain_order="left")
    return joined


def _change_points(bars: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """`session, change_probability_10` from gold's simple daily returns, computed from the first bar read on."""

    def observations(view: pl.DataFrame) -> pl.DataFrame:
        rows = usable_bars(view)
        price = rows["adj_close"].to_numpy()
        alarm = np.full(len(price), np.nan)
        if len(price) > 1:
            returns = price[1:] / price[:-1] - 1.0
            alarm[1:] = change_probability(returns, SHORT_RUN, first=max(first_read(rows, sessions) - 1, 0))
        column = pl.Series("change_probability_10", alarm, dtype=pl.Float64).fill_nan(None)
        return rows.select(*STAMPS, symbol=pl.lit("GLD")).with_columns(column)

    return point_in_time(bars, PRICE_KEY, sessions, observations).select("session", "change_probability_10")


def _anchors(fits: pl.DataFrame) -> pl.DataFrame:
    """`event_date, payload, anchor`: each fit in use and the session at which its filter starts."""
    used = fits.unique("event_date", maintain_order=True).sort("event_date")
    starts = [calendar.offset_session(SPEC.usable_from(day), -FILTER_SESSIONS) for day in used["event_date"].to_list()]
    return used.select("event_date", "payload").with_columns(anchor=pl.Series(starts, dtype=pl.Date))


def probabilities(fits: pl.DataFrame, days: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """`session, p_…` for each session with a fit: filtered from the fit's anchor over the inputs as known at each day.

    `days` are all sessions from the first anchor on, `rows` the inputs. All fits run side by side; null where an input
    of the session is.
    """
    if fits.is_empty():
        return pl.DataFrame(schema={"session": pl.Date, **dict.fromkeys(P_COLUMNS, pl.Float64)})
    x = days.join(rows.select("session", *COLUMNS), on="session", how="left", maintain_order="left")
    values = x.select(pl.col(COLUMNS).fill_null(np.nan)).to_numpy()
    used = _anchors(fits)
    place = fits.select(
        at=days["session"].search_sorted(fits["session"]),
        fit=used["event_date"].search_sorted(fits["event_date"]),
    )
    starts = days["session"].search_sorted(used["anchor"]).to_numpy()
    at, fit = place["at"].to_numpy(), place["fit"].to_numpy()
    steps = int((at - starts[fit]).max()) + 1
    padded = np.vstack([values, np.full((steps, len(COLUMNS)), np.nan)])
    models = [from_payload(text) for text in used["payload"].to_list()]
    start, transition, mean, variance = (
        np.stack([getattr(model, name) for model in models]) for name in ("start", "transition", "mean", "variance")
    )
    paths: FloatArray = np.stack([padded[s : s + steps] for s in starts])
    found = forward_filter(start, transition, log_density(mean, variance, paths))[fit, at - starts[fit]]
    found = np.where(np.isfinite(values[at]).all(axis=1)[:, None], found, np.nan)
    columns = {name: pl.Series(found[:, k]).fill_nan(None) for k, name in enumerate(P_COLUMNS)}
    return fits.select("session").with_columns(**columns)


FEATURES = (Feature("regime", ("prices", "macro", "models"), compute),)
