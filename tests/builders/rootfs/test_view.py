"""Test the assembly of a root and its slices into one tree."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fpack.builders.payload import meta
from fpack.builders.rootfs import view as roots
from fpack.builders.sandbox import bwrap
from fpack.builders.sandbox.bwrap import SandboxError, find_bwrap
from fpack.store import processes
from fpack.store.errors import StoreError
from fpack.store.gc import collect
from fpack.store.path import StorePath
from fpack.store.sessions.registration import FinishedOutput
from fpack.store.store import Store
from support.stores.roots import MERGED, add_root, add_slice, add_tree, host_programs


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def _root(store: Store) -> StorePath:
    files = add_slice(store, "base-files", {"usr/share/motd": b"hello\n", "etc/motd": "../usr/share/motd"})
    shell = add_slice(store, "dash", {"usr/bin/dash": b"#!shell", "usr/share/motd": b"mine\n"})
    return add_root(store, {"base-files": files, "dash": shell}, {"bin": "usr/bin"}, [("dash", "usr/share/motd")])


def test_slices_lie_over_one_another_as_links_to_the_stores_files(store: Store) -> None:
    view = roots.assemble(store, _root(store))
    assert (view / "etc/motd").read_text() == "hello\n"
    assert os.access(view / "bin/dash", os.X_OK)
    assert (view / "usr/bin/dash").stat().st_nlink > 2
    for mount_point in ("proc", "dev", "tmp", "run", "build", "home", "root", "fpack/store", "var/tmp"):
        assert (view / mount_point).is_dir()


def test_what_scripts_made_is_in_the_view_without_what_the_root_leaves_out(store: Store) -> None:
    app = add_slice(store, "app", {"etc/app.conf": b"shipped", "usr/bin/app": b"#!app"})
    made = add_slice(store, "made", {"etc/app.conf": b"changed", "etc/on": "app.conf", "etc/not": b""})
    root = add_root(store, {"app": app}, excluded=[("app", "etc/app.conf")], configure=(made, ["etc/not"]))
    view = roots.assemble(store, root)
    assert (view / "etc/on").read_text() == "changed"
    assert not (view / "etc/not").exists()


def test_a_view_is_made_once(store: Store) -> None:
    root = _root(store)
    view = roots.assemble(store, root)
    inode = view.stat().st_ino
    assert roots.assemble(store, root).stat().st_ino == inode


@pytest.mark.parametrize("end", ["living", "synced", "killed"])
def test_a_view_that_is_not_synced_counts_while_its_session_lives(
    end: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = _root(store)
    first = Store(store.root)
    writer = first.writer()
    writer.file("file", [b"fetched"])
    first.register_all(b"", [FinishedOutput("fetched", writer, [], None)], deferred=True)
    view = roots.assemble(first, root).parent
    inode = view.stat().st_ino
    assert not (view / "synced").exists()
    monkeypatch.setattr(processes, "fork", lambda work: os.abort())
    if end == "synced":
        monkeypatch.setattr(os, "getpid", lambda: 1)  # the process itself syncs
        first.close()
    elif end == "killed":
        first.session.lock.release(keep=True)
    assert (roots.assemble(store, root).parent.stat().st_ino == inode) == (end != "killed")
    assert (view / "synced").exists() == (end != "living")


def test_a_view_of_another_layout_is_left_to_those_who_use_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = _root(store)
    with monkeypatch.context() as other:
        other.setattr(roots, "LAYOUT", "of-before")
        before = roots.assemble(store, root)
    old = store.root / "views" / root.base  # the location in the first versions
    old.mkdir()
    view = roots.assemble(store, root)
    assert view != before and (view / "run/fpack").is_dir()
    collect(store)
    assert view.is_dir() and before.is_dir() and old.is_dir()
    store.close()
    collect(Store(tmp_path / "store"))
    collect(Store(tmp_path / "store"))
    assert not list((tmp_path / "store" / "views").iterdir())


def test_the_build_user_is_beside_the_view_and_takes_the_place_of_one_of_its_number(store: Store) -> None:
    taken = b"root:x:0:0::/root:/bin/sh\nmine:x:1000:1000::/home:/bin/sh\nbuild:x:7:7::/:/bin/sh\n"
    view = roots.assemble(store, add_root(store, {}, {"etc/passwd": taken}))
    assert (view.parent / "passwd").read_text().splitlines() == [
        "root:x:0:0::/root:/bin/sh",
        "build:x:1000:1000:build:/build/home:/bin/sh",
    ]
    assert (view.parent / "group").read_text() == "root:x:0:\nbuild:x:1000:\n"


def test_a_collection_deletes_the_view_with_its_root_and_not_before(store: Store, tmp_path: Path) -> None:
    view = roots.assemble(store, _root(store))
    collect(store)
    assert view.is_dir()
    store.close()
    other = Store(tmp_path / "store")
    collect(other)
    assert not view.parent.exists()
    assert not list((tmp_path / "store" / "trash").iterdir())
    assert not list(other.pool.members())


def test_nothing_is_laid_behind_a_symlink_of_another_slice(store: Store, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    trap = add_slice(store, "trap", {"usr/lib": str(outside)})
    victim = add_slice(store, "victim", {"usr/lib/file": b"content"})
    with pytest.raises(StoreError):
        roots.assemble(store, add_root(store, {"trap": trap, "victim": victim}))
    assert not list(outside.iterdir())
    assert not list((store.root / "views").glob("*/*"))


def _several(monkeypatch: pytest.MonkeyPatch, jobs: int) -> None:
    """Have slices linked by this many processes, however few the slices and the processors are.

    Each waits with its first slice until all have one.
    """
    parent, add, barrier = os.getpid(), roots.LinkTree.add, multiprocessing.get_context("fork").Barrier(jobs)
    met: list[int] = []

    def together(tree: roots.LinkTree, *args: Any, **options: Any) -> None:
        if os.getpid() != parent and not met:
            met.append(barrier.wait(60))
        add(tree, *args, **options)

    monkeypatch.setattr(roots.LinkTree, "add", together)
    monkeypatch.setattr(roots, "_MANY", 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(jobs)))


def _listing(view: Path) -> dict[str, tuple[int, int, str | bytes]]:
    found: dict[str, tuple[int, int, str | bytes]] = {}
    for path in view.rglob("*"):
        info = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[os.fspath(path.relative_to(view))] = (info.st_mode, 0 if path.is_dir() else info.st_ino, content)
    return found


def test_several_processes_make_the_view_that_one_makes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    slices = {
        f"p{n}": add_slice(
            store, f"p{n}", {f"usr/bin/p{n}": b"#!", f"usr/lib/{n % 3}/{n % 5}/f{n}": b"%d" % n, "etc/same": b"same",
                             f"usr/lib/l{n}": f"{n}", "usr/left-out": b"%d" % n}
        )
        for n in range(24)
    }  # fmt: skip
    excluded = [(package, "usr/left-out") for package in slices if package != "p7"]
    views = []
    for jobs in (1, 4):
        with monkeypatch.context() as patch:
            _several(patch, jobs)
            assert roots._jobs(len(slices)) == jobs
            views.append(_listing(roots.assemble(store, add_root(store, slices, {"bin": "usr/bin"}, excluded))))
    assert views[0] == views[1]
    assert (
        views[0]["usr/left-out"][2] == b"7" and len([path for path in views[0] if path.startswith("usr/lib/l")]) == 24
    )


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("first", ["file", "directory"])
@pytest.mark.parametrize("content", [b"content", "target"])
def test_a_directory_in_the_place_of_a_file_of_another_slice_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch, jobs: int, first: str, content: bytes | str
) -> None:
    slices = {
        "file": add_slice(store, "file", {"usr/lib/x": content}),
        "directory": add_slice(store, "directory", {"usr/lib/x/y": b""}),
    }
    _several(monkeypatch, jobs)
    order = [first, *(slices.keys() - {first})]
    with pytest.raises(StoreError, match="/usr/lib/x is a directory in .* and something else in "):
        roots.assemble(store, add_root(store, {package: slices[package] for package in order}))
    assert not list((store.root / "views").glob("*/*"))


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """Yield a directory of the machine, which a root that was made by hand leads to."""
    place = tmp_path / "outside"
    place.mkdir()
    (place / "passwd").write_text("secret:x:0:0::/root:/bin/sh\n")
    yield place
    assert [each.name for each in place.iterdir()] == ["passwd"]
    assert (place / "passwd").stat().st_nlink == 1


def _refused(store: Store, root: StorePath) -> None:
    with pytest.raises(StoreError):
        roots.assemble(store, root)
    assert not list((store.root / "views").glob("*/*"))
    store.close()
    assert not list((store.root / "tmp").iterdir())


def test_a_slice_whose_tree_is_a_symlink_is_refused(store: Store, outside: Path) -> None:
    table = meta.encode([], {"package": "trap"})
    _refused(store, add_root(store, {"trap": add_tree(store, "trap", {"meta": table, "data": str(outside)})}))


def test_a_slice_that_is_a_symlink_is_refused(store: Store, outside: Path) -> None:
    (outside.parent / "data").symlink_to(outside)
    _refused(store, add_root(store, {"trap": add_tree(store, "trap", {"": str(outside.parent)})}))


@pytest.mark.parametrize("path", ["etc", "usr", "var", "var/tmp", "fpack", "run", "proc"])
def test_a_mount_point_that_is_a_symlink_is_refused(store: Store, outside: Path, path: str) -> None:
    for below in ("tmp", "store", "fpack"):
        (outside.parent / "outside-too" / below).mkdir(parents=True, exist_ok=True)
    for target in (outside, outside.parent / "outside-too"):
        trap = add_slice(store, "trap", {path: str(target)})
        with pytest.raises(StoreError):
            roots.assemble(store, _bare_root(store, trap))
    assert all(not list(each.iterdir()) for each in (outside.parent / "outside-too").iterdir())
    assert not list((store.root / "views").glob("*/*"))


@pytest.mark.parametrize("name", ["passwd", "group"])
def test_accounts_that_are_a_symlink_are_not_read(store: Store, outside: Path, name: str) -> None:
    trap = add_slice(store, "trap", {f"etc/{name}": str(outside / "passwd")})
    _refused(store, _bare_root(store, trap))


def _bare_root(store: Store, trap: StorePath) -> StorePath:
    """Return a root of one slice, without any file of its own."""
    listed = [{"package": "trap", "version": "1", "path": str(trap)}]
    root = {"meta": meta.encode([], {"slices": listed, "excluded": []}), "data/.keep": b""}
    return add_tree(store, "root", root, [trap])


def test_bubblewrap_shows_the_view_as_its_root(store: Store) -> None:
    bwrap.probe()
    shell = add_slice(store, "shell", host_programs("sh"))
    view = roots.assemble(store, add_root(store, {"shell": shell}, MERGED))
    command = [find_bwrap(), "--ro-bind", view, "/", "--proc", "/proc", "--dev", "/dev", "/bin/sh", "-c", "echo /*"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert {"/build", "/fpack", "/usr", "/etc"} <= set(done.stdout.split())


def test_where_no_sandbox_can_be_made_the_error_says_what_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bwrap, "find_bwrap", lambda: Path("/bin/false"))
    with pytest.raises(SandboxError) as raised:
        bwrap.probe()
    assert raised.value.hint


def test_without_bubblewrap_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(SandboxError, match="not installed") as raised:
        find_bwrap()
    assert "bubblewrap" in raised.value.hint
