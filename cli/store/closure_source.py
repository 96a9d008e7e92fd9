"""Open a closure file that a command line names, and complete the errors about it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fpack.cli.errors import UsageError
from fpack.store.closure_file.format import BadClosureFile

_WRITTEN_BY = "fpack store export writes such a file"


@contextmanager
def closure_source(file: Path) -> Iterator[BinaryIO]:
    """Yield the closure file, or standard input for `-`. Raise its errors with the file's name and with a hint."""
    is_stdin = str(file) == "-"
    name = "standard input" if is_stdin else str(file)
    if is_stdin and sys.stdin.isatty():
        raise UsageError("A closure file is not read from a terminal", hint="give a file, or pipe one to this command")
    try:
        stream = sys.stdin.buffer if is_stdin else open(file, "rb")  # noqa: SIM115
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{name} cannot be read", why=why, hint=_WRITTEN_BY) from None
    try:
        yield stream
    except BadClosureFile as error:
        why = ": ".join(part for part in (error.where, error.why) if part)
        hint = error.hint or f"copy the file again, or export the paths again; {_WRITTEN_BY}"
        raise error.with_(where=name, why=why, hint=hint) from None
    finally:
        if not is_stdin:
            stream.close()
