"""Open the store, and find the store paths that a command line names."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fpack.cli.errors import UsageError
from fpack.store.errors import InvalidName, StoreError
from fpack.store.path import HASH_CHARS, STORE, StorePath, parse

if TYPE_CHECKING:
    from fpack.store.database import PathInfo
    from fpack.store.store import Store


class UnknownPath(StoreError):
    """A path that is not valid in this store."""


@contextmanager
def opened(create: bool = False) -> Iterator[Store]:
    """Open the store of this machine. Raise StoreError if there is none, unless `create` is set."""
    from fpack.store.root import default_root
    from fpack.store.store import Store

    root = default_root()
    if not create and not (root / "db").is_dir() and not (root / "store").is_dir():
        raise StoreError("There is no store yet", where=str(root), hint="the first build or `fpack store add` makes it")
    store = Store(root)
    try:
        if create:
            from fpack.builders.kinds.table import generation

            # Without the generation, the next build would drop all outputs that are recorded in a new database.
            store.database.settle(generation())
        yield store
    finally:
        store.close()


def find_paths(store: Store, texts: Iterable[str]) -> list[PathInfo]:
    """Return the rows of the paths that `texts` name, without duplicates."""
    found = {}
    for text in texts:
        info = find_path(store, text)
        found[info.path] = info
    return list(found.values())


def find_path(store: Store, text: str) -> PathInfo:
    """Return the row of the path that `text` names: a store path, a path below one, or a link to one.

    Raise UsageError for anything else, and UnknownPath if the path is not valid in this store.
    """
    path = _parsed(store, text)
    info = store.info(path)
    if info is not None and info.path == path:
        return info
    if info is not None:
        raise UnknownPath("The store has no path of this name", where=str(path), hint=f"did you mean {info.path}?")
    why = "its directory is there, but no build has completed it" if os.path.lexists(store.disk(path)) else ""
    raise UnknownPath("The store has no such path", where=str(path), why=why, hint="fpack store list lists all")


def _parsed(store: Store, text: str) -> StorePath:
    if text.startswith(f"{STORE}/") or "/" not in text:
        base = text.removeprefix(f"{STORE}/").partition("/")[0]
        with contextlib.suppress(InvalidName):
            return parse(base)
    real = os.path.realpath(text)
    inside = f"{os.path.realpath(store.root)}/store/"
    if real.startswith(inside):
        with contextlib.suppress(InvalidName):
            return parse(real[len(inside) :].partition("/")[0])
    if other := _other_store(real):
        hint = f"FPACK_ROOT={other[0]} names that store"
        raise UnknownPath("This path is in another store", where=str(other[1]), hint=hint)
    why = "" if os.path.lexists(text) or "/" not in text else "it does not exist"
    raise UsageError(
        f"{text!r} is not a store path",
        why=why,
        hint=f"write {STORE}/<{HASH_CHARS} characters>-<name>, or a link such as ./result",
    )


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
