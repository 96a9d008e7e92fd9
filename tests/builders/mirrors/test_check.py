"""The chain of signatures of a kept lock: a package that no signed index lists is told."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.debian.lock.records import Lock, PackagePin, SuitePin
from fpack.builders.debian.lock.text import format_lock
from fpack.builders.debian.suites import IndexPin, SuiteFile
from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import BlobEntry, Corrupt, ManifestDocument, Unavailable
from fpack.builders.mirrors.check import CheckedLock, MirrorChecker
from fpack.builders.mirrors.keeping import KeepItem, KeepRequest, ObtainedFile, keep
from fpack.builders.mirrors.kept_lock import CONFIG, StoredLock, read_config
from support.archives.archive import Archive, make_deb, new_key
from support.servers.memory_repository import MemoryRepository, dead
from support.servers.repositories import digest_of, write

NOW = 1_790_000_000.0


class ForgedMirror:
    """A mirror that keeps the lock of one package. key: signs the releases."""

    def __init__(self, folder: Path, key: Any = None) -> None:
        self.archive = Archive(folder / "archive")
        path = self.archive.add("hello", files={"usr/bin/hello": "hi"})
        self.archive.publish("trixie", date=NOW, key=key)
        base = folder / "archive" / "debian"
        suite = base / "dists" / "trixie"
        self.files = {
            "deb": path.read_bytes(),
            "index": (suite / "main/binary-amd64/Packages.xz").read_bytes(),
            "release": (suite / "InRelease").read_bytes(),
        }
        self.text = self._text()
        self.folder = folder
        self.repository = MemoryRepository()

    def _text(self) -> bytes:
        import lzma

        return lzma.decompress(self.files["index"])

    def lock(self) -> Lock:
        sha = {name: hashlib.sha256(data).hexdigest() for name, data in self.files.items()}
        lock = Lock()
        lock.suites["trixie", "trixie"] = SuitePin("trixie", "trixie", "debian", int(NOW), None, sha["release"])
        packed = SuiteFile("main/binary-amd64/Packages.xz", len(self.files["index"]), sha["index"])
        lock.indexes["trixie", "trixie", "amd64"] = IndexPin(
            hashlib.sha256(self.text).hexdigest(), len(self.text), packed
        )
        lock.packages["trixie", "amd64", "hello"] = PackagePin(
            "hello", "1.0", "amd64", "hello", "1.0", "debian", int(NOW), len(self.files["deb"]), sha["deb"],
            "pool/hello.deb",
        )  # fmt: skip
        return lock

    def check(self, lock: Lock | None = None, keyring: Path | None = None, **more: bool) -> CheckedLock:
        items = [KeepItem(name, (digest_of(data),)) for name, data in self.files.items()]

        def obtain(wanted: Sequence[KeepItem]) -> list[list[ObtainedFile]]:
            for item in wanted:
                (self.folder / item.name).write_bytes(self.files[item.name])
            return [[ObtainedFile(item.name, self.folder / item.name)] for item in wanted]

        keep(self.repository, KeepRequest("0" * 40, format_lock(lock or self.lock()), items, obtain), NOW)
        return MirrorChecker(self.repository, lambda _: keyring or self.archive.keyring, NOW, **more).check("0" * 40)


def test_a_whole_chain(tmp_path: Path) -> None:
    found = ForgedMirror(tmp_path).check()
    assert (found.packages, found.signed, found.problems) == (1, 1, ())


def test_a_release_of_another_key(tmp_path: Path) -> None:
    found = ForgedMirror(tmp_path, new_key()).check()
    assert found.signed == 0
    assert [problem.kind for problem in found.problems] == ["unsigned", "unsigned"]
    assert found.problems[0].name.startswith("trixie InRelease")


def test_an_index_that_the_release_does_not_list(tmp_path: Path) -> None:
    """The lock and the mirror agree on an index, and on a package in it, that the archive never had."""
    import lzma

    forged = ForgedMirror(tmp_path)
    evil = make_deb("hello", files={"usr/bin/hello": "evil"})
    old = hashlib.sha256(forged.files["deb"]).hexdigest().encode()
    forged.text = forged.text.replace(old, hashlib.sha256(evil).hexdigest().encode())
    forged.files |= {"deb": evil, "index": lzma.compress(forged.text)}
    found = forged.check()
    assert found.signed == 0 and {problem.name for problem in found.problems} == {"the index of trixie", "hello 1.0"}


def test_a_package_that_the_index_does_not_list(tmp_path: Path) -> None:
    forged = ForgedMirror(tmp_path)
    forged.files["deb"] = make_deb("hello", files={"usr/bin/hello": "evil"})
    found = forged.check()
    assert found.signed == 0 and [problem.name for problem in found.problems] == ["hello 1.0"]


def test_an_index_that_is_a_bomb(tmp_path: Path) -> None:
    """The index unpacks to more than the lock says."""
    import lzma

    forged = ForgedMirror(tmp_path)
    lock = forged.lock()
    forged.files["index"] = lzma.compress(bytes(50 << 20), preset=0)
    packed = SuiteFile(
        "main/binary-amd64/Packages.xz", len(forged.files["index"]), digest_of(forged.files["index"])[7:]
    )
    lock.indexes["trixie", "trixie", "amd64"] = lock.indexes["trixie", "trixie", "amd64"]._replace(packed=packed)
    assert forged.check(lock).signed == 0


@pytest.mark.parametrize("name", ["deb", "index", "release"])
def test_what_is_missing(tmp_path: Path, name: str) -> None:
    forged = ForgedMirror(tmp_path)
    lock = forged.lock()
    del forged.files[name]
    kinds = {problem.kind for problem in forged.check(lock, fast=True).problems}
    assert kinds == {"missing"}


def test_a_lock_that_cannot_be_read(tmp_path: Path) -> None:
    forged = ForgedMirror(tmp_path)
    forged.check()
    checker = MirrorChecker(forged.repository, lambda _: tmp_path, NOW)
    assert checker.check("1" * 40).problems[0].kind == "unreadable"
    forged.repository.down = dead
    with pytest.raises(Unavailable):
        checker.check("0" * 40)


def test_a_lock_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """It is written to a file when a bundle is unpacked."""
    repository = DirectoryRepository(tmp_path)
    data = b'{"format":1,"identity":"%s","lock":"\\ud800","files":[]}' % (b"0" * 40)
    write(repository, data)
    config = BlobEntry(CONFIG, digest_of(data), len(data))
    with pytest.raises(Corrupt):
        read_config(repository, StoredLock("0" * 40, ManifestDocument("", "", b""), config, {}))
