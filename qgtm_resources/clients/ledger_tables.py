"""Tables of the schema `ledger`, as the migrations leave them (a test compares the two).

Money, prices and quantities are NUMERIC without a scale, so that a decimal comes back exactly as it went in.
`positions` and `cash` are views over the fills: they cannot disagree with them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    column,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

SCHEMA = "ledger"
METADATA = MetaData(schema=SCHEMA)
INSTANT = DateTime(timezone=True)

BOOKS = Table(
    "books",
    METADATA,
    Column("book", Text, primary_key=True),
    Column("cash_usd", Numeric, nullable=False),
    Column("feed", Text, nullable=False),
    Column("created_at", INSTANT, nullable=False, server_default=text("now()")),
)
SESSIONS_OPENED = Table(
    "sessions_opened",
    METADATA,
    Column("book", Text, ForeignKey("ledger.books.book"), primary_key=True),
    Column("session", Date, primary_key=True),
    Column("state_session", Date),
    Column("cash_usd", Numeric, nullable=False),
    Column("positions", JSONB, nullable=False),
    Column("equity_usd", Double),
    Column("peak_equity_usd", Double),
    Column("previous_equity_usd", Double),
    Column("latched", SmallInteger, nullable=False),
    Column("latched_reason", Text, nullable=False),
    Column("latched_session", Date),
)
INTENTS = Table(
    "intents",
    METADATA,
    Column("client_order_id", Text, primary_key=True),
    Column("seq", BigInteger, Identity(always=True), nullable=False, unique=True),
    Column("session", Date, nullable=False),
    Column("book", Text, ForeignKey("ledger.books.book"), nullable=False),
    Column("symbol", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("quantity_shares", Numeric, nullable=False),
    Column("order_type", Text, nullable=False),
    Column("limit_price", Numeric),
    Column("decision_mid", Numeric, nullable=False),
    Column("algo", Text, nullable=False),
    Column("correlation_id", Text, nullable=False),
    Column("decided_at", INSTANT, nullable=False),
    Index("intents_by_session", "book", "session"),
    Index("intents_by_correlation", "correlation_id"),
)
ORDERS = Table(
    "orders",
    METADATA,
    Column("client_order_id", Text, ForeignKey("ledger.intents.client_order_id"), primary_key=True),
    Column("state", Text, nullable=False),
    Column("filled_shares", Numeric, nullable=False, server_default=text("0")),
    Column("broker_order_id", Text, nullable=False, server_default=text("''")),
    Column("updated_at", INSTANT, nullable=False),
)
ORDER_EVENTS = Table(
    "order_events",
    METADATA,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("client_order_id", Text, ForeignKey("ledger.intents.client_order_id"), nullable=False),
    Column("previous", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("broker_order_id", Text, nullable=False, server_default=text("''")),
    Index("order_events_by_order", "client_order_id"),
)
EXECUTIONS = Table(
    "executions",
    METADATA,
    Column("execution_id", Text, primary_key=True),
    Column("seq", BigInteger, Identity(always=True), nullable=False, unique=True),
    Column("book", Text, ForeignKey("ledger.books.book"), nullable=False),
    Column("session", Date),
    Column("origin", Text, nullable=False),
    Column("intent_id", Text, ForeignKey("ledger.intents.client_order_id")),
    Column("client_order_id", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("quantity_shares", Numeric, nullable=False),
    Column("price", Numeric, nullable=False),
    Column("executed_at", INSTANT, nullable=False),
    Index("executions_by_session", "book", "session"),
    Index("executions_by_order", "client_order_id"),
)
CASH_FLOWS = Table(
    "cash_flows",
    METADATA,
    Column("flow_id", Text, primary_key=True),
    Column("book", Text, ForeignKey("ledger.books.book"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("amount_usd", Numeric, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("note", Text, nullable=False, server_default=text("''")),
    Index("cash_flows_by_book", "book"),
)
KILL_STATES = Table(
    "kill_states",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("book", Text, ForeignKey("ledger.books.book"), nullable=False),
    Column("tier", SmallInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("session", Date),
    Column("at", INSTANT, nullable=False),
    Column("actor", Text, nullable=False),
    Index("kill_states_by_book", "book", "id"),
)
KILL_RESETS = Table(
    "kill_resets",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("book", Text, ForeignKey("ledger.books.book"), nullable=False),
    Column("kill_state_id", BigInteger, ForeignKey("ledger.kill_states.id"), nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("requested_at", INSTANT, nullable=False),
    Column("approved_by", Text),
    Column("approved_at", INSTANT),
    Index("kill_resets_by_book", "book", "id"),
)
GATES = Table(
    "gates",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("book", Text, ForeignKey("ledger.books.book"), nullable=False),
    Column("session", Date, nullable=False),
    Column("name", Text, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("correlation_id", Text, nullable=False, server_default=text("''")),
    Column("body", JSONB, nullable=False),
    Index("gates_by_session", "book", "session"),
)
RECONCILIATIONS = Table(
    "reconciliations",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("book", Text, ForeignKey("ledger.books.book"), nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("ok", Boolean, nullable=False),
    Column("confirmed", Integer, nullable=False),
    Column("body", JSONB, nullable=False),
    Index("reconciliations_by_book", "book", "id"),
)
BREAKS = Table(
    "breaks",
    METADATA,
    Column("reconciliation_id", BigInteger, ForeignKey("ledger.reconciliations.id"), primary_key=True),
    Column("fingerprint", Text, primary_key=True),
    Column("book", Text, ForeignKey("ledger.books.book"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("break_class", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("ledger_value", Numeric),
    Column("broker_value", Numeric),
    Column("notional_usd", Numeric),
    Column("severity", Text, nullable=False),
    Column("first_seen_at", INSTANT, nullable=False),
    Column("ticks", Integer, nullable=False),
    Column("confirmed", Boolean, nullable=False),
)
INSTRUMENT_LOCKS = Table(
    "instrument_locks",
    METADATA,
    Column("book", Text, ForeignKey("ledger.books.book"), primary_key=True),
    Column("symbol", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("locked_by", Text, nullable=False),
    Column("locked_at", INSTANT, nullable=False),
)
AUDIT_LEAVES = Table(
    "audit_leaves",
    METADATA,
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("correlation_id", Text, nullable=False),
    Column("at", INSTANT),
    Column("leaf", Text, nullable=False),
    Column("leaf_hash", LargeBinary, nullable=False),
    Index("audit_leaves_by_correlation", "correlation_id", postgresql_where=text("correlation_id <> ''")),
    Index("audit_leaves_by_kind", "kind", "index"),
)
AUDIT_HEADS = Table(
    "audit_heads",
    METADATA,
    Column("tree_size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("peaks", LargeBinary, nullable=False),
    Column("at", INSTANT, nullable=False, server_default=text("clock_timestamp()")),
)
DQ_RESULTS = Table(
    "dq_results",
    METADATA,
    Column("session", Date, primary_key=True),
    Column("table_name", Text, primary_key=True),
    Column("check_name", Text, primary_key=True),
    Column("passed", Boolean, nullable=False),
    Column("severity", Text, nullable=False),
    Column("failed_rows", BigInteger, nullable=False),
    Column("message", Text, nullable=False),
    Column("at", INSTANT, nullable=False),
)
HEARTBEATS = Table(
    "heartbeats",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("at", INSTANT, nullable=False),
    Column("beats", BigInteger, nullable=False),
    Column("body", JSONB, nullable=False),
)
PLANS = Table(
    "plans",
    METADATA,
    Column("book", Text, ForeignKey("ledger.books.book"), primary_key=True),
    Column("session", Date, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("correlation_id", Text, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("body", JSONB, nullable=False),
)
RUNS = Table(
    "runs",
    METADATA,
    Column("run_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("started_at", INSTANT, nullable=False),
    Column("ended_at", INSTANT),
    Column("body", JSONB, nullable=False),
)
MODELS = Table(
    "models",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("stage", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("trained_at", INSTANT, nullable=False),
    Column("metrics", JSONB, nullable=False),
)
READ_MODELS = Table(
    "read_models",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("panel", Text, nullable=False),
    Column("book", Text, nullable=False),
    Column("session", Date),
    Column("as_of", INSTANT, nullable=False),
    Column("document", JSONB, nullable=False),
    Index("read_models_newest", "panel", "book", "id"),
)
TRIALS = Table(
    "trials",
    METADATA,
    Column("strategy_id", Text, primary_key=True),
    Column("params_hash", Text, primary_key=True),
    Column("data_hash", Text, primary_key=True),
    Column("code_version", Text, primary_key=True),
    Column("first", Date, primary_key=True),
    Column("last", Date, primary_key=True),
    Column("seq", BigInteger, Identity(always=True), nullable=False, unique=True),
    Column("params", JSONB, nullable=False),
    Column("changed", Text, nullable=False),
    Column("periods", BigInteger, nullable=False),
    Column("sharpe", Double),
    Column("fault", Text),
    Column("evaluated_at", INSTANT, nullable=False),
    Index("trials_newest", "strategy_id", "params_hash", "seq"),
)

POSITIONS = table(
    "positions", column("book", Text), column("symbol", Text), column("quantity_shares", Numeric), schema=SCHEMA
)
CASH = table("cash", column("book", Text), column("cash_usd", Numeric), schema=SCHEMA)
