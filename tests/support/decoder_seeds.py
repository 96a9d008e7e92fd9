"""Good inputs of the decoders that tests/fuzz tries, each of a few hundred or thousand bytes."""

from __future__ import annotations

import atexit
import hashlib
import io
import json
import lzma
import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import zstandard
from fpack.builders.debian.indexes.table import table_file
from fpack.builders.kinds.layer import LayerInfo
from fpack.builders.manifest import json_form
from fpack.builders.manifest.reader import ManifestReader
from fpack.builders.payload import meta
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.verify import embedded_manifest
from fpack.builders.verify.findings import Report
from fpack.builders.verify.image_archive import open_archive
from fpack.store import canonical, derivation
from fpack.store.closure_file.writer import write_closure
from fpack.store.derivation import Derivation
from fpack.store.files.remove import remove_tree
from fpack.store.path import StorePath
from fpack.store.store import Store
from support.archives import debs
from support.archives.archive import Archive, make_deb, pin_of
from support.paths import OLD_IMAGE
from support.reports.vulnerabilities import affected, document, entry, state
from support.stores import elves


def canonical_values() -> list[bytes]:
    values: list[Any] = [None, True, 0, -1, 127, 128, 2**64 - 1, -(2**63), "", "a" * 40, b"", b"x" * 300, [], [[[]]]]
    values += [{"a": 1, "b": [1, "x", b"y"]}, list(range(20)), {str(n): n for n in range(20)}]
    return [canonical.encode(value) for value in values]


def derivation_seeds() -> list[bytes]:
    output = derivation.Output(bytes(20))
    made = [
        Derivation("text", "a", {"text": "x"}),
        Derivation("exec", "b", {"a": [1]}, (output,), (output,), ("out", "dev")),
    ]
    return [each.encode() for each in made]


def meta_seeds() -> list[bytes]:
    facts = meta.LoadFacts(62, ("libc.so.6",), "libx.so.1", "/lib64/ld", ("/x",))
    entries = [
        TreeEntry("usr/a", meta.FILE, 0o755, 1, 2, "u", "g", 3, bytes(32), bytes(32), "", facts),
        TreeEntry("usr/d", meta.DIRECTORY, 0o1777),
        TreeEntry("usr/l", meta.SYMLINK, 0o777, target="a"),
    ]
    return [meta.encode([]), meta.encode(entries, {"package": "x"})]


def deb_seeds() -> list[bytes]:
    small = [debs.folder("./usr"), debs.file("./usr/a", b"#!/bin/sh\n", 0o755), debs.symlink("./usr/l", "a")]
    small.append(debs.hard_link("./b", "./usr/a"))
    made = [debs.deb(small, debs.control(version="1.0"), codec=codec) for codec in ("", "gz", "xz", "zst", "bz2")]
    unit = {
        "lib/systemd/system/x.service": "[Service]\nExecStart=/usr/bin/x\n",
        "usr/lib/sysusers.d/x.conf": "u x 5 -\n",
    }
    return [*made, make_deb("hello", files=unit, scripts={"postinst": "update-alternatives --install /a a /b 5\n"})]


def ar_seeds() -> list[bytes]:
    from support.archives.archive import ar as make

    return [b"!<arch>\n", make([("debian-binary", b"2.0\n"), ("odd", b"abc")])]


def tar_seeds() -> list[bytes]:
    long = "n" * 150
    items = [
        debs.folder("./d"),
        debs.file("./" + long, b"x" * 600),
        debs.symlink("./s", long),
        debs.hard_link("./h", "./s"),
    ]
    return [debs.tar(items), debs.tar([])]


def packed_seeds(pack: Callable[[bytes], bytes]) -> Callable[[], list[bytes]]:
    return lambda: [pack(b""), pack(b"some text " * 50), pack(os.urandom(0) + bytes(5000)), pack(b"a") + pack(b"b")]


@cache
def archive() -> dict[str, bytes]:
    """Return the files of a small signed archive."""
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


def package_seeds() -> list[bytes]:
    return [archive()["packages"], b"", b"Package: a\n\nPackage: b\nProvides: c,\n d\n"]


def stanza_seeds() -> list[bytes]:
    return archive()["packages"].split(b"\n\n")


def offset_seeds() -> list[bytes]:
    text = archive()["packages"]
    return [table_file(text, pin_of(text))]


def release_seeds() -> list[bytes]:
    text = archive()["InRelease"].split(b"\n\n", 1)[1].partition(b"-----BEGIN PGP SIGNATURE")[0]
    return [text]


def contents_seeds() -> list[bytes]:
    lines = [
        "usr/include/a/b.h                   libdevel/a-dev,contrib/b/b-dev",
        "bin/sh                              shells/dash",
        "lib/x86_64-linux-gnu/libz.so.1.3\tlibs/zlib1g",
        "usr/lib/python3/dist-packages/numpy/__init__.py python/python3-numpy",
        "usr/lib/x86_64-linux-gnu/cmake/Z/ZConfig.cmake  libdevel/z",
        "usr/share/doc/with space/\u00e4                 doc/x",
    ]
    return ["\n".join([*lines, ""]).encode(), b""]


def lock_seeds() -> list[bytes]:
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
def layout_folder() -> Path:
    """Return the image with its manifest as a layout."""
    folder = Path(tempfile.mkdtemp(prefix="fpack-fuzz-layout-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with tarfile.open(OLD_IMAGE) as tar:
        tar.extractall(folder, filter="data")
    return folder


def layout_seeds() -> list[bytes]:
    names = sorted(p for p in layout_folder().rglob("*") if p.is_file())
    return [bytes([number]) + place.read_bytes() for number, place in enumerate(names)]


def record_seeds() -> list[bytes]:
    digest = "sha256:" + "0" * 64
    layer: dict[str, Any] = {
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


def layer_seeds() -> list[bytes]:
    return [LayerInfo("m", "sha256:x", "sha256:y", 1, 2, 3, 4, 5, (1, 2), 0, 0).encode()]


@cache
def manifest_seeds() -> list[bytes]:
    archive = open_archive(OLD_IMAGE, Report())
    try:
        return embedded_manifest.find(archive)
    finally:
        archive.close()


def json_seeds() -> list[bytes]:
    return [b"".join(json_form.render(ManifestReader(data))) for data in manifest_seeds()]


def elf_seeds() -> list[bytes]:
    return [elves.elf("libc.so.6", soname="x", interp="/ld", runpath="/r"), b"#!/usr/bin/env -S a b\n"]


def vulnerability_seeds() -> list[bytes]:
    """Data of the tracker, and OSV documents: one, a list, and a zip."""
    data = {"leaf": {"CVE-2026-0001": entry(trixie=state("1.0-2"), sid=state(nodsa="Minor", nodsa_reason="ignored"))}}
    packages = [affected(kind, "leaf", ("introduced", "0"), ("fixed", "2.0")) for kind in ("Debian:13", "npm", "PyPI")]
    about = document("GHSA-1", *packages, aliases=["CVE-2026-0002"], severity=[{"type": "Ubuntu", "score": "low"}])
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("1.json"), json.dumps(about))
    return [*(json.dumps(value).encode() for value in (data, about, [about])), zipped.getvalue()]


@cache
def closure_file() -> bytes:
    """Return a file of two paths, of which one references the other."""
    with tempfile.TemporaryDirectory() as name:
        store = Store(Path(name, "store"))
        paths: list[StorePath] = []
        for number, text in enumerate(("one", "two")):
            writer = store.writer()
            writer.file("bin/f", [text.encode()], executable=True)
            writer.symlink("link", "bin/f")
            paths.append(store.register(text, writer, paths[:], text.encode(), derivation.Output(bytes([number]) * 20)))
        out = io.BytesIO()
        write_closure(store, paths[1:], out)
        store.close()
        remove_tree(Path(name, "store"))
        return out.getvalue()


def stream_seeds() -> list[bytes]:
    data = closure_file()
    at, stream = data.index(b"\n") + 1, b""
    while size := int.from_bytes(data[at : at + 4], "big"):
        stream += zstandard.ZstdDecompressor().decompress(data[at + 4 : at + 4 + size])
        at += 4 + size
    return [stream]
