"""Settings of one installation: read from the environment (prefix `QGTM_`) and from `.env`, checked once, frozen.

There is no settings object at import: `load_settings` makes one, and whoever needs it is handed it.
"""

from __future__ import annotations

import datetime as dt
import os
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from qgtm_core.errors import ConfigError
from qgtm_core.types import FeedMode

PREFIX = "QGTM_"
POSTGRES_SCHEME = "postgresql+psycopg2"
DEFAULT_HOME = Path(".qgtm")


class Settings(BaseSettings):
    """Everything an operator may choose; see `.env.example` for the same list with examples.

    Fractions are decimals (0.10 = 10 %). An empty variable counts as not set.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    home: Path = Field(DEFAULT_HOME, description="Folder for everything QGTM keeps: warehouse, ledger, logs")
    feed: FeedMode = Field(FeedMode.SIMULATED, description="Where raw rows come from: simulated, archive or live")
    archive: Path | None = Field(None, description="Folder of Parquet files for feed=archive")
    as_of: dt.date | None = Field(None, description="Session to act on; default: the newest one of the feed")
    seed: int = Field(7, ge=0, description="Seed of the simulated market")
    years: int = Field(10, ge=2, le=25, description="Years of history the simulated market makes")

    postgres_url: SecretStr | None = Field(None, description="PostgreSQL to use; empty: the embedded one")
    redis_url: SecretStr | None = Field(None, description="Redis or Valkey to use; empty: the embedded one")

    book: str | None = Field(None, pattern=r"^[A-Za-z0-9@._-]{1,40}$", description="Name of the book that is traded")
    start_cash_usd: Decimal = Field(Decimal(1_000_000), gt=0, description="Cash a new book starts with")
    allow_short: bool = Field(False, description="Whether a target weight may be negative")
    annual_vol_target: float = Field(0.10, gt=0.0, le=0.40, description="Volatility the portfolio is scaled to")
    daily_loss_limit: float = Field(0.02, gt=0.0, le=0.20, description="Loss in a session that closes the gate")
    max_drawdown: float = Field(0.15, gt=0.0, le=0.50, description="Fall from the peak that flattens the book")

    venue_url: str | None = Field(None, description="Address of a paper venue; empty: our own, on loopback")
    venue_port: int = Field(0, ge=0, le=65535, description="Port of our own paper venue; 0: any free one")
    venue_secret: SecretStr | None = Field(None, description="Secret of the paper venue; made up when it is our own")
    webserver_port: int = Field(3000, ge=1, le=65535, description="Port of the Dagster webserver")

    alpaca_key: SecretStr | None = Field(None, description="Alpaca paper key; empty: our own paper venue")
    alpaca_secret: SecretStr | None = Field(None, description="Alpaca paper secret")
    fred_key: SecretStr | None = Field(None, description="FRED key for feed=live")
    live_trading: bool = Field(False, description="Real orders; needs its own key pair")
    live_key: SecretStr | None = Field(None, description="Alpaca live key")
    live_secret: SecretStr | None = Field(None, description="Alpaca live secret")

    @field_validator("home", "archive")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser().absolute()

    @field_validator("postgres_url")
    @classmethod
    def _name_the_driver(cls, url: SecretStr | None) -> SecretStr | None:
        return None if url is None else SecretStr(normalise_postgres_url(url.get_secret_value()))

    @field_validator("redis_url")
    @classmethod
    def _redis_scheme(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("redis://", "rediss://", "valkey://")):
            raise ValueError("must start with redis://, rediss:// or valkey://")
        return url

    @field_validator("as_of")
    @classmethod
    def _a_session(cls, day: dt.date | None) -> dt.date | None:
        if day is None:
            return None
        from qgtm_core.calendar import is_session, session_on_or_before  # a second to import; most commands need none

        if not is_session(day):
            raise ValueError(f"{day} is not a NYSE session; the one before it is {session_on_or_before(day)}")
        return day

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.feed is FeedMode.ARCHIVE:
            _require_folder(self.archive)
        if self.feed is FeedMode.LIVE and self.as_of is not None:
            raise ValueError("QGTM_AS_OF cannot be used with QGTM_FEED=live: live work acts on today's session")
        _require_pair("QGTM_ALPACA_KEY", self.alpaca_key, "QGTM_ALPACA_SECRET", self.alpaca_secret)
        _require_pair("QGTM_LIVE_KEY", self.live_key, "QGTM_LIVE_SECRET", self.live_secret)
        if self.live_trading:
            self._require_live_permission()
        return self

    def _require_live_permission(self) -> None:
        if self.live_key is None or self.live_secret is None:
            raise ValueError("QGTM_LIVE_TRADING=true needs its own key pair: set QGTM_LIVE_KEY and QGTM_LIVE_SECRET")
        if self.live_key == self.alpaca_key or self.live_secret == self.alpaca_secret:
            raise ValueError("QGTM_LIVE_KEY and QGTM_LIVE_SECRET must differ from the paper pair QGTM_ALPACA_*")
        if self.feed is not FeedMode.LIVE:
            raise ValueError("QGTM_LIVE_TRADING=true needs QGTM_FEED=live: no real order is made from other data")

    @property
    def book_name(self) -> str:
        """The book in use: as set, else the feed's name, with `@<as_of>` when a session is given."""
        if self.book is not None:
            return self.book
        return f"{self.feed.value}@{self.as_of}" if self.as_of is not None else self.feed.value

    @property
    def warehouse_folder(self) -> Path:
        """Folder of the DuckDB files; apart for each feed, so that no two kinds of data ever mix."""
        return self.home / "warehouse" / self.feed.value

    @property
    def dagster_home(self) -> Path:
        """Folder Dagster keeps its own files in."""
        return self.home / "dagster"

    @property
    def dagster_database(self) -> str:
        """Database of Dagster's own tables, apart for each feed: a partition of one says nothing about another."""
        return f"dagster_{self.feed.value}"

    @property
    def log_folder(self) -> Path:
        """Folder of the log files."""
        return self.home / "logs"


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; an override that is not None wins over the environment. Raises ConfigError in one line."""
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise ConfigError("; ".join(_in_words(fault) for fault in error.errors(include_url=False))) from None


def settings_environment(settings: Settings) -> dict[str, str]:
    """Return the variables from which a child process reads these very settings (secrets included)."""
    values: dict[str, str] = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        if value is not None:
            values[f"{PREFIX}{name.upper()}"] = str(value)
    return values


def masked(settings: Settings) -> dict[str, str]:
    """Return every setting as text for people; a secret shows only that it is set."""
    shown: dict[str, str] = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        shown[f"{PREFIX}{name.upper()}"] = (
            "(not set)" if value is None else "********" if isinstance(value, SecretStr) else str(value)
        )
    return shown


def normalise_postgres_url(url: str) -> str:
    """Return the address with its driver named: SQLAlchemy 2.1 would send a bare one to a driver we do not use."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgres", "postgresql", POSTGRES_SCHEME}:
        raise ValueError("must start with postgresql://")
    return f"{POSTGRES_SCHEME}://{rest}"


def plain_postgres_url(url: str) -> str:
    """Return the address as libpq and psycopg2 take it, without SQLAlchemy's driver name."""
    return url.replace(f"{POSTGRES_SCHEME}://", "postgresql://", 1)


def _require_folder(archive: Path | None) -> None:
    if archive is None:
        raise ValueError("QGTM_FEED=archive needs QGTM_ARCHIVE: the folder of Parquet files")
    if not archive.is_dir():
        raise ValueError(f"QGTM_ARCHIVE: {archive} is not a folder")
    if not os.access(archive, os.R_OK | os.X_OK):
        raise ValueError(f"QGTM_ARCHIVE: {archive} cannot be read by this user")


def _require_pair(key_name: str, key: SecretStr | None, secret_name: str, secret: SecretStr | None) -> None:
    if (key is None) != (secret is None):
        missing = key_name if key is None else secret_name
        raise ValueError(f"{missing} is not set: {key_name} and {secret_name} go together")


def _in_words(fault: Any) -> str:
    message = str(fault["msg"]).removeprefix("Value error, ")
    where = fault["loc"]
    return message if not where else f"{PREFIX}{str(where[0]).upper()}: {message}"
