"""Builds of the `exec` kind in a real store, with this machine's shell and tools as their root."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fpack.builders.kinds.exec import ExecBuilder, ExecOptions
from fpack.builders.kinds.text import TextBuilder
from fpack.builders.protocol import Builder
from fpack.builders.rootfs.view import assemble
from fpack.builders.sandbox.local_executor import LocalExecutor
from fpack.builders.scheduler.scheduler import Scheduler
from fpack.store.derivation import Derivation, Output, decode, digest, placeholder
from fpack.store.path import StorePath
from fpack.store.store import Store
from support.stores.recorder import Recorder
from support.stores.roots import MERGED, add_root, add_slice, host_programs

TOOLS = (
    "bash", "sh", "cat", "chmod", "cp", "dd", "env", "head", "hostname", "id", "ln", "ls", "mkdir", "mkfifo", "rm",
    "sleep", "stat", "touch", "truncate", "uname", "setsid", "mount", "unshare", "kill", "perl", "gzip",
)  # fmt: skip


class Builds:
    """A store with a root in it. `recorder` is of the last build."""

    def __init__(self, place: Path, tools: Sequence[str] = TOOLS, options: ExecOptions | None = None) -> None:
        self.store = Store(place)
        self.executor = LocalExecutor()
        self.options = options
        self.recorder = Recorder()
        self.bodies: dict[bytes, bytes] = {}
        self.slice = add_slice(self.store, "tools", host_programs(*tools))
        self.root = add_root(self.store, {"tools": self.slice}, MERGED)

    def close(self) -> None:
        """End the processes and the session."""
        self.executor.close()
        self.store.close()

    def add(self, drv: Derivation) -> Output:
        """Make a derivation known."""
        body = drv.encode()
        self.bodies[digest(body)] = body
        return Output(digest(body))

    def hole(self, output: Output) -> str:
        """Return the placeholder of an output in another derivation's strings."""
        return str(placeholder(output.derivation, decode(self.bodies[output.derivation]).name, output.name))

    def drv(
        self,
        script: str | Mapping[str, str],
        name: str = "it",
        outputs: tuple[str, ...] = ("out",),
        inputs: Sequence[Output] = (),
        **args: Any,
    ) -> Output:
        """Return a derivation that runs a script, or phases by name."""
        phases = {"build": script} if isinstance(script, str) else script
        listed = [{"name": phase, "script": text} for phase, text in phases.items()]
        args = {"root": str(self.root), "shell": "/bin/bash", "phases": listed, "env": {}, **args}
        return self.add(Derivation("exec", name, args, tuple(inputs), (), outputs))

    def realise(self, *outputs: Output, **builders: Builder) -> list[StorePath]:
        """Build outputs."""
        self.recorder = Recorder()
        kinds: dict[str, Builder] = {
            "exec": ExecBuilder(self.executor, self.options),
            "text": TextBuilder(),
            **builders,
        }
        return Scheduler(self.store, kinds, self.recorder, assemble=assemble, bodies=self.bodies).realise(outputs)

    def build(self, script: str | Mapping[str, str], *args: Any, **more: Any) -> Path:
        """Run a script; where its output lies."""
        (path,) = self.realise(self.drv(script, *args, **more))
        return self.store.disk(path)


@contextmanager
def builds(place: Path, **more: Any) -> Iterator[Builds]:
    """Builds in a new store, ended afterwards."""
    made = Builds(place, **more)
    try:
        yield made
    finally:
        made.close()
