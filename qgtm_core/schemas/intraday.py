"""Declarations of the intraday sleeve: bar features read at its ticks, its target and its orders.

Rows are keyed by the tick as well as the session. `INTRADAY_FEATURES` are computed where they are read and are not
stored; null means "cannot be computed from what was known at the tick". The other two are stored, one book each.
"""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.spec import INSTANT, Column, Table

_SESSION = Column(pl.Date, nullable=False)
_TICK = Column(INSTANT, "the tick", nullable=False)
_TEXT = Column(pl.String, nullable=False)
KEY = ("session", "decided_at")
RELEASES = "releases"


def _f(unit: str, *, nullable: bool = True, low: float | None = None, high: float | None = None) -> Column:
    return Column(pl.Float64, unit, nullable, low=low, high=high)


def _health(prefix: str = "") -> dict[str, Column]:
    return {
        f"{prefix}obs": Column(pl.Int32, "usable observations", low=0),
        f"{prefix}event_at": Column(INSTANT, "of the newest one; the end of a bar"),
        f"{prefix}available_at": Column(INSTANT, "of the newest one"),
    }


def _features(name: str, columns: dict[str, Column], description: str) -> Table:
    return Table("intraday", name, KEY, {"session": _SESSION, "decided_at": _TICK, **columns}, description)


_BARS = Column(pl.Int32, "bars of this session so far", low=0)

INTRADAY_FEATURES: dict[str, Table] = {
    table.name: table
    for table in (
        _features(
            RELEASES,
            {
                "quiet": Column(pl.Boolean, "30 minutes from every known FOMC decision, CPI and payroll release"),
                "covered": Column(pl.Boolean, "dates are known far enough ahead; null = none known at all"),
                "releases_available_at": Column(INSTANT, "of the newest date"),
            },
            "Releases around which the sleeve does not enter",
        ),
        _features(
            "ratio_15m",
            {"z_130": _f("sd; ln(GLD/SLV) without the session gaps, over 130 common bars"), **_health()},
            "The gold/silver ratio on 15-minute bars",
        ),
        _features(
            "vwap_5m",
            {
                "close": _f("USD, GLD"),
                "vwap": _f("USD, since the open"),
                "deviation_sd_78": _f("decimal; of ln(close/vwap) over 78 bars"),
                "vwap_change_12": _f("log change of the session's VWAP over 12 bars, or since its first bar"),
                "session_bars": _BARS,
                **_health(),
            },
            "GLD against the volume-weighted price of its session",
        ),
        _features(
            "gamma_5m",
            {
                "close": _f("USD, GLD"),
                "strike": _f("USD; GLD at 10:00 New York, null before"),
                "years_left": _f("years to the close of the day after: (1 + minutes to the close / 390) / 252"),
                "realised_vol": _f("annual; today's 5-minute returns, the first bar's left out"),
                "session_bars": _BARS,
                "gvz": _f("points"),
                **_health(),
                **_health("gvz_"),
            },
            "GLD since 10:00 beside the volatility that options implied at the close before",
        ),
        _features(
            "miners_30m",
            {
                "beta_260": _f("slope of GDX on GLD over 260 bar returns"),
                "z_3": _f("sd; sum of the last three residuals"),
                **_health(),
            },
            "The residual of gold miners to gold on 30-minute bars",
        ),
        _features(
            "fix_print",
            {
                "print_usd_oz": _f("USD per ounce; today's licensed PM price, null on other days"),
                "mid_usd": _f("USD; GLD at 09:59 New York"),
                "oz_per_share": _f("troy oz"),
                "error_sd_60": _f("decimal; of ln(print / implied price) over 60 prints"),
                **_health("fix_"),
                **_health(),
            },
            "The London PM price beside GLD just before the auction",
        ),
    )
}

INTRADAY_TARGET = Table(
    "intraday",
    "target",
    ("session", "decided_at", "book", "symbol"),
    {
        "session": _SESSION,
        "decided_at": _TICK,
        "book": _TEXT,
        "symbol": _TEXT,
        "correlation_id": _TEXT,
        "opinions": _f("intraday strategies with a signal", nullable=False),
        "mid": _f("USD, best price known at the tick"),
        "quote_basis": _TEXT,
        "daily_shares": _f("shares of the daily sleeve", nullable=False),
        "sleeve_shares": _f("shares of the intraday sleeve before the tick", nullable=False),
        "sleeve_weight": _f("share of equity the sleeve wants", nullable=False),
        "net_weight": _f("share of equity, both sleeves", nullable=False),
        "approved_shares": _f("shares, fractional; rounded when planned", nullable=False),
        "reasons": Column(pl.String, "what risk changed; empty = nothing", nullable=False),
        "tier": _TEXT,
        "equity_usd": _f("USD at the tick", nullable=False),
        "policy_hash": _TEXT,
    },
    "What the intraday sleeve wants beside what the daily sleeve holds, tick by tick",
)
INTRADAY_ORDERS = Table(
    "intraday",
    "orders",
    ("client_order_id",),
    {
        "session": _SESSION,
        "decided_at": _TICK,
        "book": _TEXT,
        "client_order_id": _TEXT,
        "correlation_id": _TEXT,
        "symbol": _TEXT,
        "side": _TEXT,
        "quantity_shares": _f("shares", nullable=False, low=0),
        "filled_shares": _f("shares", nullable=False, low=0),
        "average_price": _f("USD, null = nothing filled"),
        "decision_mid": _f("USD", nullable=False),
        "state": _TEXT,
    },
    "Orders of the intraday sleeve (the ledger is the record; this is its copy)",
)
INTRADAY_TABLES: dict[str, Table] = {t.name: t for t in (*INTRADAY_FEATURES.values(), INTRADAY_TARGET, INTRADAY_ORDERS)}
