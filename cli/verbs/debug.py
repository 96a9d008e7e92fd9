"""`fpack debug`: enter a container, or an image, that has no shell, with tools beside its files."""

from __future__ import annotations

from typing import Any

import click
from fpack.cli import options as shared


@click.command(
    "debug",
    cls=shared.WithCommand,
    epilog="""\b
Examples:
  fpack debug web                             a shell in the running container web of podman or docker
  fpack debug web -- ps aux                   one command, of the tools or of the container
  fpack debug web --user root -- ss -ltnp     as the container's root
  fpack debug web --tools gdb -- gdb -p 1     with a further Debian package
  fpack debug shop.tar                        a shell on the files of an image, in a sandbox
  fpack debug --image nginx                   the curated image, also if a container has its name""",
)
@click.argument("debugged", required=False, metavar="[WHAT]")
@click.option(
    "--tools", multiple=True, metavar="PACKAGE", help="A Debian package to add to the tools; can be repeated."
)
@click.option("-u", "--user", metavar="USER", help="root, or UID[:GID], instead of the container's user.")
@click.option(
    "--privileged", is_flag=True, help="All capabilities in the container's namespaces, and no seccomp filter."
)
@click.option("--engine", type=click.Choice(["podman", "docker"]), help="Ask only this engine for the container.")
@shared.plain_http
@click.option("--image", "is_image", is_flag=True, help="WHAT is an image, also if a container has its name.")
@shared.building
@click.pass_context
def command(ctx: click.Context, /, debugged: str | None, **rest: Any) -> int:
    """Open a shell with tools in a running container, or on the files of an image.

    WHAT is the name or ID of a container of podman or docker, or an image as for `fpack try`. The container needs no
    shell: the tools are Debian's, in /.fp, which its own processes do not see. Nothing is written to its files. The
    exit status is that of the shell, or of the command after --.
    """
    from fpack.cli.debug.command import Request, debug

    request = Request(
        debugged,
        shared.command_of(ctx) or (),
        rest.pop("tools"),
        rest.pop("user"),
        rest.pop("engine"),
        rest.pop("privileged"),
        rest.pop("is_image"),
    )
    return debug(request, shared.options(rest))
