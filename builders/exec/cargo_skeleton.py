"""Reduce the source of Rust crates to what their dependencies need: manifests, the lock, `vendor`, and empty targets.

Cargo compiles the dependencies of a workspace only together with its members, so each target file of a member stands
there as an empty program. The result stays the same while only code changes.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any

from fpack import strict_toml

from .skeleton import Skeleton, SourceFiles

STUB = "fn main() {}\n"
OWN = ".fpack/crates"  # a list in the skeleton: the names of the source's own packages, one a line
_KEPT = ("Cargo.toml", "Cargo.lock", "rust-toolchain", "rust-toolchain.toml")
# The files that cargo takes for targets without being told, relative to a manifest.
_TARGET = re.compile(r"build\.rs|src/(?:lib|main)\.rs|(?:src/bin|tests|examples|benches)/(?:[^/]+|[^/]+/main)\.rs")
_TARGETS = ("bin", "test", "example", "bench")


def cargo_skeleton(source: SourceFiles, vendor: str) -> Skeleton:
    """Keep manifests, locks, configuration and the crates in `vendor`. Replace the targets of other crates by stubs."""
    crates = posixpath.normpath(vendor) + "/"
    keep: list[str] = []
    texts: dict[str, str] = {}
    own: set[str] = set()
    files = frozenset(source.paths)
    for path in source.paths:
        folder, _, name = path.rpartition("/")
        if path.startswith(crates) or folder.rpartition("/")[2] == ".cargo":
            keep.append(path)
        elif name in _KEPT:
            keep.append(path)
            if name == "Cargo.lock":
                listed = _records(_manifest(source, path).get("package"))
                # Without a source, a package is of the project, even if it is in the directory of crates.
                own |= {str(each.get("name", "")) for each in listed if isinstance(each, dict) and "source" not in each}
            elif name == "Cargo.toml":
                manifest = _manifest(source, path)
                package = manifest.get("package")
                own.add(str(package.get("name", "")) if isinstance(package, dict) else "")
                texts |= dict.fromkeys(_targets(source, folder, manifest, files), STUB)
    texts = {path: text for path, text in texts.items() if path not in keep}
    return Skeleton(keep, {**texts, OWN: "".join(f"{name}\n" for name in sorted(own - {""}))})


def _manifest(source: SourceFiles, path: str) -> dict[str, Any]:
    try:
        return strict_toml.parse(source.read(path).decode())
    except ValueError:
        return {}  # cargo says what is wrong with it


def _targets(source: SourceFiles, folder: str, manifest: dict[str, Any], files: frozenset[str]) -> Iterator[str]:
    start = f"{folder}/" if folder else ""
    for path in source.paths:
        if path.startswith(start) and _TARGET.fullmatch(path, len(start)):
            yield path
    for given in _given(manifest):
        path = posixpath.normpath(start + given)
        if path in files:
            yield path


def _given(manifest: dict[str, Any]) -> Iterator[str]:
    """Yield the paths that a manifest gives to targets."""
    package, library = manifest.get("package"), manifest.get("lib")
    listed = [package.get("build") if isinstance(package, dict) else None]
    tables = [library, *(each for name in _TARGETS for each in _records(manifest.get(name)))]
    listed += [table.get("path") for table in tables if isinstance(table, dict)]
    yield from (path for path in listed if isinstance(path, str))


def _records(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
