"""What operations hand back: plain values for `--json`, and tables for people."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from qgtm_core.backtest.shortfall import implementation_gap
from qgtm_jobs.render import cents, pairs, percent, table, usd
from qgtm_resources.pictures import HYPOTHETICAL, SOURCES

if TYPE_CHECKING:
    from rich.console import RenderableType


def _two(value: float) -> str:
    return f"{round(value, 2) + 0.0:+.2f}"


def _one(value: float) -> str:
    return f"{value:,.1f}"


def _bp(value: float) -> str:
    return f"{value:+.1f}"


@dataclass(frozen=True, slots=True)
class RunReport:
    """One session, read back from warehouse and ledger."""

    session: dt.date
    book: str
    feed: str
    signals: pl.DataFrame
    target: pl.DataFrame
    approved: pl.DataFrame
    orders: pl.DataFrame
    fills: pl.DataFrame
    tca: pl.DataFrame
    positions: pl.DataFrame
    gates: Mapping[str, str]
    audit: Mapping[str, Any]
    where: Mapping[str, str]
    seconds: dict[str, float] = field(default_factory=dict)
    ok: bool = True

    def document(self) -> Mapping[str, Any]:
        """Everything, as plain values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def shown(self) -> Iterable[RenderableType]:
        """Compact tables in the order of the journey: signals, target, orders, fills, costs, gates."""
        label = self.feed.upper() if self.feed == "simulated" else f"{self.feed.upper()} data, paper account"
        yield f"\n[bold]Session {self.session}[/bold] · book {self.book} · {label}\n"
        yield self._signals()
        yield self._target()
        yield self._orders()
        yield self._costs()
        yield pairs("Book after the session", self._book())
        yield pairs("Gates and audit", {**self.gates, **{f"audit {k}": v for k, v in self.audit.items()}})
        yield pairs("Seconds", self.seconds)
        yield pairs("Where to look next", self.where)

    def _signals(self) -> RenderableType:
        frame = self.signals.select(
            "strategy_id", "symbol", "score", "confidence", signal=pl.coalesce(pl.col("reason"), pl.lit("OK")),
            newest=pl.col("as_of_max").dt.convert_time_zone("America/New_York").dt.date(),
        )  # fmt: skip
        return table("Signals", frame, {"score": _two, "confidence": lambda v: f"{v:.2f}"}, limit=120)

    def _target(self) -> RenderableType:
        frame = self.target.filter(pl.col("conviction").is_not_null()).select(
            "symbol", "opinions", "conviction", "annual_vol", "mid", "current_weight", "target_weight"
        )
        formats = {"opinions": lambda v: f"{v:.0f}", "conviction": _two, "annual_vol": percent, "mid": cents,
                   "current_weight": percent, "target_weight": percent}  # fmt: skip
        return table("Target against current (share of equity)", frame, formats)

    def _orders(self) -> RenderableType:
        frame = (
            self.approved.filter((pl.col("wanted_shares").abs() >= 1) | (pl.col("reasons") != ""))
            .select("symbol", "wanted_shares", "approved_shares", risk_changed="reasons")
            .join(
                self.orders.select("symbol", "side", "quantity_shares", "order_type", "algo", "state"),
                on="symbol",
                how="left",
            )
            .sort("symbol")
        )
        return table("Orders, and what risk changed", frame, {"wanted_shares": _one, "approved_shares": _one})

    def _costs(self) -> RenderableType:
        frame = self.tca.select(
            "symbol", "side", "filled_shares", "fill_rate", "average_price", "slippage_arrival_bp",
            "slippage_vwap_bp", "shortfall_bp", "shortfall_usd", priced_from="decision_basis",
        )  # fmt: skip
        formats = {"filled_shares": usd, "fill_rate": percent, "average_price": cents, "slippage_arrival_bp": _bp,
                   "slippage_vwap_bp": _bp, "shortfall_bp": _bp, "shortfall_usd": cents}  # fmt: skip
        return table("Fills and what they cost (+ = cost)", frame, formats)

    def _book(self) -> dict[str, str]:
        value = self.positions["value_usd"].sum()
        cash = self.positions.filter(symbol="USD")["value_usd"].sum()
        held = self.positions.filter(pl.col("symbol") != "USD")
        return {"equity": usd(value), "cash": usd(cash), "positions": ", ".join(held["symbol"]) or "none"}


@dataclass(frozen=True, slots=True)
class BacktestReport:
    """Figures of a finished backtest, and where its picture is."""

    first: dt.date
    last: dt.date
    backtest: str
    feed: str
    metrics: pl.DataFrame
    portfolio: pl.DataFrame
    resets: int
    picture: Path
    seconds: dict[str, float]
    ok: bool = True

    def document(self) -> Mapping[str, Any]:
        """Everything but the daily rows, as plain values."""
        names = ("first", "last", "backtest", "feed", "metrics", "resets", "picture", "seconds", "ok")
        return {name: getattr(self, name) for name in names}

    def shown(self) -> Iterable[RenderableType]:
        """Metrics of the portfolio and of every strategy on its own."""
        source = SOURCES.get(self.feed, self.feed)
        yield f"\n[bold]Backtest {self.first} … {self.last}[/bold] · {source} {HYPOTHETICAL}\n"
        spoke = self.metrics.filter(pl.col("sessions") > 0)
        silent = self.metrics.filter(pl.col("sessions") == 0)["name"].to_list()
        frame = spoke.rename({"sharpe_standard_error": "standard_error"}).select(
            "name", "first", "sessions", "annual_return", "annual_vol", "sharpe", "standard_error", "max_drawdown",
            "hit_rate", "annual_turnover", "cost_bp",
        )  # fmt: skip
        formats = {"annual_return": percent, "annual_vol": percent, "sharpe": _two, "standard_error": _two,
                   "max_drawdown": percent, "hit_rate": percent, "cost_bp": _bp,
                   "annual_turnover": lambda v: f"{v:.1f}"}  # fmt: skip
        title = "Figures (strategies on their own: close to close, all costs at the book's capital)"
        yield table(title, frame, formats, limit=frame.height)
        if silent:
            yield f"{len(silent)} never spoke in these sessions: {', '.join(silent)}\n"
        tiers = {row["tier"]: row["len"] for row in self.portfolio.group_by("tier").len().iter_rows(named=True)}
        yield pairs(
            "Kill switch",
            {"sessions by tier": ", ".join(f"{k} {v}" for k, v in sorted(tiers.items())),
             "assumed resets": f"{self.resets} (a backtest has no two persons; five sessions each)"},
        )  # fmt: skip
        yield pairs("From the portfolio wanted to the money made (a year)", self._gap())
        yield pairs("Seconds", {name: round(value, 2) for name, value in self.seconds.items()})
        yield pairs(
            "Where to look next",
            {"equity curve": str(self.picture), "rows": "backtest/* in the Dagster UI", "believe it?": "qgtm evidence"},
        )

    def _gap(self) -> dict[str, str]:
        gap = implementation_gap(self.portfolio)
        pieces = ("wanted", "limits", "kill_switch", "execution", "costs", "timing", "actual")
        return {name.replace("_", " "): f"{getattr(gap, name):+.2%}" for name in pieces}


@dataclass(frozen=True, slots=True)
class EvidenceRun:
    """A finished judgement: whose records to look up, and how long it took."""

    book: str
    first: dt.date
    last: dt.date
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class BackfillReport:
    """Seconds and missing partitions by group."""

    first: dt.date
    last: dt.date
    groups: pl.DataFrame
    seconds: float

    @property
    def ok(self) -> bool:
        """True when no partition of the range is missing."""
        return int(self.groups["missing"].sum()) == 0

    def document(self) -> Mapping[str, Any]:
        """Everything, as plain values."""
        return {"first": self.first, "last": self.last, "groups": self.groups, "seconds": self.seconds, "ok": self.ok}

    def shown(self) -> Iterable[RenderableType]:
        """One row a group."""
        yield table(f"Backfill {self.first} … {self.last}, one run a group", self.groups)


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """The strategies that do not trade and what they say."""

    session: dt.date
    strategies: pl.DataFrame
    seconds: float
    ok: bool = True

    def document(self) -> Mapping[str, Any]:
        """Everything, as plain values."""
        return {"session": self.session, "strategies": self.strategies, "seconds": self.seconds, "ok": self.ok}

    def shown(self) -> Iterable[RenderableType]:
        """One row a strategy."""
        yield table(f"In the shadow on {self.session}, {self.seconds} s: nothing trades on these", self.strategies)


@dataclass(frozen=True, slots=True)
class FlattenReport:
    """What a flatten left."""

    session: dt.date
    book: str
    positions: Mapping[str, str]

    @property
    def ok(self) -> bool:
        """True when nothing is held any more."""
        return not self.positions

    def document(self) -> Mapping[str, Any]:
        """Everything, as plain values."""
        return {"session": self.session, "book": self.book, "still_held": dict(self.positions), "ok": self.ok}

    def shown(self) -> Iterable[RenderableType]:
        """What is still held."""
        held = ", ".join(f"{symbol} {quantity}" for symbol, quantity in self.positions.items())
        yield pairs(f"Flatten of {self.book}", {"session": str(self.session), "still held": held or "nothing"})
