"""The gates of evidence: what a record must show to pass, each a figure against a limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from qgtm_core.maths.validation import DSR_GATE, MIN_TRAINING, PBO_GATE


class Verdict(StrEnum):
    """What the gates say together."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    FAIL = "FAIL"
    NO_DATA = "NO_DATA"


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition of the verdict; a figure that is null does not pass, unless `needed` is false."""

    name: str
    column: str
    limit: float
    at_least: bool
    needed: bool = True

    def passes(self, record: Mapping[str, Any]) -> bool:
        """Whether a record satisfies it."""
        value = record[self.column]
        if value is None:
            return not self.needed
        return bool(value >= self.limit if self.at_least else value <= self.limit)

    def told(self, record: Mapping[str, Any]) -> str:
        """The figure beside its limit, in words."""
        value = record[self.column]
        sign = "≥" if self.at_least else "≤"
        shown = "none" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)
        return f"{self.name} {shown}, needs {sign} {self.limit:g}"


GATES: tuple[Gate, ...] = (
    Gate("sample", "sessions", MIN_TRAINING, at_least=True),
    Gate("out-of-sample Sharpe, low end", "oos_low", 0.0, at_least=True),
    Gate("deflated Sharpe", "dsr", DSR_GATE, at_least=True),
    Gate("deflated Sharpe, whole library", "dsr_library", DSR_GATE, at_least=True),
    Gate("overfitting", "pbo", PBO_GATE, at_least=False, needed=False),  # null: nothing was chosen among
)
