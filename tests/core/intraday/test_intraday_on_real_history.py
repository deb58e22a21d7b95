"""The maths on real quotes of gold and silver in New York hours.

The archive has no bars of GLD or SLV of these lengths, so spot stands in here, in the test only; on the archive itself
the strategies say MISSING.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

import numpy as np
import polars as pl
import pytest

from qgtm_core import calendar
from qgtm_core.intraday import clock
from qgtm_core.intraday.evaluate import evaluate_intraday
from qgtm_core.schemas.pit import PIT_TABLES
from qgtm_core.strategies.registry import INTRADAY
from tests.archive import require_archive
from tests.core.intraday import markets

pytestmark = pytest.mark.archive

FIRST, LAST = dt.date(2016, 1, 4), dt.date(2018, 12, 28)  # gold at 5 and 15 minutes is whole here
PROXY = {"XAUUSD": "GLD", "XAGUSD": "SLV"}


def stored(interval: str) -> pl.DataFrame:
    """Spot bars under the funds' names, as PIT rows. They carry no volume: every bar counts the same."""
    span = dt.timedelta(minutes=int(interval[:-1]))
    at = pl.col("ts")
    rows = (
        pl.scan_parquet(require_archive() / "bars_intraday.parquet")
        .filter(pl.col("symbol").is_in(list(PROXY)) & (pl.col("interval") == interval))
        .filter(at.dt.date().is_between(FIRST, LAST))
        .select("interval", "open", "high", "low", "close", symbol=pl.col("symbol").replace(PROXY), event_at=at)
        .collect()
    )
    hours = calendar.schedule(FIRST, LAST).select("session", "open_at", "close_at")
    day = pl.col("event_at").dt.convert_time_zone("America/New_York").dt.date()
    inside = (pl.col("event_at") >= pl.col("open_at")) & (pl.col("event_at") < pl.col("close_at"))
    rows = rows.with_columns(day=day).join(hours, left_on="day", right_on="session").filter(inside)
    known = pl.col("event_at") + span + clock.LAG
    return markets.finish(
        "bars_intraday", rows.with_columns(available_at=known, volume=pl.lit(1.0), vwap=pl.col("close"))
    )


@lru_cache(maxsize=1)
def pit() -> dict[str, pl.DataFrame]:
    bars = pl.concat([stored("15m"), stored("5m").filter(pl.col("symbol") == "GLD")])
    far = markets.releases().with_columns(available_at=pl.lit(dt.datetime(2015, 1, 1, tzinfo=dt.UTC)))
    return {"bars_intraday": bars, "events": far}


@lru_cache(maxsize=4)
def signals(name: str) -> pl.DataFrame:
    ticks = clock.ticks(dt.date(2016, 2, 1), LAST).select("session", "decided_at")
    return evaluate_intraday(INTRADAY[name], pit(), ticks)


def entries_of(frame: pl.DataFrame) -> pl.DataFrame:
    held = pl.col("score").fill_null(0.0)
    before = held.shift(1).over("session").fill_null(0.0)
    return frame.filter((held != 0.0) & (before == 0.0))


@pytest.mark.parametrize(
    ("name", "symbol", "a_session"),
    [("gold_silver_ratio_intraday", "SLV", (0.2, 1.0)), ("vwap_reversion_intraday", "GLD", (0.5, 2.0))],
)
def test_on_real_quotes_it_trades_now_and_then(name: str, symbol: str, a_session: tuple[float, float]) -> None:
    own = signals(name).filter(pl.col("symbol") == symbol).sort("decided_at")
    spoken = own.filter(status="OK")
    sessions = own["session"].n_unique()
    assert spoken.height / own.height > 0.8
    assert a_session[0] < entries_of(own).height / sessions < a_session[1]
    active = spoken.filter(pl.col("score") != 0.0)
    assert 0.3 < active["score"].abs().mean() < 0.95
    assert abs(active["score"].mean()) < 0.15, "neither side is favoured"


def test_the_ratio_is_stretched_about_as_often_as_a_normal_one() -> None:
    from qgtm_core.intraday.features import compute_intraday

    z = compute_intraday("ratio_15m", pit(), clock.ticks(dt.date(2016, 2, 1), LAST))["z_130"].drop_nulls().to_numpy()
    assert len(z) > 40_000
    assert abs(np.median(z)) < 0.4  # silver fell against gold in these years
    assert 0.04 < np.mean(np.abs(z) >= 2.0) < 0.20
    assert np.abs(z).max() <= 129 / np.sqrt(130) + 1e-9


def test_one_tick_alone_is_the_tick_of_three_years() -> None:
    for name in ("gold_silver_ratio_intraday", "vwap_reversion_intraday"):
        strategy, day = INTRADAY[name], dt.date(2018, 6, 14)
        since = calendar.offset_session(day, -strategy.rule_lookback)
        short = {
            n: f if n == "events" else f.filter(pl.col("session").is_between(since, day)) for n, f in pit().items()
        }
        ticks = clock.ticks(day, day).select("session", "decided_at").slice(40, 3)
        want = signals(name).filter(pl.col("decided_at").is_in(ticks["decided_at"].implode()))
        assert evaluate_intraday(strategy, short, ticks).equals(want)


def test_on_the_archive_itself_nothing_is_said() -> None:
    bars = PIT_TABLES["bars_intraday"].empty()  # no 5, 15 or 30-minute bar of a fund is in it
    ticks = clock.ticks(LAST, LAST).select("session", "decided_at")
    found = evaluate_intraday(INTRADAY["gold_silver_ratio_intraday"], {**pit(), "bars_intraday": bars}, ticks)
    assert set(found["reason"]) == {"MISSING"}
