"""Commands about the installation: up, doctor, feeds."""

from __future__ import annotations

from typing import Any

import typer

from qgtm_jobs.cli_support import (
    ArchiveOption,
    FeedOption,
    HomeOption,
    JsonOption,
    emit,
    finish,
    settings_from,
)
from qgtm_jobs.cli_up import up


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(up)
    app.command()(doctor)
    app.command()(feeds)


def doctor(
    home: HomeOption = None, feed: FeedOption = None, archive: ArchiveOption = None, as_json: JsonOption = False
) -> None:
    """Check everything an installation needs; exit code 1 when something must be repaired."""
    import polars as pl

    from qgtm_jobs import render
    from qgtm_jobs.doctor import Verdict, examine
    from qgtm_resources.settings import masked

    settings = settings_from(home, feed, archive)
    findings = list(examine(settings))
    ok = all(finding.verdict is not Verdict.FAIL for finding in findings)
    rows = [{"what": f.what, "verdict": f.verdict.value, "detail": f.detail} for f in findings]
    shown = masked(settings)
    emit(
        {"ok": ok, "findings": rows, "settings": shown},
        render.pairs("settings", shown),
        render.table("doctor", pl.DataFrame(rows)),
        as_json=as_json,
    )
    finish(ok=ok)


def feeds(
    home: HomeOption = None, feed: FeedOption = None, archive: ArchiveOption = None, as_json: JsonOption = False
) -> None:
    """Show where raw rows come from: the feed in use and, for an archive, its files with rows and dates."""
    from qgtm_core.types import FeedMode
    from qgtm_jobs import render
    from qgtm_jobs.doctor import feed_files

    settings = settings_from(home, feed, archive)
    document: dict[str, Any] = {"feed": settings.feed.value}
    if settings.feed is FeedMode.ARCHIVE:
        files = feed_files(settings)
        document |= {"archive": settings.archive, "files": files}
        emit(document, render.table(f"archive {settings.archive}", files, {"rows": "{:,}".format}), as_json=as_json)
        finish(ok=bool((files["state"] == "found").any()) and files["state"].is_in(["found", "missing"]).all())
        return
    if settings.feed is FeedMode.SIMULATED:
        document |= {"seed": settings.seed, "years": settings.years, "raw_tables": _raw_tables()}
        note = "SIMULATED: a seeded market, not history; every surface says so"
        emit(
            document,
            render.pairs("feed", {**document, "raw_tables": len(document["raw_tables"])}),
            note,
            as_json=as_json,
        )
        return
    document |= {"available": False}
    emit(document, "live: provider clients are not part of this release; use archive or simulated", as_json=as_json)
    finish(ok=False)


def _raw_tables() -> list[str]:
    from qgtm_core.schemas.raw import RAW_TABLES

    return list(RAW_TABLES)
