"""Build the `deb` kind: unpack a Debian package, and record the attributes that a store tree cannot hold.

The output holds `data` and `meta`, and `control` if the package has maintainer scripts or other control files.

One pass writes and hashes the files. The builder runs nothing of the package. It refuses an entry that would be written
outside the tree, or that a package must not contain, before it writes the entry.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fpack.builders import arguments
from fpack.builders.debian import maintainer_scripts
from fpack.builders.debian.control import parse_stanza
from fpack.builders.payload import elf, meta
from fpack.builders.payload.globs import merged
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.protocol import BaseBuilder, BuildError, Built, Task
from fpack.builders.rootfs.accounts import parse_sysusers
from fpack.builders.streams import ar, tar_reader
from fpack.builders.streams.stream import ArchiveError, PieceReader, Section, Stream, blocks
from fpack.builders.streams.tar_reader import shown_name
from fpack.store.canonical import Value
from fpack.store.errors import BadTree, FpackError
from fpack.store.files.pool import FileNode
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath

# 2, 3: the control files, the commands that files call, and the texts of services and of tmpfiles.d. 4: the commands
# that programs in Perl, Python and Ruby call, and the texts of sockets
VERSION = 4
LOCAL = True  # payloads come from the archive alone


MAX_ENTRIES = 250_000
MAX_CONTROL = 64 << 20  # bytes
MAX_CONTROL_FILE = 1 << 20  # bytes
MAX_CONTROL_FILES = 64
MAX_TEXT = 1 << 16  # bytes
MAX_ACCOUNTS = 1 << 16  # of all sysusers.d files
MAX_DECLARATIONS = 1 << 20  # of all systemd services and tmpfiles.d files
MAX_WORDS = 64 << 20  # of all names, targets and sonames, because the table is held in memory
LARGE = 1 << 20  # bytes; while a larger file is read, the task can be stopped
FLOOR = 64 << 20  # bytes that any package may have unpacked
RATIO = 256  # software does not compress better than this
MAX_INSTALLED = 64 << 20  # KiB

_EXEC_START = re.compile(r"^ExecStart[ \t]*=[ \t]*[-@:+!]*(/[^\s]+)", re.MULTILINE)
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_CONTROL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
# Nothing that configures a package reads these: the first is in `meta`, and the others serve the linking of programs.
_UNUSED = ("control", "md5sums", "shlibs", "symbols")
_SCRIPTS = ("config", "postinst", "postrm", "preinst", "prerm")
_RECORDED = (*_SCRIPTS, "triggers")


class _Control(NamedTuple):
    """The content of the control member: the stanza as text and by field, and the other files that are kept."""

    text: str
    fields: dict[str, str]
    files: dict[str, bytes]

    def read(self, name: str) -> str:
        """Return the text of a file, "" if the package does not have it."""
        return self.files.get(name, b"").decode("utf-8", "replace")


class DebArgs(NamedTuple):
    """The arguments. deb: the file. package, version, arch: those that the file must have."""

    deb: StorePath
    package: str
    version: str
    arch: str


class DebBuilder(BaseBuilder):
    """The builder of `deb`. Its output holds `data`, `meta` and `control`."""

    version = VERSION

    def build(self, task: Task) -> Built:
        args = arguments.read(DebArgs, task.args)
        pieces = task.tree(args.deb).chunks("")
        try:
            writer = _unpack(task, args, PieceReader(pieces))
            _finish(pieces)
        except (ArchiveError, BadTree) as error:
            _finish(pieces)
            raise BuildError(
                f"The package {args.package} is refused: {error.what}",
                where=error.where,
                why=error.why,
                hint="Debian's tools do not write such a file; download it from a trusted mirror",
            ) from None
        return Built(writer)


def _finish(pieces: Iterator[bytes]) -> None:
    """Read the rest of the file. After the last piece it is compared with its digest."""
    for _ in pieces:
        pass


def _unpack(task: Task, args: DebArgs, file: PieceReader) -> TreeWriter:
    members = ar.members(file)
    version = next(members, None)
    if version is None or version[0] != "debian-binary" or not version[1].read(64).startswith(b"2."):
        raise ArchiveError("The file is not a Debian package", why="it does not begin with debian-binary 2.x")
    control = _control(*_member(members, "control.tar"))
    _check_identity(args, control.fields)
    name, section = _member(members, "data.tar")
    installed = control.fields.get("installed-size", "0")
    declared = int(installed) if installed.isascii() and installed.isdigit() and len(installed) < 15 else 0
    if declared > MAX_INSTALLED:
        raise ArchiveError("The package declares a size that no package has", why=f"Installed-Size: {declared} KiB")
    # Installed-Size counts files in whole KiB. Headers and padding of small files can double the size.
    room = FLOOR + min(2 * 1024 * declared, RATIO * section.left)
    stream = Stream(blocks(section, _codec(name, "data.tar")), room)
    unpacker = _Unpacker(task, section)
    try:
        unpacker.run(tar_reader.TarReader(stream))
    except ArchiveError as error:
        raise error.with_(where=error.where or name) from None
    for inner, content in control.files.items():
        unpacker.writer.file(f"control/{inner}", [content], inner in _SCRIPTS)
    extra = _extra(control, unpacker)
    unpacker.writer.file("meta", [meta.encode(unpacker.entries.values(), extra)])
    return unpacker.writer


def _member(members: Iterator[tuple[str, Section]], stem: str) -> tuple[str, Section]:
    for name, section in members:
        if name == stem or name.startswith(stem + "."):
            return name, section
        if not name.startswith("_"):  # deb(5): such members may be ignored
            raise ArchiveError(f"The package has {name!r} instead of {stem}")
    raise ArchiveError(f"The package has no {stem}", why="it is truncated or damaged")


def _codec(name: str, stem: str) -> str:
    return name[len(stem) + 1 :]


def _control(name: str, section: Section) -> _Control:
    stanza: bytes | None = None
    files: dict[str, bytes] = {}
    archive = tar_reader.TarReader(Stream(blocks(section, _codec(name, "control.tar")), MAX_CONTROL))
    try:
        for member in archive:
            inner = member.name.removeprefix(b"./").decode("utf-8", "replace")
            if member.kind != tar_reader.FILE or inner in _UNUSED[1:]:
                continue
            if not _CONTROL_NAME.match(inner):
                raise ArchiveError("A control file has an invalid name", where=shown_name(member.name))
            if member.size > MAX_CONTROL_FILE:
                why = f"it has {member.size} bytes; the limit is {MAX_CONTROL_FILE}"
                raise ArchiveError("A control file is too large", where=inner, why=why)
            content = b"".join(archive.content())
            if inner == "control":
                stanza = content
            else:
                files[inner] = content
            if len(files) > MAX_CONTROL_FILES:
                raise ArchiveError("The package has too many control files", why=f"the limit is {MAX_CONTROL_FILES}")
    except ArchiveError as error:
        raise error.with_(where=error.where or name) from None
    if stanza is None:
        raise ArchiveError("The package has no control file", where=name)
    text = stanza.decode("utf-8", "replace").strip("\n") + "\n"
    try:
        fields = parse_stanza(text)
    except FpackError as error:
        raise ArchiveError(error.what, where="control", why=error.why) from None
    # The text becomes the package's entry of dpkg's status, where a second stanza would declare a second package.
    if _BLANK_LINE.search(text) or "status" in fields:
        raise ArchiveError("The control file has more than one stanza or a Status field", where="control")
    return _Control(text, fields, files)


def _check_identity(args: DebArgs, fields: dict[str, str]) -> None:
    """Raise ArchiveError if the file is not the expected package."""
    for field, wanted in (("package", args.package), ("version", args.version)):
        if fields.get(field) != wanted:
            raise ArchiveError(
                f"The file has an unexpected {field}",
                where="control",
                why=f"its control file says {fields.get(field, 'nothing')}, expected {wanted}",
            )
    found = fields.get("architecture")
    if found not in (args.arch, "all"):
        raise ArchiveError(
            "The file is for another architecture", where="control", why=f"it is for {found}, expected {args.arch}"
        )


class _Unpacker:
    """A writer of the data member's entries into a tree."""

    def __init__(self, task: Task, section: Section) -> None:
        self.writer = task.writer()
        self.entries: dict[str, TreeEntry] = {}
        self.users: list[Value] = []
        self.groups: list[Value] = []
        self.units: list[str] = []
        self._accounts = 0
        self.declarations: dict[str, str] = {}
        self._declared = 0
        self._words = 0
        self._task = task
        self._section = section
        self._total = section.left
        self._data = os.fspath(self.writer.disk) + "/data/"

    def _step(self) -> None:
        """Check for cancellation and report progress; called every few milliseconds."""
        self._task.check()
        self._task.progress(self._total - self._section.left, self._total)

    def run(self, archive: tar_reader.TarReader) -> None:
        """Write every member."""
        self.writer.mkdir("data")
        directories: dict[str, TreeEntry] = {}
        parents: set[str] = set()
        entries = self.entries
        count = 0
        for member in archive:
            count += 1
            if count > MAX_ENTRIES:
                raise ArchiveError("The package has too many files", why=f"the limit is {MAX_ENTRIES}")
            if not count % 64:
                self._step()
            path = _path(member.name)
            try:
                if member.kind == tar_reader.FILE:
                    entry = self._file(path, member, archive)
                elif member.kind == tar_reader.DIRECTORY:
                    if path:
                        self._directory(path, member, directories)
                        parents.add(path.rpartition("/")[0])
                    continue
                elif member.kind == tar_reader.SYMLINK:
                    entry = self._symlink(path, member)
                else:
                    entry = self._hard_link(path, member)
            except (ArchiveError, BadTree) as error:
                raise error.with_(where=shown_name(member.name)) from None
            entries[path] = entry
            parents.add(path.rpartition("/")[0])
            self._weigh(entry)
        for path, entry in directories.items():
            if path not in parents or (entry.mode, entry.uid, entry.gid) != (0o755, 0, 0):
                entries[path] = entry

    def _weigh(self, entry: TreeEntry) -> None:
        """Add the entry's share of the table's size. Raise ArchiveError if the table exceeds its limit."""
        self._words += len(entry.path) + len(entry.target) + len(entry.user) + len(entry.group)
        if entry.facts is not None:
            needed, runpath = entry.facts.needed, entry.facts.runpath
            self._words += sum(map(len, needed)) + sum(map(len, runpath)) + 64 * (len(needed) + len(runpath))
            self._words += 64 * len(entry.facts.commands)
        if self._words > MAX_WORDS or self.writer.directories > MAX_ENTRIES:
            raise ArchiveError("The package has too many files or too long names", where=entry.path[:80])

    def _file(self, path: str, member: tar_reader.TarMember, archive: tar_reader.TarReader) -> TreeEntry:
        hasher = hashlib.sha256()
        update = hasher.update
        head = b""
        large = member.size > LARGE

        def watched() -> Iterator[bytes]:
            nonlocal head
            for piece in archive.content():
                if len(head) < elf.HEAD:
                    head += piece[: elf.HEAD - len(head)]
                update(piece)
                if large:
                    self._step()
                yield piece

        node = self.writer.file("data/" + path, watched(), bool(member.mode & 0o111))
        found = None
        if path.endswith((".conf", ".service", ".socket")):
            self._read_declarations(path, node)
        if node.size:
            found = elf.facts(head, self._data + path)
        return TreeEntry(
            path, meta.FILE, member.mode, member.uid, member.gid, member.user, member.group,
            node.size, node.digest, hasher.digest(), "", found,
        )  # fmt: skip

    def _directory(self, path: str, member: tar_reader.TarMember, directories: dict[str, TreeEntry]) -> None:
        self.writer.mkdir("data/" + path)
        entry = TreeEntry(path, meta.DIRECTORY, member.mode, member.uid, member.gid, member.user, member.group)
        if directories.setdefault(path, entry) != entry:
            raise BadTree("A directory occurs twice with different modes or owners", where=shown_name(member.name))

    def _symlink(self, path: str, member: tar_reader.TarMember) -> TreeEntry:
        target = os.fsdecode(member.target)
        self.writer.symlink("data/" + path, target)
        return TreeEntry(path, meta.SYMLINK, 0o777, member.uid, member.gid, member.user, member.group, target=target)

    def _hard_link(self, path: str, member: tar_reader.TarMember) -> TreeEntry:
        origin = self.entries.get(_path(member.target))
        if origin is None or origin.kind != meta.FILE:
            raise ArchiveError(
                "The target of a hard link is not a file of the package",
                where=shown_name(member.name),
                why=shown_name(member.target),
            )
        node = FileNode(origin.blake3, origin.size, origin.executable)
        self.writer.link("data/" + path, node, Path(self._data + origin.path))
        return origin._replace(path=path)

    def _read_declarations(self, path: str, node: FileNode) -> None:
        """Read the accounts of a sysusers.d file, a systemd service or socket, or a tmpfiles.d file."""
        directory = path.removeprefix("usr/").rpartition("/")[0]
        if node.size > MAX_TEXT or directory not in ("lib/sysusers.d", "lib/systemd/system", "lib/tmpfiles.d"):
            return
        if directory == "lib/sysusers.d":
            self._accounts += node.size
        else:
            self._declared += node.size
        if self._accounts > MAX_ACCOUNTS or self._declared > MAX_DECLARATIONS:
            raise ArchiveError("The package declares too many users or services", where=path)
        with open(self._data + path, "rb") as file:
            text = file.read(MAX_TEXT).decode("utf-8", "replace")
        if directory == "lib/sysusers.d":
            users, groups = parse_sysusers(text)
            self.users += users
            self.groups += groups
        else:
            self.declarations[merged(path)] = text
            if directory == "lib/systemd/system":
                self.units += _EXEC_START.findall(text)


def _path(name: bytes) -> str:
    """Return a member's name as a relative path, "" for the top. The writer checks the length of its parts."""
    if name.startswith(b"./"):
        name = name[2:]
    if name.endswith(b"/"):
        name = name[:-1]
    if b"//" in name or b"." in (parts := name.split(b"/")) or b".." in parts or name.startswith(b"/"):
        if b".." in name.split(b"/"):
            raise ArchiveError("A member's name leads out of the package", where=shown_name(name))
        # dpkg also accepts /usr/bin/x and usr//bin/x for usr/bin/x.
        name = b"/".join(part for part in name.split(b"/") if part not in (b"", b"."))
    return os.fsdecode(name)


def _extra(control: _Control, unpacker: _Unpacker) -> dict[str, Value]:
    fields = control.fields
    users, groups = maintainer_scripts.accounts(control.read("postinst"))
    conffiles = [line.strip() for line in control.read("conffiles").splitlines() if line.startswith("/")]
    return {
        "package": fields["package"],
        "version": fields["version"],
        "arch": fields.get("architecture", ""),
        "source": fields.get("source") or fields["package"],
        "control": control.text,
        "conffiles": conffiles,
        "alternatives": maintainer_scripts.alternatives(control.read("postinst")),
        # sysusers.d comes first because it is exact; the postinst script often declares the same accounts.
        "users": _by_name(unpacker.users + users),
        "groups": _by_name(unpacker.groups + groups),
        "units": list(dict.fromkeys(unpacker.units)),
        "declarations": dict(sorted(unpacker.declarations.items())),
        "scripts": {
            name: hashlib.sha256(control.files[name]).hexdigest() for name in _RECORDED if name in control.files
        },
    }


def _by_name(records: list[Value]) -> list[Value]:
    """Return the first record of each name and member list, sorted."""
    first: dict[tuple[str, tuple[str, ...]], Value] = {}
    for record in records:
        first.setdefault((record["name"], tuple(record.get("members", ()))), record)
    return [first[key] for key in sorted(first)]
