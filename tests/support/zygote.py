"""The program many times: a process that has imported it forks for each command, which saves the start-up time.

with Zygote(env) as zygote:
    status, output = zygote.run(["pack", "..."], cwd)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_MODULES = """
fpack.cli.verbs.pack fpack.cli.images.formats fpack.cli.images.packing fpack.builders.kinds.table
fpack.builders.kinds.image fpack.builders.kinds.manifest fpack.builders.kinds.deb fpack.builders.kinds.slice
fpack.builders.kinds.root fpack.builders.kinds.files fpack.builders.kinds.source fpack.builders.kinds.fetch
fpack.builders.scheduler.scheduler fpack.builders.debian.package_source fpack.builders.debian.repository
fpack.builders.debian.merged_index fpack.builders.debian.resolver fpack.builders.debian.relock fpack.builders.export.oci
fpack.builders.export.deb fpack.builders.rootfs.view fpack.lang.evaluator fpack.lang.std fpack.store.gc
fpack.store.verify
zstandard lark msgpack click rich.console rich.progress json tempfile sqlite3 ctypes
"""


class Done(NamedTuple):
    """A command that ended: its exit status, standard output and standard error."""

    status: int
    stdout: str
    stderr: str


class Zygote:
    """The process that forks. env: the environment of all commands."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(env), text=True
        )

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()

    def run(self, args: Sequence[str | Path], cwd: Path) -> Done:
        """Run a command."""
        assert self._process.stdin is not None and self._process.stdout is not None
        out, err = Path(self._folder.name, "out"), Path(self._folder.name, "err")
        request = {"args": [str(arg) for arg in args], "cwd": str(cwd), "out": str(out), "err": str(err)}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        return Done(status, out.read_text("utf-8", "replace"), err.read_text("utf-8", "replace"))


def _serve() -> None:
    import importlib

    for name in _MODULES.split():
        importlib.import_module(name)
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if not child:
            _run(request)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(request: Mapping[str, object]) -> None:
    status: object = 1
    try:
        os.chdir(str(request["cwd"]))
        for name, fd in (("out", 1), ("err", 2)):
            file = os.open(str(request[name]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, fd)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.argv = ["fpack", *map(str, request["args"])]  # type: ignore[call-overload]
        from fpack.cli.main import run

        run()
        status = 0
    except SystemExit as error:
        status = error.code
    except BaseException:
        import traceback

        traceback.print_exc()
        status = 70
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 0 if status is None else 1)


if __name__ == "__main__":
    sys.path.pop(0)
    _serve()
