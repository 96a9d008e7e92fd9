"""Marks of tests for what they need on the machine."""

from __future__ import annotations

import shutil

import pytest
from support.processes.podman import missing

needs_bubblewrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
needs_podman = [pytest.mark.podman, pytest.mark.skipif(bool(missing()), reason=missing() or "podman is there")]
