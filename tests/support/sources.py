"""The sources of fpack, for tests that look at all of them."""

from __future__ import annotations

from collections.abc import Iterator

from support.paths import REPOSITORY

ROOMS = ("store", "lang", "builders", "cli", "pkgs")


def modules() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each module."""
    for room in ROOMS:
        for file in sorted((REPOSITORY / room).rglob("*.py")):
            yield ".".join(("fpack", *file.relative_to(REPOSITORY).with_suffix("").parts)), file.read_text()
