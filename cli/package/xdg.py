"""Find the user's base directories (XDG Base Directory Specification).

platformdirs is not used: its import takes longer than a warm start has, it follows relative paths, and it takes no
other environment than the process's own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

_BELOW_HOME = {"CACHE": ".cache", "CONFIG": ".config", "DATA": ".local/share", "STATE": ".local/state"}


def base_directory(kind: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return `$XDG_KIND_HOME`, or its default below the home directory. kind: CACHE, CONFIG, DATA or STATE.

    A relative path is ignored, as the specification says: it would name a directory of a stranger's project.
    """
    named = environ.get(f"XDG_{kind}_HOME", "")
    home = environ.get("HOME") or os.path.expanduser("~")
    return named if named.startswith("/") else f"{home}/{_BELOW_HOME[kind]}"
