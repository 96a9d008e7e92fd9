"""Assemble a root on disk: one tree of hard links to a `root` output and its slices, which a sandbox binds as `/`.

Each root has one view, `$FPACK_ROOT/views/LAYOUT/ROOT`, made in a temporary directory and then renamed. LAYOUT changes
with the way in which fpack assembles a root. Garbage collection deletes a view together with the root's store path. The
files of a view are hard links into the store, so it must be bound read-only. The slices are compared with their digests
when the view is made, and not again when it is used.

A hostile project can pass outputs of its own as a root and its slices. So a symlink in the place of one of their
directories is an error: files of this machine would be linked into the view, read or written.
"""

from __future__ import annotations

import collections
import errno
import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from blake3 import blake3
from fpack.builders.payload import meta
from fpack.store import parallel
from fpack.store.canonical import Value
from fpack.store.errors import StoreError
from fpack.store.files.presence import is_present
from fpack.store.files.regular_file import open_regular
from fpack.store.files.remove import remove_tree
from fpack.store.locks import FileLock
from fpack.store.path import StorePath, parse
from fpack.store.sessions import deferred_sync
from fpack.store.store import Store

BUILD_UID = 1000
# Mount points, which cannot be created in a read-only `/`.
_DIRECTORIES = (
    "build", "dev", "etc", "fpack/store", "home", "media", "mnt", "opt", "proc", "root", "run/fpack", "srv", "sys",
    "tmp", "usr", "var/tmp",
)  # fmt: skip
_FILES = {
    "etc/group": "",
    "etc/hostname": "fpack\n",
    "etc/hosts": "127.0.0.1 localhost fpack\n::1 localhost\n",
    "etc/localtime": "",
    "etc/machine-id": "",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/passwd": "",
    "etc/resolv.conf": "",
}
# Files beside the root: one that is made when the view is synced, and one that names the session that will sync it.
_SYNCED, _OWNER = "synced", "owner"
_MANY = 64  # slices for which a process is worth its start
_MOST_JOBS = 8
# Raise the number when views are assembled in another way: an older view may lack mount points or checks.
LAYOUT = blake3(repr((3, BUILD_UID, _DIRECTORIES, sorted(_FILES.items()))).encode()).hexdigest(4)


def assemble(store: Store, root: StorePath) -> Path:
    """Return the view of `root`: a directory that can be bound as `/`, including mount points.

    Its parent also contains `passwd` and `group`: the root's accounts and `build`, 1000:1000, the user who runs builds.
    """
    return prepare(store, root, lambda view: _make(store, root, view)) / "root"


def prepare(store: Store, path: StorePath, make: Callable[[Path], None]) -> Path:
    """Return the directory of a store path's view. make: fills a new directory if there is none yet."""
    view = store.root / "views" / LAYOUT / path.base
    if _is_whole(store, view):
        return view
    view.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with FileLock(store.root / "locks" / f"view-{path.hash}"):
        if not _is_whole(store, view):
            temporary = store.session.fresh()
            try:
                make(temporary)
                if is_owing := store.is_owing:
                    (temporary / _OWNER).write_text(store.session.name, "ascii")
                else:
                    store.sync()
                    (temporary / _SYNCED).touch()
                if is_present(view):
                    remove_tree(store.discard(view))
                os.rename(temporary, view)
                if is_owing:
                    store.after_sync((view / _SYNCED).touch)
            except BaseException:
                remove_tree(temporary)
                raise
    return view


def _is_whole(store: Store, view: Path) -> bool:
    """Return whether a view is on the disk, or is there and a living process will sync it.

    A loss of power leaves any part of a view that was not synced, so only a mark that was made later proves it whole.
    """
    if is_present(view / _SYNCED):
        return True
    try:
        owner = (view / _OWNER).read_text("ascii")
    except (OSError, ValueError):
        return False
    return "/" not in owner and deferred_sync.state(store.root, owner) in (deferred_sync.LIVING, deferred_sync.SYNCED)


def _make(store: Store, root: StorePath, view: Path) -> None:
    top = view / "root"
    os.makedirs(top)
    os.chmod(view, 0o755)
    _, extra = meta.load(store.tree(root))
    excluded: dict[str, set[str]] = {}
    for package, path, *_ in extra["excluded"]:
        excluded.setdefault(package, set()).add(os.fsdecode(path))
    tree = LinkTree(os.fspath(top))
    store.tree(root).check()
    slices = extra["slices"]
    for part in slices:
        store.tree(parse(part["path"])).check()

    def add(number: int) -> Iterator[Value]:
        part = slices[number]
        data = store.disk(parse(part["path"])) / "data"
        tree.add(os.fspath(data), part["package"], excluded.get(part["package"], ()), exclusive=True)
        yield from ()

    collections.deque(parallel.spread(len(slices), add, _jobs(len(slices))), 0)
    if configure := extra.get("configure"):
        store.tree(parse(configure["path"])).check()
        data = store.disk(parse(configure["path"])) / "data"
        tree.add(os.fspath(data), "maintainer scripts", set(map(os.fsdecode, configure["left_out"])))
    tree.add(os.fspath(store.disk(root) / "data"), "the root", ())
    tree.complete()
    for name, line in (
        ("passwd", f"build:x:{BUILD_UID}:{BUILD_UID}:build:/build/home:/bin/sh\n"),
        ("group", f"build:x:{BUILD_UID}:\n"),
    ):
        if is_present(top / "etc" / name):
            with open_regular(top / "etc" / name) as file:
                line = _without_build(file.read().decode("utf-8", "replace")) + line
        (view / name).write_text(line, "utf-8")
        os.chmod(view / name, 0o644)
    os.chmod(top, 0o755)


def _jobs(slices: int) -> int:
    """Return the number of processes that link the files of this many slices."""
    return min(len(os.sched_getaffinity(0)), _MOST_JOBS) if slices >= _MANY else 1


def _without_build(text: str) -> str:
    """Remove accounts with the build user's name or number."""
    kept = []
    for line in text.splitlines():
        fields = line.split(":")
        if line and fields[0] != "build" and fields[2:3] != [str(BUILD_UID)]:
            kept.append(f"{line}\n")
    return "".join(kept)


def _check_directory(path: str, where: str) -> None:
    """Raise StoreError unless there is a directory, not a symlink to one, at `path`. where: for the error."""
    try:
        mode = os.lstat(path).st_mode
    except OSError as error:
        raise StoreError("The root cannot be assembled", where=where, why=error.strerror or str(error)) from None
    if not stat.S_ISDIR(mode):
        raise StoreError("The root cannot be assembled", where=where, why="expected a directory, not a file or symlink")


def _umask() -> int:
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        return next((int(line.split()[1], 8) for line in file if line.startswith("Umask:")), 0o077)


class LinkTree:
    """A tree of hard links under construction. Nothing is written through a symlink of the tree.

    Several processes can add slices, each with a copy.
    """

    def __init__(self, top: str) -> None:
        self._top = top
        self._made = {""}
        # Builds run as another user, who must have access even if the umask is strict.
        self._strict = bool(_umask() & 0o055)

    def add(self, data: str, package: str, excluded: Collection[str], exclusive: bool = False) -> None:
        """Add a slice's tree, without the excluded paths.

        exclusive: whether a file in the place of a directory is an error, as the directory in the place of the file is.
        It is one for slices: which of the two several processes make first is chance.
        """
        for path in (os.path.dirname(data), data):
            _check_directory(path, path)
        todo = [""]
        while todo:
            directory = todo.pop()
            self._mkdir(directory, package)
            with os.scandir(f"{data}/{directory}") as entries:
                for entry in entries:
                    path = f"{directory}/{entry.name}" if directory else entry.name
                    if path in excluded:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(path)
                    elif not self._link(entry.path, f"{self._top}/{path}") and exclusive:
                        self._check_no_directory(path, package)

    def directory(self, path: str, package: str) -> None:
        """Add a directory and its parents."""
        self._mkdir(path, package)

    def link(self, source: str, path: str, package: str) -> None:
        """Add the file or symlink at `source` on disk."""
        self._mkdir(path.rpartition("/")[0], package)
        self._link(source, f"{self._top}/{path}")

    def _mkdir(self, path: str, package: str) -> None:
        if path in self._made:
            return
        self._mkdir(path.rpartition("/")[0], package)
        try:
            os.mkdir(f"{self._top}/{path}", 0o755)
        except FileExistsError:
            # Another process may have made it.
            if not stat.S_ISDIR(os.lstat(f"{self._top}/{path}").st_mode):
                raise StoreError(
                    f"/{path} is a directory in {package} and something else in another package", where="/" + path
                ) from None
        if self._strict:
            os.chmod(f"{self._top}/{path}", 0o755)
        self._made.add(path)

    def _check_no_directory(self, path: str, package: str) -> None:
        if stat.S_ISDIR(os.lstat(f"{self._top}/{path}").st_mode):
            raise StoreError(
                f"/{path} is a directory in another package and something else in {package}", where="/" + path
            )

    def _link(self, source: str, target: str) -> bool:
        """Link or copy a file. Return False if anything is there already."""
        try:
            os.link(source, target, follow_symlinks=False)
        except FileExistsError:
            # Two packages have the same file. The builder of the root refuses all other conflicts.
            return False
        except OSError as error:
            if error.errno not in (errno.EMLINK, errno.EXDEV, errno.EPERM):
                raise
            shutil.copy2(source, target, follow_symlinks=False)
        return True

    def complete(self) -> None:
        """Add missing mount points."""
        for path in _DIRECTORIES:
            if not is_present(f"{self._top}/{path}"):
                self._mkdir(path, "fpack")
            while path:
                _check_directory(f"{self._top}/{path}", f"/{path}")
                path = path.rpartition("/")[0]
        for name, text in _FILES.items():
            path = f"{self._top}/{name}"
            if not is_present(path):
                with open(path, "x", encoding="ascii") as file:
                    file.write(text)
                os.chmod(path, 0o644)
