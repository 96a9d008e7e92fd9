"""`fpack run`: run one program of a package."""

from __future__ import annotations

from typing import Any

import click
from fpack.cli import options as shared
from fpack.cli.option_table import EXPRESSION, FLAG, RUN


class RunCommand(click.Command):
    """A command whose option --expression stands for its first argument, and whose options may also precede `--`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the target of an expression where the package would be, and all options before it."""
        end = _options_end(args)
        before, after = args[:end], args[end:]
        for at, word in enumerate(before):
            name, equals, value = word.partition("=")
            if name in EXPRESSION.names:
                text = value if equals else "".join(before[at + 1 : at + 2])
                return super().parse_args(ctx, [*before, f"({text})", *after])
        if "--" in after[1:]:
            command = after.index("--", 1)
            if 1 + _options_end(after[1:command], of_fpack=True) == command:
                after = [*after[1:command], after[0], *after[command:]]
        return super().parse_args(ctx, [*before, *after])


def _options_end(words: list[str], of_fpack: bool = False) -> int:
    """Return the number of words up to the first that is neither an option nor the value of one.

    of_fpack: only long options of fpack count; others are for the program.
    """
    kinds = {name: option.kind for option in RUN for name in option.names}
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "--":
        name, equals, _ = words[at].partition("=")
        if of_fpack and (name not in kinds or not name.startswith("--")):
            break
        at += 1 if equals or kinds.get(name, FLAG) == FLAG else 2
    return at


@click.command(
    "run",
    cls=RunCommand,
    context_settings={"allow_interspersed_args": False},
    epilog="""\b
Examples:
  fpack run debian.trixie.jq -- jq --version     the program jq of the package
  fpack run debian.trixie.jq .name data.json     the program with the package's name
  fpack run ./result --help                      the program of a store path
  fpack run -e 'import("./fpack.fp").app' -- app an expression
  fpack run --arch arm64 app                     for another machine, by an emulator
  fpack run debian.sid.nix-bin -- nix --version  from another release than this machine's
  fpack run registry.example/app:1.0 -- app      an image that fpack push sent""",
)
@shared.from_table(RUN)
@click.argument("package")
@click.argument("words", metavar="[ARGUMENT]... | -- PROGRAM [ARGUMENT]...", nargs=-1, type=click.UNPROCESSED)
def command(package: str, words: tuple[str, ...], expression: str | None, **rest: Any) -> int:
    """Run a program of PACKAGE with arguments, and exit with its status.

    PACKAGE is anything with programs: a package, a derivation or one of its outputs, a script, a store path, a list of
    these, a container, a root, an image in a registry. For a shell, bash is run. A service runs in the foreground, with
    data of its own. An image in a registry runs as with --container. Options come before PACKAGE; long ones may also
    stand between PACKAGE and --.
    """
    from fpack.cli.trial.registry_shell import enter

    return enter("run", (package,), words[1:] if words[:1] == ("--",) else ("", *words), rest)
