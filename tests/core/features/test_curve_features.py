"""features/curve, carry and lease against slow, obvious computations, and their point-in-time behaviour."""

from __future__ import annotations

import datetime as dt
import functools
import math
import statistics
from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from qgtm_core import calendar, publication
from qgtm_core.features.business_days import first_notice, last_business_day
from qgtm_core.features.curve import compute_carry, compute_curve, compute_lease
from qgtm_core.features.registry import compute_features
from qgtm_core.schemas.features.curve import CYCLES, METALS
from tests.core import pit_frames

FIRST, LAST = dt.date(2014, 1, 2), dt.date(2017, 6, 30)
DATED = "test_contract_daily"
TABLES = ("curve", "carry", "lease")
ROOTS = {"gold": "GC", "silver": "SI"}


def months_from(day: dt.date, count: int) -> list[dt.date]:
    start = day.year * 12 + day.month - 1
    return [dt.date(n // 12, n % 12 + 1, 1) for n in range(start, start + count)]


def contracts(root: str, rng: np.random.Generator, holes: float) -> pl.DataFrame:
    """Every listed month of the next year and a half, thin months of no cycle among them, some quotes missing."""
    days = calendar.schedule(FIRST, LAST)["session"].to_list()
    spot = 1200.0 * np.exp(np.cumsum(0.01 * rng.normal(size=len(days))))
    rows = []
    for day, level in zip(days, spot, strict=True):
        listed = [m for m in months_from(day, 14) if m.month in (*CYCLES[root], 10)]
        for rank, month in enumerate(listed, start=1):
            years = (month - day).days / 365
            close = level * math.exp((0.01 + 0.005 * math.sin(day.toordinal() / 90)) * years + 0.0005 * rng.normal())
            if rng.random() > holes:
                rows.append((root, DATED, rank, f"{root}{month:%y%m}", month, day, close))
    return pl.DataFrame(
        rows,
        schema=["root", "series", "contract_rank", "contract", "expiry_month", "event_date", "close"],
        orient="row",
    )


def continuous(root: str) -> pl.DataFrame:
    """A stitched front that must not be read."""
    days = calendar.schedule(FIRST, LAST).select(event_date="session")
    return days.with_columns(
        root=pl.lit(root), series=pl.lit("a_continuous_front"), contract_rank=pl.lit(1), close=pl.lit(1e6)
    )


@functools.cache
def tables(share: float = 0.0) -> Mapping[str, pl.DataFrame]:
    rng = np.random.default_rng(7)
    day = pl.col("event_date")
    dated = pl.concat([contracts(root, rng, holes=0.004) for root in ROOTS.values()])
    dated = dated.with_columns(
        pl.col("contract_rank").cast(pl.Int32),
        event_at=publication.at(day, 13, 30),
        available_at=publication.futures_settlement(day),
    )
    stitched = pl.concat([continuous(root) for root in ROOTS.values()]).with_columns(
        pl.col("contract_rank").cast(pl.Int32),
        event_at=publication.at(day, 13, 30),
        available_at=publication.futures_settlement(day),
        revision=pl.lit(0, pl.Int32),
    )
    revised = pit_frames.revise(dated, ["close"], rng, share)
    curve = pl.concat([revised, stitched.select(n for n in revised.columns if n in stitched.columns)], how="diagonal")
    rates = calendar.schedule(FIRST, LAST).select(event_date="session").with_columns(series_id=pl.lit("SOFR"))
    rates = rates.with_columns(
        value=pl.Series(2.0 + np.cumsum(0.01 * rng.normal(size=rates.height))),
        event_at=publication.at(day, 16),
        available_at=publication.at(publication.business_day(day, 1), 8),
    )
    bars = pl.concat([fund(symbol, rng) for _, symbol in METALS.values()])
    return {
        "curve": pit_frames.complete("curve", curve),
        "macro": pit_frames.complete("macro", pit_frames.revise(rates, ["value"], rng, share)),
        "prices": pit_frames.complete("prices", pit_frames.revise(bars, ["close"], rng, share)).with_columns(
            adj_close=pl.col("close")
        ),
    }


def fund(symbol: str, rng: np.random.Generator) -> pl.DataFrame:
    stamps = pit_frames.closes(FIRST, LAST)
    path = 100.0 * np.exp(np.cumsum(0.01 * rng.normal(size=stamps.height)))
    return stamps.with_columns(symbol=pl.lit(symbol), close=pl.Series(path))


def days(first: dt.date = FIRST, last: dt.date = LAST) -> pl.DataFrame:
    return calendar.schedule(first, last).select("session", "decided_at")


@functools.cache
def computed(table: str) -> pl.DataFrame:
    return compute_features(table, tables(), days())


def row(table: str, session: dt.date, market: str) -> dict[str, float]:
    return computed(table).row(by_predicate=(pl.col("session") == session) & (pl.col("market") == market), named=True)


Quotes = dict[dt.date, dict[dt.date, float]]  # day -> delivery month -> settlement


@functools.cache
def book(root: str) -> Quotes:
    found: Quotes = {}
    dated = tables()["curve"].filter((pl.col("root") == root) & pl.col("expiry_month").is_not_null())
    for day, month, close in dated.select("event_date", "expiry_month", "close").iter_rows():
        found.setdefault(day, {})[month] = close
    return dict(sorted(found.items()))


def last_open_day(before: dt.date) -> dt.date:
    day = before - dt.timedelta(days=1)
    while day.weekday() > 4 or day in publication.federal_holidays() or not calendar.is_session(day):
        day -= dt.timedelta(days=1)
    return day


def second_month(root: str, day: dt.date) -> dt.date:
    both = two_months(root, day)
    assert both is not None
    return both[1]


def two_months(root: str, day: dt.date) -> tuple[dt.date, dt.date] | None:
    """First and second contract of a day, by hand."""
    listed = sorted(m for m in book(root)[day] if m.month in CYCLES[root])
    listed = [m for m in listed if (last_open_day(m) - day).days >= 10]
    if len(listed) < 2:
        return None
    near = listed[0]
    following = next(m for m in months_from(near, 14)[1:] if m.month in CYCLES[root])
    return (near, following) if listed[1] == following else None


@functools.cache
def pairs(root: str) -> list[tuple[dt.date, dt.date, dt.date]]:
    found = [(day, two_months(root, day)) for day in book(root)]
    return [(day, *both) for day, both in found if both is not None]


SESSIONS = [dt.date(2014, 1, 16), dt.date(2015, 3, 17), dt.date(2016, 11, 29), dt.date(2017, 6, 30)]


@pytest.mark.parametrize("market", ROOTS)
@pytest.mark.parametrize("session", SESSIONS)
def test_the_first_two_contracts_are_those_a_desk_would_name(market: str, session: dt.date) -> None:
    root = ROOTS[market]
    known = [p for p in pairs(root) if p[0] < session]
    day, near, far = known[-1]
    got = row("curve", session, market)
    assert got["obs"] == len(known)
    assert (got["f1"], got["f2"]) == (book(root)[day][near], book(root)[day][far])
    years = (far - near).days / 365
    assert got["years_between"] == pytest.approx(years)
    assert got["roll_yield"] == pytest.approx(math.log(got["f1"] / got["f2"]) / years)
    assert got["basis"] == pytest.approx((got["f1"] - got["f2"]) / got["f1"])
    if calendar.sessions_since(known[-3][0], day) == 2:
        premiums = [book(root)[d][a] / book(root)[d][b] - 1 for d, a, b in known[-3:]]
        assert got["front_premium_min_3"] == pytest.approx(min(premiums))
    else:
        assert got["front_premium_min_3"] is None


def spread_of_years(root: str, until: int) -> tuple[float, float]:
    """Compounded returns of both nearbys over the 252 days that end with pair number `until`."""
    total, seen = np.zeros(2), pairs(root)
    for i in range(until - 251, until + 1):
        (before, _, _), (day, *held) = seen[i - 1], seen[i]
        old = [book(root)[before].get(month) for month in held]
        if None not in old:
            total += [math.log(book(root)[day][m] / o) for m, o in zip(held, old, strict=True) if o is not None]
    return math.exp(total[0]) - 1, math.exp(total[1]) - 1


@pytest.mark.parametrize("market", ROOTS)
def test_nearby_returns_are_those_of_the_contracts_held(market: str) -> None:
    root, session = ROOTS[market], dt.date(2017, 6, 30)
    last = sum(day < session for day, *_ in pairs(root)) - 1
    got = row("curve", session, market)
    first, second = spread_of_years(root, last)
    assert got["nearby_return_252"] == pytest.approx(first, abs=1e-9)
    assert got["next_return_252"] == pytest.approx(second, abs=1e-9)
    spreads = [a - b for a, b in (spread_of_years(root, i) for i in range(last - 503, last + 1))]
    assert got["basis_momentum_sd_504"] == pytest.approx(statistics.stdev(spreads), rel=1e-6)


def test_a_roll_leaves_no_gap_in_the_nearby() -> None:
    """On a curve that only ages, every contract earns its own carry and nothing on the days of the roll."""
    flat = tables()["curve"].filter(pl.col("expiry_month").is_not_null())
    years = (pl.col("expiry_month") - pl.col("event_date")).dt.total_days() / 365
    aged = flat.with_columns(close=1000.0 * (0.05 * years).exp(), revision=pl.lit(0, pl.Int32))
    last = compute_features("curve", {"curve": aged}, days(LAST, LAST))
    year = (last["event_at"][0].date() - pairs("GC")[-254][0]).days / 365
    for name in ("nearby_return_252", "next_return_252"):
        assert last[name].to_list() == pytest.approx([math.exp(-0.05 * year) - 1] * 2, abs=1e-3)


@pytest.mark.parametrize("session", SESSIONS[1:])
def test_the_lease_adds_the_overnight_rate_of_the_day(session: dt.date) -> None:
    rates = dict(tables()["macro"].select("event_date", "value").iter_rows())
    leases = []
    for day, near, far in [p for p in pairs("GC") if p[0] < session][-5:]:
        f1, f2 = book("GC")[day][near], book("GC")[day][far]
        rate = 365 * math.log(1 + rates[day] / 100 / 360) if day in rates else math.nan
        leases.append(rate - math.log(f2 / f1) / ((far - near).days / 365))
    got = row("lease", session, "gold")
    if not any(map(math.isnan, leases)):
        assert got["lease"] == pytest.approx(leases[-1])
        assert got["lease_median_5"] == pytest.approx(statistics.median(leases))


def test_carry_is_smoothed_over_days_with_a_volatility() -> None:
    session = dt.date(2015, 3, 17)
    bars = tables()["prices"].filter(pl.col("symbol") == "GLD").sort("event_date")
    days_, price = bars["event_date"].to_list(), bars["adj_close"].to_numpy()
    returns = price[1:] / price[:-1] - 1
    variance, by_day = float(np.var(returns[:20], ddof=1)), {}
    for i in range(20, len(price)):
        if i > 20:
            variance = 0.94 * variance + 0.06 * returns[i - 1] ** 2
        if i + 1 >= 60:
            by_day[days_[i]] = math.sqrt(252 * variance)
    weighted = weights = 0.0
    for day, near, far in (p for p in pairs("GC") if p[0] < session and p[0] in by_day):
        f1, f2 = book("GC")[day][near], book("GC")[day][far]
        raw = (f1 - f2) / ((far - near).days / 365) / (by_day[day] * f1)
        keep = 1 - 2 / 91
        weighted, weights = keep * weighted + raw, keep * weights + 1
    got = row("carry", session, "gold")
    assert got["carry"] == pytest.approx(raw)
    assert got["carry_ewma_90"] == pytest.approx(weighted / weights)


@pytest.mark.parametrize("table", TABLES)
def test_a_range_equals_its_sessions_one_at_a_time_under_revisions(table: str) -> None:
    spoiled, span = tables(0.01), days(dt.date(2016, 9, 1), dt.date(2017, 2, 28))
    whole = compute_features(table, spoiled, span)
    for session in span["session"].gather_every(19):
        one = compute_features(table, spoiled, days(session, session))
        assert_frame_equal(one, whole.filter(pl.col("session") == session), check_exact=True)


@pytest.mark.parametrize("table", TABLES)
def test_the_order_of_stored_rows_does_not_matter(table: str) -> None:
    shuffled = {name: frame.sample(fraction=1.0, shuffle=True, seed=3) for name, frame in tables().items()}
    span = days(dt.date(2016, 3, 1), dt.date(2016, 3, 18))
    want = computed(table).join(span.select("session"), on="session", how="semi")
    assert_frame_equal(compute_features(table, shuffled, span), want, check_exact=True)


@pytest.mark.parametrize("compute", [compute_curve, compute_carry, compute_lease])
def test_no_session_asked_gives_no_row(compute: Callable[..., pl.DataFrame]) -> None:
    assert compute(tables(), days().clear().select("session")).is_empty()


def test_a_contract_quoted_late_changes_only_later_sessions() -> None:
    """The nearest contract's last quote comes four sessions late, when its own history has nothing newer."""
    curve = tables()["curve"].filter((pl.col("root") == "GC") & pl.col("expiry_month").is_not_null())
    month, day = dt.date(2015, 4, 1), dt.date(2015, 3, 17)
    late = (pl.col("expiry_month") == month) & (pl.col("event_date") == day)
    kept = curve.filter((pl.col("expiry_month") != month) | (pl.col("event_date") <= day))
    moved = kept.with_columns(pl.when(late).then(dt.date(2015, 3, 24)).otherwise("session").alias("session"))
    assert moved.filter(late).height == 1
    span = days(dt.date(2015, 3, 16), dt.date(2015, 3, 27))
    whole = compute_features("curve", {"curve": moved}, span)
    for session in span["session"]:
        one = compute_features("curve", {"curve": moved}, days(session, session))
        assert_frame_equal(one, whole.filter(pl.col("session") == session), check_exact=True)


@pytest.mark.parametrize("table", TABLES)
def test_no_dated_contract_means_no_row(table: str) -> None:
    stitched = tables()["curve"].filter(pl.col("expiry_month").is_null())
    assert compute_features(table, {**tables(), "curve": stitched}, days()).is_empty()


def test_a_curve_without_its_second_month_is_no_observation() -> None:
    day = dt.date(2015, 3, 16)
    far = second_month("GC", day)
    gone = (pl.col("event_date") == day) & (pl.col("expiry_month") == far)
    torn = tables()["curve"].filter(pl.col("expiry_month").is_not_null() & ~gone)
    got = compute_features("curve", {"curve": torn}, days(dt.date(2015, 3, 17), dt.date(2015, 3, 17)))
    assert got.filter(pl.col("market") == "gold")["event_at"].dt.date().to_list() == [dt.date(2015, 3, 13)]


def test_a_session_without_a_curve_interrupts_the_three_in_a_row() -> None:
    gold = (pl.col("root") == "GC") & pl.col("expiry_month").is_not_null()
    whole = tables()["curve"].filter(gold & pl.col("event_date").is_between(dt.date(2015, 3, 2), dt.date(2015, 3, 31)))
    torn = whole.filter(pl.col("event_date") != dt.date(2015, 3, 12))
    span = days(dt.date(2015, 3, 11), dt.date(2015, 3, 18))
    got = compute_features("curve", {"curve": torn}, span)["front_premium_min_3"]
    full = compute_features("curve", {"curve": whole}, span)["front_premium_min_3"]
    assert got.is_null().to_list() == [False, False, False, True, True, False]
    assert full.null_count() == 0


def test_two_vendors_are_never_mixed_in_one_curve() -> None:
    day = dt.date(2015, 3, 16)
    other = (
        tables()["curve"]
        .filter(pl.col("expiry_month").is_not_null())
        .with_columns(series=pl.lit("zz_other_vendor"), close=pl.col("close") * 2.0)
    )
    far = second_month("GC", day)
    first = tables()["curve"].filter(
        pl.col("expiry_month").is_null() | (pl.col("event_date") != day) | (pl.col("expiry_month") < far)
    )
    both = pl.concat([first, other.filter(pl.col("event_date") == day)])
    got = compute_features("curve", {"curve": both}, days(dt.date(2015, 3, 17), dt.date(2015, 3, 17)))
    assert got.filter(pl.col("market") == "gold")["event_at"].dt.date().to_list() == [dt.date(2015, 3, 13)]


def test_first_notice_is_the_last_business_day_before_the_month() -> None:
    months = pl.DataFrame({"m": [dt.date(2013, 4, 1), dt.date(2014, 6, 1), dt.date(2014, 2, 1), dt.date(2015, 1, 15)]})
    want = [
        dt.date(2013, 3, 28),
        dt.date(2014, 5, 30),
        dt.date(2014, 1, 31),
        dt.date(2014, 12, 31),
    ]  # Good Friday first
    assert months.select(first_notice(pl.col("m"))).to_series().to_list() == want


def test_the_last_business_day_skips_holidays_of_banks_and_of_the_exchange() -> None:
    asked = pl.DataFrame({"d": [dt.date(2014, 11, 11), dt.date(2014, 4, 18), dt.date(2018, 12, 5), None]})
    want = [dt.date(2014, 11, 10), dt.date(2014, 4, 17), dt.date(2018, 12, 4), None]
    assert asked.select(last_business_day(pl.col("d"))).to_series().to_list() == want
