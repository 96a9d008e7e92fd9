"""Find what a project's file says is left to do: the comments that `fpack init` wrote."""

from __future__ import annotations

import re

from fpack.cli.paths import PROJECT_FILE
from fpack.store.errors import FpackError

from .target import Target

_MAX = 1 << 20  # bytes of the file
_TODO = re.compile(r"^[ \t]*#[ \t]*to do:[ \t]*(.+?)[ \t]*$", re.IGNORECASE)


def left_to_do(text: str) -> list[tuple[int, str]]:
    """Return the line number and text of each comment that begins with `to do:`."""
    lines = ((number, _TODO.match(line)) for number, line in enumerate(text.splitlines(), 1))
    return [(number, found[1]) for number, found in lines if found]


def add_notes(error: FpackError, target: Target) -> None:
    """Add a note to the error for each thing that is left to do in the file that defines the target."""
    from fpack.cli.ui.render import short

    file = target.file or (target.project and target.project / PROJECT_FILE)
    if file is None or not target.path:
        return
    try:
        with open(file, "rb") as opened:
            text = opened.read(_MAX).decode("utf-8", "replace")
    except OSError:
        return
    if not re.search(rf"^{re.escape(target.path[0])}\b\s*[=(]", text, re.MULTILINE):
        return  # the name is of a curated image or of a package of Debian
    for number, line in left_to_do(text):
        error.add_note(f"to do in {short(file)}:{number}: {line}")
