"""`qgtm trials` and `qgtm trials ID`: which parameter sets were ever evaluated, by which code, and how they did."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from qgtm_core.errors import ConfigError
from qgtm_jobs.cli_support import HomeOption, JsonOption, emit, open_ledger, require_home, settings_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from qgtm_resources.clients.ledger_trials import TrialLedger

SHOWN = 1_000  # rows; a grid has at most 512


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(trials)


def trials(
    strategy_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One strategy, or `portfolio`: each of its parameter sets.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how many parameter sets of each strategy were ever evaluated, the best and the registered Sharpe ratio.

    Sharpe ratios are annual, after costs, over the whole sample; the more sets were tried, the less the best means.
    """
    from qgtm_core.schemas.results import PORTFOLIO
    from qgtm_core.strategies.registry import REGISTRY
    from qgtm_jobs import render
    from qgtm_resources.clients.ledger_trials import TrialLedger

    known = (*REGISTRY, PORTFOLIO)
    if strategy_id is not None and strategy_id not in known:
        near = ", ".join(_near(strategy_id, known)) or "see `qgtm strategies`"
        raise ConfigError(f"there is no strategy {strategy_id!r}; near it: {near}")
    settings = settings_from(home)
    require_home(settings)
    with open_ledger(settings) as (_, running), TrialLedger(running.postgres_url) as ledger:
        frame = _summary(ledger) if strategy_id is None else _each(ledger, strategy_id)
        counts, digest = ledger.counts(), ledger.digest()
    number = sum(counts.values()) if strategy_id is None else counts.get(strategy_id, 0)
    of = f"{len(counts)} strategies" if strategy_id is None else strategy_id
    title = f"{number} parameter sets of {of} were ever evaluated; trial ledger {digest}"
    document = {"trials": counts, "digest": digest, "strategies" if strategy_id is None else "sets": frame}
    formats = dict.fromkeys(("best", "registered", "sharpe"), "{:+.2f}".format)
    emit(document, render.table(title, frame, formats, limit=SHOWN), as_json=as_json)


def _summary(ledger: TrialLedger) -> pl.DataFrame:
    """One row a strategy."""
    import polars as pl

    from qgtm_core.backtest.evidence.trial_record import summary

    versions = {key: ", ".join(each) for key, each in ledger.versions().items()}
    frame = _annual(summary(ledger.best_known()), ("best", "registered"))
    code = pl.col("strategy_id").replace_strict(versions, return_dtype=pl.String, default=None)
    return frame.with_columns(_said("best_changed"), code_versions=code)


def _each(ledger: TrialLedger, strategy_id: str) -> pl.DataFrame:
    """One row a parameter set, the best first, faults last."""
    frame = _annual(ledger.best_known(strategy_id), ("sharpe",)).sort("sharpe", descending=True, nulls_last=True)
    return frame.drop("strategy_id", "data_hash").with_columns(_said("changed"))


def _said(column: str) -> pl.Expr:
    """How a set differs, the registered one in words."""
    import polars as pl

    return pl.col(column).replace("", "as registered")


def _annual(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Sharpe ratios of a session as those of a year, as if returns were independent."""
    import polars as pl

    from qgtm_core.backtest.metrics import SESSIONS_A_YEAR

    return frame.with_columns(pl.col(name) * math.sqrt(SESSIONS_A_YEAR) for name in columns)


def _near(text: str, known: Sequence[str]) -> list[str]:
    import difflib

    return difflib.get_close_matches(text, known, n=3, cutoff=0.4)
