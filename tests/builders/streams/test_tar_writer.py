"""Test the tar writer with Python's tarfile and GNU tar, and that its output is reproducible."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from fpack.builders.streams import tar_writer
from fpack.builders.streams.tar_writer import BUFFER, DIRECTORY, FILE, MTIME, SYMLINK, TarEntry
from fpack.store.errors import StoreError
from hypothesis import given
from hypothesis import strategies as st

components = st.binary(min_size=1, max_size=255).filter(lambda b: b"/" not in b and b"\0" not in b)
paths = (
    st.lists(components.filter(lambda b: b not in (b".", b"..")), min_size=1, max_size=6)
    .map(b"/".join)
    .filter(lambda p: len(p) < 900)
)
owners = st.integers(0, 2**32 - 2)


def archive(members: list[TarEntry]) -> bytes:
    return b"".join(tar_writer.stream(members))


def read(data: bytes) -> list[tarfile.TarInfo]:
    return tarfile.open(fileobj=io.BytesIO(data), mode="r:").getmembers()


@given(paths, st.integers(0, 0o7777), owners, owners)
def test_any_directory_is_read_back(path: bytes, mode: int, uid: int, gid: int) -> None:
    (info,) = read(archive([TarEntry(path, DIRECTORY, mode, uid, gid)]))
    assert os.fsencode(info.name) == path
    assert (info.isdir(), info.mode, info.uid, info.gid, info.mtime) == (True, mode, uid, gid, MTIME)
    assert (info.uname, info.gname) == ("", "")


@given(paths, st.binary(min_size=1, max_size=600).filter(lambda b: b"\0" not in b))
def test_any_symlink_is_read_back(path: bytes, target: bytes) -> None:
    (info,) = read(archive([TarEntry(path, SYMLINK, 0o777, target=target)]))
    assert (os.fsencode(info.name), os.fsencode(info.linkname), info.issym()) == (path, target, True)


@given(st.lists(paths, max_size=5), st.integers(0, 2**40))
def test_the_length_is_known_before(names: list[bytes], size: int) -> None:
    members = [TarEntry(name, DIRECTORY, 0o755) for name in names]
    assert tar_writer.length(members) == len(archive(members))
    big = TarEntry(b"big", FILE, 0o644, size=size)
    assert tar_writer.length([big]) == len(tar_writer.header(big)) + -(-size // 512) * 512 + 1024


@pytest.mark.parametrize(
    ("path", "blocks"),
    [
        (b"a" * 98, 1),
        (b"a" * 99, 1),  # fills the name field with its slash
        (b"p" * 155 + b"/" + b"n" * 99, 1),
        (b"p" * 156 + b"/" + b"n" * 90, 3),
        (b"a" * 100, 3),
        (b"p/" * 60 + b"name", 1),
        ("größe".encode(), 3),
        (b"\xff\xfe", 1),  # not UTF-8, so not valid in a pax record, but fits the name field
    ],
)
def test_pax_records_are_written_only_where_needed(path: bytes, blocks: int) -> None:
    member = TarEntry(path, DIRECTORY, 0o755)
    assert len(tar_writer.header(member)) == blocks * 512
    assert os.fsencode(read(archive([member]))[0].name) == path


@pytest.mark.parametrize("size", [0o77777777777, 0o77777777777 + 1, 2**40])
def test_sizes_beyond_eight_gigabytes(size: int) -> None:
    head = tar_writer.header(TarEntry(b"big", FILE, 0o644, size=size))
    with tarfile.open(fileobj=io.BytesIO(head + bytes(1024)), mode="r:") as opened:
        info = opened.next()
    assert info is not None and info.size == size
    assert (len(head) == 512) == (size <= 0o77777777777)


@pytest.mark.parametrize("total", range(90, 110))
def test_a_pax_record_counts_its_own_length(total: int) -> None:
    """The length includes its own digits, so it jumps at powers of ten."""
    path = b"x" * 60 + b"/" + ("ü" * (total // 2)).encode() + b"y" * (total % 2)
    (info,) = read(archive([TarEntry(path, DIRECTORY, 0o755)]))
    assert os.fsencode(info.name) == path


@pytest.mark.parametrize(
    "sizes",
    [[1], [511, 512, 513], [BUFFER], [BUFFER - 512], [BUFFER - 1024], [BUFFER - 513, 1], [2 * BUFFER + 1, 3], [0, 0]],
)
def test_contents_survive_the_edges_of_buffers(tmp_path: Path, sizes: list[int]) -> None:
    members = []
    for number, size in enumerate(sizes):
        place = tmp_path / str(number)
        place.write_bytes(os.urandom(size))
        members.append(TarEntry(b"f%d" % number, FILE, 0o644, size=size, source=str(place)))
    buffers = list(tar_writer.stream(members))
    assert [len(b) for b in buffers[:-1]] == [BUFFER] * (len(buffers) - 1)
    data = b"".join(buffers)
    assert len(data) == tar_writer.length(members) and data.endswith(bytes(1024))
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as opened:
        for number, info in enumerate(opened):
            content = opened.extractfile(info)
            assert content is not None and content.read() == (tmp_path / str(number)).read_bytes()


def test_gnu_tar_reads_it_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "content").write_bytes(b"hello\n")
    members = [
        TarEntry(b"", DIRECTORY, 0o755),
        TarEntry(b"d", DIRECTORY, 0o1777),
        TarEntry(b"d/f", FILE, 0o4755, 7, 8, 6, b"", str(tmp_path / "content")),
        TarEntry(b"d/" + b"long" * 60, FILE, 0o640, 2**31, 5, 6, b"", str(tmp_path / "content")),
        TarEntry("d/größe".encode(), SYMLINK, 0o777, target=b"t" * 120),
    ]
    (tmp_path / "a.tar").write_bytes(archive(members))
    command = ["tar", "--numeric-owner", "--full-time", "--utc", "-tvf", tmp_path / "a.tar"]
    done = subprocess.run(command, capture_output=True, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert done.stderr == b""
    lines = [line.split(maxsplit=5) for line in done.stdout.decode().splitlines()]
    assert [(line[0], line[1], line[5]) for line in lines] == [
        ("drwxr-xr-x", "0/0", "./"),
        ("drwxrwxrwt", "0/0", "d/"),
        ("-rwsr-xr-x", "7/8", "d/f"),
        ("-rw-r-----", f"{2**31}/5", "d/" + "long" * 60),
        ("lrwxrwxrwx", "0/0", "d/größe -> " + "t" * 120),
    ]
    assert {line[3] for line in lines} == {"1980-01-02"}


@pytest.mark.parametrize("change", ["shorter", "longer", "symlink", "fifo", "gone"])
def test_a_file_that_is_not_what_its_table_says(tmp_path: Path, change: str) -> None:
    place = tmp_path / "f"
    member = TarEntry(b"f", FILE, 0o644, size=5, source=str(place))
    if change == "symlink":
        (tmp_path / "other").write_bytes(b"12345")
        place.symlink_to("other")
    elif change == "fifo":
        os.mkfifo(place)
    elif change != "gone":
        place.write_bytes(b"1234" if change == "shorter" else b"123456")
    with pytest.raises((StoreError, OSError)):
        archive([member])


def test_checks_for_interruption_on_the_way(tmp_path: Path) -> None:
    with open(tmp_path / "big", "wb") as file:
        file.truncate(5 * BUFFER)
    calls: list[int] = []
    stream = tar_writer.stream(
        [TarEntry(b"f", FILE, 0o644, size=5 * BUFFER, source=str(tmp_path / "big"))], lambda: calls.append(1)
    )
    assert sum(map(len, stream)) > 5 * BUFFER
    assert len(calls) == 5
