"""What a package runs: the program that its name, its files or its unit suggest."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fpack.builders.payload import meta
from fpack.builders.payload.slice_table import SliceTable

_FOLDERS = ("usr/bin", "usr/sbin", "usr/games")
MAX_LISTED = 64
# What units start as a step of theirs, and no service is: a shell is in every image that has scripts.
_STEPS = {"sh", "dash", "bash", "env", "true", "test", "install", "mkdir", "rm", "touch", "chown", "chmod", "kill"}


def programs(
    table: SliceTable, resolve: Callable[[str], str | None], links: Mapping[str, str]
) -> dict[str, str | list[str] | None]:
    """{program: the one to run, absolute, or None; executables: those on PATH, absolute, at most MAX_LISTED}.

    resolve(path) gives what a path leads to in the whole root, or None. links: the root's alternatives. In order:
    /usr/bin/NAME, /usr/sbin/NAME and /usr/games/NAME, whichever package has them, the sole executable, the first
    program that a unit starts.
    """
    found: list[str] = []
    for path, entry in sorted(table.entries.items()):
        if path.rpartition("/")[0] not in _FOLDERS:
            continue
        if (entry.kind == meta.FILE and entry.executable) or (entry.kind == meta.SYMLINK and resolve(path)):
            found.append(path)
    found += [
        link
        for link, target in links.items()
        if link.rpartition("/")[0] in _FOLDERS and target.strip("/") in table.entries and link not in found
    ]
    named = [path for path in (f"{folder}/{table.package}" for folder in _FOLDERS) if resolve(path)]
    started = [unit.strip("/") for unit in table.extra.get("units", ()) if resolve(unit) and not _is_step(unit)]
    candidates = named or (found if len(found) == 1 else started)
    return {
        "program": f"/{candidates[0]}" if candidates else None,
        "executables": [f"/{path}" for path in found[:MAX_LISTED]],
    }


def _is_step(path: str) -> bool:
    return path.rpartition("/")[2] in _STEPS
