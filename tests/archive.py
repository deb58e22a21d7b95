"""Where the folder of real market history is, for tests marked `archive`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def archive_folder() -> Path | None:
    """Return the folder (QGTM_TEST_ARCHIVE, else `shared/market` beside the repository) or None when it is absent."""
    folder = Path(os.environ.get("QGTM_TEST_ARCHIVE") or ROOT.parent / "shared" / "market")
    return folder if (folder / "bars_daily.parquet").is_file() else None


def require_archive() -> Path:
    """Return the folder, or skip the test where it is absent."""
    folder = archive_folder()
    if folder is None:
        pytest.skip("no folder of real market history: set QGTM_TEST_ARCHIVE")
    return folder
