"""`fpack why`: the chain of files and sonames that brought something into an image."""

from __future__ import annotations

import sys
from typing import Any

import click

from . import options as shared
from .render import colored, paint


@click.command(
    "why",
    epilog="""\b
Examples:
  fpack why postgres libicu76                         a package
  fpack why postgres libcrypto.so.3                   a library, by its soname
  fpack why debian.trixie.nginx /usr/bin/perl         a file
  fpack why postgres                                  everything""",
)
@click.argument("image")
@click.argument("thing", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.building
def command(image: str, thing: str | None, as_json: bool, **rest: Any) -> int:
    """Show why THING, a package or a file, is in IMAGE; without THING, why everything is."""
    from . import inside
    from .workspace import Workspace

    with Workspace(shared.options(rest)) as workspace:
        container = workspace.container(workspace.target(image))
        (root,) = workspace.realise([container.root])
        slices = inside.read_slices(workspace.store.disk(root))
        disk = {each.path: workspace.store.disk(each.path) for each in slices}
        names = [inside.find_package(slices, thing, disk)] if thing else [each.package for each in slices]
        chains = {name: inside.chain(slices, name) for name in names}
        workspace.finish()
    if as_json:
        shared.print_json({name: [each._asdict() for each in links] for name, links in chains.items()})
        return 0
    color = colored(sys.stdout)
    if thing:
        for depth, each in enumerate(chains[names[0]]):
            arrow = "  " * (depth - 1) + "└ " if depth else ""
            label = paint(f"{each.package} {each.version}", "bold", color)
            print(f"{arrow}{label}  {inside.reason_text(each)}")
    else:
        _tree(slices, color)
    return 0


def _tree(slices: Any, color: bool) -> None:
    from .inside import reason_text

    children: dict[str | None, list[Any]] = {}
    for each in slices:
        children.setdefault(each.by, []).append(each)
    todo = [(0, each) for each in reversed(children.get(None, []))]
    while todo:
        depth, each = todo.pop()
        label = paint(each.package, "bold", color)
        print(f"{'  ' * depth}{label} {each.version}  {paint(reason_text(each), 'dim', color)}")
        todo += [(depth + 1, below) for below in reversed(children.get(each.package, []))]
