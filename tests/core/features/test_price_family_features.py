"""Families that read prices and known dates: exact by hand, and never ahead of their time."""

from __future__ import annotations

import datetime as dt
import functools
import math
import statistics

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy import stats as scipy_stats

from qgtm_core import calendar
from qgtm_core.features.registry import compute_features
from qgtm_core.schemas.features import FEATURE_TABLES
from tests.core.features import price_family_frames as frames
from tests.core.features import slow_features as slow

TABLES = ("trend", "weekday", "overnight", "seasonality", "skewness", "leverage", "convexity", "industrial", "events")
CHECKED = (dt.date(2012, 3, 13), dt.date(2013, 1, 31), dt.date(2014, 6, 3))
CUTS = (dt.date(2010, 2, 1), dt.date(2012, 10, 18), dt.date(2013, 3, 4))
ALL = frames.days()


@functools.cache
def computed(table: str) -> pl.DataFrame:
    return compute_features(table, frames.tables(), ALL)


def row(table: str, session: dt.date, **key: str) -> slow.Row:
    (got,) = computed(table).filter(session=session, **key).to_dicts()
    return got


@functools.cache
def bars(session: dt.date, symbol: str) -> list[slow.Row]:
    return slow.known_rows(frames.tables()["prices"].filter(symbol=symbol), session)


def closes(session: dt.date, symbol: str) -> np.ndarray:
    return np.array([bar["adj_close"] for bar in bars(session, symbol)])


def near(value: float) -> object:
    return pytest.approx(value, rel=1e-7, abs=1e-10)


def one_session_returns(session: dt.date) -> list[tuple[dt.date, float | None]]:
    """(day, return of GLD over that session or None) of every known bar."""
    known = bars(session, "GLD")
    out: list[tuple[dt.date, float | None]] = []
    for i, bar in enumerate(known):
        day = bar["event_date"]
        follows = i > 0 and known[i - 1]["event_date"] == calendar.previous_session(day)
        out.append((day, bar["adj_close"] / known[i - 1]["adj_close"] - 1 if follows else None))
    return out


def common_closes(session: dt.date, a: str, b: str) -> tuple[np.ndarray, np.ndarray]:
    left = {bar["event_date"]: bar["adj_close"] for bar in bars(session, a)}
    right = {bar["event_date"]: bar["adj_close"] for bar in bars(session, b)}
    both = sorted(left.keys() & right.keys())
    return np.array([left[d] for d in both]), np.array([right[d] for d in both])


# --- exact by hand


def daily_sd(price: np.ndarray) -> float:
    volatility = slow.ewma_vol(list(np.diff(np.log(price))), 0.94)
    assert volatility is not None
    return volatility / math.sqrt(252)


@pytest.mark.parametrize("session", CHECKED)
def test_trend_features(session: dt.date) -> None:
    got, p = row("trend", session), closes(session, "GLD")
    log_p, sd = np.log(p), daily_sd(p)
    assert got["gld_obs"] == len(p)
    for h in (21, 63, 126, 252):
        assert got[f"trend_t_{h}"] == near((log_p[-1] - log_p[-1 - h]) / (sd * math.sqrt(h)))
    assert got["momentum_t_252_21"] == near((log_p[-22] - log_p[-253]) / (sd * math.sqrt(231)))
    assert got["reversal_t_5"] == near((log_p[-1] - log_p[-6]) / (sd * math.sqrt(5)))
    for n in (20, 50, 100, 200):
        assert got[f"average_gap_{n}"] == near(p[-1] / p[-n:].mean() - 1)
        assert got[f"average_slope_{n}_10"] == near(p[-n:].mean() / p[-n - 10 : -10].mean() - 1)


@pytest.mark.parametrize("session", CHECKED)
def test_weekday_features(session: dt.date) -> None:
    got = row("weekday", session)
    target = calendar.next_session(session).isoweekday()
    window = one_session_returns(session)[-750:]
    hits = [r for day, r in window if r is not None and day.isoweekday() == target]
    early = [r for day, r in window[:375] if r is not None and day.isoweekday() == target]
    late = [r for day, r in window[375:] if r is not None and day.isoweekday() == target]
    assert got["next_weekday"] == target
    assert got["weekday_n"] == len(hits)
    assert got["weekday_mean"] == near(statistics.fmean(hits))
    assert got["weekday_sd"] == near(statistics.stdev(hits))
    assert got["weekday_mean_early"] == near(statistics.fmean(early))
    assert got["weekday_mean_late"] == near(statistics.fmean(late))


def test_the_weekday_before_a_long_weekend_is_that_of_the_session_after_it() -> None:
    assert row("weekday", dt.date(2013, 5, 24))["next_weekday"] == 2  # Monday the 27th is Memorial Day


@pytest.mark.parametrize("session", CHECKED)
def test_overnight_features(session: dt.date) -> None:
    known = bars(session, "GLD")
    single = [r is not None for _, r in one_session_returns(session)]
    nights = [
        math.log(bar["open"] * bar["adj_close"] / bar["close"] / known[i - 1]["adj_close"]) if single[i] else None
        for i, bar in enumerate(known)
        if bar["open"] is not None
    ]
    got = row("overnight", session)
    window = [night for night in nights[-60:] if night is not None]
    assert got["gld_obs"] == len(nights)
    assert got["overnight_mean_60"] == near(statistics.fmean(window))
    assert got["overnight_sd_60"] == near(statistics.stdev(window))


@pytest.mark.parametrize("session", CHECKED)
@pytest.mark.parametrize("symbol", ["GLD", "PALL"])
def test_seasonality_features(session: dt.date, symbol: str) -> None:
    last: dict[tuple[int, int], float] = {}
    for bar in bars(session, symbol):
        last[(bar["event_date"].year, bar["event_date"].month)] = bar["adj_close"]
    month = session.month % 12 + 1
    over = []
    for year in range(2009, session.year + 1):
        before = (year, month - 1) if month > 1 else (year - 1, 12)
        ended = (year, month) < (session.year, session.month)
        if ended and (year, month) in last and before in last:
            over.append(last[(year, month)] / last[before] - 1)
    got = row("seasonality", session, symbol=symbol)
    assert got["next_month_n"] == len(over)
    assert got["next_month_mean"] == near(statistics.fmean(over))
    assert got["next_month_sd"] == near(statistics.stdev(over))


@pytest.mark.parametrize("session", CHECKED)
@pytest.mark.parametrize("symbol", ["SLV", "PPLT"])
def test_skewness_is_that_of_scipy(session: dt.date, symbol: str) -> None:
    steps = np.diff(np.log(closes(session, symbol)))[-252:]
    assert row("skewness", session, symbol=symbol)["skew_252"] == near(scipy_stats.skew(steps, bias=False))


@pytest.mark.parametrize("session", CHECKED)
def test_leverage_features(session: dt.date) -> None:
    for fund, base in (("UGL", "GLD"), ("AGQ", "SLV")):
        got, p = row("leverage", session, pair=f"{fund}/{base}"), closes(session, base)
        steps = np.diff(np.log(p))
        assert (got["base_obs"], got["fund_obs"]) == (len(p), len(closes(session, fund)))
        assert got["base_vol_63"] == near(steps[-63:].std(ddof=1) * math.sqrt(252))
        assert got["base_trend_t_63"] == near(steps[-63:].sum() / (daily_sd(p) * math.sqrt(63)))


@pytest.mark.parametrize(
    ("session", "terms"),
    [
        (dt.date(2010, 1, 4), (0.0095, 0.02, True)),
        (dt.date(2011, 12, 30), (0.0095, 0.02, True)),  # the next change is announced, not in force
        (dt.date(2012, 1, 3), (0.0100, 0.03, True)),
        (dt.date(2012, 6, 1), (0.0100, 0.05, True)),  # corrected
        (dt.date(2013, 2, 28), (0.0100, 0.05, True)),
        (dt.date(2013, 3, 1), (0.0100, None, False)),
    ],
)
def test_terms_are_the_newest_effective_ones_known(session: dt.date, terms: tuple[object, ...]) -> None:
    got = row("leverage", session, pair="UGL/GLD")
    assert (got["expense_ratio"], got["borrow_rate"], got["shortable"]) == terms
    assert got["terms_known"]


def test_terms_are_unknown_before_the_first_ones() -> None:
    got = row("leverage", dt.date(2009, 12, 31), pair="UGL/GLD")
    assert (got["terms_known"], got["terms_available_at"], got["shortable"]) == (False, None, None)


@pytest.mark.parametrize("session", CHECKED)
def test_convexity_features(session: dt.date) -> None:
    miners, gold = common_closes(session, "GDX", "GLD")
    y, x = (np.diff(p)[-252:] / p[-253:-1] for p in (miners, gold))
    got = row("convexity", session)
    assert got["beta_up_252"] == near(np.polyfit(x[x > 0], y[x > 0], 1)[0])
    assert got["beta_down_252"] == near(np.polyfit(x[x < 0], y[x < 0], 1)[0])
    assert got["r2_252"] == near(np.corrcoef(x, y)[0, 1] ** 2)


@pytest.mark.parametrize("session", CHECKED)
def test_industrial_features(session: dt.date) -> None:
    got = row("industrial", session)
    industrials, market = common_closes(session, "XLI", "SPY")
    assert got["cper_zchg_60"] == near(slow.zchg(list(np.log(closes(session, "CPER"))), 60, 252))
    assert got["xli_spy_zchg_60"] == near(slow.zchg(list(np.log(industrials / market)), 60, 252))
    level = np.array([r["value"] for r in slow.known_rows(frames.tables()["macro"], session, series_id="INDPRO")])
    assert got["indpro_obs"] == len(level)
    assert got["indpro_z_36"] == near(slow.z(list(100 * (level[3:] / level[:-3] - 1)), 36))


def dates_known(kind: str, session: dt.date) -> dict[dt.date, dt.date]:
    """Event day -> session that learnt of it, of the dates scheduled and known at a session."""
    tables = frames.tables()
    known: dict[dt.date, dt.date] = {}
    rows = tables["fomc"] if kind == "fomc" else tables["events"].filter(category=kind.upper())
    for line in rows.filter(pl.col("stage") == "schedule", pl.col("session") <= session).iter_rows(named=True):
        day = line["event_at"].astimezone(calendar.NEW_YORK).date()
        known[day] = min(known.get(day, dt.date.max), line["session"])
    return known


@pytest.mark.parametrize("session", [*CHECKED, dt.date(2012, 10, 12), dt.date(2013, 11, 14), dt.date(2012, 5, 14)])
@pytest.mark.parametrize("kind", ["fomc", "cpi", "nfp"])
def test_event_features(session: dt.date, kind: str) -> None:
    got, known = row("events", session), dates_known(kind, session)
    traded = {calendar.session_on_or_after(day): learnt for day, learnt in known.items()}
    in_time = {day for day, learnt in traded.items() if learnt <= calendar.previous_session(day)}
    moves = [r for day, r in one_session_returns(session) if r is not None and day in in_time]
    assert got[f"{kind}_next"] == (calendar.next_session(session) in traded)
    assert got[f"{kind}_n"] == len(moves)
    assert got[f"{kind}_mean"] == near(statistics.fmean(moves))
    assert got[f"{kind}_sd"] == near(statistics.stdev(moves))


def test_a_release_on_a_closed_day_is_traded_from_the_session_after_it() -> None:
    assert row("events", dt.date(2012, 2, 3))["nfp_next"]  # Saturday the 4th
    assert not row("events", dt.date(2012, 2, 2))["nfp_next"]


def test_a_date_learnt_on_its_own_day_is_no_event() -> None:
    october = [row("events", d)["cpi_next"] for d in (dt.date(2012, 10, 11), dt.date(2012, 10, 12))]
    assert october == [False, False]
    assert row("events", dt.date(2012, 5, 14))["cpi_next"]


def test_schedules_are_covered_while_they_reach_thirty_five_days_ahead_without_a_hole() -> None:
    assert row("events", dt.date(2011, 6, 1))["covered"]
    assert row("events", dt.date(2011, 11, 25))["covered"]
    assert not row("events", dt.date(2011, 11, 28))["covered"]  # the meetings of 2012 are not known yet
    assert row("events", dt.date(2012, 1, 3))["covered"]
    assert not row("events", dt.date(2012, 9, 20))["covered"]  # the release of October is missing
    assert row("events", dt.date(2012, 10, 24))["covered"]  # it was added since


# --- never ahead of their time


def garbage(frame: pl.DataFrame, after: dt.date) -> pl.DataFrame:
    numbers = [n for n, t in frame.schema.items() if t.is_numeric() and n != "revision"]
    later = pl.col("session") > after
    return frame.with_columns(
        pl.when(later).then(pl.col(n) * 1000 + 7).otherwise(n).cast(frame.schema[n]).alias(n) for n in numbers
    )


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("cut", CUTS)
def test_later_rows_change_nothing(table: str, cut: dt.date) -> None:
    known = {name: frame.filter(pl.col("session") <= cut) for name, frame in frames.tables().items()}
    spoilt = {name: garbage(frame, cut) for name, frame in frames.tables().items()}
    want = computed(table).filter(pl.col("session") <= cut)
    assert_frame_equal(compute_features(table, known, frames.days(last=cut)), want, check_exact=True)
    one = want.filter(pl.col("session") == cut)
    assert_frame_equal(compute_features(table, spoilt, frames.days(cut, cut)), one, check_exact=True)


@pytest.mark.parametrize("table", TABLES)
def test_a_range_equals_its_sessions_one_at_a_time(table: str) -> None:
    days = frames.days(dt.date(2012, 10, 1), dt.date(2012, 10, 24))
    one_by_one = [compute_features(table, frames.tables(), days.slice(i, 1)) for i in range(days.height)]
    want = computed(table).join(days.select("session"), on="session", how="semi")
    assert_frame_equal(pl.concat(one_by_one), want, check_exact=True)


@pytest.mark.parametrize("table", TABLES)
def test_rows_are_valid_and_were_known_at_their_decision(table: str) -> None:
    rows = computed(table).join(ALL, on="session")
    FEATURE_TABLES[table].require_valid(rows.drop("decided_at"))
    for name in [n for n in rows.columns if n.endswith("available_at")]:
        assert (rows[name] <= rows["decided_at"]).all()


@pytest.mark.parametrize("table", TABLES)
def test_the_order_of_stored_rows_does_not_matter(table: str) -> None:
    shuffled = {name: frame.sample(fraction=1.0, shuffle=True, seed=3) for name, frame in frames.tables().items()}
    days = frames.days(dt.date(2012, 10, 1), dt.date(2012, 10, 24))
    want = computed(table).join(days.select("session"), on="session", how="semi")
    assert_frame_equal(compute_features(table, shuffled, days), want, check_exact=True)
