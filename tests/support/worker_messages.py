"""A pytest plugin: let a worker of a parallel run tell of a test in one message, where it would send six.

Each message wakes the process that controls the run, and that takes longer than many a test. The messages about a test
that has ended wait for the start of the next test, or until the worker has no next test. That start is told at once, so
that the controlling process knows what runs when a worker ends. Reports that setting up or clearing up has passed are
not sent, unless something could show them.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest

_WAITING = {"testreport", "logfinish", "runtest_protocol_complete"}


class MessageBatches:
    """Changes how `interactor`, the plugin of pytest-xdist in a worker, sends. least: of a shown duration, in seconds.

    With `every_report`, all reports are sent.
    """

    def __init__(self, interactor: Any, least: float, every_report: bool) -> None:
        self._least = least
        self._every_report = every_report
        self._parts: list[bytes] = []
        self._waits = False
        self._lock = threading.RLock()  # the thread that receives commands sends, too
        self._thread = threading.current_thread()
        self._torun = interactor.torun
        self._send, interactor.sendevent = interactor.sendevent, self._send_event
        self._get, self._torun.get = self._torun.get, self._get_item
        stream = interactor.channel.gateway._io
        self._write, stream.write = stream.write, self._write_part

    def _send_event(self, name: str, **values: Any) -> None:
        """Replace `sendevent`."""
        if name == "testreport" and not self._every_report and self._shows_nothing(values["data"]):
            return
        self._waits = name in _WAITING
        try:
            self._send(name, **values)
        finally:
            self._waits = False

    def _shows_nothing(self, report: dict[str, Any]) -> bool:
        """Return whether a report is of a phase around a test that passed quickly and printed nothing."""
        return (
            report["when"] != "call"
            and report["outcome"] == "passed"
            and report["duration"] < self._least
            and not report["sections"]
            and not report["user_properties"]
        )

    def _write_part(self, data: bytes) -> None:
        """Replace the `write` of the connection."""
        with self._lock:
            self._parts.append(data)
            if not self._waits or threading.current_thread() is not self._thread:
                self._flush()

    def _get_item(self) -> Any:
        """Replace the `get` of the queue of tests. The controlling process fills it when it knows what has ended."""
        with self._torun.lock() as items:
            is_empty = not items
        if is_empty:
            with self._lock:
                self._flush()
        return self._get()

    def _flush(self) -> None:
        if self._parts:
            data = b"".join(self._parts)
            self._parts.clear()
            self._write(data)


def pytest_configure(config: pytest.Config) -> None:
    """Batch the messages of this process, if it is a worker."""
    if not hasattr(config, "workerinput"):
        return
    interactor = next(each for each in config.pluginmanager.get_plugins() if type(each).__name__ == "WorkerInteractor")
    least = config.option.durations_min
    if least is None:
        least = 0.005 if config.option.verbose < 2 else 0.0
    MessageBatches(interactor, least, bool(getattr(config.option, "xmlpath", None)))
