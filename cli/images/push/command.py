"""Push an image file, or copy an image of a registry, for `fpack push`. A file is pushed without click."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from fpack.cli import shared_options as shared
from fpack.cli.workspace.target import find_image
from fpack.light_typing import TYPE_CHECKING, Any

from . import push as pushing

if TYPE_CHECKING:
    from fpack.builders.verify.image_archive import ImageLocation


def run(arguments: Sequence[str], as_json: bool, plain_http: bool, **rest: Any) -> int | None:
    """Push an image file. Return the exit status, or None for other arguments than a file and where to push it."""
    if len(arguments) != 2 or not Path(arguments[0]).exists():
        return None
    result = push_found(arguments[0], arguments[1], plain_http, shared.options(rest).no_caches)
    if result is None:
        return None
    show(result, as_json)
    return 0


def push_found(text: str, reference: str, plain_http: bool, no_caches: bool) -> dict[str, Any] | None:
    """Push the image that a text names, a file or one of a registry. Return None if it names none."""
    pushing.check_destination(reference)
    image = find_image(text, Path.cwd())
    return None if image is None else push(image, reference, plain_http, no_caches)


def push(image: ImageLocation, reference: str, plain_http: bool, no_caches: bool) -> dict[str, Any]:
    """Push an image. Return the object that `--json` prints."""
    from . import cache_entries, contents, store_records

    target = pushing.destination(reference)
    with contextlib.closing(contents.opened(image)) as archive, pushing.display() as display:
        images = partial(store_records.stored_images, archive)
        return pushing.push(
            contents.of_file(archive, str(image)),
            target,
            plain_http=plain_http,
            observer=display,
            source=contents.reference_of(image),
            entries=None if no_caches else cache_entries.entries(target, images),
        )


def show(result: dict[str, Any], as_json: bool) -> None:
    """Print the result of a push."""
    if as_json:
        shared.print_json(result)
    else:
        print("\n".join(pushing.lines(result)))
