"""Settings: what may be set, what is refused and in which words, and how a child process gets the same."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from qgtm_core.errors import ConfigError
from qgtm_core.types import FeedMode
from qgtm_resources.clock import SessionClock, SystemClock
from qgtm_resources.settings import (
    load_settings,
    masked,
    normalise_postgres_url,
    plain_postgres_url,
    settings_environment,
)

pytestmark = pytest.mark.usefixtures("home")


def test_everything_has_a_default_so_that_nothing_must_be_set(tmp_path, monkeypatch):
    monkeypatch.delenv("QGTM_HOME")
    settings = load_settings()

    assert settings.home == tmp_path / ".qgtm"
    assert settings.feed is FeedMode.SIMULATED
    assert (settings.seed, settings.years) == (7, 10)
    assert settings.start_cash_usd == Decimal(1_000_000)
    assert not settings.live_trading
    assert settings.postgres_url is None


def test_the_environment_wins_over_the_file_and_an_option_over_both(monkeypatch):
    Path(".env").write_text("QGTM_SEED=11\nQGTM_YEARS=5\n", encoding="utf-8")
    monkeypatch.setenv("QGTM_SEED", "12")

    assert (load_settings().seed, load_settings().years) == (12, 5)
    assert load_settings(seed=13).seed == 13


def test_an_empty_variable_counts_as_not_set(monkeypatch):
    monkeypatch.setenv("QGTM_ARCHIVE", "")
    monkeypatch.setenv("QGTM_AS_OF", "")

    assert load_settings().archive is None


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(ValidationError):
        load_settings().seed = 8


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"feed": "archive"}, "QGTM_FEED=archive needs QGTM_ARCHIVE"),
        ({"feed": "archive", "archive": "nowhere"}, "QGTM_ARCHIVE: .*nowhere is not a folder"),
        ({"feed": "tape"}, "QGTM_FEED: Input should be 'simulated', 'archive' or 'live'"),
        ({"feed": "live", "as_of": "2024-06-28"}, "QGTM_AS_OF cannot be used with QGTM_FEED=live"),
        ({"as_of": "2024-06-30"}, "2024-06-30 is not a NYSE session; the one before it is 2024-06-28"),
        ({"as_of": "yesterday"}, "QGTM_AS_OF: Input should be a valid date"),
        ({"years": 1, "seed": -1}, "QGTM_SEED: .*; QGTM_YEARS: "),
        ({"book": "a book"}, "QGTM_BOOK: String should match"),
        ({"postgres_url": "mysql://x/y"}, "QGTM_POSTGRES_URL: must start with postgresql://"),
        ({"redis_url": "http://x"}, "QGTM_REDIS_URL: must start with redis://"),
        ({"alpaca_key": "k"}, "QGTM_ALPACA_SECRET is not set"),
        ({"live_secret": "s"}, "QGTM_LIVE_KEY is not set"),
    ],
)
def test_a_bad_setting_is_refused_in_one_line_that_names_the_variable(given, words):
    with pytest.raises(ConfigError, match=words) as refused:
        load_settings(**given)

    assert "\n" not in str(refused.value)


PAPER = {"alpaca_key": "paper-key", "alpaca_secret": "paper-secret"}
LIVE = {"live_trading": True, "live_key": "live-key", "live_secret": "live-secret"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"live_trading": True, "feed": "live"}, "needs its own key pair"),
        ({"live_trading": True, "feed": "live", **PAPER}, "needs its own key pair"),
        ({**PAPER, **LIVE, "live_key": "paper-key", "feed": "live"}, "must differ from the paper pair"),
        ({**PAPER, **LIVE, "live_secret": "paper-secret", "feed": "live"}, "must differ from the paper pair"),
        (LIVE, "needs QGTM_FEED=live"),
    ],
)
def test_live_trading_is_refused_without_its_own_keys_and_live_data(given, words):
    with pytest.raises(ConfigError, match=words):
        load_settings(**given)


def test_live_keys_alone_do_not_switch_live_trading_on():
    assert not load_settings(live_key="k", live_secret="s", feed="live").live_trading
    assert load_settings(**LIVE, feed="live").live_trading


def test_a_secret_is_shown_nowhere(monkeypatch):
    monkeypatch.setenv("QGTM_POSTGRES_URL", "postgresql://u:hush@db/q")
    settings = load_settings(**PAPER)

    assert masked(settings)["QGTM_ALPACA_KEY"] == "********"
    assert masked(settings)["QGTM_LIVE_KEY"] == "(not set)"
    for text in (repr(settings), str(masked(settings))):
        assert "hush" not in text
        assert "paper-secret" not in text
    with pytest.raises(ConfigError) as refused:
        load_settings(**PAPER, feed="archive")
    assert "paper-secret" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_a_postgres_address_always_names_its_driver(scheme):
    assert normalise_postgres_url(f"{scheme}://u:p@h:5/d") == "postgresql+psycopg2://u:p@h:5/d"
    assert plain_postgres_url("postgresql+psycopg2://u:p@h:5/d") == "postgresql://u:p@h:5/d"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "simulated"),
        ({"as_of": "2024-06-28"}, "simulated@2024-06-28"),
        ({"as_of": "2024-06-28", "book": "mine"}, "mine"),
    ],
)
def test_the_book_is_named_after_the_feed_and_the_session_unless_it_is_set(given, name):
    assert load_settings(**given).book_name == name


def test_two_feeds_never_share_a_warehouse_folder(tmp_path):
    simulated, archive = load_settings(), load_settings(feed="archive", archive=tmp_path)

    assert simulated.warehouse_folder != archive.warehouse_folder
    assert simulated.log_folder.parent == simulated.dagster_home.parent == simulated.home


def test_a_child_process_reads_the_very_same_settings(tmp_path, monkeypatch):
    settings = load_settings(
        feed="archive",
        archive=tmp_path,
        as_of="2024-06-28",
        seed=3,
        allow_short=True,
        postgres_url="postgresql://h/d",
        **PAPER,
    )
    for name, value in settings_environment(settings).items():
        monkeypatch.setenv(name, value)

    assert load_settings() == settings


def test_every_setting_is_explained_in_the_example_file():
    example = (Path(__file__).parents[2] / ".env.example").read_text(encoding="utf-8")

    missing = [name for name in masked(load_settings()) if name not in example]

    assert missing == []


def test_the_clocks_tell_utc_and_a_session_stands_still_at_its_decision():
    assert SystemClock().now().tzinfo is dt.UTC
    assert SessionClock(dt.date(2024, 6, 28)).now() == dt.datetime(2024, 6, 28, 19, 30, tzinfo=dt.UTC)
