"""Parameter sweeps: each policy of the portfolio is a run of its own, a strategy's grid is one run of its evidence."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from qgtm_core.backtest.evidence.judgement import ANNUAL
from qgtm_core.backtest.metrics import sharpe_standard_error
from qgtm_core.errors import ConfigError
from qgtm_core.maths.validation import expected_best_sharpe
from qgtm_core.schemas.results import PORTFOLIO
from qgtm_jobs.backtests import research, tested_range
from qgtm_jobs.progress import Progress
from qgtm_jobs.render import table
from qgtm_jobs.workshop import workshop
from qgtm_resources.clients.ledger_trials import TrialLedger
from qgtm_resources.code_version import code_version
from qgtm_resources.pictures import HYPOTHETICAL, SOURCES
from qgtm_resources.settings import Settings

if TYPE_CHECKING:
    from rich.console import RenderableType

POLICY = ("annual_vol_target", "allow_short", "simulated_reset_sessions")
MOST_RUNS, MOST_SHOWN = 64, 512


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What every parameter set did over these sessions, by the trial ledger; Sharpe ratios are annual, after costs.

    `luck` is what the best of all sets ever tried would show on average if none had skill; null with too few of them.
    """

    about: str
    source: str
    first: dt.date
    last: dt.date
    rows: pl.DataFrame
    tried: int  # ever, whatever the sessions
    luck: float | None
    seconds: float
    ok: bool = True

    def document(self) -> Mapping[str, Any]:
        """Everything, as plain values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | {"hypothetical": HYPOTHETICAL}

    def shown(self) -> Iterable[RenderableType]:
        """One row a parameter set, best first."""
        yield f"\n[bold]Sweep of {self.about}, {self.first} … {self.last}[/bold] · {self.source} {HYPOTHETICAL}\n"
        two = dict.fromkeys(("sharpe", "standard_error"), lambda value: f"{value:+.2f}")
        yield table(f"{self.rows.height} parameter sets, {self.seconds:.0f} s", self.rows, two, limit=MOST_SHOWN)
        luck = "" if self.luck is None else f"; without any skill the best of them would show {self.luck:+.2f}"
        yield (
            f"{self.tried} parameter sets of it were ever tried{luck}. The best of a sweep is a choice, not a result: "
            "`qgtm evidence` judges choices on sessions they have not seen.\n"
        )


def points_of(texts: Sequence[str]) -> dict[str, list[float | bool]]:
    """Read `name=value,value` options; raises ConfigError naming what is wrong."""
    found: dict[str, list[float | bool]] = {}
    for text in texts:
        name, sign, values = text.partition("=")
        if not sign or not values or name in found:
            raise ConfigError(f"--set {text!r}: write name=value,value once for each name")
        found[name] = [_value(text, value.strip()) for value in values.split(",")]
    if not found:
        raise ConfigError("nothing to vary: give --set name=value,value")
    return found


def _value(text: str, value: str) -> float | bool:
    if value.lower() in {"true", "false"}:
        return value.lower() == "true"
    try:
        number = float(value)
    except ValueError:
        raise ConfigError(f"--set {text!r}: {value!r} is neither a number nor true or false") from None
    return int(number) if number.is_integer() and "." not in value else number


def policies_of(values: Mapping[str, Sequence[float | bool]]) -> list[dict[str, float | bool]]:
    """Every combination of policy fields, as run config; raises ConfigError on another name or too many runs."""
    unknown = [name for name in values if name not in POLICY]
    if unknown:
        raise ConfigError(f"--set {', '.join(unknown)}: the portfolio's policy can vary {', '.join(POLICY)}")
    runs = math.prod(len(each) for each in values.values())
    if runs > MOST_RUNS:
        raise ConfigError(f"{runs} runs are too many for one sweep; at most {MOST_RUNS}")
    return [dict(zip(values, point, strict=True)) for point in itertools.product(*values.values())]


def sweep(
    settings: Settings,
    strategy_id: str | None,
    values: Mapping[str, Sequence[float | bool]],
    first: dt.date | None,
    last: dt.date | None,
    progress: Progress,
) -> SweepReport:
    """Vary the portfolio's policy, or one strategy's parameters. Every set counts in the trial ledger from then on."""
    begun = time.perf_counter()
    if strategy_id is None:
        runs: list[dict[str, Any]] = policies_of(values)
        only: Sequence[str] = ("portfolio", "fills")
    else:
        runs = [{"strategies": [strategy_id], "grids": {strategy_id: dict(values)}}]
        only = ("out_of_sample", "validation", "evidence")
    with workshop(settings, progress, venue=False) as shop:
        begin, end = tested_range(shop, first, last)
        for n, config in enumerate(runs, start=1):
            progress("sweep", n, len(runs))
            research(shop, begin, end, only, progress, config)
        ledger = TrialLedger(shop.services.postgres_url)
        key = strategy_id or PORTFOLIO
        rows, tried = ledger.over(key, begin, end, code_version()), ledger.counts().get(key, 0)
    sharpes = rows["sharpe"].drop_nulls().unique().to_numpy()
    luck = expected_best_sharpe(tried, float(np.var(sharpes, ddof=1))) * ANNUAL if len(sharpes) > 1 else None
    seconds = round(time.perf_counter() - begun, 1)
    about, source = strategy_id or "the portfolio's policy", SOURCES.get(settings.feed.value, "")
    return SweepReport(about, source, begin, end, _table(rows), tried, luck, seconds)


def _table(rows: pl.DataFrame) -> pl.DataFrame:
    """Records of the ledger for people, best first."""
    known = rows.sort("sharpe", descending=True, nulls_last=True).with_columns(pl.col("sharpe") * ANNUAL)
    error = [
        None if sharpe is None else sharpe_standard_error(sharpe, periods)
        for sharpe, periods in known.select("sharpe", "periods").iter_rows()
    ]
    return known.select(
        pl.when(pl.col("changed") == "").then(pl.lit("as registered")).otherwise("changed").alias("parameters"),
        "sharpe",
        pl.Series("standard_error", error, dtype=pl.Float64),
        sessions="periods",
        fault="fault",
    )
