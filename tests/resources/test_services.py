"""Embedded servers: shared by all processes of a home, stopped by the last one, recovered after a kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import psycopg2
import pytest
import redis

from qgtm_core.errors import ConfigError, TransientError
from qgtm_resources import embedded
from qgtm_resources.keeper import main as keeper_main
from qgtm_resources.keeper import read_state
from qgtm_resources.processes import alive
from qgtm_resources.services import services
from qgtm_resources.settings import load_settings, plain_postgres_url

ROOT = Path(__file__).parents[2]
USER = """
import sys
from qgtm_resources.services import services
from qgtm_resources.settings import load_settings
with services(load_settings(), durable=False) as running:
    print(running.postgres_url, flush=True)
    sys.stdin.readline()
"""


def query(url: str, text: str) -> tuple:
    connection = psycopg2.connect(plain_postgres_url(url), connect_timeout=5)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchone() if cursor.description else ()
    finally:
        connection.close()


@pytest.fixture
def start_user():
    """Start processes that use the services of the home until they are told to finish."""
    with ExitStack() as stack:

        def start() -> subprocess.Popen[str]:
            user = subprocess.Popen(
                [sys.executable, "-c", USER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
            stack.enter_context(user)
            stack.callback(user.kill)
            return user

        yield start


def finish(user: subprocess.Popen[str]) -> None:
    user.communicate("\n", timeout=60)


def kill(user: subprocess.Popen[str]) -> None:
    user.kill()
    user.communicate(timeout=60)


def keeper_of(home: Path) -> int:
    answer = subprocess.run(
        ["pgrep", "-f", f"qgtm_resources.keeper {home}"], capture_output=True, text=True, check=True
    )
    return int(answer.stdout.split()[0])


def servers_of(home: Path) -> dict[str, int]:
    return {name: server["pid"] for name, server in read_state(home / "services")["servers"].items()}


def wait_gone(numbers, seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(alive(number) for number in numbers):
            return True
        time.sleep(0.05)
    return False


def test_servers_start_answer_and_leave_nothing_behind(home):
    before = dict(os.environ)
    with services(load_settings(), durable=False) as running:
        numbers = servers_of(home)
        version, address = query(running.postgres_url, "SELECT current_setting('server_version'), inet_server_addr()")
        assert version.startswith("18")
        assert address == "127.0.0.1"
        assert redis.Redis.from_url(running.redis_url).ping()
        assert os.environ["QGTM_POSTGRES_URL"] == running.postgres_url
        assert os.environ["DAGSTER_HOME"] == str(home / "dagster")
        assert os.environ["DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS"] == "1"
        assert (home / "dagster" / "dagster.yaml").read_bytes() == (ROOT / "dagster.yaml").read_bytes()
        dagster = running.postgres_url.rsplit("/", 1)[0] + "/dagster_simulated"
        assert query(dagster, "SELECT current_database()") == ("dagster_simulated",)

    assert not any(alive(number) for number in numbers.values())
    assert dict(os.environ) == before


def test_what_was_written_is_there_at_the_next_start_and_writes_are_durable_by_default(home):
    with services(load_settings()) as running:
        query(running.postgres_url, "CREATE TABLE kept AS SELECT 42 AS answer")
        assert query(running.postgres_url, "SELECT current_setting('fsync')") == ("on",)
        assert query(running.postgres_url, "SELECT current_setting('synchronous_commit')") == ("on",)
    with services(load_settings()) as running:
        assert query(running.postgres_url, "SELECT answer FROM kept") == (42,)


def test_nobody_gets_in_without_the_password_and_it_is_readable_by_the_owner_alone(home):
    with services(load_settings(), durable=False) as running:
        port = running.postgres_url.rsplit(":", 1)[1].split("/")[0]
        with pytest.raises(psycopg2.OperationalError, match="password"):
            psycopg2.connect(host="127.0.0.1", port=port, user="qgtm", password="guess", dbname="qgtm")
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=int(running.redis_url.rsplit(":", 1)[1].split("/")[0])).ping()
        assert (home / "services" / "services.json").stat().st_mode & 0o077 == 0


def test_callers_at_the_same_moment_share_one_pair_and_the_last_one_stops_it(home, start_user):
    users = [start_user() for _ in range(3)]
    urls = {user.stdout.readline().strip() for user in users}
    numbers = servers_of(home).values()

    finish(users[0])
    finish(users[1])

    assert len(urls) == 1
    assert all(alive(number) for number in numbers)
    finish(users[2])
    assert not any(alive(number) for number in numbers)


def test_a_killed_user_leaves_nothing_running(home, start_user):
    user = start_user()
    user.stdout.readline()
    numbers = list(servers_of(home).values())

    kill(user)

    assert wait_gone(numbers)


@pytest.mark.parametrize("victims", ["keeper", "servers"])
def test_servers_that_outlived_their_keeper_or_died_are_recovered_by_the_next_caller(home, start_user, victims):
    user = start_user()
    url = user.stdout.readline().strip()
    query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    numbers = servers_of(home)
    os.kill(keeper_of(home), signal.SIGKILL)
    if victims == "servers":
        os.kill(numbers["postgres"], signal.SIGKILL)
        os.kill(numbers["valkey"], signal.SIGKILL)
        assert wait_gone(numbers.values())
    kill(user)

    with services(load_settings(), durable=False) as running:
        assert query(running.postgres_url, "SELECT answer FROM kept") == (42,)
        assert redis.Redis.from_url(running.redis_url).ping()
        assert (servers_of(home) == numbers) == (victims == "keeper")
        numbers = servers_of(home)
    assert not any(alive(number) for number in numbers.values())


def test_addresses_that_are_set_are_used_and_nothing_is_started(home, shared_services, postgres_url):
    settings = load_settings(postgres_url=postgres_url, redis_url=shared_services.redis_url)

    with services(settings) as running:
        assert running.postgres_url == postgres_url
        assert running.redis_url == shared_services.redis_url
        assert not (home / "services").exists()
        assert query(postgres_url.rsplit("/", 1)[0] + "/dagster_simulated", "SELECT 1") == (1,)


def test_a_server_that_does_not_answer_is_named_by_its_variable(home):
    settings = load_settings(postgres_url="postgresql://u:p@127.0.0.1:1/d", redis_url="redis://127.0.0.1:1/0")

    with pytest.raises(TransientError, match="QGTM_POSTGRES_URL: the server does not answer"), services(settings):
        pass


def test_a_home_in_use_without_postgres_is_not_silently_shared(home, postgres_url):
    without, with_both = load_settings(postgres_url=postgres_url), load_settings()

    with (
        services(without, durable=False),
        pytest.raises(ConfigError, match="runs no postgres"),
        services(with_both, durable=False),
    ):
        pass


def test_a_home_that_cannot_be_made_is_a_clear_error(tmp_path, home):
    (tmp_path / "file").write_text("")

    with (
        pytest.raises(ConfigError, match=r"QGTM_HOME: .*cannot be written"),
        services(load_settings(home=tmp_path / "file")),
    ):
        pass


def test_a_missing_wheel_names_the_variable_to_set(monkeypatch):
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None)

    with pytest.raises(ConfigError, match="QGTM_POSTGRES_URL"):
        embedded.postgres_programs()
    with pytest.raises(ConfigError, match="QGTM_REDIS_URL"):
        embedded.valkey_program()


def test_the_keeper_hands_its_error_to_the_caller(home):
    folder = home / "services"
    (folder / "postgres").mkdir(parents=True)
    (folder / "postgres" / "data").write_text("in the way")

    with pytest.raises((ConfigError, TransientError)), services(load_settings(), durable=False):
        pass


def test_a_second_keeper_goes_away_at_once(shared_services):
    folder = shared_services.settings.home / "services"

    assert keeper_main([str(folder), "postgres", "valkey"]) == 0


def test_a_port_is_known_to_be_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert embedded.port_in_use(taken.getsockname()[1])
    assert not embedded.port_in_use(embedded.free_port())
