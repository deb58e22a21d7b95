"""What a comparison of histories cannot see: publication, the origin of each PIT row, fits, returns and fills.

Each check returns how many rows it looked at and the leaks it found, the first of each kind and table.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl

from qgtm_core import calendar, publication
from qgtm_core.backtest.lookahead.differences import differences
from qgtm_core.backtest.lookahead.histories import spoilt
from qgtm_core.backtest.lookahead.leak import Leak
from qgtm_core.backtest.lookahead.pipeline import Case, Pipeline
from qgtm_core.features.common import PRICE_KEY
from qgtm_core.features.registry import FEATURES
from qgtm_core.models.ensemble import SPEC as ENSEMBLE
from qgtm_core.models.ensemble import SYMBOLS, outcomes
from qgtm_core.models.spec import refit_sessions
from qgtm_core.pit import as_of
from qgtm_core.schemas.pit import PIT_SOURCES, PIT_TABLES

Pit = Mapping[str, pl.DataFrame]
Found = tuple[int, list[Leak]]
FIT_WINDOW = 140  # days that hold at least one refit of every model

Rule = Callable[[pl.Expr], pl.Expr]
# Raw tables whose rule is a lower bound for every row, by the day the row is about. Others carry instants of their own.
RULES: Mapping[str, Rule] = {
    "bars_daily": publication.daily_bar,
    "cot": publication.cot,
    "futures": publication.futures_settlement,
    "etf_holdings": publication.next_day_open,
    "comex_stocks": lambda day: publication.comex_stocks(publication.comex_report_day(day)),
    "comex_volume_oi": publication.next_day_open,
    "lbma_fix": publication.lbma,
    "fx": publication.fx_close,
    "sge_benchmark": publication.shanghai_benchmark,
    "sge_withdrawals": publication.shanghai_withdrawals,
    "us_mint": publication.us_mint,
    "gpr_daily": publication.gpr_daily,
    "gpr_monthly": publication.gpr_monthly,
    "cb_gold_flows": publication.cb_gold,
    "eia_weekly": publication.petroleum,
}
SERIES_RULES: Mapping[Rule, tuple[str, ...]] = {
    publication.h15: ("DFII10", "DGS10", "DGS2", "DGS30", "DGS3MO", "DGS5", "T10Y2Y", "T10YIE", "T5YIE", "T5YIFR"),
    publication.h10: ("DTWEXBGS",),
    publication.next_morning: ("VIXCLS", "VXVCLS", "GVZCLS"),
    publication.overnight_rate: ("SOFR",),
}


def published(raw: Pit) -> Found:
    """No raw row may be known before its publication rule allows, nor belong to a session decided before that."""
    rows, leaks = 0, list[Leak]()
    decided = calendar.schedule().select("session", _bound="decided_at")
    for name, frame in raw.items():
        rows += frame.height
        told = frame.join(decided, on="session", how="left", maintain_order="left")
        late = told.filter(pl.col("available_at") > pl.col("_bound"))
        kinds = {"its session is decided before it is known": late, "before its publication": _early(name, frame)}
        for kind, broken in kinds.items():
            first = broken.sort("session").head(1)
            if first.height:
                leaks.append(_row_leak("raw", name, "available_at", first, kind, first["_bound"][0]))
    return rows, leaks


def _early(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows known before their rule allows, with the rule's instant as `_bound`; those of before the calendar are not.

    What was known before the first session belongs to that one, whatever the holidays of its day were.
    """
    parts = [(RULES[name], frame)] if name in RULES else []
    if name == "macro":
        parts = [(rule, frame.filter(pl.col("series_id").is_in(series))) for rule, series in SERIES_RULES.items()]
    bounded = [part.with_columns(_bound=rule(pl.col("event_date"))) for rule, part in parts if part.height]
    return pl.concat(bounded or [frame.clear().with_columns(_bound="available_at")]).filter(
        (pl.col("available_at") < pl.col("_bound"))
        & (pl.col("_bound") > calendar.decision_time(calendar.FIRST_SESSION))
    )


def _row_leak(
    stage: str, table: str, column: str, row: pl.DataFrame, kind: str, expected: object, key: Sequence[str] = ()
) -> Leak:
    """A leak shown by one row."""
    names = [n for n in (key or ("symbol", "series_id", "market", "event_date")) if n in row.columns]
    place = ", ".join(str(row[n][0]) for n in names)
    return Leak(stage, table, column, row["session"][0], place, kind, str(expected), str(row[column][0]))


# where PIT rows come from


def stated(pit: Pit, raw: Pit) -> Found:
    """Every PIT row says what a raw row of its key said, and is not known before that one was.

    A value that the source stated only later, or never, is a leak: a revision at its first date, a restated past, a
    hole filled from behind. Histories from raw tables that do not carry the key of the PIT table are not
    looked at.
    """
    rows, leaks = 0, list[Leak]()
    for name, frame in pit.items():
        key = list(PIT_TABLES[name].key)
        given = [raw[s] for s in PIT_SOURCES[name] if s in raw and set(key) <= set(raw[s].columns)]
        measured = [c for c in PIT_TABLES[name].columns if c not in key and all(c in part.columns for part in given)]
        if not given or not measured:
            continue
        said = pl.concat([part.select(*key, *measured, "available_at") for part in given])
        history = [column for column in key if column != "event_date"]
        several = len(PIT_SOURCES[name]) > 1 and history  # some histories come from tables with other keys
        own = frame.join(said.select(history).unique(), on=history, how="semi", nulls_equal=True) if several else frame
        rows += own.height
        leak = _unstated(name, own, said, key, measured)
        leaks += [leak] if leak else []
    return rows, leaks


def _unstated(name: str, rows: pl.DataFrame, said: pl.DataFrame, key: list[str], measured: list[str]) -> Leak | None:
    first_said = said.group_by(*key, *measured).agg(_said=pl.col("available_at").min())
    told = rows.join(first_said, on=[*key, *measured], how="left", nulls_equal=True, maintain_order="left")
    wrong = told.filter(pl.col("_said").is_null() | (pl.col("_said") > pl.col("available_at"))).sort("session")
    if wrong.is_empty():
        return None
    row = wrong.head(1)
    known = said.join(row.select(key), on=key, how="semi", nulls_equal=True).sort("available_at")
    by_then = known.filter(pl.col("available_at") <= row["available_at"][0])
    if by_then.is_empty():
        kind = "known before its source said so" if known.height else "its source never said anything of the kind"
        bound = known["available_at"][0] if known.height else None
        return _row_leak("pit", name, "available_at", row, kind, bound, key)
    newest = by_then.tail(1)
    column = next((c for c in measured if not row[c].equals(newest[c], null_equal=True)), measured[0])
    return _row_leak("pit", name, column, row, "a value its source had not stated by then", newest[column][0], key)


def known_at_decision(features: Pit) -> Found:
    """No feature row may carry an instant of availability after its own decision."""
    rows, leaks = 0, list[Leak]()
    decisions = calendar.schedule().select("session", _decided="decided_at")
    for name, frame in features.items():
        columns = [c for c in frame.columns if c.endswith("available_at")]
        told = frame.join(decisions, on="session", how="left")
        rows += frame.height
        for column in columns:
            first = told.filter(pl.col(column) > pl.col("_decided")).sort("session").head(1)
            if first.height:
                leaks.append(_row_leak("features", name, column, first, "after the decision", first["_decided"][0]))
    return rows, leaks


# fits


def fits(pipeline: Pipeline, case: Case, pit: Pit, session: dt.date) -> Found:
    """The newest fit up to a session, from the whole history and from one spoilt after its own decision, is one."""
    rows, leaks = 0, list[Leak]()
    if not any("models" in FEATURES[table].sources for table in case.tables):
        return rows, leaks
    for trainer in pipeline.trainers:
        known = {name: pit[name] for name in trainer.sources if name in pit}
        due = refit_sessions(trainer.spec, session - dt.timedelta(days=FIT_WINDOW), session)
        if len(known) < len(trainer.sources) or not due:
            continue
        after = calendar.next_session(due[-1])
        made = [
            pl.concat([PIT_TABLES["models"].empty(), *pipeline.fits(trainer, given, after, after, (), _quiet)])
            for given in (known, spoilt(PIT_TABLES, known, due[-1]))
        ]
        rows += made[0].height
        found = differences(made[0], made[1], PIT_TABLES["models"].unique)
        model = trainer.spec.model_id
        if found.different:
            one, other = found.expected[:60], found.found[:60]
            leaks.append(
                Leak("models", model, found.column, due[-1], found.key, "the future after the fit spoilt", one, other)
            )
        late = made[0].filter(pl.col("trained_to") > pl.col("event_date")).head(1)
        if late.height:
            leaks.append(
                Leak("models", model, "trained_to", due[-1], model, "labels settled after the fit", str(due[-1]),
                     str(late["trained_to"][0]))
            )  # fmt: skip
    return rows, leaks


def _quiet(_text: str, _done: int, _total: int) -> None:
    """No progress inside a check."""


def stored_fits(stored: Pit) -> Found:
    """No stored fit was known before its own decision, nor trained on a label settled after it."""
    rows, leaks = 0, list[Leak]()
    decided = calendar.schedule().select(event_date="session", _decided="decided_at")
    for name, frame in stored.items():
        told = frame.join(decided, on="event_date", how="left", maintain_order="left").sort("session")
        rows += frame.height
        kinds = {
            ("trained_to", "event_date"): ("labels settled after the fit", pl.col("trained_to") > pl.col("event_date")),
            ("available_at", "_decided"): ("before its own decision", pl.col("available_at") < pl.col("_decided")),
        }
        for (column, bound), (kind, broken) in kinds.items():
            first = told.filter(broken).head(1)
            if first.height:
                key = ("model_id", "event_date")
                leaks.append(_row_leak("pit", name, column, first, kind, first[bound][0], key))
    return rows, leaks


def folds(pipeline: Pipeline, pit: Pit, session: dt.date) -> Found:
    """In the folds that judge a fit, no training label lives on into a test label or out of one."""
    if "prices" not in pit:
        return 0, []
    params = ENSEMBLE.params
    spans = outcomes(as_of(pit["prices"], session, PRICE_KEY), SYMBOLS, params).sort("session", "symbol")
    days = np.unique(np.concatenate([spans[c].to_physical().to_numpy() for c in ("session", "exit_date")]))
    start, end = (np.searchsorted(days, spans[c].to_physical().to_numpy()) for c in ("session", "exit_date"))
    for train, test in pipeline.folds(start, end, params["folds"], params["embargo"]):
        if not test.any() or not train.any():
            continue
        meets = train & (start <= end[test].max()) & (end >= start[test].min())
        if meets.any():
            row = int(meets.argmax())
            key = f"{spans['session'][row]} to {spans['exit_date'][row]}, {spans['symbol'][row]}"
            begins = str(spans["session"].to_numpy()[test].min())
            return spans.height, [
                Leak(
                    "models", ENSEMBLE.model_id, "folds", spans["session"][row], key, "a label in two folds", begins, ""
                )
            ]
    return spans.height, []
