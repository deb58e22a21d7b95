"""features/curve, carry and lease: the first two contracts of each metal, what rolling earns, what lending would.

F1 is the nearest contract of the metal's liquid cycle quoted that day with at least 10 calendar days to first notice,
F2 the next month of the cycle; a day without both is no observation. Only dated contracts are read. Where several
vendors quote a day, the curve of that day is that of the first by name.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core import calendar
from qgtm_core.features.business_days import first_notice, last_business_day
from qgtm_core.features.common import HEALTH, STAMPS, usable_prices
from qgtm_core.features.joint import meet, observe_joint, one_series
from qgtm_core.features.known import macro_rows, price_rows
from qgtm_core.features.spec import Feature
from qgtm_core.maths import curve as maths
from qgtm_core.maths import statistics as stats
from qgtm_core.schemas.features.curve import CYCLES, METALS

DAYS_TO_NOTICE = 10
YEAR, TWO_YEARS = 252, 504  # observations
INVERTED = 3  # sessions in a row
CARRY_SPAN = 90  # Carver (2015)
FUND_BARS = 60  # before the fund's volatility counts
MEDIAN = 5
SOFR = "SOFR"
ANNUAL = stats.TRADING_DAYS**0.5
F1, F2, YEARS = pl.col("f1"), pl.col("f2"), pl.col("years_between")
MARKETS = {root: market for market, (root, _) in METALS.items()}
FUNDS = {fund: root for root, fund in METALS.values()}
ROOTS = pl.Enum(list(CYCLES))
_DAYS, _MONTHS = 1 << 20, 1 << 16  # more than days since 1970 and delivery months since year 0
# root and delivery month (1 to 12) in one number -> months to the next delivery of the cycle
STEPS = {
    place * _MONTHS + month: (cycle[(turn + 1) % len(cycle)] - month) % 12
    for place, cycle in enumerate(CYCLES.values())
    for turn, month in enumerate(cycle)
}


def compute_curve(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, market) from the first day with two contracts on."""
    return observe_joint([_dated(pit)], sessions, curve_features, group=("market",))


def compute_carry(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, market) from the first day with two contracts and a bar of the fund on."""
    return observe_joint([_dated(pit), price_rows(pit, *FUNDS)], sessions, carry_features, group=("market",))


def compute_lease(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, market) from the first day with two contracts and an overnight rate on."""
    return observe_joint([_dated(pit), macro_rows(pit, SOFR)], sessions, lease_features, group=("market",))


def _dated(pit: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    return pit["curve"].filter(pl.col("expiry_month").is_not_null() & pl.col("root").is_in(list(CYCLES)))


def quotes(view: pl.DataFrame) -> pl.DataFrame:
    """Usable settlements of the cycles' contracts by root, day and delivery month; one vendor a day.

    Whole numbers sort and join faster than names: `place` is root and day, `issue` is root and delivery month and
    `following` the next issue of the cycle.
    """
    close, month = pl.col("close"), pl.col("expiry_month")
    root = pl.col("root").cast(ROOTS)
    code = root.to_physical().cast(pl.Int64)
    rows = view.filter(pl.col("root").is_not_null() & close.is_finite() & (close > 0.0)).select(
        root,
        "series",
        "event_date",
        *STAMPS,
        "close",
        place=code * _DAYS + pl.col("event_date").to_physical(),
        issue=code * _MONTHS + month.dt.year().cast(pl.Int64) * 12 + month.dt.month() - 1,
    )
    rows = rows.join(_issues(rows), on="issue", how="inner", maintain_order="left")
    if rows["series"].n_unique() > 1:
        rows = rows.filter(pl.col("series") == pl.col("series").min().over("place"))
    return rows.sort(_contract(pl.col("place"), pl.col("issue")), maintain_order=True)


def _issues(rows: pl.DataFrame) -> pl.DataFrame:
    """Issues of the cycles: `issue, following`, first day of `delivery` and first `notice`."""
    issue = pl.col("issue")
    month = issue % _MONTHS % 12 + 1
    step = (issue // _MONTHS * _MONTHS + month).replace_strict(STEPS, default=None, return_dtype=pl.Int64)
    found = rows.select(issue.unique()).with_columns(
        following=issue + step, delivery=pl.date(issue % _MONTHS // 12, month, 1)
    )
    return found.drop_nulls("following").with_columns(notice=first_notice(pl.col("delivery")))


def first_two(rows: pl.DataFrame) -> pl.DataFrame:
    """One row a root and day with both contracts: stamps of the later, issues and settlements of both."""
    left = (pl.col("notice") - pl.col("event_date")).dt.total_days()
    quoted = rows.filter(left >= DAYS_TO_NOTICE)
    place = quoted["place"]
    nearest = (place != place.shift(1)).fill_null(value=True)
    followed = (place == place.shift(-1)) & (quoted["following"] == quoted["issue"].shift(-1))
    index = (nearest & followed.fill_null(value=False)).arg_true()
    first, second = quoted[index], quoted[index + 1]
    days = (second["delivery"] - first["delivery"]).dt.total_days()
    return first.select(
        "root",
        "series",
        "event_date",
        "place",
        *(pl.max_horizontal(name, second[name]) for name in STAMPS),
        issue_1="issue",
        issue_2=second["issue"],
        f1="close",
        f2=second["close"],
        years_between=days * (1.0 / maths.DAYS_A_YEAR),
    )


def held_returns(pairs: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Add `r1, r2`: log returns since the day before of the very contracts that are first and second today.

    Both roll at the close of the day before the calendar names the next contract, so no return spans two contracts.
    Null where either was not quoted by the same vendor the day before.
    """
    before = rows.select("series", "close", contract=_contract(pl.col("place"), pl.col("issue")))
    place = pl.col("place").shift(1).over("root")
    for n in ("1", "2"):
        pairs = pairs.with_columns(contract=_contract(place, pl.col(f"issue_{n}"))).join(
            before.rename({"series": f"series_{n}", "close": f"close_{n}"}),
            on="contract",
            how="left",
            maintain_order="left",
        )
    same = (pl.col("series") == pl.col("series_1")) & (pl.col("series") == pl.col("series_2"))
    return pairs.with_columns(
        pl.when(same).then((pl.col(f"f{n}") / pl.col(f"close_{n}")).log()).alias(f"r{n}") for n in ("1", "2")
    )


def _contract(place: pl.Expr, issue: pl.Expr) -> pl.Expr:
    """One whole number for root, day and delivery month."""
    return place * _MONTHS + issue % _MONTHS


def curve_features(view: pl.DataFrame) -> pl.DataFrame:
    """Features of each day from the days up to it."""
    rows = quotes(view)
    pairs = held_returns(first_two(rows), rows)
    need = stats.filled(YEAR)
    year = [(pl.col(f"r{n}").rolling_sum(YEAR, min_samples=need).exp() - 1.0).over("root") for n in (1, 2)]
    pairs = pairs.with_columns(nearby_return_252=year[0], next_return_252=year[1])
    momentum = pl.col("nearby_return_252") - pl.col("next_return_252")
    open_days = calendar.schedule()["session"].search_sorted(pairs["event_date"], side="right").cast(pl.Int64)
    pairs = pairs.with_columns(open_days.alias("open_days"))
    apart = pl.col("open_days") - pl.col("open_days").shift(INVERTED - 1).over("root")
    return pairs.select(
        *STAMPS,
        *("f1", "f2", "years_between", "nearby_return_252", "next_return_252"),
        market=_market(),
        obs=_counted(),
        roll_yield=maths.roll_yield(F1, F2, YEARS),
        basis=maths.basis(F1, F2),
        front_premium_min_3=pl.when(apart < INVERTED).then((F1 / F2 - 1.0).rolling_min(INVERTED).over("root")),
        basis_momentum_252=momentum,
        basis_momentum_sd_504=stats.rolling_sd(momentum, TWO_YEARS).over("root"),
    )


def carry_features(view: pl.DataFrame) -> pl.DataFrame:
    """Carry of each day that has both a curve and a bar of the fund whose volatility is known."""
    bars = usable_prices(view.filter(pl.col("symbol").is_not_null()))
    price = pl.col("adj_close")
    daily = stats.ewma_variance(price / price.shift(1) - 1.0).sqrt().over("symbol")
    bars = bars.select(
        "event_date",
        *STAMPS,
        root=pl.col("symbol").replace_strict(FUNDS, return_dtype=pl.String).cast(ROOTS),
        volatility=pl.when((pl.col("obs") >= FUND_BARS) & (daily > stats.MIN_SD)).then(daily * ANNUAL),
    )
    rows = meet(first_two(quotes(view)), bars.drop_nulls("volatility"), by=("root",))
    rows = rows.with_columns(
        obs=_counted(), market=_market(), carry=maths.risk_adjusted_carry(F1, F2, YEARS, pl.col("volatility"))
    )
    smooth = pl.col("carry").ewm_mean(span=CARRY_SPAN, min_samples=CARRY_SPAN).over("market")
    return rows.select("session", "market", *HEALTH, "carry", carry_ewma_90=smooth)


def lease_features(view: pl.DataFrame) -> pl.DataFrame:
    """Implied lease of each day that has both a curve and the overnight rate of the business day on or before it."""
    rates = one_series(view, "sofr", SOFR)
    pairs = first_two(quotes(view)).with_columns(rate_day=last_business_day(pl.col("event_date")))
    rows = meet(pairs, rates, "rate_day").with_columns(obs=_counted(), market=_market())
    rate = maths.continuous_rate(pl.col("sofr"))
    rows = rows.with_columns(lease=maths.implied_lease(F1, F2, YEARS, rate))
    median = pl.col("lease").rolling_median(MEDIAN, min_samples=MEDIAN).over("market")
    return rows.select("session", "market", *HEALTH, "lease", lease_median_5=median)


def _counted() -> pl.Expr:
    return pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("root")


def _market() -> pl.Expr:
    return pl.col("root").cast(pl.String).replace_strict(MARKETS, return_dtype=pl.String)


FEATURES = (
    Feature("curve", ("curve",), compute_curve),
    Feature("carry", ("curve", "prices"), compute_carry),
    Feature("lease", ("curve", "macro"), compute_lease),
)
