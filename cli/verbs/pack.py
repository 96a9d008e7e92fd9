"""`fpack pack`: pack packages and projects into container images."""

from __future__ import annotations

from typing import Any

import click
from fpack.cli import options as shared
from fpack.cli.option_table import PACK


@click.command(
    "pack",
    epilog="""\b
Examples:
  fpack pack postgres                         ./postgres.tar, from the curated package
  fpack pack debian.trixie.redis-server       any Debian package
  fpack pack debian.trixie.redis-tools --entrypoint "redis-cli -h db" --user nobody
  fpack pack debian.trixie.jq --no-configure  without what its maintainer scripts make
  fpack pack                                  `image` of ./fpack.fp
  fpack pack api.fp#server -o server.tar      an attribute of a file: a container or a derivation
  fpack pack postgres --load podman           load it into podman
  fpack pack -t app:2.0                       with another name and tag
  fpack pack --push registry.example/team/app:1.0
  fpack pack postgres --platform linux/amd64,linux/arm64
  fpack pack tools --together                 a list or a record of packages, in one image
  fpack pack ./result                         what a store path was built from
  fpack pack -e 'import("./fpack.fp").app'    the value of an expression
  fpack pack postgres redis -o images         two images, and the layers they share
  fpack pack postgres --format oci-dir -o postgres
  fpack pack debian.trixie.jq --try "jq --version"
  fpack pack debian.trixie.jq --format deb    also rpm, squashfs and rootfs-tar
  fpack pack postgres --compress zstd:19 --json
  fpack pack postgres --sbom                  and its bill of materials
  fpack pack --provenance                     and a statement on what it was built from
  fpack pack --vex --data tracker.json        and which known vulnerabilities affect it""",
)
@click.argument("what", nargs=-1)
@shared.from_table(PACK)
def command(what: tuple[str, ...], **values: Any) -> int:
    """Pack each WHAT, with exactly what it needs at run time, into a container image.

    WHAT is a package, a container, any other derivation, or a store path. Packages, roots and `files` are placed at /
    of the image, and builds at their store paths. A list or a record gives an image for each member.
    """
    from fpack.cli.pack.command import run

    return run(what, **values)
