"""`fpack root`: list, add and remove the roots that keep paths from garbage collection."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click
from fpack.cli.groups import VerbGroup
from fpack.cli.options import print_json

if TYPE_CHECKING:
    from fpack.store.collection.selection import Root
    from fpack.store.path import StorePath
    from fpack.store.store import Store


@click.group(
    "root",
    cls=VerbGroup,
    epilog="""\b
Examples:
  fpack root list --json
  fpack root add tools ./result           keep a result after its link is deleted
  fpack root add tools ./other --force    keep another path by this name instead
  fpack root remove tools""",
)
def command() -> None:
    """List, add or remove the roots that keep store paths from fpack gc."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_(as_json: bool) -> int:
    """List the roots: results, named roots, the last packs, running commands and open shells."""
    from fpack.cli.store.paths import opened
    from fpack.cli.ui.layout import Page, clean
    from fpack.store.collection.survey import describe_root

    with opened() as store:
        rows = [(root, path) for root in _roots(store) if (path := _path(store, root)) is not None]
    if as_json:
        print_json({"roots": [{"kind": r.kind, "name": r.name, "path": str(path)} for r, path in rows]})
        return 0
    for line in Page().table([[str(path), clean(describe_root(root))] for root, path in rows]):
        click.echo(line)
    return 0


@command.command("add")
@click.argument("name")
@click.argument("store_path", metavar="PATH")
@click.option("--force", is_flag=True, help="Replace an earlier root of this name.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def add(name: str, store_path: str, force: bool, as_json: bool) -> int:
    """Keep PATH, a store path or a link such as ./result, from gc by NAME until NAME is removed."""
    from fpack.cli.store.paths import find_path, opened
    from fpack.store.collection.roots import add_named, check_root_name
    from fpack.store.errors import StoreError

    check_root_name(name)
    with opened() as store:
        found = find_path(store, store_path).path
        valid = store.keep([found])  # keeps the path until the root exists
        if store.refusal is not None:
            raise store.refusal
        if valid:
            store.settle()
            add_named(store.root, store.database, name, found, replace=force)
    if not valid:
        raise StoreError("The path is not in the store", where=str(found), hint="build it first")
    if as_json:
        print_json({"name": name, "path": str(found)})
    else:
        click.echo(f"{found} is kept by the root {name}")
    return 0


@command.command("remove")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def remove(name: str, as_json: bool) -> int:
    """Remove a named root, or delete a result link by its path.

    The next fpack gc deletes the paths that no other root keeps.
    """
    from fpack.cli.store.paths import opened
    from fpack.store.collection.roots import remove_named

    with opened() as store:
        if store.refusal is not None:
            raise store.refusal
        roots = _roots(store)
        links = {root.name for root in roots if root.kind == "result"}
        link = os.path.abspath(name)
        is_named = any(root.kind == "root" and root.name == name for root in roots)
        if "/" in name or (link in links and not is_named):
            _remove_link(link, links)
        else:
            remove_named(store.root, store.database, name)
    if as_json:
        print_json({"removed": name})
    return 0


def _remove_link(link: str, links: set[str]) -> None:
    from fpack.store.errors import StoreError

    if link not in links:
        raise StoreError("This is no root", where=link, hint="fpack root list shows the roots")
    os.unlink(link)


def _roots(store: Store) -> list[Root]:
    import time

    from fpack.store.collection import roots
    from fpack.store.db.clock import Timeline

    with store.database.reading() as db:
        return roots.find(store.root, db, Timeline(time.time()))


def _path(store: Store, root: Root) -> StorePath | None:
    info = store.database.info(root.path)
    return info.path if info is not None else None
