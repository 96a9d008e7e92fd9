"""A directory whose expressions are evaluated with a distribution that has every package."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.language.evaluations import Project


@pytest.fixture
def project(tmp_path: Path, cache: Path) -> Project:
    return Project(tmp_path, cache)
