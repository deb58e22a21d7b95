"""What `qgtm backtest` and `qgtm evidence --run` do: run `backtest/*` in this process and read back what it left."""

from __future__ import annotations

import datetime as dt
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qgtm_core import calendar
from qgtm_core.errors import ConfigError
from qgtm_core.schemas.results import METRICS_TABLE, PORTFOLIO_TABLE
from qgtm_jobs.operations import bring_history
from qgtm_jobs.progress import Progress
from qgtm_jobs.reports import BacktestReport, EvidenceRun
from qgtm_jobs.workshop import RunFailedError, Workshop, execute, workshop
from qgtm_resources.settings import Settings

REPLAY_AND_RESEARCH = ("portfolio", "fills", "strategy_returns", "metrics")
BACKTEST_DAYS = 5 * 365  # when no first session is given


def backtest(
    settings: Settings,
    first: dt.date | None,
    last: dt.date | None,
    progress: Progress,
    *,
    out: Path | None = None,
    config: Mapping[str, Any] | None = None,
) -> BacktestReport:
    """Replay the book and account every strategy over sessions first..last; missing history is brought in first."""
    begun = time.perf_counter()
    with workshop(settings, progress, venue=False) as shop:
        begin, end = tested_range(shop, first, last)
        seconds = {"start": time.perf_counter() - begun}
        seconds |= research(shop, begin, end, REPLAY_AND_RESEARCH, progress, config)
        return _backtest_report(shop, begin, end, out, seconds)


def evidence(
    settings: Settings,
    first: dt.date | None,
    last: dt.date | None,
    progress: Progress,
    *,
    config: Mapping[str, Any] | None = None,
) -> EvidenceRun:
    """Replay, research and judge over sessions first..last, and ask the gates which strategies pass."""
    begun = time.perf_counter()
    with workshop(settings, progress, venue=False) as shop:
        begin, end = tested_range(shop, first, last)
        seconds = {"start": time.perf_counter() - begun}
        seconds |= research(shop, begin, end, (), progress, config)
        execute(shop, "verdicts", progress, end, end, place="research")
        figures = _figures(shop, "evidence")
        for stage, name in (("replay", "portfolio"), ("research", "metrics"), ("judging", "evidence")):
            seconds[f"of which {stage}"] = float(_figures(shop, name)["compute_s"])
    seconds["total"] = time.perf_counter() - begun
    return EvidenceRun(str(figures["backtest"]), begin, end, {name: round(s, 2) for name, s in seconds.items()})


def tested_range(shop: Workshop, first: dt.date | None, last: dt.date | None) -> tuple[dt.date, dt.date]:
    """First and last session of a test: five years to the last session of the data, unless said otherwise."""
    end = calendar.session_on_or_before(min(last or shop.session, shop.session))
    begin = calendar.session_on_or_after(first or end - dt.timedelta(days=BACKTEST_DAYS))
    if begin >= end:
        raise ConfigError(f"nothing to test between {begin} and {end}, the last session of the data")
    return begin, end


def research(
    shop: Workshop,
    first: dt.date,
    last: dt.date,
    only: Sequence[str],
    progress: Progress,
    config: Mapping[str, Any] | None,
) -> dict[str, float]:
    """Run `backtest/*`, or some tables of it, in one run of its own; returns seconds."""
    started = time.perf_counter()
    bring_history(shop, last, progress)
    covered = time.perf_counter()
    chosen = {"ops": {"study": {"config": dict(config)}}} if config else None
    execute(
        shop, "backtest", progress, first, last, groups=["backtest"], only=only, place="research", config=chosen
    )  # fmt: skip
    return {"history": covered - started, "run": time.perf_counter() - covered}


def _figures(shop: Workshop, table: str) -> dict[str, Any]:
    """Metadata of the newest materialization of a table of the backtest."""
    import dagster as dg

    event = shop.instance.get_latest_materialization_event(dg.AssetKey(["backtest", table]))
    if event is None or event.asset_materialization is None:
        raise RunFailedError("the backtest left no result")
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def _backtest_report(
    shop: Workshop, first: dt.date, last: dt.date, out: Path | None, seconds: dict[str, float]
) -> BacktestReport:
    replayed, researched = _figures(shop, "portfolio"), _figures(shop, "metrics")
    warehouse, book = shop.resources["warehouse"], str(replayed["backtest"])
    picture = shop.settings.warehouse_folder / "results" / book / "equity.png"
    metrics = warehouse.client.read(METRICS_TABLE, where={"book": book})
    portfolio = warehouse.client.read(PORTFOLIO_TABLE, first, last, where={"book": book}).sort("session")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        metrics.write_csv(out / "metrics.csv")
        portfolio.write_csv(out / "portfolio.csv")
        picture = Path(shutil.copy(picture, out / "equity.png"))
    timed = {
        **seconds,
        "of which replay": float(replayed["compute_s"]),
        "of which research": float(researched["compute_s"]),
    }
    feed, resets = shop.settings.feed.value, int(replayed["resets"])
    return BacktestReport(first, last, book, feed, metrics, portfolio, resets, picture, timed)
