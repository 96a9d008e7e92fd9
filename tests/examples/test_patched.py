"""A program of Debian's source, with Debian's patches and one of our own: built, run, packed and run again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.paths import REPOSITORY
from support.processes.podman import Podman, missing, podman_as
from support.processes.program import Fpack
from support.stores.shared import shared_store

EXAMPLE = REPOSITORY / "examples" / "patched"
TEXT = "a patched figlet of ours"

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def fpack(tmp_path_factory: pytest.TempPathFactory) -> Fpack:
    fpack = Fpack(tmp_path_factory.mktemp("patched") / "home")
    fpack.use_mirrors_of_the_machine(shared_store(tmp_path_factory))
    return fpack


@pytest.fixture(scope="module")
def project(fpack: Fpack) -> Path:
    """Return the example, built."""
    place = fpack.home / "patched"
    shutil.copytree(EXAMPLE, place, ignore=shutil.ignore_patterns("*.lock", "*.tar", "result"))
    fpack("build", "figlet", cwd=place, timeout=300)
    return place


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    if missing():
        pytest.skip(missing())
    with podman_as("root") as podman:
        yield podman


def widest(text: str) -> int:
    return max(map(len, text.splitlines()))


def test_the_patch_has_an_effect(fpack: Fpack, project: Path) -> None:
    program = ("run", "fpack.fp#figlet", "--", "figlet")
    narrow = fpack(*program, TEXT, cwd=project, env={"COLUMNS": "40"}, timeout=300).stdout
    wide = fpack(*program, TEXT, cwd=project, env={"COLUMNS": "120"}).stdout
    assert 20 < widest(narrow) < 40 and 80 < widest(wide) < 120
    # As its description says, the option wins.
    assert fpack(*program, "-w", "40", TEXT, cwd=project, env={"COLUMNS": "120"}).stdout == narrow


def test_debians_patches_and_flags_are_in_it(fpack: Fpack, project: Path) -> None:
    log = fpack("log", "figlet", cwd=project).stdout
    assert log.count("patching file Makefile") == 2 and log.count("patching file figlet.c") == 1
    assert "-fstack-protector-strong" in log, "dpkg-buildflags was not asked, or not for Debian"
    assert "All tests passed." in log


def test_it_comes_out_the_same_again(fpack: Fpack, project: Path) -> None:
    done = fpack("build", "figlet", "--no-link", "--rounds", "2", cwd=project, timeout=300)
    assert "is identical in round 2 of 2" in done.stdout + done.stderr


def test_a_patch_that_does_not_apply_ends_the_build(fpack: Fpack, project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(project, other, ignore=shutil.ignore_patterns("result"))
    patch = other / "patches" / "width-from-columns.patch"
    patch.write_text(patch.read_text().replace("outputwidth = DEFAULTCOLUMNS", "outputwidth = NOWHERE"))
    message = fpack.fails("build", "figlet", "--no-link", cwd=other)
    assert "in its phase patch" in message and "FAILED" in message


@pytest.mark.podman
def test_it_is_packed_with_what_it_needs(fpack: Fpack, project: Path, podman: Podman) -> None:
    packed = json.loads(fpack("pack", "--json", cwd=project, timeout=300).stdout)
    assert packed["name"] == "figlet" and packed["tag"] == "2.2.5"
    tar = project / "figlet.tar"
    assert tar.stat().st_size < 2_500_000
    fpack("verify", tar, cwd=project)
    image = podman.load(tar)
    narrow = podman.run(image, TEXT, options=["-e", "COLUMNS=40"]).stdout
    assert 20 < widest(narrow) < 40
    # The shell that its scripts name came with them.
    options = ["--entrypoint", "sh"]
    assert podman.run(image, "-c", "echo $0", options=options).stdout == "sh\n"
