"""Hold an image that is the base of another: its files, each with the layer that it is from, and its settings.

An output of the kind `oci` has them. Nothing of the layers' content is in it, except the texts of accounts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fpack.builders.distribution.reference import parse_reference
from fpack.builders.protocol import BuildError, Task
from fpack.store.canonical import Value
from fpack.store.errors import FpackError, StoreError, malformation
from fpack.store.files.checked_tree import CheckedTree
from fpack.store.path import STORE, StorePath, parse

from . import meta
from .globs import Globs, merged
from .meta import TreeEntry

FILES = "files"  # of the output
NAME_ANNOTATION, DIGEST_ANNOTATION = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"


class BaseArgs(NamedTuple):
    """The base of a root or image. image: the output of `oci`. name: HOST/NAME[:TAG]@DIGEST, as the user wrote it.

    hides: globs of the paths that the container's files and packages may hide. first: directories that come before
    the base's PATH. program: the container's default program replaces the base's.
    """

    image: StorePath
    name: str
    hides: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    program: bool = False

    @property
    def digest(self) -> str:
        """Return the digest in the name."""
        return self.name.partition("@")[2]

    @property
    def urls(self) -> tuple[str, ...]:
        """Return the addresses of the repository."""
        return (address(self.name),)


def address(name: str) -> str:
    """Return the address of the repository of a reference, without tag and digest."""
    reference = parse_reference(name)
    return f"oci://{reference.host}/{reference.repository}"


class ListedLayer(NamedTuple):
    """A layer of a base. path: the output of `ocilayer`. whiteouts: the paths of its whiteouts."""

    path: StorePath
    digest: str
    size: int
    media_type: str
    diff_id: str
    whiteouts: tuple[bytes, ...]


class BaseImage(NamedTuple):
    """A base. files: by path, everything except directories; owners: the number of the layer of each entry.

    manifest: the digest of the image for this platform. settings: of its configuration. texts: of account files.
    """

    args: BaseArgs
    manifest: str
    layers: Sequence[ListedLayer]
    files: Mapping[str, TreeEntry]
    directories: Mapping[str, TreeEntry]
    owners: Mapping[str, int]
    settings: Mapping[str, Any]
    texts: Mapping[str, bytes]

    def label(self, path: str) -> str:
        """Return the name of the layer that has a path, for messages."""
        number = self.owners.get(path)
        if number is None:
            return f"the base {self.args.name}"
        return f"layer {number + 1} ({self.layers[number].digest}) of the base"

    def layer_digest(self, path: str) -> str:
        return self.layers[self.owners[path]].digest

    def text(self, path: str) -> str:
        """Return the content of an account file, or ""."""
        return self.texts.get(path, b"").decode("utf-8", "surrogateescape")

    def below(self, prefix: str) -> list[TreeEntry]:
        """Return the entries at and below a directory, with their paths relative to it."""
        start = f"{prefix}/"
        found = [*self.files.values(), *self.directories.values()]
        return [entry._replace(path=entry.path[len(start) :]) for entry in found if entry.path.startswith(start)]

    def groups(self) -> Iterator[tuple[int, list[TreeEntry]]]:
        """Yield the number of each layer and its entries, as far as no higher layer replaces them."""
        found: dict[int, list[TreeEntry]] = {number: [] for number in range(len(self.layers))}
        for path, entry in [*self.files.items(), *self.directories.items()]:
            found[self.owners[path]].append(entry)
        yield from found.items()


def read(task: Task, args: BaseArgs) -> BaseImage:
    """Read the output of `oci`."""
    return read_tree(task.tree(args.image), args)


def read_tree(tree: CheckedTree, args: BaseArgs) -> BaseImage:
    """Read the output of `oci`. Raise StoreError if it is none."""
    try:
        entries, extra = meta.decode(tree.read(FILES))
        layers = [
            ListedLayer(parse(path), digest, size, media_type, diff_id, tuple(whiteouts))
            for path, digest, size, media_type, diff_id, whiteouts in extra["layers"]
        ]
        owners = dict(zip((entry.path for entry in entries), extra["owners"], strict=True))
        return BaseImage(
            args,
            extra["manifest"],
            layers,
            {entry.path: entry for entry in entries if entry.kind != meta.DIRECTORY},
            {entry.path: entry for entry in entries if entry.kind == meta.DIRECTORY},
            owners,
            json.loads(extra["settings"]),
            {path.decode(): text for path, text in extra["texts"]},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError("An output is not a base image", where=str(args.image), why=malformation(error)) from None


def encode_files(
    entries: Sequence[TreeEntry],
    owners: Mapping[str, int],
    layers: Sequence[ListedLayer],
    manifest: str,
    settings: Mapping[str, Any],
    texts: Mapping[bytes, bytes],
) -> bytes:
    """Encode the file `files` of the output."""
    ordered = sorted(entries, key=lambda entry: os.fsencode(entry.path))
    extra: dict[str, Value] = {
        "layers": [[str(layer.path), *layer[1:-1], list(layer.whiteouts)] for layer in layers],
        "owners": [owners[entry.path] for entry in ordered],
        "manifest": manifest,
        # JSON has numbers that the canonical form does not.
        "settings": json.dumps(settings, sort_keys=True),
        "texts": [[path, text] for path, text in sorted(texts.items())],
    }
    return meta.encode(ordered, extra)


class Overlay:
    """The files of a container that stands on a base: tells which the base has, and refuses what would hide others.

    hidden: receives the paths of the base that something replaces.
    """

    def __init__(self, base: BaseImage, replaces: Sequence[str] = ()) -> None:
        self.base = base
        self.hidden: set[str] = set()
        self._allowed = Globs(base.args.hides)
        self._replaces = set(replaces)

    def has(self, entry: TreeEntry, label: str) -> bool:
        """Return whether the base has exactly this entry. Raise BuildError if it has another, which may not be hidden.

        label: the origin of the entry, for the message.
        """
        base, path = self.base, entry.path
        other = base.files.get(path)
        if other is None:
            if entry.kind != meta.DIRECTORY and path in base.directories:
                raise self._refused(path, entry, base.directories[path], label)
            return False
        if same(entry, other):
            return True
        if entry.kind != meta.DIRECTORY and (path in self._replaces or self._covered(path)):
            self.hidden.add(path)
            return False
        raise self._refused(path, entry, other, label)

    def _covered(self, path: str) -> bool:
        return self._allowed.covers(path) or self._allowed.covers(merged(path))

    def _refused(self, path: str, entry: TreeEntry, other: TreeEntry, label: str) -> BuildError:
        can = entry.kind != meta.DIRECTORY and other.kind != meta.DIRECTORY
        return BuildError(
            f"/{path} of {label} would hide /{path} of {self.base.label(path)}",
            where=f"/{path}",
            why=f"that of {label} is {_describe(entry)}, and that of the base {_describe(other)}",
            hint=f'to allow it, write base = oci("{self.base.args.name}", hides = ["/{path}"])' if can else "",
        ).with_(field="base")


def same(a: TreeEntry, b: TreeEntry) -> bool:
    """Return whether two entries are the same in a container. Symlinks are if they lead to the same place."""
    if a.kind != b.kind:
        return False
    if a.kind == meta.SYMLINK:
        return link_target(a) == link_target(b)
    return (a.blake3, a.size, a.mode, a.uid, a.gid) == (b.blake3, b.size, b.mode, b.uid, b.gid)


def link_target(entry: TreeEntry) -> str:
    """Return where a symlink leads, as an absolute path. It is not followed further."""
    return os.path.normpath(os.path.join("/", os.path.dirname(entry.path), entry.target))


def _describe(entry: TreeEntry) -> str:
    nouns = {meta.FILE: f"a file of {entry.size} bytes", meta.SYMLINK: f"a symlink to {entry.target}"}
    return f"{nouns.get(entry.kind, 'a directory')}, mode {entry.mode:04o}, owner {entry.uid}:{entry.gid}"


def has_store_path(task: Task, base: BaseImage, path: StorePath) -> bool:
    """Return whether a base has a store path. Raise BuildError if it has another tree under that name."""
    prefix = f"{STORE[1:]}/{path.base}"
    entries = base.below(prefix)
    top = base.files.get(prefix)
    if top is None and prefix not in base.directories:
        return False
    found = meta.directory_of(entries if top is None else [top._replace(path="top")])
    node = found if top is None else found[b"top"]
    try:
        equal = task.tree(path).prove(node)
    except FpackError:
        equal = False
    if not equal:
        raise BuildError(
            f"{path} of the base differs from the same path in the store",
            where=base.label(prefix),
            why="a store path is named by its content, so the base's is damaged or forged",
        )
    return True
