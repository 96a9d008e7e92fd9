"""Read a tar strictly: note everything that fpack does not write, and stop at anything ambiguous.

The format is ustar and the pax interchange format of POSIX.1-2017. Every field of a header is checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fpack.builders.manifest.format import DIRECTORY, FILE, SYMLINK
from fpack.light_typing import NamedTuple, Protocol

from .findings import VerifyError

BLOCK = 512
MAX_PAX = 1 << 17  # bytes
MAX_NOTES = 100
_ZERO = bytes(BLOCK)
_OCTAL = re.compile(rb"[0-7]+[\0 ]+\Z")
_DIGITS = re.compile(rb"[0-9]{1,19}\Z")
_KINDS = {b"0": FILE, b"\0": FILE, b"5": DIRECTORY, b"2": SYMLINK}
OTHERS = {
    b"1": "a hard link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a fifo",
    b"7": "a contiguous file",
}
_NAMES = {b"path": "path", b"linkpath": "linkpath", b"hdrcharset": "hdrcharset"}
_NUMBERS = (b"size", b"uid", b"gid")


class TarError(VerifyError):
    """A tar that cannot be read unambiguously."""


class ByteSource(Protocol):
    """A forward-only source of bytes. Its methods raise an FpackError if there are too few bytes."""

    def exact(self, size: int) -> bytes:
        """Return the next `size` bytes."""

    def chunks(self, size: int) -> Iterator[bytes]:
        """Yield the next `size` bytes in pieces."""

    def skip(self, size: int) -> None:
        """Skip `size` bytes."""

    def rest(self) -> Iterator[bytes]:
        """Yield the remaining bytes in pieces."""


class StrictMember(NamedTuple):
    """A member. path: as written, without a directory's trailing slash; "" for the root directory.

    kind: FILE, DIRECTORY or SYMLINK, or a noun for any other type. odd: descriptions of unusual properties.
    """

    path: bytes
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    target: bytes
    odd: tuple[str, ...]


class StrictTar:
    """An iterable of members. `content()` yields the bytes of the current member; unread bytes are skipped.

    notes: unusual properties of the tar outside headers.
    """

    def __init__(self, source: ByteSource) -> None:
        self.notes: list[str] = []
        self._source = source
        self._left = 0
        self._padding = 0
        self._last = b""

    def content(self) -> Iterator[bytes]:
        """Yield the current member's bytes in pieces."""
        for piece in self._source.chunks(self._left):
            self._left -= len(piece)
            yield piece

    def __iter__(self) -> Iterator[StrictMember]:
        while True:
            self._finish()
            member = self._next()
            if member is None:
                break
            self._last = member.path
            yield member
        if self._source.exact(BLOCK) != _ZERO:
            self._note("there is data after the end of the tar")
        if any(piece.strip(b"\0") for piece in self._source.rest()):
            self._note("there is data after the end of the tar")

    def _finish(self) -> None:
        if self._left:
            self._source.skip(self._left)
        if self._padding and self._source.exact(self._padding).strip(b"\0"):
            self._note(f"the padding after {self._last.decode('utf-8', 'backslashreplace')} is not zero")
        self._left = self._padding = 0

    def _note(self, text: str) -> None:
        if len(self.notes) < MAX_NOTES and text not in self.notes:
            self.notes.append(text)

    def _next(self) -> StrictMember | None:
        """Return the next member, or None at the end."""
        pax: dict[bytes, bytes] = {}
        odd: list[str] = []
        while True:
            header = self._source.exact(BLOCK)
            if header == _ZERO:
                if pax:
                    raise TarError("A tar has attributes without a member")
                return None
            _check_sum(header)
            flag = header[156:157]
            if flag != b"x":
                break
            if pax:
                odd.append("it has two attribute headers")
            pax.update(self._pax(header))
        return self._member(header, flag, pax, odd)

    def _member(self, header: bytes, flag: bytes, pax: dict[bytes, bytes], odd: list[str]) -> StrictMember:
        kind = _KINDS.get(flag) or OTHERS.get(flag)
        if kind is None:
            shown = ascii(flag.decode("latin-1"))
            raise TarError(f"A tar has a member of the unknown type {shown}", where=_short(header[:100]))
        if header[257:265] != b"ustar\x0000":
            odd.append("its header is not in ustar format")
        path = _text(header[:100])
        if header[257:263] == b"ustar\0" and header[345]:
            path = _text(header[345:500]) + b"/" + path
        mode, uid, gid, size, mtime = (
            _number(header[start:end], name, odd)
            for name, start, end in (
                ("mode", 100, 108),
                ("uid", 108, 116),
                ("gid", 116, 124),
                ("size", 124, 136),
                ("time", 136, 148),
            )
        )
        target = _text(header[157:257])
        if header[265:329].strip(b"\0"):
            odd.append(f"it names its owner {_short(header[265:297])}:{_short(header[297:329])}")
        if header[329:345].strip(b"\0 0") or header[500:512].strip(b"\0"):
            odd.append("its header has values in unused fields")
        path, target = pax.get(b"path", path), pax.get(b"linkpath", target)
        numbers = {b"size": size, b"uid": uid, b"gid": gid}
        for key, value in pax.items():
            if key in _NUMBERS:
                if not _DIGITS.match(value):
                    raise TarError(f"A tar member's {key.decode()} is not a number", where=_short(path))
                numbers[key] = int(value)
            elif key.startswith((b"GNU.sparse", b"SCHILY.realsize")):
                raise TarError("A tar has a sparse file", where=_short(path))
            elif key not in _NAMES:
                odd.append(f"it has the attribute {_short(key)}")
        if b"\0" in path or b"\0" in target:
            raise TarError("A tar member's name contains a NUL byte", where=_short(path))
        if kind == DIRECTORY:
            # The root directory has the path "".
            path = b"" if path == b"./" else path[:-1] if path.endswith(b"/") else path
        elif not path:
            odd.append("it has no name")
        size = numbers[b"size"] if kind in (FILE, OTHERS[b"7"]) else 0
        if kind not in (FILE, OTHERS[b"7"]) and numbers[b"size"]:
            odd.append("it declares a size that it cannot have")
        self._left, self._padding = size, -size % BLOCK
        return StrictMember(path, kind, mode, numbers[b"uid"], numbers[b"gid"], size, mtime, target, tuple(odd))

    def _pax(self, header: bytes) -> dict[bytes, bytes]:
        size = _number(header[124:136], "size", [])
        if size > MAX_PAX:
            raise TarError("A tar has attributes that are too long", why=f"{size} bytes; the limit is {MAX_PAX}")
        data = b"".join(self._source.chunks(size))
        self._padding = -size % BLOCK
        self._finish()
        records: dict[bytes, bytes] = {}
        at = 0
        while at < size:
            digits, blank, _ = data[at : at + 8].partition(b" ")
            length = int(digits) if blank and digits.isdigit() else 0
            record = data[at + len(digits) + 1 : at + length]
            key, equals, value = record.partition(b"=")
            if length <= 0 or at + length > size or not equals or not value.endswith(b"\n") or key in records:
                raise TarError("A tar has attributes that cannot be read", where=_short(data[at : at + 60]))
            records[key] = value[:-1]
            at += length
        return records


def _check_sum(header: bytes) -> None:
    field = header[148:156]
    total = sum(header) - sum(field) + 8 * 32
    if field not in (b"%06o\0 " % total, b"%07o\0" % total, b"%06o \0" % total):
        raise TarError("A tar is damaged", where=_short(header[:100]), why="a header's checksum is wrong")


def _number(field: bytes, name: str, odd: list[str]) -> int:
    """Parse octal digits that end in NUL or space, or base 256 if the first byte is 0x80, which fpack never writes."""
    if _OCTAL.match(field):
        return int(field.rstrip(b"\0 "), 8)
    if field[0] == 0x80:
        odd.append(f"its {name} is written in base 256")
        value = int.from_bytes(field[1:], "big")
        if value < 1 << 62:
            return value
    raise TarError(f"A tar member's {name} is not a number", why=f"it is {ascii(field.decode('latin-1'))}")


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _short(name: bytes) -> str:
    return name.partition(b"\0")[0][:120].decode("utf-8", "backslashreplace")
