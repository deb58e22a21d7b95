"""The paper venue's own books: PostgreSQL schema `venue`, created by the venue itself. The ledger never reads it."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(schema="venue")

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),  # the API key id, which is the book's name
    sa.Column("starting_cash_usd", sa.Numeric, nullable=False),
    sa.Column("cash_usd", sa.Numeric, nullable=False),
    sa.Column("session", sa.Date),  # the account's clock; null before the first session
    sa.Column("previous_equity_usd", sa.Numeric, nullable=False),  # at the end of the session before
    sa.Column("orders_seen", sa.BigInteger, nullable=False, server_default="0"),
)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),  # order of acceptance within the account
    sa.Column("account", sa.Text, sa.ForeignKey(accounts.c.account), nullable=False),
    sa.Column("client_order_id", sa.Text, nullable=False),
    sa.Column("session", sa.Date, nullable=False),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("qty", sa.Numeric, nullable=False),
    sa.Column("limit_price", sa.Numeric),
    sa.Column("status", sa.Text, nullable=False),  # Alpaca's words
    sa.Column("reason", sa.Text),
    sa.Column("filled_qty", sa.Numeric, nullable=False, server_default="0"),
    sa.Column("filled_avg_price", sa.Numeric),
    sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    sa.UniqueConstraint("account", "client_order_id"),
    sa.Index("ix_orders_account_status", "account", "status"),
)

executions = sa.Table(
    "executions",
    metadata,
    sa.Column("seq", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("account", sa.Text, sa.ForeignKey(accounts.c.account), nullable=False),
    sa.Column("execution_id", sa.Text, nullable=False),
    sa.Column("order_id", sa.Text, sa.ForeignKey(orders.c.id), nullable=False),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("qty", sa.Numeric, nullable=False),
    sa.Column("price", sa.Numeric, nullable=False),
    sa.Column("cum_qty", sa.Numeric, nullable=False),
    sa.Column("position_qty", sa.Numeric, nullable=False),  # signed position after this execution
    sa.Column("executed_at", sa.DateTime(timezone=True), nullable=False),
    sa.UniqueConstraint("account", "execution_id"),
    sa.Index("ix_executions_account_time", "account", "executed_at"),
)

positions = sa.Table(
    "positions",
    metadata,
    sa.Column("account", sa.Text, sa.ForeignKey(accounts.c.account), primary_key=True),
    sa.Column("symbol", sa.Text, primary_key=True),
    sa.Column("qty", sa.Numeric, nullable=False),  # negative for a short
    sa.Column("avg_entry_price", sa.Numeric, nullable=False),
    sa.Column("last_price", sa.Numeric, nullable=False),  # newest price seen, for a symbol that stops trading
)

# Any fixed number: it keeps two venues that start at once from creating the same tables.
_CREATION_LOCK = 7_203_611


def create_schema(engine: sa.Engine) -> None:
    """Create the schema and its tables where they are missing; safe to repeat and to run at the same time twice."""
    with engine.begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CREATION_LOCK)))
        connection.execute(sa.schema.CreateSchema("venue", if_not_exists=True))
        metadata.create_all(connection)
