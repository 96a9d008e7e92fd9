"""`fpack size`: show the sizes of an image's layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from fpack.cli import options as shared
from fpack.cli.errors import UsageError
from fpack.cli.ui.render import megabytes

BAR = 16


@click.command(
    "size",
    epilog="""\b
Examples:
  fpack size postgres
  fpack size debian.trixie.nginx --json
  fpack size postgres.tar                  an image file, also of another tool
  fpack size postgres --html               ./postgres.size.html, a treemap of layers, packages and files""",
)
@click.argument("image", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--html",
    "html",
    is_flag=False,
    flag_value="",
    metavar="[=FILE]",
    help="Write a page with a treemap. Default: NAME.size.html.",
)
@click.option("-o", "--output", type=shared.NamedPath(path_type=Path), help="With --html: file to write.")
@shared.of_file
@shared.building
def command(
    image: str | None, platform: str | None, as_json: bool, html: str | None, output: Path | None, **rest: Any
) -> int:
    """Show the layers of IMAGE, largest first: compressed size, unpacked size, packages.

    IMAGE is a package, an attribute or an image file.
    """
    from fpack.cli.images.subject import open_subject
    from fpack.cli.ui.layout import Page, show
    from fpack.cli.workspace.workspace import Workspace

    if output is not None and (html is None or html):
        raise UsageError("-o names the file of --html", hint="write --html -o FILE, or --html=FILE")
    if html is not None:
        if as_json:
            raise UsageError("--json and --html exclude each other", hint="leave one of them out")
        return _page(image, platform, Path(html) if html else output, rest)
    with Workspace(shared.options(rest)) as workspace:
        layers = open_subject(workspace, image, platform).layers()
        workspace.finish()
    layers.sort(key=lambda entry: (-entry.size, entry.packages, entry.built))
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


def _page(image: str | None, platform: str | None, output: Path | None, rest: dict[str, Any]) -> int:
    """Write the page about an image. output: None for a name of the image."""
    from fpack.cli.images.subject import of_file, open_subject
    from fpack.cli.reports import image_sections, page, writing
    from fpack.cli.reports.subject_data import collect, output_name
    from fpack.cli.workspace.workspace import Workspace

    if image is None and output is not None and of_file(str(output)) is not None:
        raise UsageError(f"--html would replace the image {output}", hint=f"write: fpack size {output} --html")
    writing.check(output)
    with Workspace(shared.options(rest)) as workspace:
        subject = open_subject(workspace, image, platform)
        data = collect(workspace, subject)
        workspace.finish()
    output = output or output_name(subject, "size.html")
    writing.write(page.html(image_sections.size_page(data)), output)
    print(output)
    return 0


def _unpacked(size: int | None) -> str:
    return "?" if size is None else megabytes(size)


def _what(layer: Any, page: Any) -> str:
    """Return the packages of a layer, all of them if lines may have any length."""
    from fpack.cli.ui.layout import clean

    if layer.unpacked is None:
        return "not known: the image has no manifest of fpack"
    names = [clean(name) for name in (*layer.packages, *layer.built)]
    if not names:
        return "made by maintainer scripts" if layer.configured else "configuration"
    if page.width and len(names) > 4:
        return f"{len(names)} packages: {', '.join(names)}"
    return ", ".join(names)
