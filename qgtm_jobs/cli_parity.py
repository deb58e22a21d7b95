"""`qgtm parity`: recorded sessions held against the same code run again; every difference with its cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from qgtm_jobs.cli_support import (
    ArchiveOption,
    BookOption,
    FeedOption,
    FromOption,
    HomeOption,
    JsonOption,
    ToOption,
    emit,
    finish,
    open_ledger,
    range_of,
    require_book,
    require_home,
    settings_from,
)

if TYPE_CHECKING:
    import datetime as dt

    import polars as pl
    from rich.console import RenderableType

    from qgtm_core.backtest.parity.report import Report
    from qgtm_resources.clients.ledger import PostgresLedger
    from qgtm_resources.settings import Settings

LISTED = 60


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(parity)


def parity(
    first: FromOption = None,
    last: ToOption = None,
    book: BookOption = None,
    feed: FeedOption = None,
    archive: ArchiveOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold live sessions against a backtest of the same sessions (default: all of the book); 1 = unexplained > 1 %."""
    settings = settings_from(home, feed, archive, book=book)
    require_home(settings)
    with open_ledger(settings) as (ledger, _):
        require_book(ledger, settings.book_name)
        reports = _reports(settings, ledger, *range_of(first, last))
    _show(reports, as_json=as_json)


def _reports(settings: Settings, ledger: PostgresLedger, first: dt.date | None, last: dt.date | None) -> list[Report]:
    """The sessions asked for, no later than the newest one the book was opened for."""
    from definitions import resources_of
    from qgtm_assets.parity_desk import ParityDesk
    from qgtm_core import calendar
    from qgtm_core.strategies.registry import DAILY

    resources = resources_of(settings)
    newest = ledger.last_session(settings.book_name)
    if newest is None:
        return []
    desk = ParityDesk(resources["warehouse"], ledger, resources["desk"], resources["feed"].feed, DAILY)
    return list(desk.reports(first or calendar.FIRST_SESSION, min(last or newest, newest)))


def _show(reports: list[Report], *, as_json: bool) -> None:
    import polars as pl

    from qgtm_core.backtest.parity.report import ALLOWED_SHARE, unexplained_share
    from qgtm_core.schemas.parity import PARITY_TABLE
    from qgtm_jobs import render

    share = unexplained_share(reports)
    rows = pl.concat([PARITY_TABLE.empty(), *(report.rows for report in reports)])
    document: dict[str, Any] = {
        "sessions": len(reports),
        "orders": sum(report.orders for report in reports),
        "intents_identical": sum(report.intents_identical for report in reports),
        "unexplained_orders": sum(report.unexplained_orders for report in reports),
        "unexplained_share": share,
        "allowed_share": ALLOWED_SHARE,
        "ok": share <= ALLOWED_SHARE,
        "levels": [level for report in reports for level in report.levels()],
        "differences": rows,
    }
    emit(
        document,
        render.table("Compared by session and level", _counts(reports), limit=5 * max(len(reports), 1)),
        *([] if rows.is_empty() else [_differences(rows)]),
        f"{document['intents_identical']} of {len(reports)} sessions: order intents identical, byte for byte; "
        f"unexplained {render.percent(share)} of {document['orders']} orders (alarm above "
        f"{render.percent(ALLOWED_SHARE)})",
        as_json=as_json,
    )
    finish(ok=share <= ALLOWED_SHARE)


def _differences(rows: pl.DataFrame) -> RenderableType:
    from qgtm_jobs import render

    return render.table("Differences", rows.drop("book", "client_order_id"), limit=LISTED)


def _counts(reports: list[Report]) -> pl.DataFrame:
    import polars as pl

    rows = [
        {
            "session": level.session,
            "level": level.level,
            "compared": level.compared,
            "equal": level.equal,
            "different": ", ".join(f"{cause} {n}" for cause, n in level.causes.items()),
        }
        for report in reports
        for level in report.levels()
    ]
    schema = {"session": pl.Date, "level": pl.String, "compared": pl.Int64, "equal": pl.Int64, "different": pl.String}
    return pl.DataFrame(rows, schema=schema)
