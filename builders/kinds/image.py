"""Build the `image` kind: make the layers, configuration and manifest of an OCI image.

The image consists of a root, extra files and store paths. Each layer is a separate derivation, and the builder requests
all of them at once. So an image reuses layers that are in the store already.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fpack.builders import arguments
from fpack.builders.linking import store_paths
from fpack.builders.oci import config as configuration
from fpack.builders.oci import spec
from fpack.builders.oci.entrypoint import check_program, find_entrypoint
from fpack.builders.oci.image_fs import FsEntry, FsSource, ImageFs, is_executable, on_disk
from fpack.builders.oci.layer_plan import LayerGroup, LayerItem, plan, stable_name
from fpack.builders.oci.user import resolve_user
from fpack.builders.payload import meta
from fpack.builders.payload.exclusions import FILES, MODE, Exclusion
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.protocol import BaseBuilder, BuildError, Built, Need, Steps, Task
from fpack.store import canonical
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation, digest
from fpack.store.errors import StoreError
from fpack.store.path import STORE, StorePath, clean_name, parse

from .layer import LayerArgs, PartArgs
from .layer import read as read_layer

# 2: entries stored beside the layers. 3: records the files excluded from layers
VERSION = 3


MIN_LAYERS, MAX_LAYERS = 3, 120
HISTORY_NAMES = 8
SCRIPTS = "the maintainer scripts"
MAX_ACCOUNTS = 1 << 22
_FPACK = STORE[1:].partition("/")[0]


class ImageArgs(NamedTuple):
    """The arguments. root, files: outputs with tables. codec: of the layers. arch: Debian's.

    paths: store paths that the configuration mentions; their closures go under /fpack/store. config: see
    `oci/config.py`. program: the default entrypoint: the name of a package that suggests one, or [store path, name] of
    something built from source; or None.
    """

    name: str
    tag: str
    root: StorePath | None
    files: StorePath | None
    paths: tuple[StorePath, ...]
    program: Value
    arch: str
    max_layers: Value
    config: Mapping[str, Value]
    codec: Mapping[str, Value]


class ImageBuilder(BaseBuilder):
    """The builder of `image`.

    Its output holds `config`, `manifest` and `image`, and references the layers, the root and the files.
    """

    version = VERSION

    def build(self, task: Task) -> Steps:
        """Plan the layers, request them, and describe the image."""
        args = arguments.read(ImageArgs, task.args)
        spec.check_name(args.name, args.tag)
        spec.platform(args.arch)
        parts = _read(task, args)
        config = _configure(task, args, parts)
        groups = _groups(task, parts, args.max_layers)
        wanted = [_derivation(group, args.codec, parts) for group in groups]
        excluded = {table.path: table.excluded for table in [*parts.slices, *parts.last]}
        # Free the tables, which can be large, before the wait for the layers.
        del parts
        built = yield Need(wanted)
        return _assemble(task, args, config, groups, excluded, wanted, built)


class _PartTable(NamedTuple):
    """An output with a table that goes into the image. packages: the names of the packages in it.

    excluded: what something else replaces. unused: paths that the root does not take from the output.
    """

    path: StorePath
    disk_path: Path
    entries: list[TreeEntry]
    packages: tuple[str, ...]
    excluded: tuple[Exclusion, ...] = ()
    unused: tuple[str, ...] = ()

    @property
    def left_out(self) -> set[str]:
        """Collect the paths of `excluded` and `unused`."""
        return {*self.unused, *(exclusion.path for exclusion in self.excluded)}

    @property
    def item(self) -> LayerItem:
        """Return what the plan of layers needs to know."""
        name = self.packages[0] if self.packages else stable_name(self.path)
        size = sum(e.size for e in self.entries)
        return LayerItem(self.path, "", name, size, self.packages, tuple(sorted(self.left_out)))


class _Parts(NamedTuple):
    """The parts of the image. extra: the root's extra fields.

    last: what maintainer scripts made, the root's generated files, and the extra files.
    """

    slices: list[_PartTable]
    last: list[_PartTable]
    paths: list[StorePath]
    extra: Mapping[str, Value]
    view: ImageFs

    def table(self, path: StorePath) -> _PartTable:
        return next(t for t in [*self.slices, *self.last] if t.path == path)


def _read(task: Task, args: ImageArgs) -> _Parts:
    paths = store_paths.closure(task, args.paths)
    bases = {path.base: path for path in paths}

    def outside(path: str) -> FsEntry | None:
        base = path.split("/")[2]
        if base not in bases:
            return None
        return on_disk(str(task.disk(f"/{path}")), FsSource(base, ""))

    view = ImageFs(outside)
    slices: list[_PartTable] = []
    last: list[_PartTable] = []
    extra: dict[str, Value] = {}
    files: list[TreeEntry] = []
    if args.files:
        files = meta.load(task.tree(args.files))[0]
    own = {file.path: file for file in files if file.kind != meta.DIRECTORY}
    if root := args.root:
        entries, extra = meta.load(task.tree(root))
        excluded: dict[str, list[Exclusion]] = {}
        for exclusion in _excluded(root, extra):
            excluded.setdefault(exclusion.package, []).append(exclusion)
        for item in extra["slices"]:
            task.check()
            path = parse(item["path"])
            package = item["package"]
            table = _table(task, path, meta.load(task.tree(path))[0], own, (package,), excluded.get(package, ()))
            slices.append(table)
            view.add(FsSource(f"the package {package}", f"{table.disk_path}/data"), table.entries, table.left_out)
        if configure := extra.get("configure"):
            path, unused = parse(configure["path"]), tuple(map(os.fsdecode, configure["left_out"]))
            table = _table(task, path, meta.load(task.tree(path))[0], own)._replace(unused=unused)
            last.append(table)
            view.add(FsSource(SCRIPTS, f"{table.disk_path}/data"), table.entries, table.left_out, last=True)
        last.append(_table(task, root, entries, own))
        view.add(FsSource("the generated files", f"{last[-1].disk_path}/data"), entries, last[-1].left_out, last=True)
    if args.files:
        last.append(_table(task, args.files, files, {}))
        view.add(FsSource("the configuration's files", f"{last[-1].disk_path}/data"), files, last=True)
    return _Parts(slices, last, paths, extra, view)


def _excluded(root: StorePath, extra: Mapping[str, Value]) -> Iterator[Exclusion]:
    """Yield the files that a root excludes from its slices. Raise StoreError if its output is malformed."""
    try:
        for package, path, reason, by in extra["excluded"]:
            yield Exclusion(str(package), os.fsdecode(path), str(reason), str(by))
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(
            "A root's output is malformed", where=str(root), why=f"its exclusions: {error}", hint="run fpack gc"
        ) from None


def _table(
    task: Task,
    path: StorePath,
    entries: list[TreeEntry],
    own: Mapping[str, TreeEntry],
    packages: tuple[str, ...] = (),
    excluded: Sequence[Exclusion] = (),
) -> _PartTable:
    """Return the table of an output, without the paths in `own`, the container's own files by path."""
    _check_outside_store(entries)
    package = packages[0] if packages else ""
    found = {exclusion.path: exclusion for exclusion in excluded}
    for entry in entries if own else ():
        if entry.path in own and (entry.kind != meta.DIRECTORY or entry.path in found):
            found[entry.path] = Exclusion(package, entry.path, _reason(entry, own[entry.path]))
    return _PartTable(path, task.disk(path), entries, packages, tuple(found[other] for other in sorted(found)))


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


def _configure(task: Task, args: ImageArgs, parts: _Parts) -> dict[str, Value]:
    given = args.config
    configuration.check(given)
    view = parts.view
    entrypoint = configuration.strings(given, "entrypoint")
    if entrypoint is None and args.program:
        entrypoint = _suggested(task, args.program, parts)
    command = configuration.strings(given, "command")
    run = entrypoint or command
    user = given.get("user")
    if user is not None:
        if not isinstance(user, str) or not user:
            raise BuildError(f"{user!r} is not a user", hint="write a name, or numbers as uid or uid:gid")
        user = resolve_user(
            user,
            _text(view, "etc/passwd"),
            _text(view, "etc/group"),
            parts.extra.get("users", ()),
            parts.extra.get("groups", ()),
        )
    config = configuration.oci_config(given, entrypoint, user)
    if run:
        variables = dict(variable.split("=", 1) for variable in config["Env"])
        try:
            check_program(run[0], variables["PATH"], view, lambda path: _programs(task, path, view))
        except BuildError as error:
            if entrypoint:
                raise
            hint = f"without `entrypoint`, the first item of `command` is the program; {error.hint}"
            raise error.with_(hint=hint) from None
    for path, what in [
        *((volume, "The volume") for volume in config.get("Volumes", ())),
        *((path, "The working directory") for path in [config.get("WorkingDir")] if path),
    ]:
        found = view.resolve(path)
        if found is not None and found[1].kind != meta.DIRECTORY:
            raise BuildError(
                f"{what} {path} is not a directory in the image", why=f"it is a file of {found[1].source.label}"
            )
    return config


def _suggested(task: Task, program: Value, parts: _Parts) -> list[str] | None:
    """Return the default entrypoint.

    For a package, return the program that it suggests. For a store path built from source, return the program with its
    name, or its only program, or None.
    """
    if not isinstance(program, list):
        return [find_entrypoint(str(program), parts.extra, parts.view)]
    path, name = map(str, program)
    if is_executable(parts.view.resolve(path)):
        return [path]
    found = _programs(task, path, parts.view)
    named = [other for other in found if other.endswith(f"/{name}")]
    return named[:1] or (found if len(found) == 1 else None)


def _programs(task: Task, path: str, view: ImageFs) -> list[str]:
    """Return the paths of the programs of a store path."""
    found = []
    for directory in ("bin", "sbin"):
        disk_path = task.disk(path) / directory
        for name in sorted(os.listdir(disk_path)) if disk_path.is_dir() else ():
            if is_executable(view.resolve(f"{path}/{directory}/{name}")):
                found.append(f"{path}/{directory}/{name}")
    return found


def _text(view: ImageFs, path: str) -> str:
    found = view.resolve(path)
    if found is None or found[1].kind != meta.FILE or not found[1].source.data:
        return ""
    content = meta.read_file(f"{found[1].source.data}/{found[0]}", found[1].digest, MAX_ACCOUNTS)
    return content.decode("utf-8", "replace")


def _groups(task: Task, parts: _Parts, max_layers: Value) -> list[LayerGroup]:
    if max_layers.__class__ is not int or not MIN_LAYERS <= max_layers <= MAX_LAYERS:
        why = f"it must be {MIN_LAYERS} to {MAX_LAYERS}, since container runtimes support at most 127 layers"
        raise BuildError(f"{max_layers!r} is not a valid limit of layers for an image", why=why)
    items = [table.item for table in parts.slices]
    for path in parts.paths:
        task.check()
        items.append(LayerItem(path, str(path), stable_name(path), _tree_size(task.disk(path))))
    last = [LayerGroup(table.path.name, (table.item,)) for table in parts.last if table.entries]
    if not items and not last:
        raise BuildError("The image would be empty", hint="add packages, files, or an entrypoint in a package")
    return plan(items, max_layers - len(last)) + last if items else last


def _tree_size(path: str | Path) -> int:
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode):
        return status.st_size
    with os.scandir(path) as entries:
        return sum(_tree_size(entry.path) for entry in entries)


def _derivation(group: LayerGroup, codec: Mapping[str, Value], parts: _Parts) -> Derivation:
    args = LayerArgs(tuple(PartArgs(item.path, item.prefix, item.exclude) for item in group.items), codec)
    tables = [parts.table(item.path) for item in group.items if not item.prefix]
    # A layer of one slice must depend on that slice alone. The root's layer restates directories that slices differ on.
    if len(tables) > 1 or tables[:1] in [[table] for table in parts.last]:
        restated = parts.view.restated(t.entries for t in tables)
        args = args._replace(directories=tuple((path, *attributes) for path, attributes in restated))
    return Derivation("layer", clean_name(f"layer-{group.name}"), arguments.write(args))


def _assemble(
    task: Task,
    args: ImageArgs,
    config: Mapping[str, Value],
    groups: Sequence[LayerGroup],
    excluded: Mapping[StorePath, Sequence[Exclusion]],
    wanted: Sequence[Derivation],
    built: Sequence[StorePath],
) -> Built:
    infos = [read_layer(task.tree(path)) for path in built]
    steps = [spec.HistoryStep(_created_by(group), info.diff_id) for group, info in zip(groups, infos, strict=True)]
    config_bytes = spec.dump(spec.image_config(args.arch, config, steps))
    config_blob = spec.describe(spec.CONFIG, config_bytes)
    blobs = [spec.Descriptor(info.media_type, info.digest, info.size) for info in infos]
    manifest = spec.dump(spec.manifest(config_blob, blobs))
    record: dict[str, Value] = {
        "format": 1,
        "name": args.name,
        "tag": args.tag,
        "arch": args.arch,
        "digest": spec.digest(manifest),
        "image_id": config_blob.digest,
        "root": args.root and str(args.root),
        "files": args.files and str(args.files),
        "layers": [
            {
                "path": str(path),
                "derivation": digest(drv.encode()),
                "parts": [[str(item.path), item.prefix] for item in group.items],
                "excluded": _left_out(group, excluded),
                "packages": [package for item in group.items for package in item.packages],
                **info._asdict(),
                "shipped": list(info.shipped),
            }
            for path, group, drv, info in zip(built, groups, wanted, infos, strict=True)
        ],
    }
    writer = task.writer()
    writer.file("config", [config_bytes])
    writer.file("manifest", [manifest])
    writer.file("image", [canonical.encode(record)])
    references = [*built, *(path for path in (args.root, args.files) if path)]
    return Built(writer, tuple(sorted(set(references))))


def _left_out(group: LayerGroup, excluded: Mapping[StorePath, Sequence[Exclusion]]) -> list[Value]:
    """Return the exclusions of a layer's parts: the part's number, the path, the reason and the replacing package."""
    return [
        [number, os.fsencode(exclusion.path), exclusion.reason, exclusion.by]
        for number, item in enumerate(group.items)
        for exclusion in (excluded.get(item.path, ()) if not item.prefix else ())
    ]


def _created_by(group: LayerGroup) -> str:
    """Return the text of a layer's entry in the image history."""
    names = [item.packages[0] if item.packages else item.path.name for item in group.items]
    more = f" and {len(names) - HISTORY_NAMES} more" if len(names) > HISTORY_NAMES else ""
    return f"fpack: {', '.join(names[:HISTORY_NAMES])}{more}"
