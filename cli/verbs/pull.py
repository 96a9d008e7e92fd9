"""`fpack pull`: make the store paths of an image in a registry, or copy it to a file."""

from __future__ import annotations

from typing import Any

import click
from fpack.cli import options as shared
from fpack.cli.option_table import PULL


@click.command(
    "pull",
    epilog="""\b
Examples:
  fpack pull registry.example/team/postgres:17
  fpack pull registry.example/team/postgres:17 -o postgres.tar   copy the image to a file
  fpack pull registry.example/app@sha256:... -o layout/          to an OCI layout directory
  fpack pull registry.example/app --platform linux/arm64
  fpack pull localhost:5000/app --plain-http""",
)
@click.argument("reference", metavar="REF")
@shared.from_table(PULL)
def command(reference: str, **values: Any) -> int:
    """Fetch the image REF from a registry, and make the store paths of its layers, packages and builds again.

    REF is HOST/NAME:TAG or HOST/NAME@sha256:DIGEST, an image that fpack push sent. Everything is compared with the
    manifest and the hashes of the paths before it is used. What the store has is not fetched, and an interrupted pull
    continues where it stopped. If REF has images for several platforms, the one for this machine is taken.

    With -o, the blobs and the documents about the image are copied to a file or directory, each compared with its
    digest, and nothing is unpacked or added to the store. Any tool may have made such an image.
    """
    from fpack.cli.images.pull.command import run

    return run((reference,), **values) or 0
