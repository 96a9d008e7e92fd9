"""Create the links that keep store paths from gc."""

from __future__ import annotations

from pathlib import Path

from fpack.cli.errors import UsageError
from fpack.light_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fpack.store.path import StorePath
    from fpack.store.store import Store


def keep_by_link(store: Store, link: Path, path: StorePath) -> None:
    """Make `link` lead to a store path, and keep the path from gc while it does.

    Raise UsageError if it would replace an existing file, or if its directory does not exist.
    """
    from fpack.store.gc import add_root

    check_link(link)
    add_root(store, link, store.disk(path))


def check_link(link: Path) -> None:
    """Raise UsageError if a link cannot be made: a file is in its place, or its directory does not exist."""
    if link.exists() and not link.is_symlink():
        raise UsageError("The link would replace an existing file", why=str(link), hint="choose another link with -o")
    if not link.absolute().parent.is_dir():
        directory = link.absolute().parent
        raise UsageError(f"{link} cannot be made", why=f"there is no directory {directory}", hint="create it first")
