"""What `qgtm up` runs, in which order, and when it refuses to."""

from __future__ import annotations

import socket
import time

import psycopg2
import pytest
import yaml

from qgtm_core.errors import ConfigError
from qgtm_jobs.stack import answers, build_stack
from qgtm_resources.embedded import free_port
from qgtm_resources.services import services
from qgtm_resources.settings import load_settings, plain_postgres_url


@pytest.fixture
def open_services(home, shared_services):
    """Open services of the shared servers with more settings."""

    def opened(**given: object):
        given.setdefault("webserver_port", free_port())
        return services(
            load_settings(postgres_url=shared_services.postgres_url, redis_url=shared_services.redis_url, **given)
        )

    return opened


def test_the_daemon_and_the_pages_wait_for_the_code_servers(open_services):
    with open_services() as running:
        plan = build_stack(running, started_at=time.time())

    assert [spec.name for spec in plan.specs] == ["venue", "live", "research", "daemon", "webserver"]
    assert {spec.name: spec.after for spec in plan.specs if spec.after} == {
        "daemon": ("live", "research"),
        "webserver": ("live", "research"),
    }


def test_the_workspace_file_names_both_code_servers(open_services):
    with open_services() as running:
        plan = build_stack(running, started_at=time.time())
        workspace = yaml.safe_load(plan.workspace.read_text())

    assert [entry["grpc_server"]["location_name"] for entry in workspace["load_from"]] == ["live", "research"]


def test_all_processes_learn_the_address_and_the_secret_of_the_venue_but_not_from_their_command_lines(open_services):
    with open_services() as running:
        plan = build_stack(running, started_at=time.time())

    assert plan.environment["QGTM_VENUE_URL"].startswith("http://127.0.0.1:")
    assert plan.environment["QGTM_VENUE_SECRET"]
    commands = " ".join(part for spec in plan.specs for part in spec.command)
    assert plan.environment["QGTM_VENUE_SECRET"] not in commands
    assert plan.environment["PGPASSWORD"] not in commands


def test_with_an_alpaca_account_no_venue_is_started(open_services):
    with open_services(alpaca_key="k", alpaca_secret="s") as running:
        plan = build_stack(running, started_at=time.time())

    assert "venue" not in [spec.name for spec in plan.specs]


def test_a_port_in_use_is_refused_by_the_name_of_its_variable(open_services):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        open_services(webserver_port=taken.getsockname()[1]) as running,
        pytest.raises(ConfigError, match="QGTM_WEBSERVER_PORT"),
    ):
        build_stack(running, started_at=time.time())


def test_the_daemon_counts_as_up_only_after_a_heartbeat_of_this_start(open_services):
    now = time.time()
    with open_services() as running:
        daemon = next(spec for spec in build_stack(running, started_at=now).specs if spec.name == "daemon")
        assert not daemon.ready()
        dagster = plain_postgres_url(running.postgres_url).rsplit("/", 1)[0] + f"/{running.settings.dagster_database}"
        connection = psycopg2.connect(dagster)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS daemon_heartbeats (timestamp timestamp without time zone)")
            cursor.execute("INSERT INTO daemon_heartbeats VALUES (to_timestamp(%s) AT TIME ZONE 'UTC')", (now - 60,))
            stale = daemon.ready()
            cursor.execute("INSERT INTO daemon_heartbeats VALUES (to_timestamp(%s) AT TIME ZONE 'UTC')", (now + 1,))
            fresh = daemon.ready()
            cursor.execute("DROP TABLE daemon_heartbeats")
        connection.close()

    assert (stale, fresh) == (False, True)


def test_an_address_that_nobody_serves_does_not_answer():
    assert not answers(f"http://127.0.0.1:{free_port()}/server_info")
