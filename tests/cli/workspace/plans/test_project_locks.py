"""A project that was made by hand names the lock to write, and its build decides what is in it: neither is believed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.processes.program import Fpack

LOCKED = """
made = text("made", {content})
package = {{
  type = "derivation"
  extra = {{ locker = {{ out = made.out, name = {name}, {of}directory = ./. }} }}
}}
"""


@pytest.fixture
def fpack(tmp_path: Path) -> Fpack:
    return Fpack(tmp_path / "home")


def _project(tmp_path: Path, name: str, content: str = '{"credsStore": "evil"}', of: str = 'of = "1", ') -> Path:
    project = tmp_path / "project"
    (project / "sub").mkdir(parents=True)
    (project / "fpack.fp").write_text(LOCKED.format(name=json.dumps(name), content=json.dumps(content), of=of))
    return project


def test_a_lock_is_written_beside_the_project_file(fpack: Fpack, tmp_path: Path) -> None:
    project = _project(tmp_path, "maven.lock", '{"files": []}')
    fpack("lock", "package", cwd=project)
    assert json.loads((project / "maven.lock").read_bytes()) == {"of": "1", "files": []}


@pytest.mark.parametrize(
    "name", ["{}/config.json", "{}/maven.lock", "../precious/maven.lock", "sub/maven.lock", "fpack.fp", "fpack.lock",
             ".lock", "..", "", ".git", "package.json", "maven.lock\n"],
)  # fmt: skip
def test_a_name_that_is_a_path_or_of_another_file_is_refused(fpack: Fpack, tmp_path: Path, name: str) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    project = _project(tmp_path, name.format(precious))
    before = sorted(tmp_path.rglob("*"))
    text = fpack.fails("lock", "package", cwd=project)
    assert "is not a valid name of a lock" in text and f"{project}" in text and "give the `locker`" in text, text
    after = [path for path in sorted(tmp_path.rglob("*")) if fpack.home not in path.parents]
    assert after == [path for path in before if fpack.home not in path.parents]


@pytest.mark.parametrize("content", ["[1]", "{{{", "", "[" * 100_000])
def test_what_a_build_made_instead_of_a_lock_is_an_error(fpack: Fpack, tmp_path: Path, content: str) -> None:
    project = _project(tmp_path, "maven.lock", content)
    assert "The build of a lock made no JSON object" in fpack.fails("lock", "package", cwd=project)
    assert not (project / "maven.lock").exists()


def test_a_lock_of_the_build_tool_is_written_as_it_is_and_once(fpack: Fpack, tmp_path: Path) -> None:
    project = _project(tmp_path, "Cargo.lock", "version = 4\n", of="")
    fpack("lock", "package", cwd=project)
    assert (project / "Cargo.lock").read_text() == "version = 4\n"
    (project / "Cargo.lock").write_text("# mine\n")
    fpack("lock", "package", cwd=project)
    assert (project / "Cargo.lock").read_text() == "# mine\n"


def test_a_lock_of_the_build_tool_that_is_no_toml_is_an_error(fpack: Fpack, tmp_path: Path) -> None:
    project = _project(tmp_path, "Cargo.lock", "[" * 100, of="")
    assert "The build of a lock made no TOML file" in fpack.fails("lock", "package", cwd=project)
    assert not (project / "Cargo.lock").exists()
