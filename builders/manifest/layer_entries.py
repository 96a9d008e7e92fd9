"""The entries of a layer, with the digests of their files and the parts that they come from, from its derivation."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3
from fpack.builders.oci.layer_contents import Attributes, LayerPart, merge, of_table, of_tree
from fpack.builders.payload import meta
from fpack.builders.protocol import BuildError
from fpack.builders.streams.tar_writer import DIRECTORY, FILE, Member
from fpack.store.canonical import Value
from fpack.store.errors import StoreError
from fpack.store.files.tree import CHUNK
from fpack.store.path import parse

from .format import CONFIGURED, GENERATED, RULE, Entry, Origin


class _Source(NamedTuple):
    """Where something at a path comes from: the part's number, and the digests of a file if a table has them."""

    part: int
    blake3: bytes = b""
    sha256: bytes = b""
    origin: Origin | None = None


class Contents(NamedTuple):
    """A layer's members in the order of its tar, and where each path comes from."""

    members: list[Member]
    sources: Mapping[bytes, _Source]


class Counts(NamedTuple):
    """How many of a layer's members are no directories: shipped, of each part, what it has from elsewhere."""

    shipped: tuple[int, ...]
    generated: int
    configured: int


def contents(args: Mapping[str, Value], disk: Callable[[str], Path]) -> Contents:
    """What is in the layer that a resolved `layer` derivation's arguments describe."""
    parts: list[LayerPart] = []
    sources: dict[bytes, _Source] = {}
    for number, part in enumerate(args["parts"]):
        path = parse(part["path"])
        place = disk(str(path))
        label, remedy = path.base, f"leave it out where {path.name} is built"
        if prefix := str(part["prefix"]):
            if not prefix.startswith("/") or prefix.endswith("/") or "//" in prefix or "/.." in prefix:
                raise BuildError(f"A part of a layer cannot be laid at {prefix!r}", where=str(path))
            members = of_tree(place, prefix)
            for member in members:
                sources.setdefault(member.path, _Source(number))
        else:
            table, extra = meta.read(place)
            package = extra.get("package")
            remedy = "give it another name in the container's `files`, `directories` or `links`"
            if package:
                label = f"the package {package}"
                remedy = f'leave it out: rules = {{ "{package}" = {{ drop = ["PATH"] }} }}'
            members = of_table(table, f"{place}/data", part.get("exclude", ()))
            inside = {member.path for member in members}
            rules = _origins(extra)
            for each in table:
                name = os.fsencode(each.path)
                if name in inside:
                    sources.setdefault(name, _Source(number, each.blake3, each.sha256, rules.get(name)))
        parts.append(LayerPart(label, members, remedy))
    directories = {
        os.fsencode(path.lstrip("/")): Attributes(mode, uid, gid)
        for path, mode, uid, gid in args.get("directories", ())
    }
    return Contents(merge(parts, directories), sources)


def _origins(extra: Mapping[str, Value]) -> dict[bytes, Origin]:
    """Read from an output's table by which rules its entries were generated."""
    rows = extra.get("generated", ())
    if rows.__class__ not in (list, tuple) or not all(map(_is_rule, rows)):
        raise StoreError("An output does not say in a way that is known how its entries were made")
    return {path: Origin(GENERATED, rule=rule) for path, rule in rows}


def _is_rule(row: Value) -> bool:
    """Tell whether a row is a path and the name of a rule."""
    if row.__class__ is not list or len(row) != 2:
        return False
    return row[0].__class__ is bytes and row[1].__class__ is str and bool(RULE.match(row[1]))


def count(found: Contents, parts: int) -> Counts:
    """Count a layer's members by their origins. parts: how many the layer has."""
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


def describe(found: Contents, check: Callable[[], None]) -> Iterator[Entry]:
    """The manifest's entries of a layer, in the order of its tar."""
    for member in found.members:
        yield _entry(member, found.sources.get(member.path), check)


def _entry(member: Member, source: _Source | None, check: Callable[[], None]) -> Entry:
    part, blake, sha, origin = source if source is not None else (None, b"", b"", None)
    if member.kind != FILE:
        blake = sha = b""
    elif not sha:
        blake, sha = _digests(member.source, check)
    return Entry(
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


def _digests(place: str, check: Callable[[], None]) -> tuple[bytes, bytes]:
    """BLAKE3 and SHA-256 of a file that no table describes."""
    blake, sha = blake3(), hashlib.sha256()
    for chunk in _chunks(place):
        check()
        blake.update(chunk)
        sha.update(chunk)
    return blake.digest(), sha.digest()


def _chunks(place: str) -> Iterator[bytes]:
    with open(place, "rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            yield chunk
