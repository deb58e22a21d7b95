"""The same work on many parts at once: threads over compiled code that lets go of the interpreter's lock."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def each(work: Callable[[int], object], parts: int, threads: int | None = None) -> None:
    """Call work(0) … work(parts − 1), each once, on up to `threads` threads (default: one a processor).

    Every call must write only what is its own, so the result does not depend on the number of threads. The first
    error is raised once all have ended.
    """
    most = min(parts, threads or os.cpu_count() or 1)
    if most <= 1:
        for part in range(parts):
            work(part)
        return
    with ThreadPoolExecutor(most) as pool:
        for _ in pool.map(work, range(parts)):
            pass
