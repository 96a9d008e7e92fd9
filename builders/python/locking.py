"""Lock Python packages: resolve what a project and the builds of its packages require, to files with hashes."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from fpack.builders.net.errors import HttpError
from fpack.builders.net.http import Http
from fpack.builders.net.language_packages.tool_settings import pip_constraints

from .index import PackageIndexes, bare, constraints
from .markers import environment
from .resolver import Pin, Resolver
from .wheels import IndexFile, target

MAX_BUILDS = 500  # of source distributions, each with requirements of its own


class PythonTarget(NamedTuple):
    """The build's own Python. python, libc: full versions. arch: Debian's name."""

    python: str
    libc: str
    arch: str


class LockedFile(NamedTuple):
    """A file of a package. role: `run`, or `build` if only builds need it. url: "" for a file of this machine."""

    project: str
    version: str
    file: str
    sha256: str
    url: str
    role: str


def lock(
    wanted: PythonTarget,
    requirements: Sequence[str],
    builds: Sequence[Sequence[str]],
    limits: Sequence[str] = (),
    sources: Sequence[tuple[str, str, str]] = (),
    *,
    files: Mapping[str, IndexFile] = MappingProxyType({}),
    preferred: Mapping[str, str] | None = None,
    http: Http | None = None,
    check: Callable[[], None] = lambda: None,
) -> list[LockedFile]:
    """Resolve requirements, those of each build, and those of the builds of what has no wheel. Sort by role and name.

    requirements: with extras and markers. builds: the requirements of each build that the caller knows of. limits:
    constraints, besides those of pip's configuration. sources: (project, version, SHA-256) of source distributions of
    another lock, for whose builds packages are needed. files: where that lock says they are, by SHA-256, for those that
    no index has. preferred: versions to keep if they satisfy the requirements.
    """
    env = environment(wanted.python, wanted.arch)
    allowed = [*limits, *constraints(pip_constraints())]
    with tempfile.TemporaryDirectory(prefix="fpack-") as scratch:
        indexes = PackageIndexes(
            http or Http(), target(wanted.python, wanted.libc, wanted.arch), wanted.python, Path(scratch), check
        )
        run = Resolver(indexes, env, constraints=allowed, preferred=preferred, check=check).resolve(requirements)
        found = {(pin.name, pin.version): _file(pin, "run") for pin in run}
        known = [
            Pin(name, version, file, indexes.read(file).build)
            for name, version, file in _sources(indexes, sources, files)
        ]
        todo = [*(_complete(tuple(build)) for build in builds), *_builds([*run, *known])]
        done: set[tuple[str, ...]] = set()
        while todo:
            requires = tuple(sorted(todo.pop()))
            if requires in done or not requires:
                continue
            done.add(requires)
            if len(done) > MAX_BUILDS:
                raise ValueError(f"more than {MAX_BUILDS} packages have no wheel")
            kept = {**(preferred or {}), **dict(found.keys())}
            pins = Resolver(indexes, env, constraints=limits, preferred=kept, check=check).resolve(requires)
            for pin in pins:
                found.setdefault((pin.name, pin.version), _file(pin, "build"))
            todo += _builds(pins)
    return sorted(found.values(), key=lambda file: (file.role != "run", file.project, file.version))


def _sources(
    indexes: PackageIndexes, sources: Iterable[tuple[str, str, str]], files: Mapping[str, IndexFile]
) -> Iterable[tuple[str, str, IndexFile]]:
    for name, version, digest in sources:
        try:
            yield name, version, indexes.by_hash(name, digest)
        except (ValueError, HttpError):
            if digest not in files:
                raise
            yield name, version, files[digest]


def _builds(pins: Iterable[Pin]) -> list[tuple[str, ...]]:
    """Return what the builds of packages without a wheel require."""
    return [_complete(pin.build) for pin in pins if pin.build is not None]


def _complete(build: tuple[str, ...]) -> tuple[str, ...]:
    """Add `wheel` where setuptools may ask for it: versions before 70.1 build no wheel without it."""
    old = any(re.match(r"setuptools\b(?!\.)", text, re.IGNORECASE) for text in build)
    return (*build, "wheel") if old else build


def _file(pin: Pin, role: str) -> LockedFile:
    return LockedFile(pin.name, pin.version, pin.file.name, pin.file.sha256, bare(pin.file.url), role)
