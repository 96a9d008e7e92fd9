"""What a package runs: the program that its name, its files or its unit suggest."""

from __future__ import annotations

from collections.abc import Callable

from . import meta
from .compose import SliceTable

_FOLDERS = ("usr/bin", "usr/sbin")
MAX_LISTED = 64


def programs(table: SliceTable, resolve: Callable[[str], str | None]) -> dict[str, str | list[str] | None]:
    """{program: the one to run, absolute, or None; executables: those on PATH, absolute, at most MAX_LISTED}.

    resolve(path) gives what a path leads to in the whole root, or None. In order: /usr/bin/NAME, /usr/sbin/NAME, the
    sole executable, the sole program that its units start.
    """
    found: list[str] = []
    for path, entry in sorted(table.entries.items()):
        if path.rpartition("/")[0] not in _FOLDERS:
            continue
        if (entry.kind == meta.FILE and entry.executable) or (entry.kind == meta.SYMLINK and resolve(path)):
            found.append(path)
    named = [f"{folder}/{table.package}" for folder in _FOLDERS if f"{folder}/{table.package}" in found]
    started = [unit.strip("/") for unit in table.extra.get("units", ()) if resolve(unit)]
    program: str | None = None
    if named:
        program = named[0]
    elif len(found) == 1:
        program = found[0]
    elif started:
        program = started[0]
    return {
        "program": f"/{program}" if program else None,
        "executables": [f"/{path}" for path in found[:MAX_LISTED]],
    }
