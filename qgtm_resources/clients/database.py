"""PostgreSQL connections: one spelling of the URL, small pools, bounded waits."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, create_engine

from qgtm_core.audit import canonical_json
from qgtm_core.errors import ConfigError

CONNECT_TIMEOUT_S = 5
OPTIONS = "-c timezone=UTC -c statement_timeout=30000 -c lock_timeout=10000"


def database_url(url: str) -> str:
    """The URL with the driver named: a bare `postgresql://` means another driver to newer SQLAlchemy."""
    scheme, mark, rest = url.partition("://")
    if not mark or scheme not in {"postgresql", "postgres", "postgresql+psycopg2"}:
        raise ConfigError(f"a PostgreSQL URL begins with postgresql://, not {scheme!r}")
    return f"postgresql+psycopg2://{rest}"


def make_engine(url: str, *, pool_size: int = 2, max_overflow: int = 3, **options: Any) -> Engine:
    """An engine with a small pool that checks connections before use and waits at most seconds for anything."""
    return create_engine(
        database_url(url),
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_pre_ping=True,
        json_serializer=canonical_json,  # decimals and instants as strings, NaN refused
        pool_timeout=CONNECT_TIMEOUT_S,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "options": OPTIONS},
        **options,
    )
