"""`fpack size`: what an image's bytes are made of."""

from __future__ import annotations

import sys
from typing import Any

import click

from . import options as shared
from .render import colored, megabytes, paint, table


@click.command(
    "size",
    epilog="""\b
Examples:
  fpack size postgres
  fpack size debian.trixie.nginx --json""",
)
@click.argument("image", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.building
def command(image: str | None, as_json: bool, **rest: Any) -> int:
    """Show the layers of IMAGE, the largest first: packages, compressed and unpacked bytes."""
    from . import inside
    from .workspace import Workspace

    with Workspace(shared.options(rest)) as workspace:
        container = workspace.container(workspace.target(image))
        (built,) = workspace.realise([container.image])
        layers = inside.read_layers(workspace.store.disk(built))
        workspace.finish()
    layers.sort(key=lambda each: (-each.size, each.packages))
    size, unpacked = sum(each.size for each in layers), sum(each.unpacked for each in layers)
    if as_json:
        shared.print_json(
            {
                "layers": [each._asdict() for each in layers],
                "size_compressed": size,
                "size_unpacked": unpacked,
            }
        )
        return 0
    rows = [["compressed", "unpacked", "share", "what"]]
    for each in layers:
        share = f"{100 * each.size / size:.1f} %" if size else ""
        what = ", ".join(each.packages[:4]) + (f" and {len(each.packages) - 4} more" if len(each.packages) > 4 else "")
        rows.append([megabytes(each.size), megabytes(each.unpacked), share, what or "configuration"])
    rows.append([megabytes(size), megabytes(unpacked), "", f"total, {len(layers)} layers"])
    lines = table(rows, right=(0, 1, 2)).split("\n")
    color = colored(sys.stdout)
    print("\n".join([paint(lines[0], "dim", color), *lines[1:-1], paint(lines[-1], "bold", color)]))
    return 0
