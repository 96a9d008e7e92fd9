"""`fpack size`: show the sizes of an image's layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared
from fpack.cli.errors import UsageError
from fpack.cli.ui.render import counted, megabytes

if TYPE_CHECKING:
    from fpack.cli.images.inspect import ImageLayer
    from fpack.cli.images.subject import Subject
    from fpack.cli.ui.layout import Page

BAR = 16  # columns


@click.command(
    "size",
    epilog="""\b
Examples:
  fpack size postgres
  fpack size debian.trixie.nginx --json
  fpack size postgres.tar                  an image file, also of another tool
  fpack size tools                         each member of a list or a record; --together as one image
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
    help="Write a page with a treemap, one for each member. Default: NAME.size.html.",
)
@click.option("-o", "--output", type=shared.OutputPath(path_type=Path), help="With --html: file to write.")
@shared.of_any
@shared.of_file
@shared.building
def command(
    image: str | None,
    expression: str | None,
    together: bool,
    platform: str | None,
    as_json: bool,
    html: str | None,
    output: Path | None,
    **rest: Any,
) -> int:
    """Show the layers of IMAGE, largest first: compressed size, unpacked size, packages.

    IMAGE is anything that can be packed, or an image file. A list or a record has an image for each member.
    """
    from fpack.cli.images.subject import open_subjects
    from fpack.cli.ui.layout import Page, show_members
    from fpack.cli.workspace.workspace import Workspace

    image = shared.target_text(image, expression)
    if output is not None and (html is None or html):
        raise UsageError("-o names the file of --html", hint="write --html -o FILE, or --html=FILE")
    if html:
        from fpack.store.files.filters.own_outputs import leave_out

        leave_out(html)
    if html is not None:
        if as_json:
            raise UsageError("--json and --html exclude each other", hint="leave one of them out")
        return _pages(image, platform, Path(html) if html else output, together, rest)
    with Workspace(shared.options(rest)) as workspace:
        subjects = open_subjects(workspace, image, platform, together=together)
        members = [(member, _largest_first(subject.layers())) for member, subject in subjects]
        workspace.finish()
    if as_json:
        shared.print_members([(member, _json(layers)) for member, layers in members])
        return 0
    page = Page()
    show_members(page, [(member, _table(page, layers)) for member, layers in members])
    return 0


def _largest_first(layers: list[ImageLayer]) -> list[ImageLayer]:
    return sorted(layers, key=lambda entry: (-entry.size, entry.packages, entry.built))


def _unpacked_sum(layers: Sequence[ImageLayer]) -> int | None:
    sizes = [layer.unpacked for layer in layers if layer.unpacked is not None]
    return sum(sizes) if len(sizes) == len(layers) else None


def _json(layers: Sequence[ImageLayer]) -> dict[str, Any]:
    return {
        "layers": [layer._asdict() for layer in layers],
        "size_compressed": sum(layer.size for layer in layers),
        "size_unpacked": _unpacked_sum(layers),
    }


def _table(page: Page, layers: Sequence[ImageLayer]) -> list[str]:
    size = sum(layer.size for layer in layers)
    # Bars are for people only: a pipe gets none.
    bars = bool(page.width)
    rows = [["compressed", "unpacked", "share", *([""] if bars else []), "what"]]
    for layer in layers:
        share = layer.size / size if size else 0.0
        bar = [page.bar(layer.size / layers[0].size, BAR)] if bars and layers[0].size else [""] * bars
        rows.append(
            [megabytes(layer.size), _unpacked(layer.unpacked), f"{100 * share:.1f} %", *bar, _what(layer, page)]
        )
    total = f"total, {counted(len(layers), 'layer')}"
    rows.append([megabytes(size), _unpacked(_unpacked_sum(layers)), "", *([""] * bars), total])
    styles = ["", "", "", "blue", ""] if bars else []
    lines = page.table(rows, right=(0, 1, 2), styles=styles)
    return [page.paint(lines[0], "dim"), *lines[1:-1], page.paint(lines[-1], "bold")]


def _pages(image: str | None, platform: str | None, output: Path | None, together: bool, rest: dict[str, Any]) -> int:
    """Write the page about an image, or one about each member. output: None for names of the images."""
    from fpack.cli.images.subject import of_file, open_subjects
    from fpack.cli.reports import image_sections, page, writing
    from fpack.cli.reports.subject_data import collect
    from fpack.cli.workspace.workspace import Workspace

    if image is None and output is not None and of_file(str(output)) is not None:
        raise UsageError(f"--html would replace the image {output}", hint=f"write: fpack size {output} --html")
    writing.check(output)
    with Workspace(shared.options(rest)) as workspace:
        subjects = open_subjects(workspace, image, platform, together=together)
        for path, (_, subject) in zip(_names(subjects, output), subjects, strict=True):
            writing.write(page.html(image_sections.size_page(collect(workspace, subject))), path)
            print(path)
        workspace.finish()
    return 0


def _names(subjects: Sequence[tuple[str, Subject]], output: Path | None) -> Iterator[Path]:
    """Yield the files of pages: the one that was named, with the member's path before its ending for one of several."""
    from fpack.cli.reports.subject_data import output_name
    from fpack.store.path import clean_name

    own = [output_name(subject, "size.html") for _, subject in subjects]
    for (member, _), name in zip(subjects, own, strict=True):
        if output is not None:
            yield output.with_stem(f"{output.stem}-{clean_name(member)}") if member else output
        elif own.count(name) > 1:
            yield name.with_name(f"{name.name.removesuffix('.size.html')}-{clean_name(member)}.size.html")
        else:
            yield name


def _unpacked(size: int | None) -> str:
    return "?" if size is None else megabytes(size)


def _what(layer: Any, page: Any) -> str:
    """Return the packages of a layer, all of them if lines may have any length."""
    from fpack.cli.images.inspect import SCRIPTS
    from fpack.cli.ui.layout import clean

    if layer.unpacked is None:
        return "not known: the image has no manifest of fpack"
    names = [clean(name) for name in (*layer.packages, *layer.built)]
    if not names:
        return ", ".join([*layer.own, *([SCRIPTS] if layer.configured else [])]) or "no files"
    if page.width and len(names) > 4:
        return f"{len(names)} packages: {', '.join(names)}"
    return ", ".join(names)
