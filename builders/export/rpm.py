"""Write an image as an RPM package. The bytes depend only on the image and the codec.

The format is version 4, as in rpm's manual under "Package format": a lead, a signature header, a header, and a
compressed cpio archive. Both headers hold sizes and hashes of what follows them, so they are written twice: first with
zeros, at the end with the values. No field's length depends on its value.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fpack.builders.machines import MACHINES
from fpack.builders.streams.compressed import compress
from fpack.builders.streams.output_file import ExportError, errors, replacing, room, seekable
from fpack.builders.streams.tar_writer import BUFFER, DIRECTORY, FILE, MTIME, SYMLINK, TarEntry, is_utf8
from fpack.store.canonical import Value
from fpack.store.files.checked_tree import CheckedTree
from fpack.store.files.writer import joined, write_all

from . import launcher
from .flattened import ArchiveItem, FileSystem, Trees, content
from .system_package import DESCRIPTION, SUMMARY, SystemPackage, own_name, package

RELEASE = "1"
_INVALID = re.compile(r"[^A-Za-z0-9._+~]+")
_LIMIT = 1 << 32  # bytes: sizes in the format have 32 bits

_INT16, _INT32, _STRING, _BIN, _STRINGS, _I18N = 3, 4, 6, 7, 8, 9
_INT64 = 5
_SIGNATURES, _IMMUTABLE = 62, 63  # the tags of the regions that a header's digest covers
_LESS_EQUAL, _EQUAL, _RPMLIB = 0x0A, 0x08, 1 << 24
_TYPES = {FILE: 0o100000, DIRECTORY: 0o040000, SYMLINK: 0o120000}


class HeaderTag(NamedTuple):
    """One entry of a header. value: numbers, texts, or bytes, depending on the kind."""

    number: int
    kind: int
    value: Sequence[int] | Sequence[bytes] | bytes


def version(tag: str) -> str:
    """Convert an image's tag to a version."""
    return _INVALID.sub("_", tag)


def file_name(name: str, tag: str, arch: str) -> str:
    """Return the file name for the image NAME:TAG: fpack-NAME-VERSION-RELEASE.ARCH.rpm."""
    return f"fpack-{own_name(name)}-{version(tag)}-{RELEASE}.{MACHINES[arch].rpm}.rpm"


def write_rpm(image: CheckedTree, trees: Trees, codec: Mapping[str, Value], out: Path) -> None:
    """Write the image output `image` as an RPM package to the file `out`."""
    with errors(out), replacing(out) as fd, FileSystem(image, trees, room(out), "sha256") as files:
        seekable(fd, out, "An RPM package")
        pkg = package(files)
        items = [item for item in pkg.items if item.member.path not in pkg.foreign]
        large = next((i.member for i in items if i.member.size >= _LIMIT), None)
        if large is not None:
            where = "/" + os.fsdecode(large.path)
            raise ExportError("An RPM package cannot hold a file of 4 GiB or more", where=where)
        length = sum(map(len, _pieces(None, items))) + sum(-(-i.member.size // 4) * 4 for i in items if not _link(i))
        hashes = [hashlib.sha256(), hashlib.md5(usedforsecurity=False)]
        plain = hashlib.sha256()
        header = _header(files, pkg, items, codec, _Sums())
        write_all(fd, _lead(pkg) + _signature(header, 0, length, bytes(16)) + header)

        def pieces() -> Iterator[bytes]:
            for piece in joined(_pieces(files, items), BUFFER):
                plain.update(piece)
                yield piece

        def written(data: bytes) -> None:
            hashes[0].update(data)

        start = os.lseek(fd, 0, os.SEEK_CUR)
        size = compress(pieces(), codec, length, fd, written)
        header = _header(files, pkg, items, codec, _Sums(hashes[0].hexdigest(), plain.hexdigest()))
        # The MD5 checksum covers the final header and the payload, so the payload is read again.
        hashes[1].update(header)
        for piece in _read(fd, out, start, size):
            hashes[1].update(piece)
        head = _lead(pkg) + _signature(header, size, length, hashes[1].digest()) + header
        if len(head) != start:
            raise AssertionError("an RPM package's header changed its length")
        os.pwrite(fd, head, 0)


def _read(fd: int, out: Path, start: int, size: int) -> Iterator[bytes]:
    with open(f"/proc/self/fd/{fd}", "rb", buffering=0) as file:
        file.seek(start)
        while size and (data := file.read(min(size, 1 << 20))):
            size -= len(data)
            yield data
    if size:
        raise ExportError(f"{out} was truncated while it was written")


def _link(item: ArchiveItem) -> bool:
    return item.member.kind == SYMLINK


# ---- the payload: a cpio archive of the "newc" form, SVR4's with four-byte alignment


def _pieces(files: FileSystem | None, items: Sequence[ArchiveItem]) -> Iterator[bytes]:
    """Yield the archive. Without `files`, leave out the contents of files and their padding."""
    for number, item in enumerate(items, 1):
        member = item.member
        data = member.target
        yield _entry(b"./" + member.path, _TYPES[member.kind] | member.mode, number, len(data) or member.size)
        if data:
            yield data + bytes(-len(data) % 4)
        elif files is not None:
            yield from content(files, item)
            yield bytes(-member.size % 4)
    yield _entry(b"TRAILER!!!", 0, 0, 0)


def _entry(name: bytes, mode: int, inode: int, size: int) -> bytes:
    mtime = MTIME if inode else 0
    fields = (inode, mode, 0, 0, 1, mtime, size, 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name + b"\0"
    return head + bytes(-len(head) % 4)


# ---- the headers


class _Sums(NamedTuple):
    """The SHA-256 of the payload as written, and of the uncompressed payload."""

    written: str = "0" * 64
    plain: str = "0" * 64


def _lead(pkg: SystemPackage) -> bytes:
    """Return the lead, which rpm ignores and `file` reads."""
    name = f"{pkg.package_name}-{version(pkg.version)}-{RELEASE}".encode()[:65]
    return struct.pack(">4sBBHH66sHH16x", b"\xed\xab\xee\xdb", 3, 0, 0, 1, name, 1, 5)


def _signature(header: bytes, size: int, plain: int, md5: bytes) -> bytes:
    """Return the signature header, padded to eight bytes. size, plain: the compressed and plain payload sizes."""
    total = len(header) + size
    digests = [
        HeaderTag(269, _STRING, hashlib.sha1(header, usedforsecurity=False).hexdigest().encode()),
        HeaderTag(273, _STRING, hashlib.sha256(header).hexdigest().encode()),
    ]
    sizes = [HeaderTag(1000, _INT32, [total]), HeaderTag(1007, _INT32, [plain])]
    if max(total, plain) >= _LIMIT:
        sizes = [HeaderTag(270, _INT64, [total]), HeaderTag(271, _INT64, [plain])]
    tags = sorted([*digests, *sizes, HeaderTag(1004, _BIN, md5)])
    encoded = _encode(_SIGNATURES, tags)
    return encoded + bytes(-len(encoded) % 8)


def _header(
    files: FileSystem, pkg: SystemPackage, items: Sequence[ArchiveItem], codec: Mapping[str, Value], sums: _Sums
) -> bytes:
    name, arch = pkg.package_name, MACHINES[pkg.arch].rpm
    full = f"{version(pkg.version)}-{RELEASE}"
    compressor = "zstd" if codec["name"] == "zstd" else "gzip"
    requires = [
        (launcher.TOOL, 0, ""),
        ("rpmlib(CompressedFileNames)", _RPMLIB | _LESS_EQUAL, "3.0.4-1"),
        ("rpmlib(FileDigests)", _RPMLIB | _LESS_EQUAL, "4.6.0-1"),
        ("rpmlib(PayloadFilesHavePrefix)", _RPMLIB | _LESS_EQUAL, "4.0-1"),
    ]
    if compressor == "zstd":
        requires.append(("rpmlib(PayloadIsZstd)", _RPMLIB | _LESS_EQUAL, "5.4.18-1"))
    tags = [
        HeaderTag(100, _STRINGS, [b"C"]),
        HeaderTag(1000, _STRING, name.encode()),
        HeaderTag(1001, _STRING, version(pkg.version).encode()),
        HeaderTag(1002, _STRING, RELEASE.encode()),
        HeaderTag(1004, _I18N, [SUMMARY.format(title=pkg.title).encode()]),
        HeaderTag(1005, _I18N, [DESCRIPTION.format(name=pkg.name).encode()]),
        HeaderTag(1006, _INT32, [MTIME]),
        HeaderTag(1007, _STRING, b"localhost"),
        HeaderTag(1009, _INT32, [min(pkg.size, _LIMIT - 1)]),
        HeaderTag(1014, _STRING, b"see /opt/%s/root/usr/share/doc" % pkg.name.encode()),
        HeaderTag(1016, _I18N, [b"Unspecified"]),
        HeaderTag(1021, _STRING, b"linux"),
        HeaderTag(1022, _STRING, arch.encode()),
        *_file_tags(files, items),
        HeaderTag(1044, _STRING, f"{name}-{full}.src.rpm".encode()),
        HeaderTag(1047, _STRINGS, [name.encode()]),
        HeaderTag(1048, _INT32, [flags for _, flags, _ in requires]),
        HeaderTag(1049, _STRINGS, [what.encode() for what, _, _ in requires]),
        HeaderTag(1050, _STRINGS, [least.encode() for _, _, least in requires]),
        HeaderTag(1064, _STRING, b"4.18.0"),
        HeaderTag(1112, _INT32, [_EQUAL]),
        HeaderTag(1113, _STRINGS, [full.encode()]),
        HeaderTag(1124, _STRING, b"cpio"),
        HeaderTag(1125, _STRING, compressor.encode()),
        HeaderTag(1126, _STRING, str(codec["level"] or 9).encode()),
        HeaderTag(5011, _INT32, [8]),
        HeaderTag(5062, _STRING, b"utf-8"),
        HeaderTag(5092, _STRINGS, [sums.written.encode()]),
        HeaderTag(5093, _INT32, [8]),
        HeaderTag(5097, _STRINGS, [sums.plain.encode()]),
    ]
    if pkg.size >= _LIMIT:
        tags.append(HeaderTag(5009, _INT64, [pkg.size]))
    if any(not is_utf8(item.member.path) for item in items):
        tags = [tag for tag in tags if tag.number != 5062]
    return _encode(_IMMUTABLE, sorted(tags))


def _file_tags(files: FileSystem, items: Sequence[ArchiveItem]) -> Iterator[HeaderTag]:
    """Yield a column for each property of the files, sorted by directory as rpm expects."""
    split = [
        (b"/" + m.path.rpartition(b"/")[0] + b"/", m.path.rpartition(b"/")[2], i) for i in items for m in [i.member]
    ]
    split.sort(key=lambda row: row[:2])
    directories = sorted({directory for directory, _, _ in split})
    numbers = {directory: number for number, directory in enumerate(directories)}
    inodes = {item.member.path: number for number, item in enumerate(items, 1)}
    rows = [item for _, _, item in split]
    members = [item.member for item in rows]
    zeros, empty, root = [0] * len(rows), [b""] * len(rows), [b"root"] * len(rows)
    yield HeaderTag(1028, _INT32, [_size(m) for m in members])
    yield HeaderTag(1030, _INT16, [_TYPES[m.kind] | m.mode for m in members])
    yield HeaderTag(1033, _INT16, zeros)
    yield HeaderTag(1034, _INT32, [MTIME] * len(rows))
    yield HeaderTag(1035, _STRINGS, [_digest(files, item) for item in rows])
    yield HeaderTag(1036, _STRINGS, [m.target for m in members])
    yield HeaderTag(1037, _INT32, zeros)
    yield HeaderTag(1039, _STRINGS, root)
    yield HeaderTag(1040, _STRINGS, root)
    yield HeaderTag(1045, _INT32, [0xFFFFFFFF] * len(rows))
    yield HeaderTag(1095, _INT32, [1] * len(rows))
    yield HeaderTag(1096, _INT32, [inodes[m.path] for m in members])
    yield HeaderTag(1097, _STRINGS, empty)
    yield HeaderTag(1116, _INT32, [numbers[directory] for directory, _, _ in split])
    yield HeaderTag(1117, _STRINGS, [base for _, base, _ in split])
    yield HeaderTag(1118, _STRINGS, directories)


def _size(member: TarEntry) -> int:
    """Return the size of an entry. A directory counts as one block."""
    return len(member.target) if member.kind == SYMLINK else 4096 if member.kind == DIRECTORY else member.size


def _digest(files: FileSystem, item: ArchiveItem) -> bytes:
    if item.member.kind != FILE:
        return b""
    if item.source is not None:
        return files.entries[item.source.path].digest.hex().encode()
    return hashlib.sha256(item.data).hexdigest().encode()


def _encode(region: int, tags: Sequence[HeaderTag]) -> bytes:
    """Encode a header: its tags by number, preceded by the region tag that covers them all."""
    index, store = b"", bytearray()
    for tag in tags:
        align = {_INT16: 2, _INT32: 4, _INT64: 8}.get(tag.kind, 1)
        store += bytes(-len(store) % align)
        data, count = _value(tag)
        index += struct.pack(">IIII", tag.number, tag.kind, len(store), count)
        store += data
    trailer = struct.pack(">IIiI", region, _BIN, -16 * (len(tags) + 1), 16)
    index = struct.pack(">IIII", region, _BIN, len(store), 16) + index
    store += trailer
    return struct.pack(">3sB4xII", b"\x8e\xad\xe8", 1, len(tags) + 1, len(store)) + index + bytes(store)


def _value(tag: HeaderTag) -> tuple[bytes, int]:
    value = tag.value
    if tag.kind == _STRING:
        assert isinstance(value, bytes)
        return value + b"\0", 1
    if tag.kind == _BIN:
        assert isinstance(value, bytes)
        return value, len(value)
    if tag.kind in (_STRINGS, _I18N):
        return b"".join(bytes(text) + b"\0" for text in value), len(value)
    letter = {_INT16: "H", _INT32: "I", _INT64: "Q"}[tag.kind]
    return struct.pack(f">{len(value)}{letter}", *value), len(value)
