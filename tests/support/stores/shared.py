"""A store for all tests of a run that build from real packages and do not look into it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def shared_store(directories: pytest.TempPathFactory) -> Path:
    """Return the store that the workers of a run share: each package is downloaded and unpacked once."""
    base = directories.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared-store"
