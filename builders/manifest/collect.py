"""Collect the manifest of a built image from the image, its root and their graph of derivations."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fpack.builders.oci import spec
from fpack.builders.oci.image_record import read as read_record
from fpack.builders.payload import base_image, meta
from fpack.builders.protocol import BuildError, Task
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation, Output, placeholder
from fpack.store.path import StorePath, parse
from fpack.store.store import Store

from . import base_packages, dependencies, lock_part
from . import format as form

EXEC, CONFIGURE = "exec", "configure"
_Needs = Mapping[str, Sequence[str]]  # the packages that each package needs


class CollectedManifest(NamedTuple):
    """The head of a manifest, and its derivations by digest."""

    head: form.Head
    derivations: dict[bytes, Derivation]


class _Slice(NamedTuple):
    """A package in the image's root."""

    package: str
    version: str
    path: str
    reason: form.PackageReason


class _BuiltImage(NamedTuple):
    """The image's output. slices: of its root. searched: packages that the root's resolution read but did not need.

    configured: the root has what maintainer scripts made.
    """

    record: Mapping[str, Any]
    config: bytes
    manifest: bytes
    slices: list[_Slice]
    searched: list[str]
    configured: bool


def collect(
    task: Task,
    store: Store,
    path: StorePath,
    digest: bytes,
    lock: Value,
    fpack: str,
    executor: str,
    meta_of: Mapping[str, Value] = {},
) -> CollectedManifest:
    """Collect everything but the entries for the manifest of the image at `path`.

    digest: of the image's derivation. lock: see `lock_part`. fpack: the version. executor: of builds from source.
    meta_of: fields of `format.PathMeta` by the digests of derivations in hexadecimal.
    """
    import json

    image = _read(task, path)
    walk = _Walk(store, image)
    walk.reach([digest])
    used = dict(walk.found)
    walk.reach(walk.searched_candidates(digest))
    origins = _Origins(walk, image, digest, _needs(task, image, used, digest))
    record = image.record
    layers = [_layer(layer) for layer in record["layers"]]
    head = form.Head(
        fpack=fpack,
        image=form.ManifestImage(
            name=record["name"],
            tag=record["tag"],
            arch=record["arch"],
            path=str(path),
            derivation=digest.hex(),
            manifest=form.Blob(*spec.describe(spec.MANIFEST, image.manifest)),
            config=form.Blob(*spec.describe(spec.CONFIG, image.config)),
            configuration=json.loads(image.config),
            codec=used[digest].args["codec"],
        ),
        layers=tuple(layers),
        paths=tuple(_path_origins(layers, origins)),
        sources=tuple(_sources(used)),
        lock=lock_part.decode(
            lock, {slice_.package for slice_ in image.slices} | _script_packages(walk.found.values())
        ),
        derivations=len(walk.found),
        executor=executor if any(drv.kind == EXEC for drv in walk.found.values()) else "",
        claims=_claims(record["layers"], origins, record.get("base", {}).get("layers", 0)),
        base=_base(task, record["base"]) if "base" in record else None,
        annotations=record.get("annotations", {}),
    )
    if meta_of:
        head = head._replace(meta=tuple(_meta(walk, head, meta_of)))
    return CollectedManifest(head, walk.found)


def _script_packages(derivations: Iterable[Derivation]) -> set[str]:
    """Return the packages with which maintainer scripts ran."""
    made = (drv for drv in derivations if drv.kind == CONFIGURE)
    return {str(item["package"]) for drv in made for item in drv.args["packages"]}


def _read(task: Task, image: StorePath) -> _BuiltImage:
    record, config, manifest = read_record(task.tree(image))
    if any("excluded" not in layer for layer in record["layers"]):
        why = "an older fpack built it, which recorded less about layers"
        raise BuildError(
            "The image in the store has no manifest",
            where=str(image),
            why=why,
            hint="run fpack gc, and then the command again",
        )
    slices: list[_Slice] = []
    searched: list[str] = []
    configured = False
    present = {package for layer in record["layers"] for package in layer["packages"]}
    if record["root"]:
        _, extra = meta.load(task.tree(record["root"]))
        slices = [
            _Slice(item["package"], item["version"], item["path"], dependencies.reason(item))
            for item in extra["slices"]
            if "base" not in record or item["package"] in present  # the base has all files of the others
        ]
        searched = list(extra.get("looked", ()))
        configured = "configure" in extra
    return _BuiltImage(record, config, manifest, slices, searched, configured)


def _needs(task: Task, image: _BuiltImage, derivations: Mapping[bytes, Derivation], digest: bytes) -> _Needs:
    """Return the packages that each package of the image loads, or depends on if the image has all dependencies.

    digest: of the image's derivation.
    """
    if not image.slices:
        return {}
    drv = derivations[digest]
    root = derivations[_by_placeholder(drv.inputs)[parse(drv.args["root"]).hash].derivation]
    if root.args["mode"] == "linked":
        tables = {slice_.package: meta.load(task.tree(slice_.path))[0] for slice_ in image.slices}
        return dependencies.loaded(tables, {slice_.package: slice_.reason for slice_ in image.slices})
    return dependencies.declared(root.args["slices"], {slice_.package for slice_ in image.slices})


class _Walk:
    """A traversal of the derivations behind an image. Of a root's candidates, it follows those in the root."""

    def __init__(self, store: Store, image: _BuiltImage) -> None:
        self.store = store
        self.found: dict[bytes, Derivation] = {}
        self._packages = {slice_.package for slice_ in image.slices}
        self._searched = set(image.searched)
        self._configured = image.configured
        self._layers = [layer["derivation"] for layer in image.record["layers"]]

    def reach(self, digests: Iterable[bytes]) -> None:
        """Add derivations and all their inputs, direct and indirect, to `found`."""
        todo = list(digests)
        while todo:
            digest = todo.pop()
            if digest in self.found:
                continue
            drv = self.found[digest] = self.get(digest)
            todo += [output.derivation for output in drv.inputs]
            todo += self._candidates(drv, self._packages)
            if drv.kind == "image":
                todo += self._layers

    def get(self, digest: bytes) -> Derivation:
        """Return a derivation. Raise BuildError if it is unknown."""
        drv = self.store.derivation(digest)
        if drv is None:
            raise BuildError("A derivation is not in the store", where=digest.hex(), hint="evaluate it again")
        return drv

    def searched_candidates(self, image: bytes) -> list[bytes]:
        """Return the candidates that the resolution of the image's root read but did not need."""
        return [
            digest
            for output in self.found[image].inputs
            for digest in self._candidates(self.found[output.derivation], self._searched)
        ]

    def _candidates(self, drv: Derivation, packages: Collection[str]) -> list[bytes]:
        if drv.kind != "root":
            return [output.derivation for output in drv.candidates]
        wanted = {output.derivation for name, output in slice_outputs(drv).items() if name in packages}
        if self._configured and drv.args.get("configured"):
            output = _by_placeholder(drv.candidates).get(parse(drv.args["configured"]).hash)
            wanted |= {output.derivation} if output is not None else set()
        return [output.derivation for output in drv.candidates if output.derivation in wanted]


def slice_outputs(root: Derivation) -> dict[str, Output]:
    """Return the output of each package's slice, by package, of an unresolved `root` derivation."""
    outputs = _by_placeholder([*root.inputs, *root.candidates])
    found: dict[str, Output] = {}
    for item in root.args["slices"]:
        output = outputs.get(parse(item["slice"]).hash)
        if output is not None:
            found[str(item["package"])] = output
    return found


def _by_placeholder(outputs: Iterable[Output]) -> dict[str, Output]:
    return {placeholder(output.derivation, "x", output.name).hash: output for output in outputs}


class _Origins:
    """The derivation and the package of each store path of an image."""

    def __init__(self, walk: _Walk, image: _BuiltImage, image_digest: bytes, needs: _Needs) -> None:
        self._derivations: dict[str, bytes] = {}
        self._needs = needs
        self.packages = {slice_.path: slice_ for slice_ in image.slices}
        drv = walk.found[image_digest]
        outputs = _by_placeholder(drv.inputs)
        for key in ("root", "files", "tools"):
            if drv.args.get(key):
                digest = outputs[parse(drv.args[key]).hash].derivation
                self._derivations[image.record[key]] = digest
                if key == "root":
                    slices = slice_outputs(walk.found[digest])
                    self._derivations |= {s.path: slices[s.package].derivation for s in image.slices}
        for digest in sorted(walk.found):
            path = walk.store.database.built(Output(digest))
            if path is not None:
                self._derivations.setdefault(str(path), digest)

    def origin(self, path: str) -> form.PathOrigin:
        """Return the manifest's record of a store path."""
        digest = self._derivations.get(path)
        package = self.packages.get(path)
        return form.PathOrigin(
            path,
            digest.hex() if digest is not None else None,
            package.package if package else "",
            package.version if package else "",
            package.reason if package else None,
            tuple(self._needs.get(package.package, ())) if package else (),
        )


def _base(task: Task, record: Mapping[str, Any]) -> form.BaseRecord:
    """Return the record of the image's base."""
    tree = task.tree(record["image"])
    base = base_image.read_tree(tree, base_image.BaseArgs(parse(record["image"]), record["name"]))
    names = ("index", "manifest") if (tree.disk / "index").exists() else ("manifest",)
    documents = tuple(tree.read(name) for name in names)
    whiteouts = [(number, path) for number, layer in enumerate(base.layers) for path in layer.whiteouts]
    hidden = tuple(sorted(record["hidden"]))
    about = (record["name"], base.manifest, record["layers"], documents)
    packages = base_packages.read_tree(tree, record["image"])
    return form.BaseRecord(*about, hidden, tuple(sorted(whiteouts)), packages)


def _claims(layers: Sequence[Mapping[str, Any]], origins: _Origins, below: int) -> form.Claims:
    """Count the files of the layers by kind of origin. below: the number of the base's layers."""
    found = form.Claims()._asdict()
    for number, layer in enumerate(layers):
        if number < below:
            found["base"] += sum(layer["shipped"])
            continue
        for (path, prefix), count in zip(layer["parts"], layer["shipped"], strict=True):
            found["built" if prefix else "package" if path in origins.packages else "files"] += count
        found["generated"] += layer["generated"]
        found["configured"] += layer["configured"]
    return form.Claims(**found)


def _path_origins(layers: Sequence[form.ManifestLayer], origins: _Origins) -> list[form.PathOrigin]:
    """Return the records of the store paths in the layers, sorted."""
    return [origins.origin(path) for path in sorted({path for layer in layers for path, _ in layer.parts})]


def _meta(walk: _Walk, head: form.Head, meta_of: Mapping[str, Value]) -> Iterator[form.PathMeta]:
    """Yield what the image and the packages in it say of themselves, sorted by path."""
    present = {head.image.path, *(origin.path for origin in head.paths)}
    found: dict[str, form.PathMeta] = {}
    for name, fields in sorted(meta_of.items()):
        digest = bytes.fromhex(name)
        outputs = walk.found[digest].outputs if digest in walk.found else ()
        paths = [str(walk.store.database.built(Output(digest, output))) for output in outputs]
        for path in [head.image.path] if name == head.image.derivation else paths:
            if path in present:
                found[path] = form.PathMeta(path, **{**fields, "maintainers": tuple(fields.get("maintainers", ()))})
    return iter([found[path] for path in sorted(found)])


def _layer(record: Mapping[str, Any]) -> form.ManifestLayer:
    return form.ManifestLayer(
        blob=form.Blob(record["media_type"], record["digest"], record["size"]),
        diff_id=record["diff_id"],
        tar=record["tar"],
        path=record["path"],
        derivation=record["derivation"].hex(),
        parts=tuple((path, prefix) for path, prefix in record["parts"]),
        entries=record["entries"],
        excluded=tuple(form.ExcludedPath(*row) for row in record["excluded"]),
    )


def _sources(derivations: Mapping[bytes, Derivation]) -> list[form.ManifestSource]:
    """Return the downloads and project files among the derivations, sorted by name."""
    found = []
    for digest, drv in derivations.items():
        args = drv.args
        if drv.kind == "fetch":
            urls = tuple(str(url) for url in args["urls"])
            hashes = (f"sha512:{args['sha512']}",) if args.get("sha512") else ()
            sha256, size = str(args["sha256"]), args.get("size")
            found.append(form.ManifestSource(digest.hex(), "fetch", drv.name, urls, sha256, size, "", hashes))
        elif drv.kind == "source":
            found.append(form.ManifestSource(digest.hex(), "source", drv.name, (), "", None, str(args["tree"])))
        elif drv.kind == form.OCI:
            urls, sha256 = tuple(map(str, args["urls"])), str(args["sha256"])
            found.append(form.ManifestSource(digest.hex(), form.OCI, drv.name, urls, sha256, None, ""))
        elif drv.kind in form.LOCKED:
            found.append(form.ManifestSource(digest.hex(), drv.kind, drv.name, *_locked(drv)))
    return sorted(found, key=lambda source: (source.name, source.derivation))


def _locked(drv: Derivation) -> tuple[tuple[str, ...], str, None, str, tuple[str, ...]]:
    """Return the last fields of a source: the URLs and hashes that a project's own lock has for a package."""
    args = drv.args
    urls: Sequence[Value] = args.get("urls", [args["url"]] if args.get("url") else [])
    hashes: Sequence[str] = ()
    if drv.kind == "npm":
        hashes = str(args["integrity"]).split()
    elif drv.kind == "pypi":
        hashes = [f"sha256:{sha256}" for sha256 in args["hashes"]]
    elif drv.kind == "gomod":
        hashes = [str(args[name]) for name in ("zip", "mod") if args[name]]
    return tuple(map(str, urls)), "", None, "", tuple(hashes)
