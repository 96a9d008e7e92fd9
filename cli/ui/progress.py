"""Show progress on stderr: a live display on a terminal, occasional lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from fpack.builders.scheduler.reporter import BuildOutcome, Reporter
from fpack.light_typing import TYPE_CHECKING
from fpack.store import threads
from fpack.store.errors import one_line, printable

from .render import megabytes, note, warn

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live as RichLive

_VERBS = {
    "fetch": "download",
    "deb": "unpack",
    "slice": "slice",
    "root": "resolve",
    "layer": "compress",
    "image": "assemble",
    "source": "copy",
    "exec": "build",
    "push": "upload",
}
_QUIET = 3.0  # seconds between lines
_REFRESH = 0.1  # seconds between drawings of the live display
_SHOWN = 8  # lines of running work


class _Item:
    """A step. announced, told: its start, and its wait for another process, were printed."""

    __slots__ = ("announced", "done", "kind", "name", "running", "started", "told", "total", "waiting")

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name
        self.done = 0
        self.total = 0
        self.running = False
        self.waiting = False
        self.announced = False
        self.told = False
        self.started = 0.0

    @property
    def verb(self) -> str:
        return _VERBS.get(self.kind, self.kind)


class _Display(Reporter):
    """Counters and the running steps of the work so far."""

    def __init__(self, verbose: bool = False, logs: bool = False) -> None:
        self._verbose = verbose
        self._logs = logs or verbose
        self._items: dict[bytes, _Item] = {}
        self._planned = self._finished = self._bytes_fetched = 0

    def planned(self, key: bytes, kind: str, name: str) -> None:
        self._items[key] = _Item(kind, name)
        self._planned += 1

    def started(self, key: bytes) -> None:
        if item := self._items.get(key):
            item.running, item.waiting = True, False
            item.started = item.started or time.monotonic()

    def progress(self, key: bytes, done: int, total: int) -> None:
        if item := self._items.get(key):
            item.done, item.total = done, total

    def log(self, key: bytes, line: str) -> None:
        """Print the line if logs, or all steps, are wanted."""
        if self._logs and (item := self._items.get(key)):
            self._print(f"{item.name}> {line}")

    def waiting(self, key: bytes) -> None:
        """Show that another process builds it."""
        if item := self._items.get(key):
            item.waiting = True

    def _finish(self, key: bytes) -> _Item | None:
        item = self._items.pop(key, None)
        if item is not None:
            self._finished += 1
            if item.kind == "fetch":
                self._bytes_fetched += item.done
        return item

    def _summary(self) -> str:
        text = f"{self._finished} of {self._planned} steps"
        moving = sum(i.done for i in list(self._items.values()) if i.kind == "fetch")
        if self._bytes_fetched or moving:
            text += f", {megabytes(self._bytes_fetched + moving)} downloaded"
        return text

    def _print(self, text: str) -> None:
        note(text)


class Plain(_Display):
    """A reporter for logs and pipes: an occasional line, and one for each step if `verbose`."""

    def __init__(self, verbose: bool = False, logs: bool = False) -> None:
        super().__init__(verbose, logs)
        self._last = time.monotonic()
        self._lock = threading.Lock()

    def started(self, key: bytes) -> None:
        """Name the step in the overall progress, and print it once if every step is wanted."""
        super().started(key)
        if self._verbose and (item := self._items.get(key)) and not item.announced:
            item.announced = True
            note(f"{item.verb} {item.name}")

    def progress(self, key: bytes, done: int, total: int) -> None:
        """Record the bytes, and print the overall progress from time to time."""
        super().progress(key, done, total)
        self._print_summary()

    def warning(self, key: bytes, text: str) -> None:
        warn(text)

    def waiting(self, key: bytes) -> None:
        """Print it once a step: a step that waits is started again and again."""
        super().waiting(key)
        if (item := self._items.get(key)) and not item.told:
            item.told = True
            note(f"waiting: another fpack builds {item.name}")

    def finished(self, key: bytes, outcome: BuildOutcome, path: str) -> None:
        """Count the step, and print a failure at once."""
        item = self._finish(key)
        if item and outcome is BuildOutcome.FAILED:
            note(f"failed: {item.verb} {item.name}")
        self._print_summary()

    def close(self) -> None:
        """Do nothing: there is no display to remove."""

    def _print_summary(self) -> None:
        with self._lock:
            now = time.monotonic()
            if now - self._last < _QUIET:
                return
            self._last = now
        running = [f"{i.verb} {i.name}" for i in list(self._items.values()) if i.running][:3]
        note(f"{self._summary()}{': ' if running else ''}{', '.join(running)}")


class Live(_Display):
    """A reporter for terminals: one bar for everything, and a line for each running step. It draws only once there is
    work.
    """

    def __init__(self, verbose: bool = False, logs: bool = False) -> None:
        super().__init__(verbose, logs)
        self._live: RichLive | None = None
        self._drawing: threads.ThreadJob[None] | None = None
        self._ended = threading.Event()

    def planned(self, key: bytes, kind: str, name: str) -> None:
        """Count the step, and begin to draw."""
        super().planned(key, kind, name)
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(
                console=Console(stderr=True), auto_refresh=False, transient=True, get_renderable=self._draw
            )
            self._live.start(refresh=True)
            self._drawing = threads.start(self._refresh, "display")

    def warning(self, key: bytes, text: str) -> None:
        """Print it above the display."""
        self._print(f"warning: {text}")

    def finished(self, key: bytes, outcome: BuildOutcome, path: str) -> None:
        item = self._finish(key)
        if item and self._verbose:
            self._print(f"{outcome.value}: {item.verb} {item.name}")

    def close(self) -> None:
        """Remove the display. An error of the terminal ended it before, and is none of the build."""
        self._ended.set()
        if self._drawing is not None:
            self._drawing.wait()
            if self._drawing.error is not None and not isinstance(self._drawing.error, OSError):
                warn(f"the display ended: {self._drawing.error}")
        if self._live is not None:
            with contextlib.suppress(OSError):
                self._live.stop()
            self._live = None

    def _refresh(self) -> None:
        assert self._live is not None
        while not self._ended.wait(_REFRESH):
            self._live.refresh()

    def _print(self, text: str) -> None:
        if self._live is not None:
            from rich.text import Text

            with contextlib.suppress(OSError):  # as in `note`
                self._live.console.print(Text(printable(text)))

    def _draw(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        head = Table.grid(padding=(0, 1))
        head.add_row(ProgressBar(total=max(self._planned, 1), completed=self._finished, width=30), self._summary())
        rows = Table.grid(padding=(0, 1))
        running = sorted((i for i in list(self._items.values()) if i.running or i.waiting), key=lambda i: i.started)
        for item in running[:_SHOWN]:
            state = ""
            if item.waiting:
                state = "another fpack builds it"
            elif item.total:
                state = f"{megabytes(item.done)} of {megabytes(item.total)}"
            elif item.done:
                state = megabytes(item.done)
            rows.add_row(Text("  " + item.verb, "cyan"), Text(item.name), Text(state, "dim"))
        return Group(head, rows)


def reporter(verbose: bool = False, quiet: bool = False, logs: bool = False) -> Live | Plain:
    """Return the reporter that suits stderr. logs: print the output of builds."""
    if not quiet and sys.stderr.isatty():
        return Live(verbose, logs)
    return Plain(verbose, logs)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Show on a terminal what takes a moment, until it is done."""
    shown = sys.stderr.isatty()
    with contextlib.suppress(OSError):
        if shown:
            print(f"{one_line(text)}...", end="\r", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if shown:
                print("\x1b[2K", end="\r", file=sys.stderr, flush=True)


class IndexProgress:
    """The progress of fetching and reading a package index."""

    def __init__(self) -> None:
        self._last = ""

    def say(self, text: str) -> None:
        note(text)

    def progress(self, what: str, done: int, total: int) -> None:
        """Print the number of bytes fetched so far."""
        if sys.stderr.isatty():
            end = "\n" if total and done >= total else "\r"
            print(f"\x1b[2K{one_line(what)} {megabytes(done)}", end=end, file=sys.stderr, flush=True)
        elif what != self._last:
            note(what)
        self._last = what
