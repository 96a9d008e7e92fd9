"""Compile the files of a build apart, each in a sandbox of its own, and remember the results.

The key of a result is everything that its compiler gets: the root, the compiler's path, its options and the
preprocessed text. Only this service writes results, so no build can change what another one, or a later one, gets. A
request comes from the build, which may be hostile: its files are opened without following links, and nothing is written
into its directories but a line into a FIFO.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import stat
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3
from fpack.builders.sandbox.executor import Executor, Work
from fpack.builders.sandbox.spec import BUILD, Spec
from fpack.store import threads
from fpack.store.files.remove import remove_tree

from .compiler_wrapper import ANSWERS, PREFIX, REQUESTS, WRAPPER, script

MOST = 2 << 30  # bytes of all remembered results
_FORMAT = 1  # of the remembered results; part of their keys
_MOST_TEXT = 512 << 20  # bytes
_MOST_OPTIONS = 1 << 20  # bytes
_MOST_MESSAGES = 1 << 20  # bytes
_AT_ONCE = 64  # requests, each with a thread
_POLL = 100  # ms between looks whether the service was stopped
_NAME = re.compile(rf"{re.escape(PREFIX)}[0-9]+-[0-9]+")
_NO_FOLLOW = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class CompiledFile(NamedTuple):
    """A result: the assembler code, and what the compiler said."""

    code: bytes
    messages: bytes


class CompileService:
    """The service of one build. `with` starts and ends it.

    compilers: paths by the names of requests. results: the directory of remembered results, or None to compile
    everything. scratch: makes an empty directory.
    """

    def __init__(
        self,
        spec: Spec,
        work: Work,
        executor: Executor,
        scratch: Callable[[], Path],
        compilers: Mapping[str, str],
        results: Path | None,
    ) -> None:
        self._spec = spec
        self._work = work
        self._executor = executor
        self._scratch = scratch
        self._compilers = dict(compilers)
        self._results = results
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._number = 0
        self._grew = False
        self._jobs: list[threads.ThreadJob[None]] = []
        self._fifo = -1
        self._listener: threads.ThreadJob[None] | None = None

    def __enter__(self) -> CompileService:
        control = self._work.directory / "control"
        os.chmod(control, 0o700)
        for name in self._compilers:
            (control / name).write_bytes(b"")  # the compiler itself is mounted here
        (control / WRAPPER).write_text(script())
        os.chmod(control / WRAPPER, 0o555)
        os.mkdir(control / ANSWERS, 0o755)
        os.chmod(control / ANSWERS, 0o755)
        os.mkfifo(control / REQUESTS)
        os.chmod(control / REQUESTS, 0o622)
        os.chmod(control, 0o755)
        # Open for writing too: a FIFO whose writers have all closed it would be readable for ever.
        self._fifo = os.open(control / REQUESTS, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._listener = threads.start(self._listen, "compile service")
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        if self._listener is not None:
            self._listener.wait()
        for job in self._jobs:
            job.wait()
        os.close(self._fifo)
        if self._grew and self._results is not None:
            trim(self._results, MOST)

    def covers(self) -> tuple[tuple[str, str, str], ...]:
        """Return what the sandbox mounts: for each compiler its path, and the names of the wrapper and of itself."""
        return tuple((path, WRAPPER, name) for name, path in self._compilers.items())

    def _listen(self) -> None:
        poll = select.poll()
        poll.register(self._fifo, select.POLLIN)
        pending = b""
        while not self._stopped.is_set():
            if not poll.poll(_POLL):
                continue
            with contextlib.suppress(BlockingIOError):
                pending += os.read(self._fifo, 65536)
            *lines, pending = pending.split(b"\n")
            pending = pending[-256:]
            for line in lines:
                name = line.decode("ascii", "replace")
                if _NAME.fullmatch(name):
                    self._jobs = [job for job in self._jobs if not job.done]
                    while len(self._jobs) >= _AT_ONCE and not self._stopped.is_set():
                        self._jobs[0].wait(_POLL / 1000)
                        self._jobs = [job for job in self._jobs if not job.done]
                    self._jobs.append(threads.start(lambda name=name: self._serve(name), "compile"))  # type: ignore[misc]

    def _serve(self, name: str) -> None:
        """Answer a request. The answer is a number, under which the result stands, or `none`."""
        try:
            tmp = os.open(self._work.directory / "tmp", os.O_DIRECTORY | _NO_FOLLOW)
            try:
                directory = os.open(name, os.O_DIRECTORY | _NO_FOLLOW, dir_fd=tmp)
            finally:
                os.close(tmp)
        except OSError:
            return
        try:
            answer = "none"
            try:
                answer = self._answer(directory)
            finally:
                _tell(directory, answer)
        except Exception:
            pass  # the build got `none` and compiles the file itself, or is gone
        finally:
            os.close(directory)

    def _answer(self, directory: int) -> str:
        words = _read(directory, "options", _MOST_OPTIONS).rstrip(b"\0").split(b"\0")
        text = _read(directory, "text", _MOST_TEXT)
        program = self._compilers.get(os.fsdecode(words[0]))
        if program is None:
            return "none"
        options = [os.fsdecode(word) for word in words[1:]]
        compiled = self._compiled(program, options, text)
        if compiled is None:
            return "none"
        with self._lock:
            self._number += 1
            number = str(self._number)
        answers = self._work.directory / "control" / ANSWERS
        for path, content in ((answers / f"{number}.errors", compiled.messages), (answers / number, compiled.code)):
            path.write_bytes(content)
            os.chmod(path, 0o444)
        return number

    def _compiled(self, program: str, options: Sequence[str], text: bytes) -> CompiledFile | None:
        """Return a remembered result, or compile. Return None if the compiler fails."""
        parts = [str(_FORMAT), self._spec.root, program, *options]
        key = blake3("\0".join([*parts, ""]).encode("utf-8", "surrogateescape") + text).hexdigest()
        path = self._results / key[:2] / key if self._results is not None else None
        compiled = None if path is None else load(path)
        if compiled is not None:
            return compiled
        compiled = self._compile(program, options, text)
        if compiled is not None and path is not None:
            save(path, compiled)
            self._grew = True
        return compiled

    def _compile(self, program: str, options: Sequence[str], text: bytes) -> CompiledFile | None:
        """Run the compiler on preprocessed text, in a sandbox that has nothing but the root."""
        name = f"text.{'ii' if program.endswith('plus') else 'i'}"
        said: list[bytes] = []
        directory = self._scratch()
        work = self._work._replace(directory=directory, log=said.append, phase=lambda _: None, check=self._check)
        spec = Spec(
            root=self._spec.root,
            command=(program, "-fpreprocessed", *options, f"{BUILD}/{name}", "-o", f"{BUILD}/code.s"),
            env=tuple(pair for pair in self._spec.env if pair[0] in ("PATH", "HOME", "TMPDIR", "LANG")),
            limits=self._spec.limits,
            emulator=self._spec.emulator,
        )
        try:
            self._executor.prepare(spec, work)
            (directory / "build" / name).write_bytes(text)
            os.chmod(directory / "build" / name, 0o444)
            if self._executor.run(spec, work)[0]:
                return None
            build = os.open(directory / "build", os.O_DIRECTORY | _NO_FOLLOW)
            try:
                return CompiledFile(_read(build, "code.s", _MOST_TEXT), b"".join(said)[:_MOST_MESSAGES])
            finally:
                os.close(build)
        finally:
            remove_tree(directory)

    def _check(self) -> None:
        self._work.check()
        if self._stopped.is_set():
            raise InterruptedError


def load(path: Path) -> CompiledFile | None:
    """Read a remembered result. Return None if there is none, or if it is damaged."""
    try:
        content = path.read_bytes()
        os.utime(path)  # the oldest are deleted first
    except OSError:
        return None
    digest, packed = content[:32], content[32:]
    if blake3(packed).digest() != digest:
        return None
    plain = zlib.decompress(packed)
    size = int.from_bytes(plain[:8], "big")
    return CompiledFile(plain[8 + size :], plain[8 : 8 + size])


def save(path: Path, compiled: CompiledFile) -> None:
    """Remember a result. A full disk is no error: the next build compiles the file again."""
    packed = zlib.compress(len(compiled.messages).to_bytes(8, "big") + compiled.messages + compiled.code, 1)
    new = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new.write_bytes(blake3(packed).digest() + packed)
        os.rename(new, path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink()


def trim(results: Path, most: int) -> None:
    """Delete the results that were not used for the longest time, until the others have at most `most` bytes."""
    found = []
    for path in results.glob("*/*"):
        with contextlib.suppress(OSError):
            status = path.stat()
            found.append((status.st_mtime_ns, status.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= most:
            return
        total -= size
        with contextlib.suppress(OSError):
            path.unlink()


def _read(directory: int, name: str, most: int) -> bytes:
    """Return the content of a regular file in a directory that the build owns. Raise OSError for anything else."""
    fd = os.open(name, _NO_FOLLOW, dir_fd=directory)
    with open(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_size > most:
            raise OSError(f"{name} is no regular file, or is too large")
        return file.read(most)


def _tell(directory: int, answer: str) -> None:
    """Write a line into the FIFO of a request, which its process has opened."""
    fd = os.open("answer", os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    try:
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.write(fd, f"{answer}\n".encode())
    finally:
        os.close(fd)
