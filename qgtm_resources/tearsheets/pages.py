"""Writes the pages: one self-contained HTML file a record, and the league table that links them.

No page loads anything: style and script stand in it, and its own content security policy allows these two by hash
and nothing else. Figures come from `figures`, pictures from `charts`; here they meet the templates.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from qgtm_core.backtest.evidence.gates import Verdict
from qgtm_core.schemas.results import PORTFOLIO
from qgtm_core.strategies.catalogue import describe
from qgtm_core.strategies.registry import REGISTRY
from qgtm_resources.pictures import HYPOTHETICAL, SOURCES
from qgtm_resources.tearsheets import figures
from qgtm_resources.tearsheets.charts import charts_of, oos_from
from qgtm_resources.tearsheets.league import league
from qgtm_resources.tearsheets.months import NAMES, monthly
from qgtm_resources.tearsheets.results import METHODS, NO_DATA, Progress, Record, Results, records

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
SHEET, INDEX = "sheet.html.j2", "index.html.j2"
WORDS = {Verdict.PASS.value: "✓ PASS", Verdict.FAIL.value: "✕ FAIL", NO_DATA: "○ NO DATA"}
_TESTED = ("in_sample_sharpe", "sharpe", "annual_return", "max_drawdown", "sessions")
_SHOWN = ("oos_sharpe", "oos_low", "oos_high", "in_sample_sharpe", "sharpe", "dsr", "pbo", "trials", "max_drawdown",
          "annual_turnover", "capacity_usd", "sessions")  # fmt: skip


def write_tearsheets(folder: Path, results: Results, progress: Progress | None = None) -> dict[str, Path]:
    """Write `<id>.html` for every record and `index.html` into the folder; returns the sheets' paths by id.

    A record is a row of the evidence, and the portfolio where there are rows of it. Existing files are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found, written = records(results), dict[str, Path]()
    for done, record in enumerate(found):
        if progress is not None:
            progress("tear sheets", done, len(found))
        path = folder / f"{record.id}.html"
        path.write_text(sheet(record, results.feed), encoding="utf-8")
        written[record.id] = path
    (folder / "index.html").write_text(index(results, tuple(written)), encoding="utf-8")
    if progress is not None:
        progress("tear sheets", len(found), len(found))
    return written


def sheet(record: Record, feed: str = "") -> str:
    """One page: verdict and gates, figures, charts, months, what stands behind it, what the strategy is."""
    e, charts = record.evidence, charts_of(record)
    about = describe(REGISTRY[record.id]) if record.id in REGISTRY else None
    return _render(
        SHEET,
        source=SOURCES.get(feed, ""),
        title=record.id,
        verdict=record.verdict,
        words=WORDS.get(record.verdict, ""),
        evidence=e,
        about=about,
        needs=list(dict.fromkeys(text for item in about["inputs"] for text in item["data"])) if about else [],
        portfolio=record.id == PORTFOLIO,
        silent=record.verdict == NO_DATA,
        gates=figures.gate_lines(e) if e and record.verdict != NO_DATA else [],
        groups=[] if record.verdict == NO_DATA else figures.groups_of(record),
        hashes=[(name.replace("_", " "), e[name]) for name in figures.HASHES if e.get(name)],
        book=e.get("book") or record.metrics.get("book") or "",
        charts=charts,
        oos_from=figures.day(oos_from(record)),
        months=NAMES,
        years=_years(record),
        tests=_tests(record),
        tiers=_tiers(record),
    )


def index(results: Results, written: tuple[str, ...]) -> str:
    """The league table of all records, those without data at the end."""
    evidence = results.evidence.filter(pl.col("strategy_id") != PORTFOLIO)
    rows = [
        {
            **row,
            "text": {name: figures.text_of(name, row) for name in _SHOWN},
            "words": WORDS[row["verdict"]],
            "why": figures.not_passed(row),
        }
        for row in league(evidence).iter_rows(named=True)
    ]
    counts = [(verdict, words, evidence.filter(verdict=verdict).height) for verdict, words in WORDS.items()]
    whole = results.evidence.filter(strategy_id=PORTFOLIO)["verdict"]
    return _render(
        INDEX,
        source=SOURCES.get(results.feed, ""),
        title="Evidence",
        rows=rows,
        counts=counts,
        portfolio=PORTFOLIO in written,
        portfolio_verdict=(whole[0], WORDS[whole[0]]) if len(whole) else None,
        book=rows[0]["book"] if rows else "",
        gates=figures.gate_lines({}),
        script=_static("sort.js"),
    )


def _years(record: Record) -> list[Any]:
    if record.portfolio.height > 1:
        return list(monthly(record.portfolio["session"], record.portfolio["return_1d"]))
    return list(monthly(record.returns["session"], record.returns["return_1d"])) if record.returns.height else []


def _tests(record: Record) -> list[tuple[str, list[dict[str, Any]]]]:
    """The rows of the validation as text, by method."""
    shown = []
    for method, title in METHODS.items():
        rows = record.method(method)
        listed = [
            {
                **row,
                "label": f"{int(row['label']):,}" if method == "CAPACITY" else row["label"],
                "text": {name: figures.text_of(name, row) for name in _TESTED},
                "sample": f"{row['first']} – {row['last']}" if row["first"] else "",
            }
            for row in rows.iter_rows(named=True)
        ]
        if listed:
            shown.append((title, listed))
    return shown


def _tiers(record: Record) -> list[tuple[str, int]]:
    """Sessions of the portfolio by tier of the kill switch."""
    if record.portfolio.is_empty():
        return []
    counted = record.portfolio.group_by("tier").len().sort("len", descending=True)
    return [(str(tier), int(count)) for tier, count in counted.iter_rows()]


def _render(template: str, **values: Any) -> str:
    style = _static("style.css")
    script = values.pop("script", "")
    policy = f"default-src 'none'; style-src '{_hash(style)}'; base-uri 'none'; form-action 'none'"
    if script:
        policy += f"; script-src '{_hash(script)}'"
    page = _environment().get_template(template)
    return page.render(style=style, script=script, policy=policy, legend=HYPOTHETICAL, **values)


@cache
def _static(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
