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
from fpack.builders.linking.store_paths import extension_modules, tables
from fpack.builders.oci import base_settings, image_program, spec
from fpack.builders.oci import config as configuration
from fpack.builders.oci import foreign_programs as foreign
from fpack.builders.oci.base_documents import BaseLayer
from fpack.builders.oci.image_contents import ImageContents, read_contents
from fpack.builders.oci.image_fs import ImageFs
from fpack.builders.oci.interpreters import built_programs, check_scripts, container_scripts
from fpack.builders.oci.layer_plan import LayerGroup, LayerItem, plan, stable_name
from fpack.builders.oci.library_path import VARIABLE as LIBRARY_PATH
from fpack.builders.oci.library_path import check_library_path
from fpack.builders.oci.module_libraries import check_modules
from fpack.builders.oci.named_payloads import check_built, check_named_payloads
from fpack.builders.oci.own_imports import check_imports
from fpack.builders.oci.user import check_user, resolve_user
from fpack.builders.payload import base_image, meta
from fpack.builders.payload.base_image import BaseArgs, BaseImage
from fpack.builders.payload.exclusions import Exclusion
from fpack.builders.protocol import BaseBuilder, BuildError, Built, Need, Steps, Task
from fpack.builders.rootfs.relocation import PATH as TOOLS_PATH
from fpack.store import canonical
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation, digest
from fpack.store.path import StorePath, clean_name

from .layer import LayerArgs, LayerInfo, PartArgs
from .layer import read as read_layer
from .oci import layer_derivation

# 2: entries stored beside the layers. 3: records the files excluded from layers. 4: records the omitted dependencies;
# configures servers. 5: checks that scripts have their interpreters. 6: checks imports;
# tini before a container's command. 7: no package stands for those that serve maintainer scripts, such as debconf.
VERSION = 7

MIN_LAYERS, MAX_LAYERS = 3, 120
HISTORY_NAMES = 8  # packages that a line of the history names
MAX_ACCOUNTS = 1 << 22  # bytes of passwd or group
_OTHER_LAYERS = 8  # layers that an image may have beside those of the slices that are known early


class ImageArgs(NamedTuple):
    """The arguments. root, files: outputs with tables. codec: of the layers. arch: Debian's.

    paths: store paths that the configuration mentions; their closures go under /fpack/store. config: see
    `oci/config.py`. program: the default entrypoint: the name of a package that suggests one, or [store path, name] of
    something built from source; or None. tools: an output with a table that goes on top of the same layers. foreign:
    globs of files that are meant for another machine. base: the image whose layers lie below, at most one. annotations:
    of the image's manifest. created: the time in the documents, or None for fpack's fixed one.
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
    tools: StorePath | None = None
    foreign: tuple[str, ...] = ()
    base: tuple[BaseArgs, ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    created: tuple[str, ...] = ()


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
        base = base_image.read(task, args.base[0]) if args.base else None
        contents = read_contents(task, args.root, args.files, args.paths, args.tools, base)
        check_named_payloads(task, args.paths, args.config, contents.table(args.files) if args.files else None)
        foreign.check_programs(_programs_from_elsewhere(task, args, contents), args.arch, args.foreign)
        notes = check_built(task, contents)
        config = _configure(task, args, contents, notes)
        notes += _without_set_id(contents.extra)
        groups = _groups(task, contents, args.max_layers, args.tools)
        wanted = [_derivation(group, args.codec, contents) for group in groups]
        below = [] if base is None else [_base_layer(args.base[0], layer) for layer in base.layers]
        excluded = {table.path: table.excluded for table in [*contents.slices, *contents.last]}
        omitted = list(contents.extra.get("omitted", ()))
        hidden = contents.hidden
        # Free the tables, which can be large, before the wait for the layers.
        del contents, base
        built = yield Need([*below, *wanted])
        layers = [_BuiltLayer(None, *pair) for pair in zip(below, built, strict=False)]
        layers += [_BuiltLayer(*row) for row in zip(groups, wanted, built[len(below) :], strict=True)]
        return _assemble(task, args, config, layers, excluded, omitted, notes, hidden)

    def foresee(self, drv: Derivation, parts: Sequence[StorePath]) -> Sequence[Derivation]:
        """Return the layers of slices: each has a layer of its own if there are enough, and few have exclusions."""
        args = arguments.read(ImageArgs, drv.args)
        limit = args.max_layers
        if args.base or limit.__class__ is not int or len(parts) > limit - _OTHER_LAYERS:
            return ()
        return [_slice_layer(path, args.codec) for path in parts]


def _configure(task: Task, args: ImageArgs, contents: ImageContents, notes: list[str]) -> dict[str, Value]:
    """Return the image's configuration. Add what the user must know about it to `notes`."""
    base, view = contents.base, contents.view
    given = dict(args.config)
    configuration.check(given)
    if base is not None:
        given = base_settings.merge(given, base)
    if contents.extra.get("interpreted") and base is None:
        # An interpreter decides by the locale how it reads and writes text.
        given["env"] = {"LANG": "C.UTF-8", **(given.get("env") or {})}
    given, entrypoint, prefix, more = image_program.choose(task, args.program, given, contents)
    notes += more
    command = configuration.strings(given, "command")
    user = _user(given, contents)
    config = configuration.oci_config(given, [*prefix, *(entrypoint or ())] if prefix else entrypoint, user)
    if args.tools:
        config["Env"] = [f"{text}:{TOOLS_PATH}" if text.startswith("PATH=") else text for text in config["Env"]]
    variables = dict(variable.split("=", 1) for variable in config["Env"])
    image_program.check(task, entrypoint, command, variables["PATH"], view)
    if variables.get(LIBRARY_PATH):
        built_files = (entry for table in tables(task, args.paths) for entry in table.entries.values())
        check_library_path(view, variables[LIBRARY_PATH], built_files)
    notes += _check_modules(task, args, contents)
    run = entrypoint or command
    scripts = [
        *image_program.find_file(run, variables, view),
        *container_scripts(contents.table(args.files) if args.files else None),
        *(program for path in args.paths for program in built_programs(task, path)),
    ]
    check_scripts(task, view, scripts, variables["PATH"])
    if "interpreted" in contents.extra and run:
        words = [*run, *(command or ())] if entrypoint else run
        try:
            check_imports(task, view, words, variables, config.get("WorkingDir", "/"), contents.paths)
        except BuildError as error:
            raise error.with_(field="packages") from None
    _check_directories(config, view)
    return config


def _user(given: Mapping[str, Value], contents: ImageContents) -> str | None:
    """Return the user of a configuration with the ids that the image's files give its names."""
    user = given.get("user")
    if user is None:
        return None
    return resolve_user(
        check_user(user),
        _text(contents.view, "etc/passwd", contents.base),
        _text(contents.view, "etc/group", contents.base),
        contents.extra.get("users", ()),
        contents.extra.get("groups", ()),
    )


def _check_directories(config: Mapping[str, Value], view: ImageFs) -> None:
    """Raise BuildError if a volume or the working directory is a file of the image."""
    for path, what, field in [
        *((volume, "The volume", "volumes") for volume in config.get("Volumes", ())),
        *((path, "The working directory", "workdir") for path in [config.get("WorkingDir")] if path),
    ]:
        found = view.resolve(path)
        if found is not None and found[1].kind != meta.DIRECTORY:
            why = f"it is a file of {found[1].source.label}"
            raise BuildError(f"{what} {path} is not a directory in the image", why=why).with_(field=field)


def _check_modules(task: Task, args: ImageArgs, contents: ImageContents) -> list[str]:
    """Check the libraries of built modules, if there are any. Return notes on those that other modules decide."""
    built = [pair for pair in extension_modules(task, args.paths) if pair[1].runpath]
    if not built:
        return []
    own = {e.path: e.facts for table in contents.slices for e in table.entries if e.facts is not None}
    return check_modules(contents.view, args.arch, built, list(own), own.get)


def _programs_from_elsewhere(task: Task, args: ImageArgs, contents: ImageContents) -> Iterator[foreign.ProgramFile]:
    """Yield the programs and libraries of store paths and of the container's own files."""
    for path in contents.paths:
        yield from foreign.programs_of_path(path, Path(task.disk(path)), task.check)
    if args.files is not None:
        table = contents.table(args.files)
        yield from foreign.programs_of_files(table.entries, f"{table.disk_path}/data")


def _without_set_id(extra: Mapping[str, Value]) -> Iterator[str]:
    """Yield a note on the set-id bits that maintainer scripts set, and that the image lacks."""
    if rows := extra.get("configure", {}).get("without_setuid"):
        paths = ", ".join(f'"/{os.fsdecode(path)}"' for path, _ in rows)
        yield f"files without the set-id bits that Debian's scripts set; setuid = [{paths}] in a container keeps them"


def _text(view: ImageFs, path: str, base: BaseImage | None) -> str:
    found = view.resolve(path)
    if found is None or found[1].kind != meta.FILE or not found[1].source.data:
        return base.text(path) if base is not None and found is not None else ""
    content = meta.read_file(f"{found[1].source.data}/{found[0]}", found[1].digest, MAX_ACCOUNTS)
    return content.decode("utf-8", "replace")


def _groups(task: Task, contents: ImageContents, max_layers: Value, tools: StorePath | None) -> list[LayerGroup]:
    if max_layers.__class__ is not int or not MIN_LAYERS <= max_layers <= MAX_LAYERS:
        why = f"it must be {MIN_LAYERS} to {MAX_LAYERS}, since container runtimes support at most 127 layers"
        raise BuildError(f"{max_layers!r} is not a valid limit of layers for an image", why=why)
    items = [table.item for table in contents.slices]
    for path in contents.paths:
        task.check()
        items.append(LayerItem(path, str(path), stable_name(path), _tree_size(task.disk(path))))
    last = [LayerGroup(table.path.name, (table.item,)) for table in contents.last if table.entries]
    if not items and not last and contents.base is None:
        raise BuildError("The image would be empty", hint="add packages, files, or an entrypoint in a package")
    below = len(contents.base.layers) if contents.base is not None else 0
    if below and max_layers - below < MIN_LAYERS:
        why = f"it has {below} layers, and the image may have {max_layers}"
        raise BuildError("The base image has too many layers", why=why, hint=f"max-layers = {below + MIN_LAYERS}")
    # With tools, the other layers are those without.
    counted = [table for table in contents.last if table.entries and table.path != tools]
    return plan(items, max_layers - below - len(counted)) + last if items else last


def _tree_size(path: str | Path) -> int:
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode):
        return status.st_size
    with os.scandir(path) as entries:
        return sum(_tree_size(entry.path) for entry in entries)


def _derivation(group: LayerGroup, codec: Mapping[str, Value], contents: ImageContents) -> Derivation:
    tables = [contents.table(item.path) for item in group.items if not item.prefix]
    modes = {table.path: table.set_id for table in tables}
    parts = (PartArgs(item.path, item.prefix, item.exclude, modes.get(item.path, ())) for item in group.items)
    args = LayerArgs(tuple(parts), codec)
    # A layer of one slice must depend on that slice alone. The root's layer restates directories that slices differ on.
    if len(tables) > 1 or tables[:1] in [[table] for table in contents.last]:
        restated = contents.view.restated(t.entries for t in tables)
        args = args._replace(directories=tuple((path, *attributes) for path, attributes in restated))
    return Derivation("layer", clean_name(f"layer-{group.name}"), arguments.write(args))


def _slice_layer(path: StorePath, codec: Mapping[str, Value]) -> Derivation:
    """Return what `_derivation` returns for a whole slice that is alone in its layer."""
    return Derivation(
        "layer", clean_name(f"layer-{path.name}"), arguments.write(LayerArgs((PartArgs(path, ""),), codec))
    )


class _BuiltLayer(NamedTuple):
    """A layer of the image. group: None for a layer of the base."""

    group: LayerGroup | None
    derivation: Derivation
    path: StorePath


def _base_layer(base: BaseArgs, layer: base_image.ListedLayer) -> Derivation:
    blob = spec.Descriptor(layer.media_type, layer.digest, layer.size)
    return layer_derivation(base.urls, BaseLayer(blob, layer.diff_id))


def _assemble(
    task: Task,
    args: ImageArgs,
    config: Mapping[str, Value],
    layers: Sequence[_BuiltLayer],
    excluded: Mapping[StorePath, Sequence[Exclusion]],
    omitted: Sequence[Value],
    notes: Sequence[str],
    hidden: Sequence[str],
) -> Built:
    infos = [read_layer(task.tree(layer.path)) for layer in layers]
    base = args.base[0] if args.base else None
    steps = [
        spec.HistoryStep(_created_by(layer.group) if layer.group else f"fpack: from {base and base.name}", info.diff_id)
        for layer, info in zip(layers, infos, strict=True)
    ]
    created = args.created[0] if args.created else spec.CREATED
    config_bytes = spec.dump(spec.image_config(args.arch, config, steps, created))
    config_blob = spec.describe(spec.CONFIG, config_bytes)
    blobs = [spec.Descriptor(info.media_type, info.digest, info.size) for info in infos]
    annotations = {**(base_settings.base_annotations(base) if base else {}), **dict(args.annotations)}
    manifest = spec.dump(spec.manifest(config_blob, blobs, annotations))
    record: dict[str, Value] = {
        "format": 1,
        "name": args.name,
        "tag": args.tag,
        "arch": args.arch,
        "digest": spec.digest(manifest),
        "image_id": config_blob.digest,
        "root": args.root and str(args.root),
        "files": args.files and str(args.files),
        **({"tools": str(args.tools)} if args.tools else {}),
        "omitted": list(omitted),
        "notes": list(notes),
        "layers": [_layer_record(layer, info, excluded) for layer, info in zip(layers, infos, strict=True)],
    }
    if base is not None:
        record["base"] = {
            "image": str(base.image),
            "name": base.name,
            "urls": list(base.urls),
            "layers": sum(layer.group is None for layer in layers),
            "hidden": [os.fsencode(path) for path in hidden],
        }
    if annotations:
        record["annotations"] = annotations
    writer = task.writer()
    writer.file("config", [config_bytes])
    writer.file("manifest", [manifest])
    writer.file("image", [canonical.encode(record)])
    others = (args.root, args.files, args.tools, base.image if base else None)
    references = [*(layer.path for layer in layers), *(path for path in others if path)]
    return Built(writer, tuple(sorted(set(references))))


def _layer_record(
    layer: _BuiltLayer, info: LayerInfo, excluded: Mapping[StorePath, Sequence[Exclusion]]
) -> dict[str, Value]:
    return {
        "path": str(layer.path),
        "derivation": digest(layer.derivation.encode()),
        **_layer_fields(layer, excluded),
        **info._asdict(),
        "shipped": list(info.shipped),
    }


def _layer_fields(
    layer: _BuiltLayer, excluded: Mapping[StorePath, Sequence[Exclusion]]
) -> dict[str, Value]:  # fmt: skip
    """Return the parts of a layer, what is left out of them, and their packages. A base's layer is its own part."""
    group = layer.group
    if group is None:
        return {"parts": [[str(layer.path), ""]], "excluded": [], "packages": []}
    return {
        "parts": [[str(item.path), item.prefix] for item in group.items],
        "excluded": _left_out(group, excluded),
        "packages": [package for item in group.items for package in item.packages],
    }


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
