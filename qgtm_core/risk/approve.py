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

    Order: no quote, position cap, metal cap, gross cap, kill tier, share of daily volume, smallest order; then what
    is bought must fit the caps beside what could not be sold. FLATTEN turns the whole approval into the closing of
    every position. Each cut leaves its name in `reasons`. A target that is not known (NaN) changes nothing.
    """
    reasons: list[list[str]] = [[] for _ in view.symbols]
    price, quoted = view.mid, np.isfinite(view.mid)
    current = _weights(current_shares, price, equity_usd)
    target = np.where(np.isfinite(target_weight), target_weight, current)
    wanted = _shares(target - current, price, equity_usd)
    _note_unknown(reasons, view, (current_shares != 0.0) | (target != 0.0))
    weight = np.where(quoted, target, 0.0)
    weight = _cap_positions(weight, view, limits, reasons)
    weight = _cap_metals(weight, view, limits, reasons)
    weight = _cap_gross(weight, view, limits, reasons)

    change = _shares(weight - current, price, equity_usd)
    change = _through_gate(change, current_shares, gate, reasons)
    if gate.tier is not KillTier.FLATTEN:
        change = _cap_volume(change, current_shares, view, limits, reasons)
        change = _drop_small(change, current_shares, view, limits, reasons)
        fitted = _fit_additions(change, current_shares, equity_usd, view, limits, reasons)
        if fitted is not change:
            change = _drop_small(fitted, current_shares, view, limits, reasons)
    return Approval(
        wanted_shares=wanted,
        approved_shares=change,
        approved_weight=_weights(current_shares + change, price, equity_usd),
        reasons=tuple(",".join(names) for names in reasons),
    )


def _weights(shares: Array, price: Array, equity_usd: float) -> Array:
    """Weights; NaN where the price of shares is unknown, 0 where there is no equity to weigh against."""
    if equity_usd <= 0.0:
        return np.zeros_like(shares)
    return np.where(shares == 0.0, 0.0, shares * price / equity_usd)


def _shares(weight: Array, price: Array, equity_usd: float) -> Array:
    """Shares of weights; none where the price is unknown or there is no equity left to buy with."""
    known = np.isfinite(price) & np.isfinite(weight) & (weight != 0.0)
    return np.divide(weight * max(equity_usd, 0.0), price, out=np.zeros_like(weight), where=known)


def _note_unknown(reasons: list[list[str]], view: SessionView, concerned: np.ndarray) -> None:
    """Say why a symbol that is held, wanted or spoken of is not traded."""
    spoken_of = concerned | np.isfinite(view.score).any(axis=0)
    _note(reasons, spoken_of & ~np.isfinite(view.mid), "NO_QUOTE")
    _note(reasons, spoken_of & ~np.isfinite(view.annual_vol), "NO_VOLATILITY")


def _note(reasons: list[list[str]], where: np.ndarray, name: str) -> None:
    for i in np.flatnonzero(where):
        if name not in reasons[i]:
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


def _reducing(change: Array, current: Array) -> Array:
    """The part of a change that brings a position nearer to nothing; the rest adds risk."""
    return np.where(current * change < 0.0, np.sign(change) * np.minimum(np.abs(change), np.abs(current)), 0.0)


def _through_gate(change: Array, current: Array, gate: Gate, reasons: list[list[str]]) -> Array:
    """THROTTLE halves what adds risk, NO_NEW forbids it, FLATTEN closes everything."""
    if gate.tier is KillTier.FLATTEN:
        _note(reasons, current != 0.0, "FLATTEN")
        return -current
    reducing = _reducing(change, current)
    adding = change - reducing
    if gate.tier is KillTier.NO_NEW:
        _note(reasons, adding != 0.0, "NO_NEW")
        return reducing
    if gate.tier is KillTier.THROTTLE:
        _note(reasons, adding != 0.0, "THROTTLE")
        return reducing + adding / 2.0
    return change


def _cap_volume(
    change: Array, current: Array, view: SessionView, limits: RiskLimits, reasons: list[list[str]]
) -> Array:
    """Never more than a share of mean daily volume; an unknown volume allows nothing new, but never holds one in."""
    known = np.isfinite(view.adv_shares) & (view.adv_shares > 0.0)
    cap = view.adv_shares * limits.max_order_adv_share
    if not known.all():
        cap = np.where(known, cap, np.abs(_reducing(change, current)))
    over = np.abs(change) > cap
    if not over.any():
        return change
    _note(reasons, over & known, "ADV_LIMIT")
    _note(reasons, over & ~known, "NO_VOLUME")
    return np.clip(change, -cap, cap)


def _drop_small(
    change: Array, current: Array, view: SessionView, limits: RiskLimits, reasons: list[list[str]]
) -> Array:
    """Drop orders not worth their cost; one that closes a position always goes."""
    closing = (np.abs(change + current) < 1e-6) & (current != 0.0)
    tiny = (np.abs(change) * view.mid < limits.min_order_notional_usd) & (change != 0.0) & ~closing
    _note(reasons, tiny, "TOO_SMALL")
    return np.where(tiny, 0.0, change)


def _fit_additions(
    change: Array, current: Array, equity_usd: float, view: SessionView, limits: RiskLimits, reasons: list[list[str]]
) -> Array:
    """Shrink what adds risk until metals and book hold their caps beside what is still held.

    The caps on the target assume that every sale goes through; one cut by volume or dropped as too small does not.
    Returns `change` itself when everything fits.
    """
    lever, groups = leverages(view.symbols), metal_groups(view.symbols)
    after = np.nan_to_num(np.abs(_weights(current + change, view.mid, equity_usd))) * lever
    if (groups @ after <= limits.max_metal_weight + 1e-12).all() and after.sum() <= limits.max_gross_weight + 1e-12:
        return change
    reducing = _reducing(change, current)
    adding = change - reducing
    kept = np.nan_to_num(np.abs(_weights(current + reducing, view.mid, equity_usd))) * lever
    extra = np.abs(_weights(adding, view.mid, equity_usd)) * lever
    metals = _room(groups @ kept, groups @ extra, limits.max_metal_weight) @ groups
    _note(reasons, (metals < 1.0) & (adding != 0.0), "CONCENTRATION")
    extra = extra * metals
    gross = _room(kept.sum(), extra.sum(), limits.max_gross_weight)
    _note(reasons, (gross < 1.0) & (adding != 0.0), "GROSS_LIMIT")
    return reducing + adding * metals * gross


def _room(kept: Array, extra: Array, cap: float) -> Array:
    """Share of `extra` that fits under a cap beside `kept`."""
    free = np.maximum(cap - kept, 0.0)
    over = extra > free + 1e-12
    return np.where(over, free / np.where(over, extra, 1.0), 1.0)
