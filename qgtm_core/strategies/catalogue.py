"""The registry as a page for readers. Text in, text out: writing the file is the caller's business."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.strategies.spec import EVERY, Input, Strategy

_HEAD = """# Strategies

Generated from the registry (`qgtm_core/strategies/catalogue.py`); a test holds this file against it.
`qgtm strategies` shows which of them have their data here, `qgtm strategies show ID` one of them in full.

A strategy is one module `qgtm_core/strategies/<category>/<id>.py` that exports `STRATEGY`: a declaration and one pure
rule over declared feature columns. Adding a strategy is adding such a file.

How every signal is made:

- The decision is 30 minutes before the close (intraday strategies: at the end of each bar). Only rows known by then
  count.
- `score` is in [-1, 1]: the share of the strategy's risk budget for the symbol. Zero is a view to be flat; null is no
  view, with status `NO_SIGNAL` and a reason.
- Inputs are judged first: `MISSING` (never seen), `WARMUP` (too few observations), `STALE` (older than its limit),
  `DEGENERATE` (not a number, or nothing varies). Then the rule may say `GATE`, `OUT_OF_WINDOW`, `NOT_LICENSED` or
  `DISABLED`. A strategy declared DEAD is `QUARANTINED`.
- `confidence` = freshness × quality × (0.3 + 0.7·|score|). Freshness is 1 up to half the age limit of the stalest
  input and falls to 0.5 at the limit.
- Weekly strategies compute on the first session of the week (or the last, where it says so), monthly ones on the last
  of the month. In between the result is repeated unchanged, unless an input goes missing or stale.
- Negative scores are views. Whether they become short positions is for the portfolio.

Status: PAPER strategies take part in the rebalance. DEAD ones are kept, tested and silent: their own record speaks
against them. RESEARCH ones are computed by the `shadow` job, for the record; nothing trades on them.

None of this is evidence of profit: see [evidence](evidence.md) for that.
"""


def render_markdown(strategies: Iterable[Strategy] | None = None) -> str:
    """Return the page: counts, one table of all strategies, the overlaps, then one section each."""
    listed = list(REGISTRY.values() if strategies is None else strategies)
    rows = [
        f"| {s.number} | [`{s.id}`](#{s.id}) | {s.category} | {s.status.value} | {s.cadence.value} "
        f"| {s.horizon} | {s.warmup} | {s.capacity} | {', '.join(s.symbols)} |"
        for s in listed
    ]
    table = [
        "## All",
        "",
        "| no. | id | category | status | computes | horizon | warm-up (observations) | capacity | trades |",
        "|---|---|---|---|---|---|---|---|---|",
        *rows,
    ]
    return "\n".join([_HEAD, *_counts(listed), "", *table, "", *_overlaps(listed), "", *(_section(s) for s in listed)])


def _counts(listed: list[Strategy]) -> list[str]:
    """How many there are by category and status."""
    statuses = list(dict.fromkeys(s.status for s in listed))
    lines = [
        "## Counts",
        "",
        f"| category | sleeve | {' | '.join(s.value for s in statuses)} | all |",
        "|---|---|" + "---|" * (len(statuses) + 1),
    ]
    for category in dict.fromkeys(s.category for s in listed):
        own = [s for s in listed if s.category == category]
        counted = [str(sum(s.status is status for s in own)) for status in statuses]
        lines.append(f"| {category} | {own[0].sleeve.value} | {' | '.join(counted)} | {len(own)} |")
    every = [str(sum(s.status is status for s in listed)) for status in statuses]
    return [*lines, f"| all | | {' | '.join(every)} | {len(listed)} |"]


def _overlaps(listed: list[Strategy]) -> list[str]:
    """Strategies that look alike, and how each differs; the measured correlations are in the measurements."""
    lines = [
        "## Overlaps",
        "",
        "Strategies near to each other, and what makes each its own.",
        "`docs/measurements.md` has the correlation of their scores on real history.",
        "",
        "| strategy | near to | it |",
        "|---|---|---|",
    ]
    lines += [
        f"| [`{s.id}`](#{s.id}) | [`{other}`](#{other}) | {how} |" for s in listed for other, how in s.differs.items()
    ]
    return lines


LEVELS = "▁▂▃▄▅▆▇█"
SILENT = "·"


def chart(scores: Iterable[float | None]) -> str:
    """Scores as one line of blocks, oldest first: the lowest is -1, the highest +1, a dot is no signal."""
    steps = len(LEVELS) - 1
    return "".join(SILENT if s is None else LEVELS[round((s + 1.0) / 2.0 * steps)] for s in scores)


def describe(strategy: Strategy) -> dict[str, Any]:
    """Everything the declaration says, as plain values."""
    return {
        "number": strategy.number,
        "id": strategy.id,
        "category": strategy.category,
        "sleeve": strategy.sleeve.value,
        "status": strategy.status.value,
        "cadence": strategy.cadence.value,
        "horizon": strategy.horizon,
        "warmup_observations": strategy.warmup,
        "symbols": list(strategy.symbols),
        "capacity": strategy.capacity,
        "exposures": list(strategy.exposures),
        "rationale": strategy.rationale,
        "formula": strategy.formula,
        "params": dict(strategy.params),
        "params_hash": strategy.params_hash,
        "inputs": [
            {
                "table": table_of(item),
                "columns": list(item.columns),
                "warmup_observations": item.warmup,
                "staleness": "known dates" if item.coverage else item.staleness,
                "data": list(item.data),
            }
            for item in strategy.inputs
        ],
        "consumes": list(strategy.consumes),
        "differs": dict(strategy.differs),
        "source": strategy.source,
    }


def _section(strategy: Strategy) -> str:
    lines = [
        f"## {strategy.id}",
        "",
        strategy.rationale,
        "",
        f"- Formula: {strategy.formula}",
        f"- Source: {strategy.source}",
        f"- Exposures: {', '.join(strategy.exposures)}",
        *(f"- Reads {_input(i)}" for i in strategy.inputs),
        f"- Cannot do without: {', '.join(f'`{text}`' for text in _data(strategy)) or 'nothing but the calendar'}",
        f"- Parameters: {_parameters(strategy.params)}",
    ]
    if strategy.consumes:
        read = "every daily strategy that reads no signals" if EVERY in strategy.consumes else None
        lines.append(f"- Reads the signals of {read or ', '.join(f'`{child}`' for child in strategy.consumes)}")
    if strategy.min_symbols > 1:
        lines.append(f"- Silent unless {strategy.min_symbols} symbols can speak")
    return "\n".join([*lines, ""])


def _data(strategy: Strategy) -> list[str]:
    return list(dict.fromkeys(text for item in strategy.inputs for text in item.data))


def _input(item: Input) -> str:
    need = f"{item.warmup} observations, {item.staleness}" if not item.coverage else "known dates a year ahead"
    columns = ", ".join(f"`{c}`" for c in item.columns) or "its health alone"
    return f"`{table_of(item)}`: {columns} ({need})"


def table_of(item: Input) -> str:
    """Where the columns come from: a stored feature table, or one made of the bars of the day and not stored."""
    return f"features/{item.table}" if item.table in FEATURE_TABLES else f"bars of the day: {item.table}"


def _parameters(params: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}` = {value}" for name, value in params.items())
