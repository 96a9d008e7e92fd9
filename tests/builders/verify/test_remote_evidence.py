"""Test that verification fetches just the files that a lock names in Debian's archive, checks them, and keeps none."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.debian.mirrors import Mirrors, MirrorUrl
from fpack.builders.manifest.format import LockedIndex, LockedPackage, LockedSuite
from fpack.builders.net.http import Http
from fpack.builders.verify.evidence.remote import Remote
from fpack.store.errors import FpackError
from support.archives.archive import Archive
from support.servers.httpserver import Server

DATE = 1_700_000_000


class Case:
    """A remote archive behind a server, and what a lock says of three of its files."""

    def __init__(self, archive: Archive, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.said: list[str] = []
        bases = [
            MirrorUrl("debian", f"{server.url}/debian"),
            MirrorUrl("debian-security", f"{server.url}/debian-security"),
        ]
        http = Http(retries=0, timeout=2)
        self.remote = Remote(Mirrors(bases, snapshots={}), http, folder, self.said.append)
        top = archive.folder / "debian"
        deb = next(top.glob("pool/**/*.deb"))
        self.pin = LockedPackage(
            *("hello", "1.0", "amd64", "hello", "1.0", "debian", DATE, deb.stat().st_size),
            *(_sha256(deb), deb.relative_to(top).as_posix()),
        )
        self.suite = LockedSuite("trixie", "debian", DATE, None, _sha256(top / "dists/trixie/InRelease"))
        packed = top / "dists/trixie/main/binary-amd64/Packages.xz"
        import lzma

        text = lzma.decompress(packed.read_bytes())
        self.index = LockedIndex(
            *("trixie", hashlib.sha256(text).hexdigest(), len(text), _sha256(packed), packed.stat().st_size),
            "main/binary-amd64/Packages.xz",
        )


def _sha256(place: Path) -> str:
    return hashlib.sha256(place.read_bytes()).hexdigest()


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    archive = Archive(tmp_path / "archive")
    archive.add("hello", files={"usr/bin/hello": "x"})
    archive.publish()
    (tmp_path / "folder").mkdir()
    with Server(archive.folder) as server:
        yield Case(archive, server, tmp_path / "folder")


def test_each_kind_of_file_is_fetched(case: Case) -> None:
    with case.remote.deb(case.pin) as place:
        assert _sha256(place) == case.pin.sha256
    assert not list(case.folder.iterdir()), "a package is large"
    assert _sha256(case.remote.index(case.suite, case.index)) == case.index.sha256
    assert _sha256(case.remote.release(case.suite)) == case.suite.sha256
    assert case.said == ["hello 1.0", "the index of trixie", "the signed release of trixie"]


def deb(**changes: Any) -> Callable[[Case], None]:
    def ask(case: Case) -> None:
        with case.remote.deb(case.pin._replace(**changes)):
            pass

    return ask


def index(**changes: Any) -> Callable[[Case], None]:
    return lambda case: void(case.remote.index(case.suite, case.index._replace(**changes)))


def release(**changes: Any) -> Callable[[Case], None]:
    return lambda case: void(case.remote.release(case.suite._replace(**changes)))


def void(_: object) -> None:
    """Nothing."""


NAMES: dict[str, Callable[[Case], None]] = {
    "a file that climbs": deb(file="pool/../../etc/passwd.deb"),
    "a file outside of the pool": deb(file="dists/trixie/InRelease"),
    "an absolute file": deb(file="/etc/passwd.deb"),
    "a file of another server": deb(file="//example.org/pool/x.deb"),
    "a query": deb(file="pool/x.deb?y=.deb"),
    "an endless file": deb(size=1 << 50),
    "another archive": deb(archive="../debian"),
    "no archive": deb(archive=""),
    "an index that climbs": index(file="../../main/binary-amd64/Packages.xz"),
    "an index that is none": index(file="main/source/Sources.xz"),
    "an endless index": index(size=1 << 50),
    "a suite that climbs": release(suite="../trixie"),
    "a suite of another archive": release(archive="evil"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_manifest_cannot_make_it_ask_for_anything_else(case: Case, name: str) -> None:
    with pytest.raises(FpackError):
        NAMES[name](case)
    assert case.server.requests == [] and not list(case.folder.iterdir())


OTHERS: dict[str, Callable[[Case], None]] = {
    "a package": deb(sha256="ab" * 32),
    "a package of another size": deb(size=7),
    "an index": index(packed_sha256="ab" * 32),
    "what an index unpacks to": index(sha256="ab" * 32),
    "an index that is larger": index(size=7),
    "a release": release(sha256="ab" * 32),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_another_file_is_not_taken(case: Case, name: str) -> None:
    with pytest.raises(FpackError):
        OTHERS[name](case)


def test_an_archive_that_is_down_is_not_tried_again(case: Case) -> None:
    remote = Remote(
        Mirrors([MirrorUrl("debian", "http://127.0.0.1:9")], snapshots={}),
        Http(retries=0, timeout=1),
        case.folder,
        void,
    )
    case.remote = remote
    for ask in (deb(), deb(), index(), release()):
        with pytest.raises(FpackError, match="cannot be reached"):
            ask(case)
