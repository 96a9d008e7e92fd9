"""Copy between fpack's standard streams and a command's terminal or pipes, until the command's parent ends.

The command gets no descriptor of the caller's: a process in a container could open the caller's terminal or files by
them again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import struct
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from . import survivors

_SIZE = 1 << 16  # bytes that are read at once
_PASSED = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
_ENDING = (signal.SIGHUP,)


class SessionEnded(Exception):
    """A signal, or a reader that is gone, ends the session. status: the exit status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Relay:
    """The copying of one session. ends: of its terminal, or of the pipes for input, output and errors.

    parent: the parent of the command, as a process id.
    """

    def __init__(self, ends: Sequence[int], parent: int) -> None:
        self._is_terminal = len(ends) == 1
        self._input = ends[0]
        self._outputs = {ends[0]: 1} if self._is_terminal else {ends[1]: 1, ends[2]: 2}
        self._parent = parent
        self._pending = b""
        self._has_input = True
        os.set_blocking(self._input, False)

    def run(self, until: int) -> None:
        """Copy until a descriptor can be read. Raise SessionEnded if the session has to end before."""
        with self._signals(), self._raw():
            while True:
                poll = select.poll()
                poll.register(until, select.POLLIN)
                events = dict.fromkeys(self._outputs, select.POLLIN)
                # More input is read after the command has taken what was read before.
                if self._pending:
                    events[self._input] = events.get(self._input, 0) | select.POLLOUT
                elif self._has_input:
                    poll.register(0, select.POLLIN)
                for fd, event in events.items():
                    poll.register(fd, event)
                ready = dict(poll.poll())
                if 0 in ready:
                    self._read_input()
                self._write_input()
                for fd in [fd for fd in self._outputs if ready.get(fd, 0) & ~select.POLLOUT]:
                    if not self._copy(fd):
                        del self._outputs[fd]
                if until in ready:
                    return

    def drain(self) -> None:
        """Copy what the command left in its terminal or pipes, after all its processes ended."""
        for fd in self._outputs:
            os.set_blocking(fd, False)
            while self._copy(fd):
                pass

    def _read_input(self) -> None:
        try:
            self._pending = os.read(0, _SIZE)
        except OSError:
            self._pending = b""
        if not self._pending:
            self._end_input()

    def _end_input(self) -> None:
        self._has_input = False
        if not self._is_terminal:
            os.close(self._input)

    def _write_input(self) -> None:
        if not self._pending:
            return
        try:
            self._pending = self._pending[os.write(self._input, self._pending) :]
        except BlockingIOError:
            pass
        except OSError:
            self._pending = b""
            self._end_input()

    def _copy(self, fd: int) -> bool:
        """Copy one piece. Return False if there is none."""
        try:
            data = memoryview(os.read(fd, _SIZE))
        except OSError:  # nothing is there, or the terminal's other end is closed
            return False
        try:
            while data:
                data = data[os.write(self._outputs[fd], data) :]
        except BrokenPipeError:
            raise SessionEnded(128 + signal.SIGPIPE) from None
        except OSError as error:
            if error.errno == errno.EIO:  # the terminal is gone
                raise SessionEnded(128 + signal.SIGHUP) from None
            raise
        return bool(data.obj)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Pass signals on to the command. A session with a terminal ends by SIGTERM, since a shell ignores it."""

        def forward(number: int, frame: object) -> None:
            for pid in survivors.children(self._parent):
                with suppress(OSError):
                    os.kill(pid, number)

        def end(number: int, frame: object) -> None:
            raise SessionEnded(128 + number)

        def resize(number: int, frame: object) -> None:
            copy_size(self._input)

        ending = (*_ENDING, signal.SIGTERM) if self._is_terminal else _ENDING
        handlers: dict[int, Callable[[int, object], None]] = dict.fromkeys(_PASSED, forward)
        handlers |= dict.fromkeys(ending, end)
        if self._is_terminal:
            handlers[signal.SIGWINCH] = resize
            copy_size(self._input)
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def _raw(self) -> Iterator[None]:
        """Let the caller's terminal pass on each key, also Ctrl-C, to that of the command."""
        if not self._is_terminal:
            yield
            return
        mode = termios.tcgetattr(0)
        try:
            tty.setraw(0)
            yield
        finally:
            with suppress(termios.error):
                termios.tcsetattr(0, termios.TCSADRAIN, mode)


def copy_size(terminal: int) -> None:
    """Give a terminal the size of the caller's."""
    with suppress(OSError):
        size = fcntl.ioctl(0, termios.TIOCGWINSZ, struct.pack("4H", 0, 0, 0, 0))
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)
