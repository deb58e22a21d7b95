"""Kill switch: from equity marks to a tier. Pure; latching, resets and acting on the tier happen elsewhere.

Tiers only rise here. Missing or stale data closes the gate to new risk (NO_NEW) but never liquidates: selling
everything because a price was late is a loss of its own.
"""

from __future__ import annotations

import datetime as dt
import math
import unicodedata
from dataclasses import dataclass

from qgtm_core.errors import ConfigError
from qgtm_core.types import Gate, KillTier

WARN_SHARE = 0.50  # of the daily loss limit, exceeded
THROTTLE_SHARE = 0.75  # of the daily loss limit, exceeded
RESET_WINDOW = dt.timedelta(minutes=15)  # between request and approval


@dataclass(frozen=True, slots=True)
class KillLimits:
    """Loss limits as fractions of equity (decimal) and the oldest acceptable reconciliation (seconds)."""

    daily_loss_limit: float = 0.02
    max_drawdown: float = 0.15
    reconciliation_stale_after: float = 180.0

    def __post_init__(self) -> None:
        for name in ("daily_loss_limit", "max_drawdown", "reconciliation_stale_after"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise ConfigError(f"kill-switch limit {name} must be a positive number, not {value}")


def raised_tier(latched: KillTier, tier: KillTier) -> KillTier:
    """The tier in force: never below the latched one."""
    return max(latched, tier)


def evaluate(
    equity_usd: float | None,
    previous_equity_usd: float | None,
    peak_equity_usd: float | None,
    limits: KillLimits,
    latched: KillTier = KillTier.NORMAL,
    latched_reason: str = "",
    *,
    marks_complete: bool = True,
    reconciliation_age_s: float | None = None,
    store_available: bool = True,
) -> Gate:
    """Return the tier in force and its reason.

    `previous_equity_usd` and `peak_equity_usd` are null before the first session; a null `equity_usd` is a missing
    mark. `reconciliation_age_s` is null where nothing is reconciled (a backtest); a live caller that has never
    reconciled passes infinity. NaN anywhere, incomplete marks, a store that is down or a stale reconciliation give at
    least NO_NEW. FLATTEN comes only from a drawdown measured on complete marks.
    """
    tier, reason = latched, latched_reason
    for found, why in (
        _data_gate(equity_usd, previous_equity_usd, peak_equity_usd, marks_complete=marks_complete),
        _service_gate(limits, reconciliation_age_s, store_available=store_available),
        _loss_gate(equity_usd, previous_equity_usd, limits, marks_complete=marks_complete),
        _drawdown_gate(equity_usd, peak_equity_usd, limits, marks_complete=marks_complete),
    ):
        if found > tier:
            tier, reason = found, why
    return Gate(tier, reason)


def closed(reason: str, latched: KillTier = KillTier.NORMAL, latched_reason: str = "") -> Gate:
    """The gate when evaluating itself failed (an exception, a store that is down): at least NO_NEW."""
    return Gate(KillTier.NO_NEW, reason) if latched < KillTier.NO_NEW else Gate(latched, latched_reason)


_QUIET = (KillTier.NORMAL, "")


def _data_gate(
    equity: float | None, previous: float | None, peak: float | None, *, marks_complete: bool
) -> tuple[KillTier, str]:
    if not marks_complete or equity is None:
        return KillTier.NO_NEW, "marks are missing"
    if not math.isfinite(equity):
        return KillTier.NO_NEW, "equity is not a number"
    for name, value in (("previous equity", previous), ("peak equity", peak)):
        if value is not None and not (math.isfinite(value) and value > 0.0):
            return KillTier.NO_NEW, f"{name} is not a positive number"
    return _QUIET


def _service_gate(limits: KillLimits, age_s: float | None, *, store_available: bool) -> tuple[KillTier, str]:
    if not store_available:
        return KillTier.NO_NEW, "the ledger is not available"
    if age_s is not None and not 0.0 <= age_s <= limits.reconciliation_stale_after:
        return KillTier.NO_NEW, f"last reconciliation is {age_s:.0f} s old"
    return _QUIET


def _measurable(equity: float | None, base: float | None, *, marks_complete: bool) -> tuple[float, float] | None:
    """Equity and its base when a loss can be measured on them, else null."""
    if not marks_complete or equity is None or base is None:
        return None
    return (equity, base) if math.isfinite(equity) and math.isfinite(base) and base > 0.0 else None


def _loss_gate(
    equity: float | None, previous: float | None, limits: KillLimits, *, marks_complete: bool
) -> tuple[KillTier, str]:
    pair = _measurable(equity, previous, marks_complete=marks_complete)
    if pair is None:
        return _QUIET
    loss, limit = (pair[1] - pair[0]) / pair[1], limits.daily_loss_limit
    if loss >= limit:
        tier = KillTier.NO_NEW
    elif loss > THROTTLE_SHARE * limit:
        tier = KillTier.THROTTLE
    elif loss > WARN_SHARE * limit:
        tier = KillTier.WARN
    else:
        return _QUIET
    return tier, f"daily loss {loss:.2%} against a limit of {limit:.2%}"


def _drawdown_gate(
    equity: float | None, peak: float | None, limits: KillLimits, *, marks_complete: bool
) -> tuple[KillTier, str]:
    pair = _measurable(equity, peak, marks_complete=marks_complete)
    if pair is None:
        return _QUIET
    drawdown = (pair[1] - pair[0]) / pair[1]
    if drawdown < limits.max_drawdown:
        return _QUIET
    return KillTier.FLATTEN, f"drawdown {drawdown:.2%} against a maximum of {limits.max_drawdown:.2%}"


@dataclass(frozen=True, slots=True)
class ResetRequest:
    """A pending wish to lower the tier; `kill_state_id` names the latched state it was made against."""

    requested_by: str
    reason: str
    requested_at: dt.datetime
    kill_state_id: int


def person(name: str) -> str:
    """A person's name in the one spelling used for comparing (width, case, spaces and accents folded)."""
    folded = unicodedata.normalize("NFKD", name).casefold()
    return "".join(letter for letter in folded if letter.isalnum())


def reset_refusal(
    request: ResetRequest | None, by: str, at: dt.datetime, kill_state_id: int, *, reconciled: bool
) -> str | None:
    """Why this approval must be refused, or null when the tier may be lowered.

    Two different persons, at most 15 minutes apart, against the very state that was requested, with clean books.
    """
    if request is None:
        return "there is no pending request"
    refusals = (
        (not person(by), "the approver has no name"),
        (person(by) == person(request.requested_by), "the approver must be another person than the requester"),
        (
            not dt.timedelta(0) <= at - request.requested_at <= RESET_WINDOW,
            "request and approval must lie within 15 minutes",
        ),
        (kill_state_id != request.kill_state_id, "the tier has changed since the request"),
        (not reconciled, "the books do not match the broker's"),
    )
    return next((why for refused, why in refusals if refused), None)
