from __future__ import annotations

from decimal import Decimal
from itertools import pairwise, product

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from qgtm_core.errors import InvariantError
from qgtm_core.execution.lifecycle import LATE, LEGAL, LIVE_AT_BROKER, after_fills, next_state
from qgtm_core.types import OrderState

S = OrderState
RANK = {S.INTENT: 0, S.SENDING: 1, S.UNKNOWN: 1, S.ACCEPTED: 2, S.PARTIAL: 3}


@pytest.mark.parametrize(
    "path",
    [
        "INTENT SENDING ACCEPTED PARTIAL FILLED",
        "INTENT SENDING REJECTED",
        "INTENT SENDING UNKNOWN INTENT SENDING ACCEPTED EXPIRED",
        "INTENT SENDING UNKNOWN FILLED",
        "INTENT SENDING UNKNOWN REJECTED",
        "INTENT SENDING ACCEPTED REJECTED",
        "INTENT SENDING ACCEPTED PARTIAL CANCELLED FILLED",
        "INTENT CANCELLED",
    ],
)
def test_the_normal_courses_are_legal(path: str) -> None:
    states = [S[name] for name in path.split()]
    for current, reported in pairwise(states):
        assert next_state(current, reported) is reported


@pytest.mark.parametrize(("current", "reported"), list(product(S, S)))
def test_a_move_is_legal_late_a_repeat_or_raises(current: OrderState, reported: OrderState) -> None:
    if reported in LEGAL[current]:
        assert next_state(current, reported) is reported
    elif current is reported or reported in LATE.get(current, ()):
        assert next_state(current, reported) is current
    else:
        with pytest.raises(InvariantError, match=f"from {current} to {reported}"):
            next_state(current, reported)


@pytest.mark.parametrize(
    ("current", "reported"),
    [
        (S.INTENT, S.ACCEPTED),  # nothing was sent
        (S.INTENT, S.UNKNOWN),
        (S.SENDING, S.INTENT),  # only a look-up may say it never left
        (S.UNKNOWN, S.SENDING),  # no second send while unknown
        (S.ACCEPTED, S.SENDING),
        (S.ACCEPTED, S.INTENT),
        (S.PARTIAL, S.REJECTED),
        (S.CANCELLED, S.REJECTED),
        (S.FILLED, S.REJECTED),
    ],
)
def test_known_mistakes_raise(current: OrderState, reported: OrderState) -> None:
    with pytest.raises(InvariantError):
        next_state(current, reported)


def test_not_knowing_never_overrides_knowing() -> None:
    for state in (S.ACCEPTED, S.PARTIAL, S.FILLED, S.CANCELLED, S.EXPIRED, S.REJECTED):
        assert next_state(state, S.UNKNOWN) is state


def test_only_unknown_goes_back_to_intent() -> None:
    assert [state for state in S if S.INTENT in LEGAL[state]] == [S.UNKNOWN]


def test_no_pair_is_both_legal_and_late() -> None:
    assert all(not LEGAL[state] & LATE.get(state, frozenset()) for state in S)


def test_what_may_still_execute_is_not_final() -> None:
    assert all(not state.final for state in LIVE_AT_BROKER)


@pytest.mark.parametrize("state", S)
def test_complete_fills_fill_an_order_from_any_state(state: OrderState) -> None:
    assert after_fills(state, Decimal(10), Decimal(10)) is S.FILLED
    assert after_fills(state, Decimal(11), Decimal(10)) is S.FILLED


@pytest.mark.parametrize("state", S)
def test_a_late_partial_fill_does_not_reopen_a_final_order(state: OrderState) -> None:
    expected = state if state.final else S.PARTIAL
    assert after_fills(state, Decimal(4), Decimal(10)) is expected


class OrderMachine(RuleBasedStateMachine):
    """A broker with its own truth sends reports late, twice and out of order; our state must stay sane."""

    @initialize()
    def start(self) -> None:
        self.state, self.filled, self.total = S.INTENT, Decimal(0), Decimal(10)
        self.sent = 0
        self.truth: list[OrderState] = []

    @rule()
    @precondition(lambda self: self.state is S.INTENT)
    def send(self) -> None:
        self.state = next_state(self.state, S.SENDING)
        self.sent += 1

    @rule()
    @precondition(lambda self: self.state is S.SENDING)
    def time_out(self) -> None:
        self.state = next_state(self.state, S.UNKNOWN)

    @rule()
    @precondition(lambda self: self.state is S.UNKNOWN and not self.truth)
    def look_up_and_find_nothing(self) -> None:
        self.state = next_state(self.state, S.INTENT)

    @rule()
    @precondition(lambda self: self.sent and not self.truth)
    def broker_accepts(self) -> None:
        self.truth.append(S.ACCEPTED)

    @rule(to=st.sampled_from([S.PARTIAL, S.CANCELLED, S.EXPIRED]))
    @precondition(lambda self: self.truth and self.truth[-1] in {S.ACCEPTED, S.PARTIAL})
    def broker_moves(self, to: OrderState) -> None:
        self.truth.append(to)

    @rule(data=st.data())
    @precondition(lambda self: self.truth and self.state is not S.INTENT)
    def report_arrives(self, data: st.DataObject) -> None:
        reported = data.draw(st.sampled_from(self.truth))
        before = self.state
        self.state = next_state(self.state, reported)
        if before.final:
            assert self.state is before
        elif not self.state.final:
            assert RANK[self.state] >= RANK[before]

    @rule(shares=st.integers(1, 10))
    @precondition(lambda self: self.truth)
    def fill_arrives(self, shares: int) -> None:
        shares = min(Decimal(shares), self.total - self.filled)
        if shares:
            self.filled += shares
            self.state = after_fills(self.state, self.filled, self.total)

    @invariant()
    def complete_means_filled(self) -> None:
        if getattr(self, "filled", None) == Decimal(10):
            assert self.state is S.FILLED

    @invariant()
    def nothing_is_forgotten(self) -> None:
        if getattr(self, "filled", Decimal(0)) > 0:
            assert self.state not in {S.INTENT, S.SENDING, S.UNKNOWN, S.ACCEPTED, S.REJECTED}


OrderMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestOrdersUnderLateAndRepeatedReports = OrderMachine.TestCase
