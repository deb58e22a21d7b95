"""Nothing known later changes an earlier row: features, signals and target weights with the future cut off or spoiled.

Rows are compared bit for bit with those of a run over the full history, by the detector behind `qgtm lookahead`, which
also must find every leak of `benchmarks.leaks`.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.history import QUOTES, Span, make_panel, make_pit, open_archive, with_fits
from benchmarks.leaks import LEAKS, Planted, look_for
from benchmarks.tables import Result, Table
from qgtm_assets.desk import CLUSTERS
from qgtm_core import calendar
from qgtm_core.backtest.lookahead.detector import Comparison, Search, search
from qgtm_core.backtest.lookahead.histories import cut_sessions
from qgtm_core.backtest.lookahead.pipeline import Case, Pipeline, raw_of, wanted
from qgtm_core.engine import open_session, target_stage
from qgtm_core.policy import Policy
from qgtm_core.types import BookState

CUTS = 12
FIRST_CUT = dt.date(2012, 3, 15)
PLANTED_SESSIONS = 252  # of the newest history, searched for each planted leak
CASH = Decimal(1_000_000)


def run(folder: Path, span: Span) -> Result:
    """Search the whole library at every cut, then a year for each planted leak."""
    case = read_case(folder, span)
    pipeline = Pipeline(target=target_weights)
    found = search(pipeline, case, cut_sessions(max(span.first, FIRST_CUT), span.last, CUTS), _say)
    planted = [plant(one, case) for one in LEAKS]
    missed = [row["leak"] for row in planted if not row["found"]]
    result = Result("lookahead", ok=found.ok and not missed)
    rows = [told(one) for one in found.comparisons]
    result.tables = [
        Table(f"{len(found.cuts)} cuts, each row up to the cut against the full history", rows),
        Table("Other checks, and how much they looked at", [dict(found.checked)]),
        Table(f"{len(planted) - len(missed)} of {len(planted)} planted leaks found where they begin", planted),
    ]
    result.notes = notes(found)
    return result


def read_case(folder: Path, span: Span) -> Case:
    """The raw rows of the archive up to the end of the span, and the fits of its folder."""
    library, feed = wanted(), open_archive(folder)
    raw = {name: feed.rows(name, calendar.FIRST_SESSION, span.last) for name in raw_of(library)}
    held = with_fits(make_pit(raw), span)
    fits = {name: held[name] for name in ("models", "meta_models") if span.fits is not None}
    return Case(library, span.first, span.last, raw, fits, feed.rows(QUOTES, span.first, span.last))


def told(one: Comparison) -> dict[str, Any]:
    """One line a changed history."""
    weights = one.by_table.get("portfolio/target")
    first = next((f"{node}: {found.text}" for node, found in one.by_table.items() if found.different), "")
    return {
        "history": one.kind,
        "session": str(one.session),
        "rows": one.rows,
        "different": one.different,
        "weights": weights.rows if weights else 0,
        "weights_different": weights.different if weights else 0,
        "first difference": first,
        "load": os.getloadavg()[0],
    }


def notes(found: Search) -> list[str]:
    """What was compared in all, what leaks, and whether the detector sees."""
    rows = sum(one.rows for one in found.comparisons)
    seen = found.blind or "a leak planted in memory was found"
    return [f"{rows} rows compared; {seen}.", *(f"LEAK {leak.text}" for leak in found.leaks)]


def plant(planted: Planted, case: Case) -> dict[str, Any]:
    """Plant one leak and look for it: whether the first thing found is where it begins."""
    started = time.perf_counter()
    first = max(case.first, calendar.offset_session(case.last, -PLANTED_SESSIONS))
    searched = Case(case.strategies, first, case.last, case.raw, case.fits, case.quotes)
    leaks = look_for(planted, searched, 1).leaks
    place = next(((leak.stage, leak.table, leak.column) for leak in leaks), None)
    return {
        "leak": planted.name,
        "what it does": planted.what,
        "found": place == planted.place,
        "first seen": leaks[0].text[:160] if leaks else "",
        "seconds": time.perf_counter() - started,
    }


def target_weights(
    features: Mapping[str, pl.DataFrame], signals: Mapping[str, pl.DataFrame], quotes: pl.DataFrame, session: dt.date
) -> pl.DataFrame:
    """Target weights of a book without positions at the decision of the session."""
    until = quotes.filter(pl.col("session") <= session)
    panel = make_panel(features, signals, until, Span(session, session))
    view, policy = next(panel.views()), Policy()
    opened = open_session(BookState(book="benchmark", cash_usd=CASH), view, policy)
    weights = target_stage(opened, view, CLUSTERS, policy).target_weight
    return pl.DataFrame({"session": [session] * len(view.symbols), "symbol": view.symbols, "target_weight": weights})


def _say(text: str, done: int, total: int) -> None:
    sys.stderr.write(f"\r{done} of {total}: {text}   ")
