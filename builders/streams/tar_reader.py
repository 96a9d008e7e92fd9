"""Read tar archives sequentially: ustar, GNU long names and base-256 numbers, and pax headers.

The reader checks that numbers are in range and limits the length of names. Callers must check where names and link
targets lead. `tarfile` was not used because it does not bound the memory that hostile headers can claim.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fpack.light_typing import NamedTuple

from .stream import ArchiveError, Stream

BLOCK = 512
MAX_LONG_NAME = 4096
MAX_OWNER_NAME = 256
MAX_PAX = 1 << 16  # bytes
MAX_EXTENSIONS = 8
MAX_NUMBER = (1 << 63) - 1

FILE, LINK, SYMLINK, DIRECTORY = "0", "1", "2", "5"
DEVICES = ("3", "4")
_KINDS = {
    "3": "a character device",
    "4": "a block device",
    "6": "a fifo",
    "S": "a sparse file",
    "M": "a continued file",
    "V": "a volume label",
    "D": "a directory dump",
}
_OCTAL = re.compile(rb"[0-7]+\Z")
_ZERO = bytes(BLOCK)
_USED_PAX = {b"path", b"linkpath", b"size", b"uid", b"gid", b"uname", b"gname"}


class TarMember(NamedTuple):
    """A member. kind: FILE, LINK (target: an earlier member's name), SYMLINK or DIRECTORY. mode: 12 bits."""

    name: bytes
    kind: str
    mode: int
    uid: int
    gid: int
    user: str
    group: str
    size: int
    target: bytes


class TarReader:
    """An iterator over an archive's members. `content()` yields the current member's bytes; reading it is optional.

    devices: yield members that are devices, too. They are refused otherwise.
    """

    def __init__(self, stream: Stream, devices: bool = False) -> None:
        self._stream = stream
        self._kinds = (FILE, LINK, SYMLINK, DIRECTORY, *(DEVICES if devices else ()))
        self._left = 0
        self._padding = 0

    def content(self) -> Iterator[bytes]:
        """Yield the current file's content in pieces."""
        for piece in self._stream.chunks(self._left):
            self._left -= len(piece)
            yield piece

    def __iter__(self) -> Iterator[TarMember]:
        stream = self._stream
        while True:
            stream.skip(self._left + self._padding)
            self._left = self._padding = 0
            member = self._next()
            if member is None:
                break
            yield member
        for rest in stream.rest():
            if rest.strip(b"\0"):
                raise ArchiveError("The tar archive has data after its end")

    def _next(self) -> TarMember | None:
        stream = self._stream
        name = target = b""
        pax: dict[bytes, bytes] = {}
        for _ in range(MAX_EXTENSIONS):
            header = stream.exact(BLOCK)
            if header == _ZERO:
                return None
            _check_sum(header)
            kind = header[156:157].decode("latin-1")
            if kind == "L":
                name = self._long(header, "name")
            elif kind == "K":
                target = self._long(header, "link target")
            elif kind == "x":
                pax = self._pax(header)
            elif kind == "g":
                # Comments in a global header are harmless; fields that apply to all members are refused.
                if _USED_PAX & self._pax(header).keys():
                    raise ArchiveError("The tar archive's global header sets names or numbers of all members")
            else:
                return self._member(header, kind, name, target, pax)
        raise ArchiveError("A tar member has too many extension headers", where=shown_name(name))

    def _member(self, header: bytes, kind: str, name: bytes, target: bytes, pax: dict[bytes, bytes]) -> TarMember:
        if not name:
            name = header[:100].partition(b"\0")[0]
            # GNU archives have the magic "ustar  " and use the bytes of the prefix for other fields.
            if header[257:263] == b"ustar\0" and header[345]:
                name = header[345:500].partition(b"\0")[0] + b"/" + name
        if not target:
            target = header[157:257].partition(b"\0")[0]
        user = header[265:297].partition(b"\0")[0]
        group = header[297:329].partition(b"\0")[0]
        size = _number(header[124:136], name, "size")
        uid, gid = _number(header[108:116], name, "uid"), _number(header[116:124], name, "gid")
        if pax:
            if b"GNU.sparse.major" in pax or b"GNU.sparse.map" in pax:
                kind = "S"
            name = _limited(pax.get(b"path", name), "name")
            target = _limited(pax.get(b"linkpath", target), "link target")
            user, group = pax.get(b"uname", user), pax.get(b"gname", group)
            if max(len(user), len(group)) > MAX_OWNER_NAME:
                raise ArchiveError("A tar member's owner name is too long", where=shown_name(name))
            size = _decimal(pax, b"size", size, name)
            uid, gid = _decimal(pax, b"uid", uid, name), _decimal(pax, b"gid", gid, name)
        if b"\0" in name or b"\0" in target:
            raise ArchiveError("A tar member's name contains a NUL byte", where=shown_name(name))
        if max(uid, gid) > 0xFFFFFFFE:
            raise ArchiveError("A tar member's owner is out of range", where=shown_name(name))
        if kind in ("\0", "7"):
            kind = FILE
        # Old archives mark a directory only by a trailing slash.
        if kind == FILE and name.endswith(b"/"):
            kind = DIRECTORY
        if kind not in self._kinds:
            what = _KINDS.get(kind, f"of the unknown type {kind!r}")
            raise ArchiveError(f"A tar member is {what}", where=shown_name(name))
        if kind != FILE:
            # Some archives repeat the target's size in link members; no content follows.
            size = 0
        elif size > self._stream.room:
            raise ArchiveError(
                "A tar member is larger than the archive's size limit",
                where=shown_name(name),
                why=f"it declares {size} bytes; {max(0, self._stream.room)} are left",
            )
        self._left, self._padding = size, -size % BLOCK
        mode = _number(header[100:108], name, "mode") & 0o7777
        return TarMember(
            name, kind, mode, uid, gid, user.decode("utf-8", "replace"), group.decode("utf-8", "replace"), size, target
        )

    def _long(self, header: bytes, what: str) -> bytes:
        size = _number(header[124:136], b"", "size")
        if size > MAX_LONG_NAME + 1:
            start = self._stream.exact(min(size, BLOCK))
            raise ArchiveError(
                f"A tar member's {what} has {size - 1} bytes",
                where=shown_name(start),
                why=f"the limit is {MAX_LONG_NAME}",
            )
        data = self._stream.exact(size + -size % BLOCK)[:size]
        return data.partition(b"\0")[0]

    def _pax(self, header: bytes) -> dict[bytes, bytes]:
        size = _number(header[124:136], b"", "size")
        if size > MAX_PAX:
            raise ArchiveError("The tar archive's pax header is too long", why=f"{size} bytes; the limit is {MAX_PAX}")
        data = self._stream.exact(size + -size % BLOCK)[:size]
        records: dict[bytes, bytes] = {}
        at = 0
        while at < size:
            digits, blank, _ = data[at : at + 8].partition(b" ")
            length = int(digits) if blank and digits.isdigit() else 0
            record = data[at + len(digits) + 1 : at + length]
            key, equals, value = record.partition(b"=")
            if not length or at + length > size or not equals or not value.endswith(b"\n"):
                raise ArchiveError("The tar archive's pax header is damaged", where=shown_name(data[at : at + 40]))
            records[key] = value[:-1]
            at += length
        return records


def _check_sum(header: bytes) -> None:
    wanted = _number(header[148:156], header[:100].partition(b"\0")[0], "checksum")
    if sum(header) - sum(header[148:156]) + 8 * 32 != wanted:
        raise ArchiveError("The tar archive is damaged", why="a header's checksum is wrong")


def _number(field: bytes, name: bytes, what: str) -> int:
    """Parse a numeric field: octal digits, or base 256 if the first byte is 0x80."""
    text = field.partition(b"\0")[0].strip(b" ")
    if _OCTAL.match(text):
        return int(text, 8)
    if field[0] == 0x80:
        value = int.from_bytes(field[1:], "big")
        if value <= MAX_NUMBER:
            return value
        raise ArchiveError(f"A tar member's {what} is out of range", where=shown_name(name), why=f"it is {value}")
    if not text and field[0] < 0x80:
        return 0
    why = f"it is {ascii(field.decode('latin-1'))}"
    raise ArchiveError(f"A tar member's {what} is not a number", where=shown_name(name), why=why)


def _decimal(pax: dict[bytes, bytes], key: bytes, default: int, name: bytes) -> int:
    text = pax.get(key)
    if text is None:
        return default
    if not text.isdigit() or len(text) > 19 or int(text) > MAX_NUMBER:
        raise ArchiveError(
            f"A tar member's {key.decode()} is out of range", where=shown_name(name), why=shown_name(text)
        )
    return int(text)


def _limited(name: bytes, what: str) -> bytes:
    if len(name) > MAX_LONG_NAME:
        raise ArchiveError(
            f"A tar member's {what} has {len(name)} bytes", where=shown_name(name), why=f"the limit is {MAX_LONG_NAME}"
        )
    return name


def shown_name(name: bytes) -> str:
    """Return a member's name for a message, shortened."""
    text = name[:80].decode("utf-8", "backslashreplace")
    return text + "..." if len(name) > 80 else text
