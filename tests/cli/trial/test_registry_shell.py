"""`fpack run REF` and `fpack shell REF` enter an image of a registry, with its files and settings and no others."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from support.archives.shells import packages_of
from support.images.pushed import push_with_record
from support.processes.program import Fpack, world
from support.servers.registry import Registry, open_registry

PROJECT = """
debian = import("fpack/debian").trixie
image = container {
  name = "tool"
  tag = "1.0"
  packages = [debian.tools, debian.dash]
  env = { GREETING = "hi", DATA = "${./data}" }
  files = { "/etc/motd" = "of the image\\n", "/etc/replaced" = "by the container\\n" }
  entrypoint = ["sh", "-c", "echo $GREETING $*", "sh"]
  command = ["default"]
}
bare = image.with { name = "bare", entrypoint = null, command = null, packages = [debian.plain] }
"""


class Owner(NamedTuple):
    """A user with an empty store, and the reference of an image."""

    fpack: Fpack
    reference: str
    bare: str

    def run(
        self, *words: str, verb: str = "run", reference: str = "", status: int | None = 0, cwd: Path | None = None
    ) -> str:
        done = self.fpack(verb, "--plain-http", reference or self.reference, *words, status=status, cwd=cwd)
        return done.stdout if status == 0 else done.stderr


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owner]:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not on this machine")
    place = tmp_path_factory.mktemp("shells")
    archive = world(place / "archive")
    archive.add("dash", "9.0", files=packages_of("sh"))
    archive.add("tools", "1.0", files={**packages_of("cat", "env", "ls"), "etc/replaced": "by the package\n"})
    archive.add("plain", "1.0", files={"usr/share/plain": "plain\n"})
    archive.publish()
    fpack = Fpack(place / "maker", archive)
    project = place / "maker" / "project"
    project.mkdir(parents=True)
    (project / "fpack.fp").write_text(PROJECT)
    (project / "data").write_text("of a store path\n")
    with Registry() as registry:
        for name in ("image", "bare"):
            fpack.pack(f"#{name}", "-o", place / f"{name}.tar", cwd=project)
            push_with_record(fpack, place / f"{name}.tar", open_registry(registry, name=f"team/{name}"))
        yield Owner(Fpack(place / "user", archive), f"{registry.host}/team/image:1.0", f"{registry.host}/team/bare:1.0")


def test_the_program_of_an_image_gets_its_arguments(owner: Owner) -> None:
    assert owner.run() == "hi default\n"
    assert owner.run("a", "b") == "hi a b\n"


def test_the_option_counts_on_both_sides_of_the_reference(owner: Owner) -> None:
    done = owner.fpack("run", owner.reference, "--plain-http", "--", "cat", "/etc/motd")
    assert done.stdout == "of the image\n"
    told = owner.fpack("run", owner.reference, "--plain-http", status=1).stderr
    assert "write --plain-http before its address" in told


def test_a_command_sees_the_files_of_the_image(owner: Owner) -> None:
    found = owner.run("--", "sh", "-c", "cat /etc/motd /etc/replaced $DATA; exit 0")
    assert found == "of the image\nby the container\nof a store path\n"
    assert owner.run("--", "sh", "-c", "exit 7", status=7) is not None
    assert owner.run("--", "cat", "/etc/motd", verb="shell") == "of the image\n"


def test_the_files_of_this_machine_are_hidden_but_the_working_directory(owner: Owner, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("here\n")
    (owner.fpack.home / "secret").write_text("secret\n")
    words = ("--", "sh", "-c", f"cat mine; cat {owner.fpack.home}/secret 2>/dev/null || echo hidden")
    assert owner.run(*words, cwd=tmp_path) == "here\nhidden\n"


def test_an_image_without_a_shell_says_what_can_be_done(owner: Owner) -> None:
    text = owner.run(verb="shell", reference=owner.bare, status=2)
    assert "has no shell" in text and "fpack debug" in text
    assert "no program of its own" in owner.run(reference=owner.bare, status=2)
    text = owner.run("--", "nothing", status=127)
    assert "no program nothing" in text


def test_an_image_is_not_joined_with_packages(owner: Owner) -> None:
    assert "cannot be joined" in owner.run("debian.trixie.jq", verb="shell", status=2)
    done = owner.fpack("shell", owner.reference, "--print-env", "--plain-http", status=2)
    assert "--print-env" in done.stderr
