"""The registry as a page for readers. Text in, text out: writing the file is the caller's business."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.strategies.spec import Input, Strategy

_HEAD = """# Strategies

Generated from the registry (`qgtm_core/strategies/catalogue.py`); a test holds this file against it.

A strategy is one module `qgtm_core/strategies/<category>/<id>.py` that exports `STRATEGY`: a declaration and one pure
rule over declared feature columns. Adding a strategy is adding such a file.

How every signal is made:

- The decision is 30 minutes before the close. Only rows known by then count.
- `score` is in [-1, 1]: the share of the strategy's risk budget for the symbol. Zero is a view to be flat; null is no
  view, with status `NO_SIGNAL` and a reason.
- Inputs are judged first: `MISSING` (never seen), `WARMUP` (too few observations), `STALE` (older than 5 days for daily
  and 12 for weekly inputs), `DEGENERATE` (not a number, or nothing varies). Then the rule may say `GATE`. A strategy
  declared DEAD is `QUARANTINED`.
- `confidence` = freshness × quality × (0.3 + 0.7·|score|). Freshness is 1 up to half the age limit of the stalest
  input and falls to 0.5 at the limit.
- Weekly strategies compute on the first session of the week, monthly ones on the last of the month. In between the
  result is repeated unchanged, unless an input goes missing or stale.
- Negative scores are views. Whether they become short positions is for the portfolio.

None of this is evidence of profit: see the validation of the backtest for that.
"""


def render_markdown(strategies: Iterable[Strategy] | None = None) -> str:
    """Return the page: one table of all strategies, then one section each."""
    listed = list(REGISTRY.values() if strategies is None else strategies)
    rows = [
        f"| {s.number} | [`{s.id}`](#{s.id}) | {s.category} | {s.status.value} | {s.cadence.value} "
        f"| {s.horizon_sessions} | {s.warmup} | {s.capacity} | {', '.join(s.symbols)} |"
        for s in listed
    ]
    table = [
        "| no. | id | category | status | computes | horizon (sessions) | warm-up (observations) | capacity | trades |",
        "|---|---|---|---|---|---|---|---|---|",
        *rows,
    ]
    return "\n".join([_HEAD, *table, "", *(_section(s) for s in listed)])


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
        "horizon_sessions": strategy.horizon_sessions,
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
                "table": f"features/{item.table}",
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
        f"- Source: {strategy.source}",
        f"- Exposures: {', '.join(strategy.exposures)}",
        *(f"- Reads {_input(i)}" for i in strategy.inputs),
        f"- Parameters: {_parameters(strategy.params)}",
    ]
    if strategy.min_symbols > 1:
        lines.append(f"- Silent unless {strategy.min_symbols} symbols can speak")
    return "\n".join([*lines, ""])


def _input(item: Input) -> str:
    need = f"{item.warmup} observations, {item.staleness}" if not item.coverage else "known dates a year ahead"
    return f"`features/{item.table}`: {', '.join(f'`{c}`' for c in item.columns)} ({need})"


def _parameters(params: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}` = {value}" for name, value in params.items())
