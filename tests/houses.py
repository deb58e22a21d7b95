"""Fixtures for tests of the graph: one market history for all workers, one migrated ledger a module, a book a test."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qgtm_resources.clients.ledger import PostgresLedger
from qgtm_resources.embedded import create_database
from qgtm_resources.migrations import migrate
from qgtm_resources.resources import LedgerResource
from qgtm_resources.services import Services
from qgtm_resources.settings import load_settings
from tests.installation import ACCOUNTS, YEARS, Installation, MarketHistory, files_held_open, market_history


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all workers of a run share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "graph"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def history(shared_folder: Path, _no_settings_from_outside: None) -> MarketHistory:
    """The simulated market up to its last session, from raw to signals, made by one run. Copy it before writing."""
    return market_history(shared_folder / "simulated")


@pytest.fixture(scope="module")
def module_ledger_url(shared_services: Services) -> Iterator[str]:
    """Address of a migrated database; the server throws it away when it stops."""
    name = f"graph_{uuid.uuid4().hex}"
    create_database(shared_services.postgres_url, name)
    url = shared_services.postgres_url.rsplit("/", 1)[0] + f"/{name}"
    migrate(url)
    yield url
    LedgerResource(url=url).ledger.close()


@pytest.fixture
def new_house(
    history: MarketHistory, module_ledger_url: str, redis_url: str, home: Path
) -> Iterator[Callable[..., Installation]]:
    """Make installations of one new book each, on a copy of the market history; their files stay open meanwhile."""
    made: list[str] = []
    original = history

    def make(*, history: MarketHistory | None = original, **settings: Any) -> Installation:
        name = f"book-{uuid.uuid4().hex[:8]}"
        made.append(name)
        chosen = {"home": home / name, "years": YEARS, "book": name, **settings}
        house = Installation(load_settings(**chosen), module_ledger_url, redis_url)
        if history is not None:
            history.copy_to(house.settings)
        return house

    with files_held_open():
        yield make
    for name in made:
        ACCOUNTS.pop(name, None)


@pytest.fixture
def house(new_house: Callable[..., Installation]) -> Installation:
    """One installation with the market history in place."""
    return new_house()


@pytest.fixture
def books(house: Installation) -> PostgresLedger:
    """The ledger of the house; its book is open."""
    house.ledger.open_book(house.book, house.desk().cash_usd, house.desk().feed_label)
    return house.ledger
