"""Tar archives as a pure function of their entries: ustar headers, with pax records only where ustar has no room.

The format is POSIX.1-2017's pax interchange format. Nothing of the machine gets in: owners are numbers, names of
owners are empty, every time is `MTIME`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from fpack.store.errors import StoreError

# 1980-01-02 00:00:00 UTC. Zip, so Python wheels and jars, cannot hold a time before 1980 in any time zone, and some
# programs take a time near 0 for "unknown"; the second day of 1980 troubles nobody.
MTIME = 315619200
FILE, DIRECTORY, SYMLINK = "f", "d", "l"
BLOCK = 512
BUFFER = 1 << 20
END = bytes(2 * BLOCK)

_NAME, _PREFIX, _LINK = 100, 155, 100
_MAX_OWNER = 0o7777777
_MAX_SIZE = 0o77777777777
_TYPES = {FILE: b"0", DIRECTORY: b"5", SYMLINK: b"2"}
_TIME = b"%011o\0" % MTIME
# From the type flag on: magic, version, no names of owners, device numbers.
_TAIL = b"ustar\x0000" + bytes(64) + b"0000000\x000000000\x00"
_ZEROS = [bytes(n) for n in range(BLOCK)]


class Member(NamedTuple):
    """One entry of an archive. path: no slash at either end; `b""` is the archive's own root directory.

    mode: the 12 permission bits. size: of a file. target: of a symlink. source: where a file's content lies on disk.
    digest: of the content, to compare two members; `b""` when it is not known.
    """

    path: bytes
    kind: str
    mode: int
    uid: int = 0
    gid: int = 0
    size: int = 0
    target: bytes = b""
    source: str = ""
    digest: bytes = b""


def header(member: Member) -> bytes:
    """The blocks that stand before a member's content."""
    name = member.path
    if member.kind == DIRECTORY:
        name = name + b"/" if name else b"./"
    records: list[tuple[bytes, bytes]] = []
    split = _split(name)
    if split is None or not name.isascii():
        if split is None or _is_utf8(name):
            records.append((b"path", name))
        split = split or (b"", name[:_NAME])
    target = member.target
    if len(target) > _LINK or (not target.isascii() and _is_utf8(target)):
        records.append((b"linkpath", target))
        target = target[:_LINK]
    uid, gid, size = member.uid, member.gid, member.size
    if size > _MAX_SIZE:
        records.append((b"size", b"%d" % size))
        size = 0
    if uid > _MAX_OWNER:
        records.append((b"uid", b"%d" % uid))
        uid = 0
    if gid > _MAX_OWNER:
        records.append((b"gid", b"%d" % gid))
        gid = 0
    own = _ustar(split[0], split[1], member.mode, uid, gid, size, _TYPES[member.kind], target)
    return _pax(records, split[1]) + own if records else own


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """`name` as ustar's (prefix, name), or None if it has no room."""
    if len(name) <= _NAME:
        return b"", name
    # The latest slash whose left part fits; a directory's last slash belongs to the name.
    cut = name.rfind(b"/", 0, min(_PREFIX + 1, len(name) - 1))
    if cut <= 0 or len(name) - cut - 1 > _NAME:
        return None
    return name[:cut], name[cut + 1 :]


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _ustar(prefix: bytes, name: bytes, mode: int, uid: int, gid: int, size: int, flag: bytes, target: bytes) -> bytes:
    head = b"%s%07o\0%07o\0%07o\0%011o\0%s" % (name.ljust(_NAME, b"\0"), mode, uid, gid, size, _TIME)
    tail = flag + target.ljust(_LINK, b"\0") + _TAIL + prefix.ljust(_PREFIX + 12, b"\0")
    # The checksum field counts as blanks.
    return b"%s%06o\0 %s" % (head, sum(head) + sum(tail) + 8 * 32, tail)


def _pax(records: list[tuple[bytes, bytes]], name: bytes) -> bytes:
    """An extended header for the next member. Bytes that are not UTF-8 are announced, as POSIX wants."""
    if not all(_is_utf8(value) for _, value in records):
        records = [(b"hdrcharset", b"BINARY"), *records]
    body = b"".join(_record(key, value) for key, value in records)
    short = (b"PaxHeaders/" + name.rstrip(b"/"))[:_NAME]
    return _ustar(b"", short, 0o644, 0, 0, len(body), b"x", b"") + body + padding(len(body))


def _record(key: bytes, value: bytes) -> bytes:
    """`LENGTH KEY=VALUE\\n`, where LENGTH counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + 1
    while rest + len(str(length)) != length:
        length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def padding(size: int) -> bytes:
    """The zeros after `size` bytes of content."""
    return _ZEROS[-size % BLOCK]


def length(members: Iterable[Member]) -> int:
    """Bytes of the archive of `members`, its end included."""
    total = len(END)
    for member in members:
        total += BLOCK if _is_plain(member) else len(header(member))
        total += -(-member.size // BLOCK) * BLOCK
    return total


def _is_plain(member: Member) -> bool:
    """Whether one header block is surely enough."""
    path, target = member.path, member.target
    return (
        len(path) < _NAME
        and len(target) <= _LINK
        and path.isascii()
        and target.isascii()
        and member.size <= _MAX_SIZE
        and max(member.uid, member.gid) <= _MAX_OWNER
    )


def stream(members: Iterable[Member], check: Callable[[], None] = lambda: None) -> Iterator[bytearray]:
    """The archive of `members`, in their order, in buffers of `BUFFER` bytes; the last one is shorter.

    Each buffer is a new one. `check` is called once a buffer. StoreError if a file is not what its member says.
    """
    buffer, at = bytearray(BUFFER), 0
    for piece in _pieces(members):
        if isinstance(piece, bytes):
            while len(piece) >= BUFFER - at:
                buffer[at:] = piece[: BUFFER - at]
                piece = piece[BUFFER - at :]
                check()
                yield buffer
                buffer, at = bytearray(BUFFER), 0
            buffer[at : at + len(piece)] = piece
            at += len(piece)
            continue
        fd, left = piece.fd, piece.size
        while left:
            got = os.readv(fd, [memoryview(buffer)[at : at + left]])
            if not got:
                raise StoreError("A file became shorter while it was read", where=piece.source)
            at += got
            left -= got
            if at == BUFFER:
                check()
                yield buffer
                buffer, at = bytearray(BUFFER), 0
    if at:
        yield buffer[:at]


class _Content(NamedTuple):
    """An open file and its size."""

    fd: int
    size: int
    source: str


def _pieces(members: Iterable[Member]) -> Iterator[bytes | _Content]:
    for member in members:
        yield header(member)
        if not member.size:
            continue
        fd = os.open(member.source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            status = os.fstat(fd)
            if status.st_size != member.size or not stat.S_ISREG(status.st_mode):
                why = f"it should be a file of {member.size} bytes, and has {status.st_size}"
                raise StoreError("A file in the store is not what its table says", where=member.source, why=why)
            yield _Content(fd, member.size, member.source)
        finally:
            os.close(fd)
        yield padding(member.size)
    yield END
