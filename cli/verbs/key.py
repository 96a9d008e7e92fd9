"""`fpack key`: make and show the keys that sign images."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
from fpack.cli import options as shared
from fpack.cli.groups import VerbGroup

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


@click.group(
    "key",
    cls=VerbGroup,
    epilog="""\b
Examples:
  fpack key generate release                   in your directory of keys, for fpack sign --key release
  fpack key generate -o ci.pem --type ecdsa    ci.pem and ci.pub
  fpack key generate release --passphrase-file secret.txt
  fpack key show release
  fpack key show cosign.pub                    also keys of openssl and cosign""",
)
def command() -> None:
    """Make and show the keys that sign images."""


def passphrase_file(command: Any) -> Any:
    """Add the option that names the file of a passphrase."""
    return click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="File with the passphrase of the key; without it, FPACK_KEY_PASSPHRASE holds it.",
    )(command)


@command.command("generate")
@click.argument("name", required=False)
@click.option("-o", "--output", type=shared.NamedPath(path_type=Path), help="File of the private key.")
@click.option(
    "--type", "kind", type=click.Choice(["ed25519", "ecdsa"]), default="ed25519", help="ecdsa: on the curve P-256."
)
@passphrase_file
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def generate(name: str | None, output: Path | None, kind: str, passphrase_file: Path | None, as_json: bool) -> int:
    """Make a key: a private file that only you can read, and a public file (.pub) beside it.

    NAME puts both into your directory of keys. A passphrase encrypts the private file. No existing file is replaced.
    """
    from fpack.builders.attest import keys
    from fpack.cli.errors import UsageError
    from fpack.cli.keys import key_files
    from fpack.cli.paths import make_private_directory
    from fpack.store.errors import printable

    if (name is None) == (output is None):
        raise UsageError("A new key needs a name or a file", hint="fpack key generate NAME, or -o FILE")
    phrase = key_files.passphrase(passphrase_file)
    if output is None:
        if _NAME.match(name or "") is None:
            raise UsageError(
                f"{name!r} cannot be the name of a key", why="a name has letters, digits, and . _ - after the first"
            )
        directory = key_files.directory()
        make_private_directory(str(directory), "XDG_CONFIG_HOME", "your keys")
        output = directory / f"{name}{key_files.PRIVATE}"
    made = keys.generate(kind)
    public = key_files.write_pair(made, output, phrase)
    if as_json:
        value = {"private": str(output), "public": str(public), "type": kind, "fingerprint": made.public.fingerprint}
        shared.print_json({**value, "encrypted": phrase is not None})
    else:
        encrypted = "encrypted" if phrase else "not encrypted"
        print(f"private key: {printable(str(output))} ({encrypted})\npublic key:  {printable(str(public))}")
        print(f"{kind} {made.public.fingerprint}")
    return 0


@command.command("show")
@click.argument("key")
@passphrase_file
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(key: str, passphrase_file: Path | None, as_json: bool) -> int:
    """Show type, fingerprint and public half of KEY: a name in your directory of keys, or a file."""
    from fpack.cli.keys import key_files
    from fpack.store.errors import printable

    public, is_private = key_files.load_any(key, key_files.passphrase(passphrase_file))
    if as_json:
        value = {"file": public.name, "type": public.kind, "fingerprint": public.fingerprint}
        shared.print_json({**value, "private": is_private, "pem": public.pem.decode()})
    else:
        half = "private" if is_private else "public"
        print(f"{public.kind} {public.fingerprint}  ({half} key, {printable(public.name)})")
        print(public.pem.decode(), end="")
    return 0
