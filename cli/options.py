"""Options that several verbs share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
from fpack.store.settings import EVAL_MEMORY, EVAL_TIME, MAX_INDEX_AGE, Setting

Command = Callable[..., Any]


class Options(NamedTuple):
    """What the shared options say."""

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
    """Make the option of a setting. Its value is the text, and a wrong one is refused when it is parsed."""

    def check(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
        setting.find(value)
        return value

    return click.option(setting.option, metavar=metavar, help=text, callback=check)


_EVALUATING: list[Callable[[Command], Command]] = [
    _setting(EVAL_MEMORY, "SIZE", "Memory that evaluation may take, as in 8G; half of the machine's, if not given."),
    _setting(EVAL_TIME, "SECONDS", "Processor time that evaluation may take; 300, if not given."),
]
_LOCKING: list[Callable[[Command], Command]] = [
    click.option("--lock", type=click.Path(path_type=Path, dir_okay=False), help="Use this lock file."),
    click.option("--frozen", is_flag=True, help="Fail rather than change the lock."),
    click.option("--mirror", metavar="URL", help="Take Debian's files from here first."),
    click.option("--accept-expired", is_flag=True, help="Accept an index that is past its expiry date."),
    _setting(MAX_INDEX_AGE, "DAYS", "Accept an index without an expiry date for so long after it was signed."),
    click.option("--arch", metavar="ARCH", help="Debian architecture to make things for, as in amd64 or arm64."),
]
_BUILDING = [
    click.option("-j", "--jobs", type=click.IntRange(0, 512), default=0, help="Builds at once; 0: one a core."),
    click.option("-k", "--keep-going", is_flag=True, help="Build what can be built after a failure."),
    click.option("-v", "--verbose", is_flag=True, help="Show every step."),
]


def evaluating(command: Command) -> Command:
    """Options of verbs that read the language: what that may take."""
    for option in reversed(_EVALUATING):
        command = option(command)
    return command


def locking(command: Command) -> Command:
    """Options of verbs that evaluate: which lock, which mirrors, and those of `evaluating`."""
    command = evaluating(command)
    for option in reversed(_LOCKING):
        command = option(command)
    return command


def building(command: Command) -> Command:
    """Options of verbs that build, those of `locking` included."""
    for option in reversed(_BUILDING):
        command = option(command)
    return locking(command)


def options(values: dict[str, Any]) -> Options:
    """The shared options among a command's parameters, taken out of `values`."""
    return Options(**{name: values.pop(name) for name in Options._fields if name in values})


def print_json(value: object) -> None:
    """One JSON object on standard output."""
    import json

    text = json.dumps(value, indent=2, ensure_ascii=False)
    if not text.replace("\n", "").isprintable():
        # As escapes, which say the same: a terminal would obey some of them.
        text = "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
    sys.stdout.write(text + "\n")
