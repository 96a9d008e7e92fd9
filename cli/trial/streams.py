"""Give a sandboxed program pipes in place of files as its outputs.

Its user may not open the caller's files, and servers open /dev/stdout and /dev/stderr for their logs.
"""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

_SIZE = 1 << 16  # bytes that are read at once


@contextmanager
def pipes() -> Iterator[dict[int, int]]:
    """Replace standard output and standard error, if they are files, by pipes. Yield (a pipe's end: the file)."""
    sys.stdout.flush()
    sys.stderr.flush()
    found: dict[int, int] = {}
    replaced: list[int] = []
    try:
        for number in (1, 2):
            if stat.S_ISREG(os.fstat(number).st_mode):
                read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
                os.set_blocking(write, True)
                found[read] = os.dup(number)
                os.dup2(write, number)
                os.close(write)
                replaced.append(number)
        yield found
    finally:
        for (read, file), number in zip(found.items(), replaced, strict=True):
            os.dup2(file, number)
            os.close(file)
            os.close(read)


def copy(report: int, found: Mapping[int, int], most: int) -> bytes:
    """Copy what is written to the pipes until `report` ends. Return at most `most` bytes that were read from it."""
    poll = select.poll()
    for fd in (report, *found):
        poll.register(fd, select.POLLIN)
    pieces: list[bytes] = []
    size = 0
    while True:
        for fd, _ in poll.poll():
            if fd in found:
                _forward(fd, found[fd])
                continue
            piece = os.read(report, _SIZE)
            if not piece:
                # The writers are dead now.
                for pipe, file in found.items():
                    while _forward(pipe, file):
                        pass
                return b"".join(pieces)
            if size < most:
                pieces.append(piece)
                size += len(piece)


def _forward(pipe: int, file: int) -> bool:
    """Copy one piece. Return False if there is none."""
    with suppress(BlockingIOError):
        data = memoryview(os.read(pipe, _SIZE))
        while data:
            data = data[os.write(file, data) :]
        return True
    return False
