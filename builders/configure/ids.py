"""Choose the ids that a user namespace for maintainer scripts maps: never root's own.

Root takes a range that no other build of the machine has, and another user the range that /etc/subuid gives to them.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from fpack.builders.sandbox.build_users import lock_directories, lock_directory
from fpack.builders.sandbox.bwrap import SandboxError
from fpack.store import processes
from fpack.store.locks import FileLock

COUNT = 65536  # ids of a namespace: uids and gids of Debian have 16 bits
_LEAST = 65535  # so that nobody, 65534, is mapped
_BASE, _RANGES = 1_000_000_000, 256
_WAIT = 0.1  # seconds between attempts
_HINT = "set `configure = false` to leave the packages unconfigured, or "

Row = tuple[int, int, int]  # first id inside, first id outside, count


class IdMaps(NamedTuple):
    """The maps of a user namespace. tools: newuidmap and newgidmap must write them."""

    uids: tuple[Row, ...]
    gids: tuple[Row, ...]
    tools: bool


@contextlib.contextmanager
def id_maps(check: Callable[[], None]) -> Iterator[IdMaps]:
    """Hold the maps for a run. Raise SandboxError if the caller has no ids to map. check: called while waiting."""
    if os.geteuid() != 0:
        yield _users_maps()
        return
    ranges = _root_ranges(Path("/proc/self/uid_map").read_text("ascii"))
    if not ranges:
        raise SandboxError(
            "Maintainer scripts need a range of 65,535 users",
            why="this user namespace has fewer",
            hint=f"{_HINT}run fpack as another user than root",
        )
    directory = lock_directory(lock_directories())
    while True:
        for base, count in ranges:
            lock = FileLock(directory / f"range-{base}")
            if lock.try_acquire():
                try:
                    row = (0, base, count)
                    yield IdMaps((row,), (row,), False)
                finally:
                    lock.release()
                return
        check()
        time.sleep(_WAIT)


def _root_ranges(table: str) -> list[tuple[int, int]]:
    """Return the ranges of ids that root may use: (first, count). table: the content of /proc/self/uid_map."""
    rows = [tuple(map(int, line.split())) for line in table.splitlines()]
    wanted = [(_BASE + number * COUNT, COUNT) for number in range(_RANGES)]
    found = [(base, count) for base, count in wanted if any(r[0] <= base and base + count <= r[0] + r[2] for r in rows)]
    if not found:
        found = [(max(r[0], 1), _LEAST) for r in rows if max(r[0], 1) + _LEAST <= r[0] + r[2]][:1]
    return found


def _users_maps() -> IdMaps:
    uid, gid = os.getuid(), os.getgid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    rows = []
    for path, own in (("/etc/subuid", uid), ("/etc/subgid", gid)):
        try:
            text = Path(path).read_text("utf-8", "replace")
        except OSError:
            text = ""
        found = subordinate(text, name, uid)
        if found is None:
            raise SandboxError(
                "Maintainer scripts need a range of 65,535 users",
                where=path,
                why=f"it has none for {name}",
                hint=f"{_HINT}let root run: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}",
            )
        rows.append(((0, own, 1), (1, found[0], min(found[1], COUNT - 1))))
    for program in ("newuidmap", "newgidmap"):
        if processes.find(program) is None:
            raise SandboxError(
                f"{program} is not installed",
                why="only it can map the users that maintainer scripts need",
                hint=f"{_HINT}install it: apt install uidmap",
            )
    return IdMaps(rows[0], rows[1], True)


def subordinate(text: str, name: str, uid: int) -> tuple[int, int] | None:
    """Return the first range of a user that is large enough: (first, count). text: the content of the file."""
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) == 3 and fields[0] in (name, str(uid)) and fields[1].isdigit() and fields[2].isdigit():
            first, count = int(fields[1]), int(fields[2])
            if count >= _LEAST - 1 and first > 0:
                return first, count
    return None


def write_maps(pid: int, maps: IdMaps) -> None:
    """Map the ids of a process's user namespace. Raise SandboxError if that fails."""
    for kind, rows in (("uid", maps.uids), ("gid", maps.gids)):
        if maps.tools:
            words = [str(pid), *(str(number) for row in rows for number in row)]
            done = processes.run(f"new{kind}map", words)
            if done.status:
                why = (done.errors or done.output).decode("utf-8", "replace").strip()
                raise SandboxError(f"new{kind}map failed", why=why, hint=f"{_HINT}correct /etc/sub{kind}")
        else:
            try:
                with open(f"/proc/{pid}/{kind}_map", "w", encoding="ascii") as file:
                    file.write("".join(f"{row[0]} {row[1]} {row[2]}\n" for row in rows))
            except OSError as error:
                raise SandboxError("The users of a sandbox cannot be mapped", why=error.strerror or "") from None
