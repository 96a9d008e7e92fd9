"""Define the options that several verbs share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
from fpack.store.settings import EVAL_MEMORY, EVAL_TIME, MAX_INDEX_AGE, Setting

Command = Callable[..., Any]


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
    shell_on_failure: bool = False


def _setting(setting: Setting[Any], metavar: str, text: str) -> Callable[[Command], Command]:
    """Return the option of a setting. Its value is the text; an invalid text is an error."""

    def check(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
        setting.find(value)
        return value

    return click.option(setting.option, metavar=metavar, help=text, callback=check)


_EVALUATING: list[Callable[[Command], Command]] = [
    _setting(EVAL_MEMORY, "SIZE", "Limit the memory of evaluation, as in 8G. Default: half of the machine's memory."),
    _setting(EVAL_TIME, "SECONDS", "Limit the processor time of evaluation. Default: 300."),
]
_LOCKING: list[Callable[[Command], Command]] = [
    click.option("--lock", type=click.Path(path_type=Path, dir_okay=False), help="Use this lock file."),
    click.option("--frozen", is_flag=True, help="Fail if the lock would change."),
    click.option("--mirror", metavar="URL", help="Try this mirror of Debian first."),
    click.option("--accept-expired", is_flag=True, help="Accept an expired package index."),
    _setting(MAX_INDEX_AGE, "DAYS", "Maximum age of a package index without an expiry date."),
    click.option("--arch", metavar="ARCH", help="Debian architecture to build for, such as amd64 or arm64."),
]
_BUILDING = [
    click.option("-j", "--jobs", type=click.IntRange(0, 512), default=0, help="Parallel builds; 0: one per core."),
    click.option("-k", "--keep-going", is_flag=True, help="Continue with other builds after a failure."),
    click.option("-v", "--verbose", is_flag=True, help="Show every step."),
]


def evaluating(command: Command) -> Command:
    """Add the options of verbs that evaluate the language: its limits."""
    for option in reversed(_EVALUATING):
        command = option(command)
    return command


def locking(command: Command) -> Command:
    """Add the options of verbs that use the lock, and those of `evaluating`."""
    command = evaluating(command)
    for option in reversed(_LOCKING):
        command = option(command)
    return command


def building(command: Command) -> Command:
    """Add the options of verbs that build, and those of `locking`."""
    for option in reversed(_BUILDING):
        command = option(command)
    return locking(command)


def options(values: dict[str, Any]) -> SharedOptions:
    """Remove the shared options from a command's parameters, `values`, and return them."""
    return SharedOptions(**{name: values.pop(name) for name in SharedOptions._fields if name in values})


def print_json(value: object) -> None:
    """Print one JSON value on standard output."""
    import json

    text = json.dumps(value, indent=2, ensure_ascii=False)
    if not text.replace("\n", "").isprintable():
        # Escape control characters, which a terminal would interpret. The JSON value stays the same.
        text = "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
    sys.stdout.write(text + "\n")
