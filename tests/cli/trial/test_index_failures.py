"""An index of files that cannot be fetched is explained, and not asked for again by each attempt."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fpack.cli.options import SharedOptions
from fpack.cli.trial.command import _packages_with
from fpack.cli.workspace.workspace import Workspace
from support.archives.archive import Archive
from support.processes.program import Fpack, world

PATHS = ["/usr/bin/absent-tool"]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = world(tmp_path / "archive")
    archive.add("absent", files={"usr/bin/absent-tool": ""})
    archive.publish()
    return archive


@pytest.fixture(autouse=True)
def home(tmp_path: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the home of a user of the archive, whose variables this process has."""
    fpack = Fpack(tmp_path / "home", archive)
    monkeypatch.chdir(fpack.home)
    for name, value in fpack.env.items():
        monkeypatch.setenv(name, value)
    return fpack.home


def test_a_failure_is_told_and_remembered(home: Path, archive: Archive, capsys: pytest.CaptureFixture[str]) -> None:
    def ask() -> tuple[dict[str, tuple[str, ...]], str]:
        with Workspace(SharedOptions()) as workspace:
            found = _packages_with(workspace, "trixie", PATHS, fetch=True)
        return {path: tuple(names) for path, names in found.items()}, capsys.readouterr().err

    found, said = ask()
    assert not found and "no index of files" in said and len(said.splitlines()) == 1
    archive.publish(contents=True)
    found, said = ask()
    assert not found and "some minutes ago" in said and "fpack search --file" in said
    (mark,) = (home / ".cache").glob("**/*.contents-failed")
    os.utime(mark, (1, 1))
    found, said = ask()
    assert found == {PATHS[0]: ("absent",)} and "fetched" not in said


def test_another_mirror_is_asked_at_once(archive: Archive) -> None:
    with Workspace(SharedOptions()) as workspace:
        assert not _packages_with(workspace, "trixie", PATHS, fetch=True)
    archive.publish(contents=True)
    with Workspace(SharedOptions(mirror=archive.mirror)) as workspace:
        assert _packages_with(workspace, "trixie", PATHS, fetch=True) == {PATHS[0]: ("absent",)}
