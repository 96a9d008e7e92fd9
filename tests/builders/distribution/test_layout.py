"""A repository in a directory: several processes, killed writers, damage, and what other tools read."""

import errno
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import Corrupt, RepositoryError
from support.servers.repositories import MANIFEST, digest_of, entry, manifest, read, write


def test_processes_that_write_at_once_lose_no_tag(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3] + "/tests")
from support.servers.repositories import MANIFEST, manifest
from fpack.builders.distribution.layout import DirectoryRepository
repository = DirectoryRepository(Path(sys.argv[1]))
for number in range(10):
    repository.write_manifest(manifest(repository, b"%d" % number), MANIFEST, f"{sys.argv[2]}-{number}")
"""
    top = Path(__file__).parents[3]
    processes = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "layout"), str(number), str(top)])
        for number in range(3)
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    repository = DirectoryRepository(tmp_path / "layout")
    assert repository.tags() == sorted(f"{one}-{two}" for one in range(3) for two in range(10))
    assert os.listdir(tmp_path / "layout" / ".uploads") == []


def test_it_is_an_oci_layout(tmp_path: Path) -> None:
    repository = DirectoryRepository(tmp_path)
    data = manifest(repository)
    repository.write_manifest(data, MANIFEST, "app")
    assert json.loads((tmp_path / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    (listed,) = json.loads((tmp_path / "index.json").read_bytes())["manifests"]
    assert listed["digest"] == digest_of(data)
    assert listed["annotations"] == {"org.opencontainers.image.ref.name": "app"}


def test_entries_of_others_are_kept(tmp_path: Path) -> None:
    repository = DirectoryRepository(tmp_path)
    data = manifest(repository)
    repository.write_manifest(data, MANIFEST, "app")
    index = json.loads((tmp_path / "index.json").read_bytes())
    index["annotations"] = {"theirs": "1"}
    index["manifests"].append({"mediaType": MANIFEST, "digest": digest_of(data), "size": len(data), "theirs": True})
    (tmp_path / "index.json").write_text(json.dumps(index))
    repository.write_manifest(data, MANIFEST, "other")
    index = json.loads((tmp_path / "index.json").read_bytes())
    assert index["annotations"] == {"theirs": "1"}
    assert any(value.get("theirs") for value in index["manifests"])


def test_a_killed_writer_leaves_nothing_for_long(tmp_path: Path) -> None:
    write(DirectoryRepository(tmp_path), b"one")
    (tmp_path / ".uploads" / "0123").write_bytes(b"half a blo")
    write(DirectoryRepository(tmp_path), b"two")
    assert os.listdir(tmp_path / ".uploads") == []


def test_a_damaged_blob_is_refused(tmp_path: Path) -> None:
    repository = DirectoryRepository(tmp_path)
    data = manifest(repository, b"a layer")
    written = repository.write_manifest(data, MANIFEST, "app")
    for content in (b"a layer", data):
        path = tmp_path / "blobs" / "sha256" / digest_of(content).removeprefix("sha256:")
        path.chmod(0o644)
        path.write_bytes(content[:-1] + b"?")
    with pytest.raises(Corrupt):
        read(repository, entry(b"a layer"))
    for reference in ("app", written.digest):
        with pytest.raises(Corrupt):
            repository.manifest(reference)


def test_a_blob_that_is_a_link_is_refused(tmp_path: Path) -> None:
    repository = DirectoryRepository(tmp_path / "layout")
    write(repository, b"one")
    (tmp_path / "secret").write_bytes(b"secret!")
    path = tmp_path / "layout" / "blobs" / "sha256" / digest_of(b"secret!").removeprefix("sha256:")
    path.symlink_to(tmp_path / "secret")
    assert not repository.has_blob(digest_of(b"secret!"))
    with pytest.raises(RepositoryError):
        read(repository, entry(b"secret!"))


REF = '{"org.opencontainers.image.ref.name": "x"}'


@pytest.mark.parametrize("text", ["", "[]", "{", '{"manifests": 3}', f'{{"manifests": [{{"annotations": {REF}}}]}}'])
def test_an_index_that_is_not_valid_is_refused(tmp_path: Path, text: str) -> None:
    repository = DirectoryRepository(tmp_path)
    write(repository, b"one")
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(Corrupt):
        repository.resolve("x")


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RepositoryError):
        write(DirectoryRepository(tmp_path / "file" / "layout"), b"one")


@pytest.mark.parametrize("name", [".uploads", "blobs", "blobs/sha256"])
def test_a_writer_follows_no_link_that_others_left(tmp_path: Path, name: str) -> None:
    """Whoever may write to a shared directory could let it delete or create files elsewhere."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("kept")
    link = tmp_path / "layout" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(precious)
    with pytest.raises(RepositoryError):
        write(DirectoryRepository(tmp_path / "layout"), b"one")
    assert [path for path in precious.rglob("*") if path.is_file()] == [precious / "file"]


def test_a_link_in_the_place_of_the_lock_creates_nothing(tmp_path: Path) -> None:
    repository = DirectoryRepository(tmp_path / "layout")
    data = manifest(repository)
    (tmp_path / "layout" / ".lock").unlink()
    (tmp_path / "layout" / ".lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RepositoryError):
        repository.write_manifest(data, MANIFEST, "app")
    assert not (tmp_path / "elsewhere").exists()


def test_a_new_file_that_another_writer_takes_for_a_leftover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another writer that starts may lock and delete a new file before its own writer has locked it."""
    repository = DirectoryRepository(tmp_path)
    write(repository, b"first")
    flock, fsync, taken = fcntl.flock, os.fsync, []

    def locked(fd: int, how: int) -> None:
        if not taken:
            taken.append(os.readlink(f"/proc/self/fd/{fd}"))
            flock(os.open(taken[0], os.O_RDONLY), fcntl.LOCK_EX)
        flock(fd, how)

    def synced(fd: int) -> None:
        Path(taken[0]).unlink(missing_ok=True)
        fsync(fd)

    monkeypatch.setattr(fcntl, "flock", locked)
    monkeypatch.setattr(os, "fsync", synced)
    assert write(repository, b"second") and repository.has_blob(digest_of(b"second"))


def test_an_error_of_a_call_on_a_descriptor_names_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(directory: int) -> list[str]:
        raise OSError(errno.EIO, "Input/output error", directory)

    monkeypatch.setattr("fpack.builders.distribution.layout.os.listdir", fails)
    with pytest.raises(RepositoryError) as caught:
        write(DirectoryRepository(tmp_path), b"data")
    assert str(tmp_path) in caught.value.where


@pytest.mark.parametrize(("inodes", "what"), [(0, "all its inodes are in use"), (200, "The disk is full")])
def test_a_full_disk_is_named_with_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inodes: int, what: str
) -> None:
    def fails(fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "a-name-in-the-directory")

    status = os.statvfs_result((4096, 4096, 100, 10, 10, 400, inodes, inodes, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda directory: status)
    monkeypatch.setattr("fpack.builders.distribution.layout.os.fsync", fails)
    with pytest.raises(RepositoryError) as caught:
        write(DirectoryRepository(tmp_path), b"data")
    assert caught.value.where == str(tmp_path) and what in caught.value.why
    assert "free some space" in caught.value.hint
