"""From features to subjects: trials accounted and stamped, nothing judged."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import polars as pl
import polars.selectors as cs
import pytest

from qgtm_core import calendar
from qgtm_core.backtest.evidence.investigation import (
    Investigated,
    arrays_hash,
    data_hash,
    investigable,
    investigate,
    table_hashes,
    unheard,
)
from qgtm_core.backtest.evidence.judgement import GOLD, regimes_of
from qgtm_core.backtest.evidence.trial_record import Evaluation
from qgtm_core.backtest.metrics import SESSIONS_A_YEAR
from qgtm_core.backtest.research.costs import CostModel
from qgtm_core.backtest.research.returns import ResearchMarket, account, matrix, weights
from qgtm_core.maths.validation import moments
from qgtm_core.strategies.evaluate import evaluate
from qgtm_core.strategies.registry import INTRADAY, REGISTRY
from qgtm_core.universe import TRADED
from tests.core.markets import research_market_of
from tests.core.strategies.strategy_frames import asked, healthy

FIRST, LAST = dt.date(2026, 1, 5), dt.date(2026, 3, 27)
AT = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)
ID = "gold_momentum_mr"


def sessions() -> pl.DataFrame:
    return asked(FIRST, LAST)


def features() -> dict[str, pl.DataFrame]:
    days = asked(calendar.offset_session(FIRST, -REGISTRY[ID].lookback), LAST)
    return {
        name: healthy(name, days).with_columns(cs.datetime() + dt.timedelta(hours=21)) for name in REGISTRY[ID].tables
    }


def market() -> ResearchMarket:
    count = sessions().height
    outcome = np.random.default_rng(2).normal(0.0, 0.01, (count, len(TRADED)))
    return replace(research_market_of(outcome, TRADED), sessions=tuple(sessions()["session"]))


def stamp(key: str) -> Evaluation:
    return Evaluation("code", f"data of {key}", FIRST, LAST, 0, AT)


def found(grid: dict[str, list[float]] | None = None, missing: str = "") -> Investigated:
    (made,) = investigate(
        [ID], features(), sessions(), market(), CostModel(), stamp, missing={ID: missing},
        grids=None if grid is None else {ID: grid},
    )  # fmt: skip
    return made


def test_the_registered_set_is_accounted_as_research_accounts_it() -> None:
    made = found()
    spoken = evaluate(REGISTRY[ID], features(), sessions()).filter(status="OK")
    scores = matrix(spoken, "score", market().sessions, market().symbols)
    assert np.isfinite(scores).any()
    expected = account(weights(scores, market()), market(), CostModel())
    np.testing.assert_array_equal(made.subject.returns[0], expected.net)
    np.testing.assert_array_equal(made.subject.gross, expected.gross)
    assert made.subject.spoke.sum() == spoken["session"].n_unique()


def test_every_trial_is_recorded_with_its_sharpe_ratio_over_the_registered_sample() -> None:
    made = found()
    assert [row.changed for row in made.trials] == list(made.subject.changes)
    assert made.trials[0].params_hash == REGISTRY[ID].params_hash == made.subject.params_hash
    for row, returns in zip(made.trials, made.subject.returns, strict=True):
        assert row.sharpe == moments(returns[made.subject.spoke.argmax() :]).sharpe
        assert (row.code_version, row.data_hash, row.periods) == ("code", f"data of {ID}", sessions().height)


def test_a_change_without_effect_earns_what_the_registered_set_earned() -> None:
    made = found({"w[0]": [0.7, 0.5]})
    assert made.subject.changes == ("", "w[0] 0.7 → 0.5")
    assert made.subject.returns.shape == (2, sessions().height)


def test_capacity_is_measured_on_the_sample() -> None:
    made = found()
    assert [capital for capital, _ in made.subject.capacity] == [1e5, 1e6, 1e7, 1e8, 1e9]


def test_missing_data_is_passed_on() -> None:
    assert found(missing="no rows of prices").subject.missing == "no rows of prices"


def test_all_but_intraday_strategies_can_be_looked_at() -> None:
    assert set(investigable()) == set(REGISTRY) - set(INTRADAY)


def test_a_strategy_that_cannot_be_evaluated_is_a_subject_without_signals() -> None:
    made = unheard(REGISTRY["mvg_v1"], 10, "no bars")
    assert not made.spoke.any()
    assert made.returns.shape == (1, 10)
    assert (made.strategy_id, made.status, made.missing) == ("mvg_v1", "DEAD", "no bars")


def test_a_data_hash_follows_the_rows_and_not_their_order() -> None:
    tables = features()
    name = REGISTRY[ID].tables[0]
    first = table_hashes(tables)
    turned = table_hashes({**tables, name: tables[name].reverse()})
    column = next(c for c, dtype in tables[name].schema.items() if dtype == pl.Float64)
    changed = table_hashes({**tables, name: tables[name].with_columns(pl.col(column) + 1e-9)})
    assert first == turned
    assert first[name] != changed[name]
    prints = [data_hash(REGISTRY[ID], hashes, arrays_hash(market())) for hashes in (first, turned, changed)]
    assert prints[0] == prints[1] != prints[2]


def test_what_positions_earned_is_part_of_the_data() -> None:
    first, other = market(), market()
    other.next_return[4, 2] += 1e-12
    assert arrays_hash(first) == arrays_hash(market()) != arrays_hash(other)


def test_a_strategy_that_reads_strategies_rests_on_their_tables_too() -> None:
    reader = REGISTRY["precious_metals"]
    child = REGISTRY["gold_macro_regime"].tables[0]
    base = dict.fromkeys((t for s in REGISTRY.values() for t in s.tables), "x")
    assert data_hash(reader, base, "m") != data_hash(reader, {**base, child: "y"}, "m")


@pytest.mark.parametrize(("steps", "label"), [(0.001, "gold rising"), (-0.001, "gold falling")])
def test_the_trend_of_a_regime_is_against_the_price_a_year_before(steps: float, label: str) -> None:
    count = 3 * SESSIONS_A_YEAR
    outcome = np.zeros((count, 2))
    made = research_market_of(outcome)
    price = 100.0 * np.exp(steps * np.arange(count))[:, None].repeat(2, axis=1)
    regimes = regimes_of(replace(made, price_usd=price))
    assert not regimes[label][:SESSIONS_A_YEAR].any()
    assert regimes[label][SESSIONS_A_YEAR:].all()


def test_a_wild_market_is_above_the_median_of_what_was_known_so_far() -> None:
    count = 3 * SESSIONS_A_YEAR
    vol = np.random.default_rng(5).uniform(0.1, 0.3, (count, 2))
    made = replace(research_market_of(np.zeros((count, 2))), annual_vol=vol)
    regimes, gold = regimes_of(made), vol[:, made.symbols.index(GOLD)]
    for row in (SESSIONS_A_YEAR - 1, 400, count - 1):
        usual = np.median(gold[: row + 1])
        assert regimes["gold wild"][row] == (gold[row] > usual)
        assert regimes["gold calm"][row] == (gold[row] <= usual)
    assert not (regimes["gold wild"] | regimes["gold calm"])[: SESSIONS_A_YEAR - 1].any()
