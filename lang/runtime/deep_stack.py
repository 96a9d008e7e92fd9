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

from .limits import Exhausted, Limits, Watch, end, guard, raise_in, unguard

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

Requests = SimpleQueue[Callable[[], None] | None]


class Slow(Exception):
    """A call took longer than it may."""


# What the waiting thread is asked to do, in an evaluating thread; None when the evaluation is done. The interpreter
# drops it with the thread, however that ends.
_local = _thread._local()


def run(work: Callable[[], Any], limits: Limits | None = None) -> Any:
    """Return the result of `work()`; what it raises is raised here. RecursionError where it recurses beyond the limit.

    limits: of memory and time; Exhausted where it is beyond one of them.
    """
    if is_inside():
        return work()
    limits = Limits(None, None) if limits is None else limits
    watch = Watch(limits)
    requests: Requests = SimpleQueue()
    outcome: list[Any] = [_NOTHING, None]

    def body() -> None:
        # `Exhausted` may be raised at any instant, and memory may be missing for anything. So the outcome is noted
        # before all else, and nothing is raised in the end: the interpreter would print it.
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
                pass  # the waiting thread sees that this one is gone

    limit, thresholds = sys.getrecursionlimit(), gc.get_threshold()
    gc.set_threshold(*_COLLECT)
    thread = 0
    guard(limits, STACK)
    try:
        try:
            thread = _start(body, limit)
            _wait(requests, watch)
        finally:
            unguard()
    except BaseException as error:
        _end(thread, requests)
        if not isinstance(error, MemoryError):
            raise
        outcome[1] = error  # the kernel's limit is that of the whole process: it can fail the waiting thread as well
    finally:
        sys.setrecursionlimit(limit)
        gc.set_threshold(*thresholds)
    if outcome[0] is not _NOTHING:
        return outcome[0]
    failure = outcome[1]
    if failure is None:  # the thread ended, and could not say why
        failure = MemoryError() if watch.fault is None else Exhausted(watch.fault)
    try:
        raise limits.explained(failure)
    finally:
        # The traceback holds this frame. In a cycle, what the evaluation made would stay in memory.
        outcome.clear()
        del failure


def bounded(work: Callable[[], Any], limits: Limits | None) -> Any:
    """Do as `run` does, but raise the fault of a limit that is reached, which has no place."""
    try:
        return run(work, limits)
    except Exhausted as reached:
        raise reached.fault from None


def is_inside() -> bool:
    """Tell whether this thread is one that `run` has made."""
    return hasattr(_local, "requests")


def _wait(requests: Requests, watch: Watch) -> None:
    """Do what an evaluation asks for until its thread is done or gone, and check its limits."""
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


def interruptible(work: Callable[[], Any], seconds: float) -> Any:
    """The result of `work()`, a long call of C, made where Ctrl-C ends it; Slow if it takes over `seconds`.

    That holds for an evaluation that the main thread waits for. Elsewhere it is a call as any other.
    """
    requests: Requests | None = getattr(_local, "requests", None)
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


def _end(thread: int, requests: Requests) -> None:
    """End a thread whose result nobody wants any more, so that it does not run on beside what comes next."""
    if not thread:
        return
    for _ in range(_TRIES):
        raise_in(thread, SystemExit)  # which nobody prints
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
