"""Sources that an image carries and that are not what its manifest names: they are named, and no store gets them."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fpack.builders.kinds.source import SourceBuilder
from fpack.builders.manifest.format import SOURCES
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.manifest.source_trees import SourceInLayer
from fpack.builders.verify import carried_sources
from fpack.builders.verify.documents import BadDocument
from fpack.builders.verify.findings import Report
from fpack.builders.verify.image_archive import open_archive
from fpack.builders.verify.source_intake import MissingSources, SourceIntake
from fpack.store.closure_file.reader import NullSink
from fpack.store.closure_file.writer import write_closure
from fpack.store.derivation import Derivation, Output
from fpack.store.errors import FpackError
from fpack.store.path import StorePath
from fpack.store.store import Store
from support.images.forge import Forgery, canonical
from support.images.shop import Shop
from support.images.tamper import Image, node
from support.reports.evidence import says, verify_alone

CONF = {"shop.conf": b"open = 9\n", "deep/kept.log": b"kept\n", "deep/run": b"#!/bin/sh\n"}
WANTED = {"conf", "copy", "data", "site", "start.sh", "page.html"}


@pytest.fixture
def image(packed_shop: Shop) -> Image:
    return Image.load(packed_shop.tar)


@pytest.fixture
def forgery(packed_shop: Shop) -> Forgery:
    return Forgery(packed_shop.tar)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store of the attacker's."""
    return Store(tmp_path / "attacker")


def put(store: Store, name: str, files: dict[str, bytes], references: list[StorePath] | None = None) -> StorePath:
    writer = store.writer()
    for path, content in files.items():
        writer.file(path, [content], content.startswith(b"#!"))
    if "deep/run" in files:
        writer.symlink("link", "deep/run")
    key = hashlib.sha256(name.encode()).digest()[:20]
    return store.register(name, writer, references or [], key, Output(key))


def closure(store: Store, *paths: StorePath) -> bytes:
    out = io.BytesIO()
    write_closure(store, paths, out)
    return out.getvalue()


def carried(image: Image) -> bytes:
    """Return the closure file that an image carries."""
    ((artifact, blobs),) = image.artifacts
    (layer,) = (each for each in artifact["layers"] if each["mediaType"] == SOURCES)
    return blobs[layer["digest"]]


def carry(image: Image, *files: bytes) -> Image:
    """Let an image carry other closure files."""
    ((artifact, blobs),) = image.artifacts
    artifact["layers"] = [each for each in artifact["layers"] if each["mediaType"] != SOURCES]
    for data in files:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        artifact["layers"].append({"mediaType": SOURCES, "digest": digest, "size": len(data)})
        blobs[digest] = data
    return image


def taken(tar: Path, place: Path) -> tuple[set[str], str]:
    """Return the names of the sources that a rebuild takes from an image, and what it says of missing ones."""
    store = Store(place / "rebuild")
    try:
        reader = ManifestReader(canonical(tar))
        intake = SourceIntake(store, reader.derivations, SourceBuilder({}))
        archive = open_archive(tar, Report())
        try:
            intake.take_from_image(archive, reader)
        finally:
            archive.close()
        paths = list(store.database.paths())
        try:
            intake.check()
            why = ""
        except MissingSources as error:
            why = str(error)
        named = {drv.args["tree"] for drv in reader.derivations.values() if drv.kind == "source"}
        assert all(info.tree.hex() in named and store.tree(info.path).node() for info in paths)
        return {info.path.name for info in paths}, why
    finally:
        store.close()


def test_an_honest_image_has_them_all(packed_shop: Shop, image: Image, store: Store, tmp_path: Path) -> None:
    assert not verify_alone(packed_shop.tar).report.findings
    assert taken(packed_shop.tar, tmp_path) == (WANTED, "")
    # The test's own closure is as honest.
    again = carry(image, closure(store, put(store, "conf", CONF))).save(tmp_path / "again.tar")
    assert not verify_alone(again).report.findings
    assert taken(again, tmp_path / "again")[0] == WANTED


@pytest.mark.parametrize("extra", [False, True], ids=["instead", "besides"])
def test_a_source_of_another_content_is_refused(image: Image, store: Store, tmp_path: Path, extra: bool) -> None:
    evil = put(store, "conf", {**CONF, "shop.conf": b"open = 0\n"})
    paths = [evil, put(store, "copy", CONF)] if extra else [evil]
    tar = carry(image, closure(store, *paths)).save(tmp_path / "evil.tar")
    assert says(verify_alone(tar).report.findings, "it holds conf, which is no source of the manifest")
    found, why = taken(tar, tmp_path)
    assert found == WANTED - {"conf", "copy"}, "nothing of the file is used"
    assert "does not carry the source conf" in why and "is no source of the manifest" in why


def test_a_good_closure_file_serves_beside_a_bad_one(packed_shop: Shop, store: Store, tmp_path: Path) -> None:
    evil = closure(store, put(store, "conf", {"shop.conf": b"open = 0\n"}))
    good = carried(Image.load(packed_shop.tar))
    for number, files in enumerate([(good, evil), (evil, good)]):
        tar = carry(Image.load(packed_shop.tar), *files).save(tmp_path / f"{number}.tar")
        assert verify_alone(tar).report.findings
        assert taken(tar, tmp_path / str(number)) == (WANTED, "")


def test_a_source_with_references_is_refused(image: Image, store: Store, tmp_path: Path) -> None:
    conf = put(store, "conf", CONF)
    user = put(store, "user", {"path": str(conf).encode()}, [conf])
    tar = carry(image, closure(store, user)).save(tmp_path / "evil.tar")
    assert says(verify_alone(tar).report.findings, "it holds user, which is no source of the manifest")
    assert taken(tar, tmp_path)[0] == WANTED - {"conf", "copy"}


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[:-5],
    "empty": lambda data: b"",
    "longer": lambda data: data + b"\0",
    "another format": lambda data: data.replace(b"closure 1\n", b"closure 2\n", 1),
    "no closure": lambda data: b"\x28\xb5\x2f\xfd" + data,
    "a flipped bit of the content": lambda data: data[:-20] + bytes([data[-20] ^ 1]) + data[-19:],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_closure_file_is_refused(image: Image, tmp_path: Path, damage: str) -> None:
    tar = carry(image, DAMAGES[damage](carried(image))).save(tmp_path / "evil.tar")
    (finding,) = verify_alone(tar).report.findings
    assert finding.kind == "blob" and finding.where.startswith("blobs/sha256/")
    found, why = taken(tar, tmp_path)
    assert found == WANTED - {"conf", "copy"} and "does not carry the source conf" in why


def test_a_missing_closure_file_is_named(image: Image, tmp_path: Path) -> None:
    tar = image.save(tmp_path / "evil.tar")
    name = f"blobs/sha256/{hashlib.sha256(carried(image)).hexdigest()}"
    with tarfile.open(tar) as old, tarfile.open(tmp_path / "less.tar", "w", format=tarfile.USTAR_FORMAT) as new:
        for member in old:
            if member.name != name:
                new.addfile(member, old.extractfile(member))
    assert says(verify_alone(tmp_path / "less.tar").report.findings, "missing")
    assert taken(tmp_path / "less.tar", tmp_path)[0] == WANTED - {"conf", "copy"}


@pytest.mark.parametrize(("name", "limit"), [("MAX_SOURCES", 20), ("MAX_SOURCE_ENTRIES", 3)])
def test_sources_beyond_the_limits_are_refused(
    packed_shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, limit: int
) -> None:
    monkeypatch.setattr(carried_sources, name, limit)
    assert says(verify_alone(packed_shop.tar).report.findings, str(limit))
    found, why = taken(packed_shop.tar, tmp_path)
    assert "conf" not in found and str(limit) in why


def test_a_layer_is_not_read_for_each_of_many_nested_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[set[bytes]] = []
    monkeypatch.setattr(carried_sources, "_extract", lambda archive, layer, chosen, limits: passes.append(set(chosen)))
    layer: Any = SimpleNamespace(blob=SimpleNamespace(digest="sha256:" + "0" * 64))
    archive: Any = None

    def extract(*paths: bytes) -> None:
        found = {f"{number:064x}": SourceInLayer(0, path, False) for number, path in enumerate(paths)}
        limits = carried_sources.SourceLimits()
        carried_sources.extract(archive, layer, found, limits, lambda tree: NullSink())

    extract(b"a", b"a/b", b"c")
    assert passes == [{b"a", b"c"}, {b"a/b"}]
    with pytest.raises(BadDocument, match="within one another"):
        extract(*(b"/".join([b"a"] * depth) for depth in range(1, 90)))
    assert len(passes) == 2 + carried_sources.MAX_PASSES


def test_a_layer_that_is_not_as_the_manifest_says_gives_no_source(forgery: Forgery, tmp_path: Path) -> None:
    """The manifest has the digests of the source, and the layer other bytes."""
    site = "srv/site/page.html"
    old = next(row for rows in forgery.rows for row in rows if row.path == site.encode())
    forgery.change(site, content=b"<p>evil!\n")
    forgery.entry(site, blake3=old.blake3, sha256=old.sha256, size=old.size)
    tar = forgery.save(tmp_path / "evil.tar")
    found, why = taken(tar, tmp_path)
    # A forgery carries no closure file.
    assert found == WANTED - {"site", "page.html", "conf", "copy"} and "differs from the manifest's" in why


def test_a_layer_cannot_write_outside_of_a_source(forgery: Forgery, tmp_path: Path) -> None:
    """A link in the layer leads out of the tree, and a file of the tree lies behind it."""
    layer, number = forgery.image.find("srv/site/deep")
    outside = tmp_path / "outside"
    outside.mkdir()
    layer.members[number] = node("srv/site/deep", kind=b"2", target=str(outside).encode(), mode=0o777)
    tar = forgery.save(tmp_path / "evil.tar")
    found, why = taken(tar, tmp_path)
    assert "site" not in found and "leads through a symlink" in why and not list(outside.iterdir())


def test_entries_more_in_a_layer_give_no_source(forgery: Forgery, tmp_path: Path) -> None:
    layer, _ = forgery.image.find("srv/site/deep")
    layer.members.append(node("srv/site/deep/more", b"more"))
    tar = forgery.save(tmp_path / "evil.tar")
    found, why = taken(tar, tmp_path)
    assert "site" not in found and "differs from the manifest's" in why


@pytest.mark.parametrize(("name", "tree"), [("../conf", "0" * 64), ("conf", "0" * 63), ("conf", None), ("conf", "..")])
def test_a_derivation_without_a_name_or_digest_is_refused(tmp_path: Path, name: str, tree: str | None) -> None:
    drv = Derivation("source", name, {"tree": tree})
    with pytest.raises(FpackError):
        SourceIntake(Store(tmp_path), {"00" * 20: drv}, SourceBuilder({}))
