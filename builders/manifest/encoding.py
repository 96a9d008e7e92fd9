"""Encode a manifest canonically, and return its head as plain data that JSON can represent."""

from __future__ import annotations

from fpack.store import canonical
from fpack.store.canonical import Value

from .format import (
    BYTES,
    CONFIGURED,
    FORMAT,
    GENERATED,
    LOCKED,
    MTIME,
    BaseRecord,
    Claims,
    Head,
    LockedIndex,
    LockedPackage,
    ManifestEntry,
    ManifestLayer,
    ManifestSource,
    Origin,
    PathOrigin,
)


def encode_head(head: Head) -> bytes:
    return canonical.encode(head_value(head))


def encode_entry(entry: ManifestEntry, number: int = FORMAT) -> bytes:
    """Encode one entry. number: the manifest's format."""
    return canonical.encode(entry_row(entry, number))


def entry_row(entry: ManifestEntry, number: int = FORMAT) -> list[Value]:
    """Return the fields of an entry as a list. number: the manifest's format."""
    return [*entry[:10], _origin_row(entry.origin)] if number > 1 else list(entry[:10])


def _origin_row(origin: Origin | None) -> Value:
    if origin is None:
        return None
    if origin.kind == GENERATED:
        return [GENERATED, origin.rule]
    return [CONFIGURED, origin.package, origin.script, origin.sha256]


def name_value(name: bytes) -> Value:
    """Return a path or a symlink's target as text, or as a map with its bytes if it is not UTF-8."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return {BYTES: name.hex()}


def head_value(head: Head) -> dict[str, Value]:
    """Return the head as plain data that JSON can represent."""
    image = head.image
    return {
        "format": head.format,
        "fpack": head.fpack,
        "mtime": MTIME,
        "image": {
            **image._asdict(),
            "manifest": image.manifest._asdict(),
            "config": image.config._asdict(),
            "configuration": dict(image.configuration),
            "codec": dict(image.codec),
        },
        "layers": [_layer_value(layer, head.format) for layer in head.layers],
        "paths": [_path_value(path) for path in head.paths],
        "sources": [_source_value(source) for source in head.sources],
        "lock": {
            "release": head.lock.release,
            "arch": head.lock.arch,
            "suites": [suite._asdict() for suite in head.lock.suites],
            "indexes": [_locked_value(index) for index in head.lock.indexes],
            "packages": [_locked_value(package) for package in head.lock.packages],
        },
        "derivations": head.derivations,
        **({"executor": head.executor, "claims": _claims_value(head)} if head.format > 1 else {}),
        **(
            {"meta": [{**meta._asdict(), "maintainers": list(meta.maintainers)} for meta in head.meta]}
            if head.meta
            else {}
        ),
        **({"base": _base_value(head.base)} if head.base is not None else {}),
        **({"annotations": dict(head.annotations)} if head.annotations else {}),
    }


def _claims_value(head: Head) -> dict[str, Value]:
    """Return the claims. The number of the base's entries is absent without a base, as in earlier manifests."""
    claims = (head.claims or Claims())._asdict()
    if head.base is None:
        del claims["base"]
    return claims


def _base_value(base: BaseRecord) -> dict[str, Value]:
    value: dict[str, Value] = {
        **base._asdict(),
        "documents": [data.decode() for data in base.documents],
        "hidden": [name_value(path) for path in base.hidden],
        "whiteouts": [[number, name_value(path)] for number, path in base.whiteouts],
    }
    if base.packages is None:
        del value["packages"]
    else:
        from . import base_packages

        value["packages"] = base_packages.to_value(base.packages)
    if base.own is None:
        del value["own"]
    else:
        files: list[Value] = [[list(run) for run in runs] for runs in base.own.files]
        about = {"blob": base.own.blob._asdict(), "owners": list(base.own.owners), "files": files}
        value["own"] = {**about, "head": head_value(base.own.head)}
    return value


def _locked_value(item: LockedIndex | LockedPackage) -> dict[str, Value]:
    """Return the fields of an entry of the lock. Those of SHA-512 are absent without one, as in earlier manifests."""
    return {name: value for name, value in item._asdict().items() if value or not name.endswith("sha512")}


def _path_value(path: PathOrigin) -> dict[str, Value]:
    about: dict[str, Value] = dict(zip(PathOrigin._fields[:4], path[:4], strict=True))
    if path.reason is not None:
        about |= {"reason": path.reason._asdict(), "needs": list(path.needs)}
    return about


def _source_value(source: ManifestSource) -> dict[str, Value]:
    value = {**source._asdict(), "urls": list(source.urls), "hashes": list(source.hashes)}
    if source.kind not in LOCKED and not source.hashes:
        del value["hashes"]
    return value


def _layer_value(layer: ManifestLayer, number: int) -> dict[str, Value]:
    value = {**layer.blob._asdict(), **layer._asdict(), "parts": [list(part) for part in layer.parts]}
    del value["blob"], value["excluded"]
    if number > 1:
        value["excluded"] = [{**excluded._asdict(), "path": name_value(excluded.path)} for excluded in layer.excluded]
    return value
