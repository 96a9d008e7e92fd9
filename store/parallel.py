"""Divide work among copies of this process, which send their results back through pipes.

Threads do not help where Python itself is the bottleneck, as in hashing many small files.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from . import canonical, processes
from .canonical import Value
from .errors import DiskError, FpackError, StoreError, StoreFull, StoreReadOnly
from .files.disk_errors import explain, path_of

_TOKEN = 4  # bytes of the number of a part, and of the length before a message
_PARTS = 32  # parts of the work for each process: few, to keep neighbours together, but enough to balance the load
_MAX_PARTS = 1000  # their numbers fit into the smallest pipe, which is filled before anybody reads it
_BATCH = 256  # results in one message
_SECONDS = 0.02  # a worker sends its results at least this often, so that the caller goes on with them
_DEATH_SIGNAL, _SIGKILL = 1, 9  # PR_SET_PDEATHSIG; an import of `signal` takes a millisecond

# The errors whose class callers distinguish: a full disk is no damage, and ends the command.
_KINDS: dict[str, type[StoreError]] = {
    kind.__name__: kind for kind in (StoreError, StoreFull, StoreReadOnly, DiskError)
}

Work = Callable[[int], Iterable[Value]]


def spread(count: int, work: Work, jobs: int, *, is_uneven: bool = False) -> Iterator[Value]:
    """Call `work` with each number below `count`, in up to `jobs` copies of this process. Yield its results.

    is_uneven: the first numbers are much more work than the others, so each is a part of its own.
    The results, canonical values, come in no particular order. With one job, `work` is called in this process. Raise
    StoreError if a copy dies, or if `work` raises FpackError or OSError in a copy: StoreFull if its disk is full.
    """
    if jobs <= 1 or count <= 1:
        for number in range(count):
            yield from work(number)
        return
    import ctypes

    import msgpack  # noqa: F401  # what encodes results: loaded here, copies of this process have it already

    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def start(results: int, others: Iterable[int]) -> int:
        # A worker would notice the death of this process only when it sends its next results.
        prctl(_DEATH_SIGNAL, _SIGKILL, 0, 0, 0)
        return _worker(tokens, results, others, count, parts, work) if os.getppid() == parent else 1

    parts = min(count, _MAX_PARTS if is_uneven else _PARTS * jobs, _MAX_PARTS)
    # Each worker takes numbers of parts from the pipe `tokens` until it is empty.
    tokens, writing_end = os.pipe2(os.O_CLOEXEC)
    os.write(writing_end, b"".join(number.to_bytes(_TOKEN, "little") for number in range(parts)))
    os.close(writing_end)
    poll = select.poll()
    received: dict[int, bytearray] = {}  # by the reading ends of pipes
    children = []
    try:
        for _ in range(min(jobs, parts)):
            results, out = os.pipe2(os.O_CLOEXEC)
            # A worker must not hold the reading ends of pipes, or it would not notice the death of this process.
            others = [results, *received]
            children.append(processes.fork(partial(start, out, others)))
            os.close(out)
            poll.register(results, select.POLLIN)
            received[results] = bytearray()
        while received:
            for fd, _ in poll.poll():
                piece = os.read(fd, 1 << 16)
                if not piece:
                    poll.unregister(fd)
                    del received[fd]
                    os.close(fd)
                    continue
                received[fd] += piece
                yield from _messages(received[fd])
        while children:
            _join(children.pop())
    finally:
        os.close(tokens)
        for fd in received:
            os.close(fd)  # a worker that still writes gets SIGPIPE or EPIPE, and ends
        for child in children:
            os.waitpid(child, 0)


def _messages(data: bytearray) -> Iterator[Value]:
    """Remove the complete messages from `data`, and yield their results."""
    while len(data) >= _TOKEN:
        end = _TOKEN + int.from_bytes(data[:_TOKEN], "little")
        if len(data) < end:
            return
        message = canonical.decode(bytes(data[_TOKEN:end]))
        del data[:end]
        if isinstance(message, dict):
            raise _KINDS[message.pop("kind")](**message)
        yield from message


def _join(child: int) -> None:
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        why = f"signal {-status}" if status < 0 else f"status {status}"
        raise StoreError("A part of the work failed", why=f"a process ended with {why}", hint="try again")


def _worker(tokens: int, out: int, others: Iterable[int], count: int, parts: int, work: Work) -> int:
    """Run one process: do the work, or send the error that ended it. Return its exit status."""
    import gc

    gc.freeze()  # a search for cycles would copy the pages of all objects that this process has from its parent
    for fd in others:
        os.close(fd)
    try:
        _work(tokens, out, count, parts, work)
    except FpackError as error:
        _send(out, _message(error))
    except OSError as error:
        unknown = StoreError("A file cannot be used", where=path_of(error), why=f"{error.strerror or error}")
        _send(out, _message(explain(error) or unknown))
    return 0


def _message(error: FpackError) -> Value:
    kind = type(error).__name__
    return {
        "kind": kind if kind in _KINDS else StoreError.__name__,
        "what": error.what, "where": error.where, "why": error.why, "hint": error.hint,
    }  # fmt: skip


def _work(tokens: int, out: int, count: int, parts: int, work: Work) -> None:
    """Take parts of the work from the pipe `tokens` until there are none, and send the results in batches."""
    import time

    batch: list[Value] = []
    sent = time.monotonic()
    while token := os.read(tokens, _TOKEN):
        part = int.from_bytes(token, "little")
        for number in range(part * count // parts, (part + 1) * count // parts):
            for result in work(number):
                batch.append(result)
                if len(batch) >= _BATCH or time.monotonic() - sent > _SECONDS:
                    _send(out, batch)
                    batch, sent = [], time.monotonic()
    _send(out, batch)


def _send(out: int, message: Value) -> None:
    body = canonical.encode(message)
    data = memoryview(len(body).to_bytes(_TOKEN, "little") + body)
    while data:
        data = data[os.write(out, data) :]
