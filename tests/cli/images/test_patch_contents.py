"""`fpack patch` of images with all kinds of content: each equals a full build with the newer packages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.archives.archive import Archive, directory, file, link
from support.archives.machines import MACHINES, small_world
from support.images.patching import change_manifest, patch, update, user
from support.processes.program import Fpack
from support.servers.registry import Registry
from support.stores.elves import elf

PROJECT = """
debian = import("fpack/debian").trixie
image = container {{
  name = "app", tag = "1", configure = false
  packages = [debian.hello{packages}]
  {more}
}}
note = text("note-1.0", "words")
"""
LINKED = 'closure = "linked", wants = ["/usr/share/greet/words"]'
UNIT = """[Service]
ExecStart=/usr/sbin/served --listen 8000
User=served
"""
FILES = """
  users = { keeper = { uid = 1500, home = "/srv/data" } }
  user = "keeper"
  files = {
    "/etc/app.key" = { text = "key", mode = "0600", uid = 1500, gid = 1500 }
    "/usr/share/base-files/motd" = "in place of a file of a package"
  }
  directories = { "/srv/data" = { mode = "0700", uid = 1500, gid = 1500 } }
  links = { "/srv/words" = "/usr/share/greet/words" }
  volumes = ["/srv/data"]
  ports = [8000]
"""
CONTENTS = {
    "linked": ("", LINKED),
    "depends": ("", 'closure = "depends"'),
    "files": ("", LINKED + FILES),
    "replaced": ("", LINKED + ', files = { "/usr/share/greet/words" = "of the container" }'),
    "built": ("", LINKED + ', env = { NOTE = "${note}" }'),
    "rules": ("", LINKED + ', rules = { "libgreet1" = { drop = ["/usr/share/greet/more"] } }'),
    "service": (", debian.served", LINKED),
}


def add_packages(archive: Archive) -> None:
    server = elf() + b"\xff Go buildinf:"  # ends when it gets SIGTERM
    files = {
        "usr/sbin/served": file(server, 0o755),
        "usr/lib/systemd/system/served.service": UNIT,
        "usr/lib/sysusers.d/served.conf": "u served -\n",
    }
    archive.add("served", depends="libgreet1", files=files)
    archive.publish()


def push(fpack: Fpack, folder: Path, reference: str, *words: str) -> str:
    done = fpack("pack", "#image", "--push", reference, "--plain-http", "--json", *words, cwd=folder)
    return str(json.loads(done.stdout)["digest"])


def write(fpack: Fpack, packages: str, more: str) -> Path:
    folder = fpack.home / "app"
    folder.mkdir(exist_ok=True)
    (folder / "fpack.fp").write_text(PROJECT.format(packages=packages, more=more))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("content", CONTENTS)
def test_a_patch_equals_a_full_build(tmp_path: Path, archive: Archive, registry: Registry, content: str) -> None:
    add_packages(archive)
    fpack = user(tmp_path, archive)
    folder = write(fpack, *CONTENTS[content])
    reference = f"{registry.host}/team/app:1"
    push(fpack, folder, reference)
    update(archive)
    (result,) = patch(user(tmp_path, archive, "fresh"), reference, "--security", "--tag", "fresh")
    (image,) = result["images"]
    assert [item["name"] for item in image["packages"]] == ["libgreet1"] and not image["notes"]
    (again,) = patch(fpack, reference, "--security")
    fpack("update", "--security", cwd=folder)
    assert push(fpack, folder, f"{registry.host}/team/full:1") == image["new"] == again["images"][0]["new"]
    assert image["new"] != image["old"]
    assert "self-consistent" in fpack("verify", reference, "--plain-http").stdout


def libgreet(archive: Archive, **files: Any) -> None:
    archive.add("libgreet1", "2:1.0~rc1-1+deb13u1", suite="trixie-security", files=files)
    archive.publish()


@pytest.mark.slow
def test_an_update_that_changes_directories_and_accounts_equals_a_full_build(
    tmp_path: Path, archive: Archive, registry: Registry
) -> None:
    fpack = user(tmp_path, archive)
    folder = write(fpack, "", 'closure = "depends"')
    file_of = folder / "fpack.fp"
    file_of.write_text(file_of.read_text().replace('tag = "1", ', ""))  # so that it is the version of hello
    reference = f"{registry.host}/team/app:1"
    push(fpack, folder, reference)
    program = {"usr/bin/hello": file("#!/bin/sh\n", 0o755)}
    archive.add("hello", "2.10-4", suite="trixie-security", depends="libgreet1, dash", files=program)
    files = {
        "usr/share/greet": link("base-files"),
        "usr/share/base-files": directory(0o750, gid=5),
        "usr/share/base-files/words": file("x", 0o640, uid=33),
        "usr/lib/sysusers.d/greet.conf": "u greet -\n",
    }
    libgreet(archive, **files)
    (result,) = patch(user(tmp_path, archive, "fresh"), reference, "--security")
    fpack("update", "--security", cwd=folder)
    (image,) = result["images"]
    assert push(fpack, folder, f"{registry.host}/team/full:1") == image["new"] and not image["notes"]


def test_a_version_in_a_setting_is_told(tmp_path: Path, archive: Archive, registry: Registry) -> None:
    """The manifest has the text alone; a build of the project has the new version there."""
    fpack = user(tmp_path, archive)
    folder = write(fpack, "", LINKED + ', env = { WORDS = "of ${debian.libgreet1.version}." }')
    reference = f"{registry.host}/team/app:1"
    push(fpack, folder, reference)
    update(archive)
    (result,) = patch(fpack, reference, "--security")
    (note,) = result["images"][0]["notes"]
    assert note.startswith("app has the old version of libgreet1 in a text, 2:1.0~rc1-1, which stays")
    fpack("update", "--security", cwd=folder)
    assert push(fpack, folder, f"{registry.host}/team/full:1") != result["images"][0]["new"]


def test_a_package_that_the_image_did_without_is_told(tmp_path: Path, archive: Archive, registry: Registry) -> None:
    """The manifest has no derivations of packages that were not needed: another machine cannot look into them."""
    reference = f"{registry.host}/team/app:1"
    fpack = user(tmp_path, archive)
    push(fpack, write(fpack, "", LINKED), reference)
    libgreet(archive, **{"usr/share/greet/other": "x"})
    told = user(tmp_path, archive, "fresh").fails("patch", reference, "--security", "--plain-http")
    assert "needs packages now that it was made without" in told and "build it again in its project" in told


@pytest.mark.slow
@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("closure", ["linked", "depends"])
def test_an_index_is_patched_as_a_whole(tmp_path: Path, registry: Registry, closure: str, fresh: bool) -> None:
    """A package moves for both platforms, and another one for one of them. The index equals that of a full build."""
    archive = small_world(tmp_path / "archive")
    fpack = user(tmp_path, archive)
    (fpack.home / "fpack.fp").write_text(
        'debian = import("fpack/debian").trixie\n'
        f'image = container {{ name = "app", tag = "1", packages = [debian.greet], closure = "{closure}" }}\n'
    )
    reference = f"{registry.host}/team/app:1"
    both = ("--platform", "linux/amd64,linux/arm64")
    old = push(fpack, fpack.home, reference, *both)
    archive.add("greet-data", "2.0", arch="all", suite="trixie-security", files={"usr/share/greet/words": "evening\n"})
    library = elf("libc.so.6", soname="libwords.so.2", machine=MACHINES["arm64"][0]) + b"new"
    files = {"usr/lib/aarch64-linux-gnu/words/libwords.so.2": library}
    archive.add("libwords2", "2.0", arch="arm64", depends="libc6", suite="trixie-security", files=files)
    archive.publish()
    (result,) = patch(user(tmp_path, archive, "fresh") if fresh else fpack, reference, "--security")
    moved = {image["arch"]: [item["name"] for item in image["packages"]] for image in result["images"]}
    assert moved["arm64"][-1] == "libwords2" and "libwords2" not in moved["amd64"]
    fpack("update", "--security")
    full = push(fpack, fpack.home, f"{registry.host}/team/full:1", *both)
    assert registry.stored("team/app").tags["1"] == full != old
    assert result["pushed"].endswith(full)
    assert not any(image["notes"] for image in result["images"])


def test_that_another_version_made_the_image_is_told(tmp_path: Path, archive: Archive, registry: Registry) -> None:
    fpack = user(tmp_path, archive)
    reference = f"{registry.host}/team/app:1"
    push(fpack, write(fpack, "", LINKED), reference)

    def older(values: list[Any]) -> None:
        values[0]["fpack"] = "0.0.1"

    change_manifest(registry.stored("team/app"), older)
    update(archive)
    (result,) = patch(user(tmp_path, archive, "fresh"), reference, "--security")
    first, second = result["images"][0]["notes"]
    assert "fpack 0.0.1 made the image" in first and "another version made it" in second
    assert result["pushed"]
