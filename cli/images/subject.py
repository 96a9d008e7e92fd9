"""Answer questions about an image, whatever names it: an image file, a package, an attribute, or a curated image.

A stored image answers from its manifest; a container evaluates and builds only what an answer needs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fpack.builders.manifest.format import DIRECTORY
from fpack.cli.errors import UsageError
from fpack.store.path import parse

from .inspect import (
    FROM_BASE,
    GRAFTED,
    OWN,
    REFERENCE,
    RULES,
    SEED,
    TOOLS,
    GraftedFile,
    ImageFile,
    ImageLayer,
    ImageSlice,
    Match,
)  # fmt: skip
from .stored_subject import StoredSubject, built_names, entries_of, match

if TYPE_CHECKING:
    from fpack.builders.manifest.dependencies import PackageLoad
    from fpack.builders.manifest.format import BaseRecord
    from fpack.builders.manifest.reader import ManifestReader
    from fpack.builders.payload.meta import TreeEntry
    from fpack.cli.workspace.containers import Container
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.path import StorePath


class HasManifest(Protocol):
    """An image with an exact manifest."""

    def manifest(self) -> ManifestReader:
        """Return a new reader of the image's exact manifest."""
        ...


class Subject(HasManifest, Protocol):
    """An image that a verb is about."""

    def packages(self) -> list[ImageSlice]:
        """Return the packages in the image with the reason for each, sorted by name."""
        ...

    def built(self) -> list[ImageSlice]:
        """Return the store paths of builds in the image, by name, with the path that references each."""
        ...

    def built_sizes(self) -> Mapping[str, int]:
        """Return the size of each store path of builds, by path."""
        ...

    def sizes(self) -> Mapping[str, int]:
        """Return the size of each package's files in the image."""
        ...

    def needs(self) -> Mapping[str, list[str]]:
        """Return the packages that each package loads, or depends on if the image has all dependencies."""
        ...

    def loads(self) -> list[PackageLoad]:
        """Return which files of packages load which of other packages, as far as that is known."""
        ...

    def layers(self) -> list[ImageLayer]:
        """Return the layers of the image in their order."""
        ...

    def files(self) -> Iterator[ImageFile]:
        """Yield the files and symlinks in the image."""
        ...

    def grafts(self) -> list[GraftedFile]:
        """Return the libraries of packages that built ones replace."""
        ...

    def left_out(self) -> Mapping[str, Sequence[str]]:
        """Return what of the units of servers the container does not do, by package, as far as that is known."""
        ...

    def base(self) -> BaseRecord | None:
        """Return the image's base, if it has one."""
        ...


def open_subjects(
    workspace: Workspace, what: str | None, platform: str | None = None, *, together: bool = False
) -> list[tuple[str, Subject]]:
    """Return the images that `what` names: one, or one of each member of a list or a record, with the member's path.

    together: the members are packed in one image. Otherwise as `open_subject`.
    """
    from fpack.cli.workspace import containers

    found = of_file(what, platform)
    if found is not None:
        return [("", found)]
    made = containers.containers(workspace, workspace.target(what), together=together)
    return [(container.member, BuiltSubject(workspace, container)) for container in made]


def open_subject(workspace: Workspace, what: str | None, platform: str | None = None) -> Subject:
    """Return the image that `what` names: a file, or a target that is or is packed in a container.

    platform: which image of a file or a reference that has several.
    """
    from fpack.cli.workspace import containers

    found = of_file(what, platform)
    return found or BuiltSubject(workspace, containers.container(workspace, workspace.target(what)))


def of_file(what: str | None, platform: str | None = None) -> StoredSubject | None:
    """Return the image in the file or the registry that `what` names, or None if it names no image."""
    from fpack.cli.workspace.target import find_image

    path = find_image(what, Path.cwd())
    if path is not None:
        from . import image_file

        return StoredSubject(image_file.read(path, platform))
    if platform is not None:
        raise UsageError("--platform chooses one image of a file or a registry", 
                         why=f"{what or 'the project'} is no image",
                         hint="use --arch")  # fmt: skip
    return None


class BuiltSubject:
    """A container of an evaluation. An answer builds the parts that it needs: the root, the image, or its manifest."""

    def __init__(self, workspace: Workspace, container: Container) -> None:
        self.container = container
        self._workspace = workspace

    def _meta(self, path: str | StorePath) -> tuple[list[TreeEntry], dict[str, Any]]:
        """Return the table of an output."""
        from fpack.builders.payload import meta

        return meta.read(self._workspace.store.disk(path))

    @cached_property
    def _table(self) -> dict[str, Any]:
        """The extra fields of the built root's table."""
        (root,) = self._workspace.realise([self.container.root])
        return self._meta(root)[1]

    def packages(self) -> list[ImageSlice]:
        """Return the packages of the built root."""
        from fpack.builders.manifest.dependencies import reason

        found = []
        for item in self._table["slices"]:
            by, kind, file, what = reason(item)
            found.append(ImageSlice(item["package"], item["version"], item["path"], by or None, kind, file, what))
        return sorted(found, key=lambda item: item.package)

    def built(self) -> list[ImageSlice]:
        """Return the store paths of builds. The first that references each is the reason for it.

        They also reference payloads of packages, which are in the image as packages.
        """
        from fpack.builders.linking.store_paths import payload
        from fpack.store import base32, derivation

        store, bodies = self._workspace.store, self._workspace.evaluator.derivations
        image = derivation.decode(bodies[self.container.image.derivation])
        wanted = {parse(path).hash for path in image.args["paths"]}
        tops = [o for o in image.inputs if derivation.placeholder(o.derivation, "x", o.name).hash in wanted]
        todo: list[tuple[StorePath, str | None]] = [(path, None) for path in self._workspace.realise(tops)]
        grafts = {parse(str(row["target"]).split("/")[3]): row for row in self._table.get("grafts", ())}
        todo += [(path, None) for path in grafts]
        by_hash = {base32.decode(path.hash): path for path in store.closure([path for path, _ in todo])}
        found: dict[StorePath, ImageSlice] = {}
        for path, by in todo:
            if path in found or payload(store.tree(path)) is not None:
                continue
            kind, what = (SEED, "") if by is None else (REFERENCE, "")
            if by is None and path in grafts:
                kind, what = GRAFTED, f"{grafts[path]['soname']} of {grafts[path]['package']}"
            found[path] = ImageSlice(path.name, "", str(path), by, kind, "", what)
            info = store.info(path)
            below = sorted(info.references) if info is not None else ()
            todo += [(by_hash[hash_], path.name) for hash_ in below if by_hash[hash_] != path]
        return sorted(found.values(), key=lambda item: item.package)

    def built_sizes(self) -> dict[str, int]:
        """Return the size of each store path of builds, by path."""
        infos = {item.path: self._workspace.store.info(parse(item.path)) for item in self.built()}
        return {path: info.size for path, info in infos.items() if info is not None}

    @cached_property
    def _tables(self) -> dict[str, list[TreeEntry]]:
        """The entries of each package's slice."""
        return {item["package"]: self._meta(item["path"])[0] for item in self._table["slices"]}

    def sizes(self) -> dict[str, int]:
        """Return the size of each package's files, without those that the root leaves out."""
        left_out = {(package, os.fsdecode(path)) for package, path, *_ in self._table["excluded"]}
        return {
            name: sum(entry.size for entry in entries if (name, entry.path) not in left_out)
            for name, entries in self._tables.items()
        }

    def needs(self) -> dict[str, list[str]]:
        """Return the packages that each package needs."""
        from fpack.builders.manifest import dependencies

        if self._root["mode"] != "linked":
            return dependencies.declared(self._root["slices"], {item["package"] for item in self._table["slices"]})
        reasons = {item["package"]: dependencies.reason(item) for item in self._table["slices"]}
        return dependencies.loaded(self._tables, reasons)

    def loads(self) -> list[PackageLoad]:
        """Return what the files of packages load. If the image has all dependencies, that is no reason for them."""
        from fpack.builders.manifest import dependencies

        return list(dependencies.loads(self._tables)) if self._root["mode"] == "linked" else []

    @cached_property
    def _root(self) -> Mapping[str, Any]:
        """The arguments of the root's derivation."""
        from fpack.store import derivation

        return derivation.decode(self._workspace.evaluator.derivations[self.container.root.derivation]).args

    def layers(self) -> list[ImageLayer]:
        from fpack.builders.oci.image_record import read as read_record

        (image,) = self._workspace.realise([self.container.image])
        fields = read_record(self._workspace.store.tree(image)).fields
        words = {fields.get("root"): RULES, fields.get("files"): OWN, fields.get("tools"): TOOLS}
        below = (fields.get("base") or {"layers": 0})["layers"]
        return [
            ImageLayer(
                tuple(layer["packages"]),
                layer["size"],
                layer["unpacked"],
                layer.get("configured", 0),
                built_names(layer.get("parts", ())),
                tuple(sorted(words[path] for path, _ in layer.get("parts", ()) if path in words))
                if number >= below
                else (FROM_BASE,),
            )
            for number, layer in enumerate(fields["layers"])
        ]

    def files(self) -> Iterator[ImageFile]:
        """Yield the container's own files, and those that fpack or scripts made, that packages have, and of builds."""
        from fpack.cli.workspace.containers import files_of
        from fpack.store import derivation

        own = files_of(self._workspace, self.container)
        for path in self._workspace.realise([own]) if own else ():
            for file in self._meta(path)[0]:
                yield Match("", file.path), ""
        sonames = {row["path"]: row["soname"] for row in self._table.get("grafts", ())}
        for raw, rule in self._table.get("generated", ()):
            yield Match("", os.fsdecode(raw), rule=rule), sonames.get(os.fsdecode(raw), "")
        if configure := self._table.get("configure"):
            left_out = set(configure["left_out"])
            for raw, package, script, sha256 in self._meta(configure["path"])[1]["configured"]:
                if raw not in left_out:
                    yield Match(package, os.fsdecode(raw), script, sha256), ""
        for name, entries in self._tables.items():
            for file in entries:
                if file.path not in sonames:
                    yield Match(name, file.path), file.facts.soname if file.facts is not None else ""
        image = derivation.decode(self._workspace.evaluator.derivations[self.container.image.derivation])
        if image.args["paths"] or sonames:  # the image has these with all that they refer to
            reader = self._manifest_if_possible("files of builds are those of their store paths")
            if reader is None:
                for item in self.built():
                    for name in files_below(os.fspath(self._workspace.store.disk(parse(item.path)))):
                        yield Match("", f"{item.path.lstrip('/')}{name}", built=item.path), ""
                return
            for layer, entry in entries_of(reader):
                if entry.kind != DIRECTORY and (found := match({}, layer, entry)).built:
                    yield found, ""

    def grafts(self) -> list[GraftedFile]:
        """Return what the built root replaces."""
        rows = self._table.get("grafts", ())
        return [GraftedFile(row["package"], f"/{row['path']}", "/".join(row["target"].split("/")[:4])) for row in rows]

    def left_out(self) -> dict[str, list[str]]:
        """Return what of the server's unit the built root does not do."""
        service = self._table.get("service") or {}
        return {service["package"]: list(notes)} if (notes := service.get("notes")) else {}

    def base(self) -> BaseRecord | None:
        """Return the base that the container names, as the image's manifest has it.

        Return None, with a warning, if the manifest cannot be built: the rest of an answer does not need it.
        """
        from fpack.store import derivation

        image = derivation.decode(self._workspace.evaluator.derivations[self.container.image.derivation])
        if not image.args.get("base"):
            return None
        reader = self._manifest_if_possible("the base is left out")
        return reader.head.base if reader is not None else None

    def _manifest_if_possible(self, otherwise: str) -> ManifestReader | None:
        """Return a new reader of the image's manifest, or None, with a warning, if it cannot be built."""
        from fpack.builders.protocol import Cancelled
        from fpack.cli.ui.render import warn
        from fpack.store.errors import FpackError

        try:
            return self.manifest()
        except Cancelled:
            raise
        except FpackError as error:
            reason = f"{error.what}{error.why and f': {error.why}'}"
            warn(f"{otherwise}, since the manifest of the image cannot be built: {reason}")
            return None

    def manifest(self) -> ManifestReader:
        """Return a new reader of the image's manifest. Build it if needed."""
        from fpack.builders.kinds.manifest import CANONICAL_FILE
        from fpack.builders.manifest.format import MAX_SIZE
        from fpack.builders.manifest.reader import ManifestReader

        from . import manifests

        image, path = self._workspace.realise(
            [self.container.image, manifests.manifest(self._workspace, self.container, manifests.SOURCES)]
        )
        return ManifestReader(self._workspace.store.tree(path).read(CANONICAL_FILE, MAX_SIZE), str(image))


def files_below(path: str) -> Iterator[str]:
    """Yield the names of the files and symlinks in a tree on disk, each with a slash before it; "" for a file."""
    if os.path.islink(path) or not os.path.isdir(path):
        yield ""
        return
    for directory, directories, names in os.walk(path):
        links = [name for name in directories if os.path.islink(f"{directory}/{name}")]
        for name in sorted([*names, *links]):
            yield f"{directory}/{name}".removeprefix(path)
