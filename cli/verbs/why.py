"""`fpack why`: show the chain of files and sonames that brought a package into an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.cli.images.inspect import ImageSlice, Match
    from fpack.cli.ui.layout import Branch


@click.command(
    "why",
    epilog="""\b
Examples:
  fpack why postgres libicu76                         a package
  fpack why postgres libcrypto.so.3                   a library, by its soname
  fpack why debian.trixie.nginx /usr/bin/perl         a file
  fpack why nginx /etc/nginx/nginx.conf               a file of the container
  fpack why debian.trixie.apache2 /etc/apache2/mods-enabled/mpm_event.load
  fpack why postgres                                  everything
  fpack why postgres.tar libicu76                     the same for an image file, by its manifest""",
)
@click.argument("image")
@click.argument("thing", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.of_file
@shared.building
def command(image: str, thing: str | None, platform: str | None, as_json: bool, **rest: Any) -> int:
    """Show why THING, a package or a file, is in IMAGE; without THING, show it for every package.

    IMAGE is a package, an attribute or an image file.
    """
    from fpack.cli.images import inspect
    from fpack.cli.images.subject import open_subject
    from fpack.cli.ui.layout import Page, show, tree
    from fpack.cli.workspace.workspace import Workspace

    with Workspace(shared.options(rest)) as workspace:
        subject = open_subject(workspace, image, platform)
        slices = subject.packages()
        names = [slice_.package for slice_ in slices]
        found = inspect.find(names, thing, subject.files()) if thing else None
        if found:
            names = [found.package] if found.package else []
        chains = {name: inspect.chain(slices, name) for name in names}
        workspace.finish()
    if as_json:
        lists: dict[str, list[dict[str, Any]]]
        lists = {name: [link._asdict() for link in links] for name, links in chains.items()}
        if found and found.script:
            made = {"kind": "configured", "file": f"/{found.file}", "script": found.script, "sha256": found.sha256}
            lists[found.package].append({"by": found.package, **made})
        elif found and not found.package:
            kind = {"kind": "generated", "rule": found.rule} if found.rule else {"kind": "files"}
            if found.built:
                kind = {"kind": "built", "path": found.built}
            lists = {f"/{found.file}": [{**kind, "file": f"/{found.file}"}]}
        shared.print_json(lists)
        return 0
    branches = _chain(chains.get(found.package, []), found) if found else _all(slices)
    show(tree(Page(), branches))
    return 0


def _chain(links: Sequence[ImageSlice], found: Match) -> list[Branch]:
    """Return one branch down to a package, and to the named file in it, if any."""
    from fpack.cli.ui.layout import Branch

    below = [Branch(f"/{found.file}", "", found.maker)] if found.file else []
    for link in reversed(links):
        below = [_branch(link, below)]
    return below


def _all(slices: Sequence[ImageSlice]) -> list[Branch]:
    """Return every package below the package that brought it in."""
    children: dict[str | None, list[ImageSlice]] = {}
    for slice_ in slices:
        children.setdefault(slice_.by, []).append(slice_)
    made: dict[str, Branch] = {}
    # From the leaves up, without recursion: a chain may be as long as the number of packages.
    order, todo = [], list(children.get(None, []))
    while todo:
        entry = todo.pop()
        order.append(entry)
        todo += children.get(entry.package, [])
    for entry in reversed(order):
        made[entry.package] = _branch(entry, [made[child.package] for child in children.get(entry.package, [])])
    return [made[entry.package] for entry in children.get(None, [])]


def _branch(entry: ImageSlice, below: Sequence[Branch]) -> Branch:
    from fpack.cli.images.inspect import reason_text
    from fpack.cli.ui.layout import Branch, clean

    return Branch(entry.package, entry.version, clean(reason_text(entry)), below)
