"""The program's entry: find the verb, run it, render what went wrong. Nothing that a verb does not need is imported."""

from __future__ import annotations

import gc
import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

from fpack.cli.verbs import VERBS, command_of
from fpack.cli.version import VERSION

if TYPE_CHECKING:
    import click

COLLECT = (100_000, 20, 50)  # when the interpreter looks for cycles


EXIT_CODES = """\b
Exit codes:
  0    done
  1    a build failed, or something else did
  2    the command was called in a wrong way
  3    an expression could not be evaluated
  4    a package, index or lock is not as it must be
  5    the network or a mirror did not give what was asked for
  6    nothing differs, but not all of it could be checked (verify)
  130  interrupted"""


def _group() -> click.Group:
    import click

    class Verbs(click.Group):
        """Commands that are imported when they are called; their help lines stand in `VERBS`."""

        def list_commands(self, ctx: click.Context) -> list[str]:
            return list(VERBS)

        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            return command_of(cmd_name) if cmd_name in VERBS else None

        def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
            if args and args[0] not in VERBS:
                from difflib import get_close_matches

                near = get_close_matches(args[0], VERBS, 1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise click.UsageError(f"There is no command {args[0]!r}.{hint}", ctx)
            return super().resolve_command(ctx, args)

        def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
            with formatter.section("Commands"):
                formatter.write_dl(list(VERBS.items()))

    @click.group(
        cls=Verbs,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        epilog="Example: fpack pack postgres\n\n" + EXIT_CODES,
    )
    @click.version_option(VERSION, "--version", message="fpack %(version)s")
    def fpack() -> None:
        """Build software as pure functions and ship it as exact container images."""

    return fpack


def main(argv: list[str] | None = None) -> int:
    """Run one command; the process's exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if argv == ["--version"]:
        print(f"fpack {VERSION}")
        return 0
    if argv[:1] == ["__complete"]:
        from fpack.cli.completion.candidates import main as complete

        return complete(argv[1:], VERBS, command_of)
    try:
        os.getcwd()
    except FileNotFoundError:
        print("error: The working directory is gone\n  try:   cd to one that is there", file=sys.stderr)
        return 2
    if argv[:1] in (["shell"], ["run"]):
        from fpack.cli.shells.warm_start import main as enter

        if (code := enter(argv)) is not None:
            return code
    if argv[:1] == ["build"]:
        from fpack.cli.builds.warm_start import main as answer

        if (code := answer(argv[1:])) is not None:
            return code
    import click
    from fpack.store.errors import FpackError

    for stream in (sys.stdout, sys.stderr):
        # A name that is no text in the terminal's encoding is no reason to fail.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        result = _group().main(argv, prog_name="fpack", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as done:
        return int(done.exit_code)
    except click.ClickException as error:
        if isinstance(error, click.exceptions.NoArgsIsHelpError):
            error.show()
        else:
            from fpack.cli.ui.render import show_error

            from .errors import explained

            show_error(explained(error))
        return int(error.exit_code)
    except FpackError as error:
        from fpack.cli.ui.render import show_error

        show_error(error)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        print("Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output has had enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except Exception as error:
        from fpack.cli.ui.render import show_fault, show_refusal

        return show_refusal(error) if isinstance(error, OSError) else show_fault(error)


def run() -> None:
    """The console script. Ends the process without the interpreter's slow farewell."""
    # Imports make many objects and hardly a cycle: looking for some at every 700th is a tenth of a quick command.
    gc.set_threshold(*COLLECT)
    _open_standard_streams()
    try:
        code = main()
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = 0
    except OSError as error:
        from fpack.cli.ui.render import show_refusal

        code = show_refusal(error)
    os._exit(code)


def _open_standard_streams() -> None:
    """What the caller closed leads nowhere: the first files that are opened would take its place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w")
