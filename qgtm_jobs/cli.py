"""The command line: `qgtm`. Commands live in `cli_*`; heavy packages are imported inside them.

Exit codes: 0 done; 1 the work failed (a gate is closed, the audit log does not verify, a run failed); 2 bad usage,
settings or data, with one line that says what to change; 130 interrupted; 143 terminated.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from qgtm_core.errors import QgtmError
from qgtm_jobs import (
    cli_books,
    cli_evidence,
    cli_lookahead,
    cli_parity,
    cli_strategies,
    cli_sweep,
    cli_system,
    cli_trials,
    cli_work,
)
from qgtm_jobs.cli_support import EXIT_INTERRUPTED, exit_code_of, stop_on_sigterm

app = typer.Typer(
    name="qgtm",
    help="QGTM: paper-first systematic trading of precious metals.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
cli_work.register(app)
cli_strategies.register(app)
cli_books.register(app)
cli_parity.register(app)
cli_evidence.register(app)
cli_sweep.register(app)
cli_system.register(app)
cli_trials.register(app)
cli_lookahead.register(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    stop_on_sigterm()
    try:
        app(args=None if arguments is None else list(arguments), prog_name="qgtm")
    except QgtmError as error:
        sys.stderr.write(f"qgtm: {' '.join(str(error).split())}\n")
        raise SystemExit(exit_code_of(error)) from None
    except KeyboardInterrupt:
        sys.stderr.write("qgtm: interrupted\n")
        raise SystemExit(EXIT_INTERRUPTED) from None


if __name__ == "__main__":
    main()
