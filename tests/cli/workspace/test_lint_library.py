"""The check of several files reads their project's lock once, and names the architectures of the lock."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fpack.builders.debian.indexes import merged
from fpack.builders.debian.lock import file as lock_file
from fpack.cli.workspace.lint_library import FileChecker, LockedNames, library
from fpack.lang.runtime.limits import Limits

TEXT = """\
debian = import("fpack/debian").trixie
a = [debian.zlib, debian.with { }, debian.extend { }, debian.for("arm64")]
"""


@pytest.fixture
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Let every lock be one of two architectures without any package. Return the paths of locks that were read."""
    read: list[Path] = []

    class EmptyLock:
        def __init__(self, path: Path) -> None:
            read.append(path)
            self.lock = SimpleNamespace(packages={}, indexes={})

    def universes(names: LockedNames, release: str) -> list[Any]:
        return [SimpleNamespace(arch=arch, versions=lambda name: ()) for arch in ("amd64", "arm64")]

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(lock_file, "LockFile", EmptyLock)
    monkeypatch.setattr(LockedNames, "_universes", universes)
    monkeypatch.setattr(merged, "hint", lambda *_: "")
    return read


def test_a_lock_is_read_once_for_all_files(tmp_path: Path, locks: list[Path]) -> None:
    (tmp_path / "fpack.lock").touch()
    checker = FileChecker(library(), Limits(None, None))
    for name in ("fpack.fp", "a.fp", "b.fp"):
        (tmp_path / name).write_text(TEXT)
    found = [finding for name in ("fpack.fp", "a.fp", "b.fp") for finding in checker.check(tmp_path / name)]
    assert locks == [tmp_path / "fpack.lock"]
    errors = [finding.error.what for finding in found if finding.rule == "package"]
    assert errors == ["There is no package 'zlib' in trixie for amd64 or arm64"] * 3
