"""Build the `slice` kind: the part of a payload that a rule selects, moved to merged /usr, with a dpkg status entry.

The builder reads no file of the package: the payload's table has the digest of each, and the tree consists of links to
them.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from fpack.builders import arguments
from fpack.builders.debian.control import parse_stanza
from fpack.builders.debian.script_effects import scripts_with_effect
from fpack.builders.payload import control_files, meta
from fpack.builders.payload.globs import Globs, merged, nearest
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.payload.parents import all_parents
from fpack.builders.protocol import BaseBuilder, BuildError, Built, Task
from fpack.store.errors import BadTree
from fpack.store.files.pool import FileNode
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath

# 2: declarations. 3: the scripts that may change an image
VERSION = 3


SET_ID = 0o6000
STATUS = "var/lib/dpkg/status.d"
_CARRIED = ("package", "version", "arch", "source", "alternatives", "users", "groups", "units", "declarations")


class SliceRule(NamedTuple):
    """A selection of files. keep, drop: patterns; keep None selects all. setuid: paths that keep their set-id bits."""

    keep: Sequence[str] | None = None
    drop: Sequence[str] = ()
    setuid: Sequence[str] = ()


class MergedEntry(NamedTuple):
    """An entry with its path in merged /usr, and its path in the payload (`origin`)."""

    entry: TreeEntry
    origin: str


class SliceArgs(NamedTuple):
    """The arguments: the payload, and the fields of a SliceRule.

    lenient: maintainer scripts may set the set-id bits that the package lacks. beside: the architecture of a slice that
    is in a root of another one. It has this in its name, and nothing but what `keep` selects, which may be nothing.
    """

    payload: StorePath
    keep: tuple[str, ...] | None = None
    drop: tuple[str, ...] | None = None
    setuid: tuple[str, ...] | None = None
    lenient: bool = False
    beside: str = ""


class SliceBuilder(BaseBuilder):
    """The builder of `slice`. Its output holds `data` and `meta`."""

    version = VERSION

    def build(self, task: Task) -> Built:
        """Link the selected files."""
        args = arguments.read(SliceArgs, task.args)
        tree = task.tree(args.payload)
        entries, extra = meta.load(tree)
        package = extra["package"]
        rule = SliceRule(args.keep, args.drop or (), args.setuid or ())
        kept, setuid = apply(package, entries, rule, args.lenient, bool(args.beside))
        writer = task.writer()
        status = dpkg_status(extra["control"])
        try:
            _write(task, writer, kept, tree.disk / "data")
            node = None if args.beside else writer.file(f"data/{STATUS}/{package}", [status])
        except BadTree as error:
            # Moving to merged /usr can put a file below a symlink.
            raise BuildError(
                f"The package {package} cannot be moved to merged /usr", where=error.where, why=error.what
            ) from None
        table = [entry for entry, _ in kept]
        if node is not None:
            table.append(_status_entry(package, status, node))
        carried = {name: extra[name] for name in _CARRIED if name in extra}
        if args.beside:
            carried["package"] = f"{package}:{args.beside}"
        carried["replaces"] = parse_stanza(extra["control"]).get("replaces", "")
        if scripts := scripts_with_effect(package, extra["control"], control_files.read(tree)):
            carried["scripts"] = scripts
        writer.file("meta", [meta.encode(table, {**carried, "setuid": [list(pair) for pair in setuid]})])
        return Built(writer)


def _write(task: Task, writer: TreeWriter, kept: Sequence[MergedEntry], source: Path) -> None:
    writer.mkdir("data")
    for count, (entry, origin) in enumerate(kept):
        if not count % 64:
            task.check()
        path = "data/" + entry.path
        if entry.kind == meta.FILE:
            writer.link(path, FileNode(entry.blake3, entry.size, entry.executable), source / origin)
        elif entry.kind == meta.SYMLINK:
            writer.symlink(path, entry.target)
        else:
            writer.mkdir(path)


def apply(
    package: str, entries: Iterable[TreeEntry], rule: SliceRule, lenient: bool = False, beside: bool = False
) -> tuple[list[MergedEntry], list[tuple[str, int]]]:
    """Return the entries that `rule` selects, sorted by path, and the set-id files among them as (/path, mode)."""
    moved = move(package, entries)
    _check_status(package, moved)
    keep, drop = Globs(rule.keep or ()), Globs(rule.drop)
    always = set() if beside else _copyright(package, moved)
    kept = {
        path: item
        for path, item in moved.items()
        if ((rule.keep is None or keep.covers(path)) and not drop.covers(path)) or path in always
    }
    if rule.keep is not None and not beside:
        _check_keep(package, keep, moved)
    parents = all_parents(kept)
    shipped = all_parents(moved)
    for path, (entry, _) in list(kept.items()):
        # An entry lists a directory for its mode or because it is empty. A directory that the rule emptied is dropped.
        if entry.kind == meta.DIRECTORY and (path in shipped if path not in parents else entry.has_usual_attributes):
            del kept[path]
    allowed = {merged(path.strip("/")) for path in rule.setuid}
    setuid: list[tuple[str, int]] = []
    result: list[MergedEntry] = []
    for path in sorted(kept):
        entry, origin = kept[path]
        if entry.kind == meta.FILE and entry.mode & SET_ID:
            setuid.append(("/" + path, entry.mode))
            if path not in allowed:
                entry = entry._replace(mode=entry.mode & ~SET_ID)
        result.append(MergedEntry(entry, origin))
    if not lenient:
        _check_setuid(package, allowed, setuid)
    return result, setuid


def _check_status(package: str, moved: Iterable[str]) -> None:
    """Raise BuildError if a package ships a dpkg status, since scanners trust it about any package."""
    for path in moved:
        if path == "var/lib/dpkg/status" or path.startswith(f"{STATUS}/"):
            raise BuildError(f"The package {package} ships a file of dpkg's status", where=f"/{path}")


def move(package: str, entries: Iterable[TreeEntry]) -> dict[str, MergedEntry]:
    """Return the entries with their paths in merged /usr, by path."""
    moved: dict[str, MergedEntry] = {}
    for entry in entries:
        old = entry.path
        # The links /bin -> usr/bin etc. merge /usr and stay. Other entries of these names move.
        top_link = entry.kind == meta.SYMLINK and "/" not in old
        new = old if top_link else merged(old)
        if entry.kind == meta.SYMLINK and not top_link:
            wanted = merged(_resolve(old, entry.target))
            if wanted == new:
                continue  # /lib/x -> /usr/lib/x: the link and its target have become one path
            if new != old and not entry.target.startswith("/") and merged(_resolve(new, entry.target)) != wanted:
                entry = entry._replace(target=posixpath.relpath("/" + wanted, "/" + posixpath.dirname(new)))
        item = MergedEntry(entry._replace(path=new) if new != old else entry, old)
        moved[new] = _merge(package, moved[new], item) if new in moved else item
    return moved


def _resolve(path: str, target: str) -> str:
    """Return the target of a symlink at `path`, relative to the root, with dots resolved lexically."""
    full = target if target.startswith("/") else f"/{posixpath.dirname(path)}/{target}"
    return posixpath.normpath(full).lstrip("/")


def _merge(package: str, one: MergedEntry, two: MergedEntry) -> MergedEntry:
    a, b = one.entry, two.entry
    # If two entries are equal, prefer the one that is in /usr already.
    best = one if one.origin == a.path else two
    if a.kind == b.kind and (a.kind, a.blake3, a.target) == (b.kind, b.blake3, b.target):
        return best
    raise BuildError(
        f"The package {package} has two different files with the same path in merged /usr",
        where=f"/{one.origin} and /{two.origin}",
    )


def _copyright(package: str, moved: dict[str, MergedEntry]) -> set[str]:
    """Return the paths of the copyright notice: the file, and the symlinks in the package that lead to it."""
    directory = f"usr/share/doc/{package}"
    paths = {directory, f"{directory}/copyright"} & moved.keys()
    path = f"{directory}/copyright"
    for _ in range(8):
        for link in (directory, path):
            item = moved.get(link)
            if item is None or item.entry.kind != meta.SYMLINK:
                continue
            target = merged(_resolve(link, item.entry.target))
            path = f"{target}/copyright" if link == directory else target
            directory = target if link == directory else directory
            break
        else:
            break
        paths |= {directory, path} & moved.keys()
    return {p for p in paths if moved[p].entry.kind != meta.DIRECTORY}


def _check_keep(package: str, keep: Globs, moved: dict[str, MergedEntry]) -> None:
    unused = keep.unused(moved)
    if unused:
        near = nearest(unused[0], moved)
        raise BuildError(
            f"The pattern {unused[0]!r} matches nothing in the package {package}",
            where=", ".join(unused[1:]),
            why=f"it has {', '.join(near)}" if near else "it has no similar path",
            hint="correct the pattern or remove it",
        )


def _check_setuid(package: str, allowed: set[str], setuid: list[tuple[str, int]]) -> None:
    found = {path.strip("/") for path, _ in setuid}
    for path in sorted(allowed - found):
        raise BuildError(
            f"/{path} has no set-id bits to keep in the package {package}",
            why=f"these files have: {', '.join(p for p, _ in setuid)}"
            if setuid
            else "no selected file has set-id bits",
        )


def dpkg_status(control: str) -> bytes:
    """Return a control stanza as an entry of dpkg's status."""
    first, _, rest = control.partition("\n")
    return f"{first}\nStatus: install ok installed\n{rest.rstrip(chr(10))}\n".encode()


def _status_entry(package: str, content: bytes, node: FileNode) -> TreeEntry:
    path = f"{STATUS}/{package}"
    return TreeEntry(path, meta.FILE, 0o644, 0, 0, "", "", node.size, node.digest, hashlib.sha256(content).digest())
