"""Tables and progress for people: on a terminal and in a log."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal

import polars as pl
from rich.console import Console

from qgtm_jobs import render


def text_of(item, *, terminal: bool = False) -> str:
    console = Console(file=io.StringIO(), width=100, force_terminal=terminal)
    console.print(item)
    return console.file.getvalue()


def test_a_table_formats_columns_shows_nulls_as_dashes_and_counts_what_it_leaves_out():
    frame = pl.DataFrame(
        {"symbol": ["GLD", "SLV", "IAU"], "equity_usd": [1_234_567.8, None, 2.0], "ok": [True, False, None]}
    )

    shown = text_of(render.table("positions", frame, {"equity_usd": render.usd}, limit=2))

    assert "positions" in shown
    assert "equity usd" in shown
    assert "1,234,568" in shown
    assert render.NOTHING in shown
    assert "and 1 more rows" in shown
    assert "IAU" not in shown


def test_an_empty_frame_says_so():
    assert "no rows" in text_of(render.table("fills", pl.DataFrame({"symbol": []})))


def test_figures_carry_their_units():
    assert render.usd(Decimal("1234.56")) == "1,235"
    assert render.cents(1234.5) == "1,234.50"
    assert render.percent(0.1234) == "12.34 %"
    assert render.basis_points(1.26) == "1.3"
    assert render.text_of(dt.datetime(2024, 6, 28, 19, 30, tzinfo=dt.UTC)) == "2024-06-28 19:30:00Z"
    assert render.text_of(0.1234567891) == "0.123457"


def test_pairs_are_shown_without_a_header():
    assert "feed" in text_of(render.pairs("settings", {"feed": "simulated", "archive": None}))


def test_progress_is_plain_lines_where_there_is_no_terminal():
    console = Console(file=io.StringIO(), width=80)

    with render.progress_to(console) as progress:
        for done in range(1001):
            progress("features", done, 1000)
        progress("starting", 0, 0)

    lines = console.file.getvalue().splitlines()
    assert lines[0] == "features 0/1000"
    assert lines[-2:] == ["features 1000/1000", "starting"]
    assert len(lines) < 10


def test_progress_draws_a_bar_a_step_on_a_terminal():
    console = Console(file=io.StringIO(), width=80, force_terminal=True)

    with render.progress_to(console) as progress:
        progress("raw", 1, 2)
        progress("features", 0, 0)
        progress("features", 3, 3)

    assert "raw" in console.file.getvalue()
    assert "features" in console.file.getvalue()


def test_progress_can_be_silent():
    console = Console(file=io.StringIO())

    with render.progress_to(console, quiet=True) as progress:
        progress("raw", 1, 2)

    assert console.file.getvalue() == ""
