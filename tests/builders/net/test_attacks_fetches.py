"""Test fetches against attacks by servers and local users: only the declared content is registered."""

from __future__ import annotations

import hashlib
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.kinds.fetch import FetchBuilder
from fpack.builders.net.errors import BadUrl, Refused
from fpack.builders.net.http import Http, _redirected
from fpack.builders.net.origins import Origins
from fpack.builders.rootfs.view import assemble
from fpack.builders.scheduler.failures import BuildsFailed
from fpack.builders.scheduler.reporter import Reporter
from fpack.builders.scheduler.scheduler import Scheduler
from fpack.store.derivation import Derivation, Output, digest
from fpack.store.store import Store
from support.fixtures import store as store
from support.servers.certificates import own_certificate
from support.servers.httpserver import Server

DATA = b"what was declared\n" * 1000
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    place = tmp_path / "files"
    place.mkdir()
    (place / "file").write_bytes(DATA)
    return place


def fetch(store: Store, *urls: str, project: Path = Path("/"), **args: Any) -> Path:
    drv = Derivation("fetch", "file", {"urls": list(urls), "sha256": SHA256, "size": None, "executable": False, **args})
    body = drv.encode()
    kinds = {"fetch": FetchBuilder(Http(retries=0), Origins(lambda url: [url], project))}
    (path,) = Scheduler(store, kinds, Reporter(), assemble=assemble, bodies={digest(body): body}).realise(
        [Output(digest(body))]
    )
    return store.disk(path)


def fails(store: Store, *urls: str, **args: Any) -> str:
    with pytest.raises(BuildsFailed) as raised:
        fetch(store, *urls, **args)
    assert store.database.paths() == [] and list((store.root / "store").iterdir()) == []
    error = raised.value.failures[0][1]
    return f"{error.what} {error.why} {error.hint}"


def test_who_holds_the_source_open_cannot_change_what_is_registered(store: Store, files: Path) -> None:
    """CVE-2024-27297."""
    with open(files / "file", "r+b") as held:
        made = fetch(store, (files / "file").as_uri())
        held.write(b"changed afterwards")
        held.flush()
        assert made.read_bytes() == DATA
        assert made.stat().st_ino != os.fstat(held.fileno()).st_ino and made.stat().st_mode & 0o7777 == 0o444


def test_a_descriptor_of_the_download_leads_to_nothing_that_is_registered(store: Store, files: Path) -> None:
    """CVE-2024-27297: a partial file of an earlier attempt that another process holds open."""
    with Server(files) as server:
        server.cut("/file", 5000)
        fails(store, f"{server.url}/file")
        (part,) = store.root.glob("partial/*/part")
        assert part.parent.stat().st_mode & 0o077 == 0, "others can open it"
        with open(part, "r+b") as held:
            server.heal()
            made = fetch(store, f"{server.url}/file")
            held.seek(0)
            held.write(b"changed afterwards")
            held.flush()
            assert made.read_bytes() == DATA


def test_a_link_in_the_place_of_a_download_is_not_followed(store: Store, files: Path, tmp_path: Path) -> None:
    """CVE-2026-39860."""
    victim = tmp_path / "victim"
    victim.write_text("of the host\n")
    with Server(files) as server:
        server.cut("/file", 5000)
        fails(store, f"{server.url}/file")
        (part,) = store.root.glob("partial/*/part")
        part.unlink()
        part.symlink_to(victim)
        server.heal()
        fails(store, f"{server.url}/file")
    assert victim.read_text() == "of the host\n"


def test_a_certificate_that_nobody_vouches_for_is_refused(store: Store, files: Path, tmp_path: Path) -> None:
    """CVE-2024-47174, even with the correct digest."""
    pem = own_certificate(tmp_path)
    with Server(files, certificate=pem) as server:
        error = fails(store, server.url.replace("127.0.0.1", "localhost") + "/file")
        assert "certificate" in error.lower()
        assert server.requests == []


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://localhost/x", "gopher://localhost/x"])
def test_a_redirect_to_what_a_server_must_not_reach_is_refused(store: Store, files: Path, target: str) -> None:
    with Server(files) as server:
        server.redirect("/file", target)
        assert "redirect" in fails(store, f"{server.url}/file")


@pytest.mark.parametrize(
    ("host", "is_refused"),
    [
        *((host, True) for host in ("localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.1", "0x7f000001", "0")),
        *(
            (host, True)
            for host in ("2130706433", "169.254.169.254", "[::1]", "[fe80::1]", "[::ffff:127.0.0.1]", "[::]")
        ),
        *((host, False) for host in ("mirror.example", "10.0.0.1", "[2001:db8::1]", "1.example", "a" * 300)),
    ],
)
def test_a_redirect_from_another_machine_does_not_reach_services_of_this_one(host: str, is_refused: bool) -> None:
    with pytest.raises(Refused) if is_refused else nullcontext():
        assert _redirected("http://other.example/a", f"http://{host}/b", False) == f"http://{host}/b"
    assert _redirected("http://127.0.0.1:8/a", f"http://{host}:9/b", False)


def test_another_file_is_refused_and_not_kept(store: Store, files: Path) -> None:
    with Server(files) as server:
        server.replace("/file", b"x" * len(DATA))
        assert "SHA-256" in fails(store, f"{server.url}/file")
        server.heal()
        assert fetch(store, f"{server.url}/file").read_bytes() == DATA


def test_a_file_without_end_is_cut_at_its_declared_size(store: Store, files: Path) -> None:
    with Server(files) as server:
        (files / "large").write_bytes(DATA * 100)
        server.chunked("/large")
        fails(store, f"{server.url}/large", size=len(DATA))
        assert sum(each.stat().st_size for each in store.root.glob("partial/*/*")) <= 2 * len(DATA)


@pytest.mark.parametrize("kind", ["fifo", "device", "directory"])
def test_what_is_no_file_is_refused_at_once(store: Store, files: Path, kind: str) -> None:
    place = files / "odd"
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "device":
        place = Path("/dev/zero")
    else:
        place.mkdir()
    assert "cannot be read" in fails(store, place.as_uri())


OUTSIDE = {
    "a path": lambda files: (files.parent / "mine").as_uri(),
    "a host": lambda files: f"file://localhost{files.parent}/mine",
    "dots": lambda files: f"{files.as_uri()}/../mine",
    "encoded dots": lambda files: f"{files.as_uri()}/%2e%2e/mine",
    "an encoded slash": lambda files: f"{files.as_uri()}/..%2Fmine",
    "a relative path": lambda files: "file:../mine",
    "capitals": lambda files: "FILE:" + str(files.parent / "mine"),
    "a blank": lambda files: " file:" + str(files.parent / "mine"),
    "slashes": lambda files: f"file:////{files.parent}/mine",
    "a link": lambda files: (files / "link").as_uri(),
    "a link above": lambda files: (files / "above/mine").as_uri(),
    "a name that begins alike": lambda files: f"{files.as_uri()}-too/mine",
    "what is not there": lambda files: (files.parent / "none").as_uri(),
    "a descriptor": lambda files: "file:///proc/self/fd/0",
    "another machine": lambda files: f"file://elsewhere{files}/file",
    "NUL": lambda files: "file:///%00",
}


@pytest.mark.parametrize("way", OUTSIDE)
def test_a_file_outside_of_the_project_is_refused(store: Store, files: Path, way: str) -> None:
    """Success, or a different error, would reveal to an untrusted project whether the user has the file."""
    for place in (files.parent / "mine", files.with_name("files-too") / "mine"):
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(DATA)
    (files / "link").symlink_to("../mine")
    (files / "above").symlink_to("..")
    error = fails(store, OUTSIDE[way](files), project=files)
    reasons = {"another machine": "names another machine", "NUL": "not name a file on this machine"}
    assert reasons.get(way, "outside the project") in error


def test_a_file_without_a_project_is_refused(store: Store, files: Path) -> None:
    kinds = {"fetch": FetchBuilder(Http(retries=0), Origins(lambda url: [url]))}
    drv = Derivation("fetch", "file", {"urls": [(files / "file").as_uri()], "sha256": SHA256})
    with pytest.raises(BuildsFailed) as raised:
        Scheduler(store, kinds, Reporter(), assemble=assemble, bodies={digest(drv.encode()): drv.encode()}).realise(
            [Output(digest(drv.encode()))]
        )
    assert "no project" in raised.value.failures[0][1].why


@pytest.mark.parametrize("url", ["file:file", "file:./file", "file:link", "file:../files/file"])
def test_a_file_of_the_project_is_fetched(store: Store, files: Path, url: str) -> None:
    (files / "link").symlink_to("file")
    assert fetch(store, url, project=files).read_bytes() == DATA
    (files.parent / "way").symlink_to(files)
    assert fetch(store, (files / "file").as_uri(), project=files.parent / "way").read_bytes() == DATA


def test_a_link_that_changes_is_not_followed_to_another_place(files: Path) -> None:
    """The path that was checked is the path that is opened."""
    (files / "link").symlink_to("file")
    (url,) = Origins(lambda url: [url], files)("file:link")
    assert url == (files / "file").as_uri()


def test_a_file_that_the_user_has_configured_is_fetched(store: Store, files: Path, tmp_path: Path) -> None:
    origins = Origins(lambda url: [(files / "file").as_uri()] if url.startswith("mirror:") else [url], tmp_path / "x")
    assert origins("mirror://debian/file") == [(files / "file").as_uri()]
    origins.admit([(files / "file").as_uri()])
    assert origins((files / "file").as_uri()) == [(files / "file").as_uri()]
    with pytest.raises(BadUrl):
        origins((files / "other").as_uri())
