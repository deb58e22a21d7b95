"""Shared formulas, each once, with its source. Numbers in, numbers out: no tables, no dates, no strategies."""
