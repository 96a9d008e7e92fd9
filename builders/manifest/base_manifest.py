"""Read the exact manifest of an image's base: which packages and builds the files of its layers are of.

A base that fpack made and pushed has its manifest in the registry. Nobody signed it, so it counts only if it is about
the layers that the base has: each layer by its digest, each entry as it was read from the layer, and each package that
the databases in the layers list. `docs/bases.md` tells for what it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby

from fpack.store import canonical

from .base_packages import DEB, BasePackage, BasePackages
from .encoding import head_value
from .format import (
    CONFIGURED,
    DIRECTORY,
    SYMLINK,
    BaseManifest,
    BaseRecord,
    Blob,
    Head,
    ManifestEntry,
    ManifestError,
    ManifestLayer,
    PathMeta,
    PathOrigin,
)
from .head import MAX_DEPTH, all_paths
from .reader import MAX_RECORD, ManifestReader

Entries = Iterable[ManifestEntry]


def compare(
    reader: ManifestReader,
    blob: Blob,
    base: BaseRecord,
    layers: Sequence[ManifestLayer],
    entries: Iterable[Entries],
    check: Callable[[], None] = lambda: None,
) -> BaseManifest:
    """Return what the manifest of a base says. Raise ManifestError, with the reason, if the base is another image.

    reader: an unused one. blob: of the manifest. layers: of the base. entries: of each layer, as they were read.
    check: called at times, to cancel.
    """
    head = reader.head
    if head.image.manifest.digest != base.manifest:
        raise ManifestError("", why=f"it is about the image {head.image.manifest.digest}")
    if [(layer.blob.digest, layer.diff_id) for layer in head.layers] != [
        (layer.blob.digest, layer.diff_id) for layer in layers
    ]:
        raise ManifestError("", why="its layers are not those of the base")
    if _depth(head) > MAX_DEPTH:
        raise ManifestError("", why=f"the image stands on more than {MAX_DEPTH} bases")
    if len(canonical.encode(head_value(head))) > MAX_RECORD // 2:
        raise ManifestError("", why="it is too large to be in another manifest")
    listed = {(origin.package, origin.version) for origin in all_paths(head)} | set(_databases(head))
    for package in base.packages.packages if base.packages is not None else ():
        if package.kind == DEB and (package.name, package.version) not in listed:
            raise ManifestError("", why=f"it lacks the package {package.name} {package.version} of the base's database")
    numbers: dict[str, int] = {}
    files = []
    for at, ((layer, stated), found) in enumerate(zip(reader.entries(), entries, strict=True)):
        rows = list(_checked(stated, check))
        _compare_entries(rows, _checked(found, check))
        owners = _owners(reader, at, layer, [row for row in rows if row.kind != DIRECTORY])
        indexes = (numbers.setdefault(owner, len(numbers)) for owner in owners)
        files.append(tuple((sum(1 for _ in run), number) for number, run in groupby(indexes)))
    return BaseManifest(blob, head, tuple(numbers), tuple(files))


def _checked(entries: Entries, check: Callable[[], None]) -> Iterator[ManifestEntry]:
    for number, entry in enumerate(entries):
        if number % 1000 == 0:
            check()
        yield entry


def _depth(head: Head) -> int:
    own = head.base.own if head.base is not None else None
    return 1 + (_depth(own.head) if own is not None else 0)


def _databases(head: Head) -> Iterator[tuple[str, str]]:
    if head.base is not None:
        yield from ((package.name, package.version) for package in packages(head.base).packages)


def _compare_entries(stated: Sequence[ManifestEntry], found: Entries) -> None:
    """Raise ManifestError if entries are not those that were read from the layer. Nobody lists all directories."""
    wanted = {entry.path: _facts(entry) for entry in found}
    given = {entry.path: _facts(entry) for entry in stated}
    for path in sorted(wanted.keys() | given.keys()):
        one, other = given.get(path), wanted.get(path)
        lone = one or other if one is None or other is None else None
        if one != other and not (lone and lone[0] == DIRECTORY):
            shown = path.decode(errors="backslashreplace")
            raise ManifestError("", why=f"it does not describe /{shown:.200} as the layer has it")


def _facts(entry: ManifestEntry) -> tuple[object, ...]:
    mode = 0 if entry.kind == SYMLINK else entry.mode
    return (entry.kind, mode, *entry[3:9])


def _owners(reader: ManifestReader, at: int, layer: ManifestLayer, files: Sequence[ManifestEntry]) -> Iterator[str]:
    """Yield the package or store path of each entry of a layer of the base. at: the number of the layer."""
    own = reader.head.base.own if reader.head.base is not None else None
    if reader.head.base is not None and at < reader.head.base.layers:
        if own is not None and sum(count for count, _ in own.files[at]) != len(files):
            raise ManifestError("", why="the manifest of its base has another number of files in a layer")
        yield from owners(own, at) if own is not None else ("" for _ in files)
        return
    names = {origin.path: origin.package for origin in reader.head.paths}
    for entry in files:
        assert entry.part is not None  # only directories have none
        path, prefix = layer.parts[entry.part]
        if entry.origin is not None:
            yield entry.origin.package if entry.origin.kind == CONFIGURED else ""
        else:
            yield names[path] or (path if prefix else "")


def owners(own: BaseManifest, layer: int) -> Iterator[str]:
    """Yield the package or store path of each entry of a layer other than directories, in the order of their paths."""
    return chain.from_iterable((own.owners[owner] for _ in range(count)) for count, owner in own.files[layer])


def paths(base: BaseRecord | None) -> dict[str, PathOrigin]:
    """Return the packages and builds of a base by package or path; none without a manifest of its own."""
    if base is None or base.own is None:
        return {}
    used = set(base.own.owners)
    found: dict[str, PathOrigin] = {}
    for origin in all_paths(base.own.head):
        if (owner := origin.package or origin.path) in used:
            found.setdefault(owner, origin)
    return found


def descriptions(base: BaseRecord | None) -> Mapping[str, PathMeta]:
    """Return what the builds of a base say of themselves, by path."""
    found: dict[str, PathMeta] = {}
    while base is not None and base.own is not None:
        found = {meta.path: meta for meta in base.own.head.meta} | found
        base = base.own.head.base
    return found


def hashes(base: BaseRecord | None) -> Mapping[tuple[str, str], tuple[str, str, int]]:
    """Return SHA-256, SHA-512 and size of the .debs of a base that are known, by package and version."""
    found: dict[tuple[str, str], tuple[str, str, int]] = {}
    while base is not None and base.own is not None:
        locked = base.own.head.lock.packages
        found = {(pin.name, pin.version): (pin.sha256, pin.sha512, pin.size) for pin in locked} | found
        base = base.own.head.base
    return found


def packages(base: BaseRecord) -> BasePackages:
    """Return the packages of a base: those of its databases, and of its own manifest, which also knows all builds."""
    listed = base.packages or BasePackages()
    if base.own is None:
        return listed
    head = base.own.head
    below = packages(head.base) if head.base is not None else BasePackages()
    known = {(package.name, package.version) for package in (*listed.packages, *below.packages)}
    pins = {(pin.name, pin.version): pin for pin in head.lock.packages}
    owners_of_files = {*base.own.owners}
    more = []
    for origin in head.paths:
        name = (origin.package, origin.version)
        if origin.package in owners_of_files and name not in known and (pin := pins.get(name)) is not None:
            more.append(BasePackage(DEB, *name, pin.arch, pin.source, pin.source_version))
    system, version, codename = listed.os_release
    distribution = head.lock.packages[0].archive.partition("-")[0] if head.lock.packages else ""
    if distribution and system in ("", distribution):
        system, codename = distribution, codename or head.lock.release
    unread = listed.unread if head.base is None else tuple(sorted({*listed.unread, *below.unread}))
    builds = {*listed.builds, *below.builds}
    return BasePackages(
        (system, version, codename), tuple(sorted({*listed.packages, *more})), tuple(sorted(builds)), unread
    )


def is_known(base: BaseRecord) -> bool:
    """Return whether all packages of a base are known by its databases.

    A manifest of its own is not enough: nobody signed it, and it may leave out what no database lists.
    """
    return base.packages is not None and base.packages.known


def unread(base: BaseRecord) -> tuple[str, ...]:
    """Return why not all packages of a base are known, one reason each, sorted."""
    alone = "only its own manifest, which nobody signed, tells of them"
    reasons = {*packages(base).unread, *([alone] if base.own is not None and not is_known(base) else ())}
    return tuple(sorted(reasons))
