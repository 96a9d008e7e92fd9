"""Decide which paths of a Contents index are kept, and under which path.

Kept are headers, pkg-config files, CMake configurations, libraries, programs and Python's top modules: about 6 % of all
paths. A path of a directory that is merged into /usr is kept below usr/. A module of Python that is a directory is kept
as the directory.
"""

from __future__ import annotations

import re

_MERGED = (b"bin/", b"sbin/", b"lib/", b"lib32/", b"lib64/", b"libx32/")
_MAX_PATH, _MAX_NAME = 4096, 255  # limits of Linux
_MAX_DIRECTORIES = 50_000  # directories whose patterns are remembered

Pattern = re.Pattern[bytes]
# Each pattern is matched against a file's name, which has at most 255 bytes, and takes linear time.
_ALL = re.compile(rb"")
_PC = re.compile(rb"[^/]+\.pc\Z")
_HEADER = re.compile(rb"(?:[^/.]+|[^/]+\.(?:h|hh|hpp|hxx|inc|def))\Z")
_MODULE = re.compile(rb"[^/.]+\.py\Z|[^/.]+(?:\.[\w-]+)?\.so\Z")
_PACKAGE = re.compile(rb"__init__\.py\Z")
_CMAKE = rb"[^/]+(?:C|-c)onfig\.cmake\Z"
_SHARED = re.compile(_CMAKE)
_FIND = re.compile(rb"Find[^/]+\.cmake\Z|" + _CMAKE)
_LIBRARY = re.compile(rb"lib[^/]+\.(?:so|a)\Z|[^/]+\.so\.[0-9][^/]*\Z|" + _CMAKE)
_PYTHON = re.compile(rb"usr/lib/python3(?:\.\d+)?(?:/dist-packages)?(/[^/.]+)?\Z")


def merged(path: bytes) -> bytes:
    """Return a path relative to the root with the directories that are merged into /usr below usr/."""
    return b"usr/" + path if path.startswith(_MERGED) else path


class KeptPaths:
    """A filter of paths. Paths are relative to the root; most of an index's paths share their directories."""

    def __init__(self) -> None:
        self._patterns: dict[bytes, Pattern | None] = {}

    def key(self, path: bytes) -> tuple[bytes, bytes] | None:
        """Return the name and the directory under which `path` is kept, or None if it is not kept."""
        directory, _, name = path.rpartition(b"/")
        try:
            pattern = self._patterns[directory]
        except KeyError:
            if len(self._patterns) >= _MAX_DIRECTORIES:
                self._patterns.clear()
            pattern = self._patterns[directory] = _pattern(merged(directory + b"/")[:-1])
        if pattern is None or len(name) > _MAX_NAME or not pattern.match(name):
            return None
        directory = merged(directory + b"/")[:-1]
        if pattern is _PACKAGE:
            directory, _, name = directory.rpartition(b"/")
        return (name, directory) if _is_shown(name) and _is_shown(directory) else None


def _is_shown(text: bytes) -> bool:
    """Return whether a text is not empty, UTF-8, and free of control characters."""
    try:
        return bool(text) and text.decode().isprintable()
    except UnicodeDecodeError:
        return False


def _pattern(directory: bytes) -> Pattern | None:
    """Return the pattern for the names of the files of a directory that are kept, or None if none is kept."""
    if len(directory) > _MAX_PATH - _MAX_NAME:
        return None
    usr, _, below = directory.partition(b"/")
    top, _, rest = below.partition(b"/")
    if usr != b"usr" or not top:
        return None
    if top in (b"bin", b"sbin", b"games", b"libexec"):
        return None if rest else _ALL
    if top == b"include":
        return _ALL
    if top == b"share":
        if rest == b"pkgconfig":
            return _PC
        return _FIND if rest.startswith(b"cmake-") else _SHARED
    if not top.startswith(b"lib"):
        return None
    if below == b"lib/git-core":
        return _ALL
    if directory.endswith(b"/pkgconfig"):
        return _PC
    python = _PYTHON.match(directory)
    if python is not None:
        return _PACKAGE if python[1] and python[1] != b"/dist-packages" else _MODULE
    return _HEADER if b"include" in below.split(b"/") else _LIBRARY
