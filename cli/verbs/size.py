"""`fpack size`: show the sizes of an image's layers."""

from __future__ import annotations

from typing import Any

import click
from fpack.cli import options as shared
from fpack.cli.ui.render import megabytes

BAR = 16


@click.command(
    "size",
    epilog="""\b
Examples:
  fpack size postgres
  fpack size debian.trixie.nginx --json
  fpack size postgres.tar                  an image file, also of another tool""",
)
@click.argument("image", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.of_file
@shared.building
def command(image: str | None, platform: str | None, as_json: bool, **rest: Any) -> int:
    """Show the layers of IMAGE, largest first: compressed size, unpacked size, packages.

    IMAGE is a package, an attribute or an image file.
    """
    from fpack.cli.images.subject import open_subject
    from fpack.cli.ui.layout import Page, show
    from fpack.cli.workspace.workspace import Workspace

    with Workspace(shared.options(rest)) as workspace:
        layers = open_subject(workspace, image, platform).layers()
        workspace.finish()
    layers.sort(key=lambda entry: (-entry.size, entry.packages))
    size = sum(layer.size for layer in layers)
    sizes = [layer.unpacked for layer in layers if layer.unpacked is not None]
    unpacked = sum(sizes) if len(sizes) == len(layers) else None
    if as_json:
        shared.print_json(
            {
                "layers": [layer._asdict() for layer in layers],
                "size_compressed": size,
                "size_unpacked": unpacked,
            }
        )
        return 0
    page = Page()
    # Bars are for people only: a pipe gets none.
    bars = bool(page.width)
    rows = [["compressed", "unpacked", "share", *([""] if bars else []), "what"]]
    for layer in layers:
        share = layer.size / size if size else 0.0
        bar = [page.bar(layer.size / layers[0].size, BAR)] if bars and layers[0].size else [""] * bars
        rows.append(
            [megabytes(layer.size), _unpacked(layer.unpacked), f"{100 * share:.1f} %", *bar, _what(layer, page)]
        )
    rows.append([megabytes(size), _unpacked(unpacked), "", *([""] * bars), f"total, {len(layers)} layers"])
    styles = ["", "", "", "blue", ""] if bars else []
    lines = page.table(rows, right=(0, 1, 2), styles=styles)
    show([page.paint(lines[0], "dim"), *lines[1:-1], page.paint(lines[-1], "bold")])
    return 0


def _unpacked(size: int | None) -> str:
    return "?" if size is None else megabytes(size)


def _what(layer: Any, page: Any) -> str:
    """Return the packages of a layer, all of them if lines may have any length."""
    from fpack.cli.ui.layout import clean

    if layer.unpacked is None:
        return "not known: the image has no manifest of fpack"
    names = [clean(name) for name in layer.packages]
    if not names:
        return "made by maintainer scripts" if layer.configured else "configuration"
    if page.width and len(names) > 4:
        return f"{len(names)} packages: {', '.join(names)}"
    return ", ".join(names)
