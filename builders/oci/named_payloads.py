"""Check that an image's settings, own files and built programs do not name the unmodified files of a package.

Images have the files of packages at their paths, and never payloads: what names a path in one would not find it. A
built path references the payloads that it was linked with, too, so only the text of its files tells which it names.
"""

from __future__ import annotations

import mmap
import os
import re
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fpack.builders.linking.store_paths import payload
from fpack.builders.payload import meta
from fpack.builders.payload.elf import SCRIPT_MAGIC
from fpack.builders.protocol import BuildError, Task
from fpack.store import canonical
from fpack.store.canonical import Value
from fpack.store.files.regular_file import open_regular
from fpack.store.path import STORE, StorePath

from .image_contents import ImageContents, PartTable

_MAX_TEXT = 1 << 20  # bytes of a file that is searched for store paths
_NAMED = re.compile(rb"/fpack/store/([0-9a-z]{32})-[0-9A-Za-z+._=-]+/data(/[^\0-\x20\"':;,<>|&\\`$()\[\]{}]+)")
_MAX_LINE = 4096  # bytes before a path in which the begin of a comment is looked for
_COMMENT = re.compile(rb"(?:^|\s)(?:#|//)")
_HEADERS = "/usr/include/"  # compilers write the paths of headers into programs, which do not open them


class _Mention(NamedTuple):
    """The path of a file in the image that names a file of a payload. package: the payload's."""

    where: str
    payload: StorePath
    package: str
    file: str


def check_named_payloads(
    task: Task, paths: Sequence[StorePath], config: Mapping[str, Value], files: PartTable | None
) -> None:
    """Raise BuildError if a setting, a link or a text of the container names a payload.

    paths: the store paths that these mention, among others. files: the container's own files.
    """
    found = {path: package for path in paths if (package := payload(task.tree(path))) is not None}
    if not found:
        return
    for field, where, text in _texts(task, config, files):
        for path, package in found.items():
            at = text.find(path.base.encode())
            if at < 0:
                continue
            file = _below(text[at + len(path.base) :])
            raise BuildError(
                f"{where} names the files of {package} at a path that the image does not have",
                why=f"a package's files are at their own paths in an image, and this path is {path}",
                hint=f"list {package} in `packages`, and write {file or 'the path of the file, such as /usr/bin/...'}",
            ).with_(field=field)


def _texts(task: Task, config: Mapping[str, Value], files: PartTable | None) -> Iterator[tuple[str, str, bytes]]:
    """Yield the field, the name in a message and the bytes of all that names paths."""
    for field, value in config.items():
        yield field, f"`{field}`", canonical.encode(value)
    for entry in files.entries if files else ():
        task.check()
        if entry.kind == meta.SYMLINK:
            yield "links", f"The link /{entry.path}", entry.target.encode(errors="surrogateescape")
        elif entry.kind == meta.FILE and files is not None and entry.size <= _MAX_TEXT:
            with open_regular(Path(files.disk_path, "data", entry.path)) as file:
                yield "files", f"The file /{entry.path}", file.read(_MAX_TEXT)


def check_built(task: Task, contents: ImageContents) -> list[str]:
    """Raise BuildError if a built script or symlink in the image names a file of a payload.

    Return notes on other files that do: whether they use the path is not known. They are searched only for payloads
    whose packages the image lacks, since what a path is linked with is in the image.
    """
    closure = task.closure(contents.paths) if contents.paths else ()
    found = {path: package for path in closure if (package := payload(task.tree(path))) is not None}
    present = {package for table in contents.slices for package in table.packages}
    by_hash = {path.hash.encode(): (path, package) for path, package in found.items()}
    absent = {path.hash.encode() for path, package in found.items() if package not in present}
    notes: dict[tuple[str, str], _Mention] = {}
    for path in contents.paths if found else ():
        for mention, is_sure in _mentions(task, path, by_hash, absent):
            if is_sure:
                raise BuildError(
                    f"{path.name} names a file of {mention.package} at a path that the image does not have",
                    where=mention.where,
                    why=f"a package's files are at their own paths in an image, and this path is {mention.payload}",
                    hint=f"write {mention.file} there, and list {mention.package} in `runtime` of {path.name}, or in "
                    "`packages` of the container",
                ).with_(field="packages")
            notes.setdefault((path.name, mention.package), mention)
    return [
        f"{where} names {file} of {package} in the store, which is not in the image: if it is used, write {file} there "
        f"and list {package} in `packages`"
        for where, _, package, file in notes.values()
    ]


def _mentions(
    task: Task, path: StorePath, by_hash: Mapping[bytes, tuple[StorePath, str]], absent: Collection[bytes]
) -> Iterator[tuple[_Mention, bool]]:
    """Yield the payloads' files that a built path names, and whether it surely uses them."""
    disk = os.fspath(task.disk(path))
    for file in _files(disk):
        task.check()
        shown = f"{STORE}/{path.base}{file.removeprefix(disk)}"
        status = os.lstat(file)
        is_link = stat.S_ISLNK(status.st_mode)
        with open(os.devnull if is_link else file, "rb", buffering=0) as opened:
            executable = status.st_mode & stat.S_IXUSR and status.st_size <= _MAX_TEXT
            is_script = not is_link and bool(executable) and opened.read(2) == SCRIPT_MAGIC
            if is_link:
                text: bytes | mmap.mmap = os.fsencode(os.readlink(file))
            elif is_script or (absent and status.st_size):
                text = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
            else:
                continue
        for match in _NAMED.finditer(text):
            known = by_hash.get(match[1])
            name = os.fsdecode(match[2])
            if known is None or not _has(task, known[0], name, directories=is_link):
                continue
            before = text[max(0, match.start() - _MAX_LINE) : match.start()].rpartition(b"\n")[2]
            is_shebang = text[:2] == SCRIPT_MAGIC and before == SCRIPT_MAGIC
            is_sure = is_link or (is_script and (is_shebang or not _COMMENT.search(before)))
            if is_sure or (match[1] in absent and not is_script and not name.startswith(_HEADERS)):
                yield _Mention(shown, *known, name), is_sure


def _files(top: str) -> Iterator[str]:
    """Yield the paths of all files and symlinks of a tree, which may be a file."""
    if not os.path.isdir(top) or os.path.islink(top):
        yield top
    for directory, directories, names in os.walk(top):
        directories.sort()
        links = [name for name in directories if os.path.islink(f"{directory}/{name}")]
        yield from (f"{directory}/{name}" for name in sorted([*names, *links]))


def _has(task: Task, path: StorePath, name: str, *, directories: bool) -> bool:
    """Return whether a payload has a file of a name. A directory counts only on demand: scripts search in them."""
    disk = Path(f"{task.disk(path)}/data{name}")
    return ".." not in disk.parts and (disk.is_symlink() or disk.exists()) and (directories or not disk.is_dir())


def _below(rest: bytes) -> str:
    """Return the path of a package's file that follows a payload's path, or an empty string."""
    if not rest.startswith(b"/data/"):
        return ""
    end = next((number for number, byte in enumerate(rest) if byte <= 0x20 or byte in b"\"':;,<>|&\\`$()"), len(rest))
    name = rest[len(b"/data") : end]
    return name.decode(errors="replace") if name.isascii() else ""
