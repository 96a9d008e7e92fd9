"""Roots on disk: a `root` output and its slices as one tree of hard links, which a sandbox binds as its `/`.

A view is made once for each root, as `$FPACK_ROOT/views/LAYOUT/ROOT`, beside and then renamed. LAYOUT changes with what
this version of fpack adds to a root. A collection deletes a view together with the root's store path. Its files are the
store's own inodes: bind it read-only.

A root and its slices may be outputs that a project made by hand. So no directory of theirs may be a symlink: what it
leads to on this machine would be linked into the view, read, or written to.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Collection
from pathlib import Path

from blake3 import blake3
from fpack.builders.payload import meta
from fpack.store.errors import StoreError
from fpack.store.files.regular_file import open_regular
from fpack.store.files.remove import remove_tree
from fpack.store.locks import FileLock
from fpack.store.path import StorePath, parse
from fpack.store.store import Store

BUILD_UID = 1000
# What a read-only `/` must have so that something can be mounted there.
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
# Another version's view may lack what this one mounts on.
LAYOUT = blake3(repr((2, BUILD_UID, _DIRECTORIES, sorted(_FILES.items()))).encode()).hexdigest(4)


def assemble(store: Store, root: StorePath) -> Path:
    """The view of `root`: a directory that can be bound as `/`, complete with mount points.

    Beside it lie `passwd` and `group`, the root's own with the user `build`, 1000:1000, who runs builds.
    """
    place = store.root / "views" / LAYOUT / root.base
    if place.is_dir():
        return place / "root"
    place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with FileLock(store.root / "locks" / f"view-{root.hash}"):
        if not place.is_dir():
            beside = store.session.fresh()
            try:
                _make(store, root, beside)
                os.rename(beside, place)
            except BaseException:
                remove_tree(beside)
                raise
    return place / "root"


def _make(store: Store, root: StorePath, place: Path) -> None:
    top = place / "root"
    os.makedirs(top)
    os.chmod(place, 0o755)
    _, extra = meta.read(store.disk(root))
    excluded: dict[str, set[str]] = {}
    for package, path, *_ in extra["excluded"]:
        excluded.setdefault(package, set()).add(os.fsdecode(path))
    tree = _Tree(os.fspath(top))
    for each in extra["slices"]:
        data = store.disk(parse(each["path"])) / "data"
        tree.add(os.fspath(data), each["package"], excluded.get(each["package"], ()))
    tree.add(os.fspath(store.disk(root) / "data"), "the root", ())
    tree.complete()
    for name, line in (
        ("passwd", f"build:x:{BUILD_UID}:{BUILD_UID}:build:/build/home:/bin/sh\n"),
        ("group", f"build:x:{BUILD_UID}:\n"),
    ):
        if os.path.lexists(top / "etc" / name):
            with open_regular(top / "etc" / name) as file:
                line = _without_build(file.read().decode("utf-8", "replace")) + line
        (place / name).write_text(line, "utf-8")
        os.chmod(place / name, 0o644)
    os.chmod(top, 0o755)


def _without_build(text: str) -> str:
    """Accounts less those that have the build user's name or number."""
    kept = []
    for line in text.splitlines():
        fields = line.split(":")
        if line and fields[0] != "build" and fields[2:3] != [str(BUILD_UID)]:
            kept.append(f"{line}\n")
    return "".join(kept)


def _check_directory(place: str, path: str) -> None:
    """StoreError unless there is a directory at `place`, not a symlink to one. path: how the error calls it."""
    try:
        mode = os.lstat(place).st_mode
    except OSError as error:
        raise StoreError("A root cannot be assembled", where=path, why=error.strerror or str(error)) from None
    if not stat.S_ISDIR(mode):
        raise StoreError(
            "A root cannot be assembled", where=path, why="a file or a symlink is where a directory must be"
        )


def _umask() -> int:
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        return next((int(line.split()[1], 8) for line in file if line.startswith("Umask:")), 0o077)


class _Tree:
    """A tree of hard links in the making; nothing is ever written through a symlink of it."""

    def __init__(self, top: str) -> None:
        self._top = top
        self._made = {""}
        # A build runs as another user than its starter: a strict umask must not shut it out.
        self._strict = bool(_umask() & 0o055)

    def add(self, data: str, package: str, excluded: Collection[str]) -> None:
        """Lay a slice's tree over what is there."""
        for place in (os.path.dirname(data), data):
            _check_directory(place, place)
        todo = [""]
        while todo:
            folder = todo.pop()
            self._mkdir(folder, package)
            with os.scandir(f"{data}/{folder}") as entries:
                for entry in entries:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if path in excluded:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(path)
                    else:
                        self._link(entry.path, f"{self._top}/{path}")

    def _mkdir(self, path: str, package: str) -> None:
        if path in self._made:
            return
        self._mkdir(path.rpartition("/")[0], package)
        try:
            os.mkdir(f"{self._top}/{path}", 0o755)
        except FileExistsError:
            raise StoreError(
                f"/{path} is a directory in {package} and something else in another package", where="/" + path
            ) from None
        if self._strict:
            os.chmod(f"{self._top}/{path}", 0o755)
        self._made.add(path)

    def _link(self, source: str, target: str) -> None:
        try:
            os.link(source, target, follow_symlinks=False)
        except FileExistsError:
            # Two packages have the same file there: the root's builder refused all else.
            return
        except OSError as error:
            if error.errno not in (errno.EMLINK, errno.EXDEV, errno.EPERM):
                raise
            shutil.copy2(source, target, follow_symlinks=False)

    def complete(self) -> None:
        """Add the mount points that no package has."""
        for path in _DIRECTORIES:
            if not os.path.lexists(f"{self._top}/{path}"):
                self._mkdir(path, "fpack")
            while path:
                _check_directory(f"{self._top}/{path}", f"/{path}")
                path = path.rpartition("/")[0]
        for path, text in _FILES.items():
            place = f"{self._top}/{path}"
            if not os.path.lexists(place):
                with open(place, "x", encoding="ascii") as file:
                    file.write(text)
                os.chmod(place, 0o644)
