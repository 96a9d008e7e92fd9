"""Look up which packages have a file, by path, by name or by a predicate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from .kept_paths import KeptPaths, merged
from .table import FileTable

LIMIT = 200  # files that a search returns


class FileEntry(NamedTuple):
    """A file and the packages that have it, sorted. path: absolute; /bin, /sbin and /lib are below /usr."""

    path: str
    packages: tuple[str, ...]


class ContentsIndex:
    """The files of a release's packages for one architecture, as far as `kept_paths` keeps them.

    date: of the release that vouched for the index (Unix seconds).
    """

    def __init__(self, release: str, arch: str, date: int, tables: Sequence[FileTable]) -> None:
        self.release = release
        self.arch = arch
        self.date = date
        self._tables = tables
        self._kept = KeptPaths()

    def at(self, path: str) -> tuple[str, ...]:
        """Return the packages that have an absolute path; none if it is not kept."""
        if not path.startswith("/") or not path.isprintable():
            return ()
        raw = path[1:].encode()
        directory, _, name = merged(raw).rpartition(b"/")
        # A module of Python is kept as its directory, which may be asked for itself or by its __init__.py.
        for key in filter(None, dict.fromkeys([(name, directory), self._kept.key(raw)])):
            found = _joined(self._rows(b"%s\t%s\t" % key))
            if found:
                return found[0].packages
        return ()

    def named(self, name: str, limit: int = LIMIT) -> list[FileEntry]:
        """Return the files whose path ends with `name`, a file's name or its last components: short paths first."""
        directory, _, base = name.strip("/").rpartition("/")
        if not base or not name.isprintable():
            return []
        end = f"/{directory}/{base}" if directory else ""
        found = _joined(self._rows(base.encode() + b"\t"))
        return sorted((entry for entry in found if entry.path.endswith(end)), key=_depth)[:limit]

    def matching(self, covers: Callable[[str], bool], start: str = "", limit: int = LIMIT) -> list[FileEntry]:
        """Return the files for whose path, relative to the root, `covers` is true. start: of the names to look at."""
        if start and not start.isprintable():
            return []
        return _joined(row for row in self._rows(start.encode()) if covers(f"{row[1]}/{row[0]}"))[:limit]

    def _rows(self, prefix: bytes) -> Iterator[list[str]]:
        """Yield the name, the directory and the packages of each row of the tables that starts with `prefix`."""
        for table in self._tables:
            for row in table.starting_with(prefix):
                yield row.decode().split("\t")


def _joined(rows: Iterable[list[str]]) -> list[FileEntry]:
    """Return the files of rows, each once, sorted by path."""
    found: dict[str, set[str]] = {}
    for name, directory, packages in rows:
        found.setdefault(f"/{directory}/{name}", set()).update(packages.split(" "))
    return [FileEntry(path, tuple(sorted(packages))) for path, packages in sorted(found.items())]


def _depth(entry: FileEntry) -> int:
    return entry.path.count("/")
