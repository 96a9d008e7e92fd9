"""Compute the entries of a layer from its derivation, with the digests of files and the part that each comes from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from fpack.builders.oci.layer_contents import Attributes, LayerPart, merge, of_table, of_tree
from fpack.builders.payload import meta
from fpack.builders.protocol import BuildError
from fpack.builders.streams.tar_writer import DIRECTORY, FILE, TarEntry
from fpack.store.canonical import Value
from fpack.store.errors import StoreError
from fpack.store.files.checked_tree import CheckedTree
from fpack.store.files.pool import FileNode
from fpack.store.files.tree import Node
from fpack.store.path import StorePath

from .format import CONFIGURED, GENERATED, PACKAGE, RULE, SCRIPTS, ManifestEntry, Origin


class _Source(NamedTuple):
    """The origin of a path: the part's number, and a file's digests if a table has them."""

    part: int
    blake3: bytes = b""
    sha256: bytes = b""
    origin: Origin | None = None


class Contents(NamedTuple):
    """A layer's members in the order of its tar, and the origin of each path.

    trees: the parts that have no table, with their members, whose digests are known when the tar is written.
    """

    members: list[TarEntry]
    sources: Mapping[bytes, _Source]
    trees: list[tuple[CheckedTree, list[TarEntry]]]


class Counts(NamedTuple):
    """The numbers of a layer's members other than directories. shipped: for each part, those with no special origin."""

    shipped: tuple[int, ...]
    generated: int
    configured: int


def contents(
    parts_given: Iterable[tuple[StorePath, str, Sequence[str], Sequence[tuple[str, int]]]],
    attributes: Iterable[tuple[str, int, int, int]],
    trees: Callable[[StorePath], CheckedTree],
) -> Contents:
    """Return the contents of a layer.

    parts_given: the path of each part, its prefix, the paths that are left out of it, and the modes of files that get
    back set-id bits. attributes: the path, mode, uid and gid of directories on which the parts differ. trees: returns
    the reader of a store path.
    """
    parts: list[LayerPart] = []
    sources: dict[bytes, _Source] = {}
    without_table: list[tuple[CheckedTree, list[TarEntry]]] = []
    for number, (path, prefix, exclude, modes) in enumerate(parts_given):
        tree = trees(path)
        label, remedy = path.name, f"leave it out of the build of {path.name}"
        if prefix:
            if not prefix.startswith("/") or prefix.endswith("/") or "//" in prefix or "/.." in prefix:
                raise BuildError(f"{prefix!r} is not a valid prefix for a part of a layer", where=str(path))
            members = of_tree(tree.disk, prefix)
            without_table.append((tree, members))
            for member in members:
                sources.setdefault(member.path, _Source(number))
        else:
            table, extra = meta.load(tree)
            package = extra.get("package")
            remedy = "give it another name in the container's `files`, `directories` or `links`"
            if package:
                label = f"the package {package}"
                remedy = f'leave it out: rules = {{ "{package}" = {{ drop = ["PATH"] }} }}'
            members = of_table(table, f"{tree.disk}/data", exclude, dict(modes))
            inside = {member.path for member in members}
            rules = _origins(extra)
            for entry in table:
                name = os.fsencode(entry.path)
                if name in inside:
                    sources.setdefault(name, _Source(number, entry.blake3, entry.sha256, rules.get(name)))
        parts.append(LayerPart(label, members, remedy))
    directories = {os.fsencode(name.lstrip("/")): Attributes(*values) for name, *values in attributes}
    return Contents(merge(parts, directories), sources, without_table)


def _origins(extra: Mapping[str, Value]) -> dict[bytes, Origin]:
    """Return the origins of entries that fpack or maintainer scripts made, from an output's table.

    Raise StoreError if they are malformed.
    """
    try:
        rules = [(path, Origin(GENERATED, rule=rule)) for path, rule in extra.get("generated", ())]
        scripts = [
            (path, Origin(CONFIGURED, package=package, script=script, sha256=bytes.fromhex(sha256)))
            for path, package, script, sha256 in extra.get("configured", ())
        ]
        if all(map(_is_valid, rules + scripts)):
            return dict(rules + scripts)
    except (TypeError, ValueError):
        pass
    raise StoreError("The table of an output has malformed origins of its entries")


def _is_valid(row: tuple[Value, Origin]) -> bool:
    """Return whether a row is a path and an origin that a manifest can have."""
    path, origin = row
    if path.__class__ is not bytes or {item.__class__ for item in origin[:4]} != {str}:
        return False
    if origin.kind == GENERATED:
        return bool(RULE.match(origin.rule))
    return bool(PACKAGE.match(origin.package)) and origin.script in SCRIPTS and len(origin.sha256) == 32


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


Digests = Mapping[str, tuple[bytes, bytes]]  # location on disk -> BLAKE3, SHA-256


def compare_tree(tree: CheckedTree, members: Sequence[TarEntry], digests: Digests) -> None:
    """Compare the members of a part without a table, as they were read, with its digest. Raise DamagedPath."""
    nodes: dict[bytes, Node] = {}
    for member in members:  # a directory precedes what is in it
        if member.kind == DIRECTORY:
            node: Node = {}
        elif member.kind == FILE:
            node = FileNode(digests[member.source][0], member.size, bool(member.mode & 0o100))
        else:
            node = member.target
        nodes[member.path] = node
        above, _, name = member.path.rpartition(b"/")
        directory = nodes.get(above)
        if isinstance(directory, dict):
            directory[name] = node
    if not tree.prove(nodes[members[0].path]):
        raise tree.damaged("")


def describe(found: Contents, digests: Digests) -> Iterator[ManifestEntry]:
    """Yield the manifest's entries of a layer in the order of its tar. digests: of files that no table describes."""
    for member in found.members:
        yield _entry(member, found.sources.get(member.path), digests)


def _entry(member: TarEntry, source: _Source | None, digests: Digests) -> ManifestEntry:
    part, blake, sha, origin = source if source is not None else (None, b"", b"", None)
    if member.kind != FILE:
        blake = sha = b""
    elif not sha:
        blake, sha = digests[member.source]
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
