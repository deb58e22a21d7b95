"""Faults the paper venue can be told to show, so that tests meet a bad network without a fake client."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from qgtm_resources.venue.errors import VenueError, bad_parameter


@dataclass(slots=True)
class Faults:
    """Faults of one account; counters fall as they are used, so a fault cures itself.

    Order requests: `timeout_before_accept`, `timeout_after_accept` (how many), each waiting `timeout_s`;
    `status_before`, `status_after`: HTTP statuses to answer with, one a request, before or after the order is
    accepted; `retry_after_s` goes with a 429; `reject_next` orders are accepted and then rejected by the exchange;
    `hold` leaves orders open instead of filling them; `delay_ms` before every answer.
    Reads: `read_status` likewise; `activities_lag` answers of the FILL activities that leave everything out;
    `lookup_lag` look-ups by client id that do not find an existing order.
    Stream: `duplicate`, `reorder` frames, and `lose` so many of the next.
    """

    timeout_before_accept: int = 0
    timeout_after_accept: int = 0
    timeout_s: float = 6.0
    status_before: list[int] = field(default_factory=list)
    status_after: list[int] = field(default_factory=list)
    retry_after_s: float | None = None
    reject_next: int = 0
    hold: bool = False
    delay_ms: float = 0.0
    read_status: list[int] = field(default_factory=list)
    activities_lag: int = 0
    lookup_lag: int = 0
    duplicate: bool = False
    reorder: bool = False
    lose: int = 0

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Faults:
        """Faults from a JSON body; an unknown name is refused."""
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(body) - known)
        if unknown:
            raise bad_parameter(f"unknown fault {unknown[0]!r}; known: {', '.join(sorted(known))}")
        return cls(**body)

    def use(self, name: str) -> bool:
        """True while the counter `name` is above zero; uses one up."""
        left = int(getattr(self, name))
        if left > 0:
            setattr(self, name, left - 1)
        return left > 0

    def error(self, name: str) -> VenueError | None:
        """The next status of the list `name` as a refusal, or None."""
        statuses: list[int] = getattr(self, name)
        if not statuses:
            return None
        status = statuses.pop(0)
        return VenueError(status, 0, "rate limit exceeded" if status == 429 else "internal server error")

    def frames(self, frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The stream frames a listener gets in place of these."""
        kept = [frame for frame in frames if not self.use("lose")]
        if self.reorder:
            kept.reverse()
        return [copy for frame in kept for copy in ([frame, frame] if self.duplicate else [frame])]
