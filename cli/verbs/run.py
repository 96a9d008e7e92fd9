"""`fpack run`: run one program of a package."""

from __future__ import annotations

from typing import Any

import click
from fpack.cli import options as shared
from fpack.cli.option_table import EXPRESSION, FLAG, RUN


class WithExpression(click.Command):
    """A command whose option --expression stands for its first argument."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the target of the expression where the package would be, before click takes the words apart."""
        kinds = {name: option.kind for option in RUN for name in option.names}
        at = 0
        while at < len(args) and args[at].startswith("-") and args[at] != "--":
            name, equals, value = args[at].partition("=")
            if name in EXPRESSION.names:
                width = 1 if equals else 2
                before, after = args[: at + width], args[at + width :]
                text = value if equals else "".join(before[at + 1 :])
                # The options that follow go before the first argument.
                end = 0
                while end < len(after) and after[end].startswith("-") and after[end] != "--":
                    end += 1 if "=" in after[end] or kinds.get(after[end], FLAG) == FLAG else 2
                return super().parse_args(ctx, [*before, *after[:end], f"({text})", *after[end:]])
            at += 1 if equals or kinds.get(name, FLAG) == FLAG else 2
        return super().parse_args(ctx, args)


@click.command(
    "run",
    cls=WithExpression,
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
    data of its own. An image in a registry runs as with --container.
    """
    from fpack.cli.trial.registry_shell import enter

    return enter("run", (package,), words[1:] if words[:1] == ("--",) else ("", *words), rest)
