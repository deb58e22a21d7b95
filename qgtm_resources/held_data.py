"""What data of a strategy is held in the warehouse, and what it cannot do without is not there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qgtm_core.schemas.pit import PIT_TABLES
from qgtm_core.strategies.spec import DataRef, Strategy
from qgtm_resources.clients.warehouse import Held, Survey, Warehouse


def references(strategy: Strategy) -> tuple[str, ...]:
    """What a strategy and its inputs cannot do without, each once, with the symbols spelt out."""
    written = []
    for text in (text for item in strategy.inputs for text in item.data):
        symbols = strategy.symbols if "{symbol}" in text else ("",)
        written += [text.replace("{symbol}", symbol) for symbol in symbols]
    return tuple(dict.fromkeys(written))


def held_of(warehouse: Warehouse, strategies: Iterable[Strategy]) -> dict[str, Held]:
    """What is held of everything the strategies cannot do without, by reference, over one connection."""
    wanted = tuple(dict.fromkeys(text for s in strategies for text in references(s)))
    return dict(zip(wanted, warehouse.survey("pit", [_question(text) for text in wanted]), strict=True))


def missing_data(warehouse: Warehouse, strategies: Sequence[Strategy]) -> dict[str, str]:
    """By strategy id, in words, what it cannot do without and does not have; no entry where it has it all."""
    held = held_of(warehouse, strategies)
    lacking = {s.id: [text for text in references(s) if not held[text].rows] for s in strategies}
    return {key: f"no rows of {', '.join(texts)}" for key, texts in lacking.items() if texts}


def _question(text: str) -> Survey:
    ref = DataRef.parse(text)
    where: dict[str, Sequence[str]] = {column: (value,) for column, value in ref.where}
    return Survey(PIT_TABLES[ref.table], ref.column, where)
