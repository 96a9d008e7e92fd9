"""Compute the entries of a layer from its derivation, with the digests of files and the part that each comes from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3
from fpack.builders.oci.layer_contents import Attributes, LayerPart, merge, of_table, of_tree
from fpack.builders.payload import meta
from fpack.builders.protocol import BuildError
from fpack.builders.streams.tar_writer import DIRECTORY, FILE, TarEntry
from fpack.store.canonical import Value
from fpack.store.errors import StoreError
from fpack.store.files.tree import chunks
from fpack.store.path import StorePath

from .format import CONFIGURED, GENERATED, RULE, ManifestEntry, Origin


class _Source(NamedTuple):
    """The origin of a path: the part's number, and a file's digests if a table has them."""

    part: int
    blake3: bytes = b""
    sha256: bytes = b""
    origin: Origin | None = None


class Contents(NamedTuple):
    """A layer's members in the order of its tar, and the origin of each path."""

    members: list[TarEntry]
    sources: Mapping[bytes, _Source]


class Counts(NamedTuple):
    """The numbers of a layer's members other than directories. shipped: for each part, those with no special origin."""

    shipped: tuple[int, ...]
    generated: int
    configured: int


def contents(
    parts_given: Iterable[tuple[StorePath, str, Sequence[str]]],
    attributes: Iterable[tuple[str, int, int, int]],
    disk: Callable[[StorePath], Path],
) -> Contents:
    """Return the contents of a layer.

    parts_given: the path of each part, its prefix, and the paths that are left out of it. attributes: the path, mode,
    uid and gid of directories on which the parts differ. disk: returns the location of a store path.
    """
    parts: list[LayerPart] = []
    sources: dict[bytes, _Source] = {}
    for number, (path, prefix, exclude) in enumerate(parts_given):
        disk_path = disk(path)
        label, remedy = path.base, f"leave it out of the build of {path.name}"
        if prefix:
            if not prefix.startswith("/") or prefix.endswith("/") or "//" in prefix or "/.." in prefix:
                raise BuildError(f"{prefix!r} is not a valid prefix for a part of a layer", where=str(path))
            members = of_tree(disk_path, prefix)
            for member in members:
                sources.setdefault(member.path, _Source(number))
        else:
            table, extra = meta.read(disk_path)
            package = extra.get("package")
            remedy = "give it another name in the container's `files`, `directories` or `links`"
            if package:
                label = f"the package {package}"
                remedy = f'leave it out: rules = {{ "{package}" = {{ drop = ["PATH"] }} }}'
            members = of_table(table, f"{disk_path}/data", exclude)
            inside = {member.path for member in members}
            rules = _origins(extra)
            for entry in table:
                name = os.fsencode(entry.path)
                if name in inside:
                    sources.setdefault(name, _Source(number, entry.blake3, entry.sha256, rules.get(name)))
        parts.append(LayerPart(label, members, remedy))
    directories = {os.fsencode(name.lstrip("/")): Attributes(*values) for name, *values in attributes}
    return Contents(merge(parts, directories), sources)


def _origins(extra: Mapping[str, Value]) -> dict[bytes, Origin]:
    """Return the rules by which entries were generated, from an output's table. Raise StoreError if it is malformed."""
    rows = extra.get("generated", ())
    if rows.__class__ not in (list, tuple) or not all(map(_is_rule, rows)):
        raise StoreError("The table of an output has malformed rules for its generated entries")
    return {path: Origin(GENERATED, rule=rule) for path, rule in rows}


def _is_rule(row: Value) -> bool:
    """Tell whether a row is a path and the name of a rule."""
    if row.__class__ is not list or len(row) != 2:
        return False
    return row[0].__class__ is bytes and row[1].__class__ is str and bool(RULE.match(row[1]))


def count(found: Contents, parts: int) -> Counts:
    """Count a layer's members by origin. parts: the number of the layer's parts."""
    shipped, special = [0] * parts, {GENERATED: 0, CONFIGURED: 0}
    for member in found.members:
        if member.kind == DIRECTORY:
            continue
        source = found.sources[member.path]
        if source.origin is None:
            shipped[source.part] += 1
        else:
            special[source.origin.kind] += 1
    return Counts(tuple(shipped), special[GENERATED], special[CONFIGURED])


def describe(found: Contents, check: Callable[[], None]) -> Iterator[ManifestEntry]:
    """Yield the manifest's entries of a layer in the order of its tar."""
    for member in found.members:
        yield _entry(member, found.sources.get(member.path), check)


def _entry(member: TarEntry, source: _Source | None, check: Callable[[], None]) -> ManifestEntry:
    part, blake, sha, origin = source if source is not None else (None, b"", b"", None)
    if member.kind != FILE:
        blake = sha = b""
    elif not sha:
        blake, sha = _digests(member.source, check)
    return ManifestEntry(
        path=member.path,
        kind=member.kind,
        mode=member.mode,
        uid=member.uid,
        gid=member.gid,
        size=member.size,
        blake3=blake,
        sha256=sha,
        target=member.target,
        part=part,
        origin=origin,
    )


def _digests(path: str, check: Callable[[], None]) -> tuple[bytes, bytes]:
    """Return the BLAKE3 and SHA-256 digests of a file that no table describes."""
    blake, sha = blake3(), hashlib.sha256()
    for chunk in chunks(path):
        check()
        blake.update(chunk)
        sha.update(chunk)
    return blake.digest(), sha.digest()
