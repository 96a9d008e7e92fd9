"""Run commands of fpack in forks of a process that has imported everything: `python server.py LIBRARY`.

Each line of standard input is a request in JSON, and each line of standard output its answer. LIBRARY is faults.c,
compiled, which the caller has also put into LD_PRELOAD.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: this process waits for what a command leaves in the background


def main() -> None:
    """Serve requests until standard input ends."""
    library = ctypes.CDLL(sys.argv[1])
    library.prctl(_SUBREAPER, 1, 0, 0, 0)
    os.environ.pop("LD_PRELOAD", None)
    for line in sys.stdin:
        request = json.loads(line)
        if "modules" in request:
            for name in request["modules"]:
                with contextlib.suppress(Exception):
                    importlib.import_module(name)
            answer: dict[str, Any] = {}
        else:
            answer = serve(library, request)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def serve(library: ctypes.CDLL, request: dict[str, Any]) -> dict[str, Any]:
    """Run one command, and wait for its copies in the background. Kill it if it takes too long."""
    child = os.fork()
    if not child:
        run(library, request)
    end = time.monotonic() + request["timeout"]
    answer: dict[str, Any] = {}
    while True:
        try:
            pid, status = os.waitpid(-1 if request["settles"] else child, os.WNOHANG)
        except ChildProcessError:
            return answer
        if pid == child:
            answer["status"] = os.waitstatus_to_exitcode(status)
            if not request["settles"]:
                return answer
        elif not pid and time.monotonic() > end:
            if not answer:
                stacks(child, request["stacks"])
            for left in Path("/proc/self/task", str(os.getpid()), "children").read_text().split():
                os.kill(int(left), signal.SIGKILL)
            return {"status": "hung"}
        elif not pid:
            time.sleep(0.002)


def stacks(child: int, path: str) -> None:
    """Let a process write where its threads are."""
    os.kill(child, signal.SIGUSR1)
    time.sleep(0.5)


def run(library: ctypes.CDLL, request: dict[str, Any]) -> NoReturn:
    """Run the command in this process, and end."""
    import faulthandler

    os.setpgid(0, 0)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(os.open(request["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
    os.dup2(os.open(request["err"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
    if request["log"]:
        os.close(os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    faulthandler.register(signal.SIGUSR1, open(request["stacks"], "w"), all_threads=True)  # noqa: SIM115
    code = 99
    try:
        if request["modules_to"]:
            import atexit

            atexit.register(write_modules, request["modules_to"])
            leave = os._exit

            def write_and_leave(status: int) -> NoReturn:
                write_modules(request["modules_to"])
                leave(status)

            os._exit = write_and_leave
        arm = library.faults_arm
        text = ctypes.c_char_p
        arm.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_int, text, text, text, ctypes.c_int]
        words = request["argv"]
        work: Callable[[], object]
        if words[0] == "@":
            module = importlib.import_module(words[1])
            work = functools.partial(getattr(module, words[2]), *words[3:])
        else:
            from fpack.cli.main import run

            work = run

            sys.argv = ["fpack", *words]
        arm(
            request["at"],
            request["sticky"],
            request["error"],
            request["kinds"].encode(),
            request["under"].encode(),
            request["log"].encode(),
            request["copies"],
        )
        work()
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def write_modules(path: str) -> None:
    """Write the names of the imported modules."""
    with open(path, "w") as file:
        json.dump(sorted(sys.modules), file)


if __name__ == "__main__":
    main()
