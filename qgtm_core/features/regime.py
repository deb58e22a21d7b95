"""features/regime: what the regime model reads, its filtered probabilities, and change points of gold's returns."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from qgtm_core import calendar
from qgtm_core.features.known import macro_rows
from qgtm_core.features.legs import Columns, Ints, Wanted, numbers, read_each
from qgtm_core.features.spec import Feature
from qgtm_core.features.windows import Bars, WindowMaths, leg, price_legs
from qgtm_core.maths import moving
from qgtm_core.maths.regimes import FloatArray, change_probability, forward_filter, log_density
from qgtm_core.models.regime import COLUMNS, SPEC, STATES, from_payload
from qgtm_core.models.spec import MODEL_HEALTH, newest_usable

REAL_YIELD, VIX, GVZ = "DFII10", "VIXCLS", "GVZCLS"
ONE_YEAR, TWO_YEARS = 252, 504  # observations
SHORT_RUN = 10  # bars
FILTER_SESSIONS = 252  # that the filter reads before the first session that uses a fit
P_COLUMNS = tuple(f"p_{state}" for state in STATES)
Pit = Mapping[str, pl.DataFrame]


def inputs(pit: Pit, sessions: pl.DataFrame) -> pl.DataFrame:
    """The five inputs of the model (and t_63) as known at each session, with their health."""
    prices = {"gld_": Wanted(("GLD",), _of_gold), "uup_": Wanted(("UUP",), _of_dollar)}
    series = {"real_10y_": REAL_YIELD, "vix_": VIX, "gvz_": GVZ}
    macro = {prefix: Wanted((name,), _OF_SERIES[name]) for prefix, name in series.items()}
    legs = [leg(macro_rows(pit, name), name, "value", positive=False) for name in series.values()]
    read = {
        **read_each([price_legs(pit, ("GLD", "UUP"))], prices, sessions),
        **read_each(legs, macro, sessions),
    }
    days = sessions.select("session")
    rows, known = [days], np.zeros(days.height, dtype=bool)
    for prefix, found in read.items():
        known[found.place] = True
        frame = pl.DataFrame([*found.health(prefix), *(numbers(name, v) for name, v in found.columns.items())])
        if len(found.place) < days.height:
            place = np.full(days.height, np.nan)
            place[found.place] = np.arange(len(found.place))
            frame = frame.select(pl.all().gather(pl.Series(place, nan_to_null=True).cast(pl.UInt32)))
        rows.append(frame)
    return pl.concat(rows, how="horizontal").filter(known)


def _of_gold(bars: Bars, ends: Ints) -> Columns:
    price = bars.values["GLD"]
    simple = np.append(np.nan, price[1:] / price[:-1] - 1.0)[: len(price)]
    found = moving.trend_t(np.log(price), moving.riskmetrics_sd(simple), ends, (5, 63))
    return {f"gld_t_{h}": values for h, values in found.items()}


def _of_dollar(bars: Bars, ends: Ints) -> Columns:
    return {"uup_zchg_20": moving.change_z(np.log(bars.values["UUP"]), ends, 20, ONE_YEAR)}


_OF_SERIES: Mapping[str, WindowMaths] = {
    REAL_YIELD: lambda bars, ends: {"real_10y_zchg_20": moving.change_z(bars.values[REAL_YIELD], ends, 20, TWO_YEARS)},
    VIX: lambda bars, ends: {"vix_pr_252": moving.percentile_rank(bars.values[VIX], ends, ONE_YEAR)},
    GVZ: lambda bars, ends: {"gvz_z_252": moving.zscore(bars.values[GVZ], ends, ONE_YEAR)},
}


def compute(pit: Pit, sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first known input on; probabilities from the first usable fit on."""
    fits = newest_usable(pit["models"], SPEC, sessions)
    since = _anchors(fits)["anchor"].min()
    first = sessions["session"][0] if since is None else min(since, sessions["session"][0])
    days = calendar.schedule(first, sessions["session"][-1]).select("session")
    rows = inputs(pit, days)
    joined = rows.join(sessions.select("session"), on="session", how="semi", maintain_order="left")
    parts = (_change_points(pit, sessions), fits.select("session", *MODEL_HEALTH), probabilities(fits, days, rows))
    for part in parts:
        joined = joined.join(part, on="session", how="left", maintain_order="left")
    return joined


def _change_points(pit: Pit, sessions: pl.DataFrame) -> pl.DataFrame:
    """`session, change_probability_10` from gold's simple daily returns, computed from the first bar read on."""

    def maths(bars: Bars, ends: Ints) -> Columns:
        price, alarm = bars.values["GLD"], np.full(len(ends), np.nan)
        if len(ends) and ends[-1] > 0:
            returns = price[1 : ends[-1] + 1] / price[: ends[-1]] - 1.0
            found = change_probability(returns, SHORT_RUN, first=max(int(ends[0]) - 1, 0))
            alarm = np.where(ends > 0, found[ends - 1], np.nan)
        return {"change_probability_10": alarm}

    read = read_each([price_legs(pit, ("GLD",))], {"GLD": Wanted(("GLD",), maths)}, sessions)["GLD"]
    columns = [numbers(name, values) for name, values in read.columns.items()]
    return pl.DataFrame([sessions["session"].gather(read.place), *columns])


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
