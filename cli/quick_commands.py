"""Run commands that are called often without click, whose import takes longer than many of these commands.

Such a command line is read by the table of the verb's options alone. `run` returns None for a line that needs more,
such as one with an error: click reads it, with the same options, and explains what is wrong.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from fpack.light_typing import TYPE_CHECKING

from . import option_table
from .option_table import (
    CACHE_PULL,
    EVAL,
    FILE,
    FLAG,
    MIRROR,
    NEW,
    NUMBER,
    OUTPUT,
    PACK,
    PULL,
    PUSH,
    SETTING,
    Option,
)  # fmt: skip

if TYPE_CHECKING:
    from fpack.light_typing import Any

# Verb, or verb and subcommand: its options, and the module whose function `run` takes the arguments, and the values of
# all options by field.
_VERBS = {
    "cache pull": (CACHE_PULL, "fpack.cli.caches.fetched_paths"),
    "eval": (EVAL, "fpack.cli.workspace.evaluation.command"),
    "pack": (PACK, "fpack.cli.pack.command"),
    "pull": (PULL, "fpack.cli.images.pull.command"),
    "push": (PUSH, "fpack.cli.images.push.command"),
}

_PATHS = (FILE, NEW, OUTPUT)


def run(argv: Sequence[str]) -> int | None:
    """Run a whole command line. Return its exit status, or None if click must read it."""
    found = read(argv)
    if found is None:
        return None
    arguments, values = found
    try:
        status: int | None = import_module(_VERBS[_verb(argv)][1]).run(arguments, **values)
        return status
    except KeyboardInterrupt:
        print(file=sys.stderr)  # after the terminal's ^C
        raise


def read(argv: Sequence[str]) -> tuple[tuple[str, ...], dict[str, Any]] | None:
    """Return the arguments of a command line, and the values of all options by field.

    Return None if click must read it.
    """
    verb = _verb(argv)
    if verb not in _VERBS:
        return None
    options = _VERBS[verb][0]
    parsed = option_table.parse(argv[verb.count(" ") + 1 :], options)
    if parsed is None:
        return None
    given, arguments = parsed
    values: dict[str, Any] = {}
    for option in options:
        if option.field not in given:
            values[option.field] = _absent(option)
        elif option.kind in (SETTING, MIRROR) or (
            option.kind in _PATHS and not _is_usable(option, given[option.field])
        ):
            return None  # click checks the value, and tells what is wrong
        else:
            found = given[option.field]
            values[option.field] = tuple(found) if option.many else _converted(option, found)
    return tuple(arguments), values


def _verb(argv: Sequence[str]) -> str:
    """Return the verb of a command line, and its subcommand if it has some."""
    return " ".join(argv[: 2 if argv and argv[0] == "cache" else 1])


def _absent(option: Option) -> Any:
    """Return the value of an option that a command line does not have."""
    if option.kind == FLAG:
        return False
    return () if option.many else option.default and _converted(option, option.default)


def _is_usable(option: Option, path: str) -> bool:
    return not os.path.exists(path) or (os.access(path, os.R_OK) and not (option.kind == FILE and os.path.isdir(path)))


def _converted(option: Option, value: Any) -> Any:
    if option.kind == NUMBER:
        return int(value)
    if option.kind == OUTPUT:
        from fpack.store.files.filters.own_outputs import leave_out

        leave_out(value)
    return Path(value) if option.kind in _PATHS else value
