"""The league table: the order in which records stand beside each other, for every surface."""

from __future__ import annotations

import polars as pl

from qgtm_resources.tearsheets.results import NO_DATA

BY = "oos_sharpe"
LOW_IS_GOOD = frozenset({"max_drawdown", "pbo", "annual_turnover", "annual_cost", "trials", "trials_library"})


def league(evidence: pl.DataFrame, by: str = BY) -> pl.DataFrame:
    """The rows of EVIDENCE_TABLE with `rank` in front: best first by the column, text from A; without data at the end.

    Rows without the figure stand behind those with it and have no rank; a failing row keeps the rank of its figure.
    """
    falling = evidence.schema[by].is_numeric() and by not in LOW_IS_GOOD
    ordered = evidence.with_columns(_silent=pl.col("verdict") == NO_DATA).sort(
        "_silent", by, "strategy_id", descending=[False, falling, False], nulls_last=True
    )
    ranked = ordered["_silent"].not_() & ordered[by].is_not_null()
    rank = pl.when(ranked).then(ranked.cast(pl.Int64).cum_sum()).alias("rank")
    return ordered.select(rank, *evidence.columns)
