"""The conformance suite of repositories: every backend does the same. A backend is one function in BACKENDS."""

import os
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from fpack.builders.distribution.addresses import open_repository
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import BlobEntry, BlobSource, Corrupt, NotThere, Repository, RepositoryError
from support.processes.serving import free_port
from support.servers.bucket import BucketServer
from support.servers.httpserver import Server
from support.servers.registry import Registry, log_in, open_registry
from support.servers.repositories import MANIFEST, digest_of, entry, manifest, read, write


@contextmanager
def directory(path: Path) -> Iterator[Repository]:
    yield DirectoryRepository(path / "a" / "layout")


@contextmanager
def registry(path: Path) -> Iterator[Repository]:
    with Registry() as server:
        yield open_registry(server)


@contextmanager
def registry_without_list(path: Path) -> Iterator[Repository]:
    with Registry(api=False, ranges=False, page=2, user="me:secret", bearer=True, resumes=False) as server:
        yield open_registry(server, log_in(path, server))


class ShownDirectory(DirectoryRepository):
    """A directory that is written as such, and read through a web server."""

    def __init__(self, path: Path, site: Repository) -> None:
        super().__init__(path)
        for name in ("resolve", "manifest", "has_blob", "read_blob", "referrers", "tags"):
            setattr(self, name, getattr(site, name))


@contextmanager
def site(path: Path, **options: bool) -> Iterator[Repository]:
    folder = path / "site"
    folder.mkdir()
    with Server(folder, **options) as server:
        yield ShownDirectory(folder / "a b", open_repository(f"{server.url}/a%20b", plain_http=True))


@contextmanager
def site_without_ranges(path: Path) -> Iterator[Repository]:
    with site(path, ranges=False, validators=True) as opened:
        yield opened


@contextmanager
def bucket(path: Path) -> Iterator[Repository]:
    with BucketServer() as server:
        yield open_repository("s3://bucket/some prefix", environ=server.environ)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """Yield the URL of a server of buckets, which takes most of a second to start."""
    program = shutil.which("moto_server")
    if program is None:
        pytest.skip("there is no moto_server")
    port = free_port()
    process = subprocess.Popen([program, "-H", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def bucket_in_moto(path: Path, url: str) -> Iterator[Repository]:
    name = f"bucket-{os.urandom(8).hex()}"
    for _ in range(200):
        try:
            urllib.request.urlopen(urllib.request.Request(f"{url}/{name}", method="PUT"))
            break
        except urllib.error.URLError:
            time.sleep(0.05)
    environ = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    yield open_repository(f"s3://{name}/prefix", environ=environ)


# Each opens a new empty repository, which has `path` for its files.
BACKENDS: dict[str, Callable[[Path], AbstractContextManager[Repository]]] = {
    "bucket": bucket,
    "directory": directory,
    "site": site,
    "site without ranges": site_without_ranges,
    "registry": registry,
    "registry without referrers, ranges and long pages, with tokens": registry_without_list,
}


MOTO = "bucket in moto"


@pytest.fixture(params=sorted([*BACKENDS, MOTO]))
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Repository]:
    if request.param == MOTO:
        opener = bucket_in_moto(tmp_path, request.getfixturevalue("moto"))
    else:
        opener = BACKENDS[request.param](tmp_path)
    with opener as opened:
        yield opened


def test_an_empty_repository_has_nothing(repository: Repository) -> None:
    missing = entry(b"missing")
    assert repository.resolve("latest") is None
    assert repository.resolve(missing.digest) is None
    assert repository.manifest("latest") is None
    assert repository.manifest(missing.digest) is None
    assert not repository.has_blob(missing.digest)
    assert repository.tags() == []
    assert repository.referrers(missing.digest) == []
    with pytest.raises(NotThere):
        read(repository, missing)


def test_a_blob_is_written_once_and_read_in_parts(repository: Repository) -> None:
    data = bytes(range(256)) * 20
    assert write(repository, data)
    assert not write(repository, data)
    assert repository.has_blob(digest_of(data))
    assert read(repository, entry(data)) == data
    assert read(repository, entry(data), 10, 100) == data[10:110]
    assert read(repository, entry(data), 5000) == data[5000:]
    assert read(repository, entry(data), len(data) - 1, 1) == data[-1:]


def test_an_empty_blob(repository: Repository) -> None:
    assert write(repository, b"")
    assert read(repository, entry(b"")) == b""


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (b"other", None),
        (b"r", "is shorter than its size.*: it ended after 1 of 5 bytes"),
        (b"much longer than it should be", "is longer than its size.*: it has more than 5 bytes"),
    ],
)
def test_wrong_content_is_not_written(repository: Repository, given: bytes, told: str | None) -> None:
    right = b"right"
    with pytest.raises(RepositoryError, match=told):
        repository.write_blob(BlobSource(digest_of(right), len(right), lambda offset: iter((given[offset:],))))
    assert not repository.has_blob(digest_of(right))
    assert write(repository, right)
    assert read(repository, entry(right)) == right


def test_a_manifest_has_a_digest_and_tags(repository: Repository) -> None:
    data = manifest(repository)
    written = repository.write_manifest(data, MANIFEST, "one")
    assert (written.digest, written.size, written.media_type) == (digest_of(data), len(data), MANIFEST)
    repository.write_manifest(data, MANIFEST, "two")
    for reference in ("one", "two", written.digest):
        found = repository.resolve(reference)
        assert found is not None
        assert found[:3] == written[:3]
        document = repository.manifest(reference)
        assert document is not None
        assert document == (MANIFEST, written.digest, data)
    assert repository.tags() == ["one", "two"]
    assert repository.tags("t") == ["two"]


def test_a_tag_moves(repository: Repository) -> None:
    old = repository.write_manifest(manifest(repository, b"old"), MANIFEST, "latest")
    new = repository.write_manifest(manifest(repository, b"new"), MANIFEST, "latest")
    found = repository.resolve("latest")
    assert found is not None and found.digest == new.digest != old.digest
    assert repository.manifest(old.digest) is not None
    assert repository.tags() == ["latest"]


def test_a_manifest_without_a_tag(repository: Repository) -> None:
    written = repository.write_manifest(manifest(repository), MANIFEST)
    assert repository.tags() == []
    found = repository.resolve(written.digest)
    assert found is not None and found.size == written.size


def test_referrers_are_listed(repository: Repository) -> None:
    subject = repository.write_manifest(manifest(repository), MANIFEST, "app")
    kind = "application/vnd.example.sbom"
    reference = {"subject": subject._replace(annotations={}, artifact_type="").value()}
    data = manifest(repository, b"sbom", artifactType=kind, annotations={"made": "now"}, **reference)
    one = repository.write_manifest(data, MANIFEST)
    two = repository.write_manifest(manifest(repository, b"vex", artifactType="application/vex", **reference), MANIFEST)
    repository.write_manifest(data, MANIFEST)
    assert sorted(found.digest for found in repository.referrers(subject.digest)) == sorted([one.digest, two.digest])
    (found,) = repository.referrers(subject.digest, kind)
    assert (found.digest, found.size, found.artifact_type) == (one.digest, len(data), kind)
    assert found.annotations["made"] == "now"
    assert repository.referrers(one.digest) == []


def test_a_deleted_tag_is_gone(repository: Repository) -> None:
    written = repository.write_manifest(manifest(repository), MANIFEST, "old")
    repository.write_manifest(manifest(repository, b"new"), MANIFEST, "new")
    assert repository.delete(written.digest)
    assert repository.resolve("old") is None
    assert repository.resolve(written.digest) is None
    assert repository.tags() == ["new"]


def test_threads_write_at_once(repository: Repository) -> None:
    failed = []

    def run(number: int) -> None:
        try:
            repository.write_manifest(manifest(repository, b"%d" % (number % 3)), MANIFEST, f"t{number}")
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert repository.tags() == [f"t{number}" for number in range(8)]


@pytest.mark.parametrize("name", ["../../x", "sha256:../x", "sha256:" + "A" * 64, "a/b", ".", ""])
def test_names_never_become_paths(repository: Repository, name: str) -> None:
    assert repository.resolve(name) is None
    assert repository.manifest(name) is None
    with pytest.raises(RepositoryError):
        read(repository, BlobEntry("", name, 1))
    with pytest.raises(RepositoryError):
        repository.has_blob(name)


def test_a_wrong_size_is_noticed(repository: Repository) -> None:
    write(repository, b"content")
    with pytest.raises((Corrupt, NotThere)):
        read(repository, entry(b"content")._replace(size=3))
