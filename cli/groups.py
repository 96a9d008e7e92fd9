"""Make commands of subcommands, each of which is imported only when it is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import click
from fpack.light_typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from click import Command, Context, HelpFormatter


# Commands of other tools, and how fpack does what they do.
KNOWN_ELSEWHERE = {
    "install": "fpack run NAME runs a package's program, fpack shell NAME has it on the PATH; projects list theirs",
    "add": "add the package to the list in fpack.fp; fpack fix adds what a build lacks",
    "remove": "delete the package from the list in fpack.fp, then run fpack gc",
    "list": "fpack store list shows what is built, fpack search NAME finds packages",
    "images": "fpack store list --kind image shows the images that were built",
    "ps": "fpack packs images; podman ps or docker ps lists their containers",
    "exec": "podman exec NAME runs a command in a container; fpack debug NAME opens a shell in one without a shell",
    "load": "podman load -i FILE or docker load -i FILE loads an image; fpack pack --load podman packs and loads it",
    "tag": "the container's fields `name` and `tag` name an image, and fpack push REF gives it another name",
    "login": "podman login HOST or docker login HOST: fpack uses their logins",
    "develop": "fpack shell enters the shell of a project",
    "upgrade": "fpack update moves the lock to the archive's current packages",
    "inspect": "fpack show NAME shows a package, fpack report IMAGE an image",
    "clean": "fpack gc deletes what nothing uses from the store",
}
_SAME = {
    "get": "install", "i": "install", "uninstall": "remove", "rm": "remove", "rmi": "remove", "ls": "list",
    "info": "inspect", "prune": "clean",
}  # fmt: skip


class Subcommand(NamedTuple):
    """A subcommand. module: imported when it is called; its click command is named `command`. help: one line."""

    module: str
    help: str


class VerbGroup(click.Group):
    """A command of subcommands, which suggests one for an unknown word."""

    def resolve_command(self, ctx: Context, args: list[str]) -> Any:
        """Find the subcommand that the first word names. Raise UsageError if there is none."""
        if args and args[0] not in self.list_commands(ctx):
            from fpack.store.errors import did_you_mean

            from .errors import UsageError

            have = "There is" if ctx.parent is None else f"{ctx.command_path} has"
            hint = did_you_mean(args[0], self.list_commands(ctx)) or f"see {ctx.command_path} --help"
            if ctx.parent is None:
                hint = KNOWN_ELSEWHERE.get(_SAME.get(args[0], args[0]), hint)
            raise UsageError(f"{have} no command {args[0]!r}", hint=hint)
        return super().resolve_command(ctx, args)


class LazyGroup(VerbGroup):
    """A command of subcommands, by name in the order of its help."""

    def __init__(self, subcommands: Mapping[str, Subcommand], **attributes: Any) -> None:
        super().__init__(**attributes)
        self.subcommands = subcommands

    def list_commands(self, ctx: Context) -> list[str]:
        return list(self.subcommands)

    def get_command(self, ctx: Context | None, cmd_name: str) -> Command | None:
        from importlib import import_module

        found = self.subcommands.get(cmd_name)
        return import_module(found.module).command if found is not None else None

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the list of subcommands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.subcommands.items()])


def group(
    name: str, folder: str, subcommands: Sequence[tuple[str, str, str]], epilog: str
) -> Callable[[Callable[[], None]], LazyGroup]:
    """Return a decorator that makes a command of subcommands, each a module of a folder of fpack.cli.

    subcommands: the name, module and help of each, in the order of the command's help.
    """
    return click.command(
        name,
        cls=LazyGroup,
        subcommands={word: Subcommand(f"fpack.cli.{folder}.{module}", text) for word, module, text in subcommands},
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        epilog=epilog,
    )
