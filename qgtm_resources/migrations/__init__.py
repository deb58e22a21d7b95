"""Schema `ledger`, brought to its newest form by Alembic inside the calling process."""

from __future__ import annotations

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, pool

from qgtm_resources.clients.database import database_url

_ONE_AT_A_TIME = threading.Lock()  # Alembic keeps its context in module globals; other processes wait in the database


def migrate(url: str, revision: str = "head") -> None:
    """Upgrade the database to `revision`; safe to repeat and to call from several processes at once."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    engine = create_engine(database_url(url), poolclass=pool.NullPool, connect_args={"connect_timeout": 5})
    try:
        with _ONE_AT_A_TIME, engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    finally:
        engine.dispose()
