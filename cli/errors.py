"""Turn errors of the command line into errors of fpack."""

from __future__ import annotations

from fpack.light_typing import TYPE_CHECKING
from fpack.store.errors import FpackError

if TYPE_CHECKING:
    import click


class UsageError(FpackError):
    """The command line is wrong, or names something that does not exist."""

    exit_code = 2


_EXTRA = r"Got unexpected extra arguments? \((.*)\)\Z"
_MISSING = r"Missing argument '\[?([A-Z_]+)[\].]*'\.?\Z"


def explained(error: click.ClickException) -> UsageError:
    """Turn an error that click found in a command's words into a UsageError."""
    import re

    context = getattr(error, "ctx", None)
    message = error.format_message()
    if context is None:
        return UsageError(message)
    path = context.command_path
    usage = context.get_usage().removeprefix("Usage: ").replace("\n", " ")
    extra, missing = re.match(_EXTRA, message, re.DOTALL), re.match(_MISSING, message)
    if extra:
        what = f"{path} does not take {extra[1]!r}"
    elif missing:
        what = f"{path} needs {missing[1]}"
    else:
        what = message
    return UsageError(what, why=f"usage: {re.sub(r' +', ' ', usage)}", hint=f"see {path} --help")
