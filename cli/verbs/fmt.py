"""`fpack fmt`: format files of the language in the one standard style."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.lang.runtime.limits import Limits

STANDARD = "<standard input>"


class FormattedText(NamedTuple):
    """A text before and after formatting."""

    before: str
    after: str

    @property
    def changed(self) -> bool:
        """True if formatting changes the text."""
        return self.before != self.after


@click.command(
    "fmt",
    epilog="""\b
Examples:
  fpack fmt                             all .fp files below this directory
  fpack fmt fpack.fp lib/ --diff        show the changes
  fpack fmt --check                     for continuous integration
  fpack fmt - < fpack.fp                as a filter, for editors""",
)
@click.argument("files", nargs=-1, metavar="[FILES|DIRS|-]...", type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file is not formatted.")
@click.option("--diff", is_flag=True, help="Write nothing; show the changes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: the changed files and the errors.")
@shared.evaluating
def command(
    files: tuple[Path, ...], check: bool, diff: bool, as_json: bool, eval_memory: str | None, eval_time: str | None
) -> int:
    """Format FILES, and all .fp files in DIRS. The meaning never changes, and comments stay."""
    from fpack.cli.errors import UsageError
    from fpack.cli.options import print_json
    from fpack.cli.ui.render import note, relative, short, show_error
    from fpack.cli.workspace.source_files import find
    from fpack.lang.errors import EvalError
    from fpack.lang.runtime.limits import Limits
    from fpack.store.errors import FpackError, printable

    limits = Limits.configured(eval_memory, eval_time)
    if files == (Path("-"),):
        if as_json:
            raise UsageError("--json does not work with standard input", hint="leave out - or --json")
        return _filter(check, diff, limits)
    code, changed = 0, 0
    names: list[str] = []
    errors: list[dict[str, str]] = []
    for path in find(files or (Path(),)):
        try:
            outcome = formatted(path, limits)
            if outcome.changed and not (check or diff):
                _write(path, outcome.after)
        except FpackError as error:
            if as_json:
                errors.append({"where": relative(path), "what": error.what, "why": error.why})
            else:
                show_error(error)
            code = max(code, 3 if isinstance(error, EvalError) else error.exit_code)
            continue
        if not outcome.changed:
            continue
        changed += 1
        names.append(relative(path))
        if diff and not as_json:
            text = difference(outcome, short(path))
            # A pipe gets the unchanged text.
            sys.stdout.write(printable(text) if sys.stdout.isatty() else text)
        elif check and not as_json:
            print(short(path))
    if as_json:
        print_json({"changed": names, "written": not (check or diff), "errors": errors})
    elif (check or diff) and changed:
        noun = "file is" if changed == 1 else "files are"
        note(f"{changed} {noun} not formatted; fpack fmt formats them")
    elif changed:
        note(f"formatted {changed} {'file' if changed == 1 else 'files'}")
    return code or int(check and changed > 0)


def formatted(path: Path, limits: Limits) -> FormattedText:
    """Format a file. Raise an error if it is not a text of the language."""
    from fpack.cli.workspace import source_files

    return _outcome(source_files.shown(path), source_files.read(path), limits)


def difference(outcome: FormattedText, name: str) -> str:
    """Return the change as a unified diff."""
    from difflib import unified_diff

    lines = unified_diff(
        outcome.before.splitlines(keepends=True), outcome.after.splitlines(keepends=True), name, f"{name} (formatted)"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _outcome(name: str, text: str, limits: Limits) -> FormattedText:
    from fpack.cli.paths import cache_directory
    from fpack.cli.workspace.source_files import source
    from fpack.lang.errors import Fault
    from fpack.lang.format.formatter import format_source
    from fpack.lang.runtime import deep_stack

    read = source(text, name)

    def work() -> str:
        try:
            return format_source(read, cache_directory() / "modules")
        except RecursionError:
            raise read.error(0, 0, "This text is nested too deeply") from None

    limits.restart()
    try:
        return FormattedText(text, str(deep_stack.bounded(work, limits)))
    except Fault as fault:
        raise read.error(0, 0, fault.what, why=fault.why, hint=fault.hint) from None


def _filter(check: bool, diff: bool, limits: Limits) -> int:
    """Format standard input to standard output."""
    from fpack.lang.syntax.source import decoded

    outcome = _outcome(STANDARD, decoded(sys.stdin.buffer.read(), STANDARD), limits)
    if diff:
        sys.stdout.write(difference(outcome, STANDARD))
    elif not check:
        sys.stdout.flush()
        sys.stdout.buffer.write(outcome.after.encode())
    return int(check and outcome.changed)


def _write(path: Path, text: str) -> None:
    """Replace a file atomically, keeping its mode. A symlink stays a symlink.

    A file named relative to the working directory must lie in it: a checkout may contain symlinks to elsewhere.
    """
    from fpack.store.errors import FpackError
    from fpack.store.files import replace

    is_here = not path.is_absolute() and ".." not in path.parts
    try:
        replace.write(path, text.encode(), within=Path() if is_here else None)
    except replace.OutsideError as error:
        raise FpackError(error.what, why=error.why, hint=f"fpack fmt {error.real} formats it") from None
