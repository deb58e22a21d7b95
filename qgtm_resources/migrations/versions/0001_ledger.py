"""The ledger: books, orders, fills, kill switch, reconciliation, audit log and operating records."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE ledger.books (
    book text PRIMARY KEY,
    cash_usd numeric NOT NULL,
    feed text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE ledger.sessions_opened (
    book text NOT NULL REFERENCES ledger.books,
    session date NOT NULL,
    state_session date,
    cash_usd numeric NOT NULL,
    positions jsonb NOT NULL,
    equity_usd double precision,
    peak_equity_usd double precision,
    previous_equity_usd double precision,
    latched smallint NOT NULL,
    latched_reason text NOT NULL,
    latched_session date,
    PRIMARY KEY (book, session)
);
CREATE TABLE ledger.intents (
    client_order_id text PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    session date NOT NULL,
    book text NOT NULL REFERENCES ledger.books,
    symbol text NOT NULL,
    side text NOT NULL CHECK (side IN ('buy', 'sell')),
    quantity_shares numeric NOT NULL CHECK (quantity_shares > 0),
    order_type text NOT NULL,
    limit_price numeric,
    decision_mid numeric NOT NULL,
    algo text NOT NULL,
    correlation_id text NOT NULL,
    decided_at timestamptz NOT NULL
);
CREATE INDEX intents_by_session ON ledger.intents (book, session);
CREATE INDEX intents_by_correlation ON ledger.intents (correlation_id);
CREATE TABLE ledger.orders (
    client_order_id text PRIMARY KEY REFERENCES ledger.intents,
    state text NOT NULL,
    filled_shares numeric NOT NULL DEFAULT 0,
    broker_order_id text NOT NULL DEFAULT '',
    updated_at timestamptz NOT NULL
);
CREATE TABLE ledger.order_events (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client_order_id text NOT NULL REFERENCES ledger.intents,
    previous text NOT NULL,
    state text NOT NULL,
    at timestamptz NOT NULL,
    reason text NOT NULL DEFAULT '',
    broker_order_id text NOT NULL DEFAULT ''
);
CREATE INDEX order_events_by_order ON ledger.order_events (client_order_id);
CREATE TABLE ledger.executions (
    execution_id text PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    book text NOT NULL REFERENCES ledger.books,
    session date,
    origin text NOT NULL CHECK (origin IN ('OWN', 'EXTERNAL')),
    intent_id text REFERENCES ledger.intents,
    client_order_id text NOT NULL,
    symbol text NOT NULL,
    side text NOT NULL CHECK (side IN ('buy', 'sell')),
    quantity_shares numeric NOT NULL CHECK (quantity_shares > 0),
    price numeric NOT NULL CHECK (price >= 0),
    executed_at timestamptz NOT NULL,
    CHECK ((origin = 'OWN') = (intent_id IS NOT NULL))
);
CREATE INDEX executions_by_session ON ledger.executions (book, session);
CREATE INDEX executions_by_order ON ledger.executions (client_order_id);
CREATE TABLE ledger.cash_flows (
    flow_id text PRIMARY KEY,
    book text NOT NULL REFERENCES ledger.books,
    kind text NOT NULL,
    amount_usd numeric NOT NULL,
    at timestamptz NOT NULL,
    note text NOT NULL DEFAULT ''
);
CREATE INDEX cash_flows_by_book ON ledger.cash_flows (book);
CREATE VIEW ledger.positions AS
    SELECT book, symbol, sum(CASE side WHEN 'buy' THEN quantity_shares ELSE -quantity_shares END) AS quantity_shares
    FROM ledger.executions GROUP BY book, symbol
    HAVING sum(CASE side WHEN 'buy' THEN quantity_shares ELSE -quantity_shares END) <> 0;
CREATE VIEW ledger.cash AS
    SELECT b.book, b.cash_usd
        + coalesce((SELECT sum(CASE side WHEN 'buy' THEN -quantity_shares * price ELSE quantity_shares * price END)
                    FROM ledger.executions e WHERE e.book = b.book), 0)
        + coalesce((SELECT sum(amount_usd) FROM ledger.cash_flows f WHERE f.book = b.book), 0) AS cash_usd
    FROM ledger.books b;
CREATE TABLE ledger.kill_states (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    book text NOT NULL REFERENCES ledger.books,
    tier smallint NOT NULL CHECK (tier BETWEEN 0 AND 4),
    reason text NOT NULL,
    session date,
    at timestamptz NOT NULL,
    actor text NOT NULL
);
CREATE INDEX kill_states_by_book ON ledger.kill_states (book, id);
CREATE TABLE ledger.kill_resets (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    book text NOT NULL REFERENCES ledger.books,
    kill_state_id bigint NOT NULL REFERENCES ledger.kill_states,
    requested_by text NOT NULL,
    reason text NOT NULL,
    requested_at timestamptz NOT NULL,
    approved_by text,
    approved_at timestamptz
);
CREATE INDEX kill_resets_by_book ON ledger.kill_resets (book, id);
CREATE TABLE ledger.gates (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    book text NOT NULL REFERENCES ledger.books,
    session date NOT NULL,
    name text NOT NULL,
    passed boolean NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL,
    correlation_id text NOT NULL DEFAULT '',
    body jsonb NOT NULL
);
CREATE INDEX gates_by_session ON ledger.gates (book, session);
CREATE TABLE ledger.reconciliations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    book text NOT NULL REFERENCES ledger.books,
    at timestamptz NOT NULL,
    ok boolean NOT NULL,
    confirmed integer NOT NULL,
    body jsonb NOT NULL
);
CREATE INDEX reconciliations_by_book ON ledger.reconciliations (book, id);
CREATE TABLE ledger.breaks (
    reconciliation_id bigint NOT NULL REFERENCES ledger.reconciliations,
    fingerprint text NOT NULL,
    book text NOT NULL REFERENCES ledger.books,
    kind text NOT NULL,
    break_class text NOT NULL,
    key text NOT NULL,
    symbol text NOT NULL,
    ledger_value numeric,
    broker_value numeric,
    notional_usd numeric,
    severity text NOT NULL,
    first_seen_at timestamptz NOT NULL,
    ticks integer NOT NULL,
    confirmed boolean NOT NULL,
    PRIMARY KEY (reconciliation_id, fingerprint)
);
CREATE TABLE ledger.instrument_locks (
    book text NOT NULL REFERENCES ledger.books,
    symbol text NOT NULL,
    reason text NOT NULL,
    locked_by text NOT NULL,
    locked_at timestamptz NOT NULL,
    PRIMARY KEY (book, symbol)
);
CREATE TABLE ledger.audit_leaves (
    index bigint PRIMARY KEY CHECK (index >= 0),
    kind text NOT NULL,
    correlation_id text NOT NULL,
    at timestamptz,
    leaf text NOT NULL,
    leaf_hash bytea NOT NULL
);
CREATE INDEX audit_leaves_by_correlation ON ledger.audit_leaves (correlation_id) WHERE correlation_id <> '';
CREATE INDEX audit_leaves_by_kind ON ledger.audit_leaves (kind, index);
CREATE TABLE ledger.audit_heads (
    tree_size bigint PRIMARY KEY CHECK (tree_size > 0),
    root bytea NOT NULL,
    peaks bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE ledger.dq_results (
    session date NOT NULL,
    table_name text NOT NULL,
    check_name text NOT NULL,
    passed boolean NOT NULL,
    severity text NOT NULL,
    failed_rows bigint NOT NULL,
    message text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (session, table_name, check_name)
);
CREATE TABLE ledger.heartbeats (
    name text PRIMARY KEY,
    at timestamptz NOT NULL,
    beats bigint NOT NULL,
    body jsonb NOT NULL
);
CREATE TABLE ledger.plans (
    book text NOT NULL REFERENCES ledger.books,
    session date NOT NULL,
    kind text NOT NULL,
    correlation_id text NOT NULL,
    at timestamptz NOT NULL,
    body jsonb NOT NULL,
    PRIMARY KEY (book, session, kind)
);
CREATE TABLE ledger.runs (
    run_id text PRIMARY KEY,
    name text NOT NULL,
    status text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    body jsonb NOT NULL
);
CREATE TABLE ledger.models (
    name text NOT NULL,
    version text NOT NULL,
    stage text NOT NULL CHECK (stage IN ('staging', 'shadow', 'production', 'archived')),
    sha256 text NOT NULL,
    path text NOT NULL,
    trained_at timestamptz NOT NULL,
    metrics jsonb NOT NULL,
    PRIMARY KEY (name, version)
);
CREATE TABLE ledger.read_models (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    panel text NOT NULL,
    book text NOT NULL,
    session date,
    as_of timestamptz NOT NULL,
    document jsonb NOT NULL
);
CREATE INDEX read_models_newest ON ledger.read_models (panel, book, id);
"""

# History may be added to, never changed: not by a bug, not by hand.
APPEND_ONLY = (
    "audit_leaves",
    "audit_heads",
    "books",
    "cash_flows",
    "executions",
    "intents",
    "kill_states",
    "order_events",
    "sessions_opened",
)
GUARD = """
CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ledger.% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'raise_exception';
END $$;
"""

# Roles belong to the whole cluster and may exist already, be created by a neighbour at this moment, or be forbidden.
ROLES = """
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['qgtm_writer', 'qgtm_reader', 'qgtm_audit'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role);
            END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN RAISE NOTICE 'role % not created', role;
        END;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('GRANT USAGE ON SCHEMA ledger TO %I', role);
        END IF;
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'qgtm_reader') THEN
        GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO qgtm_reader;
        ALTER DEFAULT PRIVILEGES IN SCHEMA ledger GRANT SELECT ON TABLES TO qgtm_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'qgtm_writer') THEN
        GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA ledger TO qgtm_writer;
        GRANT UPDATE ON ledger.orders, ledger.kill_resets, ledger.dq_results, ledger.heartbeats, ledger.runs,
            ledger.models TO qgtm_writer;
        GRANT DELETE ON ledger.instrument_locks TO qgtm_writer;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'qgtm_audit') THEN
        GRANT SELECT, INSERT ON ledger.audit_leaves, ledger.audit_heads TO qgtm_audit;
    END IF;
END $$;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GUARD)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ledger.{table} "
            "FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER never_truncated BEFORE TRUNCATE ON ledger.{table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change()"
        )
    op.execute(ROLES)


def downgrade() -> None:
    raise RuntimeError("the first form of the ledger has nothing to go back to; drop the database instead")
