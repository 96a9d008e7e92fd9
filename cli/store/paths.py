"""Open the store, and find the store paths that a command line names."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fpack.cli.errors import UsageError
from fpack.store import base32
from fpack.store.errors import InvalidName, StoreError, did_you_mean
from fpack.store.files.owners import check_store
from fpack.store.path import STORE, StorePath, parse
from fpack.store.root import default_root, obstacle

if TYPE_CHECKING:
    from fpack.store.database import PathInfo
    from fpack.store.store import Store

_FORMS = "give a store path or the beginning of its hash, a name, a pattern, or a link such as ./result"
_SHORTEST = 4  # characters of a shortened hash
_LISTED = 10  # paths that an error names


class UnknownPath(StoreError):
    """A path that is not valid in this store."""


@contextmanager
def opened(create: bool = False) -> Iterator[Store]:
    """Open the store of this machine. Raise StoreError if there is none, unless `create` is set."""
    from fpack.store.store import Store

    root = default_root()
    if not create:
        require_store(root)
    store = Store(root)
    try:
        if create:
            from fpack.builders.kinds.table import generation

            # Without the generation, the next build would drop all outputs that are recorded in a new database.
            store.database.use_generation(generation())
        yield store
    finally:
        store.close()


class PathQuery(NamedTuple):
    """The paths that a word of a command line names.

    text: the beginning of `HASH-NAME`, a name, or a pattern with * and ? of one of these. path: the only path, if the
    word names one.
    """

    text: str
    path: StorePath | None = None

    def accepts(self, path: StorePath) -> bool:
        """Return whether the word names a path."""
        if self.path is not None:
            return path == self.path
        if len(self.text) >= _SHORTEST and path.base.startswith(self.text):
            return True
        return fnmatchcase(path.name, self.text) or fnmatchcase(path.base, self.text)


def parse_query(root: Path, text: str) -> PathQuery:
    """Parse a word that names paths: a store path, a path below one, a link to one, a name, a hash or a pattern.

    A hash may be shortened. Raise UsageError if the word is a file that is not in the store below `root`.
    """
    base = text.removeprefix(f"{STORE}/")
    if base != text or "/" not in text:
        base = base.partition("/")[0]
        with contextlib.suppress(InvalidName):
            return PathQuery(base, parse(base))
    if (path := _on_disk(root, text)) is not None:
        return PathQuery(path.base, path)
    if base and "/" not in base:
        return PathQuery(base)
    why = "it is not in the store" if os.path.lexists(text) else "it does not exist" if text else "it is empty"
    raise UsageError(f"{text!r} is not a store path", why=why, hint=_FORMS)


def _on_disk(root: Path, text: str) -> StorePath | None:
    """Return the store path that a file or a link is in. Raise UnknownPath if it is in another store."""
    try:
        real = os.path.realpath(text)
    except ValueError:
        return None  # it has a null character
    inside = f"{os.path.realpath(root)}/store/"
    if real.startswith(inside):
        with contextlib.suppress(InvalidName):
            return parse(real[len(inside) :].partition("/")[0])
    if other := _other_store(real):
        hint = f"FPACK_ROOT={other[0]} names that store"
        raise UnknownPath("This path is in another store", where=str(other[1]), hint=hint)
    return None


def matching(store: Store, text: str) -> list[PathInfo]:
    """Return the rows of the paths that a word names, sorted by name.

    Raise UsageError as `parse_query`, and UnknownPath for a store path that is not valid. If a name, a shortened hash
    or a pattern names no path, return nothing.
    """
    query = parse_query(store.root, text)
    if query.path is not None:
        return [_info(store, query.path)]
    paths = filter(query.accepts, map(parse, store.database.names()))
    infos = store.database.infos(base32.decode(path.hash) for path in paths).values()
    return sorted(infos, key=lambda info: (info.path.name, info.path.hash))


def require_store(root: Path) -> None:
    """Raise StoreError if there is no store at `root`."""
    if (root / "db").is_dir() or (root / "store").is_dir():
        return
    check_store(os.fspath(root))
    if (error := obstacle(os.fspath(root))) is not None:
        raise error
    raise StoreError("There is no store yet", where=str(root), hint="the first build or `fpack store add` makes it")


def find_paths(store: Store, texts: Iterable[str]) -> list[PathInfo]:
    """Return the rows of the paths that words name, without duplicates. Raise UnknownPath if a word names none."""
    found = {}
    for text in texts:
        infos = matching(store, text)
        if not infos:
            raise _unknown(store, text)
        found.update({info.path: info for info in infos})
    return list(found.values())


def find_path(store: Store, text: str) -> PathInfo:
    """Return the row of the only path that a word names. Raise UsageError if it names several paths."""
    infos = find_paths(store, [text])
    if len(infos) > 1:
        some = "\n".join(str(info.path) for info in infos[:_LISTED])
        more = f"\nand {len(infos) - _LISTED} more" if len(infos) > _LISTED else ""
        raise UsageError(f"{text!r} names {len(infos)} paths", why=f"{some}{more}", hint="name one of them")
    return infos[0]


def _info(store: Store, path: StorePath) -> PathInfo:
    info = store.info(path)
    if info is not None and info.path == path:
        return info
    if info is not None:
        raise UnknownPath("The store has no path of this name", where=str(path), hint=f"did you mean {info.path}?")
    why = "its directory is there, but no build has completed it" if os.path.lexists(store.disk(path)) else ""
    raise UnknownPath("The store has no such path", where=str(path), why=why, hint="fpack store list lists all")


def _unknown(store: Store, text: str) -> UnknownPath:
    names = {parse(base).name for base in store.database.names()}
    hint = did_you_mean(text.removeprefix(f"{STORE}/"), names) or f"{_FORMS}; fpack store list lists all"
    return UnknownPath(f"The store has no path {text!r}", where=str(store.root), hint=hint)


def _other_store(real: str) -> tuple[Path, StorePath] | None:
    """Return another store that contains `real`, and the path in it."""
    parts = Path(real).parts
    for at in range(len(parts) - 1, 1, -1):
        with contextlib.suppress(InvalidName):
            path = parse(parts[at])
            root = Path(*parts[: at - 1])
            if parts[at - 1] == "store" and (root / "db").is_dir():
                return root, path
    return None
