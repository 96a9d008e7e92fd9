"""Find the store's directory, without importing the store: a warm start needs only the name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SHARED = "/fpack"


def default_directory() -> str:
    """Return `$FPACK_ROOT`, or `/fpack` if it is writable, or `$XDG_DATA_HOME/fpack`."""
    if named := os.environ.get("FPACK_ROOT"):
        return os.path.abspath(named)
    if os.access(SHARED, os.W_OK):
        return SHARED
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return f"{os.path.abspath(data)}/fpack"


def default_root() -> Path:
    """Return `default_directory()` as a Path. Commands that need only the name do not import pathlib."""
    from pathlib import Path

    return Path(default_directory())
