"""Tell which words of the command line name an image in a file or directory."""

from __future__ import annotations

import stat
from pathlib import Path

from fpack.cli.errors import UsageError


def named(what: str | None) -> Path | None:
    """Return the path of the image that a word of the command line names; None if it names anything else.

    Raise UsageError for the name of a tar that does not exist.
    """
    if not what or "#" in what:
        return None
    path = Path(what)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        if path.suffix == ".tar":
            raise UsageError(f"There is no image {path}", hint="name the file that fpack pack wrote") from None
        return None
    if stat.S_ISDIR(mode):
        return path if (path / "oci-layout").is_file() else None
    is_archive = ".tar" in path.suffixes or "/" in what and path.suffix != ".fp"
    return path if is_archive and stat.S_ISREG(mode) else None
