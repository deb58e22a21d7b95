"""`python -m qgtm_resources.venue`: the paper venue over the active feed."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import secrets
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from qgtm_core.errors import ConfigError
from qgtm_resources.venue.server import run_venue, write_whole

if TYPE_CHECKING:
    from qgtm_core.ports import Feed
    from qgtm_resources.venue.books import Terms


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line; every option has its environment variable."""
    env = os.environ.get
    parser = argparse.ArgumentParser(prog="python -m qgtm_resources.venue", description=__doc__)
    parser.add_argument("--port", type=int, default=int(env("QGTM_VENUE_PORT", "0")), help="0 takes a free one")
    parser.add_argument("--port-file", type=Path, help="file that gets the port")
    parser.add_argument(
        "--secret", default=env("QGTM_VENUE_SECRET"), help="made up and written beside --port-file if absent"
    )
    parser.add_argument("--postgres-url", default=env("QGTM_POSTGRES_URL"))
    parser.add_argument("--feed", default=env("QGTM_FEED", "simulated"), choices=("simulated", "archive", "live"))
    parser.add_argument("--archive", type=Path, default=Path(env("QGTM_ARCHIVE", "")) if env("QGTM_ARCHIVE") else None)
    parser.add_argument("--seed", type=int, default=int(env("QGTM_SEED", "7")))
    parser.add_argument("--last-session", type=dt.date.fromisoformat, help="last session of the simulated market")
    parser.add_argument("--years", type=int, default=int(env("QGTM_YEARS", "10")))
    parser.add_argument("--starting-cash", type=Decimal, default=Decimal(env("QGTM_START_CASH_USD", "1000000")))
    options = parser.parse_args(arguments)
    if not options.postgres_url:
        raise ConfigError("the paper venue needs PostgreSQL: set QGTM_POSTGRES_URL or --postgres-url")
    if not options.secret and options.port_file is None:
        raise ConfigError("set QGTM_VENUE_SECRET, or --port-file so that a secret can be written beside it")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Run the venue until it is told to stop."""
    options = parse(arguments)
    secret = options.secret or secrets.token_hex(16)
    if not options.secret:
        beside = options.port_file.with_name(options.port_file.name + ".secret")
        write_whole(beside, secret, mode=0o600)

    def open_feed() -> Feed:
        from qgtm_resources.feeds.factory import open_feed as open_active  # seconds to import: after the port is open

        return open_active(
            options.feed,
            archive=options.archive,
            seed=options.seed,
            last_session=options.last_session,
            years=options.years,
        )

    def terms() -> Terms:
        from qgtm_resources.venue.books import Terms  # as above

        return Terms(starting_cash_usd=options.starting_cash)

    from qgtm_resources.clients.database import database_url

    run_venue(
        open_feed,
        database_url(options.postgres_url),
        secret,
        port=options.port,
        port_file=options.port_file,
        terms=terms,
    )


if __name__ == "__main__":
    main()
