"""features/event_risk: sessions until scheduled events, how gold moved on earlier ones and what options expect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core import calendar
from qgtm_core.features.common import DAY_KEY
from qgtm_core.features.events import scheduled
from qgtm_core.features.known import bars_of, price_rows
from qgtm_core.features.snapshots import Flags, Floats, Ints, Snapshots, places, table, views
from qgtm_core.features.spec import Feature
from qgtm_core.features.windows import Instants, newest_known
from qgtm_core.pit import segments
from qgtm_core.schemas.features import FEATURE_TABLES

GOLD = "GLD"
KINDS = ("fomc", "cpi", "nfp")  # on one day the first of them counts
AHEAD = np.timedelta64(35, "D")  # schedules must reach this far
BASE_DAYS = 90
REACH = 60  # sessions back to the newest snapshot; an older one is as good as none
WHOLE = (*(f"sessions_to_{kind}" for kind in (*KINDS, "event")), "moves_obs", "chain_obs", "event_iv_sessions")
_NONE = np.iinfo(np.int32).max
_NEVER = np.array([np.datetime64("NaT", "us")])


@dataclass(frozen=True, slots=True)
class Dates:
    """Scheduled dates of one kind, in the order in which they became known."""

    day: Instants
    traded_on: Instants
    before: Instants  # the session before that
    session: Instants
    available_at: Instants

    @classmethod
    def of(cls, dates: pl.DataFrame, kind: str) -> Dates:
        """Those of one kind."""
        names = ("event_date", "traded_on", "before", "session", "available_at")
        rows = dates.filter(pl.col("kind") == kind)
        return cls(*(rows[name].to_numpy() for name in names))


Columns = Mapping[str, NDArray[Any]]
# observations, stamps, volatility after the event, sessions to that expiry, volatility before it
Expected = tuple[Floats, Instants, Instants, Floats, Floats, Floats]


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first on at which dates of every kind are known."""
    dates = scheduled(pit["fomc"], pit["events"]).filter(pl.col("traded_on").is_not_null())
    dates = dates.sort("session", "event_date")
    of_kind = {kind: Dates.of(dates, kind) for kind in KINDS}
    arrived, covered = _covered(of_kind, sessions["session"].to_numpy())
    there = ~np.isnat(arrived)
    if not there.any():
        return FEATURE_TABLES["event_risk"].empty()
    days = sessions.filter(there)
    readers = places(days["session"].to_numpy())
    distances = np.array([_distance(of_kind[kind], readers) for kind in KINDS])
    nearest = distances.min(axis=0)
    event = np.where(nearest == _NONE, -1, distances.argmin(axis=0))
    columns = {
        "session": days["session"].to_numpy(),
        "covered": covered[there],
        "events_available_at": arrived[there],
        **{f"sessions_to_{kind}": _known(found) for kind, found in zip(KINDS, distances, strict=True)},
        "sessions_to_event": _known(nearest),
        **_moves(of_kind, pit, days, event),
        **_implied(pit["option_points"], days, nearest),
    }
    which = pl.Series("event", [*KINDS, None], dtype=pl.String)
    return table(columns, WHOLE).with_columns(which[np.where(event < 0, len(KINDS), event)])


def _known(distance: Ints) -> Floats:
    """Distances in sessions as numbers; NaN where there is none."""
    return np.where(distance == _NONE, np.nan, distance)


def _covered(of_kind: Mapping[str, Dates], asked: Instants) -> tuple[Instants, Flags]:
    """When the newest date of all kinds became known (NaT unless there is one of each); whether they reach ahead."""
    arrived, covered = np.full(len(asked), np.datetime64(0, "us")), np.ones(len(asked), dtype=bool)
    for kind, dates in of_kind.items():
        newest = np.searchsorted(dates.session, asked, side="right") - 1
        reach = np.maximum.accumulate(dates.day)
        if kind == "fomc":  # the Federal Reserve publishes whole years
            reach = (reach.astype("M8[Y]") + 1).astype("M8[D]") - 1
        covered &= np.append(reach, _NEVER.astype("M8[D]"))[newest] >= asked + AHEAD
        arrived = np.maximum(arrived, np.append(np.maximum.accumulate(dates.available_at), _NEVER)[newest])
    return arrived, covered


def _distance(dates: Dates, readers: Ints) -> Ints:
    """Sessions to the first date after each reader among those known to it; `_NONE` where there is none."""
    held, known = places(dates.traded_on), places(dates.session)
    low, high = int(readers[0]), int(readers[-1]) + 1
    coming = np.full(high - low, _NONE, dtype=np.int64)
    for i in np.argsort(-held, kind="stable"):  # later dates first: a nearer one is written over them
        if held[i] > low:
            coming[max(int(known[i]), low) - low : int(held[i]) - low] = held[i]
    found = coming[readers - low]
    return np.where(found == _NONE, _NONE, found - readers)


def _moves(
    of_kind: Mapping[str, Dates], pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame, event: Ints
) -> Columns:
    """`moves_…, event_move`: past sessions of the kind that comes next, of those that were scheduled before them.

    A past event stays past: how fresh the input is, is how fresh the bars are.
    """
    parts, begin = [], 0
    for days, view in segments(price_rows(pit, GOLD), DAY_KEY, sessions):
        bars = bars_of(pit, GOLD, view).with_columns(move=pl.col("adj_close").log().diff().abs())
        parts.append(_past_moves(of_kind, bars, days["session"].to_numpy(), event[begin : begin + days.height]))
        begin += days.height
    return _together(("moves_obs", "event_move", "moves_event_at", "moves_available_at"), parts)


def _past_moves(
    of_kind: Mapping[str, Dates], bars: pl.DataFrame, asked: Instants, event: Ints
) -> tuple[Floats, Floats, Instants, Instants]:
    """Count and mean of past moves of each session's coming event, and the stamps of the newest bar.

    Where no event is known to come, the kind with the fewest moves is counted: how much is known does not hang on it.
    """
    day, session, move = (bars[name].to_numpy() for name in ("event_date", "session", "move"))
    obs, mean = np.full((2, len(asked)), np.nan)
    fewest = np.full(len(asked), np.inf)
    for number, dates in enumerate(of_kind.values()):
        ahead = dates.session <= dates.before
        place = np.searchsorted(day[1:], dates.traded_on[ahead])
        there = place < len(day) - 1
        place, held, before = place[there], dates.traded_on[ahead][there], dates.before[ahead][there]
        past = np.unique(place[(day[1:][place] == held) & (day[:-1][place] == before)]) + 1
        newest = newest_known(session[past], asked)
        fewest = np.minimum(fewest, newest + 1.0)
        mine = (newest >= 0) & (event == number)
        obs[mine] = newest[mine] + 1.0
        mean[mine] = (np.cumsum(move[past]) / np.arange(1.0, len(past) + 1.0))[newest[mine]]
    obs = np.where((event < 0) & (fewest > 0), fewest, obs)
    bar = np.where(np.isnan(obs), -1, newest_known(session, asked))
    event_at, available_at = (np.append(bars[name].to_numpy(), _NEVER)[bar] for name in ("event_at", "available_at"))
    return obs, mean, event_at, available_at


def _implied(points: pl.DataFrame, sessions: pl.DataFrame, nearest: Ints) -> Columns:
    """`chain_…, event_iv, event_iv_sessions, event_base_iv` from the newest snapshot of gold."""
    parts, begin = [], 0
    for days, snapshots in views(points, GOLD, sessions, REACH):
        readers = places(days["session"].to_numpy())
        parts.append(_expected(snapshots, readers, nearest[begin : begin + days.height]))
        begin += days.height
    health = ("chain_obs", "chain_event_at", "chain_available_at")
    return _together((*health, "event_iv", "event_iv_sessions", "event_base_iv"), parts)


def _together(names: Sequence[str], parts: Sequence[Sequence[NDArray[Any]]]) -> Columns:
    """Columns of the parts of a range, one after the other."""
    return {name: np.concatenate(column) for name, column in zip(names, zip(*parts, strict=True), strict=True)}


def _expected(snapshots: Snapshots, readers: Ints, nearest: Ints) -> Expected:
    """What the newest snapshot of each reader expects."""
    smiles = snapshots.smiles
    priced = np.flatnonzero(np.isfinite(smiles.atm))
    snapshot = smiles.of_row[priced]
    usable = np.isin(np.arange(len(smiles.starts)), snapshot)
    past, row = snapshots.seen(usable, snapshots.underlying_price, readers, REACH)
    first, last = (np.searchsorted(snapshot, row, side=side) for side in ("left", "right"))
    # one line a reader, one column a usable expiry of its snapshot
    width = int((last - first).max(initial=0))
    place = first[:, None] + np.arange(width + 1)
    there = place < last[:, None]
    place = np.where(there, place, len(priced))
    atm = np.append(smiles.atm[priced], np.nan)[place]
    closing = np.append(_closing(snapshots.expiry[priced]), 0)[place]
    event = (readers + nearest)[:, None]
    known = there & (nearest != _NONE)[:, None]
    after, before = known & (closing > event), known & (closing < event) & (closing > readers[:, None])
    iv, base = _first(after, atm), _first(before[:, ::-1], atm[:, ::-1])
    far = np.append(smiles.at(BASE_DAYS, "atm", *smiles.around(BASE_DAYS, np.isfinite(smiles.atm))), np.nan)[row]
    return (
        np.where(row >= 0, past.counts, np.nan),
        np.append(snapshots.event_at, _NEVER)[row],
        np.append(snapshots.available_at, _NEVER)[row],
        iv,
        _first(after, (closing - readers[:, None]).astype(np.float64)),
        np.where(np.isnan(base), far, base),
    )


def _first(mask: Flags, values: Floats) -> Floats:
    """The first value of each line that is true; NaN where none is."""
    column = mask.argmax(axis=1)
    lines = np.arange(len(mask))
    return np.where(mask[lines, column], values[lines, column], np.nan)


def _closing(days: Instants) -> Ints:
    """Place of the last session on or before each day: an expiry on a holiday trades until the session before."""
    return np.searchsorted(calendar.schedule()["session"].to_numpy(), days, side="right") - 1


FEATURES = (Feature("event_risk", ("fomc", "events", "prices", "option_points"), compute),)
