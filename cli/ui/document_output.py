"""Write a document to a file, which is replaced as a whole, or to the standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from fpack.cli.errors import UsageError


def check(output: Path | None) -> None:
    """Raise UsageError, before any work, if a file cannot be written. output: None for the standard output."""
    if output is not None and not output.exists():
        check_output(output, "leave out -o for the standard output, or give a file")


def check_output(output: Path, hint: str) -> None:
    """Raise UsageError, before any work, if a new file cannot be written. hint: what to do instead of `-o -`."""
    if str(output) == "-":
        raise UsageError("-o - is not a file", hint=hint)
    directory = output.parent
    if not directory.is_dir():
        raise UsageError(
            f"{output} cannot be written", why=f"there is no directory {directory}", hint="create it first"
        )
    if not os.access(directory, os.W_OK | os.X_OK):
        raise UsageError(
            f"{output} cannot be written", why=f"you may not write in {directory}", hint="choose another path"
        )


def write(pieces: Iterable[bytes], output: Path | None) -> None:
    """Write a document. output: None for the standard output."""
    if output is None:
        sys.stdout.flush()
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    from fpack.builders.streams.output_file import errors, replacing
    from fpack.store.files.writer import write_all

    with errors(output), replacing(output) as fd:
        for piece in pieces:
            write_all(fd, piece)
