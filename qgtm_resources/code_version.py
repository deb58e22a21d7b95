"""Which code made a result: a hash of every source file of the core, the same in a clone and in an installed wheel."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import qgtm_core

DIGITS = 12


@lru_cache(maxsize=1)
def code_version() -> str:
    """Short hash of the sources of `qgtm_core`, by path; a change of a comment is a new version too."""
    root = Path(qgtm_core.__file__).parent
    state = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        state.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return state.hexdigest()[:DIGITS]
