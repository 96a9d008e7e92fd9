"""Attacks on downloads by the places that keep files: what they deliver is refused, and the next place is tried."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from fpack.builders.debian.mirrors import MirrorError
from fpack.builders.distribution.protocol import Denied, RepositoryError, Unavailable
from fpack.builders.mirrors.keeping import KeepItem, KeepRequest, ObtainedFile, keep
from fpack.builders.mirrors.places import MAX_PAUSE, MISSES, PAUSE, KeptPlace, KeptPlaces
from fpack.builders.net.errors import HttpError, NotFound, Offline
from fpack.builders.net.http import Http
from fpack.builders.net.kept_files import WantedFile, download_kept
from support.servers.httpserver import Server
from support.servers.memory_repository import MemoryRepository, dead
from support.servers.repositories import digest_of

DATA = bytes(range(256)) * 500
SHA256 = hashlib.sha256(DATA).hexdigest()
SHA512 = hashlib.sha512(DATA).hexdigest()


class World:
    """Places of which each has the file, what was said, and a clock."""

    def __init__(self, folder: Path, number: int = 2) -> None:
        self.now = 0.0
        self.said: list[str] = []
        self.repositories = [MemoryRepository(f"place{n}") for n in range(number)]
        (folder / "data").write_bytes(DATA)
        alias = f"sha512:{SHA512}"
        item = KeepItem("data", (alias,), aliases=(alias,))
        request = KeepRequest(
            "0" * 40, "a lock", [item], lambda items: [[ObtainedFile("data", folder / "data", (alias,))]]
        )
        for repository in self.repositories:
            keep(repository, request, 1e9)
            repository.calls.clear()
        places = [
            KeptPlace(f"oci://{repository.name}/x", lambda r=repository: r, self.said.append, lambda: self.now)  # type: ignore[misc]
            for repository in self.repositories
        ]
        self.kept = KeptPlaces(places)
        self.http = Http(retries=0, environ={}, kept=self.kept)

    def get(self, path: Path, urls: list[str] | None = None, **more: object) -> str:
        wanted = {"size": len(DATA), "sha256": SHA256, **more}
        return self.http.download(urls or [], path, **wanted).url  # type: ignore[arg-type]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def archive(tmp_path: Path) -> str:
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "data").write_bytes(DATA)
    return (tmp_path / "archive" / "data").as_uri()


def test_a_package_is_one_request(world: World, archive: str, tmp_path: Path) -> None:
    assert world.get(tmp_path / "out", [archive]).startswith("oci://place0/x@sha256:")
    assert (tmp_path / "out").read_bytes() == DATA
    assert dict(world.repositories[0].calls) == {"read_blob": 1}
    assert not world.repositories[1].calls and not world.said


@pytest.mark.parametrize("wanted", [{"size": None}, {"sha256": "", "sha512": SHA512}, {"sha512": SHA512}])
def test_a_file_is_found_by_each_of_its_digests(world: World, tmp_path: Path, wanted: dict[str, object]) -> None:
    assert world.get(tmp_path / "out", **wanted).startswith("oci://place0/")


def test_a_part_is_resumed(world: World, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(DATA[:1000])
    world.get(tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == DATA


LIES = {
    "other bytes": DATA[::-1],
    "truncated": DATA[:-1],
    "longer": DATA + b"x",
    "endless": DATA * 50,
    "nothing": b"",
    "a web page": b"<!doctype html><p>log in",
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
@pytest.mark.parametrize("resumed", [False, True])
def test_other_content_is_refused_and_the_next_place_is_tried(
    world: World, tmp_path: Path, lie: bytes, resumed: bool
) -> None:
    if resumed:
        (tmp_path / "out").write_bytes(DATA[:1000])
    world.repositories[0].lies[digest_of(DATA)] = lie
    assert world.get(tmp_path / "out").startswith("oci://place1/")
    assert (tmp_path / "out").read_bytes() == DATA
    assert len(world.said) == 1 and "place0" in world.said[0]
    world.get(tmp_path / "again")
    assert len(world.said) == 1  # it is told once


def test_a_damaged_blob_is_refused_and_the_archive_is_tried(world: World, archive: str, tmp_path: Path) -> None:
    for repository in world.repositories:
        repository.blobs[digest_of(DATA)] = DATA[:-5]
    assert world.get(tmp_path / "out", [archive]) == archive
    assert (tmp_path / "out").read_bytes() == DATA
    assert len(world.said) == 2


def test_a_table_that_names_another_file_is_refused(world: World, tmp_path: Path) -> None:
    """A place says that its blob has the wanted SHA-512, or a hash that only the builder can check."""
    evil = b"evil"
    (tmp_path / "evil").write_bytes(evil)
    for alias in (f"sha512:{SHA512}", "h1:abc="):
        repository = MemoryRepository("evil")
        item = KeepItem("data", (alias,), aliases=(alias,))
        obtained = [[ObtainedFile("data", tmp_path / "evil", (alias,))]]
        keep(repository, KeepRequest("1" * 40, "", [item], lambda _, found=obtained: found), 1e9)  # type: ignore[misc]
        places = KeptPlaces([KeptPlace("oci://evil", lambda r=repository: r, world.said.append), *world.kept.places])  # type: ignore[misc]
        http = Http(retries=0, environ={}, kept=places)
        if alias.startswith("sha512"):
            assert http.download([], tmp_path / "out", sha512=SHA512).url.startswith("oci://place0/")
        else:
            wanted = WantedFile(aliases=(alias,))
            assert not download_kept(places, wanted, tmp_path / "out", lambda path: False, limit=1 << 20)
            assert not (tmp_path / "out").exists()
        assert "oci://evil" in world.said[-1]


def test_a_file_over_its_limit_is_refused(world: World, tmp_path: Path) -> None:
    wanted = WantedFile(aliases=(f"sha512:{SHA512}",))
    assert not download_kept(world.kept, wanted, tmp_path / "out", lambda path: True, limit=100)
    assert download_kept(world.kept, wanted, tmp_path / "out", lambda path: True, limit=len(DATA))


def test_a_damaged_table_of_a_lock_is_ignored(world: World, tmp_path: Path) -> None:
    first = world.repositories[0]
    for digest, data in list(first.blobs.items()):
        if data != DATA:
            first.lies[digest] = b"[]"
    assert world.get(tmp_path / "out", sha256="", sha512=SHA512).startswith("oci://place1/")
    assert len(world.said) == 1 and "place0" in world.said[0]


FAILURES: dict[str, Callable[[], RepositoryError]] = {
    "dead": dead,
    "throttled": lambda: Unavailable("The registry failed", why="429 Too Many Requests"),
    "denied": lambda: Denied("The registry refuses the credentials", why="401"),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("by_size", [True, False])
def test_a_place_that_fails_is_left_alone_and_told_once(
    world: World, tmp_path: Path, failure: Callable[[], RepositoryError], by_size: bool
) -> None:
    first = world.repositories[0]
    first.down = failure
    more = {} if by_size else {"size": None}
    for n in range(3):
        assert world.get(tmp_path / str(n), **more).startswith("oci://place1/")
    assert first.calls.total() == 1 and len(world.said) == 1 and "place0" in world.said[0]
    world.now += PAUSE + 1
    world.get(tmp_path / "later", **more)
    assert first.calls.total() == 2
    world.now += PAUSE + 1  # now it is left alone for twice as long
    world.get(tmp_path / "much later", **more)
    assert first.calls.total() == 2
    first.down = None
    world.now += MAX_PAUSE
    assert world.get(tmp_path / "up again", **more).startswith("oci://place0/")
    assert len(world.said) == 1


def test_a_place_that_has_nothing_is_asked_after_the_archive(world: World, archive: str, tmp_path: Path) -> None:
    first, second = world.repositories
    first.blobs.clear()
    second.blobs.clear()
    for n in range(MISSES):
        assert world.get(tmp_path / str(n), [archive]) == archive
    calls = first.calls.total()
    assert world.get(tmp_path / "more", [archive]) == archive
    assert first.calls.total() == calls and not world.said
    first.blobs[digest_of(DATA)] = DATA
    assert world.get(tmp_path / "last", [f"{archive}-not"]).startswith("oci://place0/")


def test_the_failure_of_all_names_each(world: World, tmp_path: Path) -> None:
    world.repositories[0].blobs.clear()
    world.repositories[1].down = dead
    with pytest.raises(NotFound) as failed:
        world.get(tmp_path / "out", [(tmp_path / "nothing").as_uri()])
    assert "place0" in failed.value.why and "place1" in failed.value.why
    with pytest.raises(HttpError):
        world.get(tmp_path / "out")


def test_offline_nothing_is_requested(tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "file").write_bytes(DATA)
    with Server(tmp_path / "www") as server:
        with pytest.raises(Offline) as failed:
            Http(environ={}, offline=True).download([f"{server.url}/file"], tmp_path / "out", sha256=SHA256)
        assert not server.requests and "kept=file" in failed.value.hint
        uri = (tmp_path / "www" / "file").as_uri()
        assert Http(environ={}, offline=True).download([uri], tmp_path / "out", sha256=SHA256).url == uri


def test_without_a_mirror_of_the_archive_the_places_are_named(world: World, tmp_path: Path) -> None:
    for repository in world.repositories:
        repository.blobs.clear()

    def urls() -> list[str]:
        raise MirrorError("No mirror of debian is known")

    with pytest.raises(NotFound, match="No server delivered the file") as failed:
        world.http.download(urls, tmp_path / "out", size=len(DATA), sha256=SHA256)
    assert "place0" in failed.value.why
    world.kept.places.clear()
    with pytest.raises(MirrorError):
        world.http.download(urls, tmp_path / "out", size=len(DATA), sha256=SHA256)
