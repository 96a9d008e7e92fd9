"""Test the descriptions of packages, containers and derivations by `fpack show`, and of packages that do not exist."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.archives.archive import Archive
from support.processes.program import Fpack, world
from support.processes.terminal import on_terminal

PROJECT = """
debian = import("fpack/debian").trixie
image = container {
  name = "greeter"
  tag = "7"
  packages = [debian.hello]
  closure = "linked"
  entrypoint = ["/usr/bin/hello", "a b"]
  command = ["loudly"]
  env = { GREETING = "hi" }
  ports = [8000, "53/udp"]
  volumes = ["/data"]
  user = "nobody"
  run-options = ["-v data:/data"]
}
words = text("words", "some words")
package = debian.hello
number = 7
"""
NOWHERE = {"FPACK_MIRROR": "debian=file:///nowhere only"}


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = world(tmp_path / "archive")
    archive.add(
        "tool", "1:2.0-1+b1", source="tools (1:2.0-1)", homepage="https://example.org/", installed_size="12",
        fields={"Description": "a \x1b]0;bad\x07 tool"}, depends="hello (>= 2), dash | shell", pre_depends="libgreet1",
        recommends="nothing", provides="instrument",
    )  # fmt: skip
    archive.publish()
    return archive


@pytest.fixture
def fpack(tmp_path: Path, archive: Archive) -> Fpack:
    home = Fpack(tmp_path / "home", archive)
    project = home.home / "project"
    project.mkdir()
    (project / "fpack.fp").write_text(PROJECT)
    return home


def show(fpack: Fpack, *args: str, **options: Any) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(fpack("show", "--json", *args, **options).stdout)
    return facts


def test_a_package_that_was_never_used(fpack: Fpack) -> None:
    facts = show(fpack, "debian.trixie.tool")
    assert facts["name"] == "tool" and facts["version"] == "1:2.0-1+b1" and facts["arch"] == "amd64"
    assert (facts["source"], facts["source_version"]) == ("tools", "1:2.0-1")
    assert facts["homepage"] == "https://example.org/" and facts["section"] == "misc"
    assert facts["installed_size"] == 12 * 1024 and facts["size"] > 100
    assert facts["pre_depends"] == ["libgreet1"] and facts["depends"] == ["hello (>= 2)", "dash | shell"]
    assert facts["recommends"] == ["nothing"] and facts["provides"] == ["instrument"]
    assert facts["locked"] is None and facts["built"] is None
    text = fpack("show", "debian.trixie.tool").stdout
    assert "tools 1:2.0-1" in text and "libgreet1" in text and "\x1b" not in text
    assert not (fpack.home / "store").exists() and not list(fpack.home.glob("**/fpack.lock"))


def test_a_package_that_is_locked_and_unpacked(fpack: Fpack, archive: Archive) -> None:
    fpack.pack("debian.trixie.hello")
    archive.add("hello", "2.11-1")
    archive.publish()
    facts = show(fpack, "debian.trixie.hello", env=NOWHERE)
    assert facts["version"] == facts["locked"]["version"] == "2.10-3"
    assert facts["locked"]["lock"].endswith("fpack.lock")
    files = {each["path"]: each for each in facts["built"]["files"]}
    assert "/usr/bin/hello" in files and files["/usr/share/man/man1/hello.1"]["size"] == len("a manual\n")
    assert facts["built"]["path"].startswith("/fpack/store/")
    assert "/usr/bin/hello" not in fpack("show", "debian.trixie.hello").stdout
    assert "/usr/bin/hello" in fpack("show", "debian.trixie.hello", "--files").stdout


def test_a_newer_version_than_the_locked_one_is_told(fpack: Fpack, archive: Archive) -> None:
    project = fpack.home / "project"
    fpack("lock", cwd=project)
    archive.add("hello", "2.11-1", suite="trixie-updates")
    archive.publish(keep_old=True)
    (project / "fpack.lock").write_text((project / "fpack.lock").read_text())
    before = show(fpack, "debian.trixie.hello", cwd=project)
    assert (before["version"], before["newest"]) == ("2.10-3", "2.10-3")  # the lock's own list
    fpack("update", "-p", "dash", cwd=project)
    after = show(fpack, "debian.trixie.hello", cwd=project)
    assert (after["version"], after["newest"]) == ("2.10-3", "2.11-1")
    assert "2.11-1" in fpack("show", "debian.trixie.hello", cwd=project).stdout


def test_a_container_before_and_after_it_is_built(fpack: Fpack) -> None:
    project = fpack.home / "project"
    facts = show(fpack, cwd=project)
    assert (facts["name"], facts["tag"], facts["release"], facts["closure"]) == ("greeter", "7", "trixie", "linked")
    assert facts["config"]["entrypoint"] == ["/usr/bin/hello", "a b"] and facts["config"]["ports"] == [8000, "53/udp"]
    assert facts["built"] is None and not list(project.glob("*.tar"))
    assert [each["name"] for each in facts["packages"]] == ["base-files", "hello"]
    assert "packages that their files load" in fpack("show", cwd=project).stdout
    packed = fpack.pack(cwd=project)
    facts = show(fpack, cwd=project)
    assert facts["built"]["digest"] == packed["digest"]
    assert facts["built"]["size_compressed"] == packed["size_compressed"]
    packages = {each["name"]: each for each in facts["packages"]}
    assert packages["dash"]["asked"] is False and packages["hello"]["version"] == "2.10-3"
    assert packages["hello"]["size"] > 0
    text = fpack("show", cwd=project).stdout
    assert "/usr/bin/hello 'a b'" in text and "GREETING=hi" in text and packed["digest"] in text
    assert "nobody (65534" in text and "-v data:/data" in text


def test_a_package_of_a_project_and_a_derivation(fpack: Fpack) -> None:
    project = fpack.home / "project"
    assert show(fpack, "fpack.fp#package", cwd=project)["name"] == "hello"
    facts = show(fpack, "fpack.fp#words", cwd=project)
    assert (facts["type"], facts["kind"], facts["built"]) == ("derivation", "text", None)
    path = json.loads(fpack("build", "--json", "fpack.fp#words", cwd=project).stdout)["path"]
    facts = show(fpack, "fpack.fp#words", cwd=project)
    assert facts["built"]["path"] == path and facts["built"]["size"] == len("some words")
    assert path in fpack("show", "fpack.fp#words", cwd=project).stdout


def test_what_cannot_be_shown_says_what_can(fpack: Fpack) -> None:
    assert "fpack eval fpack.fp#number" in fpack.fails("show", "fpack.fp#number", cwd=fpack.home / "project")
    assert "fpack.fp" in fpack.fails("show")
    assert "sid" in fpack.fails("show", "debian.jessie.hello")


def test_a_terminal_gets_lines_that_fit(fpack: Fpack) -> None:
    fpack("lock", cwd=fpack.home / "project")
    text = on_terminal(fpack, "show", cwd=fpack.home / "project", columns=60)
    assert "greeter:7" in text and all(len(line) <= 60 for line in text.splitlines()), text
    assert "\x1b[36m" in on_terminal(fpack, "show", cwd=fpack.home / "project", color=True)


# Packages that are not there.


@pytest.mark.parametrize("verb", ["show", "pack"])
def test_an_absent_package_names_the_near_ones(fpack: Fpack, verb: str) -> None:
    assert "did you mean hello?" in fpack.fails(verb, "debian.trixie.helo")
    assert "tool provides it" in fpack.fails(verb, "debian.trixie.instrument")


@pytest.mark.parametrize("verb", ["show", "pack"])
def test_an_absent_package_that_another_release_has(tmp_path: Path, fpack: Fpack, archive: Archive, verb: str) -> None:
    old = Archive(tmp_path / "old", release="bookworm")
    old.add("hello-old")
    old.publish()
    fpack.env["FPACK_MIRROR"] = f"{archive.mirror} {old.mirror}"
    assert "bookworm" not in fpack.fails(verb, "debian.trixie.hello-old")  # nobody has looked there yet
    fpack("search", "-r", "bookworm", "hello")
    message = fpack.fails(verb, "debian.trixie.hello-old")
    assert "bookworm has it" in message and "debian.bookworm.hello-old" in message


def test_a_bare_name_is_a_package_of_the_newest_stable_release(fpack: Fpack) -> None:
    done = fpack("show", "--json", "tool")
    assert json.loads(done.stdout)["target"] == "debian.trixie.tool"
    assert "tool is debian.trixie.tool" in done.stderr
    # What a project has comes first.
    assert json.loads(fpack("show", "--json", "words", cwd=fpack.home / "project").stdout)["type"] == "derivation"
    assert "There is nothing called 'tol'" in fpack.fails("show", "tol")
    message = fpack.fails("show", "tool", env={**NOWHERE, "XDG_CACHE_HOME": "/none"})
    assert "There is nothing called 'tool', and Debian's packages could not be searched" in message
    assert "the curated packages are" in message


def test_an_empty_name(fpack: Fpack) -> None:
    assert "'' names nothing" in fpack.fails("show", "")
