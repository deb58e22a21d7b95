"""Alembic environment: one transaction on the connection that `migrate` hands over."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, text

from qgtm_resources.clients.ledger_tables import METADATA, SCHEMA

MIGRATION_LOCK = 0x5147_544D  # any constant; "QGTM"

connection: Connection = context.config.attributes["connection"]
connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
context.configure(connection=connection, target_metadata=METADATA, version_table_schema=SCHEMA, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
