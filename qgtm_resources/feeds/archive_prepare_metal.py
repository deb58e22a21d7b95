"""From rows of a file to raw rows, as in `archive_prepare`: physical metal and its costs, exchange rates, crude oil."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from qgtm_core import publication as known

Frame = pl.LazyFrame

_DAY = pl.col("event_date")
_MONTH_END = known.at(_DAY.dt.month_start().dt.offset_by("1mo"), 0)


def dated(frame: Frame, event_at: pl.Expr, available_at: pl.Expr) -> Frame:
    """First values: what they are about and when they were known."""
    return frame.with_columns(event_at=event_at, available_at=available_at, revision=pl.lit(0, dtype=pl.Int32))


def auction() -> pl.Expr:
    """The London auction by its name and day; null for an unknown name."""
    hours = {"AM": (10, 30), "PM": (15, 0), "DAY": (12, 0)}
    return pl.coalesce(
        pl.when(pl.col("fix") == name).then(known.at(_DAY, *time, zone=known.LONDON)) for name, time in hours.items()
    )


def licensed_fix(frame: Frame) -> Frame:
    """The auction + 5 s: only for who holds a licence of the real-time line."""
    return dated(frame, auction(), known.licensed_fix(auction()))


def fx(frame: Frame) -> Frame:
    """16:15 New York on the day."""
    return dated(frame, known.at(_DAY, 16), known.fx_close(_DAY))


def sge_benchmark(frame: Frame) -> Frame:
    """An hour after the afternoon fix in Shanghai."""
    return dated(frame, known.at(_DAY, 14, 15, known.SHANGHAI), known.shanghai_benchmark(_DAY))


def sge_withdrawals(frame: Frame) -> Frame:
    """15th of the next month, Shanghai."""
    return dated(frame, _MONTH_END, known.shanghai_withdrawals(_DAY))


def us_mint(frame: Frame) -> Frame:
    """Fifth business day of the next month."""
    return dated(frame, _MONTH_END, known.us_mint(_DAY))


def cb_gold_flows(frame: Frame) -> Frame:
    """15th of the second month after."""
    return dated(frame, _MONTH_END, known.cb_gold(_DAY))


def mining_costs(frame: Frame) -> Frame:
    """The filing's instant; 45 days after the quarter where the file has none."""
    return dated(frame, known.at(_DAY.dt.offset_by("1d"), 0), pl.coalesce("filed_at", known.mining_filing(_DAY)))


def eia_weekly(frame: Frame) -> Frame:
    """Wednesday of the next week, Thursday after a holiday."""
    return dated(frame, known.at(_DAY, 17), known.petroleum(_DAY))


PREPARE: dict[str, Callable[[Frame], Frame]] = {
    "licensed_fix": licensed_fix,
    "fx": fx,
    "sge_benchmark": sge_benchmark,
    "sge_withdrawals": sge_withdrawals,
    "us_mint": us_mint,
    "cb_gold_flows": cb_gold_flows,
    "mining_costs": mining_costs,
    "eia_weekly": eia_weekly,
}
