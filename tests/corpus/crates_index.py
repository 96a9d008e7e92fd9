"""Make the index of a registry of crates from their manifests, and empty crates for systems other than Linux.

An index has a line of JSON for each version (https://doc.rust-lang.org/cargo/reference/registry-index.html).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

_KINDS = {"dependencies": "normal", "build-dependencies": "build", "dev-dependencies": "dev"}
# What the target of a build is, for the expressions `cfg(...)` of a manifest; `key = "value"` of other keys is false.
_SET = {
    "unix", "debug_assertions", 'target_os="linux"', 'target_family="unix"', 'target_env="gnu"', 'target_arch="x86_64"',
    'target_pointer_width="64"', 'target_endian="little"', 'target_has_atomic="64"', 'target_has_atomic="ptr"',
    'target_vendor="unknown"', "panic", "true",
}  # fmt: skip
_TOKEN = re.compile(r'\s*(?:(\w+)\s*\(|(\w+)\s*(?:=\s*"([^"]*)")?|([),]))')


class CrateFile(NamedTuple):
    """A crate of a registry. manifest: its Cargo.toml. path: of its archive."""

    sha256: str
    manifest: Mapping[str, Any]
    path: Path = Path()

    @property
    def name(self) -> str:
        return str(self.manifest["package"]["name"])

    @property
    def version(self) -> str:
        return str(self.manifest["package"]["version"])


def index(crates: Sequence[CrateFile]) -> str:
    """Return the file of the index for the versions of a crate."""
    return "".join(json.dumps(_line(crate)) + "\n" for crate in crates)


def _line(crate: CrateFile) -> dict[str, Any]:
    package = crate.manifest["package"]
    features: dict[str, list[str]] = dict(crate.manifest.get("features", {}))
    newer = {k: v for k, v in features.items() if any(word.startswith("dep:") or "?/" in word for word in v)}
    return {
        "name": crate.name,
        "vers": crate.version,
        "deps": [dependency for dependency in dependencies(crate.manifest) if dependency["kind"] != "dev"],
        "cksum": crate.sha256,
        "features": {k: v for k, v in features.items() if k not in newer},
        "features2": newer,
        "yanked": False,
        "links": package.get("links"),
        "rust_version": package.get("rust-version"),
        "v": 2,
    }


def dependencies(manifest: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the dependencies of a manifest in the form of an index."""
    for target, tables in [(None, manifest), *manifest.get("target", {}).items()]:
        for table, kind in _KINDS.items():
            given = tables.get(table) or tables.get(table.replace("-", "_")) or {}
            for name, value in given.items():
                row = {"version": value} if isinstance(value, str) else value
                yield {
                    "name": name,
                    "req": row.get("version", "*"),
                    "features": row.get("features", []),
                    "optional": row.get("optional", False),
                    "default_features": row.get("default-features", row.get("default_features", True)),
                    "target": target,
                    "kind": kind,
                    "package": row.get("package"),
                }


def is_for_linux(target: str | None) -> bool:
    """Return whether dependencies of a target are of a build for Linux on amd64."""
    if target is None:
        return True
    if not target.startswith("cfg("):
        return target == "x86_64-unknown-linux-gnu"
    tokens = _TOKEN.finditer(target)
    next(tokens)
    return all(_terms(tokens))


def _terms(tokens: Iterator[re.Match[str]]) -> Iterator[bool]:
    """Yield the values of the terms up to a closing parenthesis."""
    for token in tokens:
        function, name, value, mark = token.groups()
        if mark == ")":
            return
        if function:
            values = list(_terms(tokens))
            yield {"all": all(values), "any": any(values), "not": not any(values)}[function]
        elif name:
            yield (name if value is None else f'{name}="{value}"') in _SET


class Closure:
    """The crates that a project may resolve to, and those of other systems that a registry lacks.

    find: returns the versions of a crate. foreign: of each lacking one, by compatible versions, a version and features.
    """

    def __init__(self, find: Callable[[str], Sequence[CrateFile]]) -> None:
        self._find = find
        self._known: dict[str, Sequence[CrateFile]] = {}
        self._features: dict[str, set[str]] = {}
        self.foreign: dict[str, dict[str, tuple[str, set[str]]]] = {}

    def add(self, projects: Sequence[Mapping[str, Any]]) -> None:
        """Follow all dependencies of projects, and those of these that features ask for."""
        todo: list[tuple[Mapping[str, Any], set[str] | None]] = [(manifest, None) for manifest in projects]
        with ThreadPoolExecutor(8) as pool:
            while todo:
                needs = [need for manifest, features in todo for need in _needs(manifest, features)]
                new = sorted({name for name, _, _ in needs} - self._known.keys())
                self._known.update(zip(new, pool.map(self._find, new), strict=True))
                todo = []
                for name, features, row in needs:
                    before = self._features.get(name)
                    if not self._known[name] and not is_for_linux(row["target"]):
                        self._note(name, row["req"], features)
                    elif before is None or not features <= before:
                        self._features[name] = features | (before or set())
                        todo += [(crate.manifest, self._features[name]) for crate in self._known[name]]

    def _note(self, name: str, requirement: str, features: set[str]) -> None:
        version = least(requirement)
        groups = self.foreign.setdefault(name, {})
        group = compatible(version)
        before, known = groups.get(group, (version, set[str]()))
        groups[group] = (max(version, before, key=numbers), known | features)


def _needs(manifest: Mapping[str, Any], features: set[str] | None) -> Iterator[tuple[str, set[str], Mapping[str, Any]]]:
    """Yield the crates that a manifest needs, with features. features: its own; None for a project's, which are all."""
    wanted = {} if features is None else _activated(manifest, features)
    for row in dependencies(manifest):
        skipped = row["kind"] == "dev" or (row["optional"] and row["name"] not in wanted)
        if features is None or not skipped:
            own = {*row["features"], *(["default"] if row["default_features"] else [])}
            yield row["package"] or row["name"], own.union(*wanted.get(row["name"], [])), row


def _activated(manifest: Mapping[str, Any], features: set[str]) -> dict[str, list[list[str]]]:
    """Return the optional dependencies that features activate, each with lists of features of its own."""
    table: Mapping[str, list[str]] = manifest.get("features", {})
    found: dict[str, list[list[str]]] = {}
    todo, seen = list(features), set(features)
    while todo:
        feature = todo.pop()
        for word in table.get(feature, [] if feature in table else [f"dep:{feature}"]):
            name, _, below = word.removeprefix("dep:").replace("?/", "/").partition("/")
            if word.startswith("dep:") or below:
                found.setdefault(name, []).append([below] if below else [])
            elif name not in seen:
                seen.add(name)
                todo.append(name)
    return found


def least(requirement: str) -> str:
    """Return the least version that meets a requirement, of three numbers."""
    found = [re.fullmatch(r"\s*(?:\^|~|=|>=)?\s*(\d[^\s,]*)\s*", part) for part in requirement.split(",")]
    text = next((match[1] for match in found if match), "1")
    parts = [part for part in re.split(r"[-+]", text)[0].split(".") if part.isdigit()]
    return ".".join([*parts, "0", "0"][:3])


def matches(requirement: str, version: str) -> bool:
    """Return whether a version without a suffix meets a requirement of cargo."""
    return all(_meets(part.strip(), numbers(version)[:3]) for part in requirement.split(","))


def _meets(part: str, have: list[int]) -> bool:
    operator, text = re.match(r"(\^|~|[<>]=?|=)?\s*(.*)", part).groups()  # type: ignore[union-attr]
    given = [int(word) for word in re.split(r"[-+]", text)[0].split(".") if word.isdigit()]
    least = [*given, 0, 0, 0][:3]
    if operator in (">", ">=", "<", "<="):
        cut = have[: len(given)] if operator in (">", "<=") else have
        wanted = given if operator in (">", "<=") else least
        return {">": cut > wanted, ">=": cut >= wanted, "<": cut < wanted, "<=": cut <= wanted}[operator]
    if operator == "=" or "*" in text:
        return have[: len(given)] == given
    kept = min(2, len(given)) if operator == "~" else next((n + 1 for n, v in enumerate(given) if v), len(given))
    return have >= least and have[:kept] == given[:kept]


def compatible(version: str) -> str:
    """Return what versions have in common that cargo takes for compatible."""
    parts = version.split(".")
    return parts[0] if parts[0] != "0" else ".".join(parts[:2]) if parts[1] != "0" else version


def numbers(version: str) -> list[int]:
    """Return the numbers of a version, which sort as it does."""
    return [int(number) for number in re.findall(r"\d+", version)]


class MadeCrate(NamedTuple):
    """A crate that no package has."""

    archive: bytes
    sha256: str
    manifest: Mapping[str, Any]


def empty_crate(name: str, version: str, features: set[str]) -> MadeCrate:
    """Return a crate with features and nothing else."""
    package = {"name": name, "version": version, "edition": "2021"}
    table = {feature: list[str]() for feature in sorted({"default", *features})}
    text = "[package]\n" + "".join(f'{key} = "{value}"\n' for key, value in package.items())
    text += "[features]\n" + "".join(f'"{feature}" = []\n' for feature in table)
    top = f"{name}-{version}"
    data = archive_of({f"{top}/Cargo.toml": text.encode(), f"{top}/src/lib.rs": b""})
    return MadeCrate(data, hashlib.sha256(data).hexdigest(), {"package": package, "features": table})


def renamed(crate: CrateFile, version: str) -> MadeCrate:
    """Return a crate under another version."""
    files = {}
    with tarfile.open(crate.path) as tar:
        for member in tar:
            if content := tar.extractfile(member):
                files[f"{crate.name}-{version}/{member.name.partition('/')[2]}"] = content.read()
    path = f"{crate.name}-{version}/Cargo.toml"
    old = f'\nversion = "{crate.version}"'.encode()
    files[path] = files[path].replace(old, f'\nversion = "{version}"'.encode(), 1)
    data = archive_of(files)
    manifest = {**crate.manifest, "package": {**crate.manifest["package"], "version": version}}
    return MadeCrate(data, hashlib.sha256(data).hexdigest(), manifest)


def archive_of(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of files, always the same for the same files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for path, content in sorted(files.items()):
            info = tarfile.TarInfo(path)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(made.getvalue(), 1, mtime=0)
