"""`pit/models` and `pit/meta_models`: fits of the learning strategies, walk-forward. The fitting itself is pure core.

They are fitted by their own job: a fit takes a second or two, and only a few sessions a year have one.
"""

import datetime as dt
import logging
from collections.abc import Iterator

import dagster as dg
import polars as pl

from qgtm_assets.delivery import answered, deliver, stored_asset
from qgtm_assets.partitions import SESSIONS, session_span
from qgtm_core import calendar
from qgtm_core.models import meta
from qgtm_core.models.walk_forward import TRAINERS, Progress, fit_missing, fit_missing_meta
from qgtm_core.schemas.pit import PIT_TABLES
from qgtm_core.schemas.spec import Table
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.strategies.spec import consumed
from qgtm_resources.resources import WarehouseResource

MODELS, META_MODELS = PIT_TABLES["models"], PIT_TABLES["meta_models"]
SOURCES = sorted({name for trainer in TRAINERS for name in trainer.sources})
META = REGISTRY[meta.SPEC.model_id]
PRIMARIES = list(consumed(META, REGISTRY))


def models_asset(*, checked: bool = True) -> dg.AssetsDefinition:
    """Fits of every model that needs no signals; those held are kept, those missing up to the last session are made."""

    @dg.asset(
        **stored_asset(MODELS, kinds={"polars", "lightgbm"}, checked=checked),
        deps=[["pit", source] for source in SOURCES],
        partitions_def=SESSIONS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool="duckdb_market",
    )
    def models(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.Output[pl.DataFrame] | dg.AssetCheckResult]:
        first, last = session_span(context)
        held = warehouse.read("pit", "models", None, last)
        pit = warehouse.read_many("pit", SOURCES, None, last)
        fresh: list[pl.DataFrame] = []
        for trainer in TRAINERS:
            done, since = _done(held, trainer.spec.model_id)
            fresh += fit_missing(trainer, pit, since, last, done, _teller(context))
        yield from answered(_told(MODELS, held, fresh, first), checked=checked)

    return models


def meta_models_asset(*, checked: bool = True) -> dg.AssetsDefinition:
    """Fits of the meta-labeller, from the stored signals of all primaries."""

    @dg.asset(
        **stored_asset(META_MODELS, kinds={"polars", "lightgbm"}, checked=checked),
        deps=[["pit", "prices"]]
        + [["features", table] for table in meta.STATE]
        + [["signals", name] for name in PRIMARIES],
        partitions_def=SESSIONS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool="duckdb_market",
    )
    def meta_models(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.Output[pl.DataFrame] | dg.AssetCheckResult]:
        first, last = session_span(context)
        held = warehouse.read("pit", "meta_models", None, last)
        signals = warehouse.read_many("signals", PRIMARIES, None, last)
        features = warehouse.read_many("features", list(meta.STATE), None, last)
        wide = meta.wide_frame(signals, features, META.symbols)
        prices = warehouse.read("pit", "prices", None, last)
        done, since = _done(held, meta.SPEC.model_id)
        fresh = list(fit_missing_meta(wide, prices, since, last, done, _teller(context), meta.SPEC))
        yield from answered(_told(META_MODELS, held, fresh, first), checked=checked)

    return meta_models


def _done(held: pl.DataFrame, model_id: str) -> tuple[set[dt.date], dt.date]:
    """Sessions of the fits held, and the first session whose fits may be missing: the one after the newest."""
    own = held.filter(pl.col("model_id") == model_id)
    newest = own["session"].max()
    since = calendar.next_session(newest) if isinstance(newest, dt.date) else calendar.FIRST_SESSION
    return set(own["event_date"].to_list()), since


def _teller(context: dg.AssetExecutionContext) -> Progress:
    """Log each fit; a decrease of the likelihood by rounding is no news."""
    logging.getLogger("hmmlearn.base").setLevel(logging.ERROR)
    return lambda text, done, total: context.log.info(f"{text}: {done} of {total} fits")


def _told(
    table: Table, held: pl.DataFrame, fresh: list[pl.DataFrame], first: dt.date
) -> Iterator[dg.Output[pl.DataFrame] | dg.AssetCheckResult]:
    """Hand over the new fits with the held ones of the sessions that are written anew."""
    made = pl.concat([table.empty(), *fresh])
    oldest = made["session"].min()
    start = min(first, oldest) if isinstance(oldest, dt.date) else first
    kept = held.filter(pl.col("session") >= start)
    yield from deliver(table, pl.concat([kept, made]).sort("session", *table.key), {"new_fits": made.height})


MODEL_ASSETS = [models_asset(), meta_models_asset()]
