"""What every intraday declaration shares: the release dates none may trade without, and its clock in ticks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qgtm_core import publication
from qgtm_core.intraday import clock
from qgtm_core.intraday.events import KINDS
from qgtm_core.schemas.intraday import RELEASES
from qgtm_core.strategies.spec import Input

RELEASE_DATES = Input(
    RELEASES,
    (),
    coverage="covered",
    availability="releases_available_at",
    data=tuple(f"events[category={kind}].event_at" for kind in KINDS),
)


def hold_ticks(params: Mapping[str, Any]) -> int:
    """Ticks in the longest time a trade may last: `hold_bars` of the strategy's own bars."""
    return int(params["hold_bars"] * (publication.INTERVALS[params["bar"]] / clock.TICK))
