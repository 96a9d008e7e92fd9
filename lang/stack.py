"""Deep recursion without a crash: evaluation runs in a thread with a large stack and a limit that fits it."""

from __future__ import annotations

import _thread
import gc
import sys
from collections.abc import Callable
from typing import Any

STACK = 512 << 20
FRAMES = 80_000  # Python frames; a call between two Python functions takes no C stack, one through C a few KB
_SMALL_STACK = 32 << 20
_SMALL_FRAMES = 5_000

# An evaluation makes many small objects that live long; looking for cycles at every 700th takes most of its time.
_COLLECT = (100_000, 20, 50)

_inside: set[int] = set()


def run(work: Callable[[], Any]) -> Any:
    """The result of `work()`; what it raises is raised here. RecursionError where it recurses beyond the limit."""
    if _thread.get_ident() in _inside:
        return work()
    done = _thread.allocate_lock()
    done.acquire()
    outcome: list[Any] = [None, None]

    def body() -> None:
        ident = _thread.get_ident()
        _inside.add(ident)
        try:
            outcome[0] = work()
        except BaseException as error:
            outcome[1] = error
        finally:
            _inside.discard(ident)
            done.release()

    limit, thresholds = sys.getrecursionlimit(), gc.get_threshold()
    gc.set_threshold(*_COLLECT)
    try:
        _start(body, limit)
        done.acquire()
    finally:
        sys.setrecursionlimit(limit)
        gc.set_threshold(*thresholds)
    if outcome[1] is not None:
        raise outcome[1]
    return outcome[0]


def _start(body: Callable[[], None], limit: int) -> None:
    """Start a thread with as much stack as this machine gives, and the recursion limit that is safe in it."""
    for stack, frames in ((STACK, FRAMES), (_SMALL_STACK, _SMALL_FRAMES)):
        before = _thread.stack_size(stack)
        sys.setrecursionlimit(max(limit, frames))
        try:
            _thread.start_new_thread(body, ())
            return
        except RuntimeError:
            continue
        finally:
            _thread.stack_size(before)
    raise MemoryError("no memory for a thread's stack")
