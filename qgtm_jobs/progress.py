"""From Dagster's event stream to a progress callback, for runs that a command starts in its own process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg

Progress = Callable[[str, int, int], None]
_LISTENERS: list[Callable[[str], None]] = []


class _StepHandler(logging.Handler):
    """Tells the listeners which step has finished."""

    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", None) or {}
        event = meta.get("dagster_event") if isinstance(meta, dict) else None
        if event is not None and event.is_step_success:
            for listener in _LISTENERS:
                listener(str(event.step_key))


@dg.logger({}, description="Feeds the progress display of the command line")
def progress_logger(_: dg.InitLoggerContext) -> logging.Logger:
    """A logger that prints nothing."""
    made = logging.Logger("qgtm.progress", logging.DEBUG)  # noqa: LOG001 - Dagster wants one of its own, not a shared one
    made.addHandler(_StepHandler())
    return made


@contextmanager
def steps_reported(say: Progress, label: str, total: int) -> Iterator[None]:
    """Report each finished step as `label: step`, done, total."""
    done = 0

    def listener(step: str) -> None:
        nonlocal done
        done += 1
        say(f"{label}: {step.replace('__', '/')}", done, total)

    _LISTENERS.append(listener)
    try:
        yield
    finally:
        _LISTENERS.remove(listener)
