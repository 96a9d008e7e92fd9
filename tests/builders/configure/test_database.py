"""dpkg's database, as dpkg reads it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from fpack.builders.configure.database import UnpackedPackage, database, pending

STANZA = "Package: {0}\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\nMaintainer: x\nDescription: x\n"


def package(
    name: str, members: dict[str, bytes] | None = None, configured: bool = False, more: str = ""
) -> UnpackedPackage:
    """Return a package with one file."""
    return UnpackedPackage(name, STANZA.format(name) + more, ("/usr", f"/usr/{name}"), members or {}, configured)


def test_the_files_of_the_database() -> None:
    same = package("same", {"postinst": b"#!/bin/sh\n"}, more="Multi-Arch: same\n")
    done = package(
        "done", {"triggers": b"# x\ninterest-noawait /usr/share/x\ninterest named\ninterest ../evil\n"}, True
    )
    files = {file.path.removeprefix("var/lib/dpkg/"): file for file in database([done, same])}
    assert (
        files["info/same:amd64.postinst"].executable
        and files["info/same:amd64.list"].content == b"/.\n/usr\n/usr/same\n"
    )
    status = (files["status"].content or b"").decode()
    assert [line for line in status.splitlines() if line.startswith("Status:")] == [
        "Status: install ok installed", "Status: install ok unpacked",
    ]  # fmt: skip
    assert files["triggers/File"].content == b"/usr/share/x done/noawait\n"
    assert files["triggers/named"].content == b"done\n"
    assert not any("evil" in path for path in files)


def test_dpkg_reads_it(tmp_path: Path) -> None:
    if shutil.which("dpkg-query") is None:
        pytest.skip("dpkg is not installed")
    for file in database([package("a", {"postinst": b""}), package("b", configured=True)]):
        path = tmp_path / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if file.content is None else path.write_bytes(file.content)
    command = ["dpkg-query", f"--admindir={tmp_path}/var/lib/dpkg", "-W", "-f", "${Package} ${Status}\n"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "a install ok unpacked\nb install ok installed\n" and done.stderr == ""
    command = [*command[:2], "-S", "/usr/a"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "a: /usr/a\n"


def test_packages_with_pending_triggers() -> None:
    status = b"Package: b\nTriggers-Pending: x y\n\nPackage: a\nStatus: x\n\n\nPackage: c\nTriggers-Pending: z\n"
    assert pending(status) == ["b", "c"] and pending(b"\xff\n\nTriggers-Pending: x") == []
