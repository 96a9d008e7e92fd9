"""Make bills of materials for tests: one with each case that a format must write, and one with many files."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from fpack.builders.sbom.model import (
    BUILD_TOOL_OF,
    BUILT_USING,
    CONTAINS,
    DEPENDS_ON,
    GENERATED_FROM,
    Bill,
    BillFile,
    BillRelation,
    Component,
    Hashes,
    Licence,
    LicenceText,
)

SERIAL = "6f1c2c36-3a52-5e0c-9c5f-0d3b1f6f7a11"
LAYER = "sha256:" + "ab" * 32
_MAINTAINERS = "Debian Tree Maintainers <tree@lists.example.org>"


def digests(content: str | bytes) -> Hashes:
    """Return the digests of a text or of bytes."""
    data = content.encode() if isinstance(content, str) else content
    return Hashes(*(hashlib.new(name, data).hexdigest() for name in ("sha256", "sha512", "sha1")))


def raw(path: str) -> bytes:
    """Return the bytes of a path of a bill."""
    return path.encode("utf-8", "surrogateescape")


def _escape(version: str) -> str:
    """Return a version as a CPE has it: with a backslash before punctuation."""
    return re.sub(r"([^A-Za-z0-9._-])", r"\\\1", version)


def deb(name: str, version: str, arch: str = "amd64", *, source: str = "", **fields: Any) -> Component:
    """Return a Debian package. source: `NAME@VERSION` with percent-encoding, if it differs from the package's own."""
    purl = f"pkg:deb/debian/{name}@{version.replace('+', '%2B').replace(':', '%3A')}?arch={arch}&distro=trixie"
    if source:
        purl += f"&upstream={source.replace('@', '%40').replace('+', '%2B').replace(':', '%3A')}"
    plain = Component(
        ref=purl,
        kind="deb",
        name=name,
        version=version,
        arch=arch,
        purl=purl,
        cpe=f"cpe:2.3:a:{name}:{name}:{_escape(version.split('-')[0].split(':')[-1])}:*:*:*:*:*:*:*",
        supplier=_MAINTAINERS,
        originator="Åsa Löv <asa@example.org>\nTree Group\n",
        homepage=f"https://{name}.example.org/",
        description=f"the package {name}",
        declared=Licence("Expat", "MIT"),
        effective=Licence("Expat", "MIT"),
        copyright="2020 Åsa Löv",
        hashes=digests(name + version + arch),
        size=1234,
        urls=(f"https://deb.example.org/pool/{name}_{version}_{arch}.deb",),
        file=f"{name}_{version.replace(':', '%3a')}_{arch}.deb",
    )
    return plain._replace(**fields)


def source(name: str, version: str) -> Component:
    """Return a Debian source package."""
    purl = f"pkg:deb/debian/{name}@{version.replace('+', '%2B').replace(':', '%3A')}?arch=source"
    return Component(
        ref=purl,
        kind="deb-source",
        name=name,
        version=version,
        arch="source",
        purl=purl,
        supplier=_MAINTAINERS,
        homepage=f"https://{name}.example.org/",
        declared=Licence("Expat", "MIT"),
        effective=Licence("Expat", "MIT"),
        copyright="2020 Åsa Löv",
        urls=(f"https://deb.example.org/pool/{name}_{version}.dsc",),
    )


def file(path: str, component: str, kind: str = "f", **fields: Any) -> BillFile:
    """Return an entry of an image; a file's content is its path, and that of a link its target."""
    content = {"f": raw(path).hex().encode(), "l": raw(fields.get("target", ""))}.get(kind)
    sums = digests(content) if content is not None else Hashes()
    mode = {"f": 0o644, "d": 0o755, "l": 0o777}[kind]
    plain = BillFile(path, kind, mode, 0, 0, 10, sums, "", component, LAYER, False, False, False, Licence(), "")
    return plain._replace(**fields)


def everything() -> Bill:
    """Return a bill with each case that a format must write.

    These are: a binary rebuild (`+b1`), an epoch, a second architecture, names that are not ASCII or not UTF-8,
    licences with and without an expression, two texts under one id, a text that is missing, Built-Using, and a build
    with tools.
    """
    subject = Component(
        ref="pkg:oci/tree@sha256%3A" + "12" * 32 + "?arch=amd64",
        kind="container",
        name="tree",
        version="1.0",
        arch="amd64",
        purl="pkg:oci/tree@sha256%3A" + "12" * 32 + "?arch=amd64",
        supplier="Tree Foundation <https://tree.example.org/>",
        declared=Licence("Apache-2.0", "Apache-2.0"),
        effective=Licence("Apache-2.0", "Apache-2.0"),
        copyright="2024 Tree Foundation",
        hashes=Hashes("12" * 32, digests("manifest").sha512),
        file="blobs/sha256/" + "12" * 32,
    )
    system = Component(
        ref="pkg:generic/debian@13",
        kind="operating-system",
        name="debian",
        version="13",
        cpe="cpe:2.3:o:debian:debian_linux:13:*:*:*:*:*:*:*",
        supplier="Debian <https://www.debian.org/>",
        homepage="https://www.debian.org/",
        declared=Licence("", "LicenseRef-debian-base-files-1"),
        effective=Licence("", "LicenseRef-debian-base-files-1"),
        copyright="1995 Debian",
        hashes=digests("os-release"),
        file="usr/lib/os-release",
        urls=("https://www.debian.org",),
    )
    own = "LicenseRef-debian-libtree-1"
    tree = deb(
        "libtree1",
        "1:2.0~rc1+dfsg-3+b1",
        source="tree@1:2.0~rc1+dfsg-3",
        declared=Licence("GPL-2+ or Tree", f"GPL-2.0-or-later OR {own}"),
        effective=Licence("Tree", own),
        texts=(LicenceText(own, "Tree", "Do what you like with this tree.\n\tÅsa & Co. <asa>\n"),),
        urls=("https://deb.example.org/a.deb", "https://snapshot.example.org/a.deb"),
    )
    other = deb(
        "libtree1",
        "1:2.0-1",
        "i386",
        source="tree@1:2.0-1",
        declared=Licence("Tree", own),
        effective=Licence("Tree", own),
        texts=(LicenceText(own, "Tree", "Plant another tree."),),
        originator="",
    )
    bare = deb(
        "bare", "0.1-1", declared=Licence("strange"), effective=Licence("strange"), copyright="", cpe="", homepage=""
    )
    missing = deb("missing", "3", declared=Licence("Odd", "LicenseRef-odd"), effective=Licence("Odd", "LicenseRef-odd"))
    built = Component(
        ref="path:0123456789abcdfghijklmnpqrsvwxyz-tool-1.2",
        kind="build",
        name="tool",
        version="1.2",
        supplier="Jürgen Müller (the younger) <j@example.org>",
        declared=Licence("", "MIT"),
        effective=Licence("", "MIT"),
    )
    upstream = Component(
        ref="path:1123456789abcdfghijklmnpqrsvwxyz-tool-1.2.tar.gz",
        kind="source",
        name="tool-1.2.tar.gz",
        hashes=digests("tool-1.2.tar.gz"),
        urls=("https://tool.example.org/tool-1.2.tar.gz",),
        file="tool-1.2.tar.gz",
    )
    module = Component(
        ref="pkg:npm/%40tree/leaf@1.0.0",
        kind="npm",
        name="@tree/leaf",
        version="1.0.0",
        purl="pkg:npm/%40tree/leaf@1.0.0",
        declared=Licence("MIT", "MIT"),
        effective=Licence("MIT", "MIT"),
    )
    compiler = deb("cc", "14.2.0-19", build_only=True)
    static = source("static", "5-1")
    sources = (source("tree", "1:2.0~rc1+dfsg-3"), source("tree", "1:2.0-1"), source("bare", "0.1-1"))
    parts = (system, tree, other, bare, missing, built, upstream, module, compiler, static, *sources)
    relations = [
        BillRelation(subject.ref, CONTAINS, part.ref) for part in (system, tree, other, bare, missing, built, module)
    ]
    relations += [
        BillRelation(tree.ref, DEPENDS_ON, bare.ref),
        BillRelation(built.ref, DEPENDS_ON, tree.ref),
        BillRelation(built.ref, DEPENDS_ON, module.ref),
        BillRelation(tree.ref, GENERATED_FROM, sources[0].ref),
        BillRelation(other.ref, GENERATED_FROM, sources[1].ref),
        BillRelation(bare.ref, GENERATED_FROM, sources[2].ref),
        BillRelation(tree.ref, BUILT_USING, static.ref),
        BillRelation(built.ref, GENERATED_FROM, upstream.ref),
        BillRelation(compiler.ref, BUILD_TOOL_OF, built.ref),
    ]
    files = (
        file("etc", "", "d"),
        file("usr/bin/tool", built.ref, mode=0o755, executable=True),
        file("usr/lib/libtree.so", tree.ref, "l", target="libtree.so.1"),
        file("usr/lib/libtree.so.1", tree.ref, executable=True, licence=Licence("Tree", own), copyright="2019 Åsa Löv"),
        file("usr/lib/libtree32.so.1", other.ref, executable=True, licence=Licence("Tree", own)),
        file("usr/share/tree/a b\\c%.jar", tree.ref, archive=True, structured=True, licence=Licence("Expat", "MIT")),
        file("usr/share/tree/caf\udce9", tree.ref, "l", target="caf\udce9.txt"),
        file("usr/share/tree/caf\udce9.txt", tree.ref),
        file("usr/share/tree/žluť\n", bare.ref, uid=1000, gid=1000),
    )
    return Bill(
        subject,
        tuple(sorted(parts)),
        tuple(sorted(files, key=lambda entry: entry.path.encode("utf-8", "surrogateescape"))),
        tuple(sorted(relations)),
        tool="0.1.0",
        created=1780000000,
        serial=SERIAL,
        complete=True,
    )


def large(files: int, packages: int = 50) -> Bill:
    """Return a bill with many files, as an image of Debian's packages has them."""
    subject = Component("pkg:oci/large", "container", "large", "1", purl="pkg:oci/large")
    debs = [deb(f"lib{number}", "1.0-1+b1", source=f"s{number}@1.0-1") for number in range(packages)]
    sources = [source(f"s{number}", "1.0-1") for number in range(packages)]
    relations = [BillRelation(subject.ref, CONTAINS, part.ref) for part in debs]
    relations += [
        BillRelation(part.ref, GENERATED_FROM, origin.ref) for part, origin in zip(debs, sources, strict=True)
    ]
    relations += [BillRelation(a.ref, DEPENDS_ON, b.ref) for a, b in zip(debs, debs[1:], strict=False)]
    licence = Licence("GPL-2+", "GPL-2.0-or-later")
    entries = (
        file(
            f"usr/share/large/{number % 997:03}/file-{number:06}.txt",
            debs[number % packages].ref,
            licence=licence,
            copyright="2001-2024 The Authors of Many Files",
        )
        for number in range(files)
    )
    parts = tuple(sorted([*debs, *sources]))
    return Bill(subject, parts, tuple(sorted(entries)), tuple(sorted(relations)), "0.1.0", 1780000000, SERIAL, True)
