"""Jobs: verbs over selections of the graph. Every one runs in-process; nothing here decides."""

from __future__ import annotations

import dagster as dg

from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_core.strategies.registry import DAILY, INTRADAY, SHADOW

_IN_PROCESS = dg.in_process_executor
_QUOTES = dg.AssetSelection.assets(["raw", "decision_quotes"])
_FITS = dg.AssetSelection.assets(["pit", "models"], ["pit", "meta_models"])
_MARKET = dg.AssetSelection.groups("raw", "pit", "features") - _FITS
_DAILY = dg.AssetSelection.assets(*(["signals", name] for name in DAILY))
_SHADOW = dg.AssetSelection.assets(*(["signals", name] for name in SHADOW))
_BARS = dg.AssetSelection.assets(["raw", "bars_intraday"], ["pit", "bars_intraday"])
_INTRADAY = dg.AssetSelection.assets(*(["signals", name] for name in INTRADAY))
# no retries of any of the three mechanisms: a rebalance that failed is looked at by a person
_ORDERS = {"dagster/priority": "10", "qgtm/orders": "yes", "dagster/max_retries": "0"}

ingest = dg.define_asset_job(
    "ingest",
    selection=_MARKET - _QUOTES,
    executor_def=_IN_PROCESS,
    tags={"dagster/priority": "0"},
    description="Raw, PIT and feature tables of a session, with their checks",
)
rebalance = dg.define_asset_job(
    "rebalance",
    selection=_QUOTES
    | _DAILY
    | dg.AssetSelection.groups("portfolio", "risk", "execution", "tca")
    | dg.AssetSelection.assets(["ops", "audit_head"]),
    executor_def=_IN_PROCESS,
    tags=_ORDERS,
    description="From quotes and signals to fills and transaction cost, for the current session",
)
shadow = dg.define_asset_job(
    "shadow",
    selection=_SHADOW | dg.AssetSelection.groups("options"),
    executor_def=_IN_PROCESS,
    tags={"dagster/priority": "-1"},
    description="Signals of research and options strategies and options orders, for the record; nothing is traded",
)
intraday = dg.define_asset_job(
    "intraday",
    selection=_BARS | _INTRADAY | dg.AssetSelection.groups("intraday"),
    executor_def=_IN_PROCESS,
    tags=_ORDERS,
    description="One tick of the intraday sleeve: bars, signals, netted target, orders (tag qgtm/decided_at)",
)
models = dg.define_asset_job(
    "models",
    selection=_FITS | dg.AssetSelection.assets(["features", "regime"], ["features", "learning"], ["features", "meta"]),
    executor_def=_IN_PROCESS,
    tags={"dagster/priority": "-5"},
    description="Fits that are due (quarterly, four-weekly) and the features that use them; run it once a week",
)
flatten = dg.define_asset_job(
    "flatten",
    selection=dg.AssetSelection.assets(["ops", "flatten"]),
    executor_def=_IN_PROCESS,
    tags={"dagster/priority": "100", "dagster/max_retries": "0"},
    description="Cancel all orders and close all positions",
)
parity = dg.define_asset_job(
    "parity",
    selection=dg.AssetSelection.assets(["ops", "parity"]),
    executor_def=_IN_PROCESS,
    tags={"dagster/priority": "-1"},
    description="A past session held against the same code run again; every difference with its cause",
)
backtest = dg.define_asset_job(
    "backtest",
    selection=dg.AssetSelection.groups("backtest"),
    executor_def=_IN_PROCESS,
    tags={"dagster/priority": "-5"},
    description="Replay, research and evidence over a range of sessions, in one run",
)
verdicts = dg.define_asset_job(
    "verdicts",
    selection=dg.AssetSelection.groups("evidence"),
    executor_def=_IN_PROCESS,
    tags={"dagster/priority": "-5"},
    description="Which strategies pass the gates, by the newest evidence",
)
history = dg.define_asset_job(
    "history",
    selection=_MARKET | _DAILY | _SHADOW,
    executor_def=_IN_PROCESS,
    tags={"dagster/priority": "-5"},
    description="Backfill of raw, PIT, features and signals over a range, in one run",
)
FEED_JOBS = {
    name: dg.define_asset_job(
        f"ingest_{name}",
        selection=dg.AssetSelection.assets(["raw", name]),
        executor_def=_IN_PROCESS,
        tags={"dagster/priority": "0"},
        description=f"raw/{name}: {table.publication}",
    )
    for name, table in RAW_TABLES.items()
}
LIVE_JOBS = [
    *(ingest, rebalance, intraday, shadow, models, flatten, parity, history),
    *FEED_JOBS.values(),
]
RESEARCH_JOBS = [backtest, verdicts]
