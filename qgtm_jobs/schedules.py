"""When feeds are fetched: at their publication, New York time. Trading is never on a schedule: it could run late."""

import datetime as dt
from collections.abc import Mapping

import dagster as dg

from qgtm_core import calendar
from qgtm_jobs.jobs import FEED_JOBS, parity

# minutes after publication leave the vendor time to finish; all New York
CRON: Mapping[str, str] = {
    "bars_daily": "20 16 * * 1-5",
    "bars_intraday": "25 16 * * 1-5",
    "decision_quotes": "29 15 * * 1-5",
    "macro": "20 17 * * 1-5",
    "macro_vintages": "35 8 * * 1-5",
    "cot": "36 15 * * 5",
    "lbma_fix": "10 19 * * 1-5",
    "futures": "5 20 * * 1-5",
    "futures_margins": "0 6 * * 1-5",
    "etf_holdings": "5 9 * * 1-5",
    "comex_stocks": "5 18 * * 1-5",
    "comex_volume_oi": "10 9 * * 1-5",
    "gpr_daily": "5 12 * * 1",
    "gpr_monthly": "10 12 * * 1",
    "cb_gold_reserves": "15 8 * * 1-5",
    "option_chain": "16 16 * * 1-5",
    "news": "0 15 * * 1-5",
    "event_calendar": "0 7 * * 1-5",
    "fomc_meetings": "5 7 * * 1-5",
    "seasonal_calendar": "0 5 * * 1",
    "fx": "20 16 * * 1-5",
    "sge_benchmark": "30 3 * * 1-5",
    "sge_withdrawals": "15 7 * * 1-5",
    "us_mint": "5 17 * * 1-5",
    "cb_gold_flows": "20 8 * * 1-5",
    "mining_costs": "0 18 * * 1-5",
    "fund_terms": "10 9 * * 1-5",
    "licensed_fix": "5 10 * * 1-5",
    "eia_weekly": "35 10 * * 3,4",
}


def known_session(now: dt.datetime) -> dt.date:
    """The session that a row known at `now` belongs to: the first whose decision is still ahead."""
    today = calendar.session_on_or_after(now.astimezone(calendar.NEW_YORK).date())
    return today if now <= calendar.decision_time(today) else calendar.next_session(today)


def _schedule(feed: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"ingest_{feed}_schedule",
        job=FEED_JOBS[feed],
        cron_schedule=CRON[feed],
        execution_timezone="America/New_York",
        description=f"Fetches raw/{feed} after its publication",
    )
    def fetch(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        session = known_session(context.scheduled_execution_time)
        return dg.RunRequest(
            run_key=f"ingest_{feed}:{context.scheduled_execution_time.isoformat()}", partition_key=str(session)
        )

    return fetch


@dg.schedule(
    name="parity_schedule",
    job=parity,
    cron_schedule="30 18 * * 1-5",
    execution_timezone="America/New_York",
    description="Holds the session of the day against a backtest of it, once its bars are in",
)
def parity_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Today's session, after the close and the fetching of its bars."""
    today = context.scheduled_execution_time.astimezone(calendar.NEW_YORK).date()
    if calendar.session_on_or_before(today) != today:
        return dg.SkipReason(f"the exchange has no session on {today}")
    return dg.RunRequest(run_key=f"parity:{today}", partition_key=str(today))


SCHEDULES = [*(_schedule(feed) for feed in FEED_JOBS), parity_schedule]
