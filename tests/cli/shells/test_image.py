"""The image of a shell, in podman: the same files, variables and hook as the shell that is entered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.archives.shells import world
from support.needs import needs_bubblewrap, needs_podman
from support.processes.podman import Podman, podman_as
from support.processes.program import Fpack

pytestmark = [needs_bubblewrap, *needs_podman]

PROJECT = """
debian = import("fpack/debian").trixie
shell = shell {
  name = "site"
  packages = [debian.greet]
  env = { LEVEL = "own", NOTES = "${./notes.txt}" }
  hook = "export ORDER=hooked"
}
"""


@pytest.fixture(scope="module", params=["root", "rootless"])
def podman(request: pytest.FixtureRequest) -> Iterator[Podman]:
    with podman_as(request.param) as podman:
        yield podman


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Fpack, Path]:
    archive = world(tmp_path_factory.mktemp("archive"))
    archive.publish()
    fpack = Fpack(tmp_path_factory.mktemp("user") / "home", archive)
    place = fpack.home / "site"
    place.mkdir()
    (place / "fpack.fp").write_text(PROJECT)
    (place / "notes.txt").write_text("noted\n")
    fpack("pack", "shell", "-o", "shell.tar", cwd=place)
    return fpack, place


def test_it_is_the_shell(project: tuple[Fpack, Path], podman: Podman) -> None:
    fpack, place = project
    image = podman.load(place / "shell.tar")
    script = 'greet a; echo "$LEVEL $ORDER $FPACK_SHELL"; cat "$NOTES"; cat /usr/bin/* | wc -c'
    said = podman.run(image, "bash", "-c", script).stdout
    assert said == fpack("shell", "--", "bash", "-c", script, cwd=place).stdout
    assert said.splitlines()[:3] == ["greet 13 a", "own hooked site", "noted"]


def test_an_editor_begins_in_it(project: tuple[Fpack, Path], podman: Podman) -> None:
    """As devcontainer.json says: the project at /work, and a program of the editor's in the place of the image's."""
    _, place = project
    image = podman.load(place / "shell.tar")
    options = [f"--volume={podman.share(place)}:/work", "--workdir=/work", "--entrypoint=/bin/sh"]
    done = podman.run(image, "-c", "greet b; echo $LEVEL; cat notes.txt; touch made && echo made", options=options)
    assert done.stdout == "greet 13 b\nown\nnoted\nmade\n"
