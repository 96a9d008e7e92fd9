"""Keep locks in a repository: what is sent, how often, and what interruptions leave."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import BlobEntry, Corrupt, RepositoryError, Unavailable
from fpack.builders.mirrors import collection, copying, pages
from fpack.builders.mirrors.keeping import KeepItem, KeepRequest, ObtainedFile, is_kept, keep
from fpack.builders.mirrors.kept_lock import (
    FORMAT,
    MANIFEST,
    WEEK,
    KeptFile,
    decode_manifest,
    identities,
    identity_of,
    last_uses,
    lock_tag,
    read_config,
    use_tag,
)
from fpack.builders.mirrors.pages import stored_lock
from support.servers.memory_repository import MemoryRepository, dead
from support.servers.repositories import digest_of

NOW = 1_790_000_000.0


class Files:
    """Files of this machine by name, and the names that were asked for."""

    def __init__(self, folder: Path, **content: bytes) -> None:
        self.folder = folder
        self.content = content
        self.asked: list[str] = []

    def items(self, *names: str) -> list[KeepItem]:
        return [
            KeepItem(name, (digest_of(self.content[name]),), digest_of(self.content[name]), len(self.content[name]))
            for name in names
        ]

    def obtain(self, items: Sequence[KeepItem]) -> list[list[ObtainedFile]]:
        found = []
        for item in items:
            self.asked.append(item.name)
            path = self.folder / item.name
            path.write_bytes(self.content[item.name])
            found.append([ObtainedFile(item.name, path, item.aliases)])
        return found

    def request(self, *names: str, lock: str = "a lock", more: Sequence[KeepItem] = ()) -> KeepRequest:
        return KeepRequest(identity_of(lock, []), lock, [*self.items(*names), *more], self.obtain)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, one=b"1", two=b"22", three=b"333")


def test_a_lock_is_kept_as_one_artifact(files: Files) -> None:
    repository = MemoryRepository()
    done = keep(repository, files.request("one", "two"), NOW)
    assert (done.unchanged, done.files, done.size, done.sent, done.sent_bytes) == (False, 2, 3, 2, 3)
    stored = stored_lock(repository, identity_of("a lock", []))
    assert stored is not None and stored.blobs == {digest_of(b"1"): 1, digest_of(b"22"): 2}
    kept = read_config(repository, stored)
    assert kept.lock == "a lock" and [file.name for file in kept.files] == ["one", "two"]


def test_equal_files_are_sent_and_counted_once(tmp_path: Path) -> None:
    files = Files(tmp_path, **{f"same{n}": b"same" for n in range(20)})
    repository = DirectoryRepository(tmp_path / "mirror")
    done = keep(repository, files.request(*files.content), NOW)
    assert (done.files, done.sent, done.size) == (1, 1, 4)
    stored = stored_lock(repository, identity_of("a lock", []))
    assert stored is not None and len(read_config(repository, stored).files) == 20


def test_an_unchanged_lock_is_one_request(files: Files) -> None:
    repository = MemoryRepository()
    done = keep(repository, files.request("one"), NOW)
    repository.calls.clear()
    assert is_kept(repository, identity_of("a lock", []), NOW) == done.digest
    assert dict(repository.calls) == {"resolve": 1}


def test_a_lock_is_marked_as_used_once_a_week(files: Files) -> None:
    repository = MemoryRepository()
    identity = identity_of("a lock", [])
    keep(repository, files.request("one"), NOW)
    repository.calls.clear()
    assert is_kept(repository, identity, NOW + WEEK)
    assert dict(repository.calls) == {"resolve": 1, "manifest": 1, "write_manifest": 1}
    assert last_uses(repository.tags())[identity] == pytest.approx(NOW + WEEK, abs=WEEK)
    repository.calls.clear()
    assert is_kept(repository, identity, NOW + WEEK)
    assert dict(repository.calls) == {"resolve": 1}
    assert not is_kept(repository, identity_of("another", []), NOW)


def test_a_tag_of_the_users_names_the_artifact(files: Files) -> None:
    repository = MemoryRepository()
    done = keep(repository, files.request("one"), NOW)
    assert is_kept(repository, identity_of("a lock", []), NOW, "v1") == done.digest
    assert repository.named["v1"] == done.digest


def test_locks_share_their_files(files: Files) -> None:
    repository = MemoryRepository()
    keep(repository, files.request("one", "two"), NOW)
    files.asked.clear()
    done = keep(repository, files.request("one", "two", "three", lock="newer"), NOW)
    assert files.asked == ["three"] and done.sent == 1
    assert len(identities(repository.tags())) == 2


def test_an_interrupted_lock_sends_the_rest_alone(files: Files) -> None:
    repository = MemoryRepository()
    write = repository.write_manifest
    repository.write_manifest = lambda *_, **__: (_ for _ in ()).throw(dead())  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        keep(repository, files.request("one", "two"), NOW)
    assert not repository.named
    repository.write_manifest = write  # type: ignore[method-assign]
    files.asked.clear()
    assert keep(repository, files.request("one", "two", "three"), NOW).sent == 1
    assert files.asked == ["three"]


def test_files_of_other_digests_are_found_by_their_aliases(files: Files) -> None:
    repository = MemoryRepository()
    sha512 = f"sha512:{hashlib.sha512(b'333').hexdigest()}"
    item = KeepItem("three", (sha512,), aliases=(sha512,))
    keep(repository, files.request(more=[item]), NOW)
    stored = stored_lock(repository, identity_of("a lock", []))
    assert stored is not None
    assert read_config(repository, stored).files == (KeptFile("three", digest_of(b"333"), 3, (sha512,)),)
    files.asked.clear()
    keep(repository, files.request("one", lock="newer", more=[item]), NOW)
    assert files.asked == ["one"]


def test_a_collection_at_the_same_time_loses_nothing(files: Files, tmp_path: Path) -> None:
    repository = DirectoryRepository(tmp_path / "mirror")
    keep(repository, files.request("one", "two"), NOW)
    obtain, collected = files.obtain, list[str]()

    def while_collected(items: Sequence[KeepItem]) -> list[list[ObtainedFile]]:
        if not collected:  # the new lock has found `one`, and does not name it yet
            collected.extend(identities(repository.tags()))
            collection.collect(repository, collected, say=print)
        return obtain(items)

    request = files.request("one", "three", lock="newer")._replace(obtain=while_collected)
    done = keep(repository, request, NOW)
    assert done.files == 2
    assert all(repository.has_blob(digest_of(content)) for content in (b"1", b"333"))
    assert not repository.has_blob(digest_of(b"22"))


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_collection_spares_what_other_locks_and_images_need(files: Files, tmp_path: Path, dry_run: bool) -> None:
    repository = DirectoryRepository(tmp_path / "mirror")
    old, new = identity_of("a lock", []), identity_of("newer", [])
    keep(repository, files.request("one", "two", "three"), NOW)
    keep(repository, files.request("two", lock="newer"), NOW)
    layer = {"mediaType": "x", "digest": digest_of(b"333"), "size": 3}
    image = b'{"schemaVersion":2,"config":%s,"layers":[]}' % str(layer).replace("'", '"').encode()
    repository.write_manifest(image, "application/vnd.oci.image.manifest.v1+json", "an-image")
    done = collection.collect(repository, [old], dry_run=dry_run, say=print)
    assert done.locks == [old] and not done.by_registry
    assert repository.has_blob(digest_of(b"1")) == dry_run
    assert repository.has_blob(digest_of(b"22")) and repository.has_blob(digest_of(b"333"))
    assert done.blobs == 3  # of the file `one`, the config and the manifest
    assert identities(repository.tags()) == sorted([old, new] if dry_run else [new])


def test_a_lock_with_a_tag_of_its_own_is_not_collected(files: Files) -> None:
    repository = MemoryRepository()
    said: list[str] = []
    keep(repository, files.request("one"), NOW, tag="v1")
    assert collection.collect(repository, identities(repository.tags()), say=said.append).locks == []
    assert "v1" in said[0] and identities(repository.tags())


def test_a_registry_frees_the_blobs_itself(files: Files) -> None:
    repository = MemoryRepository()
    keep(repository, files.request("one"), NOW)
    done = collection.collect(repository, identities(repository.tags()), say=print)
    assert done.by_registry and not repository.tags() and not repository.manifests
    assert digest_of(b"1") in repository.blobs


def test_a_mirror_is_copied(files: Files, tmp_path: Path) -> None:
    source, target = MemoryRepository(), DirectoryRepository(tmp_path / "copy")
    done = keep(source, files.request("one", "two"), NOW)
    identity = identity_of("a lock", [])
    assert copying.copy_lock(source, target, identity, NOW).sent == 2  # without the configuration
    assert copying.copy_lock(source, target, identity, NOW).unchanged
    found = target.resolve(lock_tag(identity))
    assert found is not None and found.digest == done.digest


def test_a_damaged_mirror_is_not_spread(files: Files) -> None:
    source, target = MemoryRepository(), MemoryRepository()
    keep(source, files.request("one", "two"), NOW)
    source.blobs[digest_of(b"1")] = b"x"
    with pytest.raises(Corrupt):
        copying.copy_lock(source, target, identity_of("a lock", []), NOW)
    assert not target.named


def test_another_lock_by_the_name_of_a_kept_one_is_not_spread(files: Files) -> None:
    """A hostile mirror has a valid artifact by the tag of another lock, or one whose layers are not its files."""
    source, target = MemoryRepository(), MemoryRepository()
    keep(source, files.request("one", "two"), NOW)
    identity = identity_of("a lock", [])
    found = source.manifest(lock_tag(identity))
    assert found is not None
    other = "f" * 40
    source.write_manifest(found.data, MANIFEST, lock_tag(other))
    with pytest.raises(Corrupt, match="another kept lock"):
        copying.copy_lock(source, target, other, NOW)
    value = json.loads(found.data)
    value["layers"] = value["layers"][1:]
    source.write_manifest(json.dumps(value).encode(), MANIFEST, lock_tag(identity))
    with pytest.raises(Corrupt, match="other files"):
        copying.copy_lock(source, target, identity, NOW)
    assert not target.named and not target.blobs


def test_a_document_with_a_field_twice_is_refused(files: Files) -> None:
    """Parsers differ on it: one would see another artifact than the other."""
    source = MemoryRepository()
    keep(source, files.request("one"), NOW)
    identity = identity_of("a lock", [])
    found = source.manifest(lock_tag(identity))
    assert found is not None
    source.write_manifest(found.data.replace(b"{", b'{"layers":[],', 1), MANIFEST, lock_tag(identity))
    with pytest.raises(Corrupt, match="not JSON"):
        copying.copy_lock(source, MemoryRepository(), identity, NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "../../etc/passwd"},
        {"digest": "sha256:" + "A" * 64},
        {"size": -1},
        {"size": 1 << 60},
        {"size": True},
        {"name": "\x1b[2J"},
        {"name": "n" * 2000},
        {"aliases": ["no alias\n"]},
        {"aliases": "sha512:x"},
    ],
)
def test_a_config_with_an_invalid_file_is_refused(files: Files, change: dict[str, object]) -> None:
    import json

    repository = MemoryRepository()
    keep(repository, files.request("one"), NOW)
    stored = stored_lock(repository, identity_of("a lock", []))
    assert stored is not None
    value = json.loads(repository.blobs[stored.config.digest])
    assert value["format"] == FORMAT
    value["files"][0] |= change
    data = json.dumps(value).encode()
    repository.blobs[digest_of(data)] = data
    forged = stored._replace(config=stored.config._replace(digest=digest_of(data), size=len(data)))
    with pytest.raises(Corrupt):
        read_config(repository, forged)


def test_another_artifact_under_the_tag_is_no_kept_lock(files: Files) -> None:
    repository = MemoryRepository()
    keep(repository, files.request("one"), NOW)
    identity = identity_of("a lock", [])
    other = b'{"schemaVersion":2,"config":{"digest":"%s"},"layers":[]}' % digest_of(b"1").encode()
    repository.write_manifest(other, "application/vnd.oci.image.manifest.v1+json", lock_tag(identity))
    del repository.named[use_tag(identity, NOW)]
    assert stored_lock(repository, identity) is None
    assert not is_kept(repository, identity, NOW)
    document = repository.manifest(lock_tag(identity))
    assert document is not None and decode_manifest(document, "here") is None


class Stopping(DirectoryRepository):
    """A directory whose user is killed before the change of a tag with a certain number."""

    left = 1 << 30

    def _changes(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt

    def write_manifest(self, data: bytes, media_type: str, tag: str = "") -> BlobEntry:
        self._changes()
        return super().write_manifest(data, media_type, tag)

    def delete(self, reference: str) -> bool:
        self._changes()
        return super().delete(reference)


@pytest.mark.parametrize("changes", range(4))
@pytest.mark.parametrize("way", ["keep", "copy", "collect"])
def test_what_counts_as_kept_after_a_kill_is_there(files: Files, tmp_path: Path, way: str, changes: int) -> None:
    identity = identity_of("a lock", [])
    source = DirectoryRepository(tmp_path / "source")
    keep(source, files.request("one"), NOW)
    repository = Stopping(tmp_path / "mirror")
    if way == "collect":
        keep(repository, files.request("one"), NOW)
    repository.left = changes
    with contextlib.suppress(KeyboardInterrupt):
        if way == "keep":
            keep(repository, files.request("one"), NOW, tag="v1")
        elif way == "copy":
            copying.copy_lock(source, repository, identity, NOW)
        else:
            collection.collect(repository, [identity], say=lambda text: None)
    repository.left = 1 << 30
    # The tags alone decide: a registry is asked for no more.
    assert repository.resolve(use_tag(identity, NOW)) is None or stored_lock(repository, identity) is not None
    if is_kept(repository, identity, NOW):
        assert stored_lock(repository, identity) is not None
    else:
        keep(repository, files.request("one"), NOW)
    collection.date(repository, NOW)
    assert last_uses(repository.tags()).keys() == {identity}


def test_a_lock_that_is_collected_while_it_is_kept_is_kept_again(files: Files, tmp_path: Path) -> None:
    identity = identity_of("a lock", [])
    repository = DirectoryRepository(tmp_path / "mirror")
    keep(repository, files.request("one"), NOW - 10 * WEEK)
    write, told = repository.write_manifest, []

    def collected_between(data: bytes, media_type: str, tag: str = "") -> BlobEntry:
        if tag == use_tag(identity, NOW) and not told:
            told.append(tag)
            collection.collect(repository, [identity], say=lambda text: None)
        return write(data, media_type, tag)

    repository.write_manifest = collected_between  # type: ignore[method-assign]
    keep(repository, files.request("one"), NOW)
    assert told and is_kept(repository, identity, NOW) and stored_lock(repository, identity) is not None


def test_a_lock_of_too_many_files_sends_nothing(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    number = 1000
    monkeypatch.setattr(pages, "MAX_FILES", number)
    items = [KeepItem(f"{n}", (digest := f"sha256:{n:064x}",), digest, 1) for n in range(number)]
    repository = MemoryRepository()
    with pytest.raises(RepositoryError, match="too many files") as caught:
        keep(repository, files.request("one", more=items), NOW)
    assert f"{number + 1} files" in caught.value.why
    assert not repository.calls and not files.asked
