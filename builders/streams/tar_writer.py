"""Write tar archives as a pure function of their members: ustar headers, with pax records only where necessary.

The format is the pax interchange format of POSIX.1-2017. Owners are numeric, owner names are empty, and every time is
`MTIME`, so the result does not depend on the machine. `tarfile` was not used because the bytes of an archive determine
image digests, and they must not change with the version of Python.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, MutableMapping

from blake3 import blake3
from fpack.light_typing import NamedTuple
from fpack.store.errors import DamagedPath
from fpack.store.files.regular_file import open_stored

# 1980-01-02 00:00:00 UTC. Zip files, including Python wheels and jars, cannot store local times before 1980, and some
# programs treat a time near 0 as unknown.
MTIME = 315619200
FILE, DIRECTORY, SYMLINK = "f", "d", "l"
BLOCK = 512
BUFFER = 1 << 20  # bytes
END = bytes(2 * BLOCK)

_NAME, _PREFIX, _LINK = 100, 155, 100
_MAX_OWNER = 0o7777777
_MAX_SIZE = 0o77777777777
_TYPES = {FILE: b"0", DIRECTORY: b"5", SYMLINK: b"2"}
_TIME = b"%011o\0" % MTIME
# From the type flag on: magic, version, no names of owners, device numbers.
_TAIL = b"ustar\x0000" + bytes(64) + b"0000000\x000000000\x00"
_ZEROS = [bytes(n) for n in range(BLOCK)]


class TarEntry(NamedTuple):
    """One member of an archive. path: without leading or trailing slash; `b""` is the archive's root directory.

    mode: the 12 permission bits. size: of a file. target: of a symlink. source: path of a file's content on disk.
    digest: of the content, to compare members; `b""` if unknown.
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


def header(member: TarEntry) -> bytes:
    """Return the header blocks that precede a member's content."""
    name = member.path
    if member.kind == DIRECTORY:
        name = name + b"/" if name else b"./"
    records: list[tuple[bytes, bytes]] = []
    split = _split(name)
    if split is None or not name.isascii():
        if split is None or is_utf8(name):
            records.append((b"path", name))
        split = split or (b"", name[:_NAME])
    target = member.target
    if len(target) > _LINK or (not target.isascii() and is_utf8(target)):
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
    """Split `name` into ustar's (prefix, name). Return None if it does not fit."""
    if len(name) <= _NAME:
        return b"", name
    # Split at the last slash whose left part fits in the prefix; a directory's trailing slash belongs to the name.
    cut = name.rfind(b"/", 0, min(_PREFIX + 1, len(name) - 1))
    if cut <= 0 or len(name) - cut - 1 > _NAME:
        return None
    return name[:cut], name[cut + 1 :]


def is_utf8(name: bytes) -> bool:
    """Return whether a name is valid UTF-8."""
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _ustar(prefix: bytes, name: bytes, mode: int, uid: int, gid: int, size: int, flag: bytes, target: bytes) -> bytes:
    head = b"%s%07o\0%07o\0%07o\0%011o\0%s" % (name.ljust(_NAME, b"\0"), mode, uid, gid, size, _TIME)
    tail = flag + target.ljust(_LINK, b"\0") + _TAIL + prefix.ljust(_PREFIX + 12, b"\0")
    # The checksum is computed as if its field were blanks.
    return b"%s%06o\0 %s" % (head, sum(head) + sum(tail) + 8 * 32, tail)


def _pax(records: list[tuple[bytes, bytes]], name: bytes) -> bytes:
    """Return a pax extended header for the next member. Values that are not UTF-8 are declared by hdrcharset."""
    if not all(is_utf8(value) for _, value in records):
        records = [(b"hdrcharset", b"BINARY"), *records]
    body = b"".join(_record(key, value) for key, value in records)
    short = (b"PaxHeaders/" + name.rstrip(b"/"))[:_NAME]
    return _ustar(b"", short, 0o644, 0, 0, len(body), b"x", b"") + body + padding(len(body))


def _record(key: bytes, value: bytes) -> bytes:
    """Encode `LENGTH KEY=VALUE\\n`. LENGTH includes its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + 1
    while rest + len(str(length)) != length:
        length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def padding(size: int) -> bytes:
    """Return the zero padding after `size` bytes of content."""
    return _ZEROS[-size % BLOCK]


def length(members: Iterable[TarEntry]) -> int:
    """Return the size in bytes of the archive of `members`, including the end blocks."""
    total = len(END)
    for member in members:
        total += BLOCK if _is_plain(member) else len(header(member))
        total += -(-member.size // BLOCK) * BLOCK
    return total


def _is_plain(member: TarEntry) -> bool:
    """Return whether a member certainly needs only one header block."""
    path, target = member.path, member.target
    return (
        len(path) < _NAME
        and len(target) <= _LINK
        and path.isascii()
        and target.isascii()
        and member.size <= _MAX_SIZE
        and max(member.uid, member.gid) <= _MAX_OWNER
    )


def stream(
    members: Iterable[TarEntry],
    check: Callable[[], None] = lambda: None,
    digests: MutableMapping[str, tuple[bytes, bytes]] | None = None,
) -> Iterator[bytearray]:
    """Yield the archive of `members`, in order, in buffers of `BUFFER` bytes; the last buffer may be shorter.

    Buffers are not reused. `check` is called once per buffer. Files are hashed as they are read: raise DamagedPath if
    one does not match the digest of its member. digests: receives the BLAKE3 and the SHA-256 of each file whose member
    has no digest, by its path on disk.
    """
    import hashlib  # loads OpenSSL, which whoever copies layers does not need

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
        hasher, sha256 = blake3(), None if piece.digest else hashlib.sha256()
        while left:
            part = memoryview(buffer)[at : at + left]
            got = os.readv(fd, [part])
            if not got:
                raise DamagedPath(piece.source, "it was truncated while it was read")
            hasher.update(part[:got])
            if sha256 is not None:
                sha256.update(part[:got])
            at += got
            left -= got
            if at == BUFFER:
                check()
                yield buffer
                buffer, at = bytearray(BUFFER), 0
        if sha256 is None:
            if hasher.digest() != piece.digest:
                raise DamagedPath(piece.source)
        elif digests is not None:
            digests[piece.source] = (hasher.digest(), sha256.digest())
    if at:
        yield buffer[:at]


class _Content(NamedTuple):
    """An open file, its size and its BLAKE3, or b""."""

    fd: int
    size: int
    source: str
    digest: bytes


def _pieces(members: Iterable[TarEntry]) -> Iterator[bytes | _Content]:
    for member in members:
        yield header(member)
        if not member.size:
            if member.source and not member.digest:
                yield _Content(-1, 0, member.source, b"")
            continue
        fd = open_stored(member.source)
        try:
            status = os.fstat(fd)
            if status.st_size != member.size or not stat.S_ISREG(status.st_mode):
                why = f"expected a file of {member.size} bytes, found {status.st_size} bytes"
                raise DamagedPath(member.source, why)
            yield _Content(fd, member.size, member.source, member.digest)
        finally:
            os.close(fd)
        yield padding(member.size)
    yield END
