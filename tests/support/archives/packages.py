"""A small distribution and a hasher of files, for evaluations that reach neither the network nor a store."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fpack.lang.protocols import NoPackage
from fpack.store.errors import FpackError
from fpack.store.files.source import SourceSelection
from fpack.store.graph import reachable

DEPENDS = {
    "base-files": [],
    "libc6": ["libgcc-s1"],
    "libgcc-s1": ["libc6"],
    "g++": ["libc6"],
    "dash": ["libc6"],
    "sudo": ["libc6"],
    "redis-server": ["libc6"],
    "postgresql-common": ["libc6"],
    "openssl": ["libc6"],
    "ca-certificates": ["openssl"],
    "curl": ["libc6"],
    "postgresql-17": ["libc6", "postgresql-common"],
}
# What every Debian system has; containers ask for it by name.
ESSENTIAL = (
    *("bash", "coreutils", "dash", "diffutils", "findutils", "grep", "gzip", "hostname", "libc-bin", "mawk"),
    *("perl-base", "sed", "tar", "bsdutils", "debianutils", "ncurses-base", "ncurses-bin", "passwd", "util-linux"),
)
DEPENDS |= {name: [] for name in ESSENTIAL if name not in DEPENDS}
VERSIONS = {"postgresql-17": "17.5-1+deb13u1", "dash": "1:0.5.12~rc1-2"}


class Packages:
    """A package source with two releases of the same few packages; `asked` lists what was looked up."""

    depends: Mapping[str, list[str]] = DEPENDS

    def __init__(self) -> None:
        self.asked: list[str] = []

    def releases(self, of: str = "debian") -> list[str]:
        return ["trixie", "bookworm"] if of == "debian" else ["noble"]

    def package(self, release: str, name: str, arch: str = "") -> dict[str, Any]:
        arch = arch or "amd64"
        self.asked.append(f"{release}/{name}" + ("" if arch == "amd64" else f" {arch}"))
        if arch not in ("amd64", "arm64"):
            raise FpackError(f"{release} has no packages for {arch}", why="it has amd64 arm64").with_(exit_code=4)
        if name not in self.depends:
            near = [n for n in self.depends if n[:4] == name[:4]]
            hint = f"did you mean {near[0]}?" if near else ""
            raise NoPackage(f"{release} has no package {name!r}", hint=hint)
        version = VERSIONS.get(name, "1.0-1")
        seed = f"{release} {name}" + ("" if arch == "amd64" else f" {arch}")
        return {
            "name": name,
            "version": version,
            "arch": "all" if name == "postgresql-common" else arch,
            "release": release,
            "source": name,
            "file": f"pool/main/{name[0]}/{name}/{name}_{version.partition(':')[2] or version}_{arch}.deb",
            "archive": "debian-security" if name == "sudo" else "debian",
            "sha256": hashlib.sha256(seed.encode()).hexdigest(),
            "size": 1000 + len(name),
            "description": f"the package {name}",
            "section": "misc",
        }

    def closure(self, release: str, names: list[str], arch: str = "") -> list[dict[str, Any]]:
        seen = reachable(names, lambda name: self.depends.get(name, []))
        return [{**self.package(release, name, arch), "depends": self.depends[name]} for name in sorted(seen)]


class Everything(Packages):
    """Has every package that is asked for, which depends on nothing."""

    def package(self, release: str, name: str, arch: str = "") -> dict[str, Any]:
        return {**super().package(release, "dash", arch), "name": name, "source": name}

    def closure(self, release: str, names: list[str], arch: str = "") -> list[dict[str, Any]]:
        return [{**self.package(release, name, arch), "depends": []} for name in sorted(set(names))]


class Files:
    """Digests of files and directories, without .gitignore. A selection changes a digest, whatever it selects."""

    def hash(self, path: Path, selection: SourceSelection | None = None) -> bytes:
        digest = hashlib.sha256(repr(selection).encode() if selection else b"")
        for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
            digest.update(each.name.encode())
            if each.is_file():
                digest.update(each.read_bytes())
        return digest.digest()
