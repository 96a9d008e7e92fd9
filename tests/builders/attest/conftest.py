"""Fixtures of the tests of attestations."""

from __future__ import annotations

from support.fixtures import made as made
