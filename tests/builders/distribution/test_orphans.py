"""Blobs to which no tag leads are found in directories and buckets, once they are old enough, and nothing else."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from fpack.builders.distribution import orphans
from fpack.builders.distribution.addresses import open_repository
from fpack.builders.distribution.bucket import BucketRepository
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import Corrupt, ManifestDocument
from support.servers.bucket import BucketServer
from support.servers.repositories import MANIFEST, digest_of, entry, manifest, write

INDEX = "application/vnd.oci.image.index.v1+json"
OLD = orphans.AGE + 60  # seconds


class Aging(NamedTuple):
    """A repository, and a function that makes a blob as old as orphans are."""

    repository: orphans.Listing
    age: Callable[[str], None]

    def age_all(self) -> None:
        for digest, _, _ in list(self.repository.blobs()):
            self.age(digest)

    def found(self) -> set[str]:
        return set(orphans.find(self.repository, time.time()))


@pytest.fixture(params=["directory", "bucket"])
def aging(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Aging]:
    then = time.time() - OLD
    if request.param == "directory":
        directory = DirectoryRepository(tmp_path / "layout")
        blobs = tmp_path / "layout" / "blobs" / "sha256"
        yield Aging(directory, lambda digest: os.utime(blobs / digest.removeprefix("sha256:"), (then, then)))
        return
    with BucketServer() as server:
        bucket = open_repository("s3://bucket/some prefix", environ=server.environ)
        assert isinstance(bucket, BucketRepository)

        def age(digest: str) -> None:
            (path,) = [path for path in server.objects if path.endswith(f"blobs/{digest.replace(':', '/')}")]
            server.times[path] = then

        yield Aging(bucket, age)


def test_blobs_of_an_interrupted_push_are_found_once_they_are_of_age(aging: Aging) -> None:
    digest = digest_of(b"a blob")
    write(aging.repository, b"a blob")
    assert not aging.found()
    aging.age(digest)
    write(aging.repository, b"a blob of a running push")
    assert orphans.find(aging.repository, time.time()) == {digest: 6}


def test_what_tags_lead_to_stays(aging: Aging) -> None:
    """An index, its images, and what is attached to one of them."""
    repository = aging.repository
    image = manifest(repository, b"layer")
    digest = repository.write_manifest(image, MANIFEST).digest
    kind = "application/vnd.oci.image.index.v1+json"
    index = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": [entry(image, MANIFEST).value()]}).encode()
    repository.write_manifest(index, kind, "app")
    about = manifest(repository, b"about", subject=entry(image, MANIFEST).value())
    repository.write_manifest(about, MANIFEST)
    aging.age_all()
    assert not aging.found()
    assert {digest, digest_of(b"layer"), digest_of(about), digest_of(b"about")} <= orphans.reached(repository)
    # Without its tag, the image goes with what is attached to it, also with cosign's tag.
    repository.write_manifest(about, MANIFEST, f"{digest.replace(':', '-')}.sig")
    repository.delete("app")
    aging.age_all()
    assert aging.found() == {name for name, _, _ in repository.blobs()}
    for name in aging.found():
        repository.delete(name)
    assert not list(repository.blobs()) and not repository.tags()
    assert not repository.referrers(digest)


def test_a_signature_of_an_image_in_another_repository_stays(aging: Aging) -> None:
    subject = digest_of(b"elsewhere")
    aging.repository.write_manifest(manifest(aging.repository, b"x"), MANIFEST, f"{subject.replace(':', '-')}.sig")
    about = manifest(aging.repository, b"y", subject={"mediaType": MANIFEST, "digest": subject, "size": 1})
    aging.repository.write_manifest(about, MANIFEST)
    aging.age_all()
    assert not aging.found()


def test_a_document_that_is_damaged_ends_the_search(tmp_path: Path) -> None:
    """Nobody knows what it needs."""
    repository = DirectoryRepository(tmp_path / "layout")
    data = manifest(repository)
    repository.write_manifest(data, MANIFEST, "app")
    for blob in (tmp_path / "layout" / "blobs" / "sha256").iterdir():
        os.utime(blob, (1, 1))
    damaged = tmp_path / "layout" / "blobs" / "sha256" / digest_of(data).removeprefix("sha256:")
    damaged.chmod(0o644)
    damaged.write_bytes(b"[]")
    with pytest.raises(Corrupt):
        orphans.find(repository, time.time())


def test_an_image_that_another_tool_wrote_without_a_tag_stays(tmp_path: Path) -> None:
    repository = DirectoryRepository(tmp_path / "layout")
    image = manifest(repository)
    repository.write_manifest(image, MANIFEST)
    index = {"schemaVersion": 2, "manifests": [entry(image, MANIFEST).value()]}
    (tmp_path / "layout" / "index.json").write_text(json.dumps(index))
    for blob in (tmp_path / "layout" / "blobs" / "sha256").iterdir():
        os.utime(blob, (1, 1))
    assert not orphans.find(repository, time.time())


def test_a_bucket_that_tells_no_times_has_no_orphans() -> None:
    with BucketServer() as server:
        server.written = lambda path: "yesterday"  # type: ignore[method-assign]
        bucket = open_repository("s3://bucket/prefix", environ=server.environ)
        assert isinstance(bucket, BucketRepository)
        write(bucket, b"a blob")
        assert not orphans.find(bucket, time.time() + 10 * OLD)


def test_a_manifest_that_an_index_names_many_times_is_read_once(tmp_path: Path) -> None:
    repository = DirectoryRepository(tmp_path / "layout")
    child = repository.write_manifest(manifest(repository), MANIFEST)
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [child.value()] * 100}
    repository.write_manifest(json.dumps(index).encode(), INDEX, "app")
    read, asked = repository.manifest, []

    def counted(reference: str) -> ManifestDocument | None:
        asked.append(reference)
        return read(reference)

    repository.manifest = counted  # type: ignore[method-assign]
    assert child.digest in orphans.reached(repository)
    assert len(asked) == 2
