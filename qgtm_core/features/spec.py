"""What a feature table is: its sources and its computation. No table lives here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature table: the PIT tables it reads and the causal computation over them."""

    table: str
    sources: tuple[str, ...]
    compute: Callable[[Mapping[str, pl.DataFrame], pl.DataFrame], pl.DataFrame]
