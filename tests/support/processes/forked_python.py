"""Run Python programs in forks of a process that has imported what they need, which saves each its start-up time."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn


class ForkedPython:
    """A process that runs a preamble once, and then each program in a fork of itself.

    A program is text, as for `python -c`. It sees the names of the preamble, which must not leave a thread running.
    """

    def __init__(self, preamble: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, preamble], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, cwd="/"
        )

    def __enter__(self) -> ForkedPython:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._process:
            pass

    def run(
        self, program: str, *args: str, cwd: str | Path = "/", timeout: float = 540
    ) -> subprocess.CompletedProcess[str]:
        """Run a program and return its exit status and output. Kill it after `timeout` seconds.

        args: `sys.argv[1:]`. The standard input is empty.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            streams = [f"/proc/{os.getpid()}/fd/{file.fileno()}" for file in (out, err)]
            request = {"program": program, "args": args, "cwd": str(cwd), "streams": streams}
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            number = self._process.stdout.readline()
            assert number, "the preamble failed"
            if not select.select([self._process.stdout], [], [], timeout)[0]:
                os.kill(int(number), 9)
            status = int(self._process.stdout.readline())
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode())
        return subprocess.CompletedProcess(["python", "-c", program, *args], status, *texts)


def _serve(preamble: str) -> None:
    """Start the programs that are asked for on the standard input; tell the number and the exit status of each."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(preamble, names)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _run(json.loads(line), names)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _run(request: dict[str, Any], names: dict[str, Any]) -> NoReturn:
    """Become a program."""
    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, path in enumerate(request["streams"], 1):
            os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), number)
        os.chdir(request["cwd"])
        sys.argv = ["-c", *request["args"]]
        exec(compile(request["program"], "<string>", "exec"), names)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
        os._exit(status)


if __name__ == "__main__":
    del sys.path[0]  # of this file, as for `python -c`
    _serve(sys.argv[1])
