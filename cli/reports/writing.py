"""Write a page or a drawing to a file that is replaced as a whole, or to the standard output."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fpack.cli.ui import document_output

check = document_output.check


def write(pieces: Iterable[str], output: Path | None) -> None:
    """Write text as UTF-8. output: None for the standard output."""
    # A name with bytes that are not UTF-8 was made visible before; nothing else can fail to encode.
    document_output.write((piece.encode("utf-8", "backslashreplace") for piece in pieces), output)


def lines(texts: Iterable[str]) -> Iterable[str]:
    """Return texts, each with the end of a line."""
    return (f"{text}\n" for text in texts)
