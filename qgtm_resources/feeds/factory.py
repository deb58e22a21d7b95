"""Opens the feed that a mode names."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from qgtm_core.errors import ConfigError
from qgtm_core.types import FeedMode
from qgtm_resources.feeds.archive import ArchiveFeed
from qgtm_resources.feeds.simulated import SimulatedFeed

AVAILABLE = (FeedMode.SIMULATED, FeedMode.ARCHIVE)


def open_feed(
    mode: FeedMode | str,
    *,
    archive: Path | str | None = None,
    seed: int = 7,
    last_session: dt.date | None = None,
    years: int = 10,
) -> SimulatedFeed | ArchiveFeed:
    """Open a feed. `archive` is the folder of mode archive; `seed`, `last_session` and `years` are for simulated."""
    modes = " and ".join(m.value for m in AVAILABLE)
    try:
        wanted = FeedMode(mode)
    except ValueError:
        raise ConfigError(f"QGTM_FEED={mode!r} is no feed mode; there are {modes}") from None
    if wanted is FeedMode.LIVE:
        raise ConfigError(f"live provider clients are not part of this release; QGTM_FEED may be {modes}")
    if wanted is FeedMode.SIMULATED:
        return SimulatedFeed(seed=seed, last_session=last_session, years=years)
    if archive is None:
        raise ConfigError("QGTM_FEED=archive needs QGTM_ARCHIVE, the folder of Parquet files")
    return ArchiveFeed(archive)
