"""Risk approval: what of a target may be traded, and why the rest may not. It can only shrink, never add."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qgtm_core.policy import RiskLimits
from qgtm_core.types import Gate, KillTier
from qgtm_core.view import Array, SessionView, leverages, metal_groups


@dataclass(frozen=True, slots=True)
class Approval:
    """Wanted and approved change by symbol, in shares (fractional; rounded once, in `intents`)."""

    wanted_shares: Array
    approved_shares: Array
    approved_weight: Array
    reasons: tuple[str, ...]  # what risk changed, comma-separated, "" = nothing


def approve(
    view: SessionView,
    target_weight: Array,
    current_shares: Array,
    equity_usd: float,
    gate: Gate,
    limits: RiskLimits,
) -> Approval:
    """Cut the target to the limits and the gate.

    Order: no quote, position cap, metal cap, gross cap, kill tier, share of daily volume, smallest order. FLATTEN
    turns the whole approval into the closing of every position. Each cut leaves its name in `reasons`.
    """
    reasons: list[list[str]] = [[] for _ in view.symbols]
    price, quoted = view.mid, np.isfinite(view.mid)
    current = _weights(current_shares, price, equity_usd)
    wanted = _shares(target_weight - current, price, equity_usd)
    _note(reasons, ~quoted & ((current_shares != 0.0) | (target_weight != 0.0)), "NO_QUOTE")
    weight = np.where(quoted, target_weight, 0.0)
    weight = _cap_positions(weight, view, limits, reasons)
    weight = _cap_metals(weight, view, limits, reasons)
    weight = _cap_gross(weight, view, limits, reasons)

    change = _shares(weight - current, price, equity_usd)
    change = _through_gate(change, current_shares, gate, reasons)
    change = _cap_volume(change, view, limits, reasons, exempt=gate.tier is KillTier.FLATTEN)
    notional = np.abs(change) * np.where(quoted, price, 0.0)
    closing = (np.abs(change + current_shares) < 1e-6) & (current_shares != 0.0)
    tiny = (notional < limits.min_order_notional_usd) & (change != 0.0) & ~closing
    _note(reasons, tiny, "TOO_SMALL")
    change = np.where(tiny, 0.0, change)
    return Approval(
        wanted_shares=wanted,
        approved_shares=change,
        approved_weight=_weights(current_shares + change, price, equity_usd),
        reasons=tuple(",".join(names) for names in reasons),
    )


def _weights(shares: Array, price: Array, equity_usd: float) -> Array:
    if equity_usd <= 0.0:
        return np.zeros_like(shares)
    return np.where((shares == 0.0) | ~np.isfinite(price), 0.0, shares * price / equity_usd)


def _shares(weight: Array, price: Array, equity_usd: float) -> Array:
    return np.divide(weight * equity_usd, price, out=np.zeros_like(weight), where=np.isfinite(price) & (weight != 0.0))


def _note(reasons: list[list[str]], where: np.ndarray, name: str) -> None:
    for i in np.flatnonzero(where):
        reasons[i].append(name)


def _cap_positions(weight: Array, view: SessionView, limits: RiskLimits, reasons: list[list[str]]) -> Array:
    cap = limits.max_position_weight / leverages(view.symbols)
    over = np.abs(weight) > cap + 1e-12
    _note(reasons, over, "POSITION_LIMIT")
    return np.clip(weight, -cap, cap)


def _cap_metals(weight: Array, view: SessionView, limits: RiskLimits, reasons: list[list[str]]) -> Array:
    groups = metal_groups(view.symbols)
    held = groups @ (np.abs(weight) * leverages(view.symbols))
    if (held <= limits.max_metal_weight).all():
        return weight
    scale = np.minimum(1.0, limits.max_metal_weight / np.maximum(held, limits.max_metal_weight))
    each = scale @ groups
    _note(reasons, (each < 1.0) & (weight != 0.0), "CONCENTRATION")
    return weight * each


def _cap_gross(weight: Array, view: SessionView, limits: RiskLimits, reasons: list[list[str]]) -> Array:
    gross = float((np.abs(weight) * leverages(view.symbols)).sum())
    if gross <= limits.max_gross_weight:
        return weight
    _note(reasons, weight != 0.0, "GROSS_LIMIT")
    return weight * (limits.max_gross_weight / gross)


def _through_gate(change: Array, current: Array, gate: Gate, reasons: list[list[str]]) -> Array:
    """THROTTLE halves what adds risk, NO_NEW forbids it, FLATTEN closes everything."""
    if gate.tier is KillTier.FLATTEN:
        _note(reasons, current != 0.0, "FLATTEN")
        return -current
    reducing = np.where(current * change < 0.0, np.sign(change) * np.minimum(np.abs(change), np.abs(current)), 0.0)
    adding = change - reducing
    if gate.tier is KillTier.NO_NEW:
        _note(reasons, adding != 0.0, "NO_NEW")
        return reducing
    if gate.tier is KillTier.THROTTLE:
        _note(reasons, adding != 0.0, "THROTTLE")
        return reducing + adding / 2.0
    return change


def _cap_volume(
    change: Array, view: SessionView, limits: RiskLimits, reasons: list[list[str]], *, exempt: bool
) -> Array:
    """Never more than a share of mean daily volume; an unknown volume allows nothing new."""
    if exempt:
        return change
    cap = np.where(np.isfinite(view.adv_shares), view.adv_shares * limits.max_order_adv_share, 0.0)
    over = np.abs(change) > cap
    _note(reasons, over & np.isfinite(view.adv_shares), "ADV_LIMIT")
    _note(reasons, over & ~np.isfinite(view.adv_shares), "NO_VOLUME")
    return np.clip(change, -cap, cap)
