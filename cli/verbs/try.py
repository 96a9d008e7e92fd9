"""`fpack try`: run an image without a container engine, and tell which files it lacks."""

from __future__ import annotations

from typing import Any

import click
from fpack.cli import options as shared
from fpack.cli.images import container_options
from fpack.cli.ui.render import note


class _TryCommand(shared.WithCommand):
    """A command that tells how to write another program's words."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        words = [word for word in args if not word.startswith("-")]
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if "--" in args or len(words) < 2 or isinstance(error, click.BadParameter):
                raise
            from fpack.cli.errors import UsageError

            text = error.format_message()
            hint = "write -- before the command, as in: fpack try jq -- jq --version"
            raise UsageError(f"fpack try takes one image and its options before --: {text}", hint=hint) from None


@click.command(
    "try",
    cls=_TryCommand,
    epilog="""\b
Examples:
  fpack try nginx                             the curated image; Ctrl-C ends it
  fpack try debian.trixie.mosquitto           any Debian package
  fpack try shop.tar                          an image that is packed already, by any tool
  fpack try docker.io/library/redis:8         an image in a registry
  fpack try jq -- jq --version                another command in the image
  fpack try                                   `image` of ./fpack.fp
  fpack try api.fp#server --env LEVEL=debug   an attribute of a file
  fpack try git --no-configure -- git lfs     tells that git-lfs is missing
  fpack try jq --json -- jq --version         what was missing, as JSON""",
)
@click.argument("image", required=False, metavar="[WHAT]")
@shared.of_container
@click.option("--no-observe", is_flag=True, help="Do not observe which files the program looks for.")
@shared.plain_http
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; the command's output goes to stderr.")
@shared.building
@click.pass_context
def command(ctx: click.Context, /, image: str | None, no_observe: bool, as_json: bool, **rest: Any) -> int:
    """Run an image in a sandbox, without a container engine. Exit with the status of its program.

    WHAT is a package, a curated image or a container, as for `fpack pack`, or an image: a tar, an OCI layout
    directory, or a reference to one in a registry. Without WHAT, it is `image` of ./fpack.fp.
    Words after -- replace the program of the image. Changes to files are kept in memory until the end. Then fpack lists
    files that the program looked for and that are not in the image, if a package has them.
    """
    from fpack.cli.trial.command import attempt, describe

    fields = container_options.fields(rest)
    options = shared.options(rest)._replace(fields=fields)
    tried = attempt(image, shared.command_of(ctx) or (), options, not no_observe, as_json)
    if as_json:
        shared.print_json(tried.as_json())
    else:
        for line in describe(tried):
            note(line)
    return tried.status
