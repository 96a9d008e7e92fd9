"""Debian packages made by hand, byte by byte, so that they can be as wrong as a test needs."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import zstandard

BLOCK = 512
CODECS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    "gz": lambda data: gzip.compress(data, mtime=0),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: zstandard.ZstdCompressor().compress(data),
}


class Item(NamedTuple):
    """A tar member. kind: the type letter. size: what the header says, the content's size unless given."""

    name: str
    content: bytes = b""
    kind: str = "0"
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    user: str = "root"
    group: str = "root"
    target: str = ""
    size: int | None = None


def file(
    name: str,
    content: bytes | str = b"",
    mode: int = 0o644,
    *,
    uid: int = 0,
    gid: int = 0,
    user: str = "root",
    group: str = "root",
    size: int | None = None,
) -> Item:
    """Return a regular file."""
    data = content.encode() if isinstance(content, str) else content
    return Item(name, data, mode=mode, uid=uid, gid=gid, user=user, group=group, size=size)


def folder(
    name: str, mode: int = 0o755, *, uid: int = 0, gid: int = 0, user: str = "root", group: str = "root"
) -> Item:
    """Return a directory."""
    path = name if name.endswith("/") else name + "/"
    return Item(path, kind="5", mode=mode, uid=uid, gid=gid, user=user, group=group)


def symlink(name: str, target: str) -> Item:
    """Return a symlink."""
    return Item(name, kind="2", mode=0o777, target=target)


def hard_link(name: str, target: str) -> Item:
    """Return a hard link to an earlier member."""
    return Item(name, kind="1", target=target)


def header(item: Item) -> bytes:
    """Return a GNU tar header; numbers that do not fit are in base 256."""

    def number(value: int, width: int) -> bytes:
        if value < 8 ** (width - 1):
            return b"%0*o\0" % (width - 1, value)
        return b"\x80" + value.to_bytes(width - 1, "big")

    size = len(item.content) if item.size is None else item.size
    head = item.name.encode()[:100].ljust(100, b"\0")
    head += number(item.mode, 8) + number(item.uid, 8) + number(item.gid, 8) + number(size, 12) + number(0, 12)
    tail = item.kind.encode() + item.target.encode()[:100].ljust(100, b"\0") + b"ustar  \0"
    tail += item.user.encode().ljust(32, b"\0") + item.group.encode().ljust(32, b"\0")
    tail = tail.ljust(BLOCK - 156, b"\0")
    total = sum(head) + 8 * 32 + sum(tail)
    return head + b"%06o\0 " % total + tail


def member(item: Item) -> bytes:
    """Return a member with GNU's long names where they are needed."""
    out = b""
    for letter, text in (("K", item.target), ("L", item.name)):
        raw = text.encode()
        if len(raw) > 100:
            out += padded(header(Item("././@LongLink", kind=letter, size=len(raw) + 1)), raw + b"\0")
    return out + padded(header(item), item.content)


def padded(head: bytes, content: bytes) -> bytes:
    """Return a header and its content, filled up to whole blocks."""
    return head + content + bytes(-len(content) % BLOCK)


def tar(items: Iterable[Item | bytes]) -> bytes:
    """Return a tar archive of members; bytes are put in as they are."""
    body = b"".join(item if isinstance(item, bytes) else member(item) for item in items)
    return body + bytes(2 * BLOCK)


def ar(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Return an ar archive."""
    out = b"!<arch>\n"
    for name, content in members:
        out += b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name.encode(), 0, 0, 0, b"100644", len(content))
        out += content + b"\n" * (len(content) % 2)
    return out


def control(package: str = "hello", version: str = "1.0-1", arch: str = "amd64", **more: str) -> str:
    """Return a control stanza."""
    fields = {"Package": package, "Version": version, "Architecture": arch, "Installed-Size": "100"}
    fields |= {name.replace("_", "-"): value for name, value in more.items()}
    fields["Description"] = f"the package {package}"
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def deb(
    items: Iterable[Item | bytes],
    stanza: str | None = None,
    scripts: Mapping[str, str] | None = None,
    codec: str = "xz",
) -> bytes:
    """Return a package of `items`; `stanza` is its control file, `scripts` the other members of control.tar."""
    inner = [file("./control", stanza or control()), *(file(f"./{n}", t) for n, t in (scripts or {}).items())]
    return wrap(tar(inner), tar(items), codec)


def wrap(control_tar: bytes, data_tar: bytes, codec: str = "xz") -> bytes:
    """Return a package of two tar archives."""
    suffix = f".{codec}" if codec else ""
    pack = CODECS[codec]
    return ar(
        [
            ("debian-binary", b"2.0\n"),
            (f"control.tar{suffix}", pack(control_tar)),
            (f"data.tar{suffix}", pack(data_tar)),
        ]
    )
