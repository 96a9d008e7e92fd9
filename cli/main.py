"""Run the command line: find the verb, run it, and render its error. Import only what the verb needs.

Start-up time is a feature. So four quicker ways are tried before click and the verb's own module: the version,
completion, a shell or build whose answer is cached (a warm start), and commands that a table of options can read.
"""

from __future__ import annotations

import gc
import os
import sys
from io import TextIOWrapper

from fpack.cli import signals
from fpack.cli.verbs import VERBS, command_of
from fpack.cli.version import VERSION
from fpack.light_typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

COLLECT = (100_000, 20, 50)  # thresholds of Python's cyclic garbage collector


EXIT_CODES = """\b
Exit codes:
  0    success
  1    a build or another operation failed, or a check found what it looks for
  2    the command line is wrong
  3    an expression could not be evaluated
  4    a package, index, lock or document is invalid or missing
  5    a download failed
  6    nothing was found, but not everything could be checked (verify, audit, vex, where, rebuilders)
  7    there is no vulnerability data (audit, vex)
  130  interrupted; 128 + N: ended by signal N"""


def _group() -> click.Group:
    """Return the command of click, which imports a verb's module only when the verb is named."""
    import click

    from .groups import LazyGroup, Subcommand

    @click.group(
        cls=LazyGroup,
        subcommands={verb: Subcommand(f"fpack.cli.verbs.{verb}", line) for verb, line in VERBS.items()},
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        epilog="Example: fpack pack postgres\n\n" + EXIT_CODES,
    )
    @click.version_option(VERSION, "--version", message="fpack %(version)s")
    @click.option("--offline", is_flag=True, help="Use no network: only this machine's files and directories.")
    def fpack(offline: bool) -> None:
        """Build software as pure functions and ship it as exact container images."""
        if offline:
            os.environ["FPACK_OFFLINE"] = "1"

    return fpack


def main(argv: list[str] | None = None) -> int:
    """Run one command. Return its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if argv == ["--version"]:
        print(f"fpack {VERSION}")
        return 0
    if argv[:1] == ["__complete"]:
        from fpack.cli.completion.completer import main as complete

        return complete(argv[1:], VERBS, command_of)
    try:
        os.getcwd()
    except FileNotFoundError:
        from fpack.cli.ui.render import show_lost_directory

        return show_lost_directory()
    if os.environ.get("FPACK_ROOT", "/")[:1] not in ("/", ""):
        return _refuse_root(os.environ["FPACK_ROOT"])
    if argv[:1] in (["shell"], ["run"]):
        from fpack.cli.shells.warm_start import main as enter

        if (code := enter(argv)) is not None:
            return code
    if argv[:1] == ["build"]:
        from fpack.cli.builds.warm_start import main as answer

        if (code := answer(argv[1:])) is not None:
            return code
    from fpack.store.errors import DamagedPath, FpackError

    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding cannot represent must not cause an error.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        from . import quick_commands

        code = quick_commands.run(argv)
        return _run_by_click(argv) if code is None else code
    except FpackError as error:
        from fpack.cli.ui.render import note, show_error

        if isinstance(error, DamagedPath):
            from fpack.cli.workspace.damage import repaired

            error = repaired(error)
        show_error(error)
        for text in getattr(error, "__notes__", ()):
            note(text)
        return error.exit_code
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of the output closed it, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except Exception as error:
        from fpack.cli.ui.render import show_refusal

        return show_refusal(error)


def _run_by_click(argv: list[str]) -> int:
    """Run any command line. Return its exit status."""
    import click

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
    except click.Abort:
        raise KeyboardInterrupt from None


def _refuse_root(root: str) -> int:
    """Report a store that depends on the working directory. Return the exit status."""
    from fpack.cli.ui.render import show_error

    from .errors import UsageError

    why = "each working directory would have another store"
    hint = f"FPACK_ROOT={os.path.abspath(root)}"
    error = UsageError("FPACK_ROOT is not an absolute path", where=f"FPACK_ROOT={root}", why=why, hint=hint)
    show_error(error)
    return error.exit_code


def run() -> None:
    """Run the console script. End the process without the interpreter's slow shutdown."""
    # Imports create many objects and few cycles: the default threshold costs a tenth of a quick command's time.
    gc.set_threshold(*COLLECT)
    _open_standard_streams()
    signals.install()
    try:
        try:
            code = main()
        except signals.Terminated:
            code = 1
            signals.report()
        except KeyboardInterrupt:
            # It came before a command began.
            print("Interrupted.", file=sys.stderr)
            code = 130
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = 0
    except (OSError, ModuleNotFoundError) as error:
        # A module that is not installed: a warm start needs it.
        from fpack.cli.ui.render import show_refusal

        code = show_refusal(error)
    os._exit(signals.exit_status(code))


def _open_standard_streams() -> None:
    """Open closed standard streams on /dev/null: otherwise the first opened files would get their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdin is None:
        sys.stdin = os.fdopen(0)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w")
