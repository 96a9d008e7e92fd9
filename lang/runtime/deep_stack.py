"""Deep recursion without a crash: evaluation runs in a thread with a large stack and a limit that fits it.

The thread that asked for it waits meanwhile, and looks after its limits (limits.py). Ctrl-C reaches that one alone, and
only when the interpreter gets to look; so it also makes the calls of C that may take long.
"""

from __future__ import annotations

import _thread
import gc
import sys
from _queue import Empty, SimpleQueue
from collections.abc import Callable
from typing import Any

from .limits import Exhausted, Limits, Watch, end, guard, unguard

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

_NOTHING = object()


class Slow(Exception):
    """A call took longer than it may."""


class _Run:
    """An evaluation on its way, by its thread's number in `_inside`."""

    __slots__ = ("requests", "limits")

    def __init__(self, limits: Limits | None) -> None:
        # What the waiting thread is asked to do; None when the evaluation is done.
        self.requests: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self.limits = limits


_inside: dict[int, _Run] = {}


def run(work: Callable[[], Any], limits: Limits | None = None) -> Any:
    """The result of `work()`; what it raises is raised here. RecursionError where it recurses beyond the limit.

    limits: what it may take. Where it is beyond one of them, and does not say where, their error is raised.
    """
    if _thread.get_ident() in _inside:
        return work()
    this = _Run(limits)
    outcome: list[Any] = [_NOTHING, None]
    watch = Watch(limits) if limits is not None else None

    def body() -> None:
        ident = _thread.get_ident()
        try:
            try:
                _inside[ident] = this
                if watch is not None:
                    watch.enter()
                outcome[0] = work()
            except BaseException as error:
                outcome[1] = error
                if limits is not None:
                    outcome[1] = limits.told(error)
            if watch is not None:
                watch.leave()
            _inside.pop(ident, None)
        except Exhausted as error:
            # It was raised before all was done, and comes only now.
            if outcome == [_NOTHING, None]:
                outcome[1] = error
        this.requests.put(None)

    limit, thresholds = sys.getrecursionlimit(), gc.get_threshold()
    gc.set_threshold(*_COLLECT)
    thread = 0
    if limits is not None:
        guard(limits, STACK)
    try:
        thread = _start(body, limit)
        if watch is None:
            while (request := this.requests.get()) is not None:
                request()
        else:
            _wait(this.requests, watch)
    except BaseException:
        _end(thread, this.requests)
        raise
    finally:
        if limits is not None:
            unguard()
        sys.setrecursionlimit(limit)
        gc.set_threshold(*thresholds)
    if isinstance(outcome[1], Exhausted):
        raise outcome[1].fault
    if outcome[1] is not None:
        raise outcome[1]
    if outcome[0] is _NOTHING:
        _inside.pop(thread, None)
        raise watch.fault if watch is not None and watch.fault is not None else RuntimeError("an evaluation is gone")
    return outcome[0]


def _wait(requests: SimpleQueue[Callable[[], None] | None], watch: Watch) -> None:
    """Do what an evaluation asks for until it is done, or gone, and look after its limits."""
    while True:
        try:
            request = requests.get(timeout=watch.patience)
        except Empty:
            if not watch.look(end):
                return
            continue
        if request is None:
            return
        watch.look_after(request)
        watch.look(end)


def interruptible(work: Callable[[], Any], seconds: float) -> Any:
    """The result of `work()`, a long call of C, made where Ctrl-C ends it; Slow if it takes over `seconds`.

    That holds for an evaluation that the main thread waits for. Elsewhere it is a call as any other.
    """
    this = _inside.get(_thread.get_ident())
    if this is None:
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

    this.requests.put(request)
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
