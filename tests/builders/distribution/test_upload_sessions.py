"""Uploads that a process leaves, because it was killed or gave up: the next process goes on with them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fpack.builders.distribution import uploads
from fpack.builders.distribution.protocol import BlobSource, RepositoryError, Unavailable
from fpack.builders.distribution.registry import RegistryRepository
from fpack.builders.distribution.transport import Settings
from fpack.builders.distribution.upload_sessions import UploadSessions
from support.servers.registry import Registry
from support.servers.repositories import digest_of, write

PIECE = 100_000
DATA = bytes(range(256)) * 2000
DIGEST = digest_of(DATA)

# Sends DATA, and is killed when it reaches byte `stop`, in its only request or, if `begun` is not 0, in a later one.
PUSHER = """if True:
    import os, signal, sys
    from pathlib import Path
    from fpack.builders.distribution import uploads
    from fpack.builders.distribution.protocol import BlobSource
    from fpack.builders.distribution.registry import RegistryRepository
    from fpack.builders.distribution.transport import Settings

    host, directory, digest, piece, stop, begun = sys.argv[1:]
    data = bytes(range(256)) * 2000
    uploads.PIECE = int(piece)

    def chunks(offset):
        for at in range(offset, len(data), 10_000):
            if at >= int(stop) and offset >= int(begun):
                os.kill(os.getpid(), signal.SIGKILL)
            yield data[at : at + 10_000]

    settings = Settings({}, backoff=0.0, uploads=Path(directory))
    RegistryRepository(host, "team/app", "http", settings).write_blob(BlobSource(digest, len(data), chunks))
"""


def killed(host: str, directory: Path, stop: int, begun: int = 0) -> None:
    """Send DATA by a process that is killed."""
    words = [sys.executable, "-c", PUSHER, host, str(directory), DIGEST, *map(str, (PIECE, stop, begun))]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.setattr(uploads, "PIECE", PIECE)
    with Registry() as server:
        yield server


def app(registry: Registry, directory: Path, retries: int = 1) -> RegistryRepository:
    settings = Settings({}, retries=retries, backoff=0.0, timeout=10.0, uploads=directory)
    return RegistryRepository(registry.host, "team/app", "http", settings)


def sent(registry: Registry) -> list[tuple[str, str]]:
    """Return the requests that sent content: methods and ranges."""
    rows = zip(registry.requests, registry.headers, strict=True)
    return [(row[0], headers.get("content-range", "")) for row, headers in rows if row[0] in ("PATCH", "PUT")]


def records(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


def given_up(registry: Registry, directory: Path, kept: int) -> None:
    """Let a push of DATA fail, of which the registry keeps some bytes."""
    registry.fail("(PUT|PATCH|GET).*/blobs/uploads/", 503)
    with pytest.raises(Unavailable, match="The registry failed"):
        write(app(registry, directory), DATA)
    registry.heal()
    assert len(records(directory)) == 1
    for upload in registry.uploads.values():
        upload[:] = DATA[:kept]
    registry.clear()


def test_a_killed_push_goes_on_in_another_process(registry: Registry, tmp_path: Path) -> None:
    registry.drop("PUT", 0, times=1)  # it sends pieces, and is killed when it has begun the third
    killed(registry.host, tmp_path, 200_000, 200_000)
    assert [len(upload) for upload in registry.uploads.values()] == [200_000]
    registry.clear()
    assert write(app(registry, tmp_path), DATA)
    assert registry.stored("team/app").blobs[DIGEST] == DATA and registry.received == len(DATA) - 200_000
    assert sent(registry)[0] == ("PATCH", "200000-299999")
    assert registry.count("POST") == 0
    assert not [name for name in records(tmp_path) if not name.endswith(".lock")]


def test_a_push_that_was_killed_in_its_only_request_goes_on_in_pieces(registry: Registry, tmp_path: Path) -> None:
    """This registry has kept nothing, and the next process sends pieces, of which a further one would keep all."""
    killed(registry.host, tmp_path, 250_000)
    registry.clear()
    assert write(app(registry, tmp_path), DATA)
    assert {method for method, _ in sent(registry)} == {"PATCH", "PUT"}
    assert registry.stored("team/app").blobs[DIGEST] == DATA


def test_a_push_that_failed_goes_on_later(registry: Registry, tmp_path: Path) -> None:
    given_up(registry, tmp_path, 123_456)
    assert write(app(registry, tmp_path), DATA)
    assert registry.received == len(DATA) - 123_456 and records(tmp_path) == []


def test_an_upload_that_the_registry_forgot_begins_again(registry: Registry, tmp_path: Path) -> None:
    given_up(registry, tmp_path, 123_456)
    registry.uploads.clear()
    assert write(app(registry, tmp_path), DATA)
    assert registry.received == len(DATA) and registry.count("POST") == 1 and records(tmp_path) == []


def test_what_the_registry_kept_wrongly_is_sent_again(registry: Registry, tmp_path: Path) -> None:
    given_up(registry, tmp_path, 123_456)
    for upload in registry.uploads.values():
        upload[0] ^= 1
    assert write(app(registry, tmp_path), DATA)
    assert registry.stored("team/app").blobs[DIGEST] == DATA and records(tmp_path) == []


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:1/v2/x", "http://thief.example/v2/x", "https://[", "", "\x1b[2J", "x" * 9000]
)
def test_a_record_that_leads_nowhere_only_costs_time(registry: Registry, tmp_path: Path, location: str) -> None:
    given_up(registry, tmp_path, 0)
    [name] = records(tmp_path)
    from fpack.store.files import disk_cache

    disk_cache.write(tmp_path, name, location.encode())
    assert write(app(registry, tmp_path), DATA)
    assert registry.stored("team/app").blobs[DIGEST] == DATA and records(tmp_path) == []


def test_a_damaged_record_is_none(registry: Registry, tmp_path: Path) -> None:
    given_up(registry, tmp_path, 0)
    [name] = records(tmp_path)
    (tmp_path / name).write_bytes(b"\xff" * 100)
    assert write(app(registry, tmp_path), DATA) and registry.count("POST") == 1


def test_a_refused_blob_leaves_no_record(registry: Registry, tmp_path: Path) -> None:
    wrong = BlobSource(DIGEST, len(DATA), lambda offset: iter((bytes(len(DATA) - offset),)))
    with pytest.raises(RepositoryError, match="refuses the blob"):
        app(registry, tmp_path).write_blob(wrong)
    assert records(tmp_path) == []


def test_two_processes_do_not_share_an_upload(registry: Registry, tmp_path: Path) -> None:
    given_up(registry, tmp_path, 123_456)
    base = f"http://{registry.host}"
    with UploadSessions(tmp_path).open(base, "team/app", DIGEST) as held:
        assert urlsplit(held.location).path.endswith("/n1")
        assert write(app(registry, tmp_path), DATA)  # by an upload of its own
        assert registry.received == len(DATA)
        assert UploadSessions(tmp_path)._lock(records(tmp_path)[0].removesuffix(".lock")) is None


def test_a_record_is_private_and_of_one_blob_in_one_repository(tmp_path: Path) -> None:
    sessions = UploadSessions(tmp_path / "uploads")
    with sessions.open("https://a", "x", DIGEST) as one:
        one.save("https://a/place?signature=secret")
    [name] = records(tmp_path / "uploads")
    assert (tmp_path / "uploads" / name).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "uploads").stat().st_mode & 0o777 == 0o700
    for base, repository, digest in (("http://a", "x", DIGEST), ("https://a", "y", DIGEST), ("https://a", "x", "z")):
        with sessions.open(base, repository, digest) as other:
            assert other.location == ""
    with sessions.open("https://a", "x", DIGEST) as same:
        assert same.location.endswith("secret")


def test_old_records_are_deleted(tmp_path: Path) -> None:
    with UploadSessions(tmp_path).open("https://a", "x", DIGEST) as one:
        one.save("https://a/place")
    [name] = records(tmp_path)
    os.utime(tmp_path / name, (1, 1))
    with UploadSessions(tmp_path).open("https://a", "x", DIGEST) as one:
        assert one.location == ""
    assert records(tmp_path) == []


@pytest.mark.parametrize("size", [0, PIECE])
def test_small_blobs_are_not_recorded(registry: Registry, tmp_path: Path, size: int) -> None:
    registry.fail("PUT", 503)
    with pytest.raises(Unavailable):
        write(app(registry, tmp_path / "none"), bytes(size))
    assert not (tmp_path / "none").exists()


def test_a_directory_that_cannot_be_written_only_costs_the_record(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert write(app(registry, tmp_path / "file"), DATA)
