"""The comparisons behind `make bench` must see what they look for. The kill trials themselves take minutes: make bench.

(Every crossing of the executor with broker and ledger is killed in tests/resources/test_executor_crash.py.)
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from benchmarks.accounts import Books, problems
from benchmarks.barrier import Barrier, rows
from benchmarks.tables import markdown

ORDER = ("q1-a-GLD", "GLD", "buy", Decimal(180), "market", None, "FILLED", Decimal(180), "broker-1")
FILL = ("fill-1", "q1-a-GLD", "GLD", "buy", Decimal(180), Decimal("268.41"))
BOOKS = Books((ORDER,), (FILL,), (("GLD", Decimal(180)),), Decimal("951686.2"), 1)


def test_equal_books_have_no_problem() -> None:
    assert problems(BOOKS, BOOKS, BOOKS) == []


def test_ids_may_differ_from_the_control_by_the_name_of_the_book() -> None:
    control = replace(BOOKS, orders=(("q1-b-GLD", *ORDER[1:]),), fills=(("fill-9", "q1-b-GLD", *FILL[2:]),))
    assert problems(BOOKS, BOOKS, control) == []


@pytest.mark.parametrize(
    ("venue", "expected"),
    [
        ({"orders": (ORDER, ORDER)}, "a client id occurs twice"),
        ({"accepted": 2}, "the venue took more orders than the ledger holds"),
        ({"fills": ()}, "fills differ between ledger and venue"),
        ({"positions": ()}, "positions differ between ledger and venue"),
        ({"cash_usd": Decimal("951686.21")}, "cash differs between ledger and venue"),
    ],
)
def test_a_difference_to_the_venue_is_named(venue: dict[str, Any], expected: str) -> None:
    assert expected in problems(BOOKS, replace(BOOKS, **venue), BOOKS)


def test_a_book_without_a_trade_is_no_proof() -> None:
    empty = Books((), (), (), Decimal(1_000_000), 0)
    assert problems(empty, empty, empty) == ["nothing was traded"]


def test_a_barrier_holds_an_insert_back_and_leaves_nothing_behind(postgres_url: str) -> None:
    import threading

    import psycopg2

    from benchmarks.barrier import wait_for
    from qgtm_resources.settings import plain_postgres_url

    connection = psycopg2.connect(plain_postgres_url(postgres_url))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE public.things (name text)")
        with Barrier(postgres_url, "public.things", "NEW.name = 'wait'") as barrier:
            cursor.execute("INSERT INTO public.things VALUES ('pass')")
            insert = threading.Thread(target=cursor.execute, args=("INSERT INTO public.things VALUES ('wait')",))
            insert.start()
            wait_for(barrier.waiting, 10.0, "the insert")
            assert rows(postgres_url, "SELECT name FROM public.things") == [("pass",)]
            barrier.open()
            insert.join(10.0)
    connection.close()
    assert rows(postgres_url, "SELECT count(*) FROM public.things") == [(2,)]
    assert rows(postgres_url, "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == [(0,)]


def test_tables_put_numbers_to_the_right() -> None:
    assert markdown([{"stage": "pit", "s": 0.5}]).splitlines() == [
        "| stage |     s |",
        "| ----- | ----: |",
        "| pit   | 0.500 |",
    ]
