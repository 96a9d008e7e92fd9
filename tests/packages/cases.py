"""Cases: what shows that a package works. Read from lists in TOML, such as packages.toml.

A list has tables `package`:

    name, release     the package; the release is trixie if it is not given
    kind              "program" or "server"
    files             { "/path" = "text" }: files that are mounted into the container, such as inputs below /work
    command           words: the command that is run in a container; its first word is a program in PATH
    steps             instead of `command`: several commands, run in turn in containers that share the directory /work
    stdin             what the (last) command reads
    tty, keys         whether the command runs in a terminal, and what is typed into it when `expect` has appeared
    status            the exit status; 0 if it is not given
    expect            a regular expression that the output, or the answer of a server, matches
    request           of a server: the kind of the request, and its arguments; see client.py
    options           further options of `podman run`, for both
    debian            how a server is started in Debian, a command for a shell; else its init script is started
    debian-extra      packages that are installed beside it in Debian, because a container has what is in them
    fpack-extra       packages that are packed with it, because the command needs them in Debian, too
    note              what is told with the result, such as that the case was wrong at first

and may have tables `skipped` with `name`, `release`, `kind` and `why`. A text `${KEY}` in a file is a public SSH key.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

PROGRAM = "program"
SERVER = "server"


class Case(NamedTuple):
    """One package, and what shows that it works."""

    name: str
    kind: str
    release: str
    steps: tuple[tuple[str, ...], ...]
    expect: str
    files: Mapping[str, str]
    stdin: str | None
    tty: bool
    keys: str
    status: int
    request: tuple[str, ...]
    options: tuple[str, ...]
    debian: str
    debian_extra: tuple[str, ...]
    fpack_extra: tuple[str, ...]
    note: str


class Skipped(NamedTuple):
    """A drawn package that can show nothing in a container, in Debian neither."""

    name: str
    kind: str
    release: str
    why: str


def read(path: Path) -> tuple[list[Case], list[Skipped]]:
    """Read a list. ValueError names a case with unknown or missing fields."""
    record = tomllib.loads(path.read_text())
    cases = [_case(dict(table)) for table in record.get("package", ())]
    skipped = [
        Skipped(table["name"], table["kind"], table.get("release", "trixie"), table["why"])
        for table in record.get("skipped", ())
    ]
    return cases, skipped


def _case(table: dict[str, Any]) -> Case:
    name = table.pop("name")
    command = table.pop("command", None)
    steps = table.pop("steps", [command] if command else [])
    case = Case(
        name=name,
        kind=table.pop("kind", PROGRAM),
        release=table.pop("release", "trixie"),
        steps=tuple(tuple(step) for step in steps),
        expect=table.pop("expect", ""),
        files=table.pop("files", {}),
        stdin=table.pop("stdin", None),
        tty=table.pop("tty", False),
        keys=table.pop("keys", ""),
        status=table.pop("status", 0),
        request=tuple(table.pop("request", ())),
        options=tuple(table.pop("options", ())),
        debian=table.pop("debian", ""),
        debian_extra=tuple(table.pop("debian-extra", ())),
        fpack_extra=tuple(table.pop("fpack-extra", ())),
        note=table.pop("note", ""),
    )
    if (
        table
        or not all(path.startswith("/") for path in case.files)
        or not case.expect
        or bool(case.steps) == bool(case.request)
        or (case.kind == SERVER) != bool(case.request)
    ):
        raise ValueError(f"{name}: unknown or missing fields {sorted(table)}")
    return case
