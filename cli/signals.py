"""End a command in order on SIGHUP, SIGTERM and SIGQUIT, as on Ctrl-C: temporary files are deleted, locks released."""

from __future__ import annotations

import sys

# The module `signal` takes a millisecond to be imported.
from _signal import SIG_DFL, SIGHUP, SIGQUIT, SIGTERM, getsignal, signal  # type: ignore[import-not-found]

_NAMES = {SIGHUP: "SIGHUP", SIGTERM: "SIGTERM", SIGQUIT: "SIGQUIT"}
_received: list[int] = []  # the first signal, and no other


class Terminated(SystemExit):
    """A signal ended the command. The exit status is 128 plus its number."""


def install() -> None:
    """Handle the signals from now on. An ignored one stays ignored, as under nohup."""
    for number in _NAMES:
        if getsignal(number) == SIG_DFL:
            signal(number, _end)


def exit_status(code: int) -> int:
    """Return the exit status of the process: that of the signal that ended it, else `code`."""
    return 128 + _received[0] if _received else code


def report() -> None:
    """Print which signal ended the command."""
    try:
        print(f"Interrupted by {_NAMES[_received[0]]}.", file=sys.stderr, flush=True)
    except OSError:
        pass  # the terminal is gone


def _end(number: int, frame: object) -> None:
    # The first signal starts the clean-up, which the next ones must not cut short. A second SIGQUIT ends the process.
    if number == SIGQUIT:
        signal(number, SIG_DFL)
    if not _received:
        _received.append(number)
        raise Terminated(128 + number)
