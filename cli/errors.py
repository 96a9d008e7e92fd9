"""What was wrong with a call, in the same words and places as every other error."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fpack.store.errors import FpackError

if TYPE_CHECKING:
    import click


class UsageError(FpackError):
    """The command line names something that there is not."""

    exit_code = 2


_EXTRA = re.compile(r"Got unexpected extra arguments? \((.*)\)\Z", re.DOTALL)
_MISSING = re.compile(r"Missing argument '\[?([A-Z_]+)[\].]*'\.?\Z")


def explained(error: click.ClickException) -> UsageError:
    """The error that click found in the words of a command, as one of fpack's."""
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if context is None:
        return UsageError(message)
    path = context.command_path
    usage = context.get_usage().removeprefix("Usage: ").replace("\n", " ")
    extra, missing = _EXTRA.match(message), _MISSING.match(message)
    if extra:
        what = f"{path} has no use for {extra[1]!r}"
    elif missing:
        what = f"{path} needs {missing[1]}"
    else:
        what = message
    return UsageError(what, why=f"it is called as: {re.sub(r' +', ' ', usage)}", hint=f"{path} --help says more")
