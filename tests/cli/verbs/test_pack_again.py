"""`fpack pack` of what was packed before: the same image without evaluation, and never an old one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from support.fixtures import archive as archive
from support.fixtures import new_user as new_user
from support.processes.program import Fpack

PROJECT = """
debian = import("fpack/debian").trixie
image = container {
  name = "greeter"
  packages = [debian.hello]
  closure = "linked"
  files = { "/srv/main.sh" = ./main.sh, "/srv/data" = ./data }
  ports = [8000]
}
"""


class Project:
    """A project whose image was packed twice, so that a third time needs no evaluation."""

    def __init__(self, fpack: Fpack) -> None:
        self.fpack = fpack
        self.place = fpack.home / "project"
        self.out = fpack.home / "out.tar"
        (self.place / "data").mkdir(parents=True)
        self.write("fpack.fp", PROJECT)
        self.write("main.sh", "#!/bin/sh\n")
        self.write("data/words", "hello\n")
        self.pack()
        self.first = self.pack()

    def write(self, name: str, text: str) -> None:
        (self.place / name).write_text(text)

    def pack(self, *words: str) -> dict[str, Any]:
        return self.fpack.pack(*words, "-o", self.out, cwd=self.place)

    def evaluates(self, *words: str) -> bool:
        """Pack, and return whether the evaluator was imported."""
        env = {"PYTHONPROFILEIMPORTTIME": "1"}
        done = self.fpack("pack", *words, "-o", self.out, cwd=self.place, env=env)
        return "fpack.lang.evaluator" in done.stderr


@pytest.fixture
def project(fpack: Fpack) -> Project:
    return Project(fpack)


def test_the_same_image_comes_without_evaluation(project: Project) -> None:
    data = project.out.read_bytes()
    assert not project.evaluates()
    assert project.out.read_bytes() == data
    assert project.pack() == project.first
    assert "podman run --rm -p 8000:8000" in project.fpack("pack", "-o", project.out, cwd=project.place).stdout


@pytest.mark.parametrize("words", [("--env", "A=b"), ("--sbom",), ("--no-manifest",), ("--provenance",), ("#image",)])
def test_another_request_is_evaluated(project: Project, words: tuple[str, ...]) -> None:
    assert project.evaluates(*words)


@pytest.mark.parametrize(
    ("name", "text"),
    [("main.sh", "#!/bin/bash\n"), ("data/words", "HELLO\n"), ("data/more", ""),
     ("fpack.fp", PROJECT.replace("8000", "9000"))],
)  # fmt: skip
def test_what_has_changed_is_packed(project: Project, name: str, text: str) -> None:
    project.write(name, text)
    assert project.pack()["digest"] != project.first["digest"]


def test_what_the_store_has_lost_is_made_again(project: Project) -> None:
    store = Path(project.fpack.env.get("FPACK_ROOT", project.fpack.home / "store")) / "store"
    (layer,) = [path for path in store.iterdir() if "-layer-hello" in path.name]
    layer.chmod(0o755)
    shutil.rmtree(layer)
    assert project.pack() == project.first
