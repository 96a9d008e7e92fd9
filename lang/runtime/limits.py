"""Limit the memory and processor time of an evaluation, and end it with an error that has a source position.

The thread that waits for an evaluation checks both limits a few times a second. If one is exceeded, it raises
`Exhausted` in the evaluating thread, whose traceback leads to the position. If that thread does not end, the waiting
thread prints the error itself and ends the process.

Limits of the kernel, which are higher, stop a C function during which no other thread can run: an allocation far beyond
the limit fails, and a process that computes far beyond its limit is killed.
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
from fpack.store.errors import FpackError, counted
from fpack.store.settings import EVAL_MEMORY, EVAL_TIME

POLL = 0.25  # seconds between checks
REACTION = 5.0  # seconds of processor time in which an evaluation must end after `Exhausted` was raised in it
_MAX_WAIT = 60.0  # seconds in which it must end even if it uses less processor time
_SHORT_POLL = 0.001
_RAISE_INTERVAL = 1.0  # seconds until `Exhausted` is raised again

# The kernel's limits are higher by this much, so that the waiting thread acts first.
_MEMORY_SPARE = 256 << 20
_TIME_SPARE = 20.0

_END_MEMORY = 256 << 20  # bytes that the waiting thread may need to end an evaluation

# The ends of the interpreter's messages if C code fails and sets no exception.
_NO_EXCEPTION = ("without exception set", "without setting an exception")
_IMPORT_FILE = "<frozen importlib"  # how the file names of an import's frames begin
_MAX_LIMIT = 1 << 62  # the kernel does not enforce higher limits

_PAGE = os.sysconf("SC_PAGE_SIZE")
_UNITS = ((1 << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K"))


class Exhausted(BaseException):
    """A limit was exceeded. The class is not an Exception, so `except Exception` does not catch it."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.what)
        self.fault = fault


class Limits:
    """The limits of one evaluation, which may take several runs. memory: bytes. seconds: of processor time.

    None means no limit. used: seconds used so far. caught: the evaluating thread has caught the error that ends it.
    locate: adds the source position of the evaluating thread's frame to a fault.
    """

    def __init__(self, memory: int | None, seconds: float | None) -> None:
        self.memory = memory
        self.seconds = seconds
        self.used = 0.0
        self.caught = False
        self.locate: Callable[[Fault, FrameType | None], FpackError] = _unlocated
        self.base: int | None = None  # bytes in use before the evaluation
        self.data: int | None = None  # bytes that count for RLIMIT_DATA before the evaluation

    @classmethod
    def configured(cls, memory: str | None = None, seconds: str | None = None) -> Limits:
        """Return the limits in effect. memory, seconds: the values of the options."""
        return cls(EVAL_MEMORY.find(memory), EVAL_TIME.find(seconds))

    def restart(self) -> None:
        """Reset the time and memory used."""
        self.used, self.base = 0.0, None

    def too_large(self) -> Fault:
        """Return the fault of an evaluation that exceeds the limit of memory."""
        memory = self.memory or 0
        return Fault(
            "The evaluation takes too much memory",
            why=f"the limit is {shown_size(memory)}",
            hint=f"{EVAL_MEMORY.names} sets another limit, as in {EVAL_MEMORY.option} {shown_size(2 * memory)}",
        )

    def out_of_memory(self) -> Fault:
        """Return the fault of an evaluation without memory: the limit of the user's shell is named if it is lower."""
        import resource

        for option, which in (("-v", resource.RLIMIT_AS), ("-d", resource.RLIMIT_DATA)):
            soft, _ = resource.getrlimit(which)
            if soft != resource.RLIM_INFINITY and soft < (self.memory or 0):
                why = f"a process may have {shown_size(soft)} here"
                return Fault("There is not enough memory for the evaluation", why=why, hint=f"see ulimit {option}")
        return self.too_large()

    def too_long(self) -> Fault:
        """Return the fault of an evaluation that exceeds the limit of time."""
        seconds = self.seconds or 0
        return Fault(
            "The evaluation takes too long",
            why=f"the limit is {counted(seconds, 'second')} of processor time",
            hint=f"{EVAL_TIME.names} sets another limit, as in {EVAL_TIME.option} {2 * seconds or 1:g}",
        )

    def explained(self, error: BaseException) -> BaseException:
        """Return the error to show for `error`, which ended the evaluation: `Exhausted` for a lack of memory."""
        # If there is no memory for an exception, the interpreter sometimes fails without setting one.
        unset = isinstance(error, SystemError) and str(error).endswith(_NO_EXCEPTION)
        if self.memory is not None and (unset or isinstance(error, MemoryError)):
            return Exhausted(self.out_of_memory()).with_traceback(error.__traceback__)
        return error


def shown_size(size: int) -> str:
    """Format a size in the syntax of the option."""
    for unit, letter in _UNITS:
        if size >= unit:
            return f"{size / unit:.1f}".removesuffix(".0") + letter
    return str(size)


class Watch:
    """A check of the limits of one run of an evaluation, made by the thread that waits for it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.token: Callable[[], object] = lambda: self  # it returns None when the thread has ended
        self._thread = 0
        self._clock = -1  # the clock of the evaluating thread's processor time
        self._begun = 0.0  # what that clock said at the beginning
        self._fault: Fault | None = None
        self._raised = False
        self._since = self._last = self._spent_before = 0.0
        limits.caught = False
        if limits.base is None and limits.memory is not None:
            limits.base = resident()

    def enter(self) -> None:
        """Start the run. Must be called in the evaluating thread."""
        self._thread = get_ident()
        clock = time.pthread_getcpuclockid(self._thread)
        self._begun = time.clock_gettime(clock)
        self._clock = clock

    def leave(self) -> None:
        """End the run. Must be called in the evaluating thread."""
        self.limits.used += self._spent()

    def serve(self, request: Callable[[], None]) -> None:
        """Call a function for the evaluating thread, and count its processor time."""
        begun = time.thread_time()
        request()
        self.limits.used += time.thread_time() - begun

    @property
    def interval(self) -> float:
        """Seconds until the next check. It is short once the runs together have taken too long."""
        seconds = self.limits.seconds
        if self._fault is not None and not self._raised:
            return _SHORT_POLL
        return POLL if seconds is None or self.limits.used < seconds else _SHORT_POLL

    @property
    def fault(self) -> Fault | None:
        """The fault of the exceeded limit, or None."""
        return self._fault

    def check(self, end: Callable[[FpackError], None]) -> bool:
        """End the evaluation if a limit is exceeded. Return False if its thread has ended.

        end: prints an error and ends the process.
        """
        if not self._thread:
            return self.token() is not None  # a thread that has no memory can end before it enters the run
        frame = sys._current_frames().get(self._thread)
        if frame is None:
            return False
        if self.limits.caught:
            return True  # an error is ending the run already
        now = time.monotonic()
        if self._fault is None:
            self._fault = self._reached()
            if self._fault is not None:
                _raise_memory_limit()
                self._since = self._last = now
                self._spent_before = self._spent()
                self._raised = self._raise(self._fault)
        # A thread gets little processor time on a busy machine, and uses none while it waits for something.
        elif self._spent() - self._spent_before > REACTION or now - self._since > _MAX_WAIT:
            end(self.limits.locate(self._fault, frame))
        elif not self._raised or now - self._last > _RAISE_INTERVAL:
            self._last = now
            self._raised = self._raise(self._fault)
        return True

    def _reached(self) -> Fault | None:
        """Return the fault of a limit that is exceeded now, or None."""
        limits = self.limits
        try:
            if limits.seconds is not None and limits.used + self._spent() > limits.seconds:
                return limits.too_long()
            if limits.memory is not None and resident() - (limits.base or 0) > limits.memory:
                return limits.too_large()
        except MemoryError:
            if limits.memory is None:
                raise
            return limits.out_of_memory()
        return None

    def _spent(self) -> float:
        try:
            # The clock's own begin is not 0 where a library sets the time, as faketime does.
            return time.clock_gettime(self._clock) - self._begun if self._clock != -1 else 0.0
        except OSError:
            return 0.0  # the thread has just ended

    def _raise(self, fault: Fault) -> bool:
        """Raise an error in the evaluating thread. Return False if the thread has ended."""

        class Reached(Exhausted):
            """The interpreter creates the instance, without arguments."""

            def __init__(self) -> None:
                super().__init__(fault)

        return raise_in(self._thread, Reached)


def raise_in(thread: int, error: type[BaseException]) -> bool:
    """Raise an error in a thread as soon as the thread runs Python code. Return False, without effect, if it imports.

    A thread that ends while it imports a module may keep the interpreter's import lock forever.
    """
    import ctypes

    frame = sys._current_frames().get(thread)
    while frame is not None:
        if frame.f_code.co_filename.startswith(_IMPORT_FILE):
            return False
        frame = frame.f_back
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))
    return True


def _unlocated(fault: Fault, frame: FrameType | None) -> FpackError:
    """Return the fault itself. Only an evaluator can find the source position of a frame."""
    return fault


def end(error: FpackError) -> None:
    """Print an error and end the process."""
    from fpack.lang.errors import render

    text = render(error) + "\n"
    os.write(2, text.encode("utf-8", "backslashreplace"))
    os._exit(error.exit_code)


# ---- memory in use, and the kernel's limits


def _statm() -> list[int]:
    """Read the pages of this process: size, resident, shared, text, library, data, dirty. Zeros without /proc."""
    try:
        with open("/proc/self/statm", "rb", buffering=0) as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return [0] * 7


def resident() -> int:
    """Return the bytes of memory that this process uses, without mapped files."""
    pages = _statm()
    return (pages[1] - pages[2]) * _PAGE


_turn = allocate_lock()
_guards = 0
_before: list[tuple[int, tuple[int, int]]] = []  # at most two limits: `guard` sets them once until `unguard`


def guard(limits: Limits, stack: int) -> None:
    """Set the kernel's limits for an evaluation. stack: the size in bytes of the stack that it will have."""
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


def _raise_memory_limit() -> None:
    """Raise the kernel's limit, which is for the whole process: ending the evaluating thread takes some memory."""
    import resource

    with _turn:
        if any(which == resource.RLIMIT_DATA for which, _ in _before):
            soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
            more = soft + _END_MEMORY if hard == resource.RLIM_INFINITY else min(soft + _END_MEMORY, hard)
            resource.setrlimit(resource.RLIMIT_DATA, (more, hard))


def unguard() -> None:
    """Undo `guard` after the last of several concurrent evaluations."""
    global _guards
    with _turn:
        _guards -= 1
    if not _guards:
        _release()


def _release() -> None:
    """Restore the kernel's limits."""
    if _before:
        import resource

        with _turn:
            while _before:
                which, limits = _before.pop()
                resource.setrlimit(which, limits)
        faulthandler.unregister(SIGXCPU)


def _lower(which: int, limit: int) -> bool:
    """Set a soft limit if it is lower than the present one. Return True if it was set."""
    import resource

    soft, hard = resource.getrlimit(which)
    if limit > _MAX_LIMIT:
        return False
    if soft != resource.RLIM_INFINITY and soft <= limit:
        return False
    if hard != resource.RLIM_INFINITY and hard < limit:
        return False
    _before.append((which, (soft, hard)))
    resource.setrlimit(which, (limit, hard))
    return True
