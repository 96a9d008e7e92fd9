"""A source is added as `SourceTree` would copy it, and what did not change is not read again."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
from pathlib import Path

import pytest
from fpack.builders.kinds.source import add_source
from fpack.store import sources
from fpack.store.errors import BadTree, StoreError, StoreFull
from fpack.store.files.copier import LARGE
from fpack.store.files.source import SourceTree
from fpack.store.files.tree import scan, tree_digest
from fpack.store.sources import SourceReader
from fpack.store.store import Store
from support.processes.children import children


@pytest.fixture
def source(tmp_path: Path) -> Path:
    top = tmp_path / "source"
    for number in range(40):
        path = top / f"d{number % 7}" / "e" / f"f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text {number % 30}")
        path.chmod(0o755 if number % 3 else 0o640)
    (top / "empty").mkdir()
    (top / "link").symlink_to("d1/e")
    (top / "broken").symlink_to("/nowhere")
    (top / b"\xff\xfe".decode("utf-8", "surrogateescape")).write_bytes(b"a name that is no UTF-8")
    (top / ".gitignore").write_text("*.o\n/d2/\n")
    (top / "d1" / "x.o").write_text("left out")
    (top / "fpack.fp").write_text("left out")
    (top / "large").write_bytes(os.urandom(LARGE + 1000))
    for path in top.rglob("*"):
        os.utime(path, (1000, 1000), follow_symlinks=False)
    return top


@pytest.fixture(autouse=True)
def times_count_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Believe change times at once: those of a test's files are always recent."""
    monkeypatch.setattr(sources, "_RECENT", -(10**12))


def cache(tmp_path: Path) -> Path:
    path = tmp_path / "cache"
    path.mkdir(0o700, exist_ok=True)
    return path


@pytest.mark.parametrize("jobs", [1, 2])
def test_it_is_the_tree_that_a_build_would_copy(store: Store, source: Path, jobs: int) -> None:
    reader = SourceReader(store, source, jobs=jobs)
    assert reader.digest() is None
    writer = reader.write()
    assert writer.finish() == SourceTree().hash(source) == tree_digest(scan(os.fspath(writer.disk)))
    expected = store.writer()
    SourceTree().copy(source, expected)
    expected.finish()
    for one, two in zip(sorted(writer.disk.rglob("*")), sorted(expected.disk.rglob("*")), strict=True):
        a, b = one.lstat(), two.lstat()
        assert (a.st_mode, a.st_mtime, a.st_size) == (b.st_mode, b.st_mtime, b.st_size), one
        assert not stat.S_ISREG(a.st_mode) or a.st_ino == b.st_ino, one
    assert writer.size == expected.size


def test_a_single_file(store: Store, source: Path) -> None:
    for path in (source / "large", source / "link"):
        reader = SourceReader(store, path)
        assert reader.digest() == SourceTree().hash(path) == reader.write().finish()


def read_again(
    store: Store, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int = 1
) -> tuple[bytes | None, int]:
    """Return the digest of a source, and the number of files that were read for it; -1 if the source was copied."""
    seen = []

    def counted(path: str, hash_file=sources.hash_file):  # type: ignore[no-untyped-def]
        seen.append(path)
        return hash_file(path)

    with monkeypatch.context() as patch:
        patch.setattr(sources, "hash_file", counted)
        patch.setattr(sources, "_FEW_UNCHANGED", 1)
        reader = SourceReader(store, source, cache(tmp_path), jobs=jobs)
        digest = reader.digest()
        read = -1 if digest is None else len(seen)
        if digest is None:
            digest = reader.write().finish()
        reader.remember()
    return digest, read


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_did_not_change_is_not_read(
    store: Store, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    def again() -> tuple[bytes | None, int]:
        return read_again(store, source, tmp_path, monkeypatch, jobs)

    whole = SourceTree().hash(source)
    assert again() == (whole, -1)
    assert again() == (whole, 0)
    (source / "d3" / "e" / "f3").write_text("same length?"[:6])
    assert again() == (SourceTree().hash(source), 1) != (whole, 1)
    (source / "d3" / "e" / "f3").chmod(0o600)
    assert again() == (SourceTree().hash(source), 1)
    (source / "d1" / "e" / "f1").rename(source / "d1" / "e" / "g1")
    (source / "d4" / "e" / "f4").unlink()
    assert again() == (SourceTree().hash(source), 1)
    (source / "link").unlink()
    (source / "link").symlink_to("d3")
    (source / "d5").rename(source / "moved")
    assert again() == (SourceTree().hash(source), -1)
    (source / "empty").rmdir()
    assert again() == (SourceTree().hash(source), 0)
    (source / "empty").write_text("a file where a directory was")
    assert again() == (SourceTree().hash(source), 1)
    (source / ".gitignore").write_text("/d1/\n")
    (source / "d1" / "e").chmod(0)  # unreadable for other users than root, and not part of the source any more
    assert again() == (SourceTree().hash(source), -1)
    assert again() == (SourceTree().hash(source), 0)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_remembered_directory_that_holds_a_pipe_now(
    store: Store, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    read_again(store, source, tmp_path, monkeypatch, jobs)
    os.mkfifo(source / "d1" / "e" / "pipe")
    with pytest.raises(BadTree, match="only files"):
        read_again(store, source, tmp_path, monkeypatch, jobs)


def test_a_memory_is_not_written_again_for_files_that_changed_just_now(
    store: Store, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_again(store, source, tmp_path, monkeypatch)
    later = 4_000_000_000
    os.utime(source / "d3" / "e" / "f3", (later, later))
    assert read_again(store, source, tmp_path, monkeypatch)[1] == 1
    (before,) = cache(tmp_path).iterdir()
    inode = before.stat().st_ino
    assert read_again(store, source, tmp_path, monkeypatch) == (SourceTree().hash(source), 1)
    assert before.stat().st_ino == inode
    os.utime(source / "d3" / "e" / "f3", (1000, 1000))
    assert read_again(store, source, tmp_path, monkeypatch)[1] == 1
    assert read_again(store, source, tmp_path, monkeypatch)[1] == 0


@pytest.mark.parametrize("umask", [0o077, 0o133, 0])
def test_modes_do_not_depend_on_the_umask(store: Store, source: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        writer = SourceReader(store, source, jobs=1).write()
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in writer.disk.rglob("*") if path.is_file()}
    assert modes == {0o444, 0o555}
    assert {stat.S_IMODE(path.stat().st_mode) for path in writer.disk.rglob("*") if path.is_dir()} == {0o555}


@pytest.mark.skipif(shutil.which("setfacl") is None, reason="needs setfacl")
def test_modes_do_not_depend_on_a_default_acl(store: Store, source: Path) -> None:
    subprocess.run(["setfacl", "-d", "-m", "u::rwx,g::---,o::---", store.root / "tmp"], check=True)
    writer = SourceReader(store, source, jobs=1).write()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in writer.disk.rglob("*") if path.is_file()}
    assert modes == {0o444, 0o555}


def test_a_change_that_keeps_size_and_time_is_seen(
    store: Store, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_again(store, source, tmp_path, monkeypatch)
    path = source / "d5" / "e" / "f5"
    before = path.stat()
    path.write_text("TEXT 5")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert read_again(store, source, tmp_path, monkeypatch)[0] == SourceTree().hash(source)


def test_a_file_that_changed_just_now_is_not_remembered(
    store: Store, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_RECENT", 60 * 10**9)
    reader = SourceReader(store, source, cache(tmp_path))
    reader.write()
    reader.remember()
    assert list(cache(tmp_path).iterdir()) == []


def test_a_damaged_memory_costs_time_only(
    store: Store, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read_again(store, source, tmp_path, monkeypatch)[0]
    (file,) = cache(tmp_path).iterdir()
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data)
    assert read_again(store, source, tmp_path, monkeypatch)[0] == whole


def test_what_the_pool_has_lost_is_copied_again(
    store: Store, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Content of its own: that of a file that is copied earlier would be in the pool again, in the state that was read.
    (source / "d3" / "e" / "f3").write_text("in no other file")
    os.utime(source / "d3" / "e" / "f3", (1000, 1000))
    whole = read_again(store, source, tmp_path, monkeypatch)[0]
    for path, _, _ in list(store.pool.members()):
        os.unlink(path)
    reader = SourceReader(store, source, cache(tmp_path))
    assert reader.digest() == whole
    (source / "d3" / "e" / "f3").write_text("changed since then")
    writer = reader.write()
    assert whole != writer.finish() == tree_digest(scan(os.fspath(writer.disk))) == SourceTree().hash(source)
    reader.remember()
    assert read_again(store, source, tmp_path, monkeypatch) == (writer.finish(), 0)


def test_memories_are_limited(store: Store, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_MAX_SOURCES", 2)
    for number in range(4):
        (source / f"sub{number}").mkdir()
        (source / f"sub{number}" / "x").write_text("x")
        reader = SourceReader(store, source / f"sub{number}", cache(tmp_path))
        reader.write()
        reader.remember()
    assert len(list(cache(tmp_path).iterdir())) == 2


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_a_tree_cannot_hold(store: Store, source: Path, jobs: int) -> None:
    os.mkfifo(source / "pipe")
    with pytest.raises(BadTree, match="only files"):
        SourceReader(store, source, jobs=jobs)
    (source / "pipe").unlink()
    deep = source
    for _ in range(70):
        deep /= "d"
    deep.mkdir(parents=True)
    with pytest.raises(BadTree, match="levels deep"):
        SourceReader(store, source, jobs=jobs)


def test_the_deepest_and_longest_paths_are_checked_as_elsewhere(store: Store, tmp_path: Path) -> None:
    for depth in (62, 63, 64):
        top = tmp_path / f"deep{depth}"
        directory = top.joinpath(*["d"] * depth)
        directory.mkdir(parents=True)
        (directory / "f").write_text("")
        outcomes = []
        for read in (lambda top=top: SourceReader(store, top).write().finish(), lambda top=top: copied(store, top)):
            try:
                outcomes.append(read())
            except BadTree:
                outcomes.append(b"")
        assert outcomes[0] == outcomes[1], depth


def copied(store: Store, source: Path) -> bytes:
    writer = store.writer()
    SourceTree().copy(source, writer)
    return writer.finish()


def test_a_file_that_is_deleted_meanwhile(store: Store, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_FEW", 1)
    reader = SourceReader(store, source, jobs=2)
    (source / "d1" / "e" / "f1").unlink()
    with pytest.raises(StoreError) as caught:
        reader.write()
    assert "/f1 is gone" in caught.value.what


@pytest.mark.slow
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EMFILE, 0], ids=["EIO", "ENOSPC", "EMFILE", "kill"])
@pytest.mark.parametrize("call", ["open", "fstat", "read", "readv", "write", "utime", "link"])
def test_a_process_that_fails_leaves_nothing_registered(
    store: Store, source: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: int
) -> None:
    """Each system call fails, or its process is killed, in a process that copies a part of the source."""
    monkeypatch.setattr(sources, "_FEW", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    real, parent = getattr(os, call), os.getpid()

    def fail(*args: object, **options: object) -> object:
        # A process takes its parts of the work, and sends its results, with `read` and `write` on pipes.
        if os.getpid() != parent and not (isinstance(args[0], int) and stat.S_ISFIFO(os.stat(args[0]).st_mode)):
            if error:
                raise OSError(error, os.strerror(error), args[0] if isinstance(args[0], str) else None)
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **options)

    before = children()
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(StoreError) as caught:
            add_source(store, source, "source")
    if error == errno.ENOSPC:
        assert isinstance(caught.value, StoreFull)
    else:
        assert (os.strerror(error) if error else "signal 9") in caught.value.why
    assert store.database.paths() == []
    assert children() == before
    assert store.info(add_source(store, source, "source")) is not None
