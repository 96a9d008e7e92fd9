"""Write a page or a drawing to a file that is replaced as a whole, or to the standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from fpack.cli.images.formats import check_output


def check(output: Path | None) -> None:
    """Raise UsageError, before any work, if a file cannot be written."""
    if output is not None and not output.exists():
        check_output(output)


def write(pieces: Iterable[str], output: Path | None) -> None:
    """Write text as UTF-8. output: None for the standard output."""
    from fpack.builders.streams.output_file import errors, replacing
    from fpack.store.files.writer import write_all

    # A name with bytes that are not UTF-8 was made visible before; nothing else can fail to encode.
    data = (piece.encode("utf-8", "backslashreplace") for piece in pieces)
    if output is None:
        sys.stdout.flush()
        for piece in data:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    with errors(output), replacing(output) as fd:
        for piece in data:
            write_all(fd, piece)


def lines(texts: Iterable[str]) -> Iterable[str]:
    """Return texts, each with the end of a line."""
    return (f"{text}\n" for text in texts)
