"""Read an archive of a package, or the directory of one in a source."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from fpack.store.files.tree import CHUNK

from ..model import Hashes
from . import archive, cargo, gem, golang, npm, pypi
from .part import PartFacts
from .survey import MAX_READ, PackageSurvey

KINDS = ("npm", "pypi", "golang", "cargo", "gem")
# The exceptions of a reader for a malformed package.
ERRORS = archive.ERRORS + (KeyError, TypeError, RecursionError, UnicodeError)
_LICENCE_IN_WHEEL = re.compile(r"(?:licenses/.+|(?:un)?licen[cs]e[^/]*|copying[^/]*)\Z", re.IGNORECASE)
_DIST_INFO = re.compile(r"[^/]+\.dist-info/(.+)\Z", re.DOTALL)
MAX_FILES = 20_000  # of a directory


def of_archive(kind: str, path: Path, name: str, check: Callable[[], None]) -> PartFacts:
    """Return what the package in an archive states. Raise one of ERRORS if it cannot be read.

    name: of a Go module, its path. check: raises if the build is cancelled.
    """
    survey = PackageSurvey((npm.METADATA, pypi.METADATA, cargo.METADATA, gem.METADATA))
    for member, data in archive.members(path, check):
        _add(survey, kind, member, data, name)
    return _read(kind, survey, name)._replace(hashes=_hashes(path, check), size=path.stat().st_size)


def unread(path: Path, check: Callable[[], None]) -> PartFacts:
    """Return what is known of an archive that cannot be read: its digests and its size."""
    return PartFacts(hashes=_hashes(path, check), size=path.stat().st_size)


def of_directory(kind: str, top: Path, name: str, version: str = "") -> PartFacts:
    """Return what the package in a directory of a source states. Symlinks are not followed."""
    survey = PackageSurvey((npm.METADATA, cargo.METADATA, golang.METADATA))
    add_files(survey, top)
    return _read(kind, survey, name, version)


def add_files(survey: PackageSurvey, top: Path, leave: Collection[str] = ()) -> None:
    """Add the files of a directory. leave: the names of directories that are left out."""
    for number, path in enumerate(_files(top, leave)):
        if number == MAX_FILES:
            survey.leave_rest()
            break
        with path.open("rb") as file:
            survey.add(path.relative_to(top).as_posix(), file.read(MAX_READ + 1))


def _add(survey: PackageSurvey, kind: str, member: str, data: bytes, name: str) -> None:
    """Add a file of an archive by its name below the package's top directory."""
    if kind == "pypi" and (match := _DIST_INFO.match(member)):
        survey.add(match[1], data, _LICENCE_IN_WHEEL.match(match[1]) is not None)
    elif kind == "pypi" and member.endswith("/PKG-INFO") and member.count("/") == 1:
        survey.add(pypi.METADATA, data)
    elif kind == "golang":  # the path of a module has slashes
        survey.add(member.partition("@")[2].partition("/")[2] if member.startswith(f"{name}@") else member, data)
    elif kind == "gem" and gem.is_packed(member):
        survey.keep(member, data)
    else:
        survey.add(member if kind == "gem" else member.partition("/")[2] or member, data)


def _read(kind: str, survey: PackageSurvey, name: str, version: str = "") -> PartFacts:
    if kind == "golang":
        return golang.read(survey, name, version)
    return {"npm": npm.read, "pypi": pypi.read, "cargo": cargo.read, "gem": gem.read}[kind](survey)


def _files(top: Path, leave: Collection[str]) -> Iterator[Path]:
    for directory, names, files in os.walk(top):
        names[:] = sorted(name for name in names if name not in leave)
        for name in sorted(files):
            path = Path(directory, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _hashes(path: Path, check: Callable[[], None]) -> Hashes:
    hashers = [hashlib.sha256(), hashlib.sha512(), hashlib.sha1(usedforsecurity=False)]
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            check()
            for hasher in hashers:
                hasher.update(chunk)
    return Hashes(*(hasher.hexdigest() for hasher in hashers))
