"""Every ledger keeps the same books: the rules of the port, for memory and for PostgreSQL."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qgtm_core.errors import InvariantError
from qgtm_core.execution.memory_ledger import MemoryLedger
from qgtm_core.ports import Ledger
from qgtm_core.types import BookState, Gate, KillTier, OrderState, Side
from qgtm_resources.clients.ledger import PostgresLedger
from tests.ledgers import AT, CASH, SESSION, a_fill, an_intent, new_book, unique

NEXT = dt.date(2026, 3, 6)
D = Decimal
AnyLedger = MemoryLedger | PostgresLedger


@pytest.fixture(params=["memory", "postgres"])
def ledger(request: pytest.FixtureRequest) -> AnyLedger:
    return MemoryLedger() if request.param == "memory" else request.getfixturevalue("postgres_ledger")


@pytest.fixture
def book(ledger: AnyLedger) -> str:
    return new_book(ledger)


def leaves_of(ledger: AnyLedger, book: str) -> list[str]:
    return [leaf.kind for leaf in ledger.audit_leaves() if leaf.body.get("book") == book]


def test_a_new_book_holds_its_cash_and_nothing_else(ledger: AnyLedger, book: str) -> None:
    assert ledger.book_state(book) == BookState(book, CASH)
    assert ledger.gate(book) == Gate(KillTier.NORMAL, "")
    assert (ledger.last_session(book), ledger.opening_state(book, SESSION)) == (None, None)
    assert (ledger.orders(book), ledger.executions(book)) == ([], [])


def test_opening_a_book_again_changes_nothing(ledger: AnyLedger, book: str) -> None:
    ledger.open_book(book, CASH, "simulated")
    assert leaves_of(ledger, book) == ["BOOK_OPENED"]


@pytest.mark.parametrize(("cash", "feed"), [(D(5), "simulated"), (CASH, "live")])
def test_opening_a_book_with_other_arguments_is_refused(ledger: AnyLedger, book: str, cash: Decimal, feed: str) -> None:
    with pytest.raises(InvariantError, match="was opened with"):
        ledger.open_book(book, cash, feed)


@pytest.mark.parametrize(
    "ask",
    [
        lambda ledger: ledger.book_state("none"),
        lambda ledger: ledger.last_session("none"),
        lambda ledger: ledger.opening_state("none", SESSION),
        lambda ledger: ledger.record_opening(SESSION, BookState("none", CASH)),
        lambda ledger: ledger.orders("none"),
        lambda ledger: ledger.executions("none"),
        lambda ledger: ledger.gate("none"),
        lambda ledger: ledger.raise_tier("none", KillTier.WARN, "", SESSION, AT, "me"),
        lambda ledger: ledger.save_intents([an_intent("none")]),
        lambda ledger: ledger.book_external("none", []),
        lambda ledger: ledger.set_order_state("none", OrderState.SENDING, AT),
        lambda ledger: ledger.book_executions([a_fill(an_intent("none"))]),
    ],
)
def test_a_book_or_order_that_does_not_exist_is_an_error(ledger: AnyLedger, ask) -> None:
    with pytest.raises(InvariantError):
        ask(ledger)


def test_an_opening_comes_back_exactly_as_recorded(ledger: AnyLedger, book: str) -> None:
    state = BookState(
        book=book,
        cash_usd=D("951686.123456789"),
        positions={"GLD": D("180.000000001"), "SLV": D("-3")},
        session=SESSION,
        equity_usd=1_000_000.1,
        peak_equity_usd=1_000_000.3,
        latched=KillTier.WARN,
        latched_reason="daily loss",
        latched_session=SESSION,
        previous_equity_usd=0.1 + 0.2,
    )
    assert ledger.record_opening(SESSION, state) == state
    assert ledger.opening_state(book, SESSION) == state
    assert ledger.last_session(book) == SESSION
    now = ledger.book_state(book)
    assert (now.session, now.equity_usd, now.peak_equity_usd) == (SESSION, 1_000_000.1, 1_000_000.3)
    assert now.previous_equity_usd == 0.1 + 0.2
    assert (now.cash_usd, now.positions, now.latched) == (CASH, {}, KillTier.NORMAL)


def test_a_second_opening_of_a_session_returns_the_first(ledger: AnyLedger, book: str) -> None:
    first = ledger.record_opening(SESSION, BookState(book, CASH, equity_usd=1.0))
    assert ledger.record_opening(SESSION, BookState(book, D(7), equity_usd=2.0)) == first
    assert leaves_of(ledger, book) == ["BOOK_OPENED", "SESSION_OPENED"]


def test_what_a_caller_does_to_a_returned_state_does_not_reach_the_books(ledger: AnyLedger, book: str) -> None:
    state = BookState(book, CASH, {"GLD": D(1)})
    ledger.record_opening(SESSION, state).positions["GLD"] = D(2)
    state.positions["GLD"] = D(3)
    ledger.opening_state(book, SESSION).positions["GLD"] = D(4)
    assert ledger.opening_state(book, SESSION).positions == {"GLD": D(1)}


def test_a_session_older_than_the_newest_cannot_be_opened(ledger: AnyLedger, book: str) -> None:
    ledger.record_opening(NEXT, BookState(book, CASH))
    with pytest.raises(InvariantError, match="older than"):
        ledger.record_opening(SESSION, BookState(book, CASH))
    assert ledger.last_session(book) == NEXT


def test_a_state_with_nan_is_not_recorded(ledger: AnyLedger, book: str) -> None:
    with pytest.raises(InvariantError):
        ledger.record_opening(SESSION, BookState(book, CASH, equity_usd=float("nan")))
    assert ledger.last_session(book) is None


def test_an_intent_is_stored_once_and_left_as_it_was(ledger: AnyLedger, book: str) -> None:
    first = an_intent(book)
    changed = an_intent(book, quantity="1", client_order_id=first.client_order_id)
    assert ledger.save_intents([first, changed]) == [first, first]
    assert ledger.save_intents([changed]) == [first]
    assert ledger.orders(book) == [(first, OrderState.INTENT)]
    assert leaves_of(ledger, book) == ["BOOK_OPENED", "INTENT"]


def test_no_intents_are_no_work(ledger: AnyLedger) -> None:
    before = ledger.audit_head().size
    assert ledger.save_intents([]) == []
    assert ledger.book_executions([]) == 0
    assert ledger.audit_head().size == before


def test_orders_come_in_order_of_creation_and_by_session(ledger: AnyLedger, book: str) -> None:
    intents = [an_intent(book, s) for s in ("SLV", "GLD")] + [an_intent(book, session=NEXT)]
    ledger.save_intents(intents[:2])
    ledger.save_intents(intents[2:])
    assert [intent for intent, _ in ledger.orders(book)] == intents
    assert [intent for intent, _ in ledger.orders(book, SESSION)] == intents[:2]
    assert ledger.orders(book, dt.date(2026, 3, 9)) == []


def test_an_order_moves_along_its_life_cycle(ledger: AnyLedger, book: str) -> None:
    intent = an_intent(book)
    key = intent.client_order_id
    ledger.save_intents([intent])
    for state in (OrderState.SENDING, OrderState.UNKNOWN, OrderState.ACCEPTED):
        ledger.set_order_state(key, state, AT, reason="told", broker_order_id="b-1")
        ledger.set_order_state(key, state, AT)
    ledger.set_order_state(key, OrderState.UNKNOWN, AT)  # late: not knowing changes nothing
    assert ledger.orders(book) == [(intent, OrderState.ACCEPTED)]
    assert leaves_of(ledger, book).count("ORDER_STATE") == 3
    with pytest.raises(InvariantError, match="from ACCEPTED to SENDING"):
        ledger.set_order_state(key, OrderState.SENDING, AT)


def test_fills_move_cash_positions_and_state(ledger: AnyLedger, book: str) -> None:
    buy, sell = an_intent(book), an_intent(book, side=Side.SELL, quantity="80")
    ledger.save_intents([buy, sell])
    assert ledger.book_executions([a_fill(buy, "100"), a_fill(buy, "80", "268.50")]) == 2
    assert ledger.book_executions([a_fill(sell, "30", "270")]) == 1
    state = ledger.book_state(book)
    assert state.positions == {"GLD": D(150)}
    assert state.cash_usd == CASH - 100 * D("268.41") - 80 * D("268.50") + 30 * D(270)
    assert [s for _, s in ledger.orders(book)] == [OrderState.FILLED, OrderState.PARTIAL]


def test_a_closed_position_disappears(ledger: AnyLedger, book: str) -> None:
    buy, sell = an_intent(book), an_intent(book, side=Side.SELL)
    ledger.save_intents([buy, sell])
    ledger.book_executions([a_fill(buy), a_fill(sell)])
    assert ledger.book_state(book).positions == {}


def test_a_fill_is_booked_once(ledger: AnyLedger, book: str) -> None:
    intent = an_intent(book)
    fill = a_fill(intent)
    ledger.save_intents([intent])
    assert ledger.book_executions([fill, fill]) == 1
    assert ledger.book_executions([fill]) == 0
    assert ledger.executions(book) == [fill]


def test_a_known_fill_with_other_figures_is_refused(ledger: AnyLedger, book: str) -> None:
    intent = an_intent(book)
    ledger.save_intents([intent])
    fill = a_fill(intent, "100")
    ledger.book_executions([fill])
    with pytest.raises(InvariantError, match="other figures"):
        ledger.book_executions([a_fill(intent, "101", execution_id=fill.execution_id)])


@pytest.mark.parametrize("quantity", ["0", "-1"])
def test_a_fill_of_nothing_is_refused(ledger: AnyLedger, book: str, quantity: str) -> None:
    intent = an_intent(book)
    ledger.save_intents([intent])
    with pytest.raises(InvariantError, match="quantity"):
        ledger.book_executions([a_fill(intent, quantity)])


def test_one_bad_fill_leaves_all_of_its_batch_out(ledger: AnyLedger, book: str) -> None:
    intent = an_intent(book)
    ledger.save_intents([intent])
    stranger = a_fill(an_intent(book))
    other_side = a_fill(an_intent(book, side=Side.SELL, client_order_id=intent.client_order_id))
    for bad in (stranger, other_side):
        with pytest.raises(InvariantError):
            ledger.book_executions([a_fill(intent, "10"), bad])
    assert ledger.executions(book) == []
    assert ledger.orders(book) == [(intent, OrderState.INTENT)]


@pytest.mark.parametrize("final", [OrderState.CANCELLED, OrderState.EXPIRED, OrderState.REJECTED])
def test_a_late_fill_is_booked_and_only_completes_an_order(ledger: AnyLedger, book: str, final: OrderState) -> None:
    intent = an_intent(book)
    ledger.save_intents([intent])
    ledger.set_order_state(intent.client_order_id, OrderState.SENDING, AT)
    ledger.set_order_state(intent.client_order_id, final, AT)
    ledger.book_executions([a_fill(intent, "100")])
    assert ledger.orders(book) == [(intent, final)]
    ledger.book_executions([a_fill(intent, "80")])
    assert ledger.orders(book) == [(intent, OrderState.FILLED)]
    ledger.book_executions([a_fill(intent, "1")])  # more than ordered: a fact all the same
    assert ledger.book_state(book).positions == {"GLD": D(181)}
    said = [leaf.body["unusual"] for leaf in ledger.audit_leaves() if leaf.kind == "EXECUTION"][-3:]
    assert said == ["LATE", "LATE", "OVERFILL"]


def test_external_trades_are_booked_under_their_label(ledger: AnyLedger, book: str) -> None:
    foreign = a_fill(an_intent(book, "SLV", Side.SELL, "12"), price="30")
    assert ledger.book_external(book, [foreign, foreign], SESSION) == 1
    assert ledger.book_external(book, [foreign]) == 0
    assert ledger.book_state(book).positions == {"SLV": D(-12)}
    assert ledger.book_state(book).cash_usd == CASH + 360
    assert ledger.executions(book, SESSION) == [foreign]
    assert ledger.orders(book) == []
    assert ledger.audit_leaves()[-1].body["origin"] == "EXTERNAL"


def test_fills_come_oldest_first_and_by_session(ledger: AnyLedger, book: str) -> None:
    today, tomorrow = an_intent(book), an_intent(book, session=NEXT)
    ledger.save_intents([today, tomorrow])
    fills = [a_fill(tomorrow, "1"), a_fill(today, "1"), a_fill(today, "2")]
    ledger.book_executions(fills)
    assert ledger.executions(book) == fills
    assert ledger.executions(book, SESSION) == fills[1:]


def test_a_tier_rises_and_never_falls_by_itself(ledger: AnyLedger, book: str) -> None:
    def rise(tier: KillTier, reason: str) -> Gate:
        return ledger.raise_tier(book, tier, reason, SESSION, AT, "killswitch")

    assert rise(KillTier.NORMAL, "nothing") == Gate(KillTier.NORMAL, "")
    assert rise(KillTier.THROTTLE, "loss") == Gate(KillTier.THROTTLE, "loss")
    assert rise(KillTier.WARN, "less") == Gate(KillTier.THROTTLE, "loss")
    assert rise(KillTier.THROTTLE, "again") == Gate(KillTier.THROTTLE, "loss")
    assert rise(KillTier.FLATTEN, "drawdown") == ledger.gate(book) == Gate(KillTier.FLATTEN, "drawdown")
    state = ledger.book_state(book)
    assert (state.latched, state.latched_reason, state.latched_session) == (KillTier.FLATTEN, "drawdown", SESSION)
    assert leaves_of(ledger, book).count("KILL_TIER") == 2


def test_books_do_not_touch_each_other(ledger: AnyLedger, book: str) -> None:
    other = new_book(ledger, D(5))
    intent = an_intent(book)
    ledger.save_intents([intent])
    ledger.book_executions([a_fill(intent)])
    ledger.raise_tier(book, KillTier.NO_NEW, "loss", SESSION, AT, "killswitch")
    assert ledger.book_state(other) == BookState(other, D(5))
    assert ledger.orders(other) == []


def test_a_recorded_leaf_gets_the_next_index(ledger: AnyLedger) -> None:
    first = ledger.record("NOTE", "sig-1", {"n": D(1)}, AT)
    second = ledger.record("NOTE", "sig-1", {"n": D(2)}, AT)
    assert second == first + 1
    assert ledger.audit_head().size == second + 1
    (leaf,) = ledger.audit_leaves(second, second)
    assert (leaf.kind, leaf.correlation_id, leaf.at, leaf.body) == ("NOTE", "sig-1", AT, {"n": "2"})


def a_session(ledger: Ledger, book: str, names: list[str]) -> None:
    """The same acts on any ledger."""
    buy = an_intent(book, client_order_id=names[0])
    sell = an_intent(book, "SLV", Side.SELL, "10", client_order_id=names[1])
    ledger.open_book(book, CASH, "simulated")
    ledger.record_opening(SESSION, BookState(book, CASH, {"GLD": D(1), "AA": D(2)}, equity_usd=1.5))
    ledger.save_intents([buy, sell])
    for intent in (buy, sell):
        ledger.set_order_state(intent.client_order_id, OrderState.SENDING, AT)
    ledger.book_executions([a_fill(buy, "80", execution_id=names[2]), a_fill(sell, execution_id=names[3])])
    ledger.set_order_state(buy.client_order_id, OrderState.CANCELLED, AT, reason="day is over")
    ledger.raise_tier(book, KillTier.WARN, "loss", SESSION, AT, "killswitch")
    ledger.record("NOTE", "sig", {"at": AT, "é": [D("1.10"), None, 0.1]}, AT)


def test_both_ledgers_write_the_very_same_audit_log(new_database) -> None:
    from qgtm_resources.migrations import migrate

    url = new_database()
    migrate(url)
    memory, names = MemoryLedger(), [unique() for _ in range(4)]
    a_session(memory, "book", names)
    with PostgresLedger(url) as stored:
        a_session(stored, "book", names)
        assert [leaf.text for leaf in stored.audit_leaves()] == [leaf.text for leaf in memory.audit_leaves()]
        assert stored.audit_head().root == memory.audit_head().root
        assert stored.audit_verify().ok
        assert stored.book_state("book") == memory.book_state("book")
        assert stored.executions("book") == memory.executions("book")
        assert stored.orders("book") == memory.orders("book")


trades = st.tuples(
    st.sampled_from(["GLD", "SLV", "GDX"]),
    st.sampled_from(Side),
    st.decimals(D("0.000000001"), D(5_000), places=9),
    st.decimals(D("0.0001"), D(4_000), places=4),
    st.booleans(),
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(trades, max_size=12))
def test_positions_and_cash_are_the_exact_sum_of_the_fills(ledger: AnyLedger, made) -> None:
    book = new_book(ledger)
    cash, positions = CASH, defaultdict(Decimal)
    for symbol, side, quantity, price, ours in made:
        intent = an_intent(book, symbol, side, str(quantity))
        fill = a_fill(intent, price=str(price))
        if ours:
            ledger.save_intents([intent])
            ledger.book_executions([fill])
        else:
            ledger.book_external(book, [fill])
        cash -= side.sign * quantity * price
        positions[symbol] += side.sign * quantity
    state = ledger.book_state(book)
    assert state.cash_usd == cash
    assert state.positions == {symbol: shares for symbol, shares in positions.items() if shares}
