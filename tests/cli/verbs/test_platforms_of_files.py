"""Files that say for which platform an image, a package or a build is."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from fpack.builders.sandbox import emulation
from support.archives.archive import Archive
from support.archives.machines import small_world
from support.processes.program import Fpack
from support.stores.elves import elf

PROJECT = """
debian = import("fpack/debian").trixie
image = container { packages = [debian.greet], closure = "linked", tag = platform.name |> replace("/", "-") }
arm = container { packages = [debian.for("arm64").greet], closure = "linked", tag = "linux-arm64" }
moved = (image.with { platform = "linux/arm64", tag = "linux-arm64" })
whole = container { packages = [debian.for("arm64").greet] }
scripts = whole.with { configure = true }
tool = container {
  packages = [debian.greet], closure = "linked", platform = "linux/arm64"
  files = { "/usr/local/bin/tool" = ./tool }
}
meant = tool.with { foreign = ["/usr/local/bin/tool"] }
alone = debian.for("arm64").greet
app = package { name = "app", install = "true" }
cross = package { name = "app", install = "true", platform = "linux/arm64" }
tools = shell { packages = [debian.for("arm64").greet], base = [] }
"""


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return small_world(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def fpack(tmp_path: Path, archive: Archive) -> Fpack:
    made = Fpack(tmp_path / "home", archive)
    (made.home / "fpack.fp").write_text(PROJECT)
    (made.home / "tool").write_bytes(elf(machine=62, kind=2))
    (made.home / "tool").chmod(0o755)
    return made


OWN = "arm64" if os.uname().machine == "aarch64" else "amd64"
needs_amd64 = pytest.mark.skipif(OWN != "amd64", reason="the project's other platform is this machine's")


def test_each_platform_of_a_pack_sees_its_own(fpack: Fpack) -> None:
    both = fpack.pack("--platform", "linux/amd64,linux/arm64", "-o", "both.tar")
    arm = fpack.pack("#image", "--arch", "arm64", "-o", "arm64.tar")
    assert arm["tag"] == "linux-arm64"
    digests = {each["platform"]: each["digest"] for each in both["platforms"]}
    assert digests["linux/arm64"] == arm["digest"] != digests["linux/amd64"]


@needs_amd64
def test_an_image_of_another_platform_is_what_the_option_gives(fpack: Fpack) -> None:
    wanted = fpack.pack("#image", "--platform", "linux/arm64", "-o", "wanted.tar")
    lock = (fpack.home / "fpack.lock").read_text()
    for what in ("#arm", "#moved"):
        made = fpack.pack(what, "-o", "made.tar")
        assert (made["digest"], made["platform"]) == (wanted["digest"], "linux/arm64")
        assert fpack("verify", "made.tar").returncode == 0
    # Scripts of packages run on their own platform only.
    assert fpack.pack("#whole", "-o", "whole.tar")["platform"] == "linux/arm64"
    assert "Maintainer scripts run only for amd64" in fpack.fails("pack", "#scripts")
    assert "package trixie amd64 greet " not in lock and "package trixie arm64 greet " in lock


@needs_amd64
def test_the_option_and_the_file_contradict_each_other(fpack: Fpack) -> None:
    message = fpack.fails("pack", "#arm", "--platform", "linux/amd64")
    assert "#arm is for linux/arm64, and the command asks for linux/amd64" in message and "remove `platform`" in message
    assert fpack.pack("#arm", "--platform", "linux/arm64")["platform"] == "linux/arm64"


def test_a_program_for_another_machine_is_refused(fpack: Fpack) -> None:
    message = fpack.fails("pack", "#tool")
    assert "a program is for amd64, and the image is for arm64" in message
    assert "/usr/local/bin/tool" in message and 'foreign = ["/usr/local/bin/tool"]' in message
    assert fpack.pack("#meant")["platform"] == "linux/arm64"
    assert fpack("verify", "greet.tar").returncode == 0


@pytest.mark.skipif(emulation.is_possible(), reason="a build for another machine has an emulator")
@needs_amd64
@pytest.mark.parametrize(
    ("verb", "words", "arch"),
    [
        ("build", ["#app", "--arch", "arm64"], "arm64"),
        ("build", ["#cross"], "arm64"),
        ("pack", ["#app", "--platform", "linux/arm64"], "arm64"),
        ("closure", ["#cross"], "arm64"),
        # The machine runs its programs, and the sandbox of builds does not.
        ("build", ["#app", "--arch", "i386"], "i386"),
    ],
)
def test_a_build_for_another_machine_is_refused_before_anything_is_fetched(
    fpack: Fpack, verb: str, words: list[str], arch: str
) -> None:
    fpack.env["FPACK_MIRROR"] = "file:///nowhere only"
    message = fpack.fails(verb, *words)
    assert f"app cannot be built for {arch} here: this machine runs amd64" in message and "fpack.fp:" in message
    assert "nowhere" not in message and not (fpack.home / "fpack.lock").exists()


@needs_amd64
def test_another_machine_is_no_obstacle_to_evaluation(fpack: Fpack) -> None:
    assert fpack("eval", "-e", "platform.machine", "--arch", "arm64").stdout.strip() == "aarch64"
    shown = json.loads(fpack("show", "#alone", "--json").stdout)
    assert (shown["arch"], shown["name"]) == ("arm64", "greet")
    fpack("lock", "#alone")
    assert "\nclosure trixie arm64 greet\n" in (fpack.home / "fpack.lock").read_text()
    assert "closure trixie amd64" not in (fpack.home / "fpack.lock").read_text()


@needs_amd64
def test_what_runs_here_is_for_this_machine(fpack: Fpack) -> None:
    """Or has an emulator, which the archive here does not have."""
    told = fpack.fails("try", "#arm")
    if emulation.is_possible():
        assert "There is no package 'qemu-user'" in told
    else:
        assert "The image is for arm64; this machine runs amd64" in told
        assert "greet is for arm64; this machine runs amd64" in fpack.fails("shell", "#tools", "--", "true")
        assert not list((fpack.home / "store/store").glob("*-greet-*"))


def test_answers_of_one_architecture_are_no_answers_for_another(fpack: Fpack) -> None:
    (fpack.home / "fpack.fp").write_text('name = text("name", platform.name)\n')
    found = {
        arch: Path(json.loads(fpack("build", "#name", "--json", "--no-link", *words).stdout)["disk"]).read_text()
        for _ in range(2)
        for arch, words in (("amd64", ["--arch", "amd64"]), ("arm64", ["--arch", "arm64"]), ("", []))
    }
    assert found == {"amd64": "linux/amd64", "arm64": "linux/arm64", "": f"linux/{OWN}"}


def test_a_home_is_shared_by_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    from fpack.cli.workspace.evaluation.log import question

    names = set()
    for machine in ("x86_64", "aarch64"):
        monkeypatch.setattr(os, "uname", lambda machine=machine: os.uname_result(("Linux", "h", "6", "1", machine)))
        names.add(question("form", ("image",), None, ""))
    assert len(names) == 2


def test_the_language_and_the_builders_name_platforms_alike() -> None:
    from fpack.builders.machines import MACHINES
    from fpack.builders.oci.spec import architecture, platform_name
    from fpack.lang.evaluator import Evaluator

    evaluator = Evaluator(settings={"arch": "amd64"})
    known = evaluator.force(evaluator.expression('import("fpack/platform").all'), deep=True)
    assert known.keys() == MACHINES.keys()
    for arch, names in known.items():
        assert (names["arch"], names["triplet"]) == (arch, MACHINES[arch].triplet)
        assert names["name"] == platform_name(arch) and architecture(names["name"]) == arch
    assert evaluator.expression('import("fpack/platform").of("linux/arm").arch') == architecture("linux/arm")
