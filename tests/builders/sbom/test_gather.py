"""The bill of an image with a build from source: its sources, tools and parts, from a manifest made by hand."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

import pytest
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
from fpack.builders.sbom import documents
from fpack.builders.sbom.facts import ARCHIVE, Facts, FileFacts, OsRelease, PackageFacts
from fpack.builders.sbom.fragments import FragmentPart
from fpack.builders.sbom.gather import gather
from fpack.builders.sbom.licences.copyright_file import read_copyright
from fpack.builders.sbom.lock_files import LockedPart
from fpack.builders.sbom.model import (
    BUILD_TOOL_OF,
    CONTAINS,
    DEPENDS_ON,
    GENERATED_FROM,
    Bill,
    BillRelation,
    Hashes,
    Licence,
)
from fpack.builders.sbom.parts.part import PartFacts
from fpack.store.derivation import Derivation, Output, digest

SLICE = f"/fpack/store/{'a' * 32}-lib-slice"
BUILT = f"/fpack/store/{'b' * 32}-app-1.0"
OTHER = f"/fpack/store/{'c' * 32}-tool-2.0"
ROOT = f"/fpack/store/{'d' * 32}-root"
DIGEST = "sha256:" + "0" * 64
LIBRARY = "pkg:deb/debian/lib@1-1?arch=amd64&distro=trixie"
DATE = 1_790_000_000
MIT = Licence("MIT", "MIT")
ARCHIVED = Hashes("7" * 64, "8" * 128)


def fetched(add: Any, name: str) -> Output:
    file: Output = add(
        "fetch", name, {"urls": [f"mirror://debian/pool/{name}_1-1_amd64.deb"], "sha256": "2" * 64, "size": 5}
    )
    deb = add("deb", name, {"package": name, "version": "1-1", "arch": "amd64"}, file)
    cut: Output = add("slice", f"{name}-slice", {}, deb)
    return cut


def entry(path: str, content: bytes, part: int = 0, origin: Origin | None = None) -> ManifestEntry:
    sha256 = hashlib.sha256(content).digest()
    return ManifestEntry(path.encode(), "f", 0o644, 0, 0, len(content), sha256, sha256, b"", part, origin)


def content(data: bytes, **facts: Any) -> dict[bytes, FileFacts]:
    sha256 = hashlib.sha256(data)
    return {sha256.digest(): FileFacts(Hashes(sha256.hexdigest(), "5" * 128), **facts)}


def image(
    entries: list[ManifestEntry],
    facts: Facts | None = None,
    *pins: LockedPackage,
    labels: Mapping[str, str] | None = None,
) -> Bill:
    """Return the bill of an image with one layer, of a package if a pin is given."""
    known: dict[str, bytes] = {}

    def add(kind: str, name: str, args: Mapping[str, Any], *inputs: Output) -> Output:
        body = Derivation(kind, name, args, tuple(inputs)).encode()
        known[digest(body).hex()] = body
        return Output(digest(body))

    made: Output = add("root", "root", {})
    name, version = "", ""
    for pin in pins:
        name, version = pin.name, pin.version
        args = {"urls": [f"mirror://{pin.archive}/{pin.file}"], "sha256": pin.sha256, "size": pin.size}
        file = add("fetch", name, args)
        deb = add("deb", name, {"package": name, "version": version, "arch": pin.arch}, file)
        made = add("slice", f"{name}-slice", {}, deb)
    layer = ManifestLayer(Blob("x", DIGEST, 1), DIGEST, 1, SLICE, "1" * 40, ((SLICE, ""),), len(entries))
    about = ManifestImage(
        "app", "1", "amd64", SLICE, "1" * 40, Blob("m", DIGEST, 1), Blob("c", DIGEST, 1),
        {"config": {"Labels": labels or {}}}, {},
    )  # fmt: skip
    suite = LockedSuite("trixie", "debian", DATE, None, "4" * 64)
    lock = LockPart("trixie", "amd64", (suite,), (), pins)
    origin = PathOrigin(SLICE, made.derivation.hex(), name, version)
    head = Head("1", about, (layer,), (origin,), (), lock, len(known))
    data = encode_head(head) + b"".join(known[key] for key in sorted(known)) + b"".join(map(encode_entry, entries))
    return gather(data, {SLICE: facts or Facts({})}, {}, "9", b"digest")


@pytest.fixture(scope="module")
def bill() -> Bill:
    known: dict[str, bytes] = {}

    def add(kind: str, name: str, args: Mapping[str, Any], *inputs: Output) -> Output:
        body = Derivation(kind, name, args, tuple(inputs)).encode()
        known[digest(body).hex()] = body
        return Output(digest(body))

    library, compiler = fetched(add, "lib"), fetched(add, "gcc")
    project, others = (add("source", name, {"tree": letter * 64}) for name, letter in (("app", "a"), ("tool", "b")))
    tools = add("root", "tools", {}, library, compiler)
    tool = add("exec", "tool-2.0", {}, tools, others)
    npm = add("npm", "x", {"path": "left/-/left-1.0.tgz", "url": "", "integrity": ""})
    built = add("exec", "app-1.0", {}, tools, project, tool, npm)
    root = add("root", "root", {"slices": [{"package": "lib", "seed": False}]}, library)
    rows = {
        SLICE: [entry("usr/lib/lib.so", b"library")],
        BUILT: [entry(f"{BUILT[1:]}/bin/app", b"app")],
        OTHER: [entry(f"{OTHER[1:]}/bin/tool", b"tool")],
        ROOT: [
            entry("etc/lib.conf", b"made", 0, Origin("configured", package="lib", script="postinst", sha256=b"3" * 32)),
            entry("etc/passwd", b"root", 0, Origin("generated", rule="accounts")),
        ],
    }
    layers = []
    for path, entries in rows.items():
        part = (path, path if path in (BUILT, OTHER) else "")
        layers.append(ManifestLayer(Blob("x", DIGEST, 1), DIGEST, 1, SLICE, "1" * 40, (part,), len(entries)))
    paths = (
        PathOrigin(SLICE, library.derivation.hex(), "lib", "1-1"),
        PathOrigin(BUILT, built.derivation.hex(), "", ""),
        PathOrigin(OTHER, tool.derivation.hex(), "", ""),
        PathOrigin(ROOT, root.derivation.hex(), "", ""),
    )
    pin = LockedPackage("lib", "1-1", "amd64", "lib", "1-1", "debian", DATE, 5, "2" * 64, "pool/lib")
    suites = tuple(LockedSuite(name, "debian", date, None, "4" * 64) for name, date in (("a", 1), ("b", DATE)))
    labels = {"config": {"Labels": {"org.opencontainers.image.vendor": "A Shop"}}}
    image = ManifestImage(
        "shop/App", "1", "amd64", ROOT, "1" * 40, Blob("m", DIGEST, 1), Blob("c", DIGEST, 1), labels, {}
    )
    lock = LockPart("trixie", "amd64", suites, (), (pin,))
    head = Head("1", image, tuple(layers), paths, (), lock, len(known))
    data = b"".join([encode_head(head), *(known[key] for key in sorted(known))])
    data += b"".join(encode_entry(row) for entries in rows.values() for row in entries)
    package = PackageFacts(
        "lib", "1-1", "amd64", "lib", "1-1", "", "", "", "", "", "", Hashes("2" * 64, "6" * 128), 5, "elsewhere"
    )
    facts = {
        SLICE: Facts(content(b"library", soname="lib.so"), package=package),
        BUILT: Facts(content(b"app", needed=("lib.so",), flags=ARCHIVE), references=(OTHER,)),
        OTHER: Facts(content(b"tool")),
        ROOT: Facts({**content(b"made"), **content(b"root")}),
    }
    locks = {
        project.derivation.hex(): Facts(
            {},
            locked=(LockedPart("cargo", "serde", "1.0"),),
            stated=(PartFacts("cargo", "serde", "1.0", "Ann <ann@example.org>", licence=MIT),),
        ),
        npm.derivation.hex(): Facts({}, stated=(PartFacts(supplier="Bob", licence=MIT, hashes=ARCHIVED, size=7),)),
        others.derivation.hex(): Facts(
            {},
            locked=(LockedPart("gem", "rack", "3.0"),),
            stated=(PartFacts("source", licence=MIT, copyright="2020 Ann", supplier="Ann"),),
        ),
    }
    return gather(data, facts, locks, "9", b"digest")


def ends(bill: Bill, start: str, kind: str) -> list[str]:
    return [relation.end for relation in bill.relations if (relation.start, relation.kind) == (start, kind)]


APP, TOOL = f"path:{BUILT[13:]}", f"path:{OTHER[13:]}"


def test_a_build_depends_on_what_it_loads_refers_to_and_was_made_of(bill: Bill) -> None:
    assert ends(bill, APP, DEPENDS_ON) == [TOOL, "pkg:cargo/serde@1.0", LIBRARY, "pkg:npm/left@1.0"]
    assert ends(bill, TOOL, DEPENDS_ON) == ["pkg:gem/rack@3.0"]
    assert ends(bill, bill.subject.ref, DEPENDS_ON) == [APP]
    assert ends(bill, bill.subject.ref, CONTAINS) == ["os:debian@trixie", APP, TOOL, LIBRARY]


def test_each_build_has_its_own_sources(bill: Bill) -> None:
    assert ends(bill, APP, GENERATED_FROM) == ["tree:" + "a" * 64]
    assert ends(bill, TOOL, GENERATED_FROM) == ["tree:" + "b" * 64]


def test_tools_are_no_parts_unless_the_image_has_them_too(bill: Bill) -> None:
    gcc = "pkg:deb/debian/gcc@1-1?arch=amd64&distro=trixie"
    for tool in (gcc, LIBRARY):
        assert ends(bill, tool, BUILD_TOOL_OF) == [APP, TOOL]
    only = {component.ref: component.build_only for component in bill.components if component.kind == "deb"}
    assert only == {gcc: True, LIBRARY: False}


def test_what_a_script_made_is_of_its_package_and_the_rest_of_the_image(bill: Bill) -> None:
    owners = {file.path: file.component for file in bill.files}
    assert owners["etc/lib.conf"] == owners["usr/lib/lib.so"] == LIBRARY
    assert owners["etc/passwd"] == bill.subject.ref and owners[f"{BUILT[1:]}/bin/app"] == APP
    assert next(file for file in bill.files if file.component == APP).archive


def test_the_image_has_the_vendor_of_its_label_and_the_date_of_the_newest_release(bill: Bill) -> None:
    assert bill.subject.supplier == "A Shop" and bill.created == DATE and bill.tool == "9"
    assert bill.subject.purl == f"pkg:oci/app@{DIGEST}?arch=amd64&tag=1"


def test_everything_is_sorted_and_leads_to_a_component(bill: Bill) -> None:
    refs = [component.ref for component in bill.components]
    assert refs == sorted(set(refs)) and list(bill.files) == sorted(bill.files)
    assert list(bill.relations) == sorted(set(bill.relations))
    known = {*refs, bill.subject.ref}
    assert {end for relation in bill.relations for end in (relation.start, relation.end)} <= known
    assert BillRelation(LIBRARY, GENERATED_FROM, "pkg:deb/debian/lib@1-1?arch=source&distro=trixie") in bill.relations


def test_paths_and_links_do_not_follow_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsdecode", lambda path: path.decode("latin-1"))
    link = ManifestEntry("usr/žluť".encode(), "l", 0o777, 0, 0, 0, b"", b"", b"caf\xe9", 0, None)
    (found,) = image([link]).files
    assert (found.path, found.target) == ("usr/žluť", "caf\udce9")


def test_the_content_of_a_link_is_its_target_in_all_formats() -> None:
    link = ManifestEntry(b"usr/a", "l", 0o777, 0, 0, 0, b"", b"", b"caf\xe9", 0, None)
    found = image([link])
    (file,) = found.files
    assert file.hashes == Hashes(*(hashlib.new(name, b"caf\xe9").hexdigest() for name in ("sha256", "sha512", "sha1")))
    for format_ in ("cyclonedx-1.6", "cyclonedx-1.7", "spdx-2.3", "spdx-3.0.1"):
        assert file.hashes.sha512 in b"".join(documents.document(found, format_)).decode(), format_


def test_a_source_package_has_the_url_of_its_dsc() -> None:
    pin = LockedPackage(
        "app", "1:2-1+b1", "amd64", "shared", "1:2-1", "debian", DATE, 5, "2" * 64,
        "pool/main/s/shared/app_2-1+b1_amd64.deb",
    )  # fmt: skip
    package = PackageFacts(
        "app", "1:2-1+b1", "amd64", "shared", "1:2-1", "", "", "", "", "other (= 1)", "", Hashes("2" * 64), 5
    )
    found = image(
        [], Facts({}, package=package, copyright=read_copyright("whole", "app"), copyright_file=b"whole"), pin
    )
    urls = {part.name: part.urls for part in found.components if part.kind == "deb-source"}
    (url,) = urls["shared"]
    assert url.endswith("Z/pool/main/s/shared/shared_2-1.dsc") and urls["other"] == ()
    (binary,) = [part for part in found.components if part.kind == "deb"]
    assert binary.urls[0].rpartition("/")[0] == url.rpartition("/")[0] and binary.copyright_file == b"whole"


def test_the_system_is_supplied_by_whom_os_release_says() -> None:
    hashes = Hashes("7" * 64, "8" * 128)
    release = OsRelease("debian", "13", "trixie", "https://www.debian.org/", "usr/lib/os-release", hashes)
    (found,) = image([], Facts({}, os_release=release)).components
    assert (found.supplier, found.homepage) == ("Debian <https://www.debian.org/>", "https://www.debian.org/")
    assert (found.file, found.hashes) == ("usr/lib/os-release", hashes)
    assert found.declared == Licence(), "the licence of a system is not that of its os-release"
    (found,) = image([], Facts({}, os_release=release._replace(home="javascript:x"))).components
    assert found.supplier == "Debian"
    (found,) = image([], Facts({}, os_release=OsRelease("own", "1", ""))).components
    assert (found.supplier, found.homepage, found.file) == ("", "", "")


@pytest.mark.parametrize(("text", "expression"), [("MIT OR ISC", "MIT OR ISC"), ("ours", ""), ("", "")])
def test_the_licence_of_an_image_is_that_of_its_label(text: str, expression: str) -> None:
    subject = image([], labels={"org.opencontainers.image.licenses": text}).subject
    assert subject.declared == subject.effective == Licence(text, expression)


def test_parts_of_a_packages_own_bill_are_what_it_depends_on() -> None:
    pin = LockedPackage("lib", "1-1", "amd64", "lib", "1-1", "debian", DATE, 5, "2" * 64, "pool/lib")
    package = PackageFacts("lib", "1-1", "amd64", "lib", "1-1", "", "own page", "", "", "", "", Hashes("2" * 64), 5)
    parts = (
        FragmentPart("pkg:npm/left@1.0", "left", "1.0", "MIT OR ISC", "8" * 64),
        FragmentPart("pkg:rpm/almalinux/libgfortran@11", "libgfortran", "11", "LicenseRef-debian-lib-1"),
        FragmentPart("", "plain", "2"),
        FragmentPart(LIBRARY, "someone else", "9"),
    )
    found = image([], Facts({}, package=package, fragments=parts, unread=("usr/share/sbom/x.cdx.json",)), pin)
    assert ends(found, LIBRARY, DEPENDS_ON) == [
        "part:plain@2", "pkg:npm/left@1.0", "pkg:rpm/almalinux/libgfortran@11",
    ]  # fmt: skip
    by_ref = {part.ref: part for part in found.components}
    left, rpm, library = by_ref["pkg:npm/left@1.0"], by_ref["pkg:rpm/almalinux/libgfortran@11"], by_ref[LIBRARY]
    assert (left.kind, left.declared, left.hashes.sha256) == ("npm", Licence("MIT OR ISC", "MIT OR ISC"), "8" * 64)
    assert rpm.kind == "library"
    assert rpm.declared == Licence("LicenseRef-debian-lib-1", ""), "a reference of others is not one of the bill"
    assert (library.name, library.version, library.homepage) == ("lib", "1-1", "own page")
    assert library.unread_bills == ("usr/share/sbom/x.cdx.json",)
    for format_ in ("cyclonedx-1.6", "cyclonedx-1.7", "spdx-2.3", "spdx-3.0.1"):
        document = b"".join(documents.document(found, format_)).decode()
        assert "usr/share/sbom/x.cdx.json" in document and "pkg:rpm/almalinux/libgfortran@11" in document, format_


def test_the_containers_own_files_have_no_parts() -> None:
    found = image([], Facts({}, fragments=(FragmentPart("pkg:npm/x@1", "x", "1"),), unread=("share/sbom/x.cdx.json",)))
    assert {part.kind for part in found.components} == {"operating-system"} and not found.subject.unread_bills


def test_a_package_of_a_language_has_what_it_states(bill: Bill) -> None:
    known = {component.ref: component for component in bill.components}
    crate, npm = known["pkg:cargo/serde@1.0"], known["pkg:npm/left@1.0"]
    assert (crate.supplier, crate.declared, crate.effective) == ("Ann <ann@example.org>", MIT, MIT)
    assert (npm.supplier, npm.hashes, npm.size, npm.file) == ("Bob", ARCHIVED, 7, "left-1.0.tgz")
    assert known["pkg:gem/rack@3.0"].declared == Licence()


def test_a_build_has_what_its_only_source_states(bill: Bill) -> None:
    known = {component.ref: component for component in bill.components}
    tool = known[TOOL]
    assert (tool.declared, tool.copyright, tool.supplier) == (MIT, "2020 Ann", "A Shop")
