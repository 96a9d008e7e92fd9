"""Bundles: what is written is read again, and a bundle with anything else in it is refused."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import BlobEntry, Corrupt, Denied, NotThere
from fpack.builders.mirrors import bundle as bundle_module
from fpack.builders.mirrors.bundle import BadBundle, BundleRepository, read_members, unpack_bundle, write_bundle
from support.servers.repositories import MANIFEST, digest_of, entry, manifest, read, write

Member = tuple[str, bytes, dict[str, object]]


@pytest.fixture
def layout(tmp_path: Path) -> DirectoryRepository:
    repository = DirectoryRepository(tmp_path / "layout")
    repository.write_manifest(manifest(repository, b"a layer"), MANIFEST, "one")
    write(repository, b"")
    return repository


def bundled(layout: DirectoryRepository, path: Path) -> Path:
    with path.open("wb") as file:
        write_bundle(layout.directory, file)
    return path


def test_a_bundle_is_a_repository(layout: DirectoryRepository, tmp_path: Path) -> None:
    bundle = BundleRepository(bundled(layout, tmp_path / "a.bundle"))
    assert bundle.tags() == ["one"] and bundle.resolve("one") == layout.resolve("one")
    assert bundle.manifest("one") == layout.manifest("one")
    assert bundle.manifest("two") is None and bundle.resolve(digest_of(b"no")) is None
    layer = entry(b"a layer")
    assert bundle.has_blob(layer.digest) and not bundle.has_blob(digest_of(b"no"))
    assert read(bundle, layer) == b"a layer" and read(bundle, layer, 2, 3) == b"lay"
    with pytest.raises(NotThere):
        read(bundle, entry(b"no"))
    with pytest.raises(Denied):
        write(bundle, b"more")
    with pytest.raises(Denied):
        bundle.delete("one")


def test_equal_layouts_give_equal_bundles(layout: DirectoryRepository, tmp_path: Path) -> None:
    first = bundled(layout, tmp_path / "a").read_bytes()
    os.utime(layout.directory / "index.json", (1, 1))
    assert bundled(layout, tmp_path / "b").read_bytes() == first


def test_a_bundle_is_unpacked_whole(layout: DirectoryRepository, tmp_path: Path) -> None:
    unpack_bundle(bundled(layout, tmp_path / "a.bundle"), tmp_path / "out")
    copy = DirectoryRepository(tmp_path / "out")
    assert copy.manifest("one") == layout.manifest("one") and read(copy, entry(b"a layer")) == b"a layer"


def archive(path: Path, layout: DirectoryRepository, *members: Member, drop: str = "") -> Path:
    """Return a tar archive of a layout with members of an attacker."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for name in ("oci-layout", "index.json"):
            if name != drop:
                tar.add(layout.directory / name, name)
        for name, data, fields in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for field, value in fields.items():
                setattr(info, field, value)
            tar.addfile(info, io.BytesIO(data))
    return path


BLOB = "blobs/sha256/" + digest_of(b"x").removeprefix("sha256:")
ATTACKS: dict[str, Member] = {
    "traversal": ("../escaped", b"x", {}),
    "traversal within": ("blobs/sha256/../../../escaped", b"x", {}),
    "absolute": ("/tmp/escaped", b"x", {}),
    "a blob named like a path": ("blobs/sha256/sub/" + "0" * 64, b"x", {}),
    "upper case": (BLOB.upper(), b"x", {}),
    "another file": ("fpack.fp", b"x", {}),
    "a link": (BLOB, b"", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
    "a link without a target": (BLOB, b"", {"type": tarfile.SYMTYPE}),
    "a hard link": (BLOB, b"", {"type": tarfile.LNKTYPE, "linkname": "index.json"}),
    "a link to the index": ("index.json", b"", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
    "a device": (BLOB, b"", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 5}),
    "a pipe": (BLOB, b"", {"type": tarfile.FIFOTYPE}),
    "a sparse file": (BLOB, b"", {"type": tarfile.GNUTYPE_SPARSE}),
    "a directory elsewhere": ("blobs/other", b"", {"type": tarfile.DIRTYPE}),
    "a long name": ("b" * 300, b"x", {}),
    "the index twice": ("index.json", b"{}", {}),
}


@pytest.mark.parametrize("member", ATTACKS.values(), ids=ATTACKS)
def test_anything_else_in_a_bundle_is_refused(layout: DirectoryRepository, tmp_path: Path, member: Member) -> None:
    path = archive(tmp_path / "evil.bundle", layout, member)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(BadBundle):
        unpack_bundle(path, tmp_path / "out")
    with pytest.raises(BadBundle):
        BundleRepository(path).tags()
    assert sorted(tmp_path.iterdir()) == before


def test_a_bundle_with_extended_headers_is_refused(layout: DirectoryRepository, tmp_path: Path) -> None:
    path = tmp_path / "pax"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("index.json")
        info.pax_headers = {"path": "../escaped"}
        tar.addfile(info)
    with pytest.raises(BadBundle):
        unpack_bundle(path, tmp_path / "out")


def test_a_blob_with_other_content_is_refused(layout: DirectoryRepository, tmp_path: Path) -> None:
    path = archive(tmp_path / "evil", layout, (BLOB, b"y", {}))
    with pytest.raises(BadBundle):
        unpack_bundle(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    what = f"The blob {digest_of(b'x')} differs from its"
    with pytest.raises(Corrupt, match=f"{what} digest.*{digest_of(b'y')}"):
        read(BundleRepository(path), entry(b"x"))
    with pytest.raises(Corrupt, match=f"{what} size.*: it has 1 byte instead of 500"):
        read(BundleRepository(path), BlobEntry("", digest_of(b"x"), 500))
    with pytest.raises(NotThere, match=f"The blob {digest_of(b'z')} does not exist"):
        read(BundleRepository(path), entry(b"z"))


def huge(data: bytearray) -> None:
    """Let the first header declare 8 EiB."""
    data[124:136] = b"\x80" + bytes(3) + b"\x7f" + b"\xff" * 7
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])


BROKEN: dict[str, Callable[[bytearray], None]] = {
    "truncated": lambda data: data.__delitem__(slice(700, None)),
    "no end": lambda data: data.__delitem__(slice(-10240, None)),
    "a flipped bit": lambda data: data.__setitem__(3, data[3] ^ 1),
    "a huge size": huge,
    "compressed": lambda data: data.__setitem__(slice(0, 4), b"\x28\xb5\x2f\xfd"),
    "empty": lambda data: data.clear(),
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_a_broken_bundle_is_refused(
    layout: DirectoryRepository, tmp_path: Path, change: Callable[[bytearray], None]
) -> None:
    path = bundled(layout, tmp_path / "a.bundle")
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)
    with path.open("rb") as file, pytest.raises(BadBundle):
        read_members(file, "here")
    with pytest.raises(BadBundle):
        unpack_bundle(path, tmp_path / "out")


@pytest.mark.parametrize("name", ["index.json", "oci-layout"])
def test_a_tar_archive_that_is_no_layout_is_refused(layout: DirectoryRepository, tmp_path: Path, name: str) -> None:
    with pytest.raises(BadBundle):
        unpack_bundle(archive(tmp_path / "a", layout, drop=name), tmp_path / "out")


def test_too_many_files_are_refused(
    layout: DirectoryRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpack.builders.mirrors.bundle.MAX_MEMBERS", 3)
    with pytest.raises(BadBundle, match="not a bundle"):
        unpack_bundle(bundled(layout, tmp_path / "a"), tmp_path / "out")


def test_an_empty_blob_is_compared_with_its_digest(layout: DirectoryRepository, tmp_path: Path) -> None:
    bundle = BundleRepository(bundled(layout, tmp_path / "a.bundle"))
    assert read(bundle, entry(b"")) == b""
    (layout.directory / "blobs" / "sha256" / ("0" * 64)).write_bytes(b"")
    forged = BundleRepository(bundled(layout, tmp_path / "b.bundle"))
    with pytest.raises(Corrupt):
        read(forged, BlobEntry("x", f"sha256:{'0' * 64}", 0))


def test_a_huge_index_is_refused_before_it_is_read(
    layout: DirectoryRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bundled(layout, tmp_path / "a.bundle")
    monkeypatch.setattr(bundle_module, "MAX_INDEX", 10)
    with pytest.raises(BadBundle, match="not a bundle"):
        unpack_bundle(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
