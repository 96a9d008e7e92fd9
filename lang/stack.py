"""Deep recursion without a crash: evaluation runs in a thread with a large stack and a limit that fits it.

The thread that asked for it waits meanwhile. Ctrl-C reaches that one alone, and only when the interpreter gets to
look; so it also makes the calls of C that may take long.
"""

from __future__ import annotations

import _thread
import gc
import sys
from _queue import SimpleQueue
from collections.abc import Callable
from typing import Any

STACK = 512 << 20
FRAMES = 80_000  # Python frames; a call between two Python functions takes no C stack, one through C a few KB
_SMALL_STACK = 32 << 20
_SMALL_FRAMES = 5_000

# An evaluation makes many small objects that live long; looking for cycles at every 700th takes most of its time,
# and at every 100,000th still a third of some.
_COLLECT = (500_000, 10, 10)

# How often, and how long, an evaluation that is to end is waited for.
_TRIES = 10
_PATIENCE = 0.2

# What the waiting thread is asked to do, by the evaluating one's number; None when the evaluation is done.
_inside: dict[int, SimpleQueue[Callable[[], None] | None]] = {}


class Slow(Exception):
    """A call took longer than it may."""


def run(work: Callable[[], Any]) -> Any:
    """The result of `work()`; what it raises is raised here. RecursionError where it recurses beyond the limit."""
    if _thread.get_ident() in _inside:
        return work()
    requests: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
    outcome: list[Any] = [None, None]

    def body() -> None:
        ident = _thread.get_ident()
        _inside[ident] = requests
        try:
            outcome[0] = work()
        except BaseException as error:
            outcome[1] = error
        finally:
            del _inside[ident]
            requests.put(None)

    limit, thresholds = sys.getrecursionlimit(), gc.get_threshold()
    gc.set_threshold(*_COLLECT)
    thread = 0
    try:
        thread = _start(body, limit)
        while (request := requests.get()) is not None:
            request()
    except BaseException:
        _end(thread, requests)
        raise
    finally:
        sys.setrecursionlimit(limit)
        gc.set_threshold(*thresholds)
    if outcome[1] is not None:
        raise outcome[1]
    return outcome[0]


def interruptible(work: Callable[[], Any], seconds: float) -> Any:
    """The result of `work()`, a long call of C, made where Ctrl-C ends it; Slow if it takes over `seconds`.

    That holds for an evaluation that the main thread waits for. Elsewhere it is a call as any other.
    """
    requests = _inside.get(_thread.get_ident())
    if requests is None:
        return work()
    done = _thread.allocate_lock()
    done.acquire()
    outcome: list[Any] = [None, None]

    def request() -> None:
        try:
            outcome[0] = _limited(work, seconds)
        except BaseException as error:
            outcome[1] = error
            if not isinstance(error, Exception):
                raise
        finally:
            done.release()

    requests.put(request)
    done.acquire()
    if outcome[1] is not None:
        raise outcome[1]
    return outcome[0]


def _limited(work: Callable[[], Any], seconds: float) -> Any:
    import signal

    def expired(number: int, frame: object) -> None:
        raise Slow

    try:
        before = signal.signal(signal.SIGALRM, expired)
    except ValueError:
        return work()  # this is not the main thread
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return work()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _end(thread: int, requests: SimpleQueue[Callable[[], None] | None]) -> None:
    """End a thread whose result nobody wants any more, so that it does not run on beside what comes next."""
    if not thread:
        return
    import ctypes
    from _queue import Empty

    for _ in range(_TRIES):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt))
        try:
            while requests.get(timeout=_PATIENCE) is not None:
                pass
            return
        except Empty:
            continue


def _start(body: Callable[[], None], limit: int) -> int:
    """Start a thread with as much stack as this machine gives, and the recursion limit that is safe; its number."""
    for stack, frames in ((STACK, FRAMES), (_SMALL_STACK, _SMALL_FRAMES)):
        before = _thread.stack_size(stack)
        sys.setrecursionlimit(max(limit, frames))
        try:
            return _thread.start_new_thread(body, ())
        except RuntimeError:
            continue
        finally:
            _thread.stack_size(before)
    raise MemoryError("no memory for a thread's stack")
