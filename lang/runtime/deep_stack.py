"""Run an evaluation in a thread with a large stack and a recursion limit that fits the stack.

The calling thread waits and checks the limits of the evaluation (limits.py). Only the main thread receives Ctrl-C, and
only between two Python instructions, so the waiting thread also makes C calls that may take long.
"""

from __future__ import annotations

import _thread
import gc
import sys
from _queue import Empty, SimpleQueue
from _weakref import ref
from collections.abc import Callable

from fpack.light_typing import Any

from .limits import Exhausted, Limits, Watch, end, guard, raise_in, unguard

STACK = 512 << 20
FRAMES = 80_000  # a call between two Python functions takes no C stack, and a call through C takes a few KB
_SMALL_STACK = 32 << 20
_SMALL_FRAMES = 5_000

# An evaluation makes many small objects that live long. A search for cycles after every 700 new objects takes most of
# its time, and one after every 500,000 still takes up to a quarter. The thresholds stay: if they were lowered after an
# evaluation, a search would begin at once, among values that all live on.
_COLLECT = (1_000_000, 10, 10)

# An interrupted evaluation is told to end this often, and is given this many seconds each time.
_TRIES = 10
_PATIENCE = 0.2

_NOTHING = object()

Requests = SimpleQueue[Callable[[], None] | None]


class Slow(Exception):
    """The error of a call that took longer than its limit."""


class _Token:
    """An object that the interpreter keeps for a thread until the thread has ended."""


# `requests` in an evaluating thread: the functions that the waiting thread must call; None ends the wait. The
# interpreter deletes the attribute with the thread, however the thread ends.
_local = _thread._local()


def run(work: Callable[[], Any], limits: Limits | None = None) -> Any:
    """Return the result of `work()`, or raise its error; raise RecursionError if it recurses too deeply.

    limits: of memory and time; Exhausted is raised if one of them is exceeded.
    """
    if is_inside():
        return work()
    limits = Limits(None, None) if limits is None else limits
    watch = Watch(limits)
    requests: Requests = SimpleQueue()
    outcome: list[Any] = [_NOTHING, None]

    def body(token: object) -> None:
        del token  # the traceback of an error would keep it
        # `Exhausted` may be raised at any instant, and any statement may run out of memory. So the outcome is stored
        # first, and no error leaves this function, because the interpreter would print it.
        try:
            try:
                watch.enter()
                _local.requests = requests
                outcome[0] = work()
            except BaseException as error:
                outcome[1] = error
            limits.caught = True
            watch.leave()
        except BaseException as error:
            if outcome[1] is None:
                outcome[1] = error
        finally:
            try:
                requests.put(None)
            except BaseException:
                pass  # the waiting thread notices that this thread has ended

    limit = sys.getrecursionlimit()
    gc.set_threshold(*_COLLECT)
    thread = 0
    guard(limits, STACK)
    try:
        try:
            watch.token = ref(token := _Token())
            thread = _start(body, limit, token)
            del token
            _wait(requests, watch)
        finally:
            unguard()
    except BaseException as error:
        _end(thread, requests)
        if not isinstance(error, MemoryError):
            raise
        outcome[1] = error  # the kernel's limit is for the whole process, so the waiting thread can exceed it too
    finally:
        sys.setrecursionlimit(limit)
    if outcome[0] is not _NOTHING:
        return outcome[0]
    failure = outcome[1]
    if failure is None:  # the thread ended without storing an error
        failure = MemoryError() if watch.fault is None else Exhausted(watch.fault)
    try:
        raise limits.explained(failure)
    finally:
        # The traceback refers to this frame. A cycle would keep the values of the evaluation in memory.
        outcome.clear()
        del failure


def bounded(work: Callable[[], Any], limits: Limits | None) -> Any:
    """Return the result of `work()` as `run` does, but raise a Fault without a position if a limit is exceeded."""
    try:
        return run(work, limits)
    except Exhausted as reached:
        raise reached.fault from None


def is_inside() -> bool:
    """Return whether `run` has started this thread."""
    return hasattr(_local, "requests")


def _wait(requests: Requests, watch: Watch) -> None:
    """Call the functions that an evaluation requests until its thread ends, and check its limits."""
    while True:
        try:
            request = requests.get(timeout=watch.interval)
        except Empty:
            if not watch.check(end):
                return
            continue
        if request is None:
            return
        watch.serve(request)
        watch.check(end)


def interruptible(work: Callable[[], Any], seconds: float, unlimited: bool = True) -> Any:
    """Return the result of `work()`, a C call that Ctrl-C can end; raise Slow if it takes longer than `seconds`.

    This holds in an evaluation that the main thread waits for. Elsewhere, `work` is called without a limit, or, if
    `unlimited` is False, not at all: then Slow is raised.
    """
    requests: Requests | None = getattr(_local, "requests", None)
    if requests is None:
        return _unlimited(work, unlimited)
    done = _thread.allocate_lock()
    done.acquire()
    outcome: list[Any] = [None, None]

    def request() -> None:
        try:
            outcome[0] = _limited(work, seconds, unlimited)
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


def _unlimited(work: Callable[[], Any], allowed: bool) -> Any:
    if not allowed:
        raise Slow
    return work()


def _limited(work: Callable[[], Any], seconds: float, unlimited: bool) -> Any:
    """Do work for at most `seconds` of processor time; raise Slow then. Only the main thread can be limited."""
    import signal

    def expired(number: int, frame: object) -> None:
        raise Slow

    try:
        before = signal.signal(signal.SIGVTALRM, expired)
    except ValueError:
        return _unlimited(work, unlimited)  # this is not the main thread
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        return work()
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _end(thread: int, requests: Requests) -> None:
    """End a thread whose result is no longer needed, so that it does not run on in the background."""
    if not thread:
        return
    for _ in range(_TRIES):
        raise_in(thread, SystemExit)  # the interpreter does not print this error
        try:
            while requests.get(timeout=_PATIENCE) is not None:
                pass
            return
        except Empty:
            continue


def _start(body: Callable[[object], None], limit: int, token: object) -> int:
    """Start a thread with the largest stack that the machine allows and a safe recursion limit; return its id.

    token: what `body` is called with.
    """
    for stack, frames in ((STACK, FRAMES), (_SMALL_STACK, _SMALL_FRAMES)):
        before = _thread.stack_size(stack)
        sys.setrecursionlimit(max(limit, frames))
        try:
            return _thread.start_new_thread(body, (token,))
        except RuntimeError:
            continue
        finally:
            _thread.stack_size(before)
    raise MemoryError("no memory for a thread's stack")
