"""Check files of the language against the standard library and the curated packages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fpack.lang.diagnostics.calls import Library
    from fpack.lang.diagnostics.checker import Diagnostic
    from fpack.lang.runtime.limits import Limits


def library() -> Library:
    """Return the files that can be imported: the standard library and the curated packages."""
    from fpack.cli.paths import cache_directory
    from fpack.cli.workspace.curated import curated
    from fpack.lang.diagnostics.checker import library_of

    paths = list(curated().values())
    return library_of([paths[0].parent] if paths else [], cache_directory() / "modules")


def check_file(path: Path, known: Library, limits: Limits) -> list[Diagnostic]:
    """Return the findings of one file. An unreadable file and an exceeded limit are findings, too.

    Names of packages are compared with the indexes of the project's lock, if these are on this machine.
    """
    from fpack.cli.workspace import source_files
    from fpack.cli.workspace.locked_names import names_for
    from fpack.lang.diagnostics.checker import Diagnostic, check, directory_of
    from fpack.lang.errors import EvalError, Fault
    from fpack.lang.runtime import deep_stack

    try:
        source = source_files.source(source_files.read(path), source_files.shown(path))
    except EvalError as error:
        return [Diagnostic("syntax", error)]
    directory = directory_of(path)
    known.packages = names_for(directory)
    source.library = any(directory == d or directory.startswith(d + "/") for d in known.directories)

    def work() -> list[Diagnostic]:
        try:
            return check(source, directory, known)
        except RecursionError:
            return [Diagnostic("syntax", source.error(0, 0, "This text is nested too deeply"))]

    limits.restart()
    try:
        result: list[Diagnostic] = deep_stack.bounded(work, limits)
    except Fault as fault:
        return [Diagnostic("syntax", source.error(0, 0, fault.what, why=fault.why, hint=fault.hint))]
    return result
