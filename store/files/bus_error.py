"""End the process with a message if the disk fails while a mapped file is read.

SQLite maps a file that several processes share. If the device of a mapped page fails, the kernel sends SIGBUS. By
default the signal ends the process without a message.
"""

from __future__ import annotations

import os
from _signal import SIGBUS  # type: ignore[import-not-found]  # `signal` takes a millisecond to be imported

_MESSAGE = b"""\
error: The disk has an error
  why:   a mapped file could not be read (SIGBUS)
  try:   check the disk, for example with dmesg; then run the same command again: what was built is kept
"""
_handler: object = None


def install() -> None:
    """Handle SIGBUS from now on. Only commands that load ctypes anyway should call this: loading takes milliseconds."""
    global _handler
    if _handler is None:
        import ctypes

        kind = ctypes.CFUNCTYPE(None, ctypes.c_int)
        _handler = kind(_end)
        call = ctypes.CDLL(None).signal
        call.argtypes, call.restype = [ctypes.c_int, kind], ctypes.c_void_p
        call(SIGBUS, _handler)


def _end(number: int) -> None:
    """Print the message and end the process: the handler of the signal."""
    # A handler that returned would repeat the failed instruction, so the process must end here. SQLite
    # runs without the interpreter's lock, so this Python function can take the lock.
    try:
        os.write(2, _MESSAGE)
    finally:
        os._exit(1)
