"""Test which products of an image can have vulnerabilities: source packages of the lock, and locked packages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from fpack.builders.audit.audit import AuditResult
from fpack.builders.audit.inventory import Inventory, inventory, sources
from fpack.builders.audit.model import BinaryPackage
from fpack.builders.manifest.encoding import encode_entry, encode_head
from fpack.builders.manifest.format import (
    Blob,
    Head,
    LockedPackage,
    LockedSuite,
    LockPart,
    ManifestEntry,
    ManifestImage,
    ManifestLayer,
    Origin,
    PathOrigin,
)
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.sbom.lock_files import LockedPart
from fpack.cli.images.audit_report import report
from fpack.cli.images.audits import AuditedImage
from fpack.store.derivation import Derivation, Output, digest

DIGEST = "sha256:" + "0" * 64
INTEGRITY = "sha512-" + "0" * 86 + "=="
SHA256 = "2" * 64


def path(letter: str, name: str) -> str:
    return f"/fpack/store/{letter * 32}-{name}"


def entry(name: str, origin: Origin | None = None, kind: str = "f") -> ManifestEntry:
    if kind == "d":
        return ManifestEntry(name.encode(), "d", 0o755, 0, 0, 0, b"", b"", b"", 0)
    return ManifestEntry(name.encode(), "f", 0o644, 0, 0, 1, b"x" * 32, b"y" * 32, b"", 0, origin)


class Image:
    """A manifest that is made piece by piece."""

    def __init__(self, release: str = "trixie") -> None:
        self.release = release
        self.known: dict[str, bytes] = {}
        self.layers: list[tuple[ManifestLayer, list[ManifestEntry]]] = []
        self.paths: list[PathOrigin] = []
        self.pins: list[LockedPackage] = []

    def add(self, kind: str, name: str, args: Mapping[str, Any], *inputs: Output) -> Output:
        body = Derivation(kind, name, args, tuple(inputs)).encode()
        self.known[digest(body).hex()] = body
        return Output(digest(body))

    def layer(self, where: str, entries: list[ManifestEntry], prefix: str = "") -> None:
        part = ((where, prefix),)
        layer = ManifestLayer(Blob("x", DIGEST, 1), DIGEST, 1, where, "1" * 40, part, len(entries))
        self.layers.append((layer, entries))

    def package(self, letter: str, pin: LockedPackage, *entries: ManifestEntry, version: str = "") -> None:
        """Add a package with entries. version: of the image, if it is not the lock's."""
        self.pins.append(pin)
        where = path(letter, f"{pin.name}-slice")
        made = self.add("slice", f"{pin.name}-slice", {})
        self.paths.append(PathOrigin(where, made.derivation.hex(), pin.name, version or pin.version))
        self.layer(where, list(entries))

    def build(self, letter: str, name: str, made: Output) -> None:
        where = path(letter, name)
        self.paths.append(PathOrigin(where, made.derivation.hex(), "", ""))
        self.layer(where, [entry(f"{where[1:]}/x")], where)

    def reader(self) -> ManifestReader:
        blob = Blob("m", DIGEST, 1)
        about = ManifestImage("app", "1", "amd64", self.paths[0].path, "1" * 40, blob, blob, {}, {})
        suite = LockedSuite(self.release, "debian", 1, None, "4" * 64)
        lock = LockPart(self.release, "amd64", (suite,), (), tuple(self.pins))
        layers = tuple(layer for layer, _ in self.layers)
        head = Head("1", about, layers, tuple(sorted(self.paths)), (), lock, len(self.known))
        data = [encode_head(head), *(self.known[key] for key in sorted(self.known))]
        return ManifestReader(b"".join([*data, *(encode_entry(row) for _, rows in self.layers for row in rows)]))


def pin(name: str, version: str, source: str, source_version: str, archive: str = "debian") -> LockedPackage:
    return LockedPackage(name, version, "amd64", source, source_version, archive, 1, 5, SHA256, f"pool/{name}")


def binaries(found: Inventory, name: str) -> list[str]:
    return [binary.name for product in found.products if product.name == name for binary in product.binaries]


def test_packages_are_grouped_by_the_source_of_the_lock() -> None:
    image = Image()
    image.package("a", pin("libssl3", "3.5.1-1+b2", "openssl", "3.5.1-1"), entry("usr/lib/libssl.so.3"))
    image.package("b", pin("openssl", "3.5.1-1+b2", "openssl", "3.5.1-1"), entry("usr/bin/openssl"))
    image.package("c", pin("gcc", "4:14.2.0-1", "gcc-defaults", "1.220"), entry("usr/bin/gcc"))
    image.package("d", pin("bash", "5.2-1+b1", "bash", "5.2-1", "debian-security"), entry("usr/bin/bash"))
    found = inventory(image.reader(), {})
    assert [(p.ecosystem, p.release, p.name, p.version) for p in found.products] == [
        ("Debian", "trixie", "bash", "5.2-1"),
        ("Debian", "trixie", "gcc-defaults", "1.220"),
        ("Debian", "trixie", "openssl", "3.5.1-1"),
    ]
    assert binaries(found, "openssl") == ["libssl3", "openssl"]
    assert found.products[2].binaries[0] == BinaryPackage("libssl3", "3.5.1-1+b2", "amd64", SHA256)
    assert found.products[2].purl == "pkg:deb/debian/openssl@3.5.1-1?arch=source&distro=trixie"
    assert found.unidentified == () and found.unread == ()


def test_ubuntu_s_packages_are_of_ubuntu() -> None:
    image = Image("noble")
    image.package("a", pin("bash", "5.2-1ubuntu1", "bash", "5.2-1ubuntu1", "ubuntu"), entry("usr/bin/bash"))
    (product,) = inventory(image.reader(), {}).products
    assert (product.ecosystem, product.release) == ("Ubuntu", "noble") and product.purl.startswith("pkg:deb/ubuntu/")


def test_what_is_not_in_the_image_is_left_out() -> None:
    image = Image()
    image.package("a", pin("here", "1-1", "here", "1-1"), entry("usr/here"))
    image.package("b", pin("bare", "1-1", "bare", "1-1"), entry("usr", kind="d"))
    image.package("c", pin("none", "1-1", "none", "1-1"))
    image.package("d", pin("made", "1-1", "made", "1-1"))
    script = Origin("configured", package="made", script="postinst", sha256=b"3" * 32)
    image.paths.append(PathOrigin(path("g", "root"), image.add("root", "root", {}).derivation.hex(), "", ""))
    image.layer(
        path("g", "root"), [entry("etc/made.conf", script), entry("etc/passwd", Origin("generated", "accounts"))]
    )
    found = inventory(image.reader(), {})
    assert [product.name for product in found.products] == ["here", "made"] and found.unidentified == ()


def test_a_package_that_the_lock_does_not_have_is_told() -> None:
    image = Image()
    image.package("a", pin("own", "1-1", "own", "1-1"), entry("usr/own"), version="1-1+own")
    image.package("b", pin("other", "1-1", "other", "1-1", "elsewhere"), entry("usr/other"))
    found = inventory(image.reader(), {})
    assert found.products == () and found.unlocked == ("other 1-1", "own 1-1+own") and found.unidentified == ()
    audited = AuditedImage("x", "1", "sha256:0", "amd64", 0, found, AuditResult((), ()))
    (reason,) = report("x", audited, [], [], 0.0, None).unchecked
    assert reason == "the lock does not name the source of other 1-1, own 1-1+own", "the audit is not complete"


@pytest.fixture
def built() -> tuple[Image, str]:
    """Return an image with a build of every kind of package, and the digest of its source."""
    image = Image()
    npm = image.add("npm", "x", {"path": "@tree/leaf/-/leaf-1.2.0.tgz", "url": "", "integrity": INTEGRITY})
    pypi = image.add(
        "pypi", "y", {"project": "My_Leaf", "version": "2.0", "hashes": [SHA256], "urls": [], "optional": False}
    )
    go = image.add("gomod", "z", {"module": "example.org/leaf", "version": "v1.4.0", "zip": True})
    only = image.add("gomod", "w", {"module": "example.org/other", "version": "v1.0.0", "zip": False})
    crate = image.add("fetch", "serde", {"urls": ["https://x.example/serde-1.0.2.crate"], "sha256": SHA256, "size": 1})
    tarball = image.add("fetch", "zlib", {"urls": ["https://x.example/zlib-1.3.tar.gz"], "sha256": SHA256, "size": 1})
    file = image.add("fetch", "gcc", {"urls": ["mirror://debian/pool/gcc_1-1_amd64.deb"], "sha256": SHA256, "size": 1})
    compiler = image.add("deb", "gcc", {"package": "gcc", "version": "1-1", "arch": "amd64"}, file)
    source = image.add("source", "app-src", {"tree": "a" * 64})
    tools = image.add("root", "tools", {}, compiler)
    image.build("f", "app-1.0", image.add("exec", "app-1.0", {}, tools, npm, pypi, go, only, crate, tarball, source))
    return image, source.derivation.hex()


def test_packages_of_registries_are_those_that_builds_are_made_of(built: tuple[Image, str]) -> None:
    image, source = built
    locked = (LockedPart("cargo", "rand", "0.9.0"), LockedPart("gem", "rack", "3.0"))
    found = inventory(image.reader(), {source: locked})
    assert [(p.ecosystem, p.name, p.version) for p in found.products] == [
        ("Go", "example.org/leaf", "v1.4.0"),
        ("PyPI", "my-leaf", "2.0"),
        ("RubyGems", "rack", "3.0"),
        ("crates.io", "rand", "0.9.0"),
        ("crates.io", "serde", "1.0.2"),
        ("npm", "@tree/leaf", "1.2.0"),
    ]
    assert found.unidentified == ("app-1.0", "app-src", "zlib 1.3") and found.unread == ()
    assert sources(image.reader()) == {source: ("app-src", "a" * 64)}


def test_a_source_that_is_not_at_hand_is_told(built: tuple[Image, str]) -> None:
    image, _ = built
    found = inventory(image.reader(), {})
    assert found.unread == ("app-src",) and "rack" not in {product.name for product in found.products}


def test_a_package_of_a_registry_that_is_itself_in_the_image() -> None:
    image = Image()
    made = image.add("npm", "x", {"path": "leaf/-/leaf-1.2.0.tgz", "url": "", "integrity": INTEGRITY})
    image.build("f", "leaf-1.2.0.tgz", made)
    found = inventory(image.reader(), {})
    assert [(p.ecosystem, p.name) for p in found.products] == [("npm", "leaf")] and found.unidentified == ()
