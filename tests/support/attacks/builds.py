"""Callers of builds that are attacked: processes of their own, as root and as a user without rights.

A caller has a secret in its environment, on its command line and in open files, and tells of each line of a log as it
comes. What it builds runs in a root that has `attacker`, a program for all that a shell cannot do.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import pytest
from support.faults.injection import memory
from support.paths import TESTS
from support.processes import c_programs, unprivileged

if TYPE_CHECKING:
    from fpack.store.store import Store

SECRET = "only-the-caller-knows-this"
TOOLS = ("bash", "cat", "chmod", "cp", "env", "head", "id", "ln", "ls", "mkdir", "mkfifo", "mv", "readlink", "rm",
         "setsid", "sleep", "stat", "touch", "truncate")  # fmt: skip
MODES = ("root", "rootless")
# With something that a change of the user alone does not take away.
_AMBIENT = ["setpriv", "--inh-caps=+sys_admin,+dac_override", "--ambient-caps=+sys_admin,+dac_override"]


class Result(NamedTuple):
    """The result of a build. path: where the output lies. error: all that the user is told. new: paths registered."""

    path: Path | None
    error: str
    lines: list[str]
    new: int

    @property
    def output(self) -> Path:
        """The output of a build that must have succeeded."""
        assert self.path is not None, self.error + "\n" + "\n".join(self.lines)
        return self.path


class Caller:
    """A process that builds in `store`."""

    module = "support.attacks.builds"
    ids = False  # the unprivileged user has a range of ids

    def __init__(self, mode: str, store: Path, attacker: Path) -> None:
        self.store = store
        self.uid = os.geteuid() if mode == "root" or os.geteuid() else unprivileged.UID
        paths = [Path(p) for p in (sys.base_prefix, sys.prefix, _package("fpack.store"), TESTS)]
        change = unprivileged.prefix(paths, self.ids) if mode == "rootless" else _AMBIENT if os.geteuid() == 0 else []
        secret = os.open(attacker.with_name("secret"), os.O_RDWR | os.O_CREAT)
        os.write(secret, SECRET.encode())
        top = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
        self._command = [*change, sys.executable, "-m", self.module, str(store), str(attacker), SECRET]
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": "/",
            "CALLER_SECRET": SECRET,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(TESTS),
        }
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=(secret, top),
            cwd="/",
            env=self._env,
        )
        os.close(secret)
        os.close(top)
        self.lines: list[str] = []
        self._running = False
        assert self._read() == {"ready": True}

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def build(self, script: str | dict[str, str], name: str = "it", keep: bool = False, **args: Any) -> Result:
        """Run a script to its end."""
        self.start(script, name, keep, **args)
        return self.finish()

    def start(self, script: str | dict[str, str], name: str = "it", keep: bool = False, **args: Any) -> None:
        """Begin to run a script."""
        args["limits"] = {"seconds": 60, **args.get("limits", {})}
        self.ask(do="build", script=script, name=name, keep=keep, args=args)

    def ask(self, **request: Any) -> None:
        """Send a request. Wait for the end of the one before, if a test that failed left it."""
        if self._running:
            self.finish()
        self._running = True
        self.lines = []
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def wait(self, line: str) -> None:
        """Wait until a build says a line."""
        while line not in self.lines:
            message = self._read()
            self._running = "line" in message
            assert self._running, f"{line!r} did not come: {message}"

    def finish(self) -> Result:
        """Wait for the end of what was started."""
        while "line" in (message := self._read()):
            pass
        self._running = False
        assert set(message) == {"path", "error", "new"}, message
        return Result(Path(message["path"]) if message["path"] else None, message["error"], self.lines, message["new"])

    def in_terminal(self, script: str, words: Sequence[str]) -> str:
        """Run a script that fails, at a terminal; what is seen there while `words` are typed into the shell in it.

        The caller has left /etc open for what it starts.
        """
        master, slave = os.openpty()
        directory = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY)
        process = subprocess.Popen(
            [*self._command, script], stdin=slave, stdout=slave, stderr=slave, env=self._env, cwd="/",
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), pass_fds=[directory],
        )  # fmt: skip
        os.close(slave)
        os.close(directory)
        seen = b""
        todo = [word.encode() + b"\n" for word in words]
        with contextlib.suppress(OSError):  # what a terminal gives when its last writer has gone
            while data := os.read(master, 1 << 16):
                seen += data
                if todo and seen.rstrip(b" ").endswith(b"$"):
                    os.write(master, todo.pop(0))
        os.close(master)
        process.wait(30)
        return seen.decode("utf-8", "replace")

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        timer = threading.Timer(90, self._process.kill)
        timer.start()
        line = self._process.stdout.readline()
        timer.cancel()
        assert line, "the caller ended"
        message: dict[str, Any] = json.loads(line)
        if "line" in message:
            self.lines.append(message["line"])
        return message

    def children(self, seconds: float = 5) -> list[int]:
        """Return the caller's descendants after a time to end, without the process that starts sandboxes."""
        end = time.monotonic() + seconds
        while True:
            found = [pid for pid in _descendants(self.pid)[1:] if not _is_server(pid)]
            if not found or time.monotonic() > end:
                return found
            time.sleep(0.05)

    def leftovers(self) -> list[str]:
        """Return the entries that builds left on the disk beside valid paths, without those that were to be kept."""
        found = []
        for folder in self.store.glob("tmp/*/"):
            found += [str(each) for each in folder.iterdir()]
        return found + [str(each) for each in self.store.glob("trash/*")]

    def strangers(self) -> list[str]:
        """Return the entries of the store that are not the caller's, that others may write, or that has set-id bits.

        Less what was kept of failed builds: it is as they left it, behind a closed door.
        """
        found = []
        for folder, folders, files in os.walk(self.store):
            if os.path.basename(folder) == "partial":
                folders.clear()
            for name in (*folders, *files):
                place = os.path.join(folder, name)
                status = os.lstat(place)
                loose = not stat.S_ISLNK(status.st_mode) and status.st_mode & 0o6022
                if status.st_uid != self.uid or loose:
                    found.append(f"{place} {status.st_mode:o} {status.st_uid}")
        return found

    def kill(self) -> None:
        """End it as a crash does."""
        self._process.kill()
        self._process.wait()

    def interrupt(self) -> None:
        """Ctrl-C."""
        os.kill(self.pid, signal.SIGINT)

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process.stdout.close()


C = TypeVar("C", bound=Caller)


@contextlib.contextmanager
def callers(mode: str, count: int = 1, disk: str = "", make: type[C] | None = None) -> Iterator[list[C]]:
    """Callers that share one store, which others may look into like one at /fpack.

    disk: options of a tmpfs that it is to lie on; for root. make: the class of the callers.
    """
    if mode == "root" and os.geteuid():
        pytest.skip("only root can build as root")
    if os.uname().machine != "x86_64":
        pytest.skip("the attacker makes system calls of x86-64")
    for tool in ("gcc", "setpriv"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    place = Path(tempfile.mkdtemp(prefix="fpack-attack-", dir=_fast()))
    made: list[C] = []
    kind = make or Caller
    try:
        if disk:
            subprocess.run(["mount", "-t", "tmpfs", "-o", disk, "none", place], check=True)
        c_programs.attacker(place / "attacker")
        (place / "store").mkdir(mode=0o755)
        place.chmod(0o755)
        if mode == "rootless" and os.geteuid() == 0:
            for each in (place, place / "store"):
                os.chown(each, unprivileged.UID, unprivileged.UID)
        for _ in range(count):
            made.append(cast(C, kind(mode, place / "store", place / "attacker")))
        yield made
    finally:
        for caller in made:
            caller.close()
        from fpack.store.files.remove import remove_tree

        if disk:
            subprocess.run(["umount", place], check=True)
        remove_tree(place)


def _fast() -> str:
    """Return a directory in memory for programs and large files, if there is one; else one on disk."""
    public = os.environ.get("FPACK_TESTS_PUBLIC", "/var/tmp")
    if (directory := memory()) is None:
        return public
    room = os.statvfs(directory)
    return public if room.f_flag & os.ST_NOEXEC or room.f_bavail * room.f_frsize < 1 << 30 else directory


def _package(name: str) -> str:
    from importlib.util import find_spec

    spec = find_spec(name)
    assert spec is not None and spec.origin is not None
    return os.path.dirname(os.path.dirname(spec.origin))


def _descendants(pid: int) -> list[int]:
    from fpack.builders.sandbox.usage import descendants

    return descendants(pid)


def _is_server(pid: int) -> bool:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return any(word.endswith(b"sandbox.spawner") for word in words)
    return True


def serve(store: Store, act: Callable[[dict[str, Any]], Path | None]) -> None:
    """In the caller: do what each request says, and tell of the path that `act` returns, or of its error."""
    from fpack.builders.scheduler.failures import BuildsFailed
    from fpack.store.errors import FpackError
    from fpack.store.gc import collect

    tell(ready=True)
    for line in sys.stdin:
        request = json.loads(line)
        before = len(store.database.paths())
        path, error = None, ""
        try:
            if request["do"] == "gc":
                collect(store)
            else:
                path = act(request)
        except FpackError as failure:
            one = failure.failures[0][1] if isinstance(failure, BuildsFailed) else failure
            error = "\n".join((one.what, one.where, one.why, one.hint))
        tell(path=str(path or ""), error=error, new=len(store.database.paths()) - before)


def tell(**message: Any) -> None:
    """In the caller: send a message."""
    print(json.dumps(message), flush=True)


def _serve(place: Path, attacker: str) -> None:
    """In the caller: build what is asked for."""
    from fpack.builders.kinds.exec import ExecOptions
    from support.stores import builds, roots
    from support.stores.recorder import Recorder

    class Told(Recorder):
        def log(self, key: bytes, line: str) -> None:
            tell(line=line)

    vars(builds)["Recorder"] = Told
    with builds.builds(place, tools=(*TOOLS, attacker)) as world:

        def act(request: dict[str, Any]) -> Path:
            if request["do"] == "build":
                world.options = ExecOptions(keep_failed=request["keep"])
                return world.build(request["script"], request["name"], **request["args"])
            return world.store.disk(roots.add_tree(world.store, request["name"], {"": request["text"].encode()}))

        serve(world.store, act)


def _fail_and_look(place: Path, script: str) -> None:
    """In the caller: run a build that fails, and open the shell in its sandbox."""
    from fpack.builders.kinds.exec import ExecOptions, PhaseFailed, kept_shell
    from fpack.builders.scheduler.failures import BuildsFailed
    from support.stores import builds

    with builds.builds(place, tools=TOOLS, options=ExecOptions(keep_failed=True)) as world:
        try:
            world.build(script)
        except BuildsFailed as failed:
            error = failed.failures[0][1]
            assert isinstance(error, PhaseFailed) and error.kept is not None
            kept_shell(error.kept)


if __name__ == "__main__":
    if sys.argv[4:]:
        _fail_and_look(Path(sys.argv[1]), sys.argv[4])
    else:
        _serve(Path(sys.argv[1]), sys.argv[2])
