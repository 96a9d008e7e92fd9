"""`fpack where`: find the image files that have a package or a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.builders.verify.image_archive import ImageLocation
    from fpack.cli.comparison.image_search import SearchedImage, UnreadImage
    from fpack.cli.comparison.where import FileQuery, PackageQuery

UNREAD = 6  # the exit status if nothing was found, and an image could not be read


@click.command(
    "where",
    epilog="""\b
Examples:
  fpack where 'openssl < 3.5.6' images/        a binary or source package, below a version
  fpack where 'lib*ssl*' a.tar b.tar           a glob of names
  fpack where --file /usr/bin/xz images/       a path, or a glob of paths
  fpack where --file sha256:... images/        a file, by the digest of its content
  fpack where xz-utils registry.example/app:1  an image in a registry
\b
Exit status: 0 if an image has it, 1 if none has it, 6 if none has it and an image could not be read.""",
)
@click.argument("images", nargs=-1, required=True, metavar="PACKAGE IMAGES...")
@click.option("--file", "file", metavar="PATH|sha256:DIGEST", help="Look for a file instead of PACKAGE.")
@shared.plain_http
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(images: tuple[str, ...], file: str | None, as_json: bool) -> int:
    """List the IMAGES that have PACKAGE: a name, or a name and versions as in 'openssl < 3.5.6'.

    IMAGES are image files, OCI layouts, directories, which are searched for them, and references to images in
    registries. Only the manifests are read.
    """
    from fpack.cli.comparison import image_search, where
    from fpack.cli.errors import UsageError
    from fpack.cli.registries.references import is_remote, remote_image

    query: PackageQuery | FileQuery
    if file is None:
        text, *names = images
        query = where.parse_packages(text)
    else:
        text, names = file, list(images)
        query = where.parse_file(file)
    if not names:
        raise UsageError("No image is named", hint=f"name image files or directories, as in fpack where {text!r} .")
    places: list[ImageLocation] = []
    for name in names:
        found_file = name and Path(name).exists()
        if not found_file and not (name and is_remote(name)):
            raise UsageError("There is no such file", where=name)
        places.append(Path(name) if found_file else remote_image(name))
    searched: list[SearchedImage] = []
    unread: list[UnreadImage] = []
    for result in image_search.search(places, query):
        if isinstance(result, image_search.UnreadImage):
            unread.append(result)
        else:
            searched.append(result)
    if as_json:
        shared.print_json(_value(text, searched, unread))
    else:
        _show(query, searched, unread)
    found = any(image.found for image in searched)
    return 0 if found else UNREAD if unread else 1


def _value(text: str, searched: list[SearchedImage], unread: list[UnreadImage]) -> dict[str, Any]:
    return {
        "query": text,
        "searched": len(searched),
        "images": [
            {
                "file": image.file,
                "name": image.name,
                "platform": image.platform,
                "found": [item._asdict() for item in image.found],
            }
            for image in searched
            if image.found
        ],
        "unread": [image._asdict() for image in unread],
    }


def _show(query: PackageQuery | FileQuery, searched: list[SearchedImage], unread: list[UnreadImage]) -> None:
    from fpack.cli.comparison.where import PackageQuery
    from fpack.cli.ui.layout import Page, clean, show
    from fpack.cli.ui.render import note, warn

    of_packages = isinstance(query, PackageQuery)
    head = ["image", "platform", *(("package", "version", "source") if of_packages else ("file", "package", "sha256"))]
    rows = [head]
    for image in searched:
        for item in image.found:
            if of_packages:
                package, version, source, source_version = item
                last = f"{source} {source_version}" if (source, source_version) != (package, version) else source
                cells = [package, version, last]
            else:
                path, sha256, package, version = item
                cells = [path, f"{package} {version}".strip() or "-", sha256 or "-"]
            rows.append([clean(cell) for cell in (image.file, image.platform, *cells)])
    if len(rows) > 1:
        page = Page()
        first, *rest = page.table(rows)
        show([page.paint(first, "bold"), *rest])
    for failed in unread:
        warn(f"{failed.file} was not searched: {failed.why}")
    count = sum(1 for image in searched if image.found)
    if len(searched) == 1:
        note("The image has it" if count else "The image does not have it")
    else:
        note(f"{count} of {len(searched)} images {'has' if count == 1 else 'have'} it")
