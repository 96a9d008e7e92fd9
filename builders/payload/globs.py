"""Match paths against the globs of slice rules.

A glob is an absolute path with `*` and `?` within a component and `**` for any number of components. A glob that
matches a directory covers everything below it. The globs of a rule are compiled to one regular expression.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from fpack.builders.protocol import BuildError

MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32")
_NEAR = 3  # number of suggestions


def merged(path: str) -> str:
    """Return a relative path with the top-level directories of MERGED moved below usr/."""
    return f"usr/{path}" if path.partition("/")[0] in MERGED else path


class Globs:
    """A set of globs. Paths are relative to the root: `usr/bin/psql`."""

    def __init__(self, globs: Sequence[str]) -> None:
        self._globs = list(dict.fromkeys(globs))
        self._sources = [_translate(glob) for glob in self._globs]
        joined = "|".join(f"({source})" for source in self._sources)
        self._match = re.compile(f"(?:{joined})(?:/|\\Z)", re.DOTALL).match if globs else None
        self._used: set[int] = set()

    def covers(self, path: str) -> bool:
        """Return whether a glob matches `path` or a directory above it."""
        found = self._match and self._match(path)
        if not found:
            return False
        self._used.add(found.lastindex or 0)
        return True

    def unused(self, paths: Iterable[str]) -> list[str]:
        """Return the globs that match none of `paths`. All of `paths` must have been passed to `covers` before."""
        known = list(paths)
        left: list[str] = []
        for number, (glob, source) in enumerate(zip(self._globs, self._sources, strict=True), 1):
            # An earlier glob may have matched the paths that this one matches.
            if number not in self._used:
                match = re.compile(f"(?:{source})(?:/|\\Z)", re.DOTALL).match
                if not any(map(match, known)):
                    left.append(glob)
        return left


def _translate(glob: str) -> str:
    """Translate a glob to a regular expression without an end anchor."""
    parts = glob.strip("/").split("/")
    if not glob.startswith("/") or not glob.strip("/") or not set(parts).isdisjoint(("", ".", "..")):
        raise BuildError(
            f"{glob!r} is not a valid path pattern",
            why="a pattern is an absolute path such as /usr/share/doc or /usr/lib/**/*.a",
        )
    if parts[0] in MERGED and len(parts) > 1:
        parts.insert(0, "usr")
    parts = [part for i, part in enumerate(parts) if part != "**" or parts[i - 1 : i] != ["**"]]
    runs: list[list[str]] = [[]]
    for part in parts:
        if part == "**":
            runs.append([])
        else:
            runs[-1].append(_component(part))
    out = "/".join(runs[0]) + ("/" if runs[0] and len(runs) > 1 else "")
    # The part between two `**` can always match at its first occurrence; an atomic group avoids backtracking and keeps
    # the time linear in the length of the path.
    for run in runs[1:-1]:
        out += f"(?>(?:[^/]+/)*?{'/'.join(run)}/)"
    if len(runs) > 1:
        out += "(?:[^/]+/)*" + "/".join(runs[-1]) if runs[-1] else ".+"
    return out


def _component(part: str) -> str:
    """Translate one component, with atomic groups between two `*`, as for `**` above."""
    pieces = ["".join("[^/]" if c == "?" else re.escape(c) for c in piece) for piece in re.split(r"\*+", part)]
    if len(pieces) == 1:
        return pieces[0]
    return pieces[0] + "".join(f"(?>[^/]*?{piece})" for piece in pieces[1:-1]) + "[^/]*" + pieces[-1]


def nearest(glob: str, paths: Iterable[str]) -> list[str]:
    """Return a few of `paths`, absolute, that `glob` may have been meant to match."""
    import difflib

    wanted = glob.strip("/")
    name = wanted.rpartition("/")[2]
    known = sorted(paths)
    near = [path for path in known if "*" not in name and path.rpartition("/")[2] == name]
    if not near:
        names = {path.rpartition("/")[2] for path in known}
        similar = set(difflib.get_close_matches(name, names, _NEAR))
        near = [path for path in known if path.rpartition("/")[2] in similar]
    if not near:
        near = difflib.get_close_matches(wanted, known, _NEAR)
    return ["/" + path for path in near[:_NEAR]]
