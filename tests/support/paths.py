"""Directories of the project."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parents[1]
REPOSITORY = TESTS.parent
OLD_IMAGE = TESTS / "builders/manifest/format-1/greeter.tar"  # its manifest is of format 1
