"""Create the links that keep store paths from gc."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fpack.cli.errors import UsageError

if TYPE_CHECKING:
    from fpack.store.path import StorePath
    from fpack.store.store import Store


def keep_by_link(store: Store, link: Path, path: StorePath) -> None:
    """Make `link` lead to a store path, and keep the path from gc while it does.

    Raise UsageError if it would replace an existing file, or if its directory does not exist.
    """
    from fpack.store.gc import add_root

    if link.exists() and not link.is_symlink():
        raise UsageError("The link would replace an existing file", why=str(link), hint="choose another link with -o")
    if not link.absolute().parent.is_dir():
        raise UsageError("The directory of the link does not exist", why=str(link.absolute().parent))
    add_root(store, link, store.disk(path))
