"""Test a store that something else changed, moved or mounted: directories and entries vanish, file systems differ."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fpack.store import gc
from fpack.store.collection import roots
from fpack.store.derivation import Output
from fpack.store.errors import StoreDamaged, StoreError
from fpack.store.files import mounts
from fpack.store.files.pool import Pool
from fpack.store.files.remove import remove_tree
from fpack.store.sessions import recovery
from fpack.store.store import _DIRECTORIES, Store
from support.faults.scenarios import open_all
from support.processes.unprivileged import UID
from support.stores.small_trees import add

WRITTEN = [name for name in _DIRECTORIES if name not in ("db", "store")]


@pytest.mark.parametrize("name", _DIRECTORIES)
def test_a_directory_that_was_deleted_is_made_again(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path / "f")
    first = add(store, "a", "one")
    store.close()
    open_all(store.root / name)
    shutil.rmtree(store.root / name)
    if name == "db":
        # The trees are worth more than an empty database.
        with pytest.raises(StoreDamaged, match="lost"):
            Store(store.root)
        return
    store = Store(store.root)
    assert add(store, "b", "two", [first]) and add(store, "a", "one") == first
    gc.add_root(store, tmp_path / "result", store.disk(first))
    gc.collect(store)
    assert (store.root / name).is_dir()
    store.close()


@pytest.mark.parametrize("name", WRITTEN)
def test_a_directory_that_is_deleted_meanwhile_is_made_again(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path / "f")
    first = add(store, "a", "one")
    open_all(store.root / name)
    shutil.rmtree(store.root / name)
    if name == "tmp":
        # The session's own directory is gone, and with it what this process writes: the next process goes on.
        with pytest.raises(FileNotFoundError):
            add(store, "b", "two", [first])
        store.close()
        store = Store(store.root)
    second = add(store, "b", "two", [first])
    gc.add_root(store, tmp_path / "result", store.disk(second))
    assert (store.disk(second) / "file").read_text() == "two"
    store.close()
    store = Store(store.root)
    assert gc.collect(store).deleted == ()
    store.close()


def test_the_walk_of_the_pool_bears_what_others_delete(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(8):
        add(store, "x", f"text {number}")
    pool = Pool(store.root / "files")
    assert len(list(pool.members())) == 8
    (store.root / "files" / "stray").write_text("")
    walk = pool.members()
    next(walk)
    for directory in sorted((store.root / "files").iterdir())[3:]:
        open_all(directory)
        shutil.rmtree(directory) if directory.is_dir() else directory.unlink()
    assert len(list(walk)) < 7
    left = len(list(pool.members()))
    listed = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: [*listed(path), "gone"])
    assert len(list(pool.members())) == left < 8


def test_two_processes_that_delete_the_same_tree_do_not_fail(tmp_path: Path) -> None:
    for turn in range(10):
        top = tmp_path / f"tree-{turn}"
        for number in range(30):
            (top / str(number) / "deep").mkdir(parents=True)
            (top / str(number) / "deep" / "file").write_text("x")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(remove_tree, [top] * 4))
        assert not top.exists()


def test_what_a_killed_process_left_is_swept(store: Store, tmp_path: Path) -> None:
    kept = add(store, "a", "one")
    known = store.database.has_realisation(b"one")
    assert known and not store.database.has_realisation(b"two")
    root = store.root
    (root / "tmp" / "1-0123456789ab").mkdir()
    (root / "tmp" / "1-0123456789ab" / "file").write_text("x")
    (root / "trash" / "x").mkdir()
    for name in ("build-00", "view-00"):
        (root / "locks" / name).write_text("")
    (root / "partial" / b"one".hex()).mkdir()
    (root / "partial" / b"two".hex()).mkdir()
    (root / "roots" / ".x.01234567").symlink_to(tmp_path / "result")
    assert recovery.sweep(root, store.database, store.pool) == 1
    assert [path.name for path in (root / "tmp").iterdir() if "0123456789ab" in path.name] == []
    assert list((root / "trash").iterdir()) == list((root / "roots").iterdir()) == []
    assert not [path for path in (root / "locks").iterdir() if path.name.startswith(("build-", "view-"))]
    assert [path.name for path in (root / "partial").iterdir()] == [b"two".hex()], "a download that can be continued"
    assert store.info(kept) is not None


def test_a_moved_store_keeps_its_results(tmp_path: Path) -> None:
    store = Store(tmp_path / "old")
    kept, dead = add(store, "a", "one"), add(store, "b", "two")
    gc.add_root(store, tmp_path / "result", store.disk(kept))
    store.close()
    os.rename(tmp_path / "old", tmp_path / "new")
    store = Store(tmp_path / "new")
    assert gc.collect(store).deleted == (dead,)
    # A link into another store that is there is no root of this one.
    other = Store(tmp_path / "old")
    assert roots.links(store.root) == []
    other.close()
    gc.add_root(store, tmp_path / "result", store.disk(kept))
    assert (tmp_path / "result" / "file").read_text() == "one"
    store.close()


def test_a_collection_says_which_results_are_gone(tmp_path: Path) -> None:
    store = Store(tmp_path / "f")
    kept, moved = add(store, "a", "one"), add(store, "b", "two")
    (tmp_path / "project").mkdir()
    gc.add_root(store, tmp_path / "result", store.disk(kept))
    gc.add_root(store, tmp_path / "project" / "result", store.disk(moved))
    store.close()
    store = Store(tmp_path / "f")
    os.rename(tmp_path / "project", tmp_path / "elsewhere")
    assert gc.collect(store, dry_run=True).deleted == (moved,)
    done = gc.collect(store)
    assert done.deleted == (moved,) and done.gone == (str(tmp_path / "project" / "result"),)
    assert gc.collect(store).gone == ()
    store.close()


def test_outputs_of_other_builders_do_not_count_in_a_store_that_cannot_be_changed(store: Store) -> None:
    add(store, "a", "one")
    output = Output(b"one".ljust(20))
    store.database.use_generation(1)
    path = add(store, "a", "one")
    assert store.database.built(output) == path
    store.database.forbid_writing()
    store.database.use_generation(1)
    assert store.database.built(output) == path
    store.database.use_generation(2)
    assert store.database.built(output) is None and store.database.built_all([output]) == {}
    assert store.database.realised(b"one", "out") == path


def test_a_link_of_a_killed_process_is_deleted_by_the_next(tmp_path: Path) -> None:
    store = Store(tmp_path / "f")
    path = add(store, "a", "one")
    (tmp_path / ".result.0123abcd").symlink_to(store.disk(path))
    (tmp_path / ".result.0123abcz").symlink_to(store.disk(path))
    (tmp_path / ".result.01234567").write_text("a file of the user")
    gc.add_root(store, tmp_path / "result", store.disk(path))
    assert sorted(entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".result")) == [
        ".result.01234567", ".result.0123abcz",
    ]  # fmt: skip
    store.close()


MOUNTS = """\
22 1 0:20 / / rw - overlay overlay rw
30 22 0:{device} / {at} rw - {kind} server:/export rw
"""


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_store_on_a_network_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    (tmp_path / "proc" / "self").mkdir(parents=True)
    table = MOUNTS.format(device=45, at=tmp_path, kind=kind)
    (tmp_path / "proc" / "self" / "mountinfo").write_text(table)
    monkeypatch.setattr(os, "major", lambda device: 0)
    with pytest.raises(StoreError, match=f"network file system: {kind}") as caught:
        mounts.check_local(tmp_path, lambda: False, tmp_path / "proc")
    assert "FPACK_NETWORK_STORE" in caught.value.hint
    mounts.check_local(tmp_path, lambda: True, tmp_path / "proc")
    (tmp_path / "proc" / "self" / "mountinfo").write_text(table.replace(kind, "tmpfs"))
    mounts.check_local(tmp_path, lambda: False, tmp_path / "proc")


def test_a_session_asks_for_the_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "mount_of", lambda path, proc: ("nfs4", "/net", ()))
    monkeypatch.setattr(os, "major", lambda device: 0)
    store = Store(tmp_path / "f")
    with pytest.raises(StoreError, match="network"):
        add(store, "a", "one")
    monkeypatch.setenv("FPACK_NETWORK_STORE", "1")
    assert add(store, "a", "one")
    store.close()


IN_OVERLAY = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from fpack.store import gc
from fpack.store.store import Store
from fpack.store import verify
from support.stores.small_trees import add
from support.processes.unprivileged import UID
store = Store(Path(sys.argv[1]))
assert add(store, "a", "one")            # it stands in the lower layer
assert add(store, "d", "text of b")      # its content is a file of the lower layer's pool
new = add(store, "c", "three")
gc.add_root(store, Path(sys.argv[1]).parent / "kept", store.disk(new))
store.close()
store = Store(Path(sys.argv[1]))
found = verify.check(store)
assert found.paths == 4 and not found.damaged and not found.pool, found
deleted = gc.collect(store).deleted
assert len(deleted) == 3, deleted
assert sorted(os.listdir(store.root / "store")) == [new.base], os.listdir(store.root / "store")
assert os.listdir(store.root / "trash") == []
assert (store.disk(new) / "file").read_text() == "three"
assert add(store, "a", "one")
store.close()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_store_in_a_lower_layer_of_overlayfs_works(tmp_path: Path) -> None:
    store = Store(tmp_path / "lower" / "f")
    add(store, "a", "one")
    add(store, "b", "text of b")
    store.close()
    for name in ("upper", "work", "merged"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    mounting = f'mount -t overlay overlay -o {options} {tmp_path}/merged && exec "$@"'
    words = [sys.executable, "-c", IN_OVERLAY, f"{tmp_path}/merged/f", str(Path(__file__).parents[1])]
    done = subprocess.run(["unshare", "-m", "sh", "-c", mounting, "sh", *words], capture_output=True, text=True)
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        pytest.skip(f"overlayfs cannot be mounted here: {done.stderr}")
    assert done.returncode == 0, done.stderr


READ_ONLY = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from fpack.store import gc, leases
from fpack.store.derivation import Output
from fpack.store.errors import StoreReadOnly
from fpack.store.path import parse
from fpack.store.store import Store
store = Store(Path(sys.argv[1]))
path = parse(sys.argv[3])
assert store.info(path) is not None and store.keep([path]) and not store.is_writable
assert store.database.realised(b"one", "out") == path
store.plan({b"x" * 20: b"body"})
store.adopt(b"one", {Output(b"y" * 20): path})
store.used([path])
store.pin(path, "", "a")
lease = leases.begin(store, "shell", [path])
assert lease is not None and leases.begin(store, "shell", [parse("0" * 32 + "-none")]) is None
gc.add_root(store, Path(sys.argv[4]), store.disk(path))
assert os.path.realpath(sys.argv[4]) == str(store.disk(path))
try:
    store.writer()
except StoreReadOnly as error:
    assert error.hint
else:
    raise AssertionError("nothing can be written")
store.close()
"""


@pytest.mark.parametrize("crashed", [False, True], ids=["whole", "with a write-ahead log"])
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_read_only_store_serves_what_it_has(tmp_path: Path, crashed: bool) -> None:
    store = Store(tmp_path / "f")
    path = add(store, "a", "one")
    if crashed:
        # A copy of the files at this moment is what a crash leaves: the rows stand in the log alone.
        shutil.copytree(store.root, tmp_path / "copy", symlinks=True)
        store.close()
        os.rename(tmp_path / "copy", tmp_path / "seen")
        assert (tmp_path / "seen" / "db" / "fpack.sqlite-wal").stat().st_size
    else:
        store.close()
        os.rename(tmp_path / "f", tmp_path / "seen")
    seen = tmp_path / "seen"
    mounting = f'mount --bind {seen} {seen} && mount -o remount,bind,ro {seen} && exec "$@"'
    words = [sys.executable, "-c", READ_ONLY, f"{tmp_path}/seen", str(Path(__file__).parents[1]), path.base]
    words.append(str(tmp_path / "result"))
    done = subprocess.run(["unshare", "-m", "sh", "-c", mounting, "sh", *words], capture_output=True, text=True)
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        pytest.skip(f"nothing can be mounted here: {done.stderr}")
    assert done.returncode == 0, done.stderr


def test_a_failed_end_of_a_session_is_left_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "f")
    add(store, "a", "one")
    with monkeypatch.context() as patched:
        patched.setattr(
            "fpack.store.sessions.session.remove_tree", lambda path: (_ for _ in ()).throw(OSError(5, "EIO"))
        )
        store.close()
    assert len(list((tmp_path / "f" / "tmp").iterdir())) == 2
    store = Store(tmp_path / "f")
    add(store, "b", "two")
    store.close()
    assert list((tmp_path / "f" / "tmp").iterdir()) == []


def test_a_failed_sync_fails_all_later_ones(tmp_path: Path) -> None:
    from fpack.store.files.sync import GroupSync

    calls = []

    def sync() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise OSError(5, "Input/output error", "f")

    group = GroupSync(sync)
    group.sync()
    for _ in range(3):
        with pytest.raises(OSError, match="Input/output error"):
            group.sync()
    assert len(calls) == 2, "the kernel would call the lost data written"


def test_a_lock_in_a_store_that_is_gone_is_an_error(tmp_path: Path) -> None:
    store = Store(tmp_path / "f")
    open_all(store.root)
    shutil.rmtree(store.root)
    with pytest.raises(FileNotFoundError):
        add(store, "a", "one")
    with contextlib.suppress(StoreError):
        store.close()
    assert not (tmp_path / "f").exists()
    assert Output(b"x").name == "out"


AS_ROOT = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from fpack.store import gc
from fpack.store.errors import StoreReadOnly
from fpack.store.path import parse
from fpack.store.store import Store
store = Store(Path(sys.argv[1]))
path = parse(sys.argv[3])
assert store.keep([path]) and not store.is_writable
gc.add_root(store, Path(sys.argv[4]), store.disk(path))
for write in (store.writer, lambda: gc.collect(store), lambda: store.database.add_derivations({b"x" * 20: b"y"})):
    try:
        write()
    except StoreReadOnly as error:
        assert error.hint
    else:
        raise AssertionError("root has written to it")
store.close()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="it needs root and another user")
def test_root_leaves_nothing_in_the_store_of_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "f")
    path = add(store, "a", "one")
    store.close()
    subprocess.run(["chown", "-R", f"{UID}:{UID}", str(store.root)], check=True)
    words = [sys.executable, "-c", AS_ROOT, str(store.root), str(Path(__file__).parents[1]), path.base]
    words.append(str(tmp_path / "result"))
    refused = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "FPACK_SHARED_STORE": ""})
    assert refused.returncode and "another user's" in refused.stderr
    allowed = {**os.environ, "FPACK_SHARED_STORE": str(store.root)}
    done = subprocess.run(words, capture_output=True, text=True, env=allowed)
    assert done.returncode == 0, done.stderr
    owners = {os.lstat(f"{top}/{name}").st_uid for top, *names in os.walk(store.root) for name in sum(names, [])}
    assert owners == {UID}
