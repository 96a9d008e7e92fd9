"""The verifier's own reader of packages: headers that claim gigabytes, and files that are not as they seem."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from fpack.builders.verify.evidence import deb_reader
from fpack.builders.verify.findings import VerifyError
from support.archives import debs
from support.archives.archive import ar


def _deb(path: Path, data: bytes) -> Path:
    control = debs.tar([debs.file("./control", debs.control(version="1.0"))])
    path.write_bytes(ar([("debian-binary", b"2.0\n"), ("control.tar", control), ("data.tar", data)]))
    return path


def _member(kind: bytes, size: int, name: str = "x") -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [b"x", b"g", b"X", b"L", b"K"])
@pytest.mark.parametrize("before", [b"", _member(b"0", 0)], ids=["first", "second"])
def test_a_header_that_claims_gigabytes_is_refused(tmp_path: Path, kind: bytes, before: bytes) -> None:
    with pytest.raises(VerifyError, match="a header has more than"):
        deb_reader.read(_deb(tmp_path / "a.deb", before + _member(kind, 3 << 30) + bytes(1 << 16)))


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
@pytest.mark.parametrize("count", [9, 2000])
def test_a_member_with_many_further_headers_is_refused(tmp_path: Path, kind: bytes, count: int) -> None:
    text = b"17 comment=abcde\n" if kind in b"xg" else b"name\0"
    header = _member(kind, len(text)) + text.ljust(512, b"\0")
    with pytest.raises(VerifyError, match="a member has more than 8 further headers"):
        deb_reader.read(_deb(tmp_path / "a.deb", header * count + _member(b"0", 0)))


@pytest.mark.parametrize("kind", [b"x", b"L"])
def test_the_further_headers_of_each_member_are_counted_alone(tmp_path: Path, kind: bytes) -> None:
    text = b"17 comment=abcde\n" if kind in b"xg" else b"name\0"
    header = _member(kind, len(text)) + text.ljust(512, b"\0")
    data = b"".join(header * 8 + _member(b"0", 0, f"f{n}") for n in range(3))
    assert len(deb_reader.read(_deb(tmp_path / "a.deb", data)).files) == (3 if kind == b"x" else 1)


def test_a_sparse_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VerifyError, match="sparse"):
        deb_reader.read(_deb(tmp_path / "a.deb", _member(b"S", 512) + bytes(4096)))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("x")
        member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
        member.size = 512
        archive.addfile(member, io.BytesIO(b"1" * 512))
    with pytest.raises(VerifyError, match="sparse"):
        deb_reader.read(_deb(tmp_path / "a.deb", packed.getvalue()))


def test_a_long_name_is_read(tmp_path: Path) -> None:
    name = "./" + "/".join(["d" * 100] * 10)
    data = debs.tar([debs.file(name)])
    assert name[2:].encode() in deb_reader.read(_deb(tmp_path / "a.deb", data)).files
