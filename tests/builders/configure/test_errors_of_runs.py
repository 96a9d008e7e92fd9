"""Reasons that the process sends which runs maintainer scripts: each says what failed, in words of the system."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from fpack.builders.configure.namespace import changes, keeper
from fpack.builders.configure.namespace.changes import FileHasher
from fpack.builders.configure.namespace.messages import InvalidRequest


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.EPERM, "Operation not permitted", "namespaces"), "namespaces: Operation not permitted"),
        (OSError(errno.EPERM, "a capability cannot be given up"), "a capability cannot be given up"),
        (OSError("nothing more is known"), "nothing more is known"),
        (ValueError("a value"), "a value"),
    ],
)
def test_an_error_of_a_run_has_a_reason(error: Exception, told: str) -> None:
    assert keeper._reason(error) == told


def test_the_limit_of_what_scripts_write_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(60))
    (tmp_path / "b").write_bytes(bytes(60))
    top = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        states = changes.walk(top)
        hasher = FileHasher(top, 100)
        hasher.file("a", states["a"])
        with pytest.raises(InvalidRequest, match="their files have more than 100 bytes: /b is beyond the limit"):
            hasher.file("b", states["b"])
    finally:
        os.close(top)
