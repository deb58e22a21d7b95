"""Raw tables of physical metal: auctions, holdings, stocks, flows and costs."""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.raw.common import DAY, F, S, raw_table, text, usd
from qgtm_core.schemas.spec import Column, Table

TABLES: tuple[Table, ...] = (
    raw_table(
        "lbma_fix",
        ("metal", "fix", "event_date"),
        {
            "metal": text(),
            "fix": Column(S, "AM, PM or DAY", nullable=False),
            "event_date": DAY,
            "usd_per_oz": usd(nullable=False),
        },
        "London auction prices",
        "00:05 London on the next day",
    ),
    raw_table(
        "etf_holdings",
        ("symbol", "event_date"),
        {
            "symbol": text(),
            "event_date": DAY,
            "nav_usd": usd(),
            "premium_pct": Column(F, "percent", low=-20, high=20),
            "oz_per_share": Column(F, "troy oz", low=0),
            "ounces": Column(F, "troy oz", low=0),
            "tonnes": Column(F, "tonnes", low=0),
            "net_assets_usd": Column(F, "USD", low=0),
            "shares_outstanding": Column(F, "shares", low=0),
        },
        "Metal held by exchange-traded trusts",
        "d+1 09:00 ET",
    ),
    raw_table(
        "comex_stocks",
        ("metal", "event_date", "depository", "category"),
        {
            "metal": text(),
            "event_date": DAY,
            "report_date": Column(pl.Date, nullable=False),
            "depository": text(),
            "category": text(),
            "received_oz": Column(F, "troy oz"),
            "withdrawn_oz": Column(F, "troy oz"),
            "total_oz": Column(F, "troy oz", nullable=False, low=0),
        },
        "COMEX warehouse stocks by depository; event_date is the activity date",
        "report date 18:00 ET",
    ),
    raw_table(
        "cb_gold_reserves",
        ("country", "event_date"),
        {
            "country": text(),
            "event_date": DAY,
            "tonnes": Column(F, "tonnes", nullable=False, low=0),
        },
        "Official gold reserves at quarter end",
        "15th of the second month after, 12:00 UTC",
    ),
    raw_table(
        "fx",
        ("pair", "event_date"),
        {"pair": text(), "event_date": DAY, "rate": Column(F, "units of the second currency", nullable=False, low=0)},
        "Exchange rates, one unit of the first currency in the second (USDCNY)",
        "16:15 ET on the day",
    ),
    raw_table(
        "sge_benchmark",
        ("event_date",),
        {
            "event_date": DAY,
            "am_cny_per_g": Column(F, "CNY per gram", low=0),
            "pm_cny_per_g": Column(F, "CNY per gram", low=0),
        },
        "Shanghai gold benchmark, morning and afternoon",
        "afternoon fix 14:15 Shanghai + 60 min",
    ),
    raw_table(
        "sge_withdrawals",
        ("event_date",),
        {"event_date": DAY, "tonnes": Column(F, "tonnes", nullable=False, low=0)},
        "Monthly load-out of gold from the Shanghai vaults; event_date is the month's first day",
        "15th of the next month 18:00 Shanghai",
    ),
    raw_table(
        "us_mint",
        ("event_date",),
        {
            "event_date": DAY,
            "gold_oz": Column(F, "troy oz", nullable=False, low=0),
            "silver_oz": Column(F, "troy oz", low=0),
        },
        "Monthly bullion coin sales of the US Mint; event_date is the month's first day",
        "5th business day of the next month 17:00 ET",
    ),
    raw_table(
        "cb_gold_flows",
        ("event_date",),
        {"event_date": DAY, "net_tonnes": Column(F, "tonnes", nullable=False, low=-5000, high=5000)},
        "Monthly net purchases of gold by central banks, world; event_date is the month's first day",
        "15th of the second month after, 12:00 UTC",
    ),
    raw_table(
        "mining_costs",
        ("symbol", "event_date"),
        {
            "symbol": text(),
            "event_date": DAY,
            "aisc_usd_per_oz": Column(F, "USD per oz", nullable=False, low=0),
            "production_koz": Column(F, "thousand troy oz", nullable=False, low=0),
        },
        "All-in sustaining cost and production by issuer; event_date is the quarter's last day",
        "the filing's instant",
    ),
    raw_table(
        "fund_terms",
        ("symbol", "event_date"),
        {
            "symbol": text(),
            "event_date": DAY,
            "expense_ratio": Column(F, "decimal a year", nullable=False, low=0, high=0.1),
            "borrow_rate": Column(F, "decimal a year", low=0, high=2),
            "shortable": Column(pl.Boolean, note="can be borrowed at the broker", nullable=False),
        },
        "Cost and borrow terms of funds, from their effective day",
        "effective day 09:00 ET",
    ),
    raw_table(
        "licensed_fix",
        ("metal", "fix", "event_date"),
        {
            "metal": text(),
            "fix": Column(S, "AM or PM", nullable=False),
            "event_date": DAY,
            "usd_per_oz": usd(nullable=False),
        },
        "London auction prices in real time; needs a licence, so no feed of QGTM delivers it by default",
        "the print + 5 s",
    ),
)
