"""Follow symlinks in a root that exists only as a table."""

from __future__ import annotations

from typing import Any

from .globs import MERGED


def resolve(path: str, target: Any, has: Any, merged: bool = True) -> str | None:
    """Resolve a path as the kernel does. Return None if it does not exist or has too many symlinks.

    target(path): the target of the symlink at `path`, or None. has(path): whether anything is at `path`. The top-level
    directories of MERGED (`bin`, `lib` ...) are treated as symlinks into /usr, if `merged`.
    """
    rest = [part for part in path.split("/") if part not in ("", ".")][::-1]
    done: list[str] = []
    for _ in range(400):
        if not rest:
            found = "/".join(done)
            return found if not found or has(found) else None
        part = rest.pop()
        if part == "..":
            if done:
                done.pop()
            continue
        if merged and not done and part in MERGED:
            done = ["usr"]
        done.append(part)
        to = target("/".join(done))
        if to is not None:
            done = [] if to.startswith("/") else done[:-1]
            rest += [p for p in to.split("/") if p not in ("", ".")][::-1]
    return None
