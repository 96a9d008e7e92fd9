"""Let a system call of fpack fail, or kill fpack at it: `Faults` runs commands with faults.c loaded.

A command is run once to log its calls, then once for each call, which fails or kills. The commands run in forks of a
server that has imported fpack, since importing it takes longer than most commands.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from support.processes.c_programs import compiled
from support.time_limits import WAIT

HERE = Path(__file__).parent
KILL = 0  # an `error` that means SIGKILL
# Calls after which the state of the store differs: the moments of a kill.
CHANGES = ("syncfs", "fsync", "rename", "link", "unlink", "rmdir", "symlink", "mkdir", "create", "write")
# Calls that can fail because of the disk.
ALL = (*CHANGES, "chmod", "utime", "flock", "lock", "open", "list", "read", "stat")


class FaultOutcome(NamedTuple):
    """The end of a command. status: its exit status, negative for a signal. calls: the counted calls, if logged."""

    status: int
    out: str
    err: str
    calls: tuple[str, ...]
    hung: bool
    stacks: str


class Faults:
    """A server that runs commands of fpack. Use it as a context manager."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(exist_ok=True)
        self.library = directory / "faults.so"
        self.library.write_bytes(compiled(HERE / "faults.c", "-shared", "-fPIC", "-ldl"))
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "server.py"), str(self.library)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "LD_PRELOAD": str(self.library), "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        self._warm = False  # whether the server has imported what commands need

    def __enter__(self) -> Faults:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def run(
        self,
        words: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        at: int = 0,
        error: int = KILL,
        sticky: bool = False,
        kinds: Sequence[str] = CHANGES,
        under: Sequence[Path] = (),
        log: bool = False,
        timeout: float = WAIT,
        copies: bool = False,
        settles: bool = True,
    ) -> FaultOutcome:
        """Run a command. The call number `at` fails with `error`, and if `sticky` all later ones as well. at 0: none.

        words: the arguments of fpack; or "@", a module, a function and its arguments. error: an errno, or KILL. kinds,
        under: count only calls of these kinds, on paths below these. log: list the calls in the outcome. timeout: in
        seconds, after which the outcome is `hung`, with the stacks of all threads. copies: count the calls of the
        command's forks, such as what syncs in the background, instead of its own. settles: wait for them, too.
        """
        names = {name: str(self._directory / name) for name in ("out", "err", "log", "stacks", "modules")}
        request = {
            "argv": list(words), "cwd": str(cwd), "env": dict(env), "at": at, "error": error, "sticky": sticky,
            "kinds": ",".join(kinds), "under": ":".join(map(str, under)), "timeout": timeout,
            "copies": copies, "settles": settles,
            "out": names["out"], "err": names["err"], "log": names["log"] if log else "", "stacks": names["stacks"],
            "modules_to": "" if self._warm else names["modules"],
        }  # fmt: skip
        answer = self._ask(request)
        if not self._warm and os.path.exists(names["modules"]):
            self._ask({"modules": json.loads(Path(names["modules"]).read_text())})
            os.unlink(names["modules"])
        hung = answer["status"] == "hung"
        return FaultOutcome(
            -9 if hung else int(str(answer["status"])),
            Path(names["out"]).read_text(),
            Path(names["err"]).read_text(),
            tuple(Path(names["log"]).read_text().splitlines()) if log else (),
            hung,
            Path(names["stacks"]).read_text() if hung else "",
        )

    def warmed(self) -> None:
        """Import no further modules in the server: the commands so far have imported what the next ones need."""
        self._warm = True

    def _ask(self, request: Mapping[str, object]) -> dict[str, object]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, object] = json.loads(self._process.stdout.readline())
        return answer


def fast_directory() -> Path:
    """Make a directory in memory if there is one: a kill loses nothing that was written, so no disk is needed."""
    return Path(tempfile.mkdtemp(prefix="fpack-faults-", dir=memory()))


def memory() -> str | None:
    """Return a directory in memory, or None if there is none. tests/run sets FPACK_TESTS_MEMORY to one of its own."""
    directory = os.environ.get("FPACK_TESTS_MEMORY", "/dev/shm")
    return directory if os.access(directory, os.W_OK) else None


def reset(path: Path, template: Path) -> None:
    """Make the directory `path` a copy of `template`, with its hard links."""
    if path.exists():
        subprocess.run(["chmod", "-R", "u+rwX", str(path)], check=False, capture_output=True)
        shutil.rmtree(path)
    subprocess.run(["cp", "-a", str(template), str(path)], check=True)
