"""Test that the Contents indexes of a signed release are fetched, verified, cached, and made again when damaged."""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import Mock

import pytest
from fpack.builders.debian.contents.cache import open_cached
from fpack.builders.debian.contents.index import ContentsIndex
from fpack.builders.debian.indexes.cache import IndexCache
from fpack.builders.debian.indexes.download import IndexGone
from fpack.builders.debian.indexes.table import IndexUnusable
from fpack.builders.debian.lock.records import Lock
from fpack.builders.debian.mirrors import find_mirrors
from fpack.builders.debian.repository import DebianArchive
from fpack.builders.debian.suites import Suite
from fpack.builders.net.http import Http
from support.archives.archive import DAY, Archive, file

SUITES = (Suite("trixie", "debian"), Suite("trixie-updates", "debian"), Suite("trixie-security", "debian-security"))
NOW = 1_800_000_000


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = Archive(tmp_path / "mirror")
    archive.add("zlib1g-dev", files={"usr/include/zlib.h": "", "usr/share/doc/zlib1g-dev/a": ""})
    archive.add("scripts", arch="all", files={"usr/bin/tool": file(b"#!/bin/sh", 0o755)})
    archive.add("late", suite="trixie-updates", files={"usr/include/late.h": ""})
    archive.add("safe", suite="trixie-security", files={"usr/include/safe.h": ""})
    archive.publish(date=NOW, contents=True)
    return archive


@pytest.fixture
def cache(tmp_path: Path) -> IndexCache:
    return IndexCache(tmp_path / "cache")


def of(archive: Archive, cache: IndexCache, mirror: str = "") -> DebianArchive:
    return DebianArchive(
        cache=cache.directory, mirrors=find_mirrors(mirror or archive.mirror, environ={}), http=Http(retries=0),
        reporter=Mock(), now=lambda: NOW, keyring=str(archive.keyring), accept_expired=True,
    )  # fmt: skip


def contents(archive: Archive, cache: IndexCache, lock: Lock | None = None, mirror: str = "") -> ContentsIndex:
    return of(archive, cache, mirror).contents(lock or Lock(), "trixie", SUITES, "amd64")


def cached(cache: IndexCache, lock: Lock | None = None, suites: Sequence[Suite] = SUITES) -> ContentsIndex | None:
    return open_cached(cache, lock or Lock(), "trixie", suites, "amd64")


def test_files_of_all_suites_and_architectures_are_found(archive: Archive, cache: IndexCache) -> None:
    assert cached(cache) is None
    index = contents(archive, cache)
    assert index.at("/usr/include/zlib.h") == ("zlib1g-dev",) and index.at("/usr/bin/tool") == ("scripts",)
    assert index.at("/usr/include/late.h") == ("late",)
    assert index.at("/usr/include/safe.h") == ()  # the security suite's index is empty, as Debian's is
    again = cached(cache)
    assert again is not None and again.at("/usr/include/zlib.h") == ("zlib1g-dev",) and again.date == NOW
    assert not list(cache.directory.glob("new-*"))


def test_what_is_cached_needs_no_network(archive: Archive, cache: IndexCache) -> None:
    lock = Lock()
    of(archive, cache).refresh(lock, "trixie", SUITES, ["amd64"])
    contents(archive, cache, lock)
    assert contents(archive, cache, lock, "debian=file:///nowhere only").at("/usr/bin/tool") == ("scripts",)


def test_the_locked_suites_index_is_used(archive: Archive, cache: IndexCache) -> None:
    lock = Lock()
    of(archive, cache).refresh(lock, "trixie", SUITES, ["amd64"])
    contents(archive, cache, lock)
    archive.add("new", files={"usr/include/new.h": ""})
    archive.publish(date=NOW + DAY / 2, contents=True)
    assert contents(archive, cache).at("/usr/include/new.h") == ("new",)
    assert contents(archive, cache, lock).at("/usr/include/new.h") == ()
    newest, locked = cached(cache), cached(cache, lock)
    assert newest is not None and newest.at("/usr/include/new.h")
    assert locked is not None and not locked.at("/usr/include/new.h")


def test_the_exact_index_is_that_of_the_newest_release_of_each_suite(archive: Archive, cache: IndexCache) -> None:
    contents(archive, cache)
    assert open_cached(cache, Lock(), "trixie", SUITES, "amd64", exact=True) is not None
    archive.add("later", suite="trixie-updates", files={"usr/include/later.h": ""})
    archive.publish("trixie-updates", date=NOW + DAY / 2, contents=True)
    of(archive, cache).refresh(Lock(), "trixie", SUITES, ["amd64"])
    assert open_cached(cache, Lock(), "trixie", SUITES, "amd64", exact=True) is None
    older = cached(cache)
    assert older is not None and older.at("/usr/include/late.h") and not older.at("/usr/include/later.h")
    assert contents(archive, cache).at("/usr/include/later.h")
    assert open_cached(cache, Lock(), "trixie", SUITES, "amd64", exact=True) is not None


def test_a_locked_index_that_is_gone(archive: Archive, cache: IndexCache) -> None:
    lock = Lock()
    of(archive, cache).refresh(lock, "trixie", SUITES, ["amd64"])
    archive.add("new", files={"usr/include/new.h": ""})
    archive.publish(date=NOW + DAY / 2, contents=True)
    with pytest.raises(IndexGone):
        contents(archive, cache, lock)
    assert cached(cache, lock) is None


def test_a_release_without_an_index(archive: Archive, cache: IndexCache) -> None:
    archive.publish(date=NOW)
    with pytest.raises(IndexUnusable, match="no index of files"):
        contents(archive, cache)
    assert cached(cache) is None


def test_only_the_main_suites_index_is_needed(archive: Archive, cache: IndexCache) -> None:
    archive.publish("trixie-updates", date=NOW)
    index = contents(archive, cache)
    assert index.at("/usr/include/zlib.h") and not index.at("/usr/include/late.h")
    assert cached(cache) is not None


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-20],
        lambda data: gzip.compress(gzip.decompress(data) + b"usr/bin/evil x/evil\n", mtime=0),
        lambda data: gzip.compress(gzip.decompress(data).replace(b"zlib1g", b"hacked"), mtime=0),
        lambda data: b"",
    ],
)
def test_an_index_that_the_signed_release_does_not_list(archive: Archive, cache: IndexCache, change: object) -> None:
    path = archive.folder / "debian/dists/trixie/main/Contents-amd64.gz"
    path.write_bytes(change(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(IndexGone):
        contents(archive, cache)
    assert cached(cache) is None and not list(cache.directory.glob("*.contents*"))


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_damaged_cache_is_made_again(archive: Archive, cache: IndexCache, at: int) -> None:
    contents(archive, cache)
    files = sorted(cache.directory.glob("*.contents*"))
    assert len(files) == 3  # of the main suite for both architectures, and of the updates
    good = files[at].read_bytes()
    for bad in (good[:-1], b"", good[:40] + bytes([good[40] ^ 1]) + good[41:], files[at - 1].read_bytes()):
        files[at].write_bytes(bad)
        index = contents(archive, cache)
        assert index.at("/usr/include/zlib.h") and index.at("/usr/bin/tool") and index.at("/usr/include/late.h")
        assert files[at].read_bytes() == good


def test_a_strangers_cache_is_not_believed(archive: Archive, cache: IndexCache) -> None:
    contents(archive, cache)
    for path in cache.directory.glob("*.contents*"):
        path.chmod(0o666)
    assert cached(cache) is None


def test_an_unused_index_is_deleted(archive: Archive, cache: IndexCache) -> None:
    contents(archive, cache)
    first, second, *_ = sorted(cache.directory.glob("*.contents*"))
    for path in (first, second):
        os.utime(path, (1, 1))
    assert cached(cache) is not None  # this marks both as used
    os.utime(first, (time.time() - 91 * DAY,) * 2)
    cache.tidy()
    assert not first.exists() and second.exists()


def test_an_index_larger_than_declared_is_refused(archive: Archive, cache: IndexCache) -> None:
    """A release that lies of the size: the text is no longer than what was declared when reading stops."""
    path = archive.inrelease()
    lines = archive.contents_lines
    lines["trixie", "amd64"] = [b"usr/bin/%07d x/bomb" % number for number in range(100_000)]
    archive.publish(date=NOW, contents=True)
    real = path.read_text()
    size = next(line.split()[1] for line in real.splitlines() if line.endswith(" main/Contents-amd64"))
    from support.archives.archive import clearsign

    body = real.partition("\n\n")[2].partition("\n-----BEGIN PGP SIGNATURE")[0]
    path.write_bytes(clearsign(body.replace(f" {size} main/Contents-amd64\n", " 1000 main/Contents-amd64\n") + "\n"))
    with pytest.raises(IndexUnusable, match="does not match the digest"):
        contents(archive, cache)
    assert cached(cache) is None
