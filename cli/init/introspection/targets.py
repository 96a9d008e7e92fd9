"""Define what a build system says of its targets, and read an answer's files, which are a stranger's."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

MAX_ANSWER = 32 << 20  # bytes of a file
MAX_FILES = 5000
MAX_TARGETS = 2000
_SHOWN = 6  # files that a reason names


class BuildTargets(NamedTuple):
    """The targets of a build system. programs: those that are installed, as paths below the output, such as
    `bin/wave`. libraries: it installs a library. tests: names of its tests. members: of a Go module the packages of
    programs, of a Cargo workspace the directories of crates with programs; each with its program."""

    programs: tuple[str, ...] = ()
    libraries: bool = False
    tests: tuple[str, ...] = ()
    members: tuple[tuple[str, str], ...] = ()


def summary(targets: BuildTargets) -> str:
    """Return what a build system said, for people."""
    names = list(targets.programs)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    parts = [
        f"its build system installs {', '.join(names[:_SHOWN])}{more}"
        if names
        else "its build system installs no program",
        "a library" if targets.libraries else "",
        f"{len(targets.tests)} test{'' if len(targets.tests) == 1 else 's'}" if targets.tests else "",
    ]
    return "; ".join(filter(None, parts))


def read_text(path: Path) -> str:
    """Return the text of a file of an answer, or "" if there is none or it is too large. No link is followed."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            data = file.read(MAX_ANSWER + 1)
    except OSError:
        return ""
    return data.decode("utf-8", "replace") if len(data) <= MAX_ANSWER else ""


def read_json(path: Path) -> Any:
    """Return the data of a file of an answer, or None if it has none."""
    try:
        return json.loads(read_text(path) or "null")
    except (ValueError, RecursionError):
        return None


def documents(text: str) -> Iterator[dict[str, Any]]:
    """Yield the records of a text that has one JSON document after another."""
    decoder = json.JSONDecoder()
    at = 0
    for _ in range(MAX_FILES):
        while at < len(text) and text[at].isspace():
            at += 1
        if at >= len(text):
            return
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return
        if isinstance(value, dict):
            yield value


def record(value: Any) -> dict[str, Any]:
    """Return `value` if it is a record, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """Return `value` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def strings(value: Any) -> list[str]:
    return [item for item in items(value) if isinstance(item, str)]
