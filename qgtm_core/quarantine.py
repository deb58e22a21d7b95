"""From raw rows to PIT rows: rename and stack, and hold back rows that cannot be right. Whole columns only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from qgtm_core import calendar
from qgtm_core.options.points import option_points
from qgtm_core.schemas.pit import PIT_SOURCES, PIT_TABLES
from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_core.schemas.spec import ROW_CONTRACT, Column, Table

QUARANTINE_SCHEMA = {
    "table": pl.String,
    "session": pl.Date,
    "key": pl.String,
    "column": pl.String,
    "value": pl.String,
    "problem": pl.String,
}

CONTRACT = tuple(ROW_CONTRACT)
KNOWN_AHEAD = frozenset({"festivals", "margins"})  # the day is known before it comes
COMBINED_ROUNDING = 5  # contracts; each delta-adjusted leg of the combined report is rounded on its own
COMPETING_VINTAGE = 1000  # added to the revision of a second copy, so that key and revision stay unique
PRICE_TOLERANCE = 1e-6  # relative; split and dividend factors leave rounding behind
GPR_SERIES = {
    "gpr_daily": {"gprd": "GPRD", "gprd_act": "GPRD_ACT", "gprd_threat": "GPRD_THREAT"},
    "gpr_monthly": {"gpr": "GPR", "gpr_act": "GPR_ACT", "gpr_threat": "GPR_THREAT"},
}
EIA_UNIT = "Thousand Barrels"
_LEGS = ("managed_money", "producer", "swap", "other", "nonreportable")
_SPREADS = ("managed_money_spread", "swap_spread", "other_spread")


def normalise(table: str, raw: Mapping[str, pl.DataFrame]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Make the rows of `pit/<table>` from its raw frames; return `(good rows, quarantined problems)`.

    `raw` maps raw table names to frames in their declared schemas; an absent one counts as empty. The second frame
    (QUARANTINE_SCHEMA) has one line for each problem of each row held back. Works on any range of sessions.
    """
    declared = PIT_TABLES[table]
    rows = _gather(table, raw)
    decisions = calendar.schedule().select("session", _decided_at="decided_at")
    rows = rows.join(decisions, on="session", how="left", maintain_order="left")
    problems = list(_problems(declared))
    masks = rows.select(mask.alias(str(i)) for i, (mask, _, _) in enumerate(problems))
    hit = [i for i, name in enumerate(masks.columns) if masks[name].any()]
    if not hit:
        return declared.conform(rows.drop("_decided_at")), pl.DataFrame(schema=QUARANTINE_SCHEMA)
    lines = [_lines(declared, rows.filter(masks[str(i)]), *problems[i][1:]) for i in hit]
    good = rows.filter(~masks.select(pl.any_horizontal(pl.all())).to_series())
    return declared.conform(good.drop("_decided_at")), pl.concat(lines)


def _lines(declared: Table, rows: pl.DataFrame, column: str, problem: str) -> pl.DataFrame:
    """One quarantine line a row; the key is written as name=value pairs."""
    key = pl.concat_str(
        [pl.format(name + "={}", pl.col(name).cast(pl.String).fill_null("null")) for name in declared.unique],
        separator=", ",
    )
    return rows.rechunk().select(  # strings of a filtered frame of several chunks: casting them may panic
        table=pl.lit(declared.name),
        session="session",
        key=key,
        column=pl.lit(column),
        value=pl.col(column).cast(pl.String),
        problem=pl.lit(problem),
    )


def _gather(table: str, raw: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    if table == "macro":
        return _macro(raw)
    if table == "option_points":
        return option_points(normalise("options", raw)[0]).select(list(PIT_TABLES[table].dtypes))
    if not PIT_SOURCES[table]:  # fitted models: made of no raw rows
        return PIT_TABLES[table].empty()
    (source,) = PIT_SOURCES[table]
    frame = raw.get(source)
    return PIT_TABLES[table].empty() if frame is None else frame.select(list(PIT_TABLES[table].dtypes))


def _macro(raw: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Stack macro, its vintages, petroleum stocks and the unpivoted risk indices as (series_id, event_date, value)."""
    want = list(PIT_TABLES["macro"].dtypes)
    parts = [PIT_TABLES["macro"].empty()]
    if "macro" in raw:
        parts.append(raw["macro"].select(want))
    if "macro_vintages" in raw:
        yearly = pl.col("measure") == "yoy_pct"
        vintages = raw["macro_vintages"].with_columns(
            series_id=pl.when(yearly).then(pl.col("series_id") + "_YOY").otherwise("series_id"),
            revision=pl.when(yearly).then("revision").otherwise(pl.col("revision") + COMPETING_VINTAGE),
        )
        parts.append(vintages.with_columns(unit=pl.lit(None, dtype=pl.String)).select(want))
    if "eia_weekly" in raw:
        parts.append(raw["eia_weekly"].with_columns(unit=pl.lit(EIA_UNIT)).select(want))
    for name, columns in GPR_SERIES.items():
        if name in raw:
            long = raw[name].unpivot(
                list(columns), index=["event_date", *CONTRACT], variable_name="series_id", value_name="value"
            )
            named = long.with_columns(pl.col("series_id").replace_strict(columns, return_dtype=pl.String))
            stated = named.with_columns(unit=pl.lit(None, dtype=pl.String))
            parts.append(stated.filter(pl.col("value").is_not_null()).select(want))
    return pl.concat(parts)


Problem = tuple[pl.Expr, str, str]  # where it holds (never null), column shown, what is wrong


def _problems(declared: Table) -> Iterator[Problem]:
    yield from _null_problems(declared)
    yield from _range_problems(declared)
    yield from _time_problems(declared)
    if {"high", "low", "close"} <= declared.columns.keys():
        yield from _bar_problems()
    if declared.name == "positioning":
        yield from _cot_problems()


def _null_problems(declared: Table) -> Iterator[Problem]:
    required = [name for name, column in declared.columns.items() if not column.nullable]
    for name in (*required, "session", "event_at", "available_at", "revision"):
        yield pl.col(name).is_null(), name, "is missing"


def _range_problems(declared: Table) -> Iterator[Problem]:
    for name, column in _limits(declared).items():
        value = pl.col(name)
        if column.dtype.is_float():
            yield (value.is_not_null() & ~value.is_finite()).fill_null(value=False), name, "is not a finite number"
        if column.low is not None:
            yield (value < column.low).fill_null(value=False), name, f"is below {column.low:g}"
        if column.high is not None:
            above = (value > column.high) & (value.is_finite() if column.dtype.is_float() else pl.lit(value=True))
            yield above.fill_null(value=False), name, f"is above {column.high:g}"


def _limits(declared: Table) -> Mapping[str, Column]:
    """Columns with a type and range to hold; the stacked macro values keep the range of the raw table."""
    return (
        {**declared.columns, "value": RAW_TABLES["macro"].columns["value"]}
        if declared.name == "macro"
        else declared.columns
    )


def _time_problems(declared: Table) -> Iterator[Problem]:
    if declared.name not in KNOWN_AHEAD:
        early = pl.col("available_at") < pl.col("event_at")
        if "stage" in declared.columns:
            early &= pl.col("stage") != "schedule"
        yield early.fill_null(value=False), "available_at", "is before the event"
    decided = pl.col("_decided_at")
    yield decided.is_null() & pl.col("session").is_not_null(), "session", "is not a session"
    yield (decided < pl.col("available_at")).fill_null(value=False), "session", "is decided before the row was known"


def _bar_problems() -> Iterator[Problem]:
    low, high, close = (pl.col(name).fill_nan(None) for name in ("low", "high", "close"))
    yield (high < low * (1 - PRICE_TOLERANCE)).fill_null(value=False), "high", "is below low"
    yield (close > high * (1 + PRICE_TOLERANCE)).fill_null(value=False), "close", "is above high"
    yield (close < low * (1 - PRICE_TOLERANCE)).fill_null(value=False), "close", "is below low"


def _cot_problems() -> Iterator[Problem]:
    """Open interest is the sum of one side and the spreads over all traders; checked where all legs are given."""
    combined = pl.col("report_type").str.ends_with("combined")
    allowed = pl.when(combined).then(COMBINED_ROUNDING).otherwise(0)
    for side in ("long", "short"):
        legs = [pl.col(f"{leg}_{side}") for leg in _LEGS] + [pl.col(name) for name in _SPREADS]
        off = (pl.sum_horizontal(legs, ignore_nulls=False) - pl.col("open_interest")).abs() > allowed
        yield off.fill_null(value=False), "open_interest", f"is not the sum of {side} and spread positions"
