"""Locks of more files than one manifest can have are kept as an index of pages; smaller ones as before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import Corrupt, RepositoryError
from fpack.builders.mirrors import collection, copying, kept_lock, pages
from fpack.builders.mirrors.keeping import KeepItem, KeepRequest, ObtainedFile, is_kept, keep
from fpack.builders.mirrors.kept_lock import (
    ARTIFACT,
    INDEX,
    MANIFEST,
    PAGED,
    KeptFile,
    KeptLock,
    identity_of,
    lock_tag,
    read_config,
)
from fpack.builders.mirrors.kept_lock import encode_config as encode
from fpack.builders.mirrors.pages import stored_lock
from fpack.builders.mirrors.places import KeptPlace
from fpack.builders.net.kept_files import WantedFile
from support.servers.memory_repository import MemoryRepository
from support.servers.repositories import digest_of

NOW = 1_790_000_000.0
LIMIT = 4096  # bytes of a page
FILES = 10 * LIMIT // 150
IDENTITY = identity_of("a lock", [])


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE_SIZE", LIMIT)


def content(number: int) -> bytes:
    return b"file %d" % number


def request(folder: Path, files: int = FILES, lock: str = "a lock") -> KeepRequest:
    def obtain(items: Sequence[KeepItem]) -> list[list[ObtainedFile]]:
        found = []
        for item in items:
            path = folder / item.name
            path.write_bytes(content(int(item.name)))
            found.append([ObtainedFile(item.name, path)])
        return found

    items = []
    for number in range(files):
        digest = digest_of(content(number))
        items.append(KeepItem(str(number), (digest,), digest, len(content(number))))
    return KeepRequest(identity_of(lock, []), lock, items, obtain)


def test_ten_times_the_files_of_a_page(tmp_path: Path) -> None:
    repository = DirectoryRepository(tmp_path / "mirror")
    done = keep(repository, request(tmp_path), NOW)
    assert (done.files, done.sent) == (FILES, FILES)
    top = repository.manifest(lock_tag(IDENTITY))
    assert top is not None and top.media_type == INDEX
    value = json.loads(top.data)
    assert value["artifactType"] == PAGED and len(value["manifests"]) >= 10
    assert all(row["size"] <= LIMIT for row in value["manifests"])
    stored = stored_lock(repository, IDENTITY)
    assert stored is not None and stored.blobs == {digest_of(content(n)): len(content(n)) for n in range(FILES)}
    assert len(read_config(repository, stored).files) == FILES
    assert is_kept(repository, IDENTITY, NOW) == done.digest


def test_an_unchanged_lock_is_one_request(tmp_path: Path) -> None:
    repository = MemoryRepository()
    done = keep(repository, request(tmp_path), NOW)
    repository.calls.clear()
    assert is_kept(repository, IDENTITY, NOW) == done.digest
    assert dict(repository.calls) == {"resolve": 1}


def test_a_lock_of_one_page_has_the_form_that_earlier_versions_read() -> None:
    files = tuple(KeptFile(str(n), digest_of(content(n)), len(content(n))) for n in range(5))
    kept = KeptLock(IDENTITY, "a lock", files)
    found = pages.encode(kept, encode(kept))
    value = json.loads(found.data)
    assert (found.media_type, found.pages, value["artifactType"]) == (MANIFEST, (), ARTIFACT)
    assert [layer["digest"] for layer in value["layers"]] == sorted(file.digest for file in files)
    assert found.data == json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def test_a_file_is_found_with_the_first_page_alone(tmp_path: Path) -> None:
    repository = MemoryRepository()
    keep(repository, request(tmp_path), NOW)
    place = KeptPlace("memory", lambda: repository, lambda text: None)
    repository.calls.clear()
    last = digest_of(content(FILES - 1)).removeprefix("sha256:")
    entry = place.find(WantedFile(sha256=last))
    assert entry is not None and entry.digest == digest_of(content(FILES - 1))
    assert repository.calls["manifest"] == 2  # the index, and one page


def test_a_copy_has_all_pages(tmp_path: Path) -> None:
    source, target = DirectoryRepository(tmp_path / "one"), DirectoryRepository(tmp_path / "two")
    keep(source, request(tmp_path), NOW)
    done = copying.copy_lock(source, target, IDENTITY, NOW)
    assert done.files == FILES and stored_lock(target, IDENTITY) == stored_lock(source, IDENTITY)
    assert copying.copy_lock(source, target, IDENTITY, NOW).unchanged


def test_a_collection_deletes_pages_and_files_but_those_of_other_locks(tmp_path: Path) -> None:
    repository = DirectoryRepository(tmp_path / "mirror")
    keep(repository, request(tmp_path), NOW)
    keep(repository, request(tmp_path, FILES // 2, "another"), NOW)
    other = identity_of("another", [])
    before = stored_lock(repository, other)
    collection.collect(repository, [IDENTITY], say=print)
    assert before is not None and stored_lock(repository, other) == before
    assert {digest for digest, _, _ in repository.blobs()} == {
        *before.blobs, before.config.digest, before.manifest.digest, *(page.digest for page in before.pages)
    }  # fmt: skip
    collection.collect(repository, [other], say=print)
    assert not list(repository.blobs())


def test_in_a_registry_the_pages_are_deleted_with_their_index(tmp_path: Path) -> None:
    repository = MemoryRepository()
    keep(repository, request(tmp_path), NOW)
    stored = stored_lock(repository, IDENTITY)
    assert stored is not None and stored.pages
    collection.collect(repository, [IDENTITY], say=print)
    assert stored_lock(repository, IDENTITY) is None
    assert all(repository.manifest(page.digest) is None for page in stored.pages)


@pytest.mark.parametrize("files", [5, FILES])
def test_a_lock_that_names_the_documents_of_another_is_collected_without_them(tmp_path: Path, files: int) -> None:
    """Who may push, but not delete, lets a lock's tag name another's pages, and waits for the owner's gc."""
    repository = MemoryRepository()
    keep(repository, request(tmp_path, files, "another"), NOW)
    other = identity_of("another", [])
    before = stored_lock(repository, other)
    assert before is not None
    index = json.loads(before.manifest.data) | {"annotations": {"of": "mine"}}
    data = json.dumps(index).encode() if before.pages else before.manifest.data
    repository.write_manifest(data, before.manifest.media_type, lock_tag(IDENTITY))
    collection.collect(repository, [IDENTITY], say=print)
    assert stored_lock(repository, other) == before
    assert lock_tag(IDENTITY) not in repository.tags()


def test_pages_of_a_lock_that_a_later_version_wrote_are_not_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = MemoryRepository()
    with monkeypatch.context() as patch:
        patch.setattr(kept_lock, "FORMAT", 99)
        keep(repository, request(tmp_path, FILES, "another"), NOW)
        before = stored_lock(repository, identity_of("another", []))
    assert before is not None and before.pages
    repository.write_manifest(before.manifest.data, before.manifest.media_type, lock_tag(IDENTITY))
    collection.collect(repository, [IDENTITY], say=print)
    assert all(repository.manifest(one.digest) is not None for one in (before.manifest, *before.pages))
    assert lock_tag(IDENTITY) not in repository.tags()


def test_a_missing_page_and_one_of_another_lock_are_refused(tmp_path: Path) -> None:
    repository = DirectoryRepository(tmp_path / "mirror")
    keep(repository, request(tmp_path), NOW)
    keep(repository, request(tmp_path, lock="another"), NOW)
    mine, theirs = stored_lock(repository, IDENTITY), stored_lock(repository, identity_of("another", []))
    assert mine is not None and theirs is not None
    mixed = mine.manifest.data.replace(mine.pages[1].digest.encode(), theirs.pages[1].digest.encode())
    repository.write_manifest(mixed, INDEX, lock_tag(IDENTITY))
    with pytest.raises(Corrupt, match="different locks"):
        stored_lock(repository, IDENTITY)
    repository.write_manifest(mine.manifest.data, INDEX, lock_tag(IDENTITY))
    repository.delete(mine.pages[3].digest)
    with pytest.raises(Corrupt, match="page of a kept lock is missing"):
        stored_lock(repository, IDENTITY)


@pytest.mark.parametrize("rows", [None, [], ["x"], [{"digest": 1}], [{"digest": "sha256:" + "0" * 64}] * 2])
def test_an_index_that_is_not_valid_is_refused(rows: object) -> None:
    repository = MemoryRepository()
    data = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "artifactType": PAGED, "manifests": rows}).encode()
    repository.manifests[digest_of(data)] = (INDEX, data)
    repository.named[lock_tag(IDENTITY)] = digest_of(data)
    with pytest.raises(Corrupt, match="index of a kept lock is not valid"):
        stored_lock(repository, IDENTITY)


def test_more_files_than_any_lock_has_are_refused_before_one_is_sent() -> None:
    with pytest.raises(RepositoryError, match="too many files"):
        pages.check_number(pages.MAX_FILES + 1)
    pages.check_number(280_000)
