"""Build the `facts` kind: what a bill of materials tells of a store path in an image.

The builder reads every file of the path once, for its digests and what it loads. Of a package, it reads also the dpkg
status, the copyright file and the .deb. The path's own bills of materials are read, too. Of a package of a language,
its archive is read, or its directory in the source.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3
from fpack.builders import arguments
from fpack.builders.debian.control import parse_stanza
from fpack.builders.payload import elf
from fpack.builders.protocol import BaseBuilder, Built, Task
from fpack.builders.sbom import facts as form
from fpack.builders.sbom import fragments
from fpack.builders.sbom.fragments import FragmentPart
from fpack.builders.sbom.licences.copyright_file import read_copyright
from fpack.builders.sbom.lock_files import BELOW, READERS, LockedPart
from fpack.builders.sbom.model import CopyrightFacts, Hashes
from fpack.builders.sbom.parts import packages, vendored
from fpack.builders.sbom.parts.part import PartFacts
from fpack.store.errors import malformation, one_line
from fpack.store.files.checked_tree import CheckedTree
from fpack.store.files.pool import FileNode
from fpack.store.files.regular_file import open_stored
from fpack.store.files.tree import CHUNK, Node, scan
from fpack.store.path import StorePath

# 2: the whole copyright file, and more of os-release; 4: the package's own bills of materials; 5: what packages of
# languages state; 6: no copyright notice is searched for in the compressed frame of a gem
VERSION = 6


FILE = "facts"
MAX_FACTS = 256 << 20  # bytes of the file
_STATUS = "var/lib/dpkg/status.d"
_DOCUMENTATION = "usr/share/doc"
_OS_RELEASE = ("usr/lib/os-release", "etc/os-release")
_MAX_TEXT = 16 << 20  # bytes
_MAX_COPYRIGHT = 8 << 20  # bytes of a copyright file that a bill has


class FactsArgs(NamedTuple):
    """The arguments. path: in an image. table: it holds `data` and `meta`. package: its name, or "". deb: its file.

    locks: the path is no part of the image, but the source of one. Its lock files are read, and what they name in it.
    part: the kind of the package whose archive the path is, or has; "" for any other path. name: that of the package.
    """

    path: StorePath
    table: bool = False
    package: str = ""
    deb: StorePath | None = None
    locks: bool = False
    part: str = ""
    name: str = ""


class FactsBuilder(BaseBuilder):
    """The builder of `facts`. Its output holds `facts`, in the form of `sbom.facts`."""

    version = VERSION

    def build(self, task: Task) -> Built:
        """Read the path and write its facts."""
        args = arguments.read(FactsArgs, task.args)
        tree = task.tree(args.path)
        if args.part or args.locks:
            tree.node()  # raises if the files are not those of the digest
        if args.part:
            found = form.Facts({}, stated=_archive(task, args, tree))
        elif args.locks:
            locked = _locked(task, tree)
            found = form.Facts({}, locked=locked, stated=_of_source(task, tree, locked))
        else:
            found = self._read(task, args, tree)
        writer = task.writer()
        writer.file(FILE, [form.encode(found)])
        return Built(writer)

    def _read(self, task: Task, args: FactsArgs, tree: CheckedTree) -> form.Facts:
        top = os.fspath(tree.disk) + ("/data" if args.table else "")
        bills: list[str] = []
        files = _read_files(task, tree, top, bills)
        package, copyright_facts, whole = None, None, b""
        if args.package and args.deb is not None:
            package = _package(task, top, args.package, args.deb)
            copyright_facts, whole = _copyright(top, args.package)
        references = tuple(str(path) for path in task.closure([args.path]) if path != args.path)
        os_release = _os_release(top, files)
        shown = () if args.table else references
        parts, unread = _fragments(task, top, sorted(bills))
        return form.Facts(
            files, shown, package, copyright_facts, os_release, copyright_file=whole, fragments=parts, unread=unread
        )


def _locked(task: Task, tree: CheckedTree) -> tuple[LockedPart, ...]:
    """Return the packages that lock files at the top of a source name. One that cannot be read names none."""
    found: list[LockedPart] = []
    for name, read in (READERS | BELOW).items():
        path = _file(os.fspath(tree.disk), name)
        if path is not None:
            try:
                found += read(_text(path))
            except (ValueError, KeyError, RecursionError) as error:
                task.log(f"{name} cannot be read: {one_line(malformation(error))}")
    return tuple(sorted(found))


def _of_source(task: Task, tree: CheckedTree, locked: Sequence[LockedPart]) -> tuple[PartFacts, ...]:
    """Return what the locked packages in a source state, and what the source states of itself."""
    found = list(vendored.vendored(tree.disk, locked, task.check, task.log))
    try:
        found.append(vendored.own(tree.disk))
    except packages.ERRORS as error:
        task.log(f"The source's own description cannot be read: {one_line(malformation(error))}")
    return tuple(found)


def _archive(task: Task, args: FactsArgs, tree: CheckedTree) -> tuple[PartFacts, ...]:
    """Return what the package of an archive states: nothing if it cannot be read."""
    files = [tree.disk] if tree.disk.is_file() else sorted(tree.disk.rglob("*.zip" if args.part == "golang" else "*"))
    for path in files:
        if path.is_file() and not path.is_symlink():
            name = path.name if path != tree.disk else ""
            try:
                return (packages.of_archive(args.part, path, args.name, task.check)._replace(file=name),)
            except packages.ERRORS as error:
                task.log(f"{name or args.name} cannot be read: {one_line(malformation(error))}")
                return (packages.unread(path, task.check)._replace(file=name),)
    return ()


def _fragments(task: Task, top: str, paths: Sequence[str]) -> tuple[tuple[FragmentPart, ...], tuple[str, ...]]:
    """Return the parts that bills of materials list, and the paths of those that cannot be read."""
    found: list[FragmentPart] = []
    unread: list[str] = []
    for path in paths[: fragments.MAX_DOCUMENTS]:
        try:
            found += fragments.read(_bytes(Path(top, path)), path)
        except ValueError as error:
            unread.append(one_line(path))
            task.log(f"The bill of materials {unread[-1]} cannot be read: {one_line(str(error))}")
    if (others := len(paths) - fragments.MAX_DOCUMENTS) > 0:
        unread.append(f"{others} other files")
        task.log(f"Of {len(paths)} bills of materials, only the first {fragments.MAX_DOCUMENTS} are read")
    return tuple(fragments.unique(found)), tuple(unread)


def _read_files(task: Task, tree: CheckedTree, top: str, bills: list[str]) -> dict[bytes, form.FileFacts]:
    """Return the facts of each content below `top`. Raise DamagedPath if the tree differs from its digest.

    bills: gets the paths of bills of materials below `top`.
    """
    found: dict[bytes, form.FileFacts] = {}
    below = os.fsencode(top)

    def read(path: bytes, status: os.stat_result) -> FileNode:
        tree_hasher = blake3()
        hashers = [hashlib.sha256(), hashlib.sha512(), hashlib.sha1(usedforsecurity=False)]
        head, size = b"", 0
        with os.fdopen(open_stored(os.fsdecode(path)), "rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                task.check()
                head = head or chunk[: form.HEAD]
                size += len(chunk)
                tree_hasher.update(chunk)
                for hasher in hashers:
                    hasher.update(chunk)
        if path.startswith(below) and fragments.is_fragment(name := os.fsdecode(path[len(below) + 1 :])):
            bills.append(name)
        sha256, sha512, sha1 = (hasher.digest() for hasher in hashers)
        if path.startswith(below) and sha256 not in found:
            found[sha256] = _file_facts(path, head, Hashes(sha256.hex(), sha512.hex(), sha1.hex()))
        return FileNode(tree_hasher.digest(), size, bool(status.st_mode & stat.S_IXUSR))

    node: Node = scan(os.fspath(tree.disk), read=read)
    if not tree.prove(node):
        raise tree.damaged("")
    return found


def _file_facts(path: bytes, head: bytes, hashes: Hashes) -> form.FileFacts:
    loads = elf.facts(head[: elf.HEAD], os.fsdecode(path))
    if loads is None:
        return form.FileFacts(hashes, form.flags(head))
    return form.FileFacts(
        hashes, form.flags(head), tuple(loads.needed), loads.soname, loads.interp, tuple(loads.commands)
    )


def _package(task: Task, top: str, name: str, deb: StorePath) -> form.PackageFacts:
    """Return the facts of a package: its control fields, and the digests of its file."""
    fields = parse_stanza(_text(Path(top, _STATUS, name)))
    sha256, sha512, size = hashlib.sha256(), hashlib.sha512(), 0
    for chunk in task.tree(deb).chunks("", task.check):
        sha256.update(chunk)
        sha512.update(chunk)
        size += len(chunk)
    source, source_version = _source(fields)
    link = Path(top, _DOCUMENTATION, name)
    return form.PackageFacts(
        name=name,
        version=fields.get("version", ""),
        arch=fields.get("architecture", ""),
        source=source,
        source_version=source_version,
        maintainer=fields.get("maintainer", ""),
        homepage=fields.get("homepage", ""),
        description=fields.get("description", "").partition("\n")[0],
        section=fields.get("section", ""),
        built_using=" ".join(fields.get("built-using", "").split()),
        static_built_using=" ".join(fields.get("static-built-using", "").split()),
        file=Hashes(sha256.hexdigest(), sha512.hexdigest()),
        size=size,
        documentation=_linked(link) or _linked(link / "copyright", -2),
    )


def _source(fields: Mapping[str, str]) -> tuple[str, str]:
    """Return the name and the version of the source. The field tells what differs from the binary package."""
    name, _, rest = fields.get("source", "").partition("(")
    return name.strip() or fields.get("package", ""), rest.strip(" )") or fields.get("version", "")


def _file(top: str, name: str) -> Path | None:
    """Return the path of a regular file of the tree, or None. A symlink on the way could lead to a file outside."""
    path = Path(top)
    for part in name.split("/"):
        path /= part
        if path.is_symlink():
            return None
    return path if path.is_file() else None


def _linked(path: Path, part: int = -1) -> str:
    """Return a part of the target of a symlink, or "" if `path` is none."""
    if not path.is_symlink():
        return ""
    parts = os.readlink(path).rstrip("/").split("/")
    return parts[part] if len(parts) >= -part else ""


def _copyright(top: str, package: str) -> tuple[CopyrightFacts | None, bytes]:
    """Return what the copyright file of a package says, and its content. The end of an enormous one is left out."""
    path = _file(top, f"{_DOCUMENTATION}/{package}/copyright")
    if path is None:
        return None, b""
    data = _bytes(path)
    found = read_copyright(data.decode("utf-8", "replace"), package)
    if len(data) > _MAX_COPYRIGHT:
        data = data[:_MAX_COPYRIGHT] + b"\n[The first %d bytes of the file]\n" % _MAX_COPYRIGHT
    return found, data


def _os_release(top: str, files: Mapping[bytes, form.FileFacts]) -> form.OsRelease | None:
    """Return the operating system that the path's os-release names, if it has one. files: the facts of all files."""
    for name in _OS_RELEASE:
        path = _file(top, name)
        if path is not None:
            data = _bytes(path)
            pairs = (line.partition("=") for line in data.decode("utf-8", "replace").splitlines())
            fields = {key: value.strip("\"'") for key, _, value in pairs}
            codename = fields.get("VERSION_CODENAME", "")
            version, home = fields.get("VERSION_ID", codename), fields.get("HOME_URL", "")
            content = files.get(hashlib.sha256(data).digest())  # None: the file is enormous
            hashes = content.hashes if content is not None else Hashes()
            return form.OsRelease(fields.get("ID", ""), version, codename, home, name, hashes)
    return None


def _text(path: Path) -> str:
    return _bytes(path).decode("utf-8", "replace")


def _bytes(path: Path) -> bytes:
    with os.fdopen(open_stored(path), "rb") as file:
        return file.read(_MAX_TEXT)
