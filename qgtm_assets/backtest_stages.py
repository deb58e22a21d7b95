"""The stages of a backtest: replay of the book, research of every strategy, evidence. Each returns rows by table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
from dagster import MetadataValue

from qgtm_assets.backtest_config import BacktestConfig, chosen_strategies, costs_of
from qgtm_assets.desk import CLUSTERS, panel
from qgtm_core import calendar
from qgtm_core.backtest.evidence.investigation import arrays_hash
from qgtm_core.backtest.evidence.trial_record import Evaluation, TrialRow
from qgtm_core.backtest.evidence.trials import Trial
from qgtm_core.backtest.research.returns import ResearchMarket, matrix, research_market
from qgtm_core.backtest.research.run import run_research
from qgtm_core.backtest.run import run_backtest
from qgtm_core.backtest.shortfall import implementation_gap
from qgtm_core.features.registry import FEATURES
from qgtm_core.maths.validation import moments
from qgtm_core.policy import Policy
from qgtm_core.schemas.results import PORTFOLIO, PORTFOLIO_TABLE
from qgtm_core.strategies.evaluate import evaluate_all
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.view import MarketPanel
from qgtm_resources.clock import SystemClock
from qgtm_resources.code_version import code_version
from qgtm_resources.pictures import as_markdown, equity_png, write_picture
from qgtm_resources.resources import DeskResource, FeedResource, TrialsResource, WarehouseResource

LOOKBACK = max(strategy.lookback for strategy in REGISTRY.values())
TOLD_EVERY = 10
AHEAD = 10  # sessions after the last one that may say what a position earned
Frames = dict[str, pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Done:
    """What a stage leaves: rows by table, few figures for each materialization, and what is told once."""

    frames: Frames
    told: dict[str, Any]
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass
class Bench:
    """One backtest and what its stages share, read once."""

    say: Callable[[str], None]
    config: BacktestConfig
    warehouse: WarehouseResource
    desk: DeskResource
    feed: FeedResource
    trials: TrialsResource
    policy: Policy
    book: str
    first: dt.date
    last: dt.date

    def tell(self, text: str, done: int, total: int) -> None:
        """Report progress, now and then: each line is a row of the run's log."""
        if done % TOLD_EVERY == 0 or done == total:
            self.say(f"{text}: {done} of {total}")

    @cached_property
    def sessions(self) -> pl.DataFrame:
        """`session, decided_at` of the range."""
        return calendar.schedule(self.first, self.last).select("session", "decided_at")

    @cached_property
    def prices(self) -> pl.DataFrame:
        """What positions earned, to some sessions beyond the range: nothing decides on it."""
        until = calendar.offset_session(self.last, AHEAD)
        columns = ["symbol", "event_date", "revision", "adj_close"]
        return self.warehouse.read("pit", "prices", None, until, columns=columns)

    @cached_property
    def features(self) -> Frames:
        """Every feature table of the range and of the look-back before it."""
        self.say("reading features")
        since = calendar.offset_session(self.first, -LOOKBACK)
        return self.warehouse.read_many("features", list(FEATURES), since, self.last)

    @cached_property
    def market(self) -> ResearchMarket:
        """What research needs of the market."""
        within = pl.col("session").is_between(self.first, self.last)
        return research_market(
            self.features["prices"].filter(within),
            self.prices,
            self.warehouse.read("raw", "decision_quotes", self.first, self.last),
            self.warehouse.read("pit", "fund_terms", None, self.last),
            self.sessions,
        )

    @cached_property
    def panel(self) -> MarketPanel:
        """What the replay decides on."""
        return panel(self.warehouse, self.desk, self.first, self.last)

    @cached_property
    def portfolio(self) -> pl.DataFrame:
        """The replayed book of this backtest, oldest first; no rows when it was never replayed."""
        found = self.warehouse.client.read(PORTFOLIO_TABLE, self.first, self.last, where={"book": self.book})
        return found.sort("session")

    @property
    def results(self) -> Path:
        """Where pictures and pages of this backtest go."""
        return Path(self.warehouse.folder) / "results" / self.book


def replayed(bench: Bench) -> Done:
    """Loop `step_session` over the range."""
    rows = run_backtest(
        bench.panel,
        bench.feed.feed.market_range(bench.first, bench.last),
        bench.prices,
        CLUSTERS,
        bench.policy,
        book=bench.book,
        cash_usd=Decimal(bench.config.start_cash_usd),
        progress=lambda text, done, total: bench.say(f"{text}: {done} of {total}"),
    )
    bench.trials.trials.record([portfolio_trial(bench, rows.portfolio)])
    picture = equity_png(rows.portfolio, f"{bench.desk.feed_label} {bench.book}")
    path = write_picture(bench.results / "equity.png", picture)
    gap = implementation_gap(rows.portfolio).as_dict()
    told = {
        "equity": MetadataValue.md(as_markdown(picture, "equity and drawdown")),
        "picture": MetadataValue.path(path),
        **{f"gap_{name}": value for name, value in gap.items()},
    }
    return Done({"portfolio": rows.portfolio, "fills": rows.fills}, told, {"resets": rows.resets})


def portfolio_trial(bench: Bench, portfolio: pl.DataFrame) -> TrialRow:
    """The replayed policy as a trial: it counts whether anybody judges it or not."""
    varied, house = bench.config.model_dump(), bench.desk.policy.portfolio
    usual = {"annual_vol_target": house.annual_vol_target, "allow_short": house.allow_short}
    usual["simulated_reset_sessions"] = BacktestConfig().simulated_reset_sessions
    changes = [f"{k} {v} → {varied[k]}" for k, v in usual.items() if varied[k] is not None and varied[k] != v]
    returns = portfolio["return_1d"].fill_null(0.0).to_numpy()
    stamp = Evaluation(
        code_version(), arrays_hash(bench.panel), bench.first, bench.last, len(returns), SystemClock().now()
    )
    return stamp.row(Trial.of(PORTFOLIO, asdict(bench.policy), ", ".join(changes)), moments(returns).sharpe)


def researched(bench: Bench) -> Done:
    """Account every strategy's scores with all costs."""
    ids = chosen_strategies(bench.config)
    strategies = {key: REGISTRY[key] for key in ids}
    signals = evaluate_all(strategies, bench.features, bench.sessions, include_quarantined=True)
    market = bench.market
    scores = {key: matrix(rows, "score", market.sessions, market.symbols) for key, rows in signals.items()}
    whole = None if bench.portfolio.is_empty() else bench.portfolio
    rows = run_research(market, scores, costs_of(bench.config), bench.book, whole)
    told = {"figures": MetadataValue.md(figures_markdown(rows.metrics))}
    return Done({"strategy_returns": rows.strategy_returns, "metrics": rows.metrics}, told)


def figures_markdown(metrics: pl.DataFrame) -> str:
    """The table of figures for the UI."""
    columns = ("name", "first", "sessions", "annual_return", "annual_vol", "sharpe", "sharpe_standard_error",
               "max_drawdown")  # fmt: skip
    return markdown(metrics.select(columns))


def markdown(frame: pl.DataFrame) -> str:
    """A frame as a table for the UI."""
    with pl.Config(
        tbl_formatting="MARKDOWN",
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_width_chars=240,
        fmt_str_lengths=120,
        float_precision=3,
    ):
        return str(frame)
