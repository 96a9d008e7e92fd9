"""The `slice` kind: a payload less what a rule leaves out, moved to merged /usr, with its entry of dpkg's status.

No file is read: the payload's table names each content, and the tree is made of links to it.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fpack.builders.debian.control import parse_stanza
from fpack.builders.payload import meta
from fpack.builders.payload.globs import Globs, merged, nearest
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.protocol import BuildError, Built, Task, whole
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation
from fpack.store.errors import BadTree
from fpack.store.files.pool import FileNode
from fpack.store.files.writer import TreeWriter
from fpack.store.path import parse

if TYPE_CHECKING:
    from .table import Services

SET_ID = 0o6000
STATUS = "var/lib/dpkg/status.d"
_CARRIED = ("package", "version", "arch", "source", "alternatives", "users", "groups", "units")


class Rule(NamedTuple):
    """keep: what is wanted, None for all; drop: what is not; setuid: absolute paths that keep their set-id bits."""

    keep: Sequence[str] | None = None
    drop: Sequence[str] = ()
    setuid: Sequence[str] = ()


class Moved(NamedTuple):
    """An entry at its place in merged /usr, and the path that it has in the payload."""

    entry: TreeEntry
    origin: str


class Slice:
    """args: payload (store path), keep, drop, setuid. output: {`data`, `meta`}."""

    kind = "slice"
    network = False

    def key(self, drv: Derivation) -> Value:
        """All of the derivation."""
        return whole(drv)

    def build(self, task: Task) -> Built:
        """Link what the rule leaves."""
        payload = task.disk(parse(str(task.args["payload"])))
        entries, extra = meta.read(payload)
        package = extra["package"]
        keep = task.args.get("keep")
        rule = Rule(keep, task.args.get("drop") or (), task.args.get("setuid") or ())
        kept, setuid = apply(package, entries, rule)
        writer = task.writer()
        status = dpkg_status(extra["control"])
        try:
            _write(task, writer, kept, payload / "data")
            node = writer.file(f"data/{STATUS}/{package}", [status])
        except BadTree as error:
            # Moving to merged /usr can bring a file below a symlink.
            raise BuildError(
                f"The package {package} cannot be moved to merged /usr", where=error.where, why=error.what
            ) from None
        table = [entry for entry, _ in kept]
        table.append(_status_entry(package, status, node))
        carried = {name: extra[name] for name in _CARRIED}
        carried["replaces"] = parse_stanza(extra["control"]).get("replaces", "")
        writer.file("meta", [meta.encode(table, {**carried, "setuid": [list(pair) for pair in setuid]})])
        return Built(writer)


def _write(task: Task, writer: TreeWriter, kept: Sequence[Moved], source: Path) -> None:
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


def apply(package: str, entries: Iterable[TreeEntry], rule: Rule) -> tuple[list[Moved], list[tuple[str, int]]]:
    """What `rule` leaves of a payload, sorted by path, and the set-id files among it: (absolute path, mode)."""
    moved = move(package, entries)
    _check_status(package, moved)
    keep, drop = Globs(rule.keep or ()), Globs(rule.drop)
    always = _copyright(package, moved)
    kept = {
        path: item
        for path, item in moved.items()
        if ((rule.keep is None or keep.covers(path)) and not drop.covers(path)) or path in always
    }
    if rule.keep is not None:
        _check_keep(package, keep, moved)
    parents = _parents(kept)
    shipped = _parents(moved)
    for path, (entry, _) in list(kept.items()):
        # A directory is listed for its mode or because it is empty, and stays empty only if the package has it so.
        if entry.kind == meta.DIRECTORY and (path in shipped if path not in parents else _plain(entry)):
            del kept[path]
    allowed = {merged(path.strip("/")) for path in rule.setuid}
    setuid: list[tuple[str, int]] = []
    result: list[Moved] = []
    for path in sorted(kept):
        entry, origin = kept[path]
        if entry.kind == meta.FILE and entry.mode & SET_ID:
            setuid.append(("/" + path, entry.mode))
            if path not in allowed:
                entry = entry._replace(mode=entry.mode & ~SET_ID)
        result.append(Moved(entry, origin))
    _check_setuid(package, allowed, setuid)
    return result, setuid


def _check_status(package: str, moved: Iterable[str]) -> None:
    """Scanners believe what dpkg's status says is installed: a package speaks for itself alone."""
    for path in moved:
        if path == "var/lib/dpkg/status" or path.startswith(f"{STATUS}/"):
            raise BuildError(f"The package {package} ships a status of packages", where=f"/{path}")


def move(package: str, entries: Iterable[TreeEntry]) -> dict[str, Moved]:
    """The entries at their places in merged /usr, by path."""
    placed: dict[str, Moved] = {}
    for entry in entries:
        old = entry.path
        # The links /bin -> usr/bin and so on are what merges /usr; all else of that name moves.
        top_link = entry.kind == meta.SYMLINK and "/" not in old
        new = old if top_link else merged(old)
        if entry.kind == meta.SYMLINK and not top_link:
            wanted = merged(_resolve(old, entry.target))
            if wanted == new:
                continue  # /lib/x -> /usr/lib/x: the two places have become one
            if new != old and not entry.target.startswith("/") and merged(_resolve(new, entry.target)) != wanted:
                entry = entry._replace(target=posixpath.relpath("/" + wanted, "/" + posixpath.dirname(new)))
        item = Moved(entry._replace(path=new) if new != old else entry, old)
        placed[new] = _merge(package, placed[new], item) if new in placed else item
    return placed


def _resolve(path: str, target: str) -> str:
    """What a symlink at `path` points to, relative to the root, with dots resolved in the text alone."""
    full = target if target.startswith("/") else f"/{posixpath.dirname(path)}/{target}"
    return posixpath.normpath(full).lstrip("/")


def _merge(package: str, one: Moved, two: Moved) -> Moved:
    a, b = one.entry, two.entry
    # What is in /usr already is the better one of two that are the same.
    best = one if one.origin == a.path else two
    if a.kind == b.kind and (a.kind, a.blake3, a.target) == (b.kind, b.blake3, b.target):
        return best
    raise BuildError(
        f"The package {package} holds two different files that merged /usr makes one",
        where=f"/{one.origin} and /{two.origin}",
    )


def _copyright(package: str, moved: dict[str, Moved]) -> set[str]:
    """The paths that hold the copyright notice: the file, and the links that lead to it within the package."""
    folder = f"usr/share/doc/{package}"
    paths = {folder, f"{folder}/copyright"} & moved.keys()
    path = f"{folder}/copyright"
    for _ in range(8):
        for link in (folder, path):
            item = moved.get(link)
            if item is None or item.entry.kind != meta.SYMLINK:
                continue
            target = merged(_resolve(link, item.entry.target))
            path = f"{target}/copyright" if link == folder else target
            folder = target if link == folder else folder
            break
        else:
            break
        paths |= {folder, path} & moved.keys()
    return {p for p in paths if moved[p].entry.kind != meta.DIRECTORY}


def _parents(items: dict[str, Moved]) -> set[str]:
    found: set[str] = set()
    for path in items:
        while path := path.rpartition("/")[0]:
            if path in found:
                break
            found.add(path)
    return found


def _plain(entry: TreeEntry) -> bool:
    return (entry.mode, entry.uid, entry.gid) == (0o755, 0, 0)


def _check_keep(package: str, keep: Globs, moved: dict[str, Moved]) -> None:
    unused = keep.unused(moved)
    if unused:
        near = nearest(unused[0], moved)
        raise BuildError(
            f"The pattern {unused[0]!r} matches nothing in the package {package}",
            where=", ".join(unused[1:]),
            why=f"it has {', '.join(near)}" if near else "no path of it is like that",
            hint="correct the pattern, or leave it out",
        )


def _check_setuid(package: str, allowed: set[str], setuid: list[tuple[str, int]]) -> None:
    found = {path.strip("/") for path, _ in setuid}
    for path in sorted(allowed - found):
        raise BuildError(
            f"/{path} is to keep its set-id bits, but has none in the package {package}",
            why=f"these have: {', '.join(p for p, _ in setuid)}" if setuid else "no file that is kept has any",
        )


def dpkg_status(control: str) -> bytes:
    """A control stanza as an entry of dpkg's status."""
    first, _, rest = control.partition("\n")
    return f"{first}\nStatus: install ok installed\n{rest.rstrip(chr(10))}\n".encode()


def _status_entry(package: str, content: bytes, node: FileNode) -> TreeEntry:
    path = f"{STATUS}/{package}"
    return TreeEntry(path, meta.FILE, 0o644, 0, 0, "", "", node.size, node.digest, hashlib.sha256(content).digest())


def make(services: Services) -> Slice:
    """Return the builder of the kind."""
    return Slice()
