"""`fpack eval`: the lock that an expression sees."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.archives.archive import Archive
from support.processes.program import Fpack, world


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    archive = world(tmp_path_factory.mktemp("archive"))
    archive.add("redis", "1.0")
    archive.publish()
    return archive


VERSION = 'import("fpack/debian").trixie.redis.version'


def test_an_expression_sees_the_lock_of_the_project(fpack: Fpack, archive: Archive, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "src").mkdir(parents=True)
    (project / "fpack.fp").write_text(f"version = {VERSION}\n")
    assert fpack("eval", "fpack.fp#version", cwd=project).stdout == "1.0\n"
    archive.add("redis", "2.0")
    archive.publish()
    for directory in (project, project / "src"):
        assert fpack("eval", "-e", VERSION, cwd=directory).stdout == "1.0\n"
    # Outside of a project, the user's lock counts, which is new here.
    assert fpack("eval", "-e", VERSION).stdout == "2.0\n"
    assert fpack("eval", "-e", VERSION, cwd=project).stdout == "1.0\n"
    assert "2.0" not in (project / "fpack.lock").read_text()


def test_an_expression_of_a_project_is_frozen_with_its_lock(fpack: Fpack, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "fpack.fp").write_text("a = 1\n")
    failed = fpack("eval", "--frozen", "-e", VERSION, cwd=project, status=None)
    assert failed.returncode and "fpack.lock" in failed.stderr
