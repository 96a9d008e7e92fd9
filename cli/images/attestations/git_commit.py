"""Find the commit of a project's git repository, and whether the files that an image is built from are as in it.

The commit's list of files is read by git's plumbing; files are compared by their digests.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from fpack.builders.attest.slsa import Commit
from fpack.cli.workspace import git
from fpack.store.files.source import SourceIgnores

_MAX_FILE = 1 << 28  # bytes
_LINK, _EXECUTABLE = "120000", "100755"

Listing = dict[bytes, tuple[str, str]]  # mode and digest of each file, by its path in the repository


def find(project: Path, paths: Iterable[Path]) -> Commit | None:
    """Return the commit of the repository that a project is in, or None if it is in none, or git is not installed.

    paths: the files and directories that the image is built from.
    """
    top = git.repository(project)
    if top is None:
        return None
    try:
        commit = git.find_object(top, "HEAD^{commit}")
        listed = git.run(top, "ls-tree", "-r", "-z", "--full-tree", commit) if commit is not None else None
    except OSError:
        return None
    if commit is None or listed is None or listed.status:
        return None
    files = _listing(listed.output)
    return Commit(commit, all(_is_as_in(top, path, files) for path in paths))


def _listing(output: bytes) -> Listing:
    files: Listing = {}
    for line in output.split(b"\0"):
        about, tab, path = line.partition(b"\t")
        words = about.decode("ascii", "replace").split(" ")
        if tab and len(words) == 3:
            files[path] = (words[0], words[2])
    return files


def _is_as_in(top: Path, path: Path, files: Listing) -> bool:
    """Return whether a file, or every file of a source directory and no other, is in the commit with its content."""
    name = os.path.relpath(os.path.realpath(path.parent) + "/" + path.name, top)
    relative = b"" if name == "." else os.fsencode(name)
    if relative.startswith(b"../") or relative == b"..":
        return False
    if not path.is_dir() or path.is_symlink():
        return _is_equal(os.fsencode(path), relative, files)
    ignores = SourceIgnores(path)
    prefix = relative + b"/" if relative else b""
    found = set()
    for file in _files(os.fsencode(path), ignores):
        inside = prefix + os.path.relpath(file, os.fsencode(path))
        if not _is_equal(file, inside, files):
            return False
        found.add(inside)
    gone = {name for name in files if name.startswith(prefix)} - found
    return not any(_is_kept(os.fsencode(path), name[len(prefix) :], ignores) for name in gone)


def _is_kept(top: bytes, name: bytes, ignores: SourceIgnores) -> bool:
    """Return whether a file of the commit would be a part of the source."""
    parts = name.split(b"/")
    paths = [b"/".join([top, *parts[: number + 1]]) for number in range(len(parts))]
    return all(ignores.keeps(path, path != paths[-1]) for path in paths)


def _files(directory: bytes, ignores: SourceIgnores) -> Iterator[bytes]:
    with os.scandir(directory) as entries:
        for entry in entries:
            is_directory = entry.is_dir(follow_symlinks=False)
            if not ignores.keeps(entry.path, is_directory):
                continue
            if is_directory:
                yield from _files(entry.path, ignores)
            else:
                yield entry.path


def _is_equal(path: bytes, name: bytes, files: Listing) -> bool:
    """Return whether a file has the type, mode and content that the commit has by its name."""
    mode, digest = files.get(name, ("", ""))
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            return mode == _LINK and _digest(os.readlink(path), digest) == digest
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_FILE:
            return False
        if not mode.startswith("100") or (mode == _EXECUTABLE) != bool(status.st_mode & 0o100):
            return False
        with open(path, "rb") as file:
            return _digest(file.read(_MAX_FILE), digest) == digest
    except OSError:
        return False


def _digest(content: bytes, like: str) -> str:
    """Return the digest that git has of a file's content. like: a digest, whose length tells the algorithm."""
    data = b"blob %d\0%b" % (len(content), content)
    return (hashlib.sha1(data, usedforsecurity=False) if len(like) == 40 else hashlib.sha256(data)).hexdigest()
