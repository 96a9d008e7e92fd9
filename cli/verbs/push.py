"""`fpack push`: send an image to a registry."""

from __future__ import annotations

from typing import Any

import click
from fpack.cli import options as shared
from fpack.cli.errors import UsageError
from fpack.cli.option_table import PUSH


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
@shared.from_table(PUSH)
def command(image: str, reference: str, plain_http: bool, as_json: bool, **values: Any) -> int:
    """Push IMAGE to a registry, under the name and tag REF.

    IMAGE is an image file, a tar or an OCI layout of fpack or of another tool, a reference to an image in a registry,
    or anything that fpack pack packs. Only what the registry lacks is sent. The documents about the image, such as its
    manifest, bills of materials and signatures, are sent with it. Credentials are those of podman login and docker
    login.
    """
    from fpack.cli.images.push import command as pushing

    shared.use_plain_http(plain_http)
    options = shared.options(values)
    result = pushing.push_found(image, reference, plain_http, options.no_caches)
    if result is None:
        from fpack.cli.pack.command import pack_and_push

        if reference.endswith("/"):
            raise UsageError("REF has no name", hint="use fpack pack --push for several images")
        result = pack_and_push(image, reference, plain_http, options)
    pushing.show(result, as_json)
    return 0
