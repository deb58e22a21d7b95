"""features/curve, carry and lease: the first two contracts of each metal, what rolling earns, what lending would.

F1 is the nearest contract of the metal's liquid cycle quoted that day with at least 10 calendar days to first notice,
F2 the next month of the cycle; a day without both is no observation. Only dated contracts are read. Where several
vendors quote a day, the curve of that day is that of the first by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from qgtm_core.features.business_days import first_notice, last_business_day
from qgtm_core.features.common import HEALTH, STAMPS, one_price
from qgtm_core.features.joint import meet, observe_joint, one_series, same_days
from qgtm_core.features.spec import Feature
from qgtm_core.maths import curve as maths
from qgtm_core.maths import statistics as stats
from qgtm_core.schemas.features.curve import CYCLES, METALS

DAYS_TO_NOTICE = 10
YEAR, TWO_YEARS = 252, 504  # observations
INVERTED = 3
CARRY_SPAN = 90  # Carver (2015)
FUND_BARS = 60  # before the fund's volatility counts
MEDIAN = 5
SOFR = "SOFR"
ANNUAL = stats.TRADING_DAYS**0.5
F1, F2, YEARS = pl.col("f1"), pl.col("f2"), pl.col("years_between")


def compute_curve(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, market) from the first day with two contracts on."""

    def read(rows: pl.DataFrame, root: str, _: str) -> pl.DataFrame:
        return observe_joint([rows], sessions, lambda view: curve_features(view, root))

    return _each_metal(pit, read)


def compute_carry(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, market) from the first day with two contracts and a bar of the fund on."""

    def read(rows: pl.DataFrame, root: str, fund: str) -> pl.DataFrame:
        bars = pit["prices"].filter(pl.col("symbol") == fund)
        return observe_joint([rows, bars], sessions, lambda view: carry_features(view, root, fund))

    return _each_metal(pit, read)


def compute_lease(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, market) from the first day with two contracts and an overnight rate on."""
    rates = pit["macro"].filter(pl.col("series_id") == SOFR)

    def read(rows: pl.DataFrame, root: str, _: str) -> pl.DataFrame:
        return observe_joint([rows, rates], sessions, lambda view: lease_features(view, root))

    return _each_metal(pit, read)


def _each_metal(
    pit: Mapping[str, pl.DataFrame], read: Callable[[pl.DataFrame, str, str], pl.DataFrame]
) -> pl.DataFrame:
    dated = pit["curve"].filter(pl.col("expiry_month").is_not_null())
    parts = []
    for market, (root, fund) in METALS.items():
        rows = dated.filter(pl.col("root") == root)
        parts.append(read(rows, root, fund).with_columns(market=pl.lit(market)))
    return pl.concat(parts)


def quotes(view: pl.DataFrame, root: str) -> pl.DataFrame:
    """Usable settlements of the cycle's contracts, oldest first and nearest first: one vendor a day."""
    cycle = pl.col("expiry_month").dt.month().is_in(CYCLES[root])
    good = (pl.col("root") == root) & cycle & pl.col("close").is_finite() & (pl.col("close") > 0.0)
    rows = view.filter(good).select(
        "series", "event_date", *STAMPS, "close", month=pl.col("expiry_month").dt.month_start()
    )
    if rows["series"].n_unique() > 1:
        rows = rows.filter(pl.col("series") == pl.col("series").min().over("event_date"))
    return rows.sort("event_date", "month")


def first_two(rows: pl.DataFrame, root: str) -> pl.DataFrame:
    """One row a day with both contracts: stamps of the later, `f1, f2, years_between` and the months of both."""
    months = rows.select("month").unique().with_columns(notice=first_notice(pl.col("month")))
    left = (pl.col("notice") - pl.col("event_date")).dt.total_days()
    open_ = rows.join(months, on="month", how="left", maintain_order="left").filter(left >= DAYS_TO_NOTICE)
    day, month = pl.col("event_date"), pl.col("month")
    number = month.dt.year() * 12 + month.dt.month().cast(pl.Int32)
    step = month.dt.month().replace_strict(_steps(root), return_dtype=pl.Int32)
    nearest = (day != day.shift(1)).fill_null(value=True)
    followed = (day.shift(-1) == day) & (number.shift(-1) == number + step)
    later = {name: pl.max_horizontal(name, pl.col(name).shift(-1)) for name in STAMPS}
    years = (month.shift(-1) - month).dt.total_days() * (1.0 / maths.DAYS_A_YEAR)
    pairs = open_.select(
        "series",
        "event_date",
        **later,
        month_1=month,
        month_2=month.shift(-1),
        f1=pl.col("close"),
        f2=pl.col("close").shift(-1),
        years_between=years,
        _both=nearest & followed,
    )
    return pairs.filter("_both").drop("_both")


def _steps(root: str) -> dict[int, int]:
    """Months from each delivery month of a cycle to the next."""
    cycle = CYCLES[root]
    following = (*cycle[1:], cycle[0] + 12)
    return dict(zip(cycle, (b - a for a, b in zip(cycle, following, strict=True)), strict=True))


def held_returns(pairs: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Add `r1, r2`: log returns since the day before of the very contracts that are first and second today.

    Both roll at the close of the day before the calendar names the next contract, so no return spans two contracts.
    Null where either was not quoted by the same vendor the day before.
    """
    before = rows.select("series", _day="event_date", _month="month", _close="close")
    pairs = pairs.with_columns(_day=pl.col("event_date").shift(1))
    for n in ("1", "2"):
        pairs = pairs.join(
            before.rename({"_close": f"_old_{n}"}),
            left_on=["series", "_day", f"month_{n}"],
            right_on=["series", "_day", "_month"],
            how="left",
            maintain_order="left",
        )
    both = pl.col("_old_1").is_not_null() & pl.col("_old_2").is_not_null()
    return pairs.with_columns(
        pl.when(both).then((pl.col(f"f{n}") / pl.col(f"_old_{n}")).log()).alias(f"r{n}") for n in ("1", "2")
    ).drop("_day", "_old_1", "_old_2")


def curve_features(view: pl.DataFrame, root: str) -> pl.DataFrame:
    """Features of each day from the days up to it."""
    rows = quotes(view, root)
    pairs = held_returns(first_two(rows, root), rows)
    need = stats.filled(YEAR)
    compounded = [pl.col(f"r{n}").rolling_sum(YEAR, min_samples=need).exp() - 1.0 for n in (1, 2)]
    pairs = pairs.with_columns(nearby_return_252=compounded[0], next_return_252=compounded[1])
    momentum = pl.col("nearby_return_252") - pl.col("next_return_252")
    return pairs.select(
        *STAMPS,
        *("f1", "f2", "years_between", "nearby_return_252", "next_return_252"),
        obs=_counted(),
        roll_yield=maths.roll_yield(F1, F2, YEARS),
        basis=maths.basis(F1, F2),
        front_premium_min_3=(F1 / F2 - 1.0).rolling_min(INVERTED),
        basis_momentum_252=momentum,
        basis_momentum_sd_504=stats.rolling_sd(momentum, TWO_YEARS),
    )


def carry_features(view: pl.DataFrame, root: str, fund: str) -> pl.DataFrame:
    """Carry of each day that has both a curve and a bar of the fund."""
    price = pl.col("price")
    daily = stats.ewma_variance(price / price.shift(1) - 1.0).sqrt()
    bars = one_price(view, fund, "price").select(
        "event_date", *STAMPS, volatility=pl.when((pl.col("obs") >= FUND_BARS) & (daily > stats.MIN_SD)).then(daily)
    )
    rows = same_days([first_two(quotes(view, root), root), bars.drop_nulls("volatility")])
    rows = rows.with_columns(carry=maths.risk_adjusted_carry(F1, F2, YEARS, pl.col("volatility") * ANNUAL))
    smooth = pl.col("carry").ewm_mean(span=CARRY_SPAN, min_samples=CARRY_SPAN)
    return rows.select(*HEALTH, "session", "carry", carry_ewma_90=smooth)


def lease_features(view: pl.DataFrame, root: str) -> pl.DataFrame:
    """Implied lease of each day that has both a curve and the overnight rate of the business day on or before it."""
    rates = one_series(view, "sofr", SOFR)
    rows = meet(first_two(quotes(view, root), root), rates, last_business_day(pl.col("event_date")))
    rate = maths.continuous_rate(pl.col("sofr"))
    rows = rows.with_columns(lease=maths.implied_lease(F1, F2, YEARS, rate))
    median = pl.col("lease").rolling_median(MEDIAN, min_samples=MEDIAN)
    return rows.select(*STAMPS, "lease", obs=_counted(), lease_median_5=median)


def _counted() -> pl.Expr:
    return pl.int_range(1, pl.len() + 1, dtype=pl.Int32)


FEATURES = (
    Feature("curve", ("curve",), compute_curve),
    Feature("carry", ("curve", "prices"), compute_carry),
    Feature("lease", ("curve", "macro"), compute_lease),
)
