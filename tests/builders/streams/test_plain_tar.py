"""The reader of plain archives gives what the general reader gives, or leaves the archive to that."""

from __future__ import annotations

import io
import tarfile

import pytest
from fpack.builders.streams import plain_tar, tar_reader, tar_writer
from fpack.builders.streams.stream import Stream
from fpack.builders.streams.tar_writer import DIRECTORY, END, SYMLINK, TarEntry
from hypothesis import given
from hypothesis import strategies as st


def archive(name: str = "a", kind: bytes = tarfile.REGTYPE, content: bytes = b"", target: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo(name)
        info.type, info.size, info.linkname = kind, len(content), target
        tar.addfile(info, io.BytesIO(content))
        end = tar.offset
    return out.getvalue()[:end]


names = st.text("ab/\xe4", min_size=1, max_size=120).filter(lambda name: name.strip("/") == name)


@pytest.mark.parametrize("kind", [DIRECTORY, tar_writer.FILE, SYMLINK])
def test_a_long_name_that_a_header_holds_is_plain(kind: str) -> None:
    """Most files of a Debian package have a longer name than the field of a header, below the name of a store path."""
    name = b"fpack/store/" + b"a" * 60 + b"/data/usr/share/doc/package/copyright"
    target = b"x" if kind == SYMLINK else b""
    data = b"".join(tar_writer.stream([TarEntry(name, kind, 0o755, target=target)]))[: -len(END)]
    (member,) = plain_tar.members(data) or [None]
    assert member is not None and member.name == name


@given(names, st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE]), st.binary(max_size=1030))
def test_both_readers_agree(name: str, kind: bytes, content: bytes) -> None:
    data = archive(name, kind, content if kind == tarfile.REGTYPE else b"", "target" if kind == tarfile.SYMTYPE else "")
    found = plain_tar.members(data)
    reader = tar_reader.TarReader(Stream(iter((data, END)), 1 << 20))
    expected = [(member, b"".join(reader.content())) for member in reader]
    if found is None:
        assert not name.isascii() or len(name) > 90
        return
    assert len(found) == len(expected) == 1
    for plain, (member, text) in zip(found, expected, strict=True):
        directory = member.kind == tar_reader.DIRECTORY
        assert plain.name == (member.name.rstrip(b"/") if directory else member.name)
        assert plain.kind == member.kind.encode()
        assert plain.executable == bool(member.mode & 0o100)
        assert plain.target == member.target
        assert data[plain.start : plain.start + plain.size] == text


def test_what_the_writer_makes_is_plain() -> None:
    entries = [TarEntry(b"a", DIRECTORY, 0o755), TarEntry(b"a/l", SYMLINK, 0o777, target=b"x")]
    data = b"".join(tar_writer.stream(entries))[: -len(END)]
    assert plain_tar.members(data) == [
        plain_tar.PlainMember(b"a", plain_tar.DIRECTORY, True, 512, 0, b""),
        plain_tar.PlainMember(b"a/l", plain_tar.SYMLINK, True, 1024, 0, b"x"),
    ]


@pytest.mark.parametrize(
    ("at", "text"),
    [
        pytest.param(156, b"1", id="a hard link"),
        pytest.param(156, b"x", id="an extension"),
        pytest.param(257, b"gnutar", id="another magic"),
        pytest.param(345, b"p\0q", id="a NUL in the prefix"),
        pytest.param(124, b"x", id="no number"),
        pytest.param(124, b"-1", id="a negative size"),
        pytest.param(124, b"77777777777", id="a size beyond the end"),
        pytest.param(1, b"\0b", id="a NUL in the name"),
        pytest.param(1, b"/", id="a file with the name of a directory"),
    ],
)
def test_all_else_is_left_to_the_general_reader(at: int, text: bytes) -> None:
    data = bytearray(archive(content=b"content"))
    data[at : at + len(text)] = text
    assert plain_tar.members(bytes(data)) is None


@pytest.mark.parametrize("size", [1, 200, 300, 511])
def test_a_header_that_is_cut_off_is_left_to_the_general_reader(size: int) -> None:
    assert plain_tar.members(archive()[:size]) is None
