"""Read the parts of an image: the slices of its root, the generated and extra files, and store paths."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fpack.builders.linking import store_paths
from fpack.builders.payload import base_image, meta
from fpack.builders.payload.base_image import BaseImage, Overlay
from fpack.builders.payload.exclusions import BASE, FILES, MODE, Exclusion
from fpack.builders.payload.libraries import graft_targets
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.protocol import BuildError, Task
from fpack.store.canonical import Value
from fpack.store.errors import StoreError, malformation
from fpack.store.path import STORE, StorePath, parse

from .image_fs import BASE_LABEL, PACKAGE_LABEL, FsEntry, FsSource, ImageFs, on_disk
from .layer_plan import LayerItem, stable_name

_FPACK = STORE[1:].partition("/")[0]
_MERGED = ("accounts",)  # the rules that merge files of a base with others


class PartTable(NamedTuple):
    """An output with a table that goes into the image. packages: the names of the packages in it.

    excluded: what something else replaces. unused: paths that the root does not take from the output. set_id: (path,
    mode) of files that get back the set-id bits that scripts set.
    """

    path: StorePath
    disk_path: Path
    entries: list[TreeEntry]
    packages: tuple[str, ...]
    excluded: tuple[Exclusion, ...] = ()
    unused: tuple[str, ...] = ()
    set_id: tuple[tuple[str, int], ...] = ()

    @property
    def left_out(self) -> set[str]:
        """Collect the paths of `excluded` and `unused`."""
        return {*self.unused, *(exclusion.path for exclusion in self.excluded)}

    @property
    def has_entries(self) -> bool:
        """Return whether anything but directories is left of the table."""
        left_out = self.left_out
        return any(entry.kind != meta.DIRECTORY and entry.path not in left_out for entry in self.entries)

    @property
    def item(self) -> LayerItem:
        """Return what the plan of layers needs to know."""
        name = self.packages[0] if self.packages else stable_name(self.path)
        size = sum(e.size for e in self.entries)
        return LayerItem(self.path, "", name, size, self.packages, tuple(sorted(self.left_out)))


class ImageContents(NamedTuple):
    """The parts of the image. extra: the root's extra fields. hidden: the paths of the base that something replaces.

    last: what maintainer scripts made, the root's generated files, the extra files, and tools.
    """

    slices: list[PartTable]
    last: list[PartTable]
    paths: list[StorePath]
    extra: Mapping[str, Value]
    view: ImageFs
    base: BaseImage | None = None
    hidden: tuple[str, ...] = ()

    def table(self, path: StorePath) -> PartTable:
        return next(t for t in [*self.slices, *self.last] if t.path == path)


def read_contents(
    task: Task,
    root: StorePath | None,
    files_path: StorePath | None,
    wanted: Sequence[StorePath],
    tools: StorePath | None = None,
    base: BaseImage | None = None,
) -> ImageContents:
    """Read the parts. wanted: store paths whose closures are in the image. tools: the last table."""
    entries, extra = meta.load(task.tree(root)) if root else ([], {})
    paths = store_paths.closure(task, [*wanted, *graft_targets(extra.get("grafts", ()))])
    overlay = Overlay(base, [path for path, rule in _generated(extra) if rule in _MERGED]) if base else None
    bases = {path.base: path for path in paths}

    def outside(path: str) -> FsEntry | None:
        base = path.split("/")[2]
        if base not in bases:
            return None
        return on_disk(str(task.disk(f"/{path}")), FsSource(base, ""))

    view = ImageFs(outside)
    slices: list[PartTable] = []
    last: list[PartTable] = []
    labels: list[str] = []

    def add_last(table: PartTable, label: str) -> None:
        last.append(_on_base(table, label, overlay))
        labels.append(label)

    files = meta.load(task.tree(files_path))[0] if files_path else []
    own = {file.path: file for file in files if file.kind != meta.DIRECTORY}
    if root:
        slices += _slices(task, root, extra, own, overlay)
        if configure := extra.get("configure"):
            path, unused = parse(configure["path"]), tuple(map(os.fsdecode, configure["left_out"]))
            set_id = tuple((os.fsdecode(name), mode) for name, mode in configure.get("setuid", ()))
            table = _table(task, path, meta.load(task.tree(path))[0], own)._replace(unused=unused, set_id=set_id)
            add_last(table, "the maintainer scripts")
        add_last(_table(task, root, entries, own), "the generated files")
    if files_path:
        add_last(_table(task, files_path, files, {}), "the configuration's files")
    if tools:
        add_last(_table(task, tools, meta.load(task.tree(tools))[0], {}), "the tools")
    hidden = tuple(sorted(overlay.hidden)) if overlay else ()
    if base is not None:
        paths = [path for path in paths if not base_image.has_store_path(task, base, path)]
        for number, group in base.groups():
            view.add(FsSource(f"{BASE_LABEL}layer {number + 1} ({base.layers[number].digest})", ""), group, hidden)
    for table in slices:
        view.add(
            FsSource(f"{PACKAGE_LABEL}{table.packages[0]}", f"{table.disk_path}/data"), table.entries, table.left_out
        )
    for table, label in zip(last, labels, strict=True):
        view.add(FsSource(label, f"{table.disk_path}/data"), table.entries, table.left_out, last=True)
    if base is not None:
        slices = [table for table in slices if table.has_entries]
    return ImageContents(slices, last, paths, extra, view, base, hidden)


def _slices(
    task: Task, root: StorePath, extra: Mapping[str, Value], own: Mapping[str, TreeEntry], overlay: Overlay | None
) -> Iterator[PartTable]:
    """Yield the tables of a root's slices. extra: the root's extra fields. own: the container's own files by path."""
    excluded: dict[str, list[Exclusion]] = {}
    for exclusion in _excluded(root, extra):
        excluded.setdefault(exclusion.package, []).append(exclusion)
    for item in extra["slices"]:
        task.check()
        path = parse(item["path"])
        package = item["package"]
        table = _table(task, path, meta.load(task.tree(path))[0], own, (package,), excluded.get(package, ()))
        yield _on_base(table, f"{PACKAGE_LABEL}{package}", overlay)


def _on_base(table: PartTable, label: str, overlay: Overlay | None) -> PartTable:
    """Return a table without what the base has too. Raise BuildError if it would hide something of the base."""
    if overlay is None:
        return table
    left_out = table.left_out
    package = table.packages[0] if table.packages else ""
    more = [
        Exclusion(package, entry.path, BASE, overlay.base.layer_digest(entry.path))
        for entry in table.entries
        if entry.path not in left_out and overlay.has(entry, label)
    ]
    return table._replace(excluded=tuple(sorted([*table.excluded, *more], key=lambda item: item.path)))


def _generated(extra: Mapping[str, Value]) -> Iterator[tuple[str, str]]:
    for path, rule in extra.get("generated", ()):
        yield os.fsdecode(path), rule


def _excluded(root: StorePath, extra: Mapping[str, Value]) -> Iterator[Exclusion]:
    """Yield the files that a root excludes from its slices. Raise StoreError if its output is malformed."""
    try:
        for package, path, reason, by in extra["excluded"]:
            yield Exclusion(str(package), os.fsdecode(path), str(reason), str(by))
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(
            "A root's output is malformed",
            where=str(root),
            why=f"its exclusions: {malformation(error)}",
            hint="run fpack gc",
        ) from None


def _table(
    task: Task,
    path: StorePath,
    entries: list[TreeEntry],
    own: Mapping[str, TreeEntry],
    packages: tuple[str, ...] = (),
    excluded: Sequence[Exclusion] = (),
) -> PartTable:
    """Return the table of an output, without the paths in `own`, the container's own files by path."""
    _check_outside_store(entries)
    package = packages[0] if packages else ""
    found = {exclusion.path: exclusion for exclusion in excluded}
    for entry in entries if own else ():
        if entry.path in own and (entry.kind != meta.DIRECTORY or entry.path in found):
            found[entry.path] = Exclusion(package, entry.path, _reason(entry, own[entry.path]))
    return PartTable(path, task.disk(path), entries, packages, tuple(found[other] for other in sorted(found)))


def _reason(old: TreeEntry, new: TreeEntry) -> str:
    """Return the reason why the container's own file replaces another file."""
    same = (old.kind, old.blake3, old.target) == (new.kind, new.blake3, new.target)
    return MODE if same and (old.mode, old.uid, old.gid) != (new.mode, new.uid, new.gid) else FILES


def _check_outside_store(entries: Sequence[TreeEntry]) -> None:
    """Raise BuildError if an entry lies in the store directory."""
    for entry in entries:
        if not entry.path.startswith(_FPACK):
            continue
        if f"/{entry.path}/".startswith(f"{STORE}/") or (entry.path == _FPACK and entry.kind != meta.DIRECTORY):
            raise BuildError(f"/{entry.path} lies in the store", why=f"only store paths can be in {STORE}")
