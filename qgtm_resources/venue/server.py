"""Running the paper venue as a process of its own, on loopback only."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import create_engine

if TYPE_CHECKING:
    from qgtm_core.ports import Feed
    from qgtm_resources.venue.books import Terms

HOST = "127.0.0.1"


def run_venue(
    open_feed: Callable[[], Feed],
    postgres_url: str,
    secret: str,
    *,
    port: int = 0,
    port_file: Path | None = None,
    terms: Callable[[], Terms] | None = None,
) -> None:
    """Serve until the process is told to stop. Port 0 takes a free one; the file gets it as soon as it is bound."""
    import uvicorn

    from qgtm_resources.venue.app import create_app

    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    listener.listen(128)
    engine = create_engine(postgres_url, pool_size=4, max_overflow=12, pool_pre_ping=True)
    app = create_app(open_feed, engine, secret, terms)
    app.state.venue.warm_up()
    if port_file is not None:
        write_whole(port_file, str(listener.getsockname()[1]))
    config = uvicorn.Config(
        app, log_level="warning", ws="websockets-sansio", lifespan="off", timeout_graceful_shutdown=2, access_log=False
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        engine.dispose()
        listener.close()


def write_whole(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file so that a reader sees all of it or none, and nobody sees it with wider rights than `mode`."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    part.touch(mode=mode, exist_ok=False)
    part.write_text(text)
    part.replace(path)
