"""A collection of a directory or a bucket deletes what interrupted commands left, and what dropped locks alone need."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from fpack.builders.distribution import orphans
from fpack.builders.distribution.addresses import open_repository
from fpack.builders.distribution.bucket import BucketRepository
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import Repository
from fpack.builders.mirrors.collection import collect
from fpack.builders.mirrors.keeping import KeepItem, KeepRequest, ObtainedFile, keep
from fpack.builders.mirrors.kept_lock import identity_of
from fpack.builders.mirrors.pages import stored_lock
from support.servers.bucket import BucketServer
from support.servers.repositories import MANIFEST, digest_of, manifest, write

NOW = 1_790_000_000.0


@pytest.fixture(params=["directory", "bucket"])
def mirror(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[orphans.Listing, Callable[[], None]]]:
    """Yield a repository, and a function that makes all of its blobs old."""
    then = time.time() - orphans.AGE - 60
    if request.param == "bucket":
        with BucketServer() as server:
            bucket = open_repository("s3://bucket/kept", environ=server.environ)
            assert isinstance(bucket, BucketRepository)
            yield bucket, lambda: server.times.update(dict.fromkeys(server.objects, then))
        return
    directory = DirectoryRepository(tmp_path / "mirror")
    blobs = tmp_path / "mirror" / "blobs" / "sha256"
    yield directory, lambda: [os.utime(path, (then, then)) for path in blobs.iterdir()] and None


def request(folder: Path, lock: str, *contents: bytes) -> KeepRequest:
    def obtain(items: Sequence[KeepItem]) -> list[list[ObtainedFile]]:
        found = []
        for item in items:
            path = folder / item.name
            path.write_bytes(next(data for data in contents if digest_of(data) == item.digest))
            found.append([ObtainedFile(item.name, path)])
        return found

    items = [KeepItem(data.decode(), (digest_of(data),), digest_of(data), len(data)) for data in contents]
    return KeepRequest(identity_of(lock, []), lock, items, obtain)


def blobs(repository: orphans.Listing) -> set[str]:
    return {digest for digest, _, _ in repository.blobs()}


def test_what_an_interrupted_keep_left_goes_once_it_is_of_age(
    mirror: tuple[orphans.Listing, Callable[[], None]], tmp_path: Path
) -> None:
    repository, age = mirror
    keep(repository, request(tmp_path, "a lock", b"one", b"two"), NOW)
    image = manifest(repository, b"image")
    repository.write_manifest(image, MANIFEST, "moved")
    write(repository, b"half of a lock")
    repository.write_manifest(manifest(repository, b"newer"), MANIFEST, "moved")
    before = blobs(repository)
    assert collect(repository, [], say=print).blobs == 0
    age()
    lost = {digest_of(data) for data in (b"half of a lock", b"image", image)}
    planned = collect(repository, [], dry_run=True, say=print)
    assert blobs(repository) == before
    done = collect(repository, [], say=print)
    assert before - blobs(repository) == lost and done == planned and done.blobs == 3
    stored = stored_lock(repository, identity_of("a lock", []))
    assert stored is not None and stored.blobs.keys() <= blobs(repository)


def test_files_of_a_dropped_lock_go_from_a_bucket_too(
    mirror: tuple[orphans.Listing, Callable[[], None]], tmp_path: Path
) -> None:
    repository, _ = mirror
    keep(repository, request(tmp_path, "a lock", b"one", b"two"), NOW)
    keep(repository, request(tmp_path, "another", b"two", b"three"), NOW)
    done = collect(repository, [identity_of("a lock", [])], say=print)
    assert not done.by_registry and done.blobs == 3  # a file, the config and the manifest
    assert digest_of(b"one") not in blobs(repository) and digest_of(b"two") in blobs(repository)


def test_a_lock_that_is_kept_meanwhile_loses_nothing(
    mirror: tuple[orphans.Listing, Callable[[], None]], tmp_path: Path
) -> None:
    """It found old files of an interrupted command there, which the collection is about to delete."""
    repository, age = mirror
    write(repository, b"one")
    age()
    wanted = request(tmp_path, "a lock", b"one")
    ended: list[str] = []

    def settled(_: Repository) -> None:
        """Run a whole collection between the tag of the lock and the look at its files, once."""
        if not ended:
            ended.append("")
            repository.delete(digest_of(b"one"))

    keep(repository, wanted, NOW, settled=settled)
    assert ended and repository.has_blob(digest_of(b"one"))


def test_a_bucket_is_marked_while_files_are_deleted(tmp_path: Path) -> None:
    with BucketServer() as server:
        bucket = open_repository("s3://bucket/kept", environ=server.environ)
        keep(bucket, request(tmp_path, "a lock", b"one"), NOW)
        steps: list[str] = []

        @contextlib.contextmanager
        def marked(repository: Repository) -> Iterator[Callable[[], None]]:
            steps.append("marked")
            yield lambda: steps.append("checked")
            steps.append("ended")

        done = collect(bucket, [identity_of("a lock", [])], say=print, marked=marked)
        assert steps == ["marked", *["checked"] * done.blobs, "ended"] and done.blobs == 3
