"""`fpack rebuilders`: tell which packages of an image independent rebuilders reproduced, and keep the evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared
from fpack.cli.groups import VerbGroup

if TYPE_CHECKING:
    from fpack.builders.attest.rebuilder_client import RebuilderClient

_POLICY = click.option(
    "--policy", type=shared.OutputPath(path_type=Path, dir_okay=False), metavar="FILE",
    help="The file of rebuilders. Default: ~/.config/fpack/rebuilders.toml.",
)  # fmt: skip
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(
    "rebuilders",
    cls=VerbGroup,
    epilog="""\b
Examples:
  fpack rebuilders keys https://rebuilder.example.org   the keys that a server offers, to compare and configure
  fpack rebuilders show postgres.tar                    who reproduced which package
  fpack rebuilders fetch postgres.tar -o rebuilt.json   keep what the rebuilders say in one file
  fpack rebuilders show postgres.tar --rebuilders rebuilt.json
  fpack verify postgres.tar --rebuilt=2/3               fail if a package was not reproduced by 2 of 3""",
)
def command() -> None:
    """Tell which packages of an image independent rebuilders reproduced from their source."""


@command.command("show")
@click.argument("image", required=False, metavar="[WHAT]")
@click.option(
    "--rebuilders", "bundle", type=shared.NamedPath(path_type=Path, dir_okay=False), metavar="FILE",
    help="Read the answers of a file that fpack rebuilders fetch wrote; ask nobody.",
)  # fmt: skip
@_POLICY
@_JSON
@shared.of_file
@shared.building
def show(
    image: str | None, bundle: Path | None, policy: Path | None, platform: str | None, as_json: bool, **rest: Any
) -> int:
    """Show for each Debian package of WHAT who reproduced it. WHAT is an image file, a package or an attribute.

    The exit status is 0 if enough operators reproduced each package, 1 if not, and 6 if too few answered.
    """
    from fpack.cli.images.attestations import rebuilt
    from fpack.cli.ui import layout
    from fpack.cli.workspace.workspace import Workspace

    trusted = rebuilt.find_policy(policy)
    with Workspace(shared.options(rest)) as workspace:
        packages = rebuilt.locked_packages(workspace, image, platform)
    (results,) = rebuilt.of_images([packages], trusted, bundle)
    if as_json:
        shared.print_json(rebuilt.value(results, trusted))
    else:
        layout.show(rebuilt.table(layout.Page(), results, trusted))
    return rebuilt.status(results)


@command.command("fetch")
@click.argument("image", required=False, metavar="[WHAT]")
@click.option(
    "-o", "--output", required=True, type=shared.NamedPath(path_type=Path, dir_okay=False), metavar="FILE",
    help="The file to write.",
)  # fmt: skip
@_POLICY
@_JSON
@shared.of_file
@shared.building
def fetch(
    image: str | None, output: Path, policy: Path | None, platform: str | None, as_json: bool, **rest: Any
) -> int:
    """Write what the rebuilders say about the Debian packages of WHAT into one file, for use without the network.

    The file holds the raw answers. The exit status is 6 if a server did not answer.
    """
    from fpack.builders.attest import rebuilder_bundle
    from fpack.cli.images.attestations import rebuilt
    from fpack.cli.ui import document_output
    from fpack.cli.ui.layout import clean
    from fpack.cli.ui.render import counted
    from fpack.cli.workspace.workspace import Workspace

    document_output.check(output)
    trusted = rebuilt.find_policy(policy)
    with Workspace(shared.options(rest)) as workspace:
        packages = rebuilt.locked_packages(workspace, image, platform)
    documents = rebuilt.find_documents(packages, trusted, None)
    document_output.write([rebuilder_bundle.encode(documents)], output)
    errors = sorted({(server, document.error) for (server, _), document in documents.items() if document.error})
    if as_json:
        shared.print_json(
            {
                "file": str(output),
                "packages": len(packages),
                "documents": len(documents),
                "errors": [{"server": server, "why": why} for server, why in errors],
            }
        )
    else:
        click.echo(f"{output}: {counted(len(documents), 'answer')} "
                   f"about {counted(len(packages), 'package')}")  # fmt: skip
        for server, why in errors:
            click.echo(clean(f"  no answer of {server}: {why}"))
    return rebuilt.UNKNOWN_STATUS if errors else 0


@command.command("keys")
@click.argument("url")
@_JSON
def keys(url: str, as_json: bool) -> int:
    """Print the public keys that the rebuilder at URL offers, in the form of the file of rebuilders.

    fpack trusts only keys of that file. Compare these with what the operator publishes elsewhere.
    """
    from fpack.builders.attest.in_toto_link import format_key, key_id, parse_key
    from fpack.builders.attest.rebuilder_client import RebuilderClient
    from fpack.builders.attest.rebuilder_policy import parse_server
    from fpack.cli.errors import UsageError

    try:
        server = parse_server(url)
    except ValueError as error:
        raise UsageError("This is not a server", why=str(error)) from None
    found = [parse_key(text) for text in _offered(server, RebuilderClient())]
    if as_json:
        shared.print_json({"server": server, "keys": [{"key": format_key(k), "id": key_id(k)} for k in found]})
        return 0
    texts = ", ".join(f'"{format_key(key)}"' for key in found)
    click.echo(f'[[operator]]\nname = "NAME"\nservers = ["{server}"]\nkeys = [{texts}]')
    return 0


def _offered(server: str, client: RebuilderClient) -> list[str]:
    """Return the keys that a server offers. Raise FpackError if there are none, or one is of another kind."""
    from fpack.builders.attest import in_toto_link, rebuilder_answers
    from fpack.store.errors import FpackError

    document = client.read(server, rebuilder_answers.KEYS)
    if document.data is None and not document.error:
        document = client.read(server, rebuilder_answers.OLD_KEYS)
    if document.data is None:
        why = document.error or "it does not answer as a rebuilderd"
        raise FpackError("The server's keys cannot be fetched", where=server, why=why).with_(exit_code=5)
    try:
        found = rebuilder_answers.read_keys(document.data)
        for text in found:
            in_toto_link.parse_key(text)
    except ValueError as error:
        raise FpackError("The server's answer is not a list of keys", where=server, why=str(error)) from None
    return found
