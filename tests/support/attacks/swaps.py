"""Links that are put in the places of directories and files, to others which nothing may happen to."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def state(place: Path) -> list[tuple[object, ...]]:
    """Return the state of a tree that may not change."""
    return [
        (each.name, status.st_mode, status.st_uid, status.st_nlink)
        for each in (place, *sorted(place.rglob("*")))
        for status in [each.lstat()]
    ]


@contextlib.contextmanager
def spared(place: Path) -> Iterator[Path]:
    """Yield a new directory like those of `fill`, closed to writers: it is the same afterwards."""
    (place / "in").mkdir(parents=True)
    for number in range(20):
        (place / f"in/{number}").write_text("precious")
    (place / "in").chmod(0o550)
    place.chmod(0o550)
    before = state(place)
    yield place
    assert state(place) == before


def fill(top: Path) -> None:
    """Three directories with one in each, and files in that."""
    for folder in ("d/in", "e/in", "f/in"):
        (top / folder).mkdir(parents=True)
        for number in range(20):
            (top / folder / str(number)).write_text("x")


def swap(place: Path, target: Path) -> None:
    """Put a link to `target` where something is, which goes elsewhere."""
    os.rename(place, place.parent.with_name(f"away-{place.name}"))
    os.symlink(target, place)
