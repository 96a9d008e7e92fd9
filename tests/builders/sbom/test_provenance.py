"""Test which sources a build was made from, by the derivations of a manifest."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pytest
from fpack.builders.debian.mirrors import SNAPSHOT
from fpack.builders.manifest.format import Blob, Head, LockedPackage, LockedSuite, LockPart, ManifestImage
from fpack.builders.sbom.model import Component
from fpack.builders.sbom.provenance import Provenance, split_name
from fpack.store.derivation import Derivation, Output, digest

FILE = "main/g/gcc-defaults/gcc_14.2-1+b1_amd64.deb"
PIN = LockedPackage("gcc", "4:14.2-1+b1", "amd64", "gcc-defaults", "1.220", "debian", 0, 9, "0" * 64, f"pool/{FILE}")
HEAD = Head(
    "1",
    ManifestImage("a", "1", "amd64", "", "", Blob("", "", 0), Blob("", "", 0), {}, {}),
    (),
    (),
    (),
    LockPart("trixie", "amd64", (), (), (PIN,)),
    0,
)


class Graph:
    """Derivations by digest, as a manifest has them."""

    def __init__(self) -> None:
        self.all: dict[str, Derivation] = {}

    def add(self, kind: str, name: str, args: Mapping[str, Any], *inputs: Output) -> Output:
        drv = Derivation(kind, name, args, tuple(inputs))
        key = digest(drv.encode())
        self.all[key.hex()] = drv
        return Output(key)

    def provenance(self) -> Provenance:
        return Provenance(HEAD, self.all)


def components(graph: Graph, build: Output) -> dict[str, Component]:
    provenance = graph.provenance()
    return {found.ref: found for found in provenance.components(provenance.behind(build.derivation.hex()))}


def fetch(graph: Graph, url: str, sha256: str = "1" * 64) -> Output:
    return graph.add("fetch", "file", {"urls": [url], "sha256": sha256, "size": 7})


def test_the_tools_of_a_build_are_packages_apart() -> None:
    graph = Graph()
    file = fetch(graph, f"mirror://debian/pool/{FILE}")
    deb = graph.add("deb", "gcc", {"package": "gcc", "version": "4:14.2-1+b1", "arch": "amd64"}, file)
    root = graph.add("root", "root", {}, graph.add("slice", "gcc-slice", {}, deb))
    (found,) = components(graph, graph.add("exec", "app", {}, root)).values()
    upstream = "upstream=gcc-defaults%401.220"
    assert found.ref == f"pkg:deb/debian/gcc@4:14.2-1%2Bb1?arch=amd64&distro=trixie&{upstream}"
    assert found.build_only and found.kind == "deb" and found.size == 7 and found.hashes.sha256 == "1" * 64
    assert found.file == "gcc_14.2-1+b1_amd64.deb"
    assert found.urls == (f"{SNAPSHOT}/debian/19700101T060000Z/pool/{FILE}",)


@pytest.mark.parametrize(
    ("kind", "args", "ref"),
    [
        (
            "npm",
            {"path": "@scope/tool/-/tool-1.2.3.tgz", "url": "", "integrity": ""},
            "pkg:npm/%40scope/tool@1.2.3",
        ),
        (
            "pypi",
            {"project": "Zope.Interface", "version": "6.0", "hashes": ["a" * 64], "urls": []},
            "pkg:pypi/zope-interface@6.0",
        ),
        (
            "gomod",
            {"module": "example.org/a/b", "version": "v1.0.0", "zip": "h1:x", "mod": "h1:y"},
            "pkg:golang/example.org/a/b@v1.0.0",
        ),
        ("fetch", {"urls": ["https://x.example/serde-1.0.2.crate"], "sha256": "a" * 64}, "pkg:cargo/serde@1.0.2"),
        ("fetch", {"urls": ["https://x.example/rack-test-2.1.gem"], "sha256": "a" * 64}, "pkg:gem/rack-test@2.1"),
    ],
)
def test_packages_of_languages_are_told_by_name(kind: str, args: Mapping[str, Any], ref: str) -> None:
    graph = Graph()
    (found,) = components(graph, graph.add("exec", "app", {}, graph.add(kind, "input", args))).values()
    assert found.ref == found.purl == ref and not found.build_only


def test_a_module_of_which_only_the_go_mod_was_read_is_no_component() -> None:
    graph = Graph()
    args = {"module": "example.org/a", "version": "v1", "zip": "", "mod": "h1:y"}
    assert components(graph, graph.add("exec", "app", {}, graph.add("gomod", "input", args))) == {}


def test_the_digest_of_an_npm_lock_is_that_of_the_component() -> None:
    graph = Graph()
    integrity = "sha1-aaaa sha512-" + base64.b64encode(b"\1" * 64).decode()
    args = {"path": "a/-/a-1.0.tgz", "url": "https://x.example/a-1.0.tgz", "integrity": integrity}
    (found,) = components(graph, graph.add("exec", "app", {}, graph.add("npm", "input", args))).values()
    assert found.hashes.sha512 == "01" * 64 and found.urls == ("https://x.example/a-1.0.tgz",)


def test_sources_are_told_with_their_digests() -> None:
    graph = Graph()
    download = fetch(graph, "https://x.example/zlib-1.3.1.tar.xz?a=b", "c" * 64)
    tree = graph.add("source", "project", {"tree": "d" * 64})
    found = components(graph, graph.add("exec", "app", {}, download, tree))
    archive = next(component for component in found.values() if component.purl)
    assert (archive.name, archive.version, archive.kind) == ("zlib", "1.3.1", "source")
    assert archive.hashes.sha256 == "c" * 64 and archive.file == "zlib-1.3.1.tar.xz"
    assert found["tree:" + "d" * 64].name == "project"


def test_no_bill_has_a_login() -> None:
    graph = Graph()
    download = fetch(graph, "https://ann:secret@x.example/zlib-1.3.1.tar.xz?at=@")
    wheel = {"project": "a", "version": "1", "hashes": ["a" * 64], "urls": ["https://ann:secret@x.example/a.whl"]}
    pack = {"path": "a/-/a-1.tgz", "url": "https://ann@x.example/a-1.tgz", "integrity": ""}
    build = graph.add("exec", "app", {}, download, graph.add("pypi", "a", wheel), graph.add("npm", "a", pack))
    found = components(graph, build)
    assert "secret" not in repr(found) and "ann" not in repr(found)
    assert ("https://x.example/zlib-1.3.1.tar.xz?at=@",) in [component.urls for component in found.values()]


def test_what_is_behind_another_build_does_not_count() -> None:
    graph = Graph()
    own, other = (graph.add("source", name, {"tree": name * 64}) for name in "ab")
    library = graph.add("exec", "library", {}, other)
    app = graph.add("exec", "app", {}, own, library)
    digests = {name: output.derivation.hex() for name, output in (("own", own), ("other", other), ("lib", library))}
    provenance = graph.provenance()
    everything = provenance.behind(app.derivation.hex())
    assert everything == set(digests.values())
    apart = provenance.behind(app.derivation.hex(), frozenset({digests["lib"]}))
    assert apart == {digests["own"], digests["lib"]} and provenance.sources(apart) == [digests["own"]]
    assert provenance.behind(None) == provenance.behind("ab") == frozenset()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("zlib-1.3", ("zlib", "1.3")),
        ("a-b-v2.0-rc1", ("a-b", "2.0-rc1")),
        ("gcc-14-base", ("gcc-14-base", "")),
        ("app", ("app", "")),
    ],
)
def test_a_name_is_split_before_the_version(text: str, wanted: tuple[str, str]) -> None:
    assert split_name(text) == wanted


SECURITY = "pool/updates/main/o/openssl"


@pytest.mark.parametrize(
    ("url", "source", "version", "wanted"),
    [
        # Another name and version than the binary's; an epoch; a rebuild.
        (f"debian/pool/{FILE}", "gcc-defaults", "1.220", "pool/main/g/gcc-defaults/gcc-defaults_1.220.dsc"),
        ("debian/pool/main/libx/libxy/libxy1_2_amd64.deb", "libxy", "1:2~rc1", "pool/main/libx/libxy/libxy_2~rc1.dsc"),
        (f"debian-security/{SECURITY}/o_3_amd64.deb", "openssl", "3-1", f"{SECURITY}/openssl_3-1.dsc"),
        # The directory is of another source, or of another component, whose sources may be elsewhere.
        ("debian/pool/main/g/gcc-13/gcc_1_amd64.deb", "gcc-defaults", "1", None),
        ("debian/pool/main/l/libxy/libxy1_2_amd64.deb", "libxy", "2", None),
        ("debian/pool/contrib/a/app/app_1_amd64.deb", "app", "1", None),
        ("elsewhere/pool/main/a/app/app_1_amd64.deb", "app", "1", None),
    ],
)
def test_the_source_of_a_package_is_beside_it_if_that_is_certain(
    url: str, source: str, version: str, wanted: str | None
) -> None:
    graph = Graph()
    graph_file = fetch(graph, f"mirror://{url}")
    lock = HEAD.lock._replace(packages=(PIN, PIN._replace(name="x", file="pool/x", date=1_790_000_000)))
    dated = HEAD._replace(lock=lock._replace(suites=(LockedSuite("trixie", "debian", 1_790_000_000, None, ""),)))
    archive = url.partition("/")[0]
    stamp = "19700101T060000Z" if url.endswith(FILE) else "20260921T201320Z"
    expected = () if wanted is None else (f"{SNAPSHOT}/{archive}/{stamp}/{wanted}",)
    assert Provenance(dated, graph.all).source_urls(graph_file, source, version) == expected


def test_a_package_from_another_place_has_no_url_of_a_source() -> None:
    graph = Graph()
    file = fetch(graph, "https://x.example/pool/main/a/app/app_1_amd64.deb")
    assert graph.provenance().source_urls(file, "app", "1") == graph.provenance().source_urls(None, "app", "1") == ()
