"""Run commands of fpack in forks of a process that has imported what they need, which saves each its start-up time.

A command gets arguments, variables, a working directory and standard streams of its own, as a started program does.
The server begins with few modules, and imports each one that a command imported, for the next commands.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import importlib
import io
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

# FPACK_TESTS_FORK=0 starts the program anew for each command, as a user does. FPACK_TESTS_FORK=later does so for the
# first command of each form: a verb with certain options. FPACK_TESTS_FORMS names a directory in which the workers of a
# run note these forms, so that each form has one first command.
_WHEN = os.environ.get("FPACK_TESTS_FORK", "1")
PROGRAM = Path(sys.executable).with_name("fpack")
# Variables that an interpreter, the dynamic linker or the C library reads only when a program is started.
_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "GLIBC_")
_PART = 1 << 16
_LEARNER = 3  # the descriptor for names of modules, in a command


def server(prefix: tuple[str, ...] = ()) -> ForkServer:
    """Return the server of this process for commands with a prefix. It ends with the process."""
    found = _servers.get(prefix)
    if found is None or not found.is_alive:  # it was killed with what a test that hung had started
        found = _servers[prefix] = ForkServer(prefix)
    return found


_servers: dict[tuple[str, ...], ForkServer] = {}


_forms: set[tuple[str, ...]] = set()


def can_run(prefix: tuple[str, ...], env: Mapping[str, str], args: Sequence[str], when: str = _WHEN) -> bool:
    """Return whether to run a command in a fork: if that behaves as a program that is started so."""
    of_user = len(prefix) > 1 and prefix[1].endswith("/unprivileged.py")
    if when == "0" or (prefix and not of_user) or any(name.startswith(_AT_START) for name in env):
        return False
    form = form_of(args)
    is_first = when == "later" and form not in _forms and _note(form)
    _forms.add(form)
    return not is_first


def _note(form: tuple[str, ...]) -> bool:
    """Return whether no other worker has noted a form."""
    folder = os.environ.get("FPACK_TESTS_FORMS")
    if folder is None:
        return True
    try:
        Path(folder, hashlib.sha256("\0".join(form).encode()).hexdigest()).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def form_of(args: Sequence[str]) -> tuple[str, ...]:
    """Return the form of a command: its first word, and the names of its options, sorted."""
    options = {word.partition("=")[0] for word in args[1 : args.index("--") if "--" in args else None]}
    return (*args[:1], *sorted(word for word in options if word.startswith("-")))


class ForkServer:
    """A server for commands of fpack. Several threads may use it at once. prefix: the words that start it."""

    def __init__(self, prefix: tuple[str, ...]) -> None:
        self._socket, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with end:
            self._process = subprocess.Popen(
                [*prefix, sys.executable, __file__, str(end.fileno())],
                stdin=subprocess.DEVNULL, pass_fds=[end.fileno()], env={"PATH": os.environ["PATH"]},
            )  # fmt: skip

    @property
    def is_alive(self) -> bool:
        """True while the server runs."""
        return self._process.poll() is None

    def run(
        self, args: Sequence[str], cwd: Path, env: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run a command and return its exit status and output. Kill it after `timeout` seconds."""
        with contextlib.ExitStack() as stack:
            request = stack.enter_context(open(os.memfd_create("request"), "w+b"))
            request.write(json.dumps({"args": args, "cwd": str(cwd), "env": dict(env)}).encode())
            request.seek(0)
            readers, writers = [], []
            for _ in range(3):
                reader, writer = os.pipe()
                readers.append(stack.enter_context(open(reader, "rb", buffering=0)))
                writers.append(writer)
            try:
                socket.send_fds(self._socket, [b"."], [request.fileno(), 0, *writers])
            finally:
                for writer in writers:
                    os.close(writer)
            parts: dict[int, list[bytes]] = {file.fileno(): [] for file in readers}
            out, err, status = parts.values()
            end = time.monotonic() + timeout
            selector = stack.enter_context(selectors.DefaultSelector())
            for file in readers:
                selector.register(file, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(max(end - time.monotonic(), 0))
                if not ready:
                    words = b"".join(status).split()  # the number of the process, and its exit status
                    ended = len(words) == 2
                    if len(words) == 1:
                        os.kill(int(words[0]), signal.SIGKILL)
                    assert not ended, f"a process of {args} has its output open after {timeout} seconds"
                    raise subprocess.TimeoutExpired(["fpack", *args], timeout, b"".join(out), b"".join(err))
                for key, _ in ready:
                    part = os.read(key.fd, _PART)
                    parts[key.fd].append(part)
                    if not part:
                        selector.unregister(key.fileobj)
        words = b"".join(status).split()
        assert len(words) == 2, f"the server that ran {args} has ended"
        code = int(words[1])
        return subprocess.CompletedProcess(["fpack", *args], code, _text(out), _text(err))


def _text(parts: Sequence[bytes]) -> str:
    return io.TextIOWrapper(io.BytesIO(b"".join(parts)), "utf-8").read()


class _Learner:
    """A finder that finds nothing, and tells the server the name of each module that a command imports."""

    def find_spec(self, name: str, *_: object) -> None:
        with contextlib.suppress(OSError):
            os.write(_LEARNER, name.encode() + b"\n")


def _serve(listener: socket.socket) -> None:
    """Start commands until the other side closes its socket, and report the end of each."""
    import fpack.cli.main  # noqa: F401

    gc.freeze()
    names, learnt = os.pipe()
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(names, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    message, fds, _, _ = socket.recv_fds(listener, 1, 5)
                    if not message:
                        return
                    child = os.fork()
                    if not child:
                        _run(fds, learnt)
                    status = fds.pop()
                    for fd in fds:
                        os.close(fd)
                    try:
                        os.write(status, b"%d " % child)
                    except BrokenPipeError:  # the test's time was over before the command began
                        os.kill(child, signal.SIGKILL)
                    selector.register(os.pidfd_open(child), selectors.EVENT_READ, (child, status))
                elif key.fileobj == names:
                    for name in os.read(names, _PART).decode().split():
                        with contextlib.suppress(Exception):
                            importlib.import_module(name)
                else:
                    selector.unregister(key.fileobj)
                    os.close(key.fd)
                    child, status = key.data
                    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                    with contextlib.suppress(BrokenPipeError):
                        os.write(status, b"%d" % code)
                    os.close(status)


def _run(fds: Sequence[int], learnt: int) -> NoReturn:
    """Become a command."""
    status = 70
    try:
        with open(fds[0], "rb", closefd=False) as file:
            request: dict[str, Any] = json.load(file)
        for number, fd in enumerate((*fds[1:4], learnt)):
            os.dup2(fd, number, number < _LEARNER)
        # The server's streams are of other files, which one can seek in.
        sys.stdin = os.fdopen(0, errors=sys.stdin.errors)
        sys.stdout = os.fdopen(1, "w", errors=sys.stdout.errors)
        sys.stderr = os.fdopen(2, "w", 1, errors=sys.stderr.errors)
        os.closerange(_LEARNER + 1, 1 << 16)
        sys.meta_path.insert(0, _Learner())
        os.chdir(request["cwd"])
        kept = {name: os.environ[name] for name in ("LC_CTYPE",) if name in os.environ}
        os.environ.clear()
        os.environ.update(kept | request["env"])
        time.tzset()
        sys.argv = [str(PROGRAM), *request["args"]]
        from fpack.cli.main import run

        run()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


if __name__ == "__main__":
    sys.path[0] = str(PROGRAM.parent)
    _serve(socket.socket(fileno=int(sys.argv[1])))
