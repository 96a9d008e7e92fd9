"""The decoders of bytes that others wrote, each with small inputs to begin with.

A decoder may accept an input or raise FpackError; anything else is a fault: another exception, more than SECONDS, a
file outside its directory.
"""

from __future__ import annotations

import io
import lzma
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import zstandard
from fpack.builders.audit.accepted import read_accepted
from fpack.builders.audit.audit import audit
from fpack.builders.audit.databases.files import compile_file, open_compiled
from fpack.builders.audit.model import Product
from fpack.builders.debian.contents.index import ContentsIndex
from fpack.builders.debian.contents.table import FileTable, pack_rows
from fpack.builders.debian.contents.text import parse_rows
from fpack.builders.debian.indexes.package_index import PackageIndex
from fpack.builders.debian.indexes.search_table import SearchTable, make_catalog
from fpack.builders.debian.indexes.table import MAX_ENTRIES, open_table, packages_of, table_file
from fpack.builders.debian.lock.text import format_lock, parse_lock
from fpack.builders.debian.package import parse_package
from fpack.builders.debian.release import parse_release, read_release
from fpack.builders.debian.suites import Suite
from fpack.builders.kinds.deb import DebBuilder
from fpack.builders.kinds.layer import decode as decode_layer
from fpack.builders.manifest import json_form
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.oci.image_record import read as read_record
from fpack.builders.payload import elf, meta
from fpack.builders.streams import ar, tar_reader
from fpack.builders.streams.stream import Section, Stream, blocks
from fpack.builders.verify.evidence.deb_reader import read as read_deb
from fpack.builders.verify.evidence.local import LocalEvidence
from fpack.builders.verify.manifest_loading import bounded
from fpack.builders.verify.verify import verify
from fpack.store import canonical, derivation
from fpack.store.closure_file.format import BLOCK, FIRST_LINE
from fpack.store.closure_file.format import FORMAT as CLOSURE_FORMAT
from fpack.store.closure_file.importer import import_closure
from fpack.store.errors import FpackError
from fpack.store.settings import configuration
from fpack.store.store import Store
from support import decoder_seeds as seeds
from support.archives import debs
from support.archives.archive import pin_of
from support.faults.injection import memory
from support.paths import OLD_IMAGE
from support.stores.task import FakeStore

sys.path.insert(0, str(Path(__file__).parent))

from remote_decoders import REMOTE

SECONDS = 10.0
CORPUS = Path(__file__).parent / "corpus"
QUERIES = 10_000  # packages of an index that are asked for
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
    with tempfile.TemporaryDirectory(prefix="fpack-fuzz-", dir=memory()) as outer:
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
    """Return the kept inputs of a decoder: those that once were faults, and its seeds."""
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
    pin = pin_of(data)
    index = PackageIndex(Suite("x", "debian"), "amd64", open_table(data, table_file(data, pin), pin))
    for name in islice(index.names(), QUERIES):
        try:
            index.packages(name)
        except FpackError:
            pass
        index.providers(name)
    assert sum(1 for _ in index.names()) <= MAX_ENTRIES
    list(SearchTable(make_catalog(data)).find(["a"]))
    assert len(list(packages_of(data))) < 1 << 20


def _contents(data: bytes, folder: Path) -> None:
    table = FileTable(memoryview(pack_rows(parse_rows([data[: len(data) // 2], data[len(data) // 2 :]]))))
    index = ContentsIndex("trixie", "amd64", 0, [table])
    for entry in index.matching(lambda path: True, limit=QUERIES):
        assert entry.path.isprintable() and entry.packages and index.at(entry.path) == entry.packages
        assert entry in index.named(entry.path.rpartition("/")[2], 1 << 20)


def _stanza(data: bytes, folder: Path) -> None:
    parse_package(data.decode("utf-8", "surrogateescape"), arch="amd64", suite="trixie", archive="debian")


def _offsets(data: bytes, folder: Path) -> None:
    text = seeds.archive()["packages"]
    opened = open_table(text, data, pin_of(text))
    assert list(PackageIndex(Suite("x", "debian"), "amd64", opened).names())


def _release(data: bytes, folder: Path) -> None:
    parse_release(data, "0" * 64, "x")


def _inrelease(data: bytes, folder: Path) -> None:
    (folder / "keyring.pgp").write_bytes(seeds.archive()["keyring"])
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
    """Read a layout of which one document is replaced. The first byte selects it, the others are its content."""
    shutil.copytree(seeds.layout_folder(), folder / "layout")
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


def _vulnerabilities(data: bytes, folder: Path) -> None:
    opened = open_compiled(compile_file(io.BytesIO(data), "data"))
    for ecosystem, name, version in (("Debian", "leaf", "1.0-1"), ("npm", "leaf", "1.0.0"), ("PyPI", "leaf", "1.0")):
        audit([Product(ecosystem, "trixie", name, version, "")], [opened])


def _accepted(data: bytes, folder: Path) -> None:
    read_accepted(data, "accepted.toml")


def _closure(data: bytes, folder: Path) -> None:
    store = Store(folder / "store")
    try:
        import_closure(store, io.BytesIO(data))
    finally:
        store.close()


def _closure_stream(data: bytes, folder: Path) -> None:
    """Read the stream of a closure file, put into blocks as the writer does."""
    made = FIRST_LINE + b"%d\n" % CLOSURE_FORMAT
    for at in range(0, len(data), BLOCK):
        frame = zstandard.ZstdCompressor(write_checksum=True).compress(data[at : at + BLOCK])
        made += len(frame).to_bytes(4, "big") + frame
    _closure(made + bytes(4), folder)


DECODERS: dict[str, Decoder] = {
    "canonical": Decoder(_canonical, seeds.canonical_values),
    "derivation": Decoder(_derivation, seeds.derivation_seeds),
    "meta": Decoder(_meta, seeds.meta_seeds),
    "deb": Decoder(_deb, seeds.deb_seeds),
    "deb-evidence": Decoder(_deb_evidence, seeds.deb_seeds),
    "ar": Decoder(_ar, seeds.ar_seeds),
    "tar": Decoder(_tar, seeds.tar_seeds),
    "xz": Decoder(_codec("xz"), seeds.packed_seeds(lzma.compress)),
    "zstd": Decoder(_codec("zst"), seeds.packed_seeds(lambda data: zstandard.ZstdCompressor().compress(data))),
    "gzip": Decoder(_codec("gz"), seeds.packed_seeds(debs.CODECS["gz"])),
    "bzip2": Decoder(_codec("bz2"), seeds.packed_seeds(debs.CODECS["bz2"])),
    "packages": Decoder(_packages, seeds.package_seeds, text=True),
    "contents": Decoder(_contents, seeds.contents_seeds, text=True),
    "stanza": Decoder(_stanza, seeds.stanza_seeds, text=True),
    "offsets": Decoder(_offsets, seeds.offset_seeds),
    "release": Decoder(_release, seeds.release_seeds, text=True),
    "inrelease": Decoder(_inrelease, lambda: [seeds.archive()["InRelease"]], text=True),
    "lock": Decoder(_lock, seeds.lock_seeds, text=True),
    "manifest": Decoder(_manifest, seeds.manifest_seeds),
    "json-manifest": Decoder(_json_manifest, seeds.json_seeds, text=True),
    "image": Decoder(_image, lambda: [OLD_IMAGE.read_bytes()]),
    "layout": Decoder(_layout, seeds.layout_seeds, text=True),
    "image-record": Decoder(_image_record, seeds.record_seeds),
    "layer-record": Decoder(_layer_record, seeds.layer_seeds),
    "settings": Decoder(_settings, lambda: [b'[debian]\nmirror = ["http://x", "y"]\n[eval]\ntime = 5.5\n'], text=True),
    "closure-file": Decoder(_closure, lambda: [seeds.closure_file()]),
    "closure-stream": Decoder(_closure_stream, seeds.stream_seeds),
    "elf": Decoder(_elf, seeds.elf_seeds),
    "vulnerabilities": Decoder(_vulnerabilities, seeds.vulnerability_seeds, text=True),
    "accepted": Decoder(_accepted, lambda: [b'[[accept]]\nid="CVE-1-1"\nreason="x"\nuntil=2026-01-01\n'], text=True),
}
DECODERS |= {name: Decoder(*parts) for name, parts in REMOTE.items()}
