"""Chromium without a window, driven through a pipe: pages are opened, clicked, typed into and photographed."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
PROGRAM = next((path for name in NAMES if (path := shutil.which(name))), None)
needs_browser = pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed")

PHONE, DESKTOP = (360, 740), (1280, 900)
KEYS = {"Enter": 13, "Escape": 27, "ArrowRight": 39, "ArrowLeft": 37, "ArrowDown": 40, "ArrowUp": 38, "Tab": 9}
TIMEOUT = 60  # seconds for an answer


class Tab:
    """A tab of the browser. log: what its console and its policy said. requests: the addresses that it asked for."""

    def __init__(self, process: subprocess.Popen[bytes], to: int, back: int) -> None:
        self._process, self._to, self._back = process, to, back
        self._number = 0
        self._buffer = b""
        self._session = ""
        self.log: list[str] = []
        self.requests: list[str] = []
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self._session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self(f"{domain}.enable")

    def __call__(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command of the protocol and return its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            found = self._next()
            if found.get("id") == self._number:
                assert "error" not in found, found["error"]
                result: dict[str, Any] = found["result"]
                return result

    def _next(self) -> dict[str, Any]:
        """Read one message, and note it if it is an event."""
        end = time.monotonic() + TIMEOUT
        while b"\0" not in self._buffer:
            assert time.monotonic() < end, "the browser does not answer"
            piece = os.read(self._back, 1 << 20)
            assert piece, "the browser ended"
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        params = message.get("params", {})
        match message.get("method"):
            case "Runtime.exceptionThrown":
                self.log.append(json.dumps(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled":
                self.log.append(json.dumps(params["args"]))
            case "Log.entryAdded":
                self.log.append(params["entry"]["text"])
            case "Page.javascriptDialogOpening":
                self.log.append(f"dialog: {params['message']}")
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Page.loadEventFired":
                self._loaded = True
        return message

    def open(self, path: Path, size: tuple[int, int] = DESKTOP, dark: bool = False) -> None:
        """Open a file in a window of this size."""
        self(
            "Emulation.setDeviceMetricsOverride",
            width=size[0], height=size[1], deviceScaleFactor=1, mobile=size == PHONE,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self("Emulation.setEmulatedMedia", features=[scheme])
        self._loaded = False
        self("Page.navigate", url=path.absolute().as_uri())
        while not self._loaded:
            self._next()
        self.settle()

    def settle(self) -> None:
        """Wait until what was asked for is drawn."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def run(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        found = self("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def texts(self, selector: str) -> list[str]:
        """Return the visible texts of elements."""
        found: list[str] = self.run(f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.innerText)")
        return found

    def click(self, selector: str, at: int = 0) -> None:
        """Click at the middle of an element with the mouse."""
        box = self.run(
            f"(() => {{ const e = document.querySelectorAll({json.dumps(selector)})[{at}]; "
            "e.scrollIntoView({block: 'center', inline: 'center'}); const b = e.getBoundingClientRect(); "
            "return [b.left + b.width / 2, b.top + Math.min(b.height / 2, 8)] })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)
        self.settle()

    def press(self, key: str) -> None:
        """Press a key."""
        code = KEYS.get(key, ord(key[0].upper()))
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        extra = {"text": text} if text else {}
        self("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=code, **extra)
        self("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=code)
        self.settle()

    def find(self, words: str) -> None:
        """Type into the search of the page, and wait until it is done."""
        self.run("document.querySelector('input[type=search]').select()")
        self.run("document.querySelector('input[type=search]').focus()")
        self("Input.insertText", text=words)
        self.run("new Promise(done => setTimeout(() => done(1), 300))")
        self.settle()

    def roles(self) -> list[tuple[str, str]]:
        """Return (role, name) of what a screen reader finds."""
        nodes = self("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node.get("ignored") and "role" in node
        ]


@contextmanager
def browser(home: Path) -> Iterator[Tab]:
    """Yield a browser with one tab. home: a directory for its files."""
    assert PROGRAM is not None
    ours, theirs = os.pipe(), os.pipe()
    reads, writes = (fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (ours[0], theirs[1]))

    def connect() -> None:
        os.dup2(reads, 3)
        os.dup2(writes, 4)

    flags = ["--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-dev-shm-usage"]
    flags += ["--no-sandbox"] if os.geteuid() == 0 else []  # root's processes cannot be in its sandbox
    words = [PROGRAM, *flags, f"--user-data-dir={home}", "--remote-debugging-pipe"]
    env = {"HOME": str(home), "PATH": os.environ["PATH"]}
    process = subprocess.Popen(words, pass_fds=(3, 4), preexec_fn=connect, stderr=subprocess.DEVNULL, env=env)
    for fd in (ours[0], theirs[1], reads, writes):
        os.close(fd)
    try:
        yield Tab(process, ours[1], theirs[0])
    finally:
        process.terminate()
        process.wait(TIMEOUT)
        os.close(ours[1])
        os.close(theirs[0])
