"""The entries of a layer, with the digests of their files and the parts that they come from, from its derivation."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3
from fpack.builders import meta
from fpack.builders.oci.contents import Attributes, Part, merge, of_table, of_tree
from fpack.builders.oci.tar import FILE, Member
from fpack.builders.protocol import BuildError
from fpack.store.canonical import Value
from fpack.store.path import parse
from fpack.store.tree import CHUNK

from .format import Entry

# Where something at a path comes from: the part's number, and the BLAKE3 and SHA-256 of a file if a table has them.
_Origin = tuple[int, bytes, bytes]


class Contents(NamedTuple):
    """A layer's members in the order of its tar, and where each path comes from."""

    members: list[Member]
    origins: Mapping[bytes, _Origin]


def contents(args: Mapping[str, Value], disk: Callable[[str], Path]) -> Contents:
    """What is in the layer that a resolved `layer` derivation's arguments describe."""
    parts: list[Part] = []
    origins: dict[bytes, _Origin] = {}
    for number, part in enumerate(args["parts"]):
        path = parse(part["path"])
        place = disk(str(path))
        label, remedy = path.base, f"leave it out where {path.name} is built"
        if prefix := str(part["prefix"]):
            if not prefix.startswith("/") or prefix.endswith("/") or "//" in prefix or "/.." in prefix:
                raise BuildError(f"A part of a layer cannot be laid at {prefix!r}", where=str(path))
            members = of_tree(place, prefix)
            for member in members:
                origins.setdefault(member.path, (number, b"", b""))
        else:
            table, extra = meta.read(place)
            package = extra.get("package")
            remedy = "give it another name in the container's `files`, `directories` or `links`"
            if package:
                label = f"the package {package}"
                remedy = f'leave it out: rules = {{ "{package}" = {{ drop = ["PATH"] }} }}'
            members = of_table(table, f"{place}/data", part.get("exclude", ()))
            inside = {member.path for member in members}
            for each in table:
                name = os.fsencode(each.path)
                if name in inside:
                    origins.setdefault(name, (number, each.blake3, each.sha256))
        parts.append(Part(label, members, remedy))
    directories = {
        os.fsencode(path.lstrip("/")): Attributes(mode, uid, gid)
        for path, mode, uid, gid in args.get("directories", ())
    }
    return Contents(merge(parts, directories), origins)


def describe(found: Contents, check: Callable[[], None]) -> Iterator[Entry]:
    """The manifest's entries of a layer, in the order of its tar."""
    for member in found.members:
        yield _entry(member, found.origins.get(member.path), check)


def _entry(member: Member, origin: _Origin | None, check: Callable[[], None]) -> Entry:
    part, blake, sha = origin if origin is not None else (None, b"", b"")
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
