"""Variance premium, option surfaces and event risk against plain re-computations, and against their own past."""

from __future__ import annotations

import datetime as dt
import functools
import math

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from qgtm_core import calendar
from qgtm_core.features.registry import compute_features
from qgtm_core.maths import statistics, variance
from qgtm_core.maths.trend import trend_t
from qgtm_core.quarantine import normalise
from qgtm_core.schemas.features import FEATURE_TABLES
from tests.core.option_chains import chains, span
from tests.core.pit_frames import closes, complete, revise

FIRST, COUNT = dt.date(2021, 1, 4), 330
TABLES = ("variance_premium", "option_surface", "event_risk")
CHECKED = (5, 137, 260, 329)


def sessions() -> pl.DataFrame:
    return span(FIRST, COUNT)


def bars(first: dt.date, last: dt.date, rng: np.random.Generator) -> pl.DataFrame:
    days = closes(first, last)
    parts = []
    for symbol in ("GLD", "SLV"):
        price = pl.Series(np.round(150 * np.exp(np.cumsum(rng.normal(0, 0.01, days.height))), 2))
        parts.append(days.with_columns(symbol=pl.lit(symbol), close=price, adj_close=price))
    return pl.concat(parts)


def index(first: dt.date, last: dt.date, rng: np.random.Generator) -> pl.DataFrame:
    days = closes(first, last)
    value = pl.Series(16 * np.exp(np.cumsum(rng.normal(0, 0.03, days.height))))
    known = pl.col("available_at") + dt.timedelta(hours=17)
    return days.with_columns(series_id=pl.lit("GVZCLS"), value=value, available_at=known)


def schedules(first: dt.date, last: dt.date) -> dict[str, pl.DataFrame]:
    """FOMC every six weeks (known from New Year), CPI and NFP every four (known 90 days ahead)."""
    at = dt.time(13, 30)
    decisions = pl.date_range(first, last, "6w", eager=True)
    fomc = pl.DataFrame({"event_date": decisions}).with_columns(
        stage=pl.lit("schedule"),
        event_at=pl.col("event_date").dt.combine(at).dt.replace_time_zone("UTC"),
        available_at=pl.col("event_date").dt.truncate("1y").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
    )
    releases = []
    for category, offset in (("CPI", 5), ("NFP", 12)):
        when = pl.date_range(first + dt.timedelta(days=offset), last, "4w", eager=True)
        stamp = pl.col("event_date").dt.combine(at).dt.replace_time_zone("UTC")
        releases.append(
            pl.DataFrame({"event_date": when}).select(
                event=pl.lit(category),
                category=pl.lit(category),
                stage=pl.lit("schedule"),
                event_at=stamp,
                available_at=stamp - dt.timedelta(days=90),
            )
        )
    return {"fomc": complete("fomc", fomc), "events": complete("events", pl.concat(releases))}


@functools.cache
def history(*, revised: bool = False) -> dict[str, pl.DataFrame]:
    rng = np.random.default_rng(8)
    asked = sessions()
    before, last = dt.date(2018, 6, 1), asked["session"][-1]
    prices, gvz = bars(before, last, rng), index(before, last, rng)
    options = chains(asked, ("GLD", "SLV"))
    if revised:
        prices, gvz = revise(prices, ["adj_close"], rng, 0.01), revise(gvz, ["value"], rng, 0.01)
        options = options.drop("session", "retrieved_at", "revision", "source")
        options = complete("options", revise(options, ["iv"], rng, 0.0001))
    return {
        "prices": complete("prices", prices),
        "macro": complete("macro", gvz),
        "options": options,
        "option_points": normalise("option_points", {"option_chain": options})[0],
        **schedules(before, last + dt.timedelta(days=120)),
    }


@functools.cache
def computed(table: str, *, revised: bool = False) -> pl.DataFrame:
    return compute_features(table, history(revised=revised), sessions())


@pytest.mark.parametrize("revised", [False, True], ids=["steady", "revised"])
@pytest.mark.parametrize("table", TABLES)
def test_one_session_without_its_future_gives_the_same_bits(table: str, revised: bool) -> None:
    whole = computed(table, revised=revised)
    FEATURE_TABLES[table].require_valid(whole)
    for place in CHECKED:
        one = sessions().slice(place, 1)
        known = {n: f.filter(pl.col("session") <= one["session"][0]) for n, f in history(revised=revised).items()}
        alone = compute_features(table, known, one)
        assert_frame_equal(alone, whole.filter(session=one["session"][0]), check_exact=True)


def test_the_variance_premium_is_that_of_its_definition() -> None:
    known, found = history(), computed("variance_premium")
    gold = known["prices"].filter(symbol="GLD").sort("event_date")
    returns = np.diff(np.log(gold["adj_close"].to_numpy()))
    realised = {
        d: 252 / 21 * (returns[i - 20 : i + 1] ** 2).sum() for i, d in enumerate(gold["event_date"][1:]) if i >= 20
    }
    gvz = dict(known["macro"].select("event_date", "value").iter_rows())
    series = [(d, (gvz[d] / 100) ** 2 - v) for d, v in realised.items()]
    for place in (3, 200):
        row = found.filter(session=sessions()["session"][place]).row(0, named=True)
        day = row["gvz_event_at"].date()
        past = [v for d, v in series if d <= day]
        assert row["vrp"] == pytest.approx(past[-1], abs=1e-12)
        window = np.array(past[-252:])
        assert row["vrp_z_252"] == pytest.approx((window[-1] - window.mean()) / window.std(ddof=1))
        values = np.array([v for d, v in gvz.items() if d <= day][-252:])
        assert row["gvz_rank_252"] == pytest.approx((values[-1] - values.min()) / np.ptp(values))
        assert row["gvz_pr_252"] == pytest.approx((values <= values[-1]).mean())


def test_the_printed_variance_premium_and_trend_hold() -> None:
    frame = pl.DataFrame({"iv": [18.0], "rv": [0.14**2]})
    assert frame.select(variance.variance_premium(pl.col("iv"), pl.col("rv"))).item() == pytest.approx(0.0128)
    rng = np.random.default_rng(2)
    path = pl.DataFrame({"p": rng.normal(0, 0.01, 300).cumsum()})
    sd = path.select(statistics.ewma_variance(pl.col("p").diff()).sqrt())["p"][-1]
    expected = (path["p"][-1] - path["p"][-64]) / (sd * math.sqrt(63))
    assert path.select(trend_t(pl.col("p"), pl.lit(sd), 63))["p"][-1] == pytest.approx(expected)


def test_the_history_of_the_skew_is_that_of_its_snapshots() -> None:
    found = computed("option_surface").filter(symbol="GLD").sort("session")
    skew = found["skew"].to_numpy()
    row = found.row(250, named=True)
    changes = skew[10:251] - skew[:241]
    assert row["skew_zchg_10"] == pytest.approx(changes[-1] / math.sqrt((changes[-126:] ** 2).mean()))
    window = skew[251 - 126 : 251]
    assert row["skew_z_126"] == pytest.approx((window[-1] - window.mean()) / window.std(ddof=1))
    volatility = found["iv_30"].to_numpy()[:251]
    assert row["iv_30_rank_252"] == pytest.approx((volatility[-1] - volatility.min()) / np.ptp(volatility))
    assert row["skew_obs"] == 251


def test_the_slope_uses_the_index_known_at_each_snapshot() -> None:
    rows = (
        computed("option_surface")
        .filter(symbol="GLD")
        .join(computed("variance_premium").select("session", "gvz"), on="session")
    )
    assert (rows["slope_90"] - (rows["iv_90"] * 100 - rows["gvz"])).abs().max() < 1e-9


def test_a_session_without_a_snapshot_keeps_the_older_one_and_its_stamps() -> None:
    known = history()
    gap = sessions()["session"][40]
    holed = known | {"option_points": known["option_points"].filter(pl.col("session") != gap)}
    rows = compute_features("option_surface", holed, sessions()).filter(symbol="GLD")
    here, before = (rows.filter(session=d).row(0, named=True) for d in (gap, sessions()["session"][39]))
    assert here["chain_event_at"] == before["chain_event_at"]
    assert here["chain_obs"] == before["chain_obs"] == 40


def test_a_chain_that_comes_again_replaces_the_first_but_a_few_late_quotes_do_not() -> None:
    known, days = history(), sessions().slice(100, 2)
    chain = known["options"].filter(session=days["session"][0], underlying="GLD")
    later = chain.with_columns(
        available_at=pl.lit(days["decided_at"][1]), revision=pl.lit(1, pl.Int32), iv=pl.col("iv") * 1.1
    )
    found = []
    for again in (later.clear(), later.gather_every(3), later):
        raw = pl.concat([known["options"], complete("options", again.drop("session", "retrieved_at", "source"))])
        raw = raw.filter((pl.col("session") < days["session"][1]) | (pl.col("revision") == 1))
        points = normalise("option_points", {"option_chain": raw})[0]
        rows = compute_features("option_surface", {**known, "option_points": points}, days).filter(symbol="GLD")
        found.append(rows["iv_30"].to_list())
    assert found[0][0] == found[0][1] == found[1][1] == found[2][0]
    assert found[2][1] == pytest.approx(found[0][1] * 1.1, rel=0.02)


def test_distances_count_the_sessions_to_the_next_known_date() -> None:
    known, found = history(), computed("event_risk")
    fomc = known["fomc"]["event_date"].sort().to_list()
    for place in (7, 150):
        day = sessions()["session"][place]
        coming = next(calendar.session_on_or_after(d) for d in fomc if calendar.session_on_or_after(d) > day)
        expected = calendar.sessions_since(day, coming)
        row = found.filter(session=day).row(0, named=True)
        assert row["sessions_to_fomc"] == expected
        assert row["sessions_to_event"] == min(row[f"sessions_to_{k}"] for k in ("fomc", "cpi", "nfp"))


def test_past_moves_are_those_of_the_event_that_comes_next() -> None:
    known, found = history(), computed("event_risk")
    gold = (
        known["prices"]
        .filter(symbol="GLD")
        .sort("event_date")
        .with_columns(move=pl.col("adj_close").log().diff().abs())
    )
    moves = dict(gold.drop_nulls("move").select("event_date", "move").iter_rows())
    row = found.row(200, named=True)
    dates = {
        "fomc": known["fomc"]["event_date"],
        **{k: known["events"].filter(category=k.upper())["event_at"].dt.date() for k in ("cpi", "nfp")},
    }[row["event"]]
    traded = sorted({calendar.session_on_or_after(d) for d in dates})
    past = [moves[d] for d in traded if d < row["session"] and d in moves]
    assert abs(row["moves_obs"] - len(past)) <= 3  # dates before the schedules begin are not known ahead
    assert row["event_move"] == pytest.approx(np.mean(past[-row["moves_obs"] :]))


def test_the_expiry_after_the_event_and_the_one_before_it_are_read() -> None:
    found = computed("event_risk")
    for row in found.drop_nulls("event_iv").head(30).to_dicts():
        day = row["session"]
        event = calendar.offset_session(day, row["sessions_to_event"])
        expiries = [day + dt.timedelta(days=d) for d in (9, 23, 37, 58, 93)]
        after = next(e for e in expiries if e > event)
        last = calendar.session_on_or_before(after)
        assert row["event_iv_sessions"] == calendar.sessions_since(day, last)


def test_without_a_coming_event_the_moves_known_are_still_counted() -> None:
    known, day = history(), sessions()["session"][-1]
    over = {
        "fomc": known["fomc"].filter(pl.col("event_date") <= day),
        "events": known["events"].filter(pl.col("event_at").dt.date() <= day),
    }
    row = compute_features("event_risk", known | over, sessions().tail(1)).row(0, named=True)
    assert (row["sessions_to_event"], row["event"], row["event_move"], row["covered"]) == (None, None, None, False)
    assert row["moves_obs"] > 10
    assert row["moves_event_at"].date() == calendar.previous_session(day)
    assert row["event_base_iv"] is not None
