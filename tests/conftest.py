"""Real servers and folders for tests. The servers are shared by all workers of a run and stop with the last one."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest
import redis

from qgtm_resources.embedded import create_database
from qgtm_resources.services import Services, services
from qgtm_resources.settings import load_settings, plain_postgres_url
from tests.archive import require_archive

REDIS_DATABASES = 16
ROOT = Path(__file__).resolve().parent.parent
# Files that take longest, longest first (CPU seconds on two cores, 2026-11): neither worker then ends long after the
# other. The two that make long histories of their own come before those that share one.
LONGEST = (
    "tests/parity/test_parity.py",  # 130
    "tests/jobs/test_operations.py",  # 110
    "tests/properties/test_strategies.py",  # 42
    "tests/core/features/test_features_point_in_time.py",  # 37
    "tests/resources/test_executor_crash.py",  # 17, mostly waiting
    "tests/resources/test_services.py",  # 7, mostly waiting
    "tests/assets/test_intraday_assets.py",  # 35
    "tests/assets/test_gates.py",  # 28
    "tests/jobs/test_cli_up.py",  # 32
    "tests/assets/test_market_assets.py",  # 20
    "tests/core/intraday/test_intraday_signals.py",  # 12
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first; all others stay in the random order of this run."""
    place = {ROOT / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    """Take the developer's own QGTM_ variables away, but for the place of the archive."""
    hidden = {
        name: os.environ.pop(name) for name in list(os.environ) if name.startswith("QGTM_") and "TEST" not in name
    }
    yield
    os.environ.update(hidden)


@pytest.fixture(scope="session")
def shared_services(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Services]:
    """A PostgreSQL and a Valkey; one pair for all workers."""
    folder = tmp_path_factory.getbasetemp()
    home = (folder if worker_id == "master" else folder.parent) / "services-home"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # a .env of the developer is not for tests
        before = dict(os.environ)
        with services(load_settings(home=home), durable=False) as running:
            # Tests that need the variables set them: none may leak into a test of settings.
            os.environ.clear()
            os.environ.update(before)
            yield running


@pytest.fixture(scope="session")
def worker_id() -> str:
    """Name of the parallel worker, `master` when there is one process only."""
    return os.environ.get("PYTEST_XDIST_WORKER", "master")


@pytest.fixture
def new_database(shared_services: Services) -> Iterator[Callable[[], str]]:
    """Make empty databases; they are dropped after the test."""
    names: list[str] = []

    def make() -> str:
        name = f"test_{uuid.uuid4().hex}"
        create_database(shared_services.postgres_url, name)
        names.append(name)
        return shared_services.postgres_url.rsplit("/", 1)[0] + f"/{name}"

    yield make
    connection = psycopg2.connect(plain_postgres_url(shared_services.postgres_url))
    connection.autocommit = True
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    connection.close()


@pytest.fixture
def postgres_url(new_database: Callable[[], str]) -> str:
    """Address of an empty PostgreSQL database of this test alone."""
    return new_database()


@pytest.fixture
def redis_url(shared_services: Services, worker_id: str) -> Iterator[str]:
    """Address of an empty Valkey database of this worker alone."""
    number = 0 if worker_id == "master" else 1 + int(worker_id.removeprefix("gw")) % (REDIS_DATABASES - 1)
    url = shared_services.redis_url.rsplit("/", 1)[0] + f"/{number}"
    client = redis.Redis.from_url(url)
    client.flushdb()
    yield url
    client.flushdb()
    client.close()


@pytest.fixture
def archive_path() -> Path:
    """Folder of real market history; the test is skipped where there is none."""
    return require_archive()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty QGTM home, set in the environment; the working folder holds no `.env`."""
    folder = tmp_path / "home"
    monkeypatch.setenv("QGTM_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder
