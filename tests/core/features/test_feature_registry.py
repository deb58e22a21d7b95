"""The registry and the declared tables agree, and long computations may switch to the compiled filter."""

from __future__ import annotations

import subprocess
import sys

import polars as pl
from polars.testing import assert_frame_equal

from qgtm_core.features.pairs import HedgeFilter
from qgtm_core.features.registry import FEATURES
from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_core.schemas.pit import PIT_TABLES


def test_every_declared_feature_table_is_computed_and_no_other():
    assert FEATURES.keys() == FEATURE_TABLES.keys()
    assert all(feature.table == name for name, feature in FEATURES.items())


def test_every_source_is_a_declared_pit_table():
    assert {source for feature in FEATURES.values() for source in feature.sources} <= PIT_TABLES.keys()


def test_the_hedge_filter_gives_the_same_path_after_it_switches_to_the_compiled_one():
    bars = pl.DataFrame({"a": [10.0 + i % 7 for i in range(50)], "b": [5.0 + i % 5 for i in range(50)]})
    hedge = HedgeFilter(compile_after_rows=60)
    plain, compiled = hedge.run(bars), hedge.run(bars)
    assert hedge.rows == 100
    assert_frame_equal(pl.DataFrame({"z": plain.slope}), pl.DataFrame({"z": compiled.slope}), check_exact=True)


def test_importing_the_features_loads_no_compiler():
    code = "import sys, qgtm_core.features.registry; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
