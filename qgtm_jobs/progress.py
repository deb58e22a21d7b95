"""From Dagster's event stream to a progress callback, for runs that a command starts in its own process."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg

Progress = Callable[[str, int, int], None]
_LISTENERS: list[_Listener] = []
_WITHIN = re.compile(r"(?P<text>.+): (?P<done>\d+) of (?P<total>\d+)\b")  # how an asset reports its own progress


class _StepHandler(logging.Handler):
    """Tells the listeners which step has finished, and how far one has come that says so in its log."""

    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", None) or {}
        event = meta.get("dagster_event") if isinstance(meta, dict) else None
        if event is not None and event.is_step_success:
            for listener in _LISTENERS:
                listener.finished(str(event.step_key))
        elif event is None and isinstance(meta, dict):
            said = _WITHIN.match(str(meta.get("orig_message", "")))
            if said is not None:
                for listener in _LISTENERS:
                    listener.say(said["text"], int(said["done"]), int(said["total"]))


@dataclass
class _Listener:
    say: Progress
    label: str
    total: int
    done: int = 0

    def finished(self, step: str) -> None:
        self.done += 1
        self.say(f"{self.label}: {step.replace('__', '/')}", self.done, self.total)


@dg.logger({}, description="Feeds the progress display of the command line")
def progress_logger(_: dg.InitLoggerContext) -> logging.Logger:
    """A logger that prints nothing."""
    made = logging.Logger("qgtm.progress", logging.DEBUG)  # noqa: LOG001 - Dagster wants one of its own, not a shared one
    made.addHandler(_StepHandler())
    return made


@contextmanager
def steps_reported(say: Progress, label: str, total: int) -> Iterator[None]:
    """Report each finished step as `label: step`, done, total; and what a step logs as `text: done of total`."""
    listener = _Listener(say, label, total)
    _LISTENERS.append(listener)
    try:
        yield
    finally:
        _LISTENERS.remove(listener)
