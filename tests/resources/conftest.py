"""Ledgers and venues of a whole module (each costs half a second to make); each test takes a book of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from qgtm_resources.clients.alpaca import AlpacaBroker
from qgtm_resources.clients.ledger import PostgresLedger
from qgtm_resources.embedded import create_database
from qgtm_resources.migrations import migrate
from qgtm_resources.services import Services
from tests.resources.venue_support import Account, RunningVenue, own_database, running_venue


@pytest.fixture(scope="module")
def ledger_url(shared_services: Services) -> str:
    """Address of a migrated database; the server throws it away when it stops."""
    name = f"ledger_{uuid.uuid4().hex}"
    create_database(shared_services.postgres_url, name)
    url = shared_services.postgres_url.rsplit("/", 1)[0] + f"/{name}"
    migrate(url)
    return url


@pytest.fixture(scope="module")
def postgres_ledger(ledger_url: str) -> Iterator[PostgresLedger]:
    """The module's ledger, with whatever other tests of the module left in it."""
    with PostgresLedger(ledger_url) as ledger:
        yield ledger


@pytest.fixture
def book(postgres_ledger: PostgresLedger) -> str:
    """An open book of 1,000,000 USD that no other test uses."""
    from tests.ledgers import CASH, new_book

    return new_book(postgres_ledger, CASH)


@pytest.fixture(scope="module")
def venue(shared_services: Services) -> Iterator[RunningVenue]:
    """A paper venue over HTTP on a database of its own, one a test file."""
    with running_venue(own_database(shared_services)) as running:
        yield running


@pytest.fixture
def account(venue: RunningVenue) -> Account:
    """A fresh account at the venue."""
    return venue.account()


@pytest.fixture
def broker(account: Account) -> Iterator[AlpacaBroker]:
    """The real client at the account, with a short time-out."""
    with account.broker(timeout_s=0.4) as client:
        yield client
