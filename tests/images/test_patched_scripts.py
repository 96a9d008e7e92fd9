"""Images with what Debian's maintainer scripts made, patched after an update of packages with which the scripts ran."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fpack.builders.debian.control import stanzas
from support.images.patching import patch
from support.processes.program import Fpack
from support.servers.registry import Registry
from support.stores.shared import shared_store

pytestmark = pytest.mark.network

PROJECT = """
debian = import("fpack/debian").trixie
image = container {
  name = "app", tag = "1", packages = [debian.ssl-cert, debian.openssl, debian.dash]
  users = { keeper = { uid = 1500 } }
  files = { "/etc/app.key" = { text = "a", mode = "0600", uid = 1500, gid = 1500 } }
}
"""
ARCHIVE = "debian-security"


def older(line: str, packages: str, date: str) -> str:
    """Return a package of the lock as the main suite has it. packages: the index of that suite."""
    name = line.split()[3]
    (stanza,) = stanzas(next(text for text in packages.split("\n\n") if text.startswith(f"Package: {name}\n")))
    fields = dict(word.split("=", 1) for word in line.split()[5:])
    source, _, version = stanza.get("source", name).partition(" ")
    fields |= {"source": f"{source}={version.strip('()')}" if version else source, "archive": "debian", "date": date}
    fields |= {"size": stanza["size"], "sha256": stanza["sha256"], "file": stanza["filename"]}
    words = [*line.split()[:4], stanza["version"], *(f"{key}={value}" for key, value in fields.items())]
    return " ".join(words)


def older_lock(fpack: Fpack, lock: str) -> str:
    """Return a lock in which the packages of the security suite have the versions of the main suite."""
    index = next(line for line in lock.splitlines() if line.startswith("index trixie trixie amd64 "))
    digest = index.partition("sha256=")[2].split()[0]
    packages = (fpack.home / f".cache/fpack/debian/{digest}.packages").read_text()
    suite = next(line for line in lock.splitlines() if line.startswith("suite trixie trixie "))
    date = suite.partition("date=")[2].split()[0]
    lines = [
        older(line, packages, date) if line.startswith("package ") and f"archive={ARCHIVE} " in line else line
        for line in lock.splitlines()
    ]
    return "\n".join(lines) + "\n"


def push(fpack: Fpack, folder: Path, reference: str, *words: str) -> str:
    done = fpack("pack", "--push", reference, "--plain-http", "--json", *words, cwd=folder, timeout=900)
    return str(json.loads(done.stdout)["digest"])


def test_scripts_run_again_as_in_a_full_build(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    fpack = Fpack(tmp_path / "user")
    fpack.use_mirrors_of_the_machine(shared_store(tmp_path_factory))
    (fpack.home / "fpack.fp").write_text(PROJECT)
    fpack("lock")
    lock = fpack.home / "fpack.lock"
    newest = lock.read_text()
    if f"archive={ARCHIVE} " not in newest:
        pytest.skip("the security suite has no package of the image")
    lock.write_text(older_lock(fpack, newest))
    with Registry() as registry:
        reference = f"{registry.host}/team/app:1"
        old = push(fpack, fpack.home, reference, "--frozen")
        # Another machine has nothing of the image.
        fresh = Fpack(tmp_path / "fresh")
        fresh.use_mirrors_of_the_machine()
        (alone,) = patch(fresh, reference, "--security", "--tag", "fresh")
        (result,) = patch(fpack, reference, "--security")
        (image,) = result["images"]
        assert {"passwd"} & {item["name"] for item in image["packages"]} and not image["notes"]
        lock.write_text(newest)
        full = push(fpack, fpack.home, f"{registry.host}/team/full:1", "--frozen")
        assert image["new"] == alone["images"][0]["new"] == full != old
        done = fpack("verify", reference, "--plain-http", "--json", timeout=600)
        origins = {other["origin"] for one in json.loads(done.stdout)["images"] for other in one["others"]}
        assert "configured" in origins
