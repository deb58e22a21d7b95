"""Composition root: the only module that knows every layer. `live` and `research` are the two code locations."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import dagster as dg

from qgtm_assets.backtest import BACKTEST
from qgtm_assets.checks.drift import DRIFT_CHECKS
from qgtm_assets.checks.gates import GATE_CHECKS
from qgtm_assets.checks.quality import QUALITY_CHECKS
from qgtm_assets.features import FEATURE_ASSETS, feature_asset
from qgtm_assets.intraday import INTRADAY_ASSETS
from qgtm_assets.models import MODEL_ASSETS, meta_models_asset, models_asset
from qgtm_assets.ops import OPS
from qgtm_assets.options import OPTIONS
from qgtm_assets.parity import parity
from qgtm_assets.pit import NORMALISED, PIT, pit_asset
from qgtm_assets.raw import RAW, raw_asset
from qgtm_assets.signals import SIGNALS, signal_asset
from qgtm_assets.trading import TRADING_ASSETS
from qgtm_assets.verdicts import VERDICTS
from qgtm_core.features.registry import FEATURES
from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_core.strategies.registry import DAILY, SHADOW
from qgtm_jobs.jobs import LIVE_JOBS, RESEARCH_JOBS, history, models
from qgtm_jobs.progress import progress_logger
from qgtm_jobs.schedules import SCHEDULES
from qgtm_resources.clients.alpaca import LIVE_HOST, PAPER_URL
from qgtm_resources.io_manager import WarehouseIOManager
from qgtm_resources.resources import (
    BrokerResource,
    DeskResource,
    FeedResource,
    HotStateResource,
    LedgerResource,
    TrialsResource,
    WarehouseResource,
)
from qgtm_resources.settings import Settings, load_settings
from qgtm_sensors.alerts import failed_check_alert, run_failure_alert
from qgtm_sensors.intraday import intraday_sensor
from qgtm_sensors.killswitch import killswitch_sensor
from qgtm_sensors.rebalance import rebalance_sensor
from qgtm_sensors.reconciliation import reconciliation_sensor


def resources_of(settings: Settings, **overrides: Any) -> dict[str, Any]:
    """Resources of an installation; an override replaces one by name (tests pass SimBroker this way)."""
    folder, book = str(settings.warehouse_folder), settings.book_name
    feed = FeedResource(
        mode=settings.feed.value,
        archive=str(settings.archive or ""),
        seed=settings.seed,
        years=settings.years,
    )
    desk = DeskResource(
        book=book,
        feed_label=settings.feed.value,
        mode=settings.feed.value,
        as_of=str(settings.as_of or ""),
        start_cash_usd=str(settings.start_cash_usd),
        allow_short=settings.allow_short,
        annual_vol_target=settings.annual_vol_target,
        daily_loss_limit=settings.daily_loss_limit,
        max_drawdown=settings.max_drawdown,
    )
    return {
        "io_manager": WarehouseIOManager(folder=folder, book=book),
        "warehouse": WarehouseResource(folder=folder),
        "feed": feed,
        "desk": desk,
        "ledger": LedgerResource(url=dg.EnvVar("QGTM_POSTGRES_URL")),
        "trials": TrialsResource(url=dg.EnvVar("QGTM_POSTGRES_URL")),
        "hotstate": HotStateResource(url=dg.EnvVar("QGTM_REDIS_URL")),
        "broker": _broker(settings),
        **overrides,
    }


def _broker(settings: Settings) -> BrokerResource:
    """Alpaca when its keys are set, else the paper venue, where the account is the book's name."""
    if settings.live_trading and settings.live_key and settings.live_secret:
        key, secret, url = settings.live_key, settings.live_secret, f"https://{LIVE_HOST}"
    elif settings.alpaca_key and settings.alpaca_secret:
        key, secret, url = settings.alpaca_key, settings.alpaca_secret, PAPER_URL
    else:
        return BrokerResource(
            url=dg.EnvVar("QGTM_VENUE_URL"),
            key=settings.book_name,
            secret=dg.EnvVar("QGTM_VENUE_SECRET"),
            venue_cash_usd=str(settings.start_cash_usd),
        )
    return BrokerResource(
        url=url, key=key.get_secret_value(), secret=secret.get_secret_value(), live=settings.live_trading
    )


def market_history(settings: Settings) -> dg.Definitions:
    """Raw to signals without check results, for long ranges in one run; the assets still refuse bad data."""
    assets = [
        *(raw_asset(table, checked=False) for table in RAW_TABLES.values()),
        *(pit_asset(table, checked=False) for table in NORMALISED),
        models_asset(checked=False),
        meta_models_asset(checked=False),
        *(feature_asset(feature, checked=False) for feature in FEATURES.values()),
        *(signal_asset(strategy, checked=False) for strategy in (*DAILY.values(), *SHADOW.values())),
    ]
    return dg.Definitions(
        assets=assets,
        jobs=[history, models],
        resources=_inert(resources_of(settings)),
        loggers={"progress": progress_logger},
    )


def _inert(resources: dict[str, Any]) -> dict[str, Any]:
    """What cannot reach a broker or a ledger."""
    return {name: resources[name] for name in ("io_manager", "warehouse", "feed", "desk")}


def build_defs(settings: Settings, **overrides: Any) -> dict[str, dg.Definitions]:
    """Both code locations. What research may not do is not registered there: no broker, no orders, no sensors."""
    resources = resources_of(settings, **overrides)
    live = dg.Definitions(
        assets=list[Any](
            [
                *RAW,
                *PIT,
                *MODEL_ASSETS,
                *FEATURE_ASSETS,
                *SIGNALS,
                *TRADING_ASSETS,
                *INTRADAY_ASSETS,
                *OPTIONS,
                *OPS,
                parity,
            ]
        ),
        asset_checks=[*QUALITY_CHECKS, *DRIFT_CHECKS, *GATE_CHECKS],
        jobs=LIVE_JOBS,
        schedules=SCHEDULES,
        sensors=[
            rebalance_sensor,
            intraday_sensor,
            reconciliation_sensor,
            killswitch_sensor,
            run_failure_alert,
            failed_check_alert,
        ],
        resources=resources,
        loggers={"console": dg.colored_console_logger, "progress": progress_logger},
    )
    research = dg.Definitions(
        assets=[*BACKTEST, *VERDICTS],
        jobs=RESEARCH_JOBS,
        resources={**_inert(resources), "trials": resources["trials"]},
        loggers={"console": dg.colored_console_logger, "progress": progress_logger},
    )
    return {"live": live, "research": research}


@lru_cache(maxsize=1)
def _locations() -> dict[str, dg.Definitions]:
    return build_defs(load_settings())


def __getattr__(name: str) -> dg.Definitions:
    """`live` and `research`, built when a code server asks for one: commands build their own."""
    if name in {"live", "research"}:
        return _locations()[name]
    raise AttributeError(name)
