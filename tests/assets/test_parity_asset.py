"""The parity report on the real stack: live sessions through the trading assets, then the world is changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal

import dagster as dg
import polars as pl

from qgtm_assets.desk import TRADING as STRATEGIES
from qgtm_assets.parity_desk import ParityDesk
from qgtm_core import calendar
from qgtm_core.backtest.fills import FillModel
from qgtm_core.backtest.parity.report import Report, unexplained_share
from qgtm_core.backtest.simbroker import AccountRules, SimBroker
from qgtm_core.features.registry import FEATURES
from qgtm_core.schemas.registry import table_for
from qgtm_core.strategies.registry import DAILY
from qgtm_core.strategies.spec import Strategy
from qgtm_core.types import BrokerOrder, Execution, KillTier, OrderIntent, Side
from qgtm_resources.clock import SystemClock
from tests.installation import ACCOUNTS, CASH, FIRST, TRADING, Installation, checks, problem

SECOND = calendar.next_session(FIRST)
THIRD = calendar.next_session(SECOND)
PARITY = dg.AssetKey(["ops", "parity"])


class Difficult(SimBroker):
    """Trades dearer than the model, fills a part of an order, and refuses the third one."""

    def submit(self, intent: OrderIntent) -> BrokerOrder:
        self.rules = AccountRules(leverage=0.0 if len(self._orders) == 2 else 2.0, allow_short=False)
        return super().submit(intent)


def reports(
    house: Installation, first: dt.date, last: dt.date, strategies: Mapping[str, Strategy] = DAILY
) -> list[Report]:
    desk = ParityDesk(house.warehouse, house.ledger, house.desk(last), house.feed.feed, strategies)
    return list(desk.reports(first, last))


def causes(report: Report, level: str) -> set[str]:
    return set(report.rows.filter(level=level)["cause"])


def asset_run(house: Installation, session: dt.date) -> dg.ExecuteInProcessResult:
    return house.run(session, (PARITY,), job="parity")


def run_live(house: Installation, session: dt.date) -> None:
    result = house.run(session)
    assert result.success, problem(result)


def trade_outside(house: Installation, session: dt.date) -> None:
    """A person sells at the broker; it is found and booked, with its fee."""
    at = calendar.open_at(session) + dt.timedelta(hours=1)
    sale = Execution(f"{house.book}-manual", "by-hand", "GLD", Side.SELL, Decimal(1), Decimal(200), at)
    house.ledger.book_external(house.book, [sale])
    house.ledger.book_cash_flow(house.book, f"{house.book}-fee", Decimal("-1.25"), "FEE", at)


def test_what_broker_and_operator_did_is_named(new_house: Callable[..., Installation]) -> None:
    house = new_house()
    ACCOUNTS[house.book] = Difficult(CASH, FillModel(impact_y=1.5, max_participation=1e-5))
    run_live(house, FIRST)
    trade_outside(house, FIRST)
    assert house.run(SECOND, TRADING[:2]).success, "target and approval, while the gate was open"
    house.ledger.raise_tier(house.book, KillTier.NO_NEW, "asked for", SECOND, SystemClock().now(), "operator")
    assert not house.run(SECOND, TRADING[2:]).success

    first, second, third = reports(house, FIRST, THIRD)
    assert causes(first, "SIGNAL") | causes(first, "TARGET") | causes(first, "ORDER") == set()
    assert first.intents_identical
    assert causes(first, "FILL") == {"REJECTED", "PARTIAL_FILL", "FILL_MODEL", "OUTSIDE_ORDER"}
    assert causes(first, "FEES") == {"FEES"}
    assert causes(second, "ORDER") == causes(second, "FILL") == {"KILL_SWITCH"}
    assert causes(third, "TARGET") == {"SESSION_NOT_RUN"}
    assert unexplained_share([first, second, third]) == 0.0

    stored = asset_run(house, FIRST)
    assert stored.success, problem(stored)
    assert checks(stored)["parity_explained"]
    rows = house.warehouse.read("ops", "parity", FIRST, FIRST, where={"book": house.book})
    assert rows.sort(rows.columns).equals(first.rows.sort(rows.columns))


def revise_macro(house: Installation, session: dt.date) -> None:
    """A revision of every newest series arrives after the decision; the features are made again."""
    table = table_for("pit", "macro")
    newest = house.warehouse.read("pit", "macro", session, session)
    revised = newest.with_columns(
        pl.col("value") * 1.05,
        pl.col("revision") + 1,
        retrieved_at=pl.lit(SystemClock().now() + dt.timedelta(hours=1)).cast(pl.Datetime("us", "UTC")),
    )
    house.warehouse.client.write(table, pl.concat([newest, revised]), session, session)
    again = [dg.AssetKey(["features", name]) for name, feature in FEATURES.items() if "macro" in feature.sources]
    again.remove(dg.AssetKey(["features", "learning"]))  # needs fits, which nothing here makes
    made = house.run(session, again, job="history")
    assert made.success, problem(made)


def test_what_changed_since_the_decision_is_named(new_house: Callable[..., Installation]) -> None:
    house = new_house()
    run_live(house, FIRST)
    (same,) = reports(house, FIRST, FIRST)
    assert same.rows.is_empty()
    assert same.intents_identical
    assert same.orders > 0

    spoke = house.warehouse.read_many("signals", [s.id for s in STRATEGIES], FIRST, FIRST)
    name = next(s.id for s in STRATEGIES if spoke[s.id].filter(status="OK").height and not s.consumes)
    other = replace(DAILY[name], params={**DAILY[name].params, "no_such_parameter": 1})
    rule, params = DAILY[name].rule, DAILY[name].params
    timid = replace(other, rule=lambda panel, _: rule(panel, params).with_columns(pl.col("score") / 2))
    (changed,) = reports(house, FIRST, FIRST, {**DAILY, name: timid})
    assert set(changed.rows["cause"]) == {"CODE_CHANGED"}

    revise_macro(house, FIRST)
    (late,) = reports(house, FIRST, FIRST)
    assert set(late.rows["cause"]) == {"DATA_REVISED"}
    assert {"SIGNAL", "TARGET"} <= set(late.rows["level"])

    # the signals are made again as well: what the target was made from is then nowhere stored
    moved = [dg.AssetKey(["signals", name]) for name in late.rows.filter(level="SIGNAL")["strategy_id"].unique()]
    made = house.run(FIRST, moved, job="history")
    assert made.success, problem(made)
    (anew,) = reports(house, FIRST, FIRST)
    assert causes(anew, "SIGNAL") == set()
    assert causes(anew, "TARGET") == {"DATA_REVISED"}
    assert causes(anew, "ORDER") <= {"DATA_REVISED"}
