"""Every exception QGTM raises, sorted by what must happen next.

QgtmError
├── TransientError      try again: a time-out, a 429, a lock held elsewhere
├── DataError           quarantine or repair the input; good data already held is kept
├── ConfigError         the operator must change a setting
├── GateClosed          stop and report: the kill switch or a limit said no
├── UnknownOutcome      the broker may or may not have the order: look it up, never resend blindly
└── InvariantError      stop and page: the books are not what the code believes
"""

from __future__ import annotations


class QgtmError(Exception):
    """Base of all QGTM errors."""


class TransientError(QgtmError):
    """A fault that a retry may cure."""


class DataError(QgtmError):
    """Input that breaks its declared schema or rules.

    The message names the source, the column and row where known, and the remedy.
    """

    def __init__(
        self,
        source: str,
        problem: str,
        *,
        column: str | None = None,
        row: int | None = None,
        remedy: str | None = None,
    ) -> None:
        self.source, self.column, self.row = source, column, row
        self.problem, self.remedy = problem, remedy
        where = source
        if column is not None:
            where += f", column {column!r}"
        if row is not None:
            where += f", row {row}"
        message = f"{where}: {problem}"
        super().__init__(f"{message}. {remedy}" if remedy else message)


class ConfigError(QgtmError):
    """A setting that is missing, contradictory or refused."""


class GateClosed(QgtmError):
    """The kill switch or a limit forbids the act."""


class UnknownOutcome(QgtmError):
    """A request to the broker whose effect is not known (time-out, 5xx, unreadable reply)."""


class InvariantError(QgtmError):
    """Something that must never happen has happened."""
