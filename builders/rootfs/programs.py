"""Find the main program of a package by its name, its executables or its systemd units."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fpack.builders.payload import meta
from fpack.builders.payload.slice_table import SliceTable

_DIRECTORIES = ("usr/bin", "usr/sbin", "usr/games")
MAX_LISTED = 64
# Programs that units run as helper steps; they are not a package's main program.
_STEPS = {"sh", "dash", "bash", "env", "true", "test", "install", "mkdir", "rm", "touch", "chown", "chmod", "kill"}


def programs(
    table: SliceTable, resolve: Callable[[str], str | None], links: Mapping[str, str]
) -> dict[str, str | list[str] | None]:
    """Return {program: the main program's absolute path, or None; executables: at most MAX_LISTED, absolute}.

    resolve(path): resolves symlinks in the whole root; None if nothing is there. links: the root's alternatives. The
    main program is the first of: /usr/bin/NAME, /usr/sbin/NAME and /usr/games/NAME (of any package), the package's
    only executable, the first program that a unit starts.
    """
    found: list[str] = []
    for path, entry in sorted(table.entries.items()):
        if path.rpartition("/")[0] not in _DIRECTORIES:
            continue
        if (entry.kind == meta.FILE and entry.executable) or (entry.kind == meta.SYMLINK and resolve(path)):
            found.append(path)
    found += [
        link
        for link, target in links.items()
        if link.rpartition("/")[0] in _DIRECTORIES and target.strip("/") in table.entries and link not in found
    ]
    named = [path for path in (f"{directory}/{table.package}" for directory in _DIRECTORIES) if resolve(path)]
    started = [unit.strip("/") for unit in table.extra.get("units", ()) if resolve(unit) and not _is_step(unit)]
    candidates = named or (found if len(found) == 1 else started)
    return {
        "program": f"/{candidates[0]}" if candidates else None,
        "executables": [f"/{path}" for path in found[:MAX_LISTED]],
    }


def _is_step(path: str) -> bool:
    return path.rpartition("/")[2] in _STEPS
