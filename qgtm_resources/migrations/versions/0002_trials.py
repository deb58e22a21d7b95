"""Trials: every parameter set ever evaluated, so that evidence can be deflated by all of them."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# A Sharpe ratio is per period (one session); null where the returns never varied or the rule failed (`fault`).
TABLE = """
CREATE TABLE ledger.trials (
    strategy_id text NOT NULL,
    params_hash text NOT NULL,
    data_hash text NOT NULL,
    code_version text NOT NULL,
    first date NOT NULL,
    last date NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    params jsonb NOT NULL,
    changed text NOT NULL,
    periods bigint NOT NULL CHECK (periods >= 0),
    sharpe double precision CHECK (sharpe = sharpe AND abs(sharpe) < 'Infinity'),
    fault text,
    evaluated_at timestamptz NOT NULL,
    PRIMARY KEY (strategy_id, params_hash, data_hash, code_version, first, last),
    CHECK (first <= last),
    CHECK (fault IS NULL OR sharpe IS NULL)
);
CREATE INDEX trials_newest ON ledger.trials (strategy_id, params_hash, seq);
"""

# A trial that could be forgotten would make the next evidence look better than it is.
GUARDS = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ledger.trials
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON ledger.trials
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
"""

# `qgtm_research` sees the trials and no books: research runs beside the trading system, not inside it.
ROLES = """
DO $$
DECLARE
    role text;
BEGIN
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'qgtm_research') THEN
            CREATE ROLE qgtm_research NOLOGIN;
        END IF;
    EXCEPTION
        WHEN duplicate_object OR unique_violation THEN NULL;
        WHEN insufficient_privilege THEN RAISE NOTICE 'role qgtm_research not created';
    END;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'qgtm_reader') THEN
        GRANT SELECT ON ledger.trials TO qgtm_reader;
    END IF;
    FOREACH role IN ARRAY ARRAY['qgtm_writer', 'qgtm_research'] LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('GRANT USAGE ON SCHEMA ledger TO %I', role);
            EXECUTE format('GRANT SELECT, INSERT ON ledger.trials TO %I', role);
        END IF;
    END LOOP;
END $$;
"""


def upgrade() -> None:
    op.execute(TABLE)
    op.execute(GUARDS)
    op.execute(ROLES)


def downgrade() -> None:
    raise RuntimeError("trials may not be forgotten; drop the database instead")
