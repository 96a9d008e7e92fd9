"""Turn errors of the command line into errors of fpack."""

from __future__ import annotations

import re

from fpack.light_typing import TYPE_CHECKING
from fpack.store.errors import FpackError

if TYPE_CHECKING:
    import click


class UsageError(FpackError):
    """The command line is wrong, or names something that does not exist."""

    exit_code = 2


_EXTRA = re.compile(r"Got unexpected extra arguments? \((.*)\)\Z", re.DOTALL)
_MISSING = re.compile(r"Missing argument '\[?([A-Z_]+)[\].]*'\.?\Z")


def explained(error: click.ClickException) -> UsageError:
    """Turn an error that click found in a command's words into a UsageError."""
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if context is None:
        return UsageError(message)
    path = context.command_path
    usage = context.get_usage().removeprefix("Usage: ").replace("\n", " ")
    extra, missing = _EXTRA.match(message), _MISSING.match(message)
    if extra:
        what = f"{path} does not take {extra[1]!r}"
    elif missing:
        what = f"{path} needs {missing[1]}"
    else:
        what = message
    return UsageError(what, why=f"usage: {re.sub(r' +', ' ', usage)}", hint=f"see {path} --help")
