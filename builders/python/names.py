"""Normalise names of Python projects."""

from __future__ import annotations

import re


def normal(project: str) -> str:
    """Return the normalised name of a project (PEP 503)."""
    return re.sub(r"[-_.]+", "-", project).lower()
