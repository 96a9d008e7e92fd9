"""Render errors, sizes and paths as text. Errors become text only here."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from fpack.light_typing import TextIO
from fpack.store.errors import FpackError, one_line, printable
from fpack.store.errors import counted as counted


def colored(stream: TextIO) -> bool:
    """Return whether text on `stream` may have colours: it is a terminal, and NO_COLOR is not set."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()


def paint(text: str, style: str, on: bool) -> str:
    """Return `text` in a style: bold, dim, red, green, yellow, blue or cyan."""
    codes = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "blue": 34, "cyan": 36}
    return f"\x1b[{codes[style]}m{text}\x1b[0m" if on else text


def error_text(error: FpackError, color: bool = False) -> str:
    """Render an error: what went wrong, where, why, and what to do, on a line each if present."""
    from fpack.builders.scheduler.failures import BuildsFailed
    from fpack.lang.errors import EvalError, render

    if isinstance(error, EvalError):
        return render(error, color)
    if isinstance(error, BuildsFailed) and len(error.failures) > 1:
        return "\n".join(error_text(entry, color) for _, entry in error.failures)
    return _error_lines(error, color)


def _error_lines(error: FpackError, color: bool) -> str:
    what = printable(error.what).replace("\n", "\n  ")
    lines = [f"{paint('error:', 'red', color)} {paint(what, 'bold', color)}"]
    if error.where:
        lines.append(f"  {paint('where:', 'cyan', color)} {one_line(error.where)}")
    if error.why:
        lines.append(f"  {paint('why:', 'cyan', color)}   {_indent(error.why)}")
    if error.hint:
        lines.append(f"  {paint('try:', 'green', color)}   {_indent(error.hint)}")
    return "\n".join(lines)


def _indent(text: str) -> str:
    return printable(text).rstrip().replace("\n", "\n         ")


def show_error(error: FpackError) -> None:
    _print(error_text(error, colored(sys.stderr)))


def working_directory_is_gone() -> bool:
    """Return whether the working directory was deleted."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def show_lost_directory() -> int:
    """Say that the working directory was deleted. Return the exit status."""
    _print("error: The working directory no longer exists\n  try:   cd to another directory")
    return 2


def show_refusal(error: Exception) -> int:
    """Print an error of the operating system, such as a full disk or missing permission. Return the exit status.

    Any other exception, and an OSError that has no explanation, is reported as a bug of fpack.
    """
    from fpack.store.files import disk_errors
    from fpack.store.root import default_directory

    if isinstance(error, MemoryError):
        show_error(FpackError("There is not enough memory", why=str(error), hint="see ulimit -v; or try -j 1"))
        return FpackError.exit_code
    if isinstance(error, ModuleNotFoundError) and _is_foreign(error):
        return show_missing_package(error)
    if not isinstance(error, OSError):
        return show_fault(error)
    if isinstance(error, FileNotFoundError) and error.filename is None and working_directory_is_gone():
        return show_lost_directory()
    known = disk_errors.explain(
        error, "the output, or a file being written", disk=f"{default_directory()}, or the output"
    )
    if known is None:
        return show_fault(error)
    show_error(known)
    return known.exit_code


def _is_foreign(error: ModuleNotFoundError) -> bool:
    """Return whether the module is none of fpack."""
    return error.name is not None and error.name.partition(".")[0] != "fpack"


def show_missing_package(error: ModuleNotFoundError) -> int:
    """Say that a Python module of another package is not installed. Return the exit status.

    No module is imported: it may need the missing one.
    """
    name = str(error.name).partition(".")[0]
    hint = f"{sys.executable} -m pip install fpack, or in a checkout: -r requirements.txt"
    if name in sys.stdlib_module_names:
        hint = "run fpack with a Python that has its whole standard library"
    missing = FpackError(
        f"The Python module {name} is not installed", where=sys.executable, why="fpack needs it", hint=hint
    )
    _print(_error_lines(missing, colored(sys.stderr)))
    return FpackError.exit_code


def show_fault(error: Exception) -> int:
    """Report a bug of fpack, and write the traceback to a file for a bug report. Return the exit status."""
    import tempfile
    import traceback

    try:
        with tempfile.NamedTemporaryFile("w", prefix="fpack-", suffix=".log", delete=False) as file:
            file.write("".join(traceback.format_exception(error)))
        hint = f"report it, with the file {file.name}"
    except OSError:
        # The disk of the temporary files may be full.
        last = traceback.extract_tb(error.__traceback__)[-1:]
        hint = "report it, with this position: " + ", ".join(f"{frame.filename}:{frame.lineno}" for frame in last)
    text = error_text(
        FpackError(
            "fpack failed because of a bug; nothing is lost", why=f"{error.__class__.__name__}: {error}", hint=hint
        ),
        colored(sys.stderr),
    )
    _print(text)
    return 70


def note(text: str) -> None:
    """Print a remark to stderr, as one line."""
    _print(_joined(text))


def warn(text: str) -> None:
    """Print a warning to stderr, as one line."""
    _print(f"{paint('warning:', 'yellow', colored(sys.stderr))} {_joined(text)}")


def _print(text: str) -> None:
    """Print a message. If stderr cannot be written, the message is dropped: it must not fail what it is about."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr)


def _joined(text: str) -> str:
    """Escape line breaks, so that no line of quoted text looks like another message."""
    return printable(text).replace("\n", "\\n")


def megabytes(size: int) -> str:
    """Format a number of bytes: 31.2 MB, 450 kB, 12 B. Powers of ten, as registries count."""
    if size >= 10_000_000_000:
        return f"{size / 1e9:.1f} GB"
    if size >= 1_000_000:
        return f"{size / 1e6:.1f} MB"
    if size >= 1000:
        return f"{size / 1e3:.0f} kB"
    return f"{size} B"


def relative(path: Path) -> str:
    """Return a path relative to the working directory if it lies below it, else unchanged.

    It is unchanged, too, if the working directory was deleted after the command had started.
    """
    try:
        below = os.path.relpath(path)
    except FileNotFoundError:
        return os.fspath(path)
    return os.fspath(path) if below.startswith("..") else below


def short(path: Path) -> str:
    """Return a path for a message: relative, on one line, without control characters."""
    return one_line(relative(path))
