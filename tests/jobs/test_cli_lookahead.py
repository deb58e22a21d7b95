"""`qgtm lookahead`: what it reads, what it refuses and what it tells; the search itself is tested with the detector."""

from __future__ import annotations

import datetime as dt
import functools
import json
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from benchmarks.leaks import LEAKS
from qgtm_core import calendar
from qgtm_core.backtest.lookahead.pipeline import Pipeline
from qgtm_core.errors import ConfigError
from qgtm_core.schemas.registry import table_for
from qgtm_jobs import lookahead
from qgtm_jobs.cli import app
from qgtm_resources.feeds.simulated import SimulatedFeed

LAST = dt.date(2024, 6, 28)
LEAKY = next(leak for leak in LEAKS if leak.name == "shifted_label")


@functools.cache
def feed() -> SimulatedFeed:
    return SimulatedFeed(7, LAST, 2)


class Warehouse:
    """The simulated market as if it were stored."""

    def read(self, group, name, first=None, last=None, **_):
        if group == "raw":
            return feed().rows(name, first or calendar.FIRST_SESSION, last or LAST)
        return table_for(group, name).empty()

    def read_many(self, group, names, first=None, last=None):
        return {name: self.read(group, name, first, last) for name in names}


@pytest.fixture
def stored(monkeypatch):
    """An installation that holds its history already."""

    @contextmanager
    def opened(*_, **__):
        yield SimpleNamespace(session=LAST, resources={"warehouse": Warehouse()})

    monkeypatch.setattr(lookahead, "workshop", opened)
    monkeypatch.setattr(lookahead, "bring_history", lambda *_: None)


def call(*words: str) -> tuple[int, str]:
    answer = CliRunner().invoke(app, ["lookahead", *words])
    return answer.exit_code, answer.stdout if not isinstance(answer.exception, ConfigError) else str(answer.exception)


RANGE = ("--from", "2024-04-01", "--cuts", "1")


def test_a_clean_strategy_is_told_in_a_table_with_code_0(stored, home):
    code, text = call("gold_momentum_mr", *RANGE)
    assert code == 0, text
    assert "gold_momentum_mr" in text
    assert "was found" in text  # the leak planted in memory


def test_a_leak_is_named_and_ends_with_code_1(stored, home, monkeypatch):
    monkeypatch.setattr(lookahead, "Pipeline", lambda: LEAKY.plant(Pipeline()))
    code, text = call("gold_momentum_mr", *RANGE, "--json")
    report = json.loads(text)
    assert code == 1
    assert report["ok"] is False
    assert report["leaks"][0]["column"] == LEAKY.column
    assert report["strategies"][0]["leaks"] == 1
    assert "signals/gold_momentum_mr" in report["strategies"][0]["first_leak"]


def test_people_see_the_leak_in_full(stored, home, monkeypatch):
    monkeypatch.setattr(lookahead, "Pipeline", lambda: LEAKY.plant(Pipeline()))
    code, text = call("gold_momentum_mr", *RANGE)
    assert code == 1
    assert "Leaks, in the order of the stages" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("gold_momentum",), "near it: gold_momentum_mr"),
        (("mvg_v1",), "computes within the session"),
        (("gold_tsmom", "--from", "2024-06-28"), "nothing to search"),
        (("gold_tsmom", "--to", "June"), "--to: 'June' is not a date"),
    ],
)
def test_bad_usage_is_refused_with_the_remedy(stored, home, words, message):
    assert message in call(*words)[1]
