"""Make commands of subcommands, each of which is imported only when it is called."""

from __future__ import annotations

from collections.abc import Mapping

import click
from fpack.light_typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from click import Command, Context, HelpFormatter


class Subcommand(NamedTuple):
    """A subcommand. module: imported when it is called; its click command is named `command`. help: one line."""

    module: str
    help: str


class LazyGroup(click.Group):
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

    def resolve_command(self, ctx: Context, args: list[str]) -> Any:
        """Find the subcommand that the first word names. Raise UsageError if there is none."""
        if args and args[0] not in self.subcommands:
            from fpack.store.errors import did_you_mean

            from .errors import UsageError

            have = "There is" if ctx.parent is None else f"{ctx.command_path} has"
            hint = did_you_mean(args[0], self.subcommands) or f"see {ctx.command_path} --help"
            raise UsageError(f"{have} no command {args[0]!r}", hint=hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the list of subcommands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.subcommands.items()])
