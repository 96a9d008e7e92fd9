"""`fpack check`: what is wrong with files of the language, told without evaluating them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import options

if TYPE_CHECKING:
    from fpack.lang.check import Finding
    from fpack.lang.check_calls import Library
    from fpack.lang.limits import Limits


@click.command(
    "check",
    epilog="""\b
Examples:
  fpack check                           all .fp files below this directory
  fpack check fpack.fp lib/
  fpack check --json""",
)
@click.argument("files", nargs=-1, metavar="[FILES|DIRS]...", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of what was found.")
@options.evaluating
def command(files: tuple[Path, ...], as_json: bool, eval_memory: str | None, eval_time: str | None) -> int:
    """Look for names that do not exist or are not used, wrong fields and arguments, and branches never taken.

    Nothing is evaluated, fetched or built. The exit status is 1 if there are errors; warnings alone give 0.
    """
    from fpack.lang.limits import Limits

    from .texts import find

    known, limits = library(), Limits.found(eval_memory, eval_time)
    found = [finding for place in find(files or (Path(),)) for finding in check_file(place, known, limits)]
    errors = sum(finding.is_error for finding in found)
    if as_json:
        options.print_json([finding.as_json() for finding in found])
    else:
        _show(found, errors)
    return int(errors > 0)


def library() -> Library:
    """What files may import: the standard library and the curated packages."""
    from fpack.lang.check import library_of

    from .workspace import cache_directory, curated

    places = list(curated().values())
    return library_of([places[0].parent] if places else [], cache_directory() / "modules")


def check_file(place: Path, known: Library, limits: Limits) -> list[Finding]:
    """What is wrong with one file; that it cannot be read, or takes too much, is a finding of its own."""
    from fpack.lang import stack
    from fpack.lang.check import Finding, check, directory_of
    from fpack.lang.errors import EvalError, Fault

    from . import texts

    try:
        source = texts.source(texts.read(place), texts.shown(place))
    except EvalError as error:
        return [Finding("syntax", error)]
    directory = directory_of(place)
    source.library = any(directory == d or directory.startswith(d + "/") for d in known.directories)

    def work() -> list[Finding]:
        try:
            return check(source, directory, known)
        except RecursionError:
            return [Finding("syntax", source.error(0, 0, "This text is nested too deeply"))]

    limits.restart()
    try:
        result: list[Finding] = stack.bounded(work, limits)
    except Fault as fault:
        return [Finding("syntax", source.error(0, 0, fault.what, why=fault.why, hint=fault.hint))]
    return result


def _show(found: list[Finding], errors: int) -> None:
    from fpack.lang.errors import render

    from .render import colored, note, paint

    color = colored(sys.stderr)
    for finding in found:
        text = render(finding.error, color)
        if not finding.is_error:
            head = "\x1b[1;31merror: \x1b[0m" if color else "error: "
            text = f"{paint('warning:', 'yellow', color)} {text.removeprefix(head)}"
        print(text, file=sys.stderr)
    if found:
        warnings = len(found) - errors
        note(", ".join(_count(n, word) for n, word in ((errors, "error"), (warnings, "warning")) if n))


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
