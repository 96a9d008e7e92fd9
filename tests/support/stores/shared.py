"""A store for all tests of a run that build from real packages.

They may read what it has, but do not count or delete what is in it: other tests fill it at the same time. Programs that
use it run with FPACK_GC_AUTOMATIC=0.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def shared_store(directories: pytest.TempPathFactory) -> Path:
    """Return the store that the workers of a run share: each package is downloaded and unpacked once."""
    base = directories.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared-store"
