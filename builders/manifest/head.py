"""Parse the head of a manifest from plain data: what it says of the image, its layers, sources and lock."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

from fpack.builders.payload.exclusions import REASONS
from fpack.builders.payload.whiteouts import is_whiteout
from fpack.light_typing import Any
from fpack.store.canonical import Value

from .fields import DIGEST, HEX40, HEX64, Fields, in_range, is_path, is_store_path
from .format import (
    FORMATS,
    LOCKED,
    MTIME,
    OCI,
    PACKAGE,
    RULE,
    BaseManifest,
    BaseRecord,
    Blob,
    Claims,
    ExcludedPath,
    Head,
    LockedIndex,
    LockedPackage,
    LockedSuite,
    LockPart,
    ManifestError,
    ManifestImage,
    ManifestLayer,
    ManifestSource,
    PackageReason,
    PathMeta,
    PathOrigin,
)

_OPTIONAL = ("meta", "base", "annotations")
MAX_ENTRIES = 500_000
MAX_DERIVATIONS = 100_000
MAX_LAYERS = 1_000
MAX_PATHS = 50_000  # store paths
MAX_DEPTH = 4  # bases of bases whose manifests are in one manifest
_HEX40 = partial(Fields.matching, pattern=HEX40)
_HEX64 = partial(Fields.matching, pattern=HEX64)
_HEX128 = partial(Fields.matching, pattern=re.compile(r"[0-9a-f]{128}\Z"))
_WEAK = partial(Fields.matching, pattern=re.compile(r"(?:[0-9a-f]{64})?\Z"))
_SHA512_SOURCE = re.compile(r"sha512:[0-9a-f]{128}\Z")
# The fields that `meta` in the language accepts.
_STATED = re.compile(r"[^\x00-\x1f\x7f-\x9f]{0,1000}\Z")
_READERS: dict[str, Callable[[Fields, str], Any]] = {
    "path": Fields.store_path,
    "derivation": _HEX40,
    "manifest": Fields.blob,
    "config": Fields.blob,
    "configuration": Fields.record,
    "codec": Fields.record,
    "date": Fields.date,
    "until": Fields.date_or_none,
    "size": Fields.number,
    "packed_size": Fields.number,
    "sha256": _HEX64,
    "packed_sha256": _HEX64,
    "sha512": _HEX128,
    "packed_sha512": _HEX128,
}


def parse_head(value: Value, below: int = MAX_DEPTH) -> Head:
    """Parse the head from plain data. Raise ManifestError, with a reason, if it is invalid.

    below: how deep the manifests of bases in it may be nested.
    """
    number = value.get("format") if isinstance(value, dict) else None
    if not isinstance(value, dict) or number.__class__ is not int or number not in FORMATS:
        formats = " and ".join(map(str, FORMATS))
        raise ManifestError("", why=f"its format is {str(number)[:40]!r}, and this fpack reads only {formats}")
    fields = ("format", "fpack", "mtime", "image", "layers", "paths", "sources", "lock", "derivations")
    top = Fields(
        value,
        "the manifest",
        (*fields, *(("executor", "claims", *(name for name in _OPTIONAL if name in value)) if number > 1 else ())),
    )
    if top.number("mtime") != MTIME:
        raise top.bad("mtime")
    count = top.number("derivations")
    layers = tuple(_layer(layer, number) for layer in top.items("layers"))
    if count > MAX_DERIVATIONS or sum(layer.entries for layer in layers) > MAX_ENTRIES or len(layers) > MAX_LAYERS:
        limits = f"{MAX_DERIVATIONS} derivations, {MAX_LAYERS} layers and {MAX_ENTRIES} entries"
        raise ManifestError("", why=f"the limits are {limits}")
    if len(top.items("paths")) > MAX_PATHS:
        raise ManifestError("", why=f"it has more than {MAX_PATHS} store paths")
    paths = tuple(_path_origin(item, number) for item in top.items("paths"))
    if [origin.path for origin in paths] != sorted({origin.path for origin in paths}):
        raise ManifestError("", why="its store paths are not sorted")
    known = {origin.path for origin in paths}
    for layer in layers:
        for path, _ in layer.parts:
            if path not in known:
                raise ManifestError("", why=f"it does not list the store path {path}")
    return Head(
        fpack=top.text("fpack"),
        image=_record(ManifestImage, top.record("image"), "the image"),
        layers=layers,
        paths=paths,
        sources=tuple(_source(source) for source in top.items("sources")),
        lock=_lock(top.record("lock")),
        derivations=count,
        executor=_executor(top) if number > 1 else "",
        claims=_claims(top.record("claims"), based=number > 1 and "base" in value) if number > 1 else None,
        format=number,
        meta=_meta(top, known) if number > 1 and "meta" in value else (),
        base=_base(top.record("base"), len(layers), below) if number > 1 and "base" in value else None,
        annotations=_annotations(top) if number > 1 and "annotations" in value else {},
    )


def _base(value: Value, layers: int, below: int) -> BaseRecord:
    """Read the record of the image's base. layers: the number of all layers. below: as in `parse_head`."""
    listed = isinstance(value, dict) and "packages" in value
    owned = isinstance(value, dict) and "own" in value
    absent = {*(() if listed else ("packages",)), *(() if owned else ("own",))}
    fields = Fields(value, "the base", (name for name in BaseRecord._fields if name not in absent))
    hidden: list[bytes] = []
    for item in fields.items("hidden"):
        hidden.append(Fields({"path": item}, "a hidden path", ("path",)).name("path"))
    whiteouts: list[tuple[int, bytes]] = []
    for row in fields.items("whiteouts"):
        if not (isinstance(row, list) and len(row) == 2 and in_range(row[0], layers - 1)):
            raise fields.bad("whiteouts")
        whiteouts.append((row[0], Fields({"path": row[1]}, "a whiteout", ("path",)).name("path")))
    count = fields.number("layers")
    if not 0 < count <= layers or hidden != sorted({*hidden}) or whiteouts != sorted({*whiteouts}):
        raise ManifestError("", why="the record of its base is inconsistent")
    if not all(map(is_path, hidden)) or not all(is_path(path) and is_whiteout(path) for _, path in whiteouts):
        raise ManifestError("", why="the record of its base has a path that cannot exist")
    texts = fields.items("documents")
    if not 1 <= len(texts) <= 2 or not all(isinstance(text, str) for text in texts):
        raise fields.bad("documents")
    documents = tuple(str(text).encode() for text in texts)
    name, manifest = fields.text("name"), fields.matching("manifest", DIGEST)
    packages = None
    if listed:
        from . import base_packages

        try:
            packages = base_packages.from_value(fields.record("packages"))
        except ValueError as error:
            raise ManifestError("", why=f"its list of the base's packages is invalid: {error}") from None
    own = _base_manifest(fields.record("own"), count, below) if owned else None
    return BaseRecord(name, manifest, count, documents, tuple(hidden), tuple(whiteouts), packages, own)


def _base_manifest(value: Value, layers: int, below: int) -> BaseManifest:
    """Read what the own manifest of a base says. layers: the number of the base's layers. below: as in `parse_head`."""
    if below == 0:
        raise ManifestError("", why=f"the image stands on more than {MAX_DEPTH} bases")
    fields = Fields(value, "the manifest of the base", BaseManifest._fields)
    head = parse_head(fields.record("head"), below - 1)
    owners = fields.items("owners")
    known = {"", *(origin.package or origin.path for origin in all_paths(head))}
    if len(head.layers) != layers or not all(isinstance(owner, str) and owner in known for owner in owners):
        raise fields.bad("owners")
    if len({*map(str, owners)}) != len(owners):
        raise ManifestError("", why="it lists an owner of the base's files twice")
    if len(fields.items("files")) != layers:
        raise fields.bad("files")
    files = []
    for layer, runs in zip(head.layers, fields.items("files"), strict=True):
        found = []
        for run in runs if isinstance(runs, list) else [None]:
            if not (isinstance(run, list) and len(run) == 2 and in_range(run[0], MAX_ENTRIES)):
                raise fields.bad("files")
            if not in_range(run[1], len(owners) - 1):
                raise fields.bad("files")
            found.append((run[0], run[1]))
        if sum(count for count, _ in found) > layer.entries:
            raise fields.bad("files")
        files.append(tuple(found))
    return BaseManifest(fields.blob("blob"), head, tuple(map(str, owners)), tuple(files))


def all_paths(head: Head) -> Iterator[PathOrigin]:
    """Yield the store paths of an image, and of the bases that it and they stand on."""
    yield from head.paths
    if head.base is not None and head.base.own is not None:
        yield from all_paths(head.base.own.head)


def _annotations(top: Fields) -> dict[str, str]:
    found = top.record("annotations")
    if not found or not all(isinstance(text, str) and name for name, text in found.items()):
        raise top.bad("annotations")
    return {name: str(text) for name, text in found.items()}


def _meta(top: Fields, known: set[str]) -> tuple[PathMeta, ...]:
    """Read what the image and its packages say of themselves."""
    image = top.record("image").get("path")
    found = []
    for item in top.items("meta"):
        fields = Fields(item, "an entry of `meta`", PathMeta._fields)
        maintainers = fields.items("maintainers")
        if not all(isinstance(text, str) and _STATED.match(text) for text in maintainers):
            raise fields.bad("maintainers")
        names = (name for name in PathMeta._fields if name != "maintainers")
        texts: dict[str, Any] = {name: fields.matching(name, _STATED) for name in names}
        meta = PathMeta(**texts, maintainers=tuple(map(str, maintainers)))
        found.append(meta)
        if meta.path != image and meta.path not in known:
            raise fields.bad("path")
    if not found or [meta.path for meta in found] != sorted({meta.path for meta in found}):
        raise ManifestError("", why="the entries of `meta` are not sorted")
    return tuple(found)


def _executor(top: Fields) -> str:
    name = top.text("executor")
    return name if not name else top.matching("executor", RULE)


def _claims(value: Value, *, based: bool) -> Claims:
    names = Claims._fields if based else Claims._fields[:-1]
    fields = Fields(value, "the claims", names)
    return Claims(**{name: fields.number(name) for name in names})


def _record(kind: Any, value: Value, what: str, /, **readers: Callable[[Fields, str], Any]) -> Any:
    """Read a record whose fields are as in _READERS, or `readers`; all others are texts.

    A SHA-512 may be absent, and the SHA-256 may be "" beside one.
    """
    present = value.keys() if isinstance(value, dict) else set()
    names = [name for name in kind._fields if name in present or not name.endswith("sha512")]
    fields = Fields(value, what, names)
    beside = {name.replace("512", "256"): _WEAK for name in names if name.endswith("sha512")}
    known = _READERS | beside | readers
    return kind(**{name: known.get(name, Fields.text)(fields, name) for name in names})


def _layer(value: Value, number: int) -> ManifestLayer:
    left_out = {"blob"} if number > 1 else {"blob", "excluded"}
    fields = Fields(
        value, "a layer", (*Blob._fields, *(name for name in ManifestLayer._fields if name not in left_out))
    )
    parts: dict[str, str] = {}
    for part in fields.items("parts"):
        if not (isinstance(part, list) and len(part) == 2 and isinstance(part[0], str) and isinstance(part[1], str)):
            raise fields.bad("parts")
        path, prefix = part
        if not is_store_path(path) or prefix not in ("", path) or path in parts:
            raise fields.bad("parts")
        parts[path] = prefix
    return ManifestLayer(
        blob=Blob(fields.text("media_type"), fields.matching("digest", DIGEST), fields.number("size")),
        diff_id=fields.matching("diff_id", DIGEST),
        tar=fields.number("tar"),
        path=fields.store_path("path"),
        derivation=fields.matching("derivation", HEX40),
        parts=tuple(parts.items()),
        entries=fields.number("entries"),
        excluded=_excluded(fields.items("excluded"), len(parts)) if number > 1 else (),
    )


def _excluded(values: list[Value], parts: int) -> tuple[ExcludedPath, ...]:
    """Parse the excluded paths of a layer, sorted by part and path."""
    found = []
    for value in values:
        fields = Fields(value, "an excluded path", ExcludedPath._fields)
        item = ExcludedPath(fields.number("part"), fields.name("path"), fields.text("reason"), fields.text("by"))
        if item.part >= parts or not item.path or not is_path(item.path) or item.reason not in REASONS:
            raise ManifestError("", why=f"a layer has the invalid exclusion {str(value)[:80]}")
        found.append(item)
    if [item[:2] for item in found] != sorted({item[:2] for item in found}):
        raise ManifestError("", why="the excluded paths of a layer are not sorted")
    return tuple(found)


def _path_origin(value: Value, number: int) -> PathOrigin:
    explained = number > 1 and isinstance(value, dict) and "reason" in value
    fields = Fields(value, "a store path", PathOrigin._fields if explained else PathOrigin._fields[:4])
    needs = fields.items("needs") if explained else []
    if not all(isinstance(name, str) and PACKAGE.match(name) for name in needs) or needs != sorted({*needs}):
        raise fields.bad("needs")
    package = fields.text("package")
    if explained and not package:
        raise fields.bad("package")
    return PathOrigin(
        path=fields.store_path("path"),
        derivation=fields.maybe("derivation", HEX40),
        package=package,
        version=fields.text("version"),
        reason=_reason(fields.record("reason")) if explained else None,
        needs=tuple(needs),
    )


def _reason(value: Value) -> PackageReason:
    found: PackageReason = _record(PackageReason, value, "a reason", kind=partial(Fields.matching, pattern=RULE))
    if found.by and not PACKAGE.match(found.by):
        raise ManifestError("", why=f"a reason names {found.by[:80]!r}, which is not a package")
    return found


def _source(value: Value) -> ManifestSource:
    kind = value.get("kind") if isinstance(value, dict) else None
    strong = kind == "fetch" and isinstance(value, dict) and "hashes" in value
    hashed = kind in LOCKED or strong
    fields = Fields(value, "a source", (name for name in ManifestSource._fields if hashed or name != "hashes"))
    urls, hashes = fields.items("urls"), fields.items("hashes") if hashed else []
    kind = fields.text("kind")
    if kind not in ("fetch", "source", OCI, *LOCKED):
        raise fields.bad("kind")
    for name, texts in (("urls", urls), ("hashes", hashes)):
        if not all(isinstance(text, str) for text in texts):
            raise fields.bad(name)
    if strong and not (len(hashes) == 1 and _SHA512_SOURCE.match(hashes[0])):
        raise fields.bad("hashes")
    return ManifestSource(
        derivation=fields.matching("derivation", HEX40),
        kind=kind,
        name=fields.text("name"),
        urls=tuple(urls),
        sha256=(_WEAK if strong else _HEX64)(fields, "sha256") if kind in ("fetch", OCI) else fields.text("sha256"),
        size=fields.number_or_none("size"),
        tree=fields.matching("tree", HEX64) if kind == "source" else fields.text("tree"),
        hashes=tuple(hashes),
    )


def _lock(value: Value) -> LockPart:
    fields = Fields(value, "the lock", LockPart._fields)
    return LockPart(
        release=fields.text("release"),
        arch=fields.text("arch"),
        suites=tuple(_record(LockedSuite, item, "a suite of the lock") for item in fields.items("suites")),
        indexes=tuple(_record(LockedIndex, item, "an index of the lock") for item in fields.items("indexes")),
        packages=tuple(_record(LockedPackage, item, "a package of the lock") for item in fields.items("packages")),
    )
