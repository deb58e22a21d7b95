"""Random PIT tables of holdings, stocks, positions and auctions, with late rows and revisions, for tests."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from qgtm_core.schemas.features import COT_MARKETS, COT_REPORT
from tests.core import pit_frames

DAY = pl.col("event_date")


def walk(rng: np.random.Generator, n: int, level: float, scale: float) -> pl.Series:
    return pl.Series(level * np.exp(np.cumsum(rng.normal(0, scale, n))))


def stamped(days: pl.Series, after_days: int, hour: int = 14) -> pl.DataFrame:
    """Days with their stamps: known some days later at an hour of London."""
    at = DAY.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.DataFrame({"event_date": days}).with_columns(
        event_at=at + pl.duration(hours=12), available_at=at + pl.duration(days=after_days, hours=hour)
    )


def weekdays(first: dt.date = pit_frames.FIRST) -> pl.Series:
    days = pl.date_range(first, pit_frames.LAST, "1d", eager=True)
    return days.filter(days.dt.weekday() <= 5)


def some(rows: pl.DataFrame, rng: np.random.Generator, share: float = 0.99) -> pl.DataFrame:
    return rows.filter(pl.Series(rng.random(rows.height) < share))


def finished(
    table: str, rows: pl.DataFrame, columns: Sequence[str], rng: np.random.Generator, share: float
) -> pl.DataFrame:
    return pit_frames.complete(table, pit_frames.revise(rows, columns, rng, share) if share else rows)


def flows(rng: np.random.Generator, share: float) -> pl.DataFrame:
    """GLD states tonnes; SLV at times only shares; IAU is nobody's business."""
    parts = []
    for symbol in ("GLD", "SLV", "IAU"):
        rows = stamped(weekdays(), 1)
        tonnes = walk(rng, rows.height, 800.0, 0.004)
        stated = rng.random(rows.height) < (0.9 if symbol == "SLV" else 2.0)
        parts.append(
            rows.with_columns(
                symbol=pl.lit(symbol),
                tonnes=pl.when(pl.Series(stated)).then(tonnes),
                oz_per_share=pl.lit(0.1),
                shares_outstanding=tonnes * 32_150.7466 * 10.0,
            )
        )
    return finished("flows", some(pl.concat(parts), rng), ["tonnes"], rng, share)


def inventory(rng: np.random.Generator, share: float) -> pl.DataFrame:
    """Totals of the report, beside a vault that must not be counted again."""
    parts = []
    for metal, ounces in (("gold", 1.0e7), ("silver", 3.0e7)):
        for depository, category in (("ALL", "total_registered"), ("ALL", "total_eligible"), ("VAULT", "registered")):
            rows = stamped(weekdays(), 1, 23)
            parts.append(
                rows.with_columns(
                    metal=pl.lit(metal),
                    report_date=DAY,
                    depository=pl.lit(depository),
                    category=pl.lit(category),
                    total_oz=walk(rng, rows.height, ounces, 0.005),
                )
            )
    return finished("inventory", some(pl.concat(parts), rng), ["total_oz"], rng, share)


def open_interest(rng: np.random.Generator, share: float) -> pl.DataFrame:
    """All months of gold, half the history; one month of it; silver has a week without any."""
    parts = []
    for root, lots, first in (("GC", 480_000.0, dt.date(2014, 9, 1)), ("SI", 150_000.0, pit_frames.FIRST)):
        for month in (None, dt.date(2018, 12, 1)):
            rows = stamped(weekdays(first), 1)
            parts.append(
                rows.with_columns(
                    root=pl.lit(root),
                    expiry_month=pl.lit(month, pl.Date),
                    open_interest=walk(rng, rows.height, lots, 0.01).cast(pl.Int64),
                )
            )
    hole = (pl.col("root") == "SI") & DAY.is_between(dt.date(2016, 6, 1), dt.date(2016, 6, 20))
    return finished("open_interest", some(pl.concat(parts).filter(~hole), rng), ["open_interest"], rng, share)


def positioning(rng: np.random.Generator, share: float) -> pl.DataFrame:
    """Both reports of the four metals; the numbers of a report do not add up, as nothing here needs them to."""
    tuesdays = pl.date_range(dt.date(2013, 1, 1), pit_frames.LAST, "1w", eager=True)
    columns = (
        *(f"{who}_{side}" for who in ("managed_money", "producer", "swap", "commercial") for side in ("long", "short")),
        "open_interest",
    )
    parts = []
    for name, code in COT_MARKETS.items():
        for report in (COT_REPORT, "legacy_futures_only"):
            rows = stamped(tuesdays, 3, 20)
            values = {c: pl.Series(rng.integers(50_000, 500_000, rows.height)) for c in columns}
            parts.append(
                rows.with_columns(cftc_code=pl.lit(code), market=pl.lit(name), report_type=pl.lit(report), **values)
            )
    return finished("positioning", some(pl.concat(parts), rng), ["producer_long", "commercial_long"], rng, share)


def fixes(rng: np.random.Generator, share: float) -> pl.DataFrame:
    rows = stamped(weekdays(), 1, 0)
    base = walk(rng, rows.height, 1_250.0, 0.008)
    parts = [
        rows.with_columns(
            metal=pl.lit(metal), fix=pl.lit(fix), usd_per_oz=base * pl.Series(np.exp(rng.normal(0, 0.003, rows.height)))
        )
        for metal, fix in (("gold", "AM"), ("gold", "PM"), ("platinum", "AM"))
    ]
    return finished("fixes", some(pl.concat(parts), rng, 0.98), ["usd_per_oz"], rng, share)


def shanghai(rng: np.random.Generator, share: float) -> pl.DataFrame:
    rows = stamped(weekdays(), 0, 7)
    return finished(
        "shanghai",
        some(rows.with_columns(pm_cny_per_g=walk(rng, rows.height, 260.0, 0.008)), rng, 0.98),
        ["pm_cny_per_g"],
        rng,
        share,
    )


def fx(rng: np.random.Generator, share: float) -> pl.DataFrame:
    parts = []
    for pair in ("USDCNY", "USDJPY"):
        rows = stamped(weekdays(), 0, 21)
        parts.append(rows.with_columns(pair=pl.lit(pair), rate=walk(rng, rows.height, 6.5, 0.002)))
    return finished("fx", some(pl.concat(parts), rng), ["rate"], rng, share)


def months(years: int) -> pl.Series:
    return pl.date_range(dt.date(2017 - years, 1, 1), dt.date(2017, 2, 1), "1mo", eager=True)


def withdrawals(rng: np.random.Generator, share: float) -> pl.DataFrame:
    rows = stamped(months(9), 45)
    values = rows.with_columns(tonnes=pl.Series(rng.uniform(80.0, 240.0, rows.height)))
    return finished("withdrawals", some(values, rng, 0.96), ["tonnes"], rng, share)


def mint(rng: np.random.Generator, share: float) -> pl.DataFrame:
    rows = stamped(months(12), 38)
    sold = pl.Series(np.where(rng.random(rows.height) < 0.05, 0.0, rng.uniform(1e4, 2e5, rows.height)))
    return finished("mint", some(rows.with_columns(gold_oz=sold), rng, 0.96), ["gold_oz"], rng, share)


def macro(rng: np.random.Generator, share: float) -> pl.DataFrame:
    """Twelve years of crude stocks, a week missing now and then; the overnight rate."""
    fridays = pl.date_range(dt.date(2005, 1, 7), pit_frames.LAST, "1w", eager=True)
    crude = stamped(fridays, 5, 16).with_columns(
        series_id=pl.lit("WCESTUS1"), value=pl.Series(400e3 + np.cumsum(rng.normal(0, 4e3, len(fridays))))
    )
    rate = stamped(weekdays(), 1, 13)
    rate = rate.with_columns(series_id=pl.lit("SOFR"), value=pl.Series(2.0 + rng.normal(0, 0.1, rate.height)))
    return finished("macro", some(pl.concat([crude, rate]), rng, 0.995), ["value"], rng, share)


def curve(rng: np.random.Generator, share: float) -> pl.DataFrame:
    """Dated silver contracts of the liquid cycle, two a day or more."""
    days = stamped(weekdays(), 1, 1)
    spot = walk(rng, days.height, 17.0, 0.01)
    parts = []
    for year in range(2014, 2019):
        for month in (3, 5, 7, 9, 12):
            delivery = dt.date(year, month, 1)
            ahead = (pl.lit(delivery) - DAY).dt.total_days()
            rows = days.with_columns(spot=spot).filter(ahead.is_between(-20, 250))
            noise = pl.Series(rng.normal(0, 0.0004, rows.height))
            parts.append(
                rows.with_columns(
                    root=pl.lit("SI"),
                    series=pl.lit("dated"),
                    contract_rank=pl.lit(1, pl.Int32),
                    contract=pl.lit(f"SI{year}{month:02}"),
                    expiry_month=pl.lit(delivery),
                    close=pl.col("spot") * (1.0 + 0.02 * ahead / 365.0 + noise),
                ).drop("spot")
            )
    return finished("curve", some(pl.concat(parts), rng), ["close"], rng, share)


def tables(seed: int, share: float = 0.0) -> Mapping[str, pl.DataFrame]:
    """Every table that the features of this area read."""
    makers = (
        flows, inventory, open_interest, positioning, fixes, shanghai, fx, withdrawals, mint, macro, curve,
    )  # fmt: skip
    # few rows a month: a share of them still gives late and revised ones
    shares = {"withdrawals": 10.0, "mint": 10.0, "positioning": 3.0}
    made = {
        m.__name__: m(np.random.default_rng(seed + n), share * shares.get(m.__name__, 1.0))
        for n, m in enumerate(makers)
    }
    return {**made, "prices": pit_frames.prices(seed, ("GLD", "SLV"), share)}
