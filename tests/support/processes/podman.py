"""podman for tests: storage of its own in a private directory, as root or as a user made for the test.

Nothing here touches the storage, the configuration or the containers of whoever runs the tests. Use:

    @pytest.fixture(params=["root", "rootless"])
    def podman(request):
        with podman_as(request.param) as podman:
            yield podman

    def test_it_runs(podman, archive):
        image = podman.load(archive)
        assert podman.run(image, "/usr/bin/true").returncode == 0
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from support.processes.children import describe
from support.time_limits import WAIT

# Limits that a machine without CAP_SYS_RESOURCE can set, and a runtime that accepts hybrid control groups.
_CONFIGURATION = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_numbers = itertools.count()

Result = subprocess.CompletedProcess[str]


class Container:
    """A container that runs in the background."""

    def __init__(self, podman: Podman, name: str) -> None:
        self._podman = podman
        self.name = name
        self.killed = ""

    def exec(self, *command: str, options: Sequence[str] = (), check: bool = True, timeout: float = WAIT) -> Result:
        """Run one more command in the container."""
        return self._podman("exec", *options, self.name, *command, check=check, timeout=timeout)

    def logs(self) -> str:
        """Return what the container has written so far to both streams."""
        result = self._podman("logs", self.name)
        return result.stdout + result.stderr

    def running(self) -> bool:
        """Return whether the container's first process is alive."""
        return self._podman("inspect", "-f", "{{.State.Running}}", self.name).stdout.strip() == "true"

    def wait_for(self, text: str, timeout: float = WAIT) -> str:
        """Return the logs, as soon as `text` is in them; AssertionError when the time is up or the container ended."""
        end = time.monotonic() + timeout
        while True:
            alive = self.running()
            logs = self.logs()
            if text in logs:
                return logs
            if not alive or time.monotonic() > end:
                raise AssertionError(f"{text!r} is not in the container's logs:\n{logs}")
            time.sleep(0.1)

    def stop(self, seconds: int = 10) -> int:
        """Stop the container by its stop signal, remove it, and return its exit status.

        If SIGKILL had to end it, `killed` tells its logs, and what its threads waited for just before.
        """
        waiting: list[str] = []
        first = int(self._podman("inspect", "-f", "{{.State.Pid}}", self.name).stdout)
        timer = threading.Timer(seconds * 0.9, lambda: waiting.append(describe(first)))
        timer.start()
        self._podman("stop", "-t", str(seconds), self.name, timeout=seconds + WAIT)
        timer.cancel()
        timer.join()
        status = int(self._podman("inspect", "-f", "{{.State.ExitCode}}", self.name).stdout)
        if status == 128 + signal.SIGKILL:
            self.killed = "\n".join([f"{self.name} did not stop in {seconds} s", *waiting, self.logs()])
        self._podman.remove(self.name)
        return status


class Podman:
    """podman with storage in `home`. prefix: what changes to another user; owner: that user's name, or None."""

    def __init__(self, home: Path, prefix: Sequence[str] = (), owner: str | None = None) -> None:
        self.home = home
        self.owner = owner
        home.chmod(0o711)  # the users of containers reach the storage through it, as through a home directory
        # podman refuses a path of over 50 characters, and below pytest's directories it is longer.
        self._runtime = Path(tempfile.mkdtemp(prefix="podman-"))
        configuration = home / "containers.conf"
        configuration.write_text(_CONFIGURATION)
        configuration.chmod(0o644)
        if owner:
            shutil.chown(self._runtime, owner)
        variables = {
            "PATH": _PATH,
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(self._runtime),
            "CONTAINERS_CONF": str(configuration),
            "TMPDIR": str(home),
            "LC_ALL": "C.UTF-8",
        }
        self._before = [*prefix, "env", "-i", *(f"{k}={v}" for k, v in variables.items())]
        self._options = [
            *("--root", str(home / "storage"), "--runroot", str(self._runtime / "storage")),
            *("--tmpdir", str(self._runtime / "libpod")),
        ]
        overlay = self("--storage-driver=overlay", "info", check=False)
        self.driver = "overlay" if overlay.returncode == 0 else "vfs"
        if overlay.returncode:
            self._unshare("rm", "-rf", str(home / "storage"))
        self._options.append(f"--storage-driver={self.driver}")

    def __call__(self, *arguments: str, check: bool = True, timeout: float = WAIT, input: str | None = None) -> Result:
        """Run `podman ARGUMENTS`; AssertionError with its output when it fails and `check` is set."""
        return self._call("podman", *self._options, *arguments, check=check, timeout=timeout, input=input)

    def command(self, *arguments: str) -> list[str]:
        """Return the words that run `podman ARGUMENTS`, for those who start it themselves."""
        return [*self._before, "podman", *self._options, *arguments]

    def skopeo(self, *arguments: str, check: bool = True, timeout: float = WAIT) -> Result:
        """Run `skopeo ARGUMENTS` as the same user."""
        return self._call("skopeo", *arguments, check=check, timeout=timeout)

    def share(self, path: Path) -> Path:
        """Return a copy of a file or directory that the user of this podman can read."""
        copy = Path(tempfile.mkdtemp(dir=self.home)) / path.name
        if path.is_dir():
            shutil.copytree(path, copy, symlinks=True)
        else:
            shutil.copyfile(path, copy)
        if self.owner:
            for place in (copy.parent, copy, *copy.rglob("*")):
                shutil.chown(place, self.owner)
        return copy

    def load(self, archive: Path) -> str:
        """Load an image archive, and return the name under which podman knows it."""
        lines = self("load", "-q", "-i", str(self.share(archive) if self.owner else archive)).stdout.splitlines()
        names = [line.removeprefix("Loaded image: ") for line in lines if line.startswith("Loaded image: ")]
        assert names, f"podman load names no image: {lines}"
        return names[-1]

    def image_id(self, image: str) -> str:
        """Return the image's ID, 64 hexadecimal digits."""
        return self("image", "inspect", "-f", "{{.Id}}", image).stdout.strip().removeprefix("sha256:")

    def run(
        self,
        image: str,
        *command: str,
        options: Sequence[str] = (),
        network: str = "none",
        check: bool = True,
        timeout: float = WAIT,
    ) -> Result:
        """Run a container to its end and remove it. network: `none` or `host`.

        podman can lose the output of a container that ends while it attaches to it. The log has it.
        """
        log = self.home / f"run-{next(_numbers)}.log"
        logged = ["--log-driver=k8s-file", f"--log-opt=path={log}"]
        arguments = ["run", "--rm", f"--network={network}", *logged, *options, image, *command]
        result = self(*arguments, check=check, timeout=timeout)
        if not result.stdout and not result.stderr and log.exists():
            result.stdout, result.stderr = _of_log(log.read_text(errors="replace"))
        log.unlink(missing_ok=True)
        return result

    def start(self, image: str, *command: str, options: Sequence[str] = (), network: str = "none") -> Container:
        """Start a container in the background."""
        name = self("run", "-d", f"--network={network}", *options, image, *command).stdout.strip()
        return Container(self, name)

    def remove(self, name: str) -> None:
        """End and remove a container.

        Asks up to five times while one of its mounts is busy: podman's own clean-up after the container's end, a
        process of conmon, may be at work on the same mounts.
        """
        for last in (False, False, False, False, True):
            done = self("rm", "-f", "-t", "0", name, check=last)
            if done.returncode == 0:
                return
            assert "resource busy" in done.stderr, f"podman rm {name}: {done.stderr}"
            time.sleep(0.2)

    def close(self) -> None:
        """Remove all containers, the storage, and what runs for it."""
        self("rm", "-af", "-t", "0", check=False)
        self._unshare("rm", "-rf", str(self.home / "storage"))
        if self.owner or os.getuid():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
                pause = next(self._runtime.rglob("pause.pid"), None)
                if pause:
                    os.kill(int(pause.read_text()), signal.SIGTERM)
        shutil.rmtree(self._runtime, ignore_errors=True)

    def _unshare(self, *command: str) -> None:
        if self.owner or os.getuid():
            self("unshare", *command, check=False)
            return
        # As root, podman mounts its overlay storage on itself.
        subprocess.run(["umount", "-q", self.home / "storage" / "overlay"], check=False, capture_output=True)
        subprocess.run(command, check=False, capture_output=True)

    def _call(self, *command: str, check: bool, timeout: float, input: str | None = None) -> Result:
        result = subprocess.run(
            [*self._before, *command],
            cwd=self.home,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            check=False,
        )
        shown = " ".join(command)
        assert not check or result.returncode == 0, (
            f"{shown}: exit status {result.returncode}\n{result.stdout}{result.stderr}"
        )
        return result


def _of_log(text: str) -> tuple[str, str]:
    """Return what a container wrote to both streams. text: lines `TIME STREAM F TEXT`, with P for a part of a line."""
    written = {"stdout": "", "stderr": ""}
    for line in text.splitlines():
        _, stream, kind, rest = line.split(" ", 3)
        written[stream] += rest if kind == "P" else f"{rest}\n"
    return written["stdout"], written["stderr"]


def missing(mode: str = "root") -> str:
    """Why podman cannot be used in `mode` (`root` or `rootless`) on this machine; "" if it can."""
    tools = ["podman", "runc"]
    if mode == "rootless":
        tools += ["newuidmap", "slirp4netns"]
        if os.getuid() == 0:
            tools += ["setpriv", "useradd", "userdel"]
    elif os.getuid():
        return "only root can run podman as root"
    absent = [tool for tool in tools if not shutil.which(tool, path=_PATH)]
    return f"not installed: {', '.join(absent)}" if absent else ""


@contextlib.contextmanager
def podman_as(mode: str) -> Iterator[Podman]:
    """podman in `mode`, `root` or `rootless`; skips the test where the machine has none.

    rootless: by a user that is made for the purpose when root runs the tests, else by the user who runs them.
    """
    reason = missing(mode)
    if reason:
        pytest.skip(reason)
    home = Path(tempfile.mkdtemp(prefix="fpack-podman-"))
    try:
        with _user(home) if mode == "rootless" and os.getuid() == 0 else contextlib.nullcontext() as owner:
            if owner:
                shutil.chown(home, owner)
            change = (
                ["setpriv", "--reuid", owner, "--regid", owner, "--init-groups", "--inh-caps=-all"] if owner else []
            )
            podman = Podman(home, change, owner)
            try:
                yield podman
            finally:
                podman.close()
    finally:
        remove_home(home)


def remove_home(home: Path) -> None:
    """Delete the files of a podman, as far as possible. Nothing outside of `home` is changed."""
    shutil.rmtree(home, onerror=functools.partial(_make_writable, home))


def _make_writable(home: Path, _function: object, path: str | Path, _error: object) -> None:
    """Delete what lies in a directory without write permission."""
    if Path(path) == home:  # rmtree passes on the Path that it was given, which equals no text
        return  # something is left in it; what lies above is not ours
    os.chmod(os.path.dirname(path), stat.S_IRWXU)
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.lexists(path):
        os.unlink(path)


@contextlib.contextmanager
def _user(home: Path) -> Iterator[str]:
    """Yield a user with subordinate uids, for as long as the context lasts."""
    name = f"fpack-test-{os.getpid()}-{next(_numbers)}"
    attempts = 0
    while True:
        # Other test processes may hold the lock of the user database.
        made = subprocess.run(
            ["useradd", "--no-create-home", "--home-dir", home, name], check=False, capture_output=True
        )
        attempts += 1
        if made.returncode not in (1, 10) or attempts == 50:
            break
        time.sleep(0.1)
    assert made.returncode == 0, made.stderr
    try:
        yield name
    finally:
        subprocess.run(["userdel", "--force", name], check=False, capture_output=True)
