"""Define the values of the options that several verbs share, and print their JSON. This imports no click."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from fpack.light_typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class SharedOptions(NamedTuple):
    """The values of the shared options."""

    lock: Path | None = None
    frozen: bool = False
    mirror: str | None = None
    accept_expired: bool = False
    max_index_age: str | None = None
    eval_memory: str | None = None
    eval_time: str | None = None
    arch: str | None = None
    jobs: int = 0
    keep_going: bool = False
    verbose: bool = False
    compress: str | None = None
    build_logs: bool = False
    keep_failed: bool = False
    no_caches: bool = False
    shell_on_failure: bool = False
    fields: Mapping[str, Any] = {}  # of containers, which replace or complete their own
    builds: bool = False  # the verb builds what it evaluates


def options(values: dict[str, Any]) -> SharedOptions:
    """Remove the shared options from a command's parameters, `values`, and return them."""
    builds = "jobs" in values
    return SharedOptions(**{name: values.pop(name) for name in SharedOptions._fields if name in values}, builds=builds)


def print_json(value: object) -> None:
    """Print one JSON value on standard output."""
    import json

    text = json.dumps(value, indent=2, ensure_ascii=False)
    if not text.replace("\n", "").isprintable():
        # Escape control characters, which a terminal would interpret. The JSON value stays the same.
        text = "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
    sys.stdout.write(text + "\n")


def print_members(members: Sequence[tuple[str, Any]]) -> None:
    """Print the JSON of what a target names, or of each member of a list or a record; a member has a name."""
    print_json({"members": dict(members)} if members[0][0] else members[0][1])


def target_text(what: str | None, expression: str | None) -> str | None:
    """Return the text of the target that a verb's argument or its option --expression names."""
    if expression is None:
        return what
    if what is not None:
        from fpack.cli.errors import UsageError

        raise UsageError("Give either a name or --expression, not both", hint=f"leave out {what} or -e")
    return f"({expression})"
