"""The `image` kind: a root, extra files and store paths become the layers, configuration and manifest of an OCI image.

The layers are derivations of their own, asked for all at once, so that an image whose parts are known is made of what
is in the store already.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fpack.builders.linking import store_paths
from fpack.builders.oci import config as configuration
from fpack.builders.oci import spec
from fpack.builders.oci.entrypoint import check_program, find_entrypoint
from fpack.builders.oci.image_fs import Seen, Source, View, is_executable, on_disk
from fpack.builders.oci.layer_plan import Group, Item, plan, stable_name
from fpack.builders.oci.user import resolve_user
from fpack.builders.payload import meta
from fpack.builders.payload.exclusions import FILES, MODE, Exclusion
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.protocol import BuildError, Built, Need, Steps, Task, whole
from fpack.store import canonical
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation, digest
from fpack.store.errors import StoreError
from fpack.store.files.regular_file import open_regular
from fpack.store.path import STORE, StorePath, clean_name, parse

from . import layer as layers

if TYPE_CHECKING:
    from .table import Services

MIN_LAYERS, MAX_LAYERS = 3, 120
HISTORY_NAMES = 8
MAX_ACCOUNTS = 1 << 22
_FPACK = STORE[1:].partition("/")[0]


class Image:
    """What `fpack pack` writes out.

    args: name, tag. root, files: outputs with tables, or null. paths: store paths that the configuration mentions,
    whose closures go under /fpack/store. config: as in `oci/config.py`. program: whose program is run when config has
    no entrypoint: a package, or the store path and the name of what is built, which may have none; or null. codec: of
    the layers. arch: Debian's. max_layers.

    Output: `config`, `manifest` and `image`. References: the layers, the root and the files.
    """

    kind = "image"
    network = False

    def key(self, drv: Derivation) -> Value:
        """All of the derivation."""
        return whole(drv)

    def build(self, task: Task) -> Steps:
        """Plan the layers, have them made, describe them."""
        args = task.args
        spec.check_name(str(args["name"]), str(args["tag"]))
        spec.platform(str(args["arch"]))
        inside = _read(task)
        config = _configure(task, inside)
        groups = _groups(task, inside, args["max_layers"])
        wanted = [_derivation(group, args["codec"], inside) for group in groups]
        excluded = {table.path: table.excluded for table in [*inside.slices, *inside.last]}
        # The tables can be large, and the layers take their time.
        del inside
        made = yield Need(wanted)
        return _assemble(task, config, groups, excluded, wanted, made)


class _Table(NamedTuple):
    """An output with a table that goes into the image. packages: the names of what is in it."""

    path: StorePath
    place: Path
    entries: list[TreeEntry]
    packages: tuple[str, ...]
    excluded: tuple[Exclusion, ...] = ()

    @property
    def left_out(self) -> set[str]:
        """Collect the paths of `excluded`."""
        return {each.path for each in self.excluded}

    @property
    def item(self) -> Item:
        """Return what the plan of layers needs to know."""
        name = self.packages[0] if self.packages else stable_name(self.path)
        size = sum(e.size for e in self.entries)
        return Item(self.path, "", name, size, self.packages, tuple(each.path for each in self.excluded))


class _Inside(NamedTuple):
    """All that goes into the image. last: the root's generated files and the extra files. extra: the root's."""

    slices: list[_Table]
    last: list[_Table]
    paths: list[StorePath]
    extra: Mapping[str, Value]
    view: View

    def table(self, path: StorePath) -> _Table:
        return next(t for t in [*self.slices, *self.last] if t.path == path)


def _read(task: Task) -> _Inside:
    args = task.args
    paths = store_paths.closure(task, [parse(p) for p in args["paths"]])
    bases = {path.base: path for path in paths}

    def outside(path: str) -> Seen | None:
        base = path.split("/")[2]
        if base not in bases:
            return None
        return on_disk(str(task.disk(f"/{path}")), Source(base, ""))

    view = View(outside)
    slices: list[_Table] = []
    last: list[_Table] = []
    extra: dict[str, Value] = {}
    files: list[TreeEntry] = []
    if args["files"]:
        files = meta.read(task.disk(parse(args["files"])))[0]
    own = {entry.path: entry for entry in files if entry.kind != meta.DIRECTORY}
    if args["root"]:
        root = parse(args["root"])
        entries, extra = meta.read(task.disk(root))
        excluded: dict[str, list[Exclusion]] = {}
        for each in _excluded(root, extra):
            excluded.setdefault(each.package, []).append(each)
        for each in extra["slices"]:
            task.check()
            path = parse(each["path"])
            package = each["package"]
            table = _table(task, path, meta.read(task.disk(path))[0], own, (package,), excluded.get(package, ()))
            slices.append(table)
            view.add(Source(f"the package {package}", f"{table.place}/data"), table.entries, table.left_out)
        last.append(_table(task, root, entries, own))
        view.add(Source("the generated files", f"{last[-1].place}/data"), entries, last[-1].left_out, last=True)
    if args["files"]:
        last.append(_table(task, parse(args["files"]), files, {}))
        view.add(Source("the configuration's files", f"{last[-1].place}/data"), files, last=True)
    return _Inside(slices, last, paths, extra, view)


def _excluded(root: StorePath, extra: Mapping[str, Value]) -> Iterator[Exclusion]:
    """List what a root leaves out of its slices; StoreError if its output does not say so in the known form."""
    try:
        for package, path, reason, by in extra["excluded"]:
            yield Exclusion(str(package), os.fsdecode(path), str(reason), str(by))
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(
            "An output is not that of a root", where=str(root), why=f"what it leaves out: {error}", hint="run fpack gc"
        ) from None


def _table(
    task: Task,
    path: StorePath,
    entries: list[TreeEntry],
    own: Mapping[str, TreeEntry],
    packages: tuple[str, ...] = (),
    excluded: Sequence[Exclusion] = (),
) -> _Table:
    """Describe an output that goes into the image, less the paths in `own`, the container's files by path."""
    _no_store(entries)
    package = packages[0] if packages else ""
    found = {each.path: each for each in excluded}
    for entry in entries if own else ():
        if entry.path in own and (entry.kind != meta.DIRECTORY or entry.path in found):
            found[entry.path] = Exclusion(package, entry.path, _reason(entry, own[entry.path]))
    return _Table(path, task.disk(path), entries, packages, tuple(found[each] for each in sorted(found)))


def _reason(old: TreeEntry, new: TreeEntry) -> str:
    """Return the reason why the container's own file replaces another one."""
    same = (old.kind, old.blake3, old.target) == (new.kind, new.blake3, new.target)
    return MODE if same and (old.mode, old.uid, old.gid) != (new.mode, new.uid, new.gid) else FILES


def _no_store(entries: Sequence[TreeEntry]) -> None:
    for entry in entries:
        if not entry.path.startswith(_FPACK):
            continue
        if f"/{entry.path}/".startswith(f"{STORE}/") or (entry.path == _FPACK and entry.kind != meta.DIRECTORY):
            raise BuildError(f"/{entry.path} lies in the store", why="only store paths can be there")


def _configure(task: Task, inside: _Inside) -> dict[str, Value]:
    args = task.args
    given: Mapping[str, Value] = args["config"]
    configuration.check(given)
    view = inside.view
    entrypoint = configuration.strings(given, "entrypoint")
    if entrypoint is None and args["program"]:
        entrypoint = _suggested(task, args["program"], inside)
    command = configuration.strings(given, "command")
    run = entrypoint or command
    user = given.get("user")
    if user is not None:
        if not isinstance(user, str) or not user:
            raise BuildError(f"{user!r} is not a user", hint="write a name, or numbers: uid or uid:gid")
        user = resolve_user(
            user,
            _text(view, "etc/passwd"),
            _text(view, "etc/group"),
            inside.extra.get("users", ()),
            inside.extra.get("groups", ()),
        )
    config = configuration.oci_config(given, entrypoint, user)
    if run:
        variables = dict(variable.split("=", 1) for variable in config["Env"])
        try:
            check_program(run[0], variables["PATH"], view, lambda path: _programs(task, path, view))
        except BuildError as error:
            if not entrypoint:
                error.hint = f"without `entrypoint`, the first word of `command` is the program; {error.hint}"
            raise
    for path, what in [
        *((volume, "The volume") for volume in config.get("Volumes", ())),
        *((path, "The working directory") for path in [config.get("WorkingDir")] if path),
    ]:
        found = view.resolve(path)
        if found is not None and found[1].kind != meta.DIRECTORY:
            raise BuildError(
                f"{what} {path} is not a directory in the image", why=f"{found[1].source.label} has a file"
            )
    return config


def _suggested(task: Task, program: Value, inside: _Inside) -> list[str] | None:
    """What a package runs; or, of what is built: the program of its name, else its only one, else none."""
    if not isinstance(program, list):
        return [find_entrypoint(str(program), inside.extra, inside.view)]
    path, name = map(str, program)
    if is_executable(inside.view.resolve(path)):
        return [path]
    there = _programs(task, path, inside.view)
    named = [each for each in there if each.endswith(f"/{name}")]
    return named[:1] or (there if len(there) == 1 else None)


def _programs(task: Task, path: str, view: View) -> list[str]:
    """The programs of a store path."""
    there = []
    for folder in ("bin", "sbin"):
        place = task.disk(path) / folder
        for each in sorted(os.listdir(place)) if place.is_dir() else ():
            if is_executable(view.resolve(f"{path}/{folder}/{each}")):
                there.append(f"{path}/{folder}/{each}")
    return there


def _text(view: View, path: str) -> str:
    found = view.resolve(path)
    if found is None or found[1].kind != meta.FILE or not found[1].source.data:
        return ""
    with open_regular(Path(found[1].source.data, found[0])) as file:
        return file.read(MAX_ACCOUNTS).decode("utf-8", "replace")


def _groups(task: Task, inside: _Inside, max_layers: Value) -> list[Group]:
    if max_layers.__class__ is not int or not MIN_LAYERS <= max_layers <= MAX_LAYERS:
        why = f"runtimes stop at 127; fpack takes {MIN_LAYERS} to {MAX_LAYERS}"
        raise BuildError(f"An image cannot have at most {max_layers!r} layers", why=why)
    items = [table.item for table in inside.slices]
    for path in inside.paths:
        task.check()
        items.append(Item(path, str(path), stable_name(path), _tree_size(task.disk(path))))
    last = [Group(table.path.name, (table.item,)) for table in inside.last if table.entries]
    if not items and not last:
        raise BuildError("The image would be empty", hint="give it packages, files, or an entrypoint of a package")
    return plan(items, max_layers - len(last)) + last if items else last


def _tree_size(place: str | Path) -> int:
    status = os.lstat(place)
    if not stat.S_ISDIR(status.st_mode):
        return status.st_size
    with os.scandir(place) as entries:
        return sum(_tree_size(entry.path) for entry in entries)


def _derivation(group: Group, codec: Value, inside: _Inside) -> Derivation:
    parts: list[Value] = []
    for item in group.items:
        part: dict[str, Value] = {"path": str(item.path), "prefix": item.prefix}
        if item.exclude:
            part["exclude"] = list(item.exclude)
        parts.append(part)
    args: dict[str, Value] = {"parts": parts, "codec": codec}
    tables = [inside.table(item.path) for item in group.items if not item.prefix]
    # A slice's own layer stays a function of the slice: the root's layer says again what slices differ on.
    if len(tables) > 1 or tables[:1] in [[table] for table in inside.last]:
        restated = inside.view.restated(t.entries for t in tables)
        if restated:
            args["directories"] = [[path, *attributes] for path, attributes in restated]
    return Derivation("layer", clean_name(f"layer-{group.name}"), args)


def _assemble(
    task: Task,
    config: Mapping[str, Value],
    groups: Sequence[Group],
    excluded: Mapping[StorePath, Sequence[Exclusion]],
    wanted: Sequence[Derivation],
    made: Sequence[StorePath],
) -> Built:
    args = task.args
    infos = [layers.read(task.disk(path)) for path in made]
    steps = [spec.Step(_story(group), info.diff_id) for group, info in zip(groups, infos, strict=True)]
    config_bytes = spec.dump(spec.image_config(str(args["arch"]), config, steps))
    config_blob = spec.describe(spec.CONFIG, config_bytes)
    blobs = [spec.Descriptor(info.media_type, info.digest, info.size) for info in infos]
    manifest = spec.dump(spec.manifest(config_blob, blobs))
    record: dict[str, Value] = {
        "format": 1,
        "name": args["name"],
        "tag": args["tag"],
        "arch": args["arch"],
        "digest": spec.digest(manifest),
        "image_id": config_blob.digest,
        "root": args["root"],
        "files": args["files"],
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
            for path, group, drv, info in zip(made, groups, wanted, infos, strict=True)
        ],
    }
    writer = task.writer()
    writer.file("config", [config_bytes])
    writer.file("manifest", [manifest])
    writer.file("image", [canonical.encode(record)])
    kept = [*made, *(parse(args[key]) for key in ("root", "files") if args[key])]
    return Built(writer, tuple(sorted(set(kept))))


def _left_out(group: Group, excluded: Mapping[StorePath, Sequence[Exclusion]]) -> list[Value]:
    """List what a layer leaves out of its parts: the part's number, the path, the reason and by what."""
    return [
        [number, os.fsencode(each.path), each.reason, each.by]
        for number, item in enumerate(group.items)
        for each in (excluded.get(item.path, ()) if not item.prefix else ())
    ]


def _story(group: Group) -> str:
    """A layer's line in the history."""
    names = [item.packages[0] if item.packages else item.path.name for item in group.items]
    more = f" and {len(names) - HISTORY_NAMES} more" if len(names) > HISTORY_NAMES else ""
    return f"fpack: {', '.join(names[:HISTORY_NAMES])}{more}"


def make(services: Services) -> Image:
    """Return the builder of the kind."""
    return Image()
