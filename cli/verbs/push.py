"""`fpack push`: send an image to a registry."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path
from typing import Any

import click
from fpack.cli import options as shared
from fpack.cli.errors import UsageError


@click.command(
    "push",
    epilog="""\b
Examples:
  fpack push postgres.tar registry.example/team/postgres:17
  fpack push ./layout localhost:5000/app --plain-http
  fpack push postgres registry.example/team/postgres:17     packs the image first
  fpack push registry.example/team/app:1.0 other.example/app:1.0
  fpack push api.fp#server registry.example/team/api:1.4
  fpack pack postgres --sbom --push registry.example/team/postgres:17""",
)
@click.argument("image")
@click.argument("reference", metavar="REF")
@shared.plain_http
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@shared.building
def command(image: str, reference: str, as_json: bool, **rest: Any) -> int:
    """Push IMAGE to a registry, under the name and tag REF.

    IMAGE is an image file, a tar or an OCI layout of fpack or of another tool, a reference to an image in a registry,
    or anything that fpack pack packs. Only what the registry lacks is sent. The documents about the image, such as its
    manifest, bills of materials and signatures, are sent with it. Credentials are those of podman login and docker
    login.
    """
    from fpack.cli.images.push import push as pushing
    from fpack.cli.workspace.target import find_image

    pushing.check_destination(reference)
    path = find_image(image, Path.cwd())
    if path is None:
        from fpack.cli.verbs.pack import pack_and_push

        if reference.endswith("/"):
            raise UsageError("REF has no name", hint="use fpack pack --push for several images")
        result = pack_and_push(image, reference, shared.options(rest))
    else:
        from fpack.cli.images.push import cache_entries, contents, store_records

        target = pushing.destination(reference)
        with contextlib.closing(contents.opened(path)) as archive, pushing.display() as display:
            found = contents.of_file(archive, str(path))
            result = pushing.push(
                found,
                target,
                plain_http=shared.uses_plain_http(),
                observer=display,
                source=contents.reference_of(path),
                entries=None
                if shared.options(rest).no_caches
                else cache_entries.entries(target, partial(store_records.stored_images, archive)),
            )
    if as_json:
        shared.print_json(result)
    else:
        print("\n".join(pushing.lines(result)))
    return 0
