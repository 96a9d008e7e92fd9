"""What a manifest says of a built image, gathered from the image, its root and the graph of derivations behind them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from fpack.builders.oci import spec
from fpack.builders.oci.image_record import read as read_record
from fpack.builders.payload import meta
from fpack.builders.protocol import BuildError, Task
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation, Output, placeholder
from fpack.store.path import StorePath, parse

from . import format as form


class Graph(Protocol):
    """The derivations that are known, and what was made of them."""

    def derivation(self, digest: bytes) -> Derivation | None:
        """The derivation of this digest."""
        ...

    def built(self, output: Output) -> StorePath | None:
        """The store path that an output came to."""
        ...


EXEC = "exec"


class Collected(NamedTuple):
    """The head, and the derivations by their digests."""

    head: form.Head
    derivations: dict[bytes, Derivation]


class _Slice(NamedTuple):
    """A package in the image's root."""

    package: str
    version: str
    path: str


class _Inside(NamedTuple):
    """The image's output, read. slices: of its root; looked: packages that the root opened and left out."""

    record: Mapping[str, Any]
    config: bytes
    manifest: bytes
    slices: list[_Slice]
    looked: list[str]


def collect(task: Task, graph: Graph) -> Collected:
    """All of the manifest of the image that `task.args` name, but the entries."""
    import json

    args = task.args
    inside = _read(task)
    image = bytes.fromhex(args["derivation"])
    walk = _Walk(graph, inside)
    walk.reach([image])
    used = dict(walk.found)
    walk.reach(walk.looked_at(image))
    origins = _Made(walk, inside, image)
    record = inside.record
    layers = [_layer(each) for each in record["layers"]]
    places = _places(layers, origins)
    head = form.Head(
        fpack=str(args["fpack"]),
        image=form.Image(
            name=record["name"],
            tag=record["tag"],
            arch=record["arch"],
            path=str(args["image"]),
            derivation=image.hex(),
            manifest=form.Blob(*spec.describe(spec.MANIFEST, inside.manifest)),
            config=form.Blob(*spec.describe(spec.CONFIG, inside.config)),
            configuration=json.loads(inside.config),
            codec=used[image].args["codec"],
        ),
        layers=tuple(layers),
        paths=tuple(places),
        sources=tuple(_sources(used)),
        lock=_lock(args["lock"], {each.package for each in inside.slices}),
        derivations=len(walk.found),
        executor=str(args["executor"]) if any(made.kind == EXEC for made in walk.found.values()) else "",
        claims=_claims(record["layers"], origins),
    )
    return Collected(head, walk.found)


def _read(task: Task) -> _Inside:
    place = task.disk(str(task.args["image"]))
    record, config, manifest = read_record(place)
    if any("excluded" not in layer for layer in record["layers"]):
        why = "it was made by an older fpack, which noted less of its layers"
        raise BuildError("The image in the store has no manifest", where=str(place), why=why, hint="run fpack gc")
    slices: list[_Slice] = []
    looked: list[str] = []
    if record["root"]:
        _, extra = meta.read(task.disk(record["root"]))
        slices = [_Slice(each["package"], each["version"], each["path"]) for each in extra["slices"]]
        looked = list(extra.get("looked", ()))
    return _Inside(record, config, manifest, slices, looked)


class _Walk:
    """The derivations behind an image: what it is made of, and of a root's candidates those that it asked for."""

    def __init__(self, graph: Graph, inside: _Inside) -> None:
        self.graph = graph
        self.found: dict[bytes, Derivation] = {}
        self._packages = {each.package for each in inside.slices}
        self._looked = set(inside.looked)
        self._layers = [each["derivation"] for each in inside.record["layers"]]

    def reach(self, digests: Iterable[bytes]) -> None:
        """Find derivations and all that they are made from."""
        todo = list(digests)
        while todo:
            digest = todo.pop()
            if digest in self.found:
                continue
            made = self.found[digest] = self.get(digest)
            todo += [each.derivation for each in made.inputs]
            todo += self._candidates(made, self._packages)
            if made.kind == "image":
                todo += self._layers

    def get(self, digest: bytes) -> Derivation:
        """A derivation that must be known."""
        made = self.graph.derivation(digest)
        if made is None:
            raise BuildError("A derivation is not in the store", where=digest.hex(), hint="evaluate it again")
        return made

    def looked_at(self, image: bytes) -> list[bytes]:
        """The candidates that the image's root opened and left out."""
        return [
            digest
            for each in self.found[image].inputs
            for digest in self._candidates(self.found[each.derivation], self._looked)
        ]

    def _candidates(self, made: Derivation, packages: Collection[str]) -> list[bytes]:
        if made.kind != "root":
            return [each.derivation for each in made.candidates]
        wanted = {output.derivation for name, output in slice_outputs(made).items() if name in packages}
        return [each.derivation for each in made.candidates if each.derivation in wanted]


def slice_outputs(root: Derivation) -> dict[str, Output]:
    """The output that each package's slice is, by package, of an unresolved `root` derivation."""
    outputs = _by_placeholder([*root.inputs, *root.candidates])
    found: dict[str, Output] = {}
    for each in root.args["slices"]:
        output = outputs.get(parse(each["slice"]).hash)
        if output is not None:
            found[str(each["package"])] = output
    return found


def _by_placeholder(outputs: Iterable[Output]) -> dict[str, Output]:
    return {placeholder(each.derivation, "x", each.name).hash: each for each in outputs}


class _Made:
    """Which derivation made each store path of an image, and of which package it is."""

    def __init__(self, walk: _Walk, inside: _Inside, image: bytes) -> None:
        self._derivations: dict[str, bytes] = {}
        self.packages = {each.path: each for each in inside.slices}
        drv = walk.found[image]
        outputs = _by_placeholder(drv.inputs)
        for key in ("root", "files"):
            if drv.args[key]:
                digest = outputs[parse(drv.args[key]).hash].derivation
                self._derivations[inside.record[key]] = digest
                if key == "root":
                    slices = slice_outputs(walk.found[digest])
                    self._derivations |= {each.path: slices[each.package].derivation for each in inside.slices}
        for digest in sorted(walk.found):
            path = walk.graph.built(Output(digest))
            if path is not None:
                self._derivations.setdefault(str(path), digest)

    def place(self, path: str) -> form.Place:
        """What the manifest says of a store path."""
        digest = self._derivations.get(path)
        package = self.packages.get(path)
        return form.Place(
            path,
            digest.hex() if digest is not None else None,
            package.package if package else "",
            package.version if package else "",
        )


def _claims(layers: Sequence[Mapping[str, Any]], made: _Made) -> form.Claims:
    """Count the files of the layers by their kind of origin."""
    found = form.Claims()._asdict()
    for layer in layers:
        for (path, prefix), count in zip(layer["parts"], layer["shipped"], strict=True):
            found["built" if prefix else "package" if path in made.packages else "files"] += count
        found["generated"] += layer["generated"]
        found["configured"] += layer["configured"]
    return form.Claims(**found)


def _places(layers: Sequence[form.Layer], made: _Made) -> list[form.Place]:
    """The store paths that files of the image come from."""
    return [made.place(path) for path in sorted({path for layer in layers for path, _ in layer.parts})]


def _layer(record: Mapping[str, Any]) -> form.Layer:
    return form.Layer(
        blob=form.Blob(record["media_type"], record["digest"], record["size"]),
        diff_id=record["diff_id"],
        tar=record["tar"],
        path=record["path"],
        derivation=record["derivation"].hex(),
        parts=tuple((path, prefix) for path, prefix in record["parts"]),
        entries=record["entries"],
        excluded=tuple(form.Excluded(*each) for each in record["excluded"]),
    )


def _sources(derivations: Mapping[bytes, Derivation]) -> list[form.Source]:
    """What came from outside, sorted by name."""
    found = []
    for digest, made in derivations.items():
        args = made.args
        if made.kind == "fetch":
            urls = tuple(str(url) for url in args["urls"])
            found.append(form.Source(digest.hex(), "fetch", made.name, urls, str(args["sha256"]), args.get("size"), ""))
        elif made.kind == "source":
            found.append(form.Source(digest.hex(), "source", made.name, (), "", None, str(args["tree"])))
        elif made.kind in form.LOCKED:
            found.append(form.Source(digest.hex(), made.kind, made.name, *_locked(made)))
    return sorted(found, key=lambda each: (each.name, each.derivation))


def _locked(made: Derivation) -> tuple[tuple[str, ...], str, None, str, tuple[str, ...]]:
    """The urls and hashes that a project's own lock has of a package, as the last fields of a source."""
    args = made.args
    urls: Sequence[Value] = args.get("urls", [args["url"]] if args.get("url") else [])
    hashes: Sequence[str] = ()
    if made.kind == "npm":
        hashes = str(args["integrity"]).split()
    elif made.kind == "pypi":
        hashes = [f"sha256:{each}" for each in args["hashes"]]
    elif made.kind == "gomod":
        hashes = [str(args[name]) for name in ("zip", "mod") if args[name]]
    return tuple(map(str, urls)), "", None, "", tuple(hashes)


def lock_value(lock: form.Lock) -> dict[str, Value]:
    """The locked packages that an image may use, as an argument of a derivation."""
    return {
        "release": lock.release,
        "arch": lock.arch,
        "suites": [list(each) for each in lock.suites],
        "indexes": [list(each) for each in lock.indexes],
        "packages": [list(each) for each in lock.packages],
    }


def _lock(value: Value, used: Collection[str]) -> form.Lock:
    """The part of `lock_value` that is about the packages that were used."""
    if value is None:
        return form.Lock("", "", (), (), ())
    return form.Lock(
        value["release"],
        value["arch"],
        tuple(form.Suite(*each) for each in value["suites"]),
        tuple(form.Index(*each) for each in value["indexes"]),
        tuple(form.Package(*each) for each in value["packages"] if each[0] in used),
    )
