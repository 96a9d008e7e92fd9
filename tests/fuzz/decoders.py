"""The decoders of bytes that others wrote, each with small inputs to begin with.

A decoder may accept an input or raise FpackError; anything else is a fault: another exception, more than SECONDS, a
file outside its directory.
"""

from __future__ import annotations

import atexit
import hashlib
import io
import lzma
import os
import shutil
import signal
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import zstandard
from fpack.builders.debian.index import PackageIndex
from fpack.builders.debian.index_table import open_table, packages_of, table_file
from fpack.builders.debian.lock import format_lock, parse_lock
from fpack.builders.debian.package import parse_package
from fpack.builders.debian.release import parse_release, read_release
from fpack.builders.debian.search_table import SearchTable, make_catalog
from fpack.builders.debian.suites import Suite
from fpack.builders.kinds.deb import DebBuilder
from fpack.builders.kinds.layer import LayerInfo
from fpack.builders.kinds.layer import decode as decode_layer
from fpack.builders.manifest import json_form
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.oci.image_record import read as read_record
from fpack.builders.payload import elf, meta
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.streams import ar, tar_reader
from fpack.builders.streams.stream import Section, Stream, blocks
from fpack.builders.verify import embedded_manifest
from fpack.builders.verify.evidence.deb_reader import read as read_deb
from fpack.builders.verify.evidence.local import LocalEvidence
from fpack.builders.verify.findings import Report
from fpack.builders.verify.image_archive import open_archive
from fpack.builders.verify.manifest_loading import bounded
from fpack.builders.verify.verify import verify
from fpack.store import canonical, derivation
from fpack.store.derivation import Derivation
from fpack.store.errors import FpackError
from fpack.store.settings import configuration
from support import debs, elves
from support.archive import Archive, make_deb
from support.task import FakeStore

SECONDS = 10.0
CORPUS = Path(__file__).parent / "corpus"
IMAGE = Path(__file__).parents[1] / "builders/manifest/format-1/greeter.tar"
LIMIT = 1 << 26  # of what an archive may hold


class Hang(BaseException):
    """A decoder that takes too long."""


class Decoder(NamedTuple):
    """A function that reads bytes in an empty directory of its own, and inputs to begin with."""

    read: Callable[[bytes, Path], object]
    seeds: Callable[[], list[bytes]]
    text: bool = False  # mutations keep to printable characters more often


def attempt(name: str, data: bytes) -> bool:
    """Give an input to a decoder. Return whether it was accepted. Raise whatever is a fault."""
    with tempfile.TemporaryDirectory(prefix="fpack-fuzz-") as outer:
        inside = Path(outer, "inside")
        inside.mkdir()
        try:
            with _limited():
                DECODERS[name].read(data, inside)
            return True
        except FpackError as error:
            assert error.what
            return False
        finally:
            assert os.listdir(outer) == ["inside"], "it wrote outside of its directory"
            for path in inside.rglob("*"):
                if path.is_dir() and not path.is_symlink():
                    path.chmod(0o700)


@contextmanager
def _limited() -> Iterator[None]:
    def expired(number: int, frame: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def corpus(name: str) -> list[bytes]:
    """The kept inputs of a decoder: those that once were faults, and its seeds."""
    kept = sorted((CORPUS / name).glob("*")) if (CORPUS / name).is_dir() else []
    return [path.read_bytes() for path in kept] + DECODERS[name].seeds()


# The decoders.


def _canonical(data: bytes, folder: Path) -> None:
    value = canonical.decode(data)
    assert canonical.encode(value) == data


def _derivation(data: bytes, folder: Path) -> None:
    assert derivation.decode(data).encode() == data


def _meta(data: bytes, folder: Path) -> None:
    entries, extra = meta.decode(data)
    assert meta.decode(meta.encode(entries, extra))[0] == entries


def _deb(data: bytes, folder: Path) -> None:
    store = FakeStore(folder)
    path = store.add_file("hello.deb", data)
    try:
        store.build(DebBuilder(), "hello", {"deb": str(path), "package": "hello", "version": "1.0", "arch": "amd64"})
    finally:
        assert sorted(p.name for p in (folder / "store").iterdir())[:1]


def _deb_evidence(data: bytes, folder: Path) -> None:
    (folder / "x.deb").write_bytes(data)
    read_deb(folder / "x.deb")


def _ar(data: bytes, folder: Path) -> None:
    for _, section in ar.members(io.BytesIO(data)):
        section.read(100)


def _tar(data: bytes, folder: Path) -> None:
    section = Section(io.BytesIO(data), len(data))
    archive = tar_reader.TarReader(Stream(blocks(section, ""), LIMIT))
    for member in archive:
        if member.kind == tar_reader.FILE:
            for _ in archive.content():
                pass


def _codec(codec: str) -> Callable[[bytes, Path], None]:
    def read(data: bytes, folder: Path) -> None:
        size = 0
        for block in blocks(Section(io.BytesIO(data), len(data)), codec):
            size += len(block)
            if size > LIMIT:
                break

    return read


def _packages(data: bytes, folder: Path) -> None:
    digest = hashlib.sha256(data).hexdigest()
    index = PackageIndex(Suite("x", "debian"), "amd64", open_table(data, table_file(data, digest), digest))
    for name in index.names():
        try:
            index.packages(name)
        except FpackError:
            pass
        index.providers(name)
    list(SearchTable(make_catalog(data)).find(["a"]))
    assert len(list(packages_of(data))) < 1 << 20


def _stanza(data: bytes, folder: Path) -> None:
    parse_package(data.decode("utf-8", "surrogateescape"), arch="amd64", suite="trixie", archive="debian")


def _offsets(data: bytes, folder: Path) -> None:
    text = _archive()["packages"]
    digest = hashlib.sha256(text).hexdigest()
    opened = open_table(text, data, digest)
    assert list(PackageIndex(Suite("x", "debian"), "amd64", opened).names())


def _release(data: bytes, folder: Path) -> None:
    parse_release(data, "0" * 64, "x")


def _inrelease(data: bytes, folder: Path) -> None:
    (folder / "keyring.pgp").write_bytes(_archive()["keyring"])
    read_release(data, folder / "keyring.pgp", suite="trixie", now=time.time())


def _lock(data: bytes, folder: Path) -> None:
    lock = parse_lock(data.decode("utf-8", "surrogateescape"))
    assert parse_lock(format_lock(lock)) == lock


def _manifest(data: bytes, folder: Path) -> None:
    with bounded():
        reader = ManifestReader(data, "x")
        for _, entries in reader.entries():
            for _ in entries:
                pass


def _json_manifest(data: bytes, folder: Path) -> None:
    with bounded():
        made = b"".join(json_form.parse(data, "x"))
    _manifest(made, folder)


def _image(data: bytes, folder: Path) -> None:
    (folder / "image.tar").write_bytes(data)
    verify(folder / "image.tar", [], [], LocalEvidence(None, folder))


def _layout(data: bytes, folder: Path) -> None:
    """The first byte is the number of the document of a good layout that the other bytes replace."""
    shutil.copytree(_layout_folder(), folder / "layout")
    names = sorted(p for p in (folder / "layout").rglob("*") if p.is_file())
    place = names[data[0] % len(names)] if data else names[0]
    place.chmod(0o600)
    place.write_bytes(data[1:])
    verify(folder / "layout", [], [], LocalEvidence(None, folder))


def _image_record(data: bytes, folder: Path) -> None:
    for name, content in (("image", data), ("config", b"{}"), ("manifest", b"{}")):
        (folder / name).write_bytes(content)
    store = FakeStore(folder / "store")
    read_record(store.tree_at(folder))


def _layer_record(data: bytes, folder: Path) -> None:
    decode_layer(data)


def _settings(data: bytes, folder: Path) -> None:
    (folder / "config.toml").write_bytes(data)
    configuration(str(folder / "config.toml"))


def _elf(data: bytes, folder: Path) -> None:
    (folder / "program").write_bytes(data)
    elf.facts(data[: elf.HEAD], str(folder / "program"))


# Their seeds.


def _values() -> list[bytes]:
    values: list[Any] = [None, True, 0, -1, 127, 128, 2**64 - 1, -(2**63), "", "a" * 40, b"", b"x" * 300, [], [[[]]]]
    values += [{"a": 1, "b": [1, "x", b"y"]}, list(range(20)), {str(n): n for n in range(20)}]
    return [canonical.encode(value) for value in values]


def _derivations() -> list[bytes]:
    output = derivation.Output(bytes(20))
    made = [
        Derivation("text", "a", {"text": "x"}),
        Derivation("exec", "b", {"a": [1]}, (output,), (output,), ("out", "dev")),
    ]
    return [each.encode() for each in made]


def _metas() -> list[bytes]:
    facts = meta.LoadFacts(62, ("libc.so.6",), "libx.so.1", "/lib64/ld", "/x")
    entries = [
        TreeEntry("usr/a", meta.FILE, 0o755, 1, 2, "u", "g", 3, bytes(32), bytes(32), "", facts),
        TreeEntry("usr/d", meta.DIRECTORY, 0o1777),
        TreeEntry("usr/l", meta.SYMLINK, 0o777, target="a"),
    ]
    return [meta.encode([]), meta.encode(entries, {"package": "x"})]


def _debs() -> list[bytes]:
    small = [debs.folder("./usr"), debs.file("./usr/a", b"#!/bin/sh\n", 0o755), debs.symlink("./usr/l", "a")]
    small.append(debs.hard_link("./b", "./usr/a"))
    made = [debs.deb(small, debs.control(version="1.0"), codec=codec) for codec in ("", "gz", "xz", "zst", "bz2")]
    unit = {
        "lib/systemd/system/x.service": "[Service]\nExecStart=/usr/bin/x\n",
        "usr/lib/sysusers.d/x.conf": "u x 5 -\n",
    }
    return [*made, make_deb("hello", files=unit, scripts={"postinst": "update-alternatives --install /a a /b 5\n"})]


def _ars() -> list[bytes]:
    from support.archive import ar as make

    return [b"!<arch>\n", make([("debian-binary", b"2.0\n"), ("odd", b"abc")])]


def _tars() -> list[bytes]:
    long = "n" * 150
    items = [
        debs.folder("./d"),
        debs.file("./" + long, b"x" * 600),
        debs.symlink("./s", long),
        debs.hard_link("./h", "./s"),
    ]
    return [debs.tar(items), debs.tar([])]


def _packed(pack: Callable[[bytes], bytes]) -> Callable[[], list[bytes]]:
    return lambda: [pack(b""), pack(b"some text " * 50), pack(os.urandom(0) + bytes(5000)), pack(b"a") + pack(b"b")]


@cache
def _archive() -> dict[str, bytes]:
    """The files of a small signed archive."""
    with tempfile.TemporaryDirectory() as name:
        archive = Archive(Path(name))
        archive.add("hello", "1.0", depends="libc6 (>= 2) | other, awk", section="misc")
        archive.add("zlib", "1:1.3-1", fields={"Source": "zlib-src (1.3-1)", "Provides": "libz (= 1.3), compress"})
        archive.publish()
        base = Path(name, "debian/dists/trixie")
        (packed,) = base.glob("main/binary-amd64/Packages.xz")
        return {
            "keyring": archive.keyring.read_bytes(),
            "InRelease": (base / "InRelease").read_bytes(),
            "packages": lzma.decompress(packed.read_bytes()),
        }


def _package_seeds() -> list[bytes]:
    return [_archive()["packages"], b"", b"Package: a\n\nPackage: b\nProvides: c,\n d\n"]


def _stanza_seeds() -> list[bytes]:
    return _archive()["packages"].split(b"\n\n")


def _offset_seeds() -> list[bytes]:
    text = _archive()["packages"]
    return [table_file(text, hashlib.sha256(text).hexdigest())]


def _release_seeds() -> list[bytes]:
    text = _archive()["InRelease"].split(b"\n\n", 1)[1].partition(b"-----BEGIN PGP SIGNATURE")[0]
    return [text]


def _lock_seeds() -> list[bytes]:
    digest = "0" * 64
    lines = [
        "fpack-lock 1", "",
        f"suite trixie trixie debian date=2025-06-14T10:00:00Z until=never sha256={digest}",
        f"index trixie trixie amd64 sha256={digest} size=1 packed={digest} packed-size=2 file=main/binary-amd64/P.xz",
        f"package trixie amd64 a 1 arch=all source=b=2 archive=debian date=2025-06-14T10:00:00Z size=1 sha256={digest}"
        " file=a",
        "", "closure trixie amd64 a", "  a:", "",
    ]  # fmt: skip
    return ["\n".join(lines).encode(), b"fpack-lock 1\n"]


@cache
def _layout_folder() -> Path:
    """The image with its manifest as a layout."""
    folder = Path(tempfile.mkdtemp(prefix="fpack-fuzz-layout-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with tarfile.open(IMAGE) as tar:
        tar.extractall(folder, filter="data")
    return folder


def _layout_seeds() -> list[bytes]:
    names = sorted(p for p in _layout_folder().rglob("*") if p.is_file())
    return [bytes([number]) + place.read_bytes() for number, place in enumerate(names)]


def _record_seeds() -> list[bytes]:
    digest = "sha256:" + "0" * 64
    layer = {
        "path": f"/fpack/store/{'0' * 32}-x",
        "media_type": "m",
        "digest": digest,
        "diff_id": digest,
        "packages": ["a"],
    }
    layer |= {"size": 1, "unpacked": 2, "tar": 3, "files": 4}
    empty = f"sha256:{hashlib.sha256(b'{}').hexdigest()}"
    record = {
        "format": 1,
        "name": "a",
        "tag": "1",
        "arch": "amd64",
        "digest": empty,
        "image_id": empty,
        "layers": [layer],
    }
    return [canonical.encode({**record, "root": None, "files": None})]


def _layer_seeds() -> list[bytes]:
    return [LayerInfo("m", "sha256:x", "sha256:y", 1, 2, 3, 4, 5, (1, 2), 0, 0).encode()]


@cache
def _manifest_seeds() -> list[bytes]:
    archive = open_archive(IMAGE, Report())
    try:
        return embedded_manifest.find(archive)
    finally:
        archive.close()


def _json_seeds() -> list[bytes]:
    return [b"".join(json_form.render(ManifestReader(data))) for data in _manifest_seeds()]


def _elf_seeds() -> list[bytes]:
    return [elves.elf("libc.so.6", soname="x", interp="/ld", runpath="/r"), b"#!/usr/bin/env -S a b\n"]


DECODERS: dict[str, Decoder] = {
    "canonical": Decoder(_canonical, _values),
    "derivation": Decoder(_derivation, _derivations),
    "meta": Decoder(_meta, _metas),
    "deb": Decoder(_deb, _debs),
    "deb-evidence": Decoder(_deb_evidence, _debs),
    "ar": Decoder(_ar, _ars),
    "tar": Decoder(_tar, _tars),
    "xz": Decoder(_codec("xz"), _packed(lzma.compress)),
    "zstd": Decoder(_codec("zst"), _packed(lambda data: zstandard.ZstdCompressor().compress(data))),
    "gzip": Decoder(_codec("gz"), _packed(debs.CODECS["gz"])),
    "bzip2": Decoder(_codec("bz2"), _packed(debs.CODECS["bz2"])),
    "packages": Decoder(_packages, _package_seeds, text=True),
    "stanza": Decoder(_stanza, _stanza_seeds, text=True),
    "offsets": Decoder(_offsets, _offset_seeds),
    "release": Decoder(_release, _release_seeds, text=True),
    "inrelease": Decoder(_inrelease, lambda: [_archive()["InRelease"]], text=True),
    "lock": Decoder(_lock, _lock_seeds, text=True),
    "manifest": Decoder(_manifest, _manifest_seeds),
    "json-manifest": Decoder(_json_manifest, _json_seeds, text=True),
    "image": Decoder(_image, lambda: [IMAGE.read_bytes()]),
    "layout": Decoder(_layout, _layout_seeds, text=True),
    "image-record": Decoder(_image_record, _record_seeds),
    "layer-record": Decoder(_layer_record, _layer_seeds),
    "settings": Decoder(_settings, lambda: [b'[debian]\nmirror = ["http://x", "y"]\n[eval]\ntime = 5.5\n'], text=True),
    "elf": Decoder(
        _elf, lambda: [elves.elf("libc.so.6", soname="x", interp="/ld", runpath="/r"), b"#!/usr/bin/env -S a b\n"]
    ),
}
