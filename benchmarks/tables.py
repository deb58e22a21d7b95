"""Results as lines of text and as JSON, with what is needed to judge them: when, on what, under which load."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qgtm_resources.clock import SystemClock


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table; every row has the same keys."""

    title: str
    rows: Sequence[Mapping[str, Any]]


@dataclass(slots=True)
class Result:
    """What one benchmark found; `ok` decides the exit code."""

    name: str
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ok: bool = True

    def document(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {
            "benchmark": self.name,
            "ok": self.ok,
            "machine": machine(),
            "notes": self.notes,
            "tables": {table.title: [dict(row) for row in table.rows] for table in self.tables},
        }


def machine() -> dict[str, Any]:
    """Date, processors, memory and the load over the last minute, five and fifteen."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": SystemClock().now().date().isoformat(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory),
        "python": platform.python_version(),
        "load": [round(value, 2) for value in os.getloadavg()],
    }


def show(result: Result, *, as_json: bool) -> None:
    """Print a result."""
    if as_json:
        sys.stdout.write(json.dumps(result.document(), default=str) + "\n")
        return
    facts = machine()
    sys.stdout.write(
        f"\n{result.name}: {facts['date']}, {facts['cores']} cores, {facts['memory_gib']} GiB, "
        f"Python {facts['python']}, load {facts['load'][0]}\n"
    )
    for table in result.tables:
        sys.stdout.write(f"\n{table.title}\n\n{markdown(table.rows)}\n")
    for note in result.notes:
        sys.stdout.write(f"\n{note}\n")
    sys.stdout.flush()


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a Markdown table, numbers to the right."""
    if not rows:
        return "(no rows)"
    names = list(rows[0])
    cells = [[_text(row[name]) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[i]) for line in cells)) for i, name in enumerate(names)]
    right = [isinstance(rows[0][name], (int, float)) for name in names]
    rule = [("-" * (w - 1) + ":") if r else "-" * w for w, r in zip(widths, right, strict=True)]
    lines = [
        [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True)]
        for line in [names, *cells]
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], rule, *lines[1:]])


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"
    return "" if value is None else str(value)
