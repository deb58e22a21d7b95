"""Declarations of the `features` tables: every column with its unit, window and null meaning.

Null always means "cannot be computed from what was known": too little history, a missing or non-finite input or a
window without variance. `<input>_obs` counts the usable observations known at the decision; `<input>_event_at` and
`<input>_available_at` belong to the newest of them. Rows exist for every session from the first known input row on.

One module a family, found by looking; a module's tables are computed by its namesake in `qgtm_core.features`.
"""

from __future__ import annotations

import importlib
import pkgutil

from qgtm_core.schemas.spec import Table


def _declared() -> dict[str, Table]:
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__, f"{__name__}."))
    found = [t for name in modules for t in getattr(importlib.import_module(name), "TABLES", ())]
    return {table.name: table for table in found}


FEATURE_TABLES: dict[str, Table] = _declared()

PAIRS: tuple[tuple[str, str], ...] = (("GLD", "SLV"), ("GLD", "GDX"), ("SLV", "SIL"), ("PPLT", "PALL"))
CORRELATED: tuple[str, ...] = ("GDX", "GLD", "PALL", "PPLT", "SLV")
# CFTC contract codes; the disaggregated futures-and-options report exists for all four metals
COT_MARKETS: dict[str, str] = {"gold": "088691", "silver": "084691", "platinum": "076651", "palladium": "075651"}
COT_REPORT = "disaggregated_futures_and_options_combined"
