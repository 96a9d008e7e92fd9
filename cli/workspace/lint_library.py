"""Check files of the language against the library, the curated packages and the packages of locked releases."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from fpack.store.errors import FpackError

if TYPE_CHECKING:
    from fpack.builders.debian.indexes.merged import MergedIndex
    from fpack.builders.debian.lock.records import Lock
    from fpack.lang.diagnostics.calls import Library
    from fpack.lang.diagnostics.checker import Diagnostic
    from fpack.lang.runtime.limits import Limits


def library() -> Library:
    """Return the files that can be imported: the standard library and the curated packages."""
    from fpack.cli.paths import cache_directory
    from fpack.cli.workspace.curated import curated
    from fpack.lang.diagnostics.checker import library_of

    paths = list(curated().values())
    return library_of([paths[0].parent] if paths else [], cache_directory() / "modules")


def locked_names(directory: str, known: NamesByLock) -> LockedNames | None:
    """Return the names of the lock of the project around a directory, or None if it has no lock.

    known: those of earlier calls. A lock that has changed since is read again.
    """
    from fpack.cli.workspace.target import find_project
    from fpack.cli.workspace.workspace import LOCK_FILE

    project = find_project(Path(directory))
    path = project / LOCK_FILE if project is not None else None
    if path is None or not path.is_file():
        return None
    changed = path.stat().st_mtime_ns
    if path not in known or known[path][0] != changed:
        known[path] = changed, LockedNames(path)
    return known[path][1]


class FileChecker:
    """A check of several files.

    Names of packages are compared with the indexes of a project's lock, if these are on this machine. Each lock is read
    once.
    """

    def __init__(self, known: Library, limits: Limits) -> None:
        self._known = known
        self._limits = limits
        self._names: NamesByLock = {}

    def check(self, path: Path) -> list[Diagnostic]:
        """Return the findings of one file. An unreadable file and an exceeded limit are findings, too."""
        from fpack.cli.workspace import source_files
        from fpack.lang.diagnostics.checker import Diagnostic, check, directory_of
        from fpack.lang.errors import EvalError, Fault
        from fpack.lang.runtime import deep_stack

        try:
            source = source_files.source(source_files.read(path), source_files.shown(path))
        except EvalError as error:
            return [Diagnostic("syntax", error)]
        directory = directory_of(path)
        names = locked_names(directory, self._names)
        source.library = any(directory == d or directory.startswith(d + "/") for d in self._known.directories)

        def work() -> list[Diagnostic]:
            try:
                return check(source, directory, self._known, names)
            except RecursionError:
                return [Diagnostic("syntax", source.error(0, 0, "This text is nested too deeply"))]

        self._limits.restart()
        try:
            result: list[Diagnostic] = deep_stack.bounded(work, self._limits)
        except Fault as fault:
            return [Diagnostic("syntax", source.error(0, 0, fault.what, why=fault.why, hint=fault.hint))]
        return result


class LockedNames:
    """The names of the packages of a lock's releases. path: of the lock. Nothing is fetched."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, list[MergedIndex]] = {}

    def fault(self, release: str, name: str) -> FpackError | None:
        """Return the error for a package that the release has for none of the lock's architectures.

        None: it has one, or the lock does not pin all indexes of the release, or the cache lacks one of these.
        """
        from fpack.builders.debian.indexes.cache import IndexCache
        from fpack.builders.debian.indexes.local import no_such_package
        from fpack.builders.debian.suites import ALL_RELEASES
        from fpack.cli.paths import cache_directory

        try:
            if any(key[0] == release and key[2] == name for key in self._lock.packages):
                return None
            if release not in self._known:
                self._known[release] = self._universes(release)
            universes = self._known[release]
            if not universes or any(universe.versions(name) for universe in universes):
                return None
            cache = IndexCache(cache_directory() / "debian")
            first = universes[0]
            error = no_such_package(first, cache, self._lock, ALL_RELEASES, first.arch, release, name)
            arches = " or ".join(universe.arch for universe in universes)
            return FpackError(f"There is no package {name!r} in {release} for {arches}", hint=error.hint)
        except FpackError:
            return None  # a damaged lock or cache is no error of the text

    @cached_property
    def _lock(self) -> Lock:
        from fpack.builders.debian.lock.file import LockFile

        return LockFile(self._path).lock

    def _universes(self, release: str) -> list[MergedIndex]:
        """Return the packages of a release for each architecture; none if an index is missing."""
        from fpack.builders.debian.indexes.cache import IndexCache
        from fpack.builders.debian.indexes.local import locked
        from fpack.builders.debian.indexes.merged import MergedIndex
        from fpack.builders.debian.suites import ALL_RELEASES
        from fpack.cli.paths import cache_directory

        suites = ALL_RELEASES.get(release, ())
        cache = IndexCache(cache_directory() / "debian")
        found = []
        for arch in sorted({key[2] for key in self._lock.indexes if key[0] == release}):
            indexes = locked(cache, self._lock, release, suites, arch)
            if len(indexes) != len(suites):
                return []
            found.append(MergedIndex([index.opened for index in indexes], self._lock.pins(release, arch)))
        return found


# By the path of the lock: when it was changed, and its names.
NamesByLock: TypeAlias = dict[Path, tuple[int, LockedNames]]
