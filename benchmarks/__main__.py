"""`python -m benchmarks WHAT`: compute, library, lookahead, evidence, parity, noise, crash, peers or all; exit code 1 =
one fails.

The first five need `--archive FOLDER`, peers needs `--peers FOLDER`; all takes peers in where that is given.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
from pathlib import Path

from benchmarks.tables import Result, show

NAMES = ("compute", "library", "lookahead", "evidence", "parity", "noise", "crash")
NO_ARCHIVE = ("noise", "crash", "peers")
ROUNDS = 3  # of the peer harness
FIRST, LAST = dt.date(2010, 1, 4), dt.date(2024, 6, 28)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line; the archive may come from QGTM_ARCHIVE."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="?", default="all", choices=(*NAMES, "peers", "all"))
    parser.add_argument("--archive", type=Path, default=os.environ.get("QGTM_ARCHIVE"), help="folder of real history")
    parser.add_argument("--from", dest="first", type=dt.date.fromisoformat, default=FIRST)
    parser.add_argument("--to", dest="last", type=dt.date.fromisoformat, default=LAST)
    parser.add_argument("--home", type=Path, help="folder for the crash trials; default: a new one, removed afterwards")
    parser.add_argument("--json", dest="as_json", action="store_true", help="one JSON document a benchmark")
    parser.add_argument("--fits", type=Path, help="folder that keeps the fits of learning strategies; made if empty")
    parser.add_argument("--peers", type=Path, default=os.environ.get("QGTM_PEERS"), help="folder of the peer harness")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of the peer harness; every peer once a round")
    parser.add_argument("--every-peer", action="store_true", help="also peers that no goal names (takes long)")
    options = parser.parse_args(arguments)
    if options.what == "peers" and options.peers is None:
        parser.error("--peers FOLDER (or QGTM_PEERS) is needed: the folder of the peer harness, with its run.py")
    if options.what not in NO_ARCHIVE and options.archive is None:
        parser.error("--archive FOLDER (or QGTM_ARCHIVE) is needed: the folder of real market history")
    return options


def measure(name: str, options: argparse.Namespace) -> Result:
    """Run one benchmark; what it needs is imported only then."""
    if name == "crash":
        from benchmarks import crash

        return crash.run(options.home)
    if name == "peers":
        from benchmarks import peers

        return peers.run(options.peers, options.rounds, every_peer=options.every_peer)
    if name == "noise":
        from benchmarks import noise

        return noise.run()
    from benchmarks import compute, evidence, library, lookahead, parity
    from benchmarks.history import Span

    benchmarks = {
        "compute": compute.run,
        "library": library.run,
        "lookahead": lookahead.run,
        "evidence": evidence.run,
        "parity": parity.run,
    }
    return benchmarks[name](options.archive, Span(options.first, options.last, options.fits))


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; 1 when any of it fails."""
    options = parse(arguments)
    results = []
    every = (*NAMES, "peers") if options.peers else NAMES
    for name in every if options.what == "all" else (options.what,):
        results.append(measure(name, options))
        show(results[-1], as_json=options.as_json)
    return 0 if all(result.ok for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
