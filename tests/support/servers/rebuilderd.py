"""A real rebuilderd and its worker on the loopback interface, from Debian's unstable, run by fpack itself.

    with Rebuilderd(directory, fpack, build) as server:
        server.announce(packages)
        server.wait_for("netbase", "GOOD")
        ... ask server.url ...

The worker's backend hands each package to `build(input, out)`, a function of the test: it builds the package that the
file `input` describes, leaves the .deb files in `out`, and raises an exception if it cannot. The worker then compares
them with the archive's, signs an attestation for those that are equal, and reports to the server.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from support.processes.program import Fpack
from support.processes.serving import free_port
from support.time_limits import WAIT

Build = Callable[[Path, Path], None]

_BACKEND = """\
#!/bin/sh
printf '%s\\n%s\\n' "$1" "$REBUILDERD_OUTDIR" > {queue}/new
rm -f {queue}/status
mv {queue}/new {queue}/request
while [ ! -e {queue}/status ]; do sleep 0.2; done
exit "$(cat {queue}/status)"
"""
_WORKER = """\
supported_architectures = {architectures}
idle_delay = 1
[backend.debian]
path = "{backend}"
"""


class Announced(NamedTuple):
    """A binary package of a source package. url: of its .deb. source_url: of what the backend gets as its input."""

    name: str
    version: str
    arch: str
    url: str
    source: str
    source_url: str


class Rebuilderd:
    """A running server with one worker. Its keys, database and logs are in `directory`, and stay there."""

    def __init__(
        self, directory: Path, fpack: Fpack, build: Build, architectures: tuple[str, ...] = ("all", "amd64")
    ) -> None:
        self.directory = directory
        self.fpack = fpack
        self.build = build
        self.architectures = architectures
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._running: list[subprocess.Popen[bytes]] = []
        self._stopped = threading.Event()
        self._builder = threading.Thread(target=self._serve_backend, daemon=True)

    def __enter__(self) -> Rebuilderd:
        for name in ("server", "worker", "queue"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        backend = self.directory / "backend"
        backend.write_text(_BACKEND.format(queue=self.directory / "queue"))
        backend.chmod(0o755)
        (self.directory / "worker.conf").write_text(
            _WORKER.format(backend=backend, architectures=json.dumps(self.architectures))
        )
        self._start("server", "rebuilderd")
        self._wait(lambda: self.keys()[0], "the server starts")
        self._start("worker", f"rebuilderd-worker -c {self.directory}/worker.conf connect {self.url}")
        self._builder.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        for process in reversed(self._running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    # What a user of it does.

    def announce(self, packages: list[Announced], release: str = "trixie") -> None:
        """Tell the server of packages, which it then queues."""
        for arch in sorted({package.arch for package in packages}):
            sources: dict[str, dict[str, Any]] = {}
            for package in packages:
                if package.arch == arch:
                    about = {"name": package.source, "version": package.version, "url": package.source_url}
                    source = sources.setdefault(package.source, {**about, "artifacts": []})
                    source["artifacts"].append(
                        {"name": package.name, "version": package.version, "component": "main", "architecture": arch,
                         "url": package.url}
                    )  # fmt: skip
            report = {
                "distribution": "debian", "release": release, "architecture": arch, "packages": [*sources.values()]
            }  # fmt: skip
            self._run(f"rebuildctl -H {self.url} pkgs sync-stdin", json.dumps(report).encode())

    def wait_for(self, name: str, *, seconds: float = 300) -> str | None:
        """Wait until a package was tried. Return its status, None if its build failed."""

        def status() -> str | None:
            rows = self.get(f"/api/v1/packages/binary?name={name}")["records"]
            return "" if not rows or rows[0]["build_id"] is None else rows[0]["status"]

        return self._wait(status, f"{name} is built", seconds)

    def keys(self) -> list[str]:
        """Return the public keys that the server offers."""
        found: list[str] = self.get("/api/v1/meta/public-keys")["current"]
        return found

    def get(self, path: str) -> Any:
        """Ask the server."""
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.loads(answer.read())

    def log(self) -> str:
        """Return the output of server and worker."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.directory.glob("*.log")))

    # How it runs.

    def _words(self, command: str, directory: Path) -> list[str]:
        packages = [f"debian.sid.{name}" for name in ("rebuilderd", "rebuilderd-worker", "rebuildctl")]
        return self.fpack.command("shell", "--accept-expired", *packages, "--", "sh", "-c", f"exec {command}")

    def _env(self) -> Mapping[str, str]:
        cookie = self.directory / "server" / "cookie"
        return {
            **self.fpack.env, "HTTP_ADDR": f"127.0.0.1:{self.port}", "REBUILDERD_COOKIE_PATH": str(cookie)
        }  # fmt: skip

    def _start(self, name: str, command: str) -> None:
        directory = self.directory / name
        with open(self.directory / f"{name}.log", "ab") as log:
            self._running.append(
                subprocess.Popen(
                    self._words(command, directory),
                    cwd=directory,
                    env=self._env(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def _run(self, command: str, stdin: bytes) -> None:
        done = subprocess.run(
            self._words(command, self.directory),
            cwd=self.directory,
            env=self._env(),
            input=stdin,
            capture_output=True,
            timeout=WAIT,
        )
        assert done.returncode == 0, done.stderr.decode()

    def _wait(self, look: Callable[[], str | None], what: str, seconds: float = WAIT) -> str | None:
        """Wait until `look` neither fails nor returns an empty text; its value."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and all(process.poll() is None for process in self._running):
            with contextlib.suppress(OSError):
                if (found := look()) != "":
                    return found
            time.sleep(0.3)
        raise AssertionError(f"waited for: {what}\n{self.log()[-4000:]}")

    def _serve_backend(self) -> None:
        """Build what the worker's backend asks for."""
        queue = self.directory / "queue"
        while not self._stopped.wait(0.2):
            try:
                path, out = (queue / "request").read_text().splitlines()
            except FileNotFoundError:
                continue
            (queue / "request").unlink()
            try:
                self.build(Path(path), Path(out))
                status = 0
            except Exception as error:
                (queue / "error.log").write_text(repr(error))
                status = 1
            (queue / "status.new").write_text(str(status))
            (queue / "status.new").rename(queue / "status")
