"""Limit the memory and the processor time of an evaluation, and end it with an error that has a place.

The thread that waits for an evaluation checks both a few times a second. Beyond a limit it raises `Exhausted` in the
evaluating thread, whose traceback has the place. If that thread does not end, the waiting thread prints the error
itself and ends the process.

The kernel's limits come after that, for a call of C during which no other thread can run. An allocation far beyond the
limit fails before any of it is filled, and a process that computes far beyond its limit is killed.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import time
from _signal import SIGXCPU  # type: ignore[import-not-found]  # `signal` takes a millisecond to be imported
from _thread import allocate_lock, get_ident
from collections.abc import Callable
from types import FrameType

from fpack.lang.errors import Fault
from fpack.store.errors import FpackError
from fpack.store.settings import EVAL_MEMORY, EVAL_TIME

POLL = 0.25  # seconds between looks
REACTION = 5.0  # seconds of processor time that an evaluation has to end
_WAITING = 60.0  # seconds, if it does not use them
_SOON = 0.001
_AGAIN = 1.0  # seconds until it is told once more

# How far the kernel's limits are beyond those of the evaluation: the waiting thread should be first.
_MEMORY_SPARE = 256 << 20
_TIME_SPARE = 20.0

_MORE = 256 << 20  # bytes that the waiting thread may need to end an evaluation

# The interpreter's messages if C code fails and sets no exception, and the file of the frames of an import.
_FORGOTTEN = ("without exception set", "without setting an exception")
_IMPORTING = "<frozen importlib"
_COUNTED = 1 << 62  # more is none to the kernel

_PAGE = os.sysconf("SC_PAGE_SIZE")
_UNITS = ((1 << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K"))


class Exhausted(BaseException):
    """A limit is reached. Like KeyboardInterrupt it is no Exception, so that only its own handler catches it."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.what)
        self.fault = fault


class Limits:
    """The limits of one evaluation, which may take several runs. memory: bytes; seconds: of the processor.

    None is no limit. used: seconds so far. caught: the evaluating thread has caught the error that ends it. locate:
    gives a fault the place that the evaluating thread's frame is at.
    """

    def __init__(self, memory: int | None, seconds: float | None) -> None:
        self.memory = memory
        self.seconds = seconds
        self.used = 0.0
        self.caught = False
        self.locate: Callable[[Fault, FrameType | None], FpackError] = _without_place
        self.base: int | None = None  # bytes that were in use before
        self.data: int | None = None  # bytes that the kernel counted before

    @classmethod
    def found(cls, memory: str | None = None, seconds: str | None = None) -> Limits:
        """Return the limits that the options, else the environment, else the defaults set."""
        return cls(EVAL_MEMORY.find(memory), EVAL_TIME.find(seconds))

    def restart(self) -> None:
        """Begin to count anew."""
        self.used, self.base = 0.0, None

    def too_large(self) -> Fault:
        """Make the fault of an evaluation that takes too much memory."""
        memory = self.memory or 0
        return Fault(
            "The evaluation takes too much memory",
            why=f"the limit is {shown_size(memory)}",
            hint=f"{EVAL_MEMORY.names} sets another limit, as in {EVAL_MEMORY.option} {shown_size(2 * memory)}",
        )

    def too_long(self) -> Fault:
        """Make the fault of an evaluation that takes too long."""
        seconds = self.seconds or 0
        return Fault(
            "The evaluation takes too long",
            why=f"the limit is {seconds:g} seconds of processor time",
            hint=f"{EVAL_TIME.names} sets another limit, as in {EVAL_TIME.option} {2 * seconds or 1:g}",
        )

    def told(self, error: BaseException) -> BaseException:
        """Return the error to show for one that ended the evaluation: out of memory means the limit of memory."""
        # Without memory for an exception, the interpreter sometimes fails and sets none.
        forgotten = isinstance(error, SystemError) and str(error).endswith(_FORGOTTEN)
        if self.memory is not None and (forgotten or isinstance(error, MemoryError)):
            return Exhausted(self.too_large()).with_traceback(error.__traceback__)
        return error


def shown_size(size: int) -> str:
    """Format a size as the option takes it."""
    for unit, letter in _UNITS:
        if size >= unit:
            return f"{size / unit:.1f}".removesuffix(".0") + letter
    return str(size)


class Watch:
    """Checks the limits of one run of an evaluation, from the thread that waits for it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._thread = 0
        self._clock = -1  # of the evaluating thread's processor time
        self._fault: Fault | None = None
        self._raised = False
        self._since = self._last = self._spent_before = 0.0
        limits.caught = False
        if limits.base is None and limits.memory is not None:
            limits.base = resident()

    def enter(self) -> None:
        """Note, in the evaluating thread, that it begins."""
        self._thread = get_ident()
        self._clock = time.pthread_getcpuclockid(self._thread)

    def leave(self) -> None:
        """Note, in the evaluating thread, that it ends."""
        self.limits.used += time.thread_time()

    def look_after(self, request: Callable[[], None]) -> None:
        """Do something for the evaluating thread, and count its time."""
        begun = time.thread_time()
        request()
        self.limits.used += time.thread_time() - begun

    @property
    def patience(self) -> float:
        """Seconds until the next check. Short runs are checked as well, once all of them together took too long."""
        seconds = self.limits.seconds
        if self._fault is not None and not self._raised:
            return _SOON
        return POLL if seconds is None or self.limits.used < seconds else _SOON

    @property
    def fault(self) -> Fault | None:
        """The limit that was reached, if one was."""
        return self._fault

    def look(self, end: Callable[[FpackError], None]) -> bool:
        """End the evaluation if a limit is reached; return False if its thread is gone.

        end: prints an error and ends the process.
        """
        if not self._thread:
            return True  # it has not begun
        frame = sys._current_frames().get(self._thread)
        if frame is None:
            return False
        if self.limits.caught:
            return True  # an error has ended it already
        now = time.monotonic()
        if self._fault is None:
            self._fault = self._reached()
            if self._fault is not None:
                _relax()
                self._since = self._last = now
                self._spent_before = self._spent()
                self._raised = self._raise(self._fault)
        # On a busy machine the thread gets little time, and one that waits for something uses none.
        elif self._spent() - self._spent_before > REACTION or now - self._since > _WAITING:
            end(self.limits.locate(self._fault, frame))
        elif not self._raised or now - self._last > _AGAIN:
            self._last = now
            self._raised = self._raise(self._fault)
        return True

    def _reached(self) -> Fault | None:
        limits = self.limits
        try:
            if limits.seconds is not None and limits.used + self._spent() > limits.seconds:
                return limits.too_long()
            if limits.memory is not None and resident() - (limits.base or 0) > limits.memory:
                return limits.too_large()
        except MemoryError:
            if limits.memory is None:
                raise
            return limits.too_large()
        return None

    def _spent(self) -> float:
        try:
            return time.clock_gettime(self._clock) if self._clock != -1 else 0.0
        except OSError:
            return 0.0  # it has just ended

    def _raise(self, fault: Fault) -> bool:
        class Reached(Exhausted):
            """The interpreter makes an instance of it, without arguments."""

            def __init__(self) -> None:
                super().__init__(fault)

        return raise_in(self._thread, Reached)


def raise_in(thread: int, error: type[BaseException]) -> bool:
    """Raise an error in a thread as soon as it runs Python code; return False, and do nothing, while it imports.

    A thread that is ended while it imports a module may hold the interpreter's import lock forever.
    """
    import ctypes

    at = sys._current_frames().get(thread)
    while at is not None:
        if at.f_code.co_filename.startswith(_IMPORTING):
            return False
        at = at.f_back
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))
    return True


def _without_place(fault: Fault, frame: FrameType | None) -> FpackError:
    """Return the fault itself: nothing but an evaluator knows which place a frame is at."""
    return fault


def end(error: FpackError) -> None:
    """Print an error and end the process."""
    from fpack.lang.errors import render

    text = render(error) + "\n"
    os.write(2, text.encode("utf-8", "backslashreplace"))
    os._exit(error.exit_code)


# ---- what the process has, and what the kernel allows it


def _statm() -> list[int]:
    """Read the pages of this process: size, resident, shared, text, library, data, dirty. Zeros without /proc."""
    try:
        with open("/proc/self/statm", "rb", buffering=0) as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return [0] * 7


def resident() -> int:
    """Return how many bytes of memory this process uses, without those of files."""
    pages = _statm()
    return (pages[1] - pages[2]) * _PAGE


_turn = allocate_lock()
_guards = 0
_before: list[tuple[int, tuple[int, int]]] = []  # at most two limits: `guard` sets them once until `unguard`


def guard(limits: Limits, stack: int) -> None:
    """Set the kernel's limits, far beyond those of an evaluation. stack: bytes of the stack that it will have."""
    global _guards
    with _turn:
        _guards += 1
        if _guards > 1:
            return
        import resource

        if limits.memory is not None:
            used = _statm()[5] * _PAGE
            limits.data = used if limits.data is None else limits.data
            spare = limits.memory // 4 + _MEMORY_SPARE
            _lower(resource.RLIMIT_DATA, max(limits.data + limits.memory, used) + stack + spare)
        if limits.seconds is not None:
            left = max(0.0, limits.seconds - limits.used)
            if _lower(resource.RLIMIT_CPU, int(time.process_time() + left * 1.25 + _TIME_SPARE) + 1):
                faulthandler.register(SIGXCPU, file=2, chain=True)


def _relax() -> None:
    """Raise the kernel's limit of memory a little: it is that of the whole process, and to end a thread takes some."""
    import resource

    with _turn:
        if any(which == resource.RLIMIT_DATA for which, _ in _before):
            soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
            more = soft + _MORE if hard == resource.RLIM_INFINITY else min(soft + _MORE, hard)
            resource.setrlimit(resource.RLIMIT_DATA, (more, hard))


def unguard() -> None:
    """Undo `guard` when the last of several evaluations is over."""
    global _guards
    with _turn:
        _guards -= 1
    if not _guards:
        _release()


def _release() -> None:
    """Put the kernel's limits back."""
    if _before:
        import resource

        with _turn:
            while _before:
                which, limits = _before.pop()
                resource.setrlimit(which, limits)
        faulthandler.unregister(SIGXCPU)


def _lower(which: int, limit: int) -> bool:
    """Set a soft limit, if it is lower than the one that is set."""
    import resource

    soft, hard = resource.getrlimit(which)
    if limit > _COUNTED:
        return False
    if soft != resource.RLIM_INFINITY and soft <= limit:
        return False
    if hard != resource.RLIM_INFINITY and hard < limit:
        return False
    _before.append((which, (soft, hard)))
    resource.setrlimit(which, (limit, hard))
    return True
