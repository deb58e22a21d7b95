"""Declarations of the `features` tables: every column with its unit, window and null meaning.

Null always means "cannot be computed from what was known": too little history, a missing or non-finite input or a
window without variance. `<input>_obs` counts the usable observations known at the decision; `<input>_event_at` and
`<input>_available_at` belong to the newest of them. Rows exist for every session from the first known input row on.
"""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.spec import INSTANT, Column, Table

_SESSION = Column(pl.Date, "New York session", nullable=False)
_KEY = Column(pl.String, nullable=False)


def _f(unit: str, note: str = "", low: float | None = None, high: float | None = None) -> Column:
    return Column(pl.Float64, unit, low=low, high=high, note=note)


def _health(prefix: str = "") -> dict[str, Column]:
    return {
        f"{prefix}obs": Column(pl.Int32, "observations", note="usable observations known at the decision; null = none"),
        f"{prefix}event_at": Column(INSTANT, note="newest usable observation"),
        f"{prefix}available_at": Column(INSTANT, note="when that observation became known"),
    }


def _table(name: str, key: tuple[str, ...], columns: dict[str, Column], description: str) -> Table:
    keys = {k: (_SESSION if k == "session" else _KEY) for k in key}
    return Table("features", name, key, {**keys, **columns}, description)


FEATURE_TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        _table(
            "prices",
            ("session", "symbol"),
            {
                **_health(),
                "close": _f("USD", "newest usable close, split basis"),
                "adj_close": _f("USD", "newest usable close, total-return basis"),
                "return_1d": _f("decimal", "simple total return of the newest bar"),
                "return_5d": _f("decimal", "simple total return over 5 bars"),
                "log_return_252": _f("decimal", "log total return over 252 bars"),
                "log_return_252_21": _f("decimal", "log total return from 252 to 21 bars ago"),
                "vol_mop": _f("annual", "M6 ex-ante volatility, centre of mass 60, 261 days"),
                "vol_ewma_94": _f("annual", "M5 RiskMetrics volatility, lambda 0.94"),
                "vol_ewma_97": _f("annual", "M5 volatility, lambda 0.97"),
                "ewmac_16_64": _f("price-vol units", "M14 raw forecast before its scalar"),
                "ewmac_32_128": _f("price-vol units", "M14 raw forecast before its scalar"),
                "ewmac_64_256": _f("price-vol units", "M14 raw forecast before its scalar"),
                "adv_20_shares": _f("shares", "mean consolidated volume of 20 bars; IEX volume is not counted"),
            },
            "Returns, volatility and trend by symbol from daily bars",
        ),
        _table(
            "macro",
            ("session",),
            {
                **_health("real_10y_"),
                "real_10y": _f("percent", "10-year real yield, newest usable"),
                "real_10y_zchg_5": _f("sd", "M3 over 504 observations"),
                "real_10y_zchg_20": _f("sd", "M3 over 504 observations"),
                "real_10y_zchg_60": _f("sd", "M3 over 504 observations"),
                "real_10y_z_504": _f("sd", "M2 of the level"),
                "real_10y_chg_20": _f("percentage points", "change over 20 observations"),
                **_health("breakeven_10y_"),
                "breakeven_10y": _f("percent", "10-year breakeven inflation, newest usable"),
                "breakeven_10y_zchg_20": _f("sd", "M3 over 252 observations"),
                "breakeven_10y_zchg_60": _f("sd", "M3 over 252 observations"),
                "breakeven_10y_chg_20": _f("percentage points", "change over 20 observations"),
            },
            "Real yields and breakevens on their own observation axis, as known at each decision",
        ),
        _table(
            "cross_asset",
            ("session",),
            {
                **_health("uup_"),
                "uup_zchg_20": _f("sd", "M3 of ln adj_close over 252 bars"),
                "uup_zchg_60": _f("sd", "M3 of ln adj_close over 252 bars"),
                **_health("gld_"),
                "gld_uup_corr_126": _f("correlation", "daily log returns over 126 common bars", low=-1, high=1),
            },
            "Gold against the dollar",
        ),
        _table(
            "volatility",
            ("session",),
            {
                **_health("vix_"),
                "vix": _f("vol points", "newest usable close"),
                "vix_pr_252": _f("share", "M4 percentile rank in 252 observations", low=0, high=1),
                **_health("spy_"),
                "spy_return_5d": _f("decimal", "simple total return over 5 bars"),
            },
            "Equity stress: implied volatility and the S&P 500",
        ),
        _table(
            "pairs",
            ("session", "pair"),
            {
                "y": _KEY,
                "x": _KEY,
                **_health(),
                "kalman_z": _f("sd", "M12 innovation over its standard deviation"),
                "kalman_slope": _f("ratio", "M12 hedge slope after the update"),
                "kalman_slope_mean_252": _f("ratio", "mean of the slope over 252 bars"),
                "kalman_slope_sd_252": _f("ratio", "standard deviation of the slope over 252 bars"),
                "ratio_z_252": _f("sd", "M2 of ln(y/x) over 252 common bars"),
                "ratio_half_life_252": _f("sessions", "M10 half-life of ln(y/x); null when not mean-reverting"),
            },
            "Pairs on their common bars; pair is 'Y/X'",
        ),
        _table(
            "positioning",
            ("session", "market"),
            {
                **_health(),
                "mm_net_pct_oi": _f("share of open interest", "managed money long minus short"),
                "mm_net_pct_oi_z_156": _f("sd", "M2 over 156 weeks"),
                "backlog": Column(pl.Boolean, note="newest report came late (shutdown or outage)"),
            },
            "CFTC positioning by metal: gold, silver, platinum, palladium",
        ),
        _table(
            "correlation",
            ("session", "symbol_a", "symbol_b"),
            {**_health(), "corr_126": _f("correlation", "daily log returns over 126 common bars", low=-1, high=1)},
            "Pairwise correlations (symbol_a < symbol_b) of GLD, SLV, PPLT, PALL, GDX",
        ),
        _table(
            "calendar",
            ("session",),
            {
                "month": Column(pl.Int8, nullable=False),
                "covered": Column(pl.Boolean, note="festival dates known from 60 days back to 365 days ahead"),
                "festivals_available_at": Column(INSTANT),
                "sessions_to_lunar_new_year": Column(
                    pl.Int32, "sessions", note="until the next one, 0 = today, at most 240"
                ),
                "sessions_since_lunar_new_year": Column(pl.Int32, "sessions", note="since the last one, at most 240"),
                "sessions_to_diwali": Column(pl.Int32, "sessions"),
                "sessions_to_akshaya_tritiya": Column(pl.Int32, "sessions"),
            },
            "Distance in sessions to the festivals that gold demand precedes",
        ),
    )
}

PAIRS: tuple[tuple[str, str], ...] = (("GLD", "SLV"), ("GLD", "GDX"), ("SLV", "SIL"), ("PPLT", "PALL"))
CORRELATED: tuple[str, ...] = ("GDX", "GLD", "PALL", "PPLT", "SLV")
# CFTC contract codes; the disaggregated futures-and-options report exists for all four metals
COT_MARKETS: dict[str, str] = {"gold": "088691", "silver": "084691", "platinum": "076651", "palladium": "075651"}
COT_REPORT = "disaggregated_futures_and_options_combined"
