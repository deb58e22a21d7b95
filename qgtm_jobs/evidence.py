"""The evidence of a backtest as an operator reads it: the league table, and one strategy's record in full."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from qgtm_core.backtest.evidence.gates import Verdict
from qgtm_core.errors import ConfigError
from qgtm_core.schemas.results import EVIDENCE_TABLE, METRICS_TABLE, PORTFOLIO, VALIDATION_TABLE
from qgtm_jobs import render
from qgtm_resources.clients.warehouse import Warehouse
from qgtm_resources.pictures import HYPOTHETICAL
from qgtm_resources.tearsheets import figures
from qgtm_resources.tearsheets.league import BY, league
from qgtm_resources.tearsheets.results import METHODS, Record, newest_book, page_of

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table as Shown

HOW = "make it with `qgtm evidence --run` (--from and --to choose the sessions)"
VERDICTS: Mapping[str, str] = {v.value.lower().replace("_", "-"): v.value for v in Verdict}
STYLES: Mapping[str, str] = {Verdict.PASS.value: "bold green", Verdict.FAIL.value: "bold red",
                             Verdict.NO_DATA.value: "dim"}  # fmt: skip
# heading -> columns of the evidence
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "status": ("status",), "OOS": ("oos_sharpe",), "95 %": ("oos_low", "oos_high"),
    "train-\ning": ("in_sample_sharpe",), "DSR": ("dsr",), "PBO": ("pbo",), "trials": ("trials",),
    "draw-\ndown %": ("max_drawdown",),
    "turn-\nover": ("annual_turnover",), "capacity\nUSD": ("capacity_usd",), "ses-\nsions": ("sessions",),
}  # fmt: skip
SPARED = ("train-\ning", "trials", "status", "turn-\nover", "capacity\nUSD", "ses-\nsions")  # first when room is short
ALIASES: Mapping[str, str] = {
    "id": "strategy_id", "oos": "oos_sharpe", "is": "in_sample_sharpe", "training": "in_sample_sharpe",
    "drawdown": "max_drawdown", "turnover": "annual_turnover", "capacity": "capacity_usd",
}  # fmt: skip
SHORT: Mapping[str, str] = {"sessions": "n", "oos_low": "oos", "dsr_library": "lib"}  # gates, where room is short
WIDEST = 1000  # characters no terminal has
CAPTION = "OOS, training: annual Sharpe ratio of the walk-forward choice. DSR, PBO: probabilities. Turnover: × a year."


@dataclass(frozen=True, slots=True)
class League:
    """Records of one backtest, ranked; `portfolio` has one row or none."""

    book: str
    sorted_by: str
    rows: pl.DataFrame
    portfolio: pl.DataFrame
    page: Path | None  # null where none was written

    def document(self) -> Mapping[str, Any]:
        """Everything, as plain values."""
        return {
            "book": self.book, "sorted_by": self.sorted_by, "hypothetical": HYPOTHETICAL, "strategies": self.rows,
            "portfolio": self.portfolio, "page": self.page,
        }  # fmt: skip

    def shown(self) -> Iterable[RenderableType]:
        """The table, its counts and where the page is."""
        counted = self.rows["verdict"].value_counts()
        counts = {str(verdict): int(count) for verdict, count in counted.iter_rows()}
        told = ", ".join(f"{counts.get(v.value, 0)} {v.value}" for v in Verdict)
        yield f"\n[bold]Evidence of {self.book}[/bold] · {told} · {HYPOTHETICAL}\n"
        silent = pl.col("verdict") == Verdict.NO_DATA.value
        judged = pl.concat([self.rows.filter(~silent), self.portfolio])
        if judged.height:
            yield _table(judged, f"Strategies by {self.sorted_by.replace('_', ' ')}, and the portfolio")
        missing = self.rows.filter(silent).select(id="strategy_id", status="status", verdict="verdict", why="failed")
        if missing.height:
            yield render.table("Without data: no record, and what is missing", missing, limit=missing.height)
        where = {"one record": "qgtm evidence ID"}
        if self.page is not None:
            where["as a page"] = str(self.page)
        yield render.pairs("Where to look next", where)


@dataclass(frozen=True, slots=True)
class OneRecord:
    """A strategy's record with all that stands behind it."""

    record: Record
    page: Path | None  # null where none was written

    def document(self) -> Mapping[str, Any]:
        """Everything, as plain values."""
        return {
            **self.record.evidence, "hypothetical": HYPOTHETICAL, "gates": figures.gate_lines(self.record.evidence),
            "validation": self.record.validation, "tear_sheet": self.page,
        }  # fmt: skip

    def shown(self) -> Iterable[RenderableType]:
        """Verdict, gates, figures, then the rows of every way of validating."""
        from rich.text import Text

        e = self.record.evidence
        yield Text.assemble(
            f"\n{self.record.id}: ",
            (e["verdict"], STYLES[e["verdict"]]),
            f"  ({e['status']}; {e['book']})\n",
            HYPOTHETICAL,
        )
        if self.record.verdict == Verdict.NO_DATA.value:
            yield Text(f"There is no record: {e['failed']}")
        else:
            yield _gates(self.record)
            for name, lines in figures.groups_of(self.record):
                yield render.pairs(
                    name, {line.label: f"{' … '.join(line.values.values())} {line.unit}" for line in lines}
                )
            yield from self._validation()
        hashes = {name.replace("_", " "): e[name] for name in figures.HASHES}
        yield render.pairs("Where it comes from", {**hashes, "tear sheet": str(self.page or "not written")})

    def _validation(self) -> Iterable[RenderableType]:
        formats = {"training": _two, "sharpe": _two, "annual_return": render.percent, "drawdown": render.percent,
                   "parameters": lambda text: text or "as registered"}  # fmt: skip
        for method, title in METHODS.items():
            rows = self.record.method(method).select(
                "label", "first", "last", "sessions", "sharpe", "annual_return", training="in_sample_sharpe",
                drawdown="max_drawdown", parameters="trial",
            )  # fmt: skip
            if rows.height:
                kept = [c for c in rows.columns if rows[c].null_count() < rows.height]
                yield render.table(title, rows.select(kept), formats, limit=rows.height)


def read_league(warehouse: Warehouse, book: str | None, sort: str, verdict: str | None) -> League:
    """The league table of a backtest, the newest by default. Raises ConfigError on a name that does not exist."""
    by, wanted = _column(sort), _verdict(verdict)
    evidence = _evidence(warehouse, book)
    name = str(evidence["book"][0])
    whole = pl.col("strategy_id") == PORTFOLIO
    rows = league(evidence.filter(~whole), by)
    if wanted is not None:
        rows = rows.filter(verdict=wanted)
    portfolio = evidence.filter(whole).select(pl.lit(None, pl.Int64).alias("rank"), pl.all())
    return League(name, by, rows, portfolio, page_of(warehouse.folder, name, "index"))


def read_record(warehouse: Warehouse, book: str | None, strategy_id: str) -> OneRecord:
    """One record. Raises ConfigError, naming what is near, when the backtest has none of that name."""
    evidence = _evidence(warehouse, book)
    own = evidence.filter(strategy_id=strategy_id)
    name = str(evidence["book"][0])
    if own.is_empty():
        near = difflib.get_close_matches(strategy_id, evidence["strategy_id"].to_list(), n=3, cutoff=0.4)
        raise ConfigError(f"{name} has no evidence of {strategy_id!r}; {_near(near)}")
    row = own.row(0, named=True)
    validation = warehouse.read(VALIDATION_TABLE, where={"book": name, "strategy_id": strategy_id})
    metrics = warehouse.read(METRICS_TABLE, where={"book": name, "name": strategy_id}).to_dicts()
    nothing = pl.DataFrame()
    record = Record(strategy_id, row, metrics[0] if metrics else {}, nothing, nothing, validation, nothing)
    return OneRecord(record, page_of(warehouse.folder, name, strategy_id))


def _evidence(warehouse: Warehouse, book: str | None) -> pl.DataFrame:
    """The rows of one book."""
    held = warehouse.read(EVIDENCE_TABLE)
    if held.is_empty():
        raise ConfigError(f"there is no evidence in {warehouse.folder} yet: {HOW}")
    books = held["book"].unique().sort().to_list()
    chosen = newest_book(warehouse.folder, held) if book is None else book
    if chosen not in books:
        raise ConfigError(f"--book: there is no evidence of {chosen!r}; there is of {', '.join(books)}")
    return held.filter(book=chosen)


def _column(text: str) -> str:
    name = ALIASES.get(text, text)
    if name not in EVIDENCE_TABLE.columns:
        near = difflib.get_close_matches(text, [*ALIASES, *EVIDENCE_TABLE.columns], n=3, cutoff=0.4)
        raise ConfigError(f"--sort: the evidence has no column {text!r}; {_near(near)}")
    return name


def _verdict(text: str | None) -> str | None:
    if text is None:
        return None
    if text.lower() not in VERDICTS:
        raise ConfigError(f"--verdict: {text!r} is none of {', '.join(VERDICTS)}")
    return VERDICTS[text.lower()]


def _near(names: Sequence[str]) -> str:
    return f"near it: {', '.join(names)}" if names else f"`qgtm evidence` lists them, the usual order is by {BY}"


def _table(rows: pl.DataFrame, title: str) -> Shown:
    """A row a record, its verdict in words and colour; columns that do not fit are left out, and said to be."""
    console = render.stdout_console()
    hidden: list[str] = []
    table = _columns(rows, title, list(COLUMNS))
    for spared in SPARED:
        if console.measure(table, options=console.options.update(width=WIDEST)).maximum <= console.width:
            break
        hidden.append(spared)
        table = _columns(rows, title, [name for name in COLUMNS if name not in hidden])
    gates = "; ".join(f"{_short(line.column)}: {line.label} {line.threshold}" for line in figures.gate_lines({}))
    left_out = ", ".join(name.replace("-\n", "").replace("\n", " ") for name in hidden)
    table.caption = f"{CAPTION} Fails {gates}." + (f" Left out for lack of room: {left_out}." if hidden else "")
    return table


def _columns(rows: pl.DataFrame, title: str, names: Sequence[str]) -> Shown:
    from rich import box
    from rich.table import Table as Shown
    from rich.text import Text

    table = Shown(
        title=title,
        title_justify="left",
        title_style="bold",
        caption_justify="left",
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
    )
    table.add_column("rank", justify="right")
    for name in ("id", "verdict"):
        table.add_column(name, no_wrap=True)
    for name in names:
        table.add_column(name, justify="left" if name == "status" else "right", no_wrap=True)
    table.add_column("fails", no_wrap=True)
    for row in rows.iter_rows(named=True):
        if row["strategy_id"] == PORTFOLIO:
            table.add_section()
        values = [" … ".join(_text(c, row) for c in COLUMNS[name]) for name in names]
        verdict = Text(row["verdict"], STYLES[row["verdict"]])
        failed = " ".join(_short(line.column) for line in figures.gate_lines(row) if not line.passed)
        table.add_row(render.text_of(row["rank"]), row["strategy_id"], verdict, *values, failed)
    return table


def _text(column: str, row: Mapping[str, Any]) -> str:
    return str(row[column]) if column == "status" else figures.text_of(column, row)


def _short(column: str) -> str:
    return SHORT.get(column, column)


def _gates(record: Record) -> Shown:
    lines = figures.gate_lines(record.evidence)
    frame = pl.DataFrame(
        {
            "gate": [line.label for line in lines],
            "outcome": [line.outcome if line.passed else line.outcome.upper() for line in lines],
            "figure": [line.value for line in lines],
            "needs": [line.threshold for line in lines],
            "unit": [line.unit for line in lines],
        }
    )
    return render.table("Gates", frame)


def _two(value: float) -> str:
    return f"{round(value, 2) + 0.0:+.2f}"
