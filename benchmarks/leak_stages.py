"""Stages of the path made leaky, as the mistakes are made in practice; `benchmarks.leaks` says what to find where."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from qgtm_core import calendar, publication
from qgtm_core.backtest.fills import FillModel, FillResult, MarketRow, work
from qgtm_core.backtest.lookahead.histories import Frames
from qgtm_core.backtest.lookahead.pipeline import Pipeline
from qgtm_core.backtest.research.returns import ResearchMarket
from qgtm_core.models.regime import SPEC, fit_regime
from qgtm_core.models.walk_forward import TRAINERS, Trainer
from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_core.types import OrderIntent
from qgtm_core.view import Array

Change = Callable[[pl.DataFrame], pl.DataFrame]
SERIES, FUNDS = ["series_id", "event_date"], ["symbol", "event_date"]
NEXT_RETURN = pl.col("return_1d").shift(-1).fill_null(0.0)
HOLE = dt.date(2024, 4, 15), dt.date(2024, 5, 10)  # in which a series has no observation


def in_features(table: str, change: Change) -> Callable[[Pipeline], Pipeline]:
    """The rows of one feature table changed after they were computed."""

    def plant(pipeline: Pipeline) -> Pipeline:
        def features(pit: Mapping[str, pl.DataFrame], days: pl.DataFrame, tables: Any) -> Frames:
            made = pipeline.features(pit, days, tables)
            return {name: change(frame) if name == table else frame for name, frame in made.items()}

        return replace(pipeline, features=features)

    return plant


def in_pit(table: str, change: Change) -> Callable[[Pipeline], Pipeline]:
    """The rows of one PIT table changed after they were normalised."""

    def plant(pipeline: Pipeline) -> Pipeline:
        def normalise(name: str, raw: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
            made = pipeline.normalise(name, raw)
            return change(made) if name == table else made

        return replace(pipeline, normalise=normalise)

    return plant


def in_raw(table: str, change: Change) -> Callable[[Frames], Frames]:
    """The rows of one raw table changed."""
    return lambda raw: {name: change(frame) if name == table else frame for name, frame in raw.items()}


def by_group(table: str, column: str, value: Callable[[pl.Expr], pl.Expr]) -> Change:
    """One column of a feature table replaced by a function of its whole history, symbol by symbol."""
    group = [name for name in FEATURE_TABLES[table].key if name != "session"]

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        made = value(pl.col(column))
        return frame.sort("session", *group).with_columns((made.over(group) if group else made).alias(column))

    return change


def dated(frame: pl.DataFrame, available: pl.Expr, rows: pl.Expr) -> pl.DataFrame:
    """Some rows known at another instant, with the session that follows from it."""
    moved = frame.with_columns(available_at=pl.when(rows).then(available).otherwise("available_at"))
    return calendar.with_session(moved.drop("session")).select(frame.columns).cast(dict(frame.schema))


def revised(table: str, key: list[str], column: str, rows: pl.Expr) -> Callable[[Frames], Frames]:
    """A history in which the source revised some of its rows thirty days later; no leak."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        newest = frame.filter(rows).unique(key, keep="last", maintain_order=True)
        later = newest.with_columns(
            pl.col(column) * 1.05 + 0.1,
            available_at=pl.col("available_at") + pl.duration(days=30),
            revision=pl.col("revision") + 1,
        )
        again = calendar.with_session(later.drop("session")).select(frame.columns).cast(dict(frame.schema))
        return pl.concat([frame, again.filter(pl.col("session").is_not_null())])

    return in_raw(table, change)


def newest_value(key: list[str], column: str) -> Change:
    """Every revision of a key carries the value of its newest one."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        newest = frame.sort("revision").group_by(key, maintain_order=True).agg(_newest=pl.col(column).last())
        joined = frame.join(newest, on=key, how="left", nulls_equal=True, maintain_order="left")
        return joined.with_columns(pl.col("_newest").alias(column)).drop("_newest")

    return change


def cot_of_tuesday(frame: pl.DataFrame) -> pl.DataFrame:
    """Reports known at the close of the day they are about."""
    return dated(frame, publication.session_close(pl.col("event_date")), pl.lit(value=True))


def evening_as_utc(frame: pl.DataFrame) -> pl.DataFrame:
    """17:15 New York read as 17:15 UTC: known before the decision of the same day instead of after it."""
    local = pl.col("available_at").dt.convert_time_zone("America/New_York")
    evening = pl.col("series_id").eq("DFII10") & local.dt.hour().eq(17)
    return dated(frame, local.dt.replace_time_zone("UTC"), evening)


def without_lag(frame: pl.DataFrame) -> pl.DataFrame:
    """Observations known at the close of the day they are about."""
    rows = pl.col("series_id").eq("DFII10")
    return dated(frame, pl.max_horizontal("event_at", publication.session_close(pl.col("event_date"))), rows)


def later_dividends(frame: pl.DataFrame) -> pl.DataFrame:
    """Prices adjusted by every dividend up to the newest bar held, not only by those paid by then."""
    years = (pl.col("event_date").max() - pl.col("event_date")).dt.total_days() / 365.25
    return frame.with_columns(adj_close=pl.col("adj_close") * (-0.02 * years).exp())


def hole(raw: Frames) -> Frames:
    """A history in which a series stops for a month; no leak."""
    gone = pl.col("series_id").eq("DFII10") & pl.col("event_date").is_between(*HOLE)
    return in_raw("macro", lambda frame: frame.filter(~gone))(raw)


def filled_from_behind(frame: pl.DataFrame) -> pl.DataFrame:
    """The hole filled with the next observation, as if it had come out day by day."""
    own = frame.filter(series_id="DFII10").sort("event_date")
    days = calendar.schedule(*HOLE).select(event_date="session").join(own, on="event_date", how="anti")
    made = days.join_asof(own.drop("event_date").with_columns(event_date=own["event_date"]), on="event_date",
                          strategy="forward").drop_nulls("value")  # fmt: skip
    close = publication.session_close(pl.col("event_date"))
    return pl.concat([frame, dated(made.select(frame.columns).with_columns(event_at=close), close, pl.lit(value=True))])


def on_event_date(pipeline: Pipeline) -> Pipeline:
    """The observation of a day joined to the session of that day, days before it comes out."""

    def features(pit: Mapping[str, pl.DataFrame], days: pl.DataFrame, tables: Any) -> Frames:
        made = pipeline.features(pit, days, tables)
        seen = pit["macro"].filter(series_id="DFII10").sort("revision").unique("event_date", keep="last")
        found = seen.select(session="event_date", _seen="value")
        rows = made["macro"].join(found, on="session", how="left", maintain_order="left")
        rows = rows.with_columns(real_10y=pl.coalesce("_seen", "real_10y")).drop("_seen")
        return {**made, "macro": rows}

    return replace(pipeline, features=features)


def next_open(pipeline: Pipeline) -> Pipeline:
    """The night's return taken with the open after it."""

    def features(pit: Mapping[str, pl.DataFrame], days: pl.DataFrame, tables: Any) -> Frames:
        made = pipeline.features(pit, days, tables)
        bars = pit["prices"].filter(symbol="GLD").sort("event_date", "revision").unique("event_date", keep="last")
        night = (pl.col("open").shift(-1) / pl.col("close") - 1.0).alias("_night")
        told = bars.sort("event_date").select(night, session="event_date")
        rows = made["overnight"].join(told, on="session", how="left", maintain_order="left")
        rows = rows.with_columns(overnight_mean_60=pl.col("overnight_mean_60") + pl.col("_night").fill_null(0.0) / 60)
        return {**made, "overnight": rows.drop("_night")}

    return replace(pipeline, features=features)


def centred(value: pl.Expr) -> pl.Expr:
    """A moving average of five sessions before, the session and five after it."""
    return value.rolling_mean(11, center=True, min_samples=1)


def smoothed(value: pl.Expr) -> pl.Expr:
    """Two-sided probabilities: what came after a session speaks too (an exponential smoother run both ways)."""
    return (value + value.reverse().ewm_mean(half_life=5.0, ignore_nulls=True).reverse()) / 2.0


def weekly(frame: pl.DataFrame) -> pl.DataFrame:
    """The bar of a week stamped at its start: its close stands on every session of it."""
    return frame.sort("symbol", "session").with_columns(
        close=pl.col("close").last().over("symbol", pl.col("session").dt.truncate("1w"))
    )


def survivors(pipeline: Pipeline) -> Pipeline:
    """Only symbols that end well: silent where the price of the last session held is below that of the session."""

    def signals(strategies: Any, features: Mapping[str, pl.DataFrame], days: pl.DataFrame) -> Frames:
        made = pipeline.signals(strategies, features, days)
        ends = features["prices"].sort("session").group_by("symbol").agg(_end=pl.col("adj_close").last())
        own = features["prices"].select("session", "symbol", "adj_close").join(ends, on="symbol")

        def chosen(frame: pl.DataFrame) -> pl.DataFrame:
            told = frame.join(own, on=["session", "symbol"], how="left", maintain_order="left")
            kept = pl.when(pl.col("_end") >= pl.col("adj_close")).then("score")
            return told.with_columns(score=kept).select(frame.columns)

        return {name: chosen(frame) if name == "tsmom" else frame for name, frame in made.items()}

    return replace(pipeline, signals=signals)


def by_its_deviation(pipeline: Pipeline) -> Pipeline:
    """Scores in units of their deviation over the whole sample."""

    def signals(strategies: Any, features: Mapping[str, pl.DataFrame], days: pl.DataFrame) -> Frames:
        made = pipeline.signals(strategies, features, days)
        unit = 3.0 * pl.col("score").std()
        return {
            name: frame.with_columns(score=pl.col("score") / unit) if name == "gold_momentum_mr" else frame
            for name, frame in made.items()
        }

    return replace(pipeline, signals=signals)


def small_trainer(pipeline: Pipeline) -> Pipeline:
    """The regime model with little to learn from; no leak."""
    spec = replace(SPEC, min_observations=120, params={**SPEC.params, "restarts": 1})
    trainer = TRAINERS[0]
    return replace(pipeline, trainers=(replace(trainer, spec=spec, fit=lambda rows, _: fit_regime(rows, spec)),))


def on_the_whole_sample(pipeline: Pipeline) -> Pipeline:
    """One fit on everything held, used for every date."""

    def fits(trainer: Trainer, pit: Any, first: dt.date, last: dt.date, held: Any, say: Any) -> Iterator[pl.DataFrame]:
        days = calendar.schedule(dt.date(2021, 1, 4), dt.date(2024, 6, 28)).select("session")
        found = trainer.fit(trainer.examples(pit, days), pit)
        for row in pipeline.fits(trainer, pit, first, last, held, say):
            yield row if found is None else row.with_columns(payload=pl.lit(found.payload))

    return replace(small_trainer(pipeline), fits=fits)


def without_purge(pipeline: Pipeline) -> Pipeline:
    """Folds that cut time into blocks and forget that labels live on."""

    def folds(start: Any, _end: Any, count: int, _embargo: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for block in np.array_split(np.unique(start), count):
            test = (start >= block[0]) & (start <= block[-1])
            yield ~test, test

    return replace(pipeline, folds=folds)


def same_bar(pipeline: Pipeline) -> Pipeline:
    """A decision is credited with the bar it was made on."""

    def returns(score: Array, market: ResearchMarket) -> Array:
        earned = np.vstack([np.zeros((1, market.next_return.shape[1])), market.next_return[:-1]])
        return pipeline.returns(score, replace(market, next_return=earned))

    return replace(pipeline, returns=returns)


def volatility_of_all(pipeline: Pipeline) -> Pipeline:
    """Returns scaled to a volatility target by the volatility of the whole record."""

    def returns(score: Array, market: ResearchMarket) -> Array:
        net = pipeline.returns(score, market)
        scaled: Array = net * (0.10 / np.maximum(net.std(axis=-1, keepdims=True) * 252**0.5, 1e-9))
        return scaled

    return replace(pipeline, returns=returns)


def at_yesterdays_close(pipeline: Pipeline) -> Pipeline:
    """Orders filled at the last close known when they were decided."""

    def fill(intent: OrderIntent, market: Mapping[dt.date, MarketRow]) -> FillResult:
        before = market[calendar.previous_session(intent.session)]
        return work(intent, replace(before, mid=before.close), FillModel())

    return replace(pipeline, fill=fill)


def at_the_open(pipeline: Pipeline) -> Pipeline:
    """Orders of the afternoon filled at the open of the same bar."""

    def fill(intent: OrderIntent, market: Mapping[dt.date, MarketRow]) -> FillResult:
        found = pipeline.fill(intent, market)
        opened = calendar.open_at(intent.session)
        return replace(found, executions=tuple(replace(e, executed_at=opened) for e in found.executions))

    return replace(pipeline, fill=fill)
