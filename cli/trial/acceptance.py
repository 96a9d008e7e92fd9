"""Let an image pass commands in the sandbox before `fpack pack` writes it.

The commands are those of the field `try` of a container and of the option --try. What an image has passed is kept in
the cache by its digest, so that it does not run the command again.
"""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from blake3 import blake3
from fpack.builders.oci.image_record import read as read_record
from fpack.cli.paths import cache_directory
from fpack.cli.ui.render import note, warn
from fpack.cli.workspace import machine
from fpack.light_typing import TYPE_CHECKING, NamedTuple
from fpack.store import canonical
from fpack.store.errors import FpackError, one_line

if TYPE_CHECKING:
    from fpack.cli.workspace.containers import Container
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.path import StorePath

SECONDS = 600  # after which a command is killed
_VERSION = 1  # of the sandbox: a change of what it allows makes kept answers void
_LINES, _MAX_OUTPUT = 20, 1 << 16


class PassedCommand(NamedTuple):
    """A command that an image passed. image: its name. kept: it passed before, and did not run again."""

    image: str
    words: tuple[str, ...]
    kept: bool

    def as_json(self) -> dict[str, object]:
        """Return the command as JSON values."""
        return {"command": list(self.words), "kept": self.kept}


class Acceptance:
    """Tries images, and collects what they passed. more: commands for each image, besides its own."""

    def __init__(self, more: Sequence[Sequence[str]]) -> None:
        self._more = [tuple(words) for words in more]
        self.passed: list[PassedCommand] = []

    def check(self, workspace: Workspace, container: Container, image: StorePath) -> None:
        """Raise FpackError if the image of a container fails one of its commands."""
        commands = list(dict.fromkeys([*container.tries, *self._more]))
        if not commands:
            return
        other = machine.runs_instead(container.arch)
        if other and not machine.can_emulate():
            warn(f"{container.name} for {container.arch} was not tried: this machine runs {other}")
            return
        digest = str(read_record(workspace.store.tree(image)).fields["digest"])
        for words in commands:
            answer = _answer(digest, words)
            kept = answer.is_file()
            if not kept:
                _run(workspace, container, image, words)
                answer.parent.mkdir(parents=True, exist_ok=True)
                answer.touch()
            else:
                with suppress(OSError):
                    os.utime(answer)
            self.passed.append(PassedCommand(container.name, words, kept))


def _answer(digest: str, words: Sequence[str]) -> Path:
    """Return the file that exists if an image has passed a command."""
    key = blake3(canonical.encode([_VERSION, digest, list(words)])).hexdigest()
    return cache_directory() / "trials" / key


def _run(workspace: Workspace, container: Container, image: StorePath, words: tuple[str, ...]) -> None:
    import tempfile

    from fpack.cli.shells import emulator

    from . import command, runner
    from .container import plan
    from .subject import of_image

    (root,) = workspace.realise([container.root])
    subject = of_image(workspace, container, image, root)
    planned = plan(subject.name, subject.config, subject.files, words, {})
    trial = planned.trial._replace(stop=signal.SIGKILL, takes_terminal=False)
    if machine.runs_instead(container.arch) and (emulated := emulator.built(workspace, container.arch, container.name)):
        trial = trial._replace(emulator=emulated.rule)
    note(f"Trying {container.name}: {shlex.join(words)}")
    with tempfile.TemporaryFile() as file:
        with _captured(file.fileno()):
            signal.alarm(SECONDS)  # the runner stops its command by it
            try:
                ended = runner.run(trial)
            finally:
                signal.alarm(0)
        if ended.succeeded:
            return
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _MAX_OUTPUT))
        output = file.read().decode("utf-8", "replace")
    found = command.TrialFacts(ended.status, command.findings(workspace, subject, ended), ended.unobserved)
    lines = [one_line(line) for line in output.splitlines()][-_LINES:]
    missing = list(command.describe(found))
    raise FpackError(
        f"The image {container.name} does not pass its command `{shlex.join(words)}`, so it is not written",
        where=container.name,
        why="\n".join([_outcome(ended.status, bool(lines)), *(f"  {line}" for line in lines), *missing]),
        hint="fpack try runs it with a terminal; what the image lacks can be added to `packages` or `wants`",
    )


def _outcome(status: int, wrote: bool) -> str:
    if status == 128 + signal.SIGKILL:
        text = f"it was killed, as any command is after {SECONDS} s"
    else:
        text = f"it ended with status {status}" if status < 128 else f"signal {status - 128} ended it"
    return f"{text}, and wrote {':' if wrote else 'nothing'}".replace("wrote :", "wrote:")


@contextmanager
def _captured(fd: int) -> Iterator[None]:
    """Let standard output and error be a file meanwhile, and standard input empty."""
    import sys

    sys.stdout.flush()
    sys.stderr.flush()
    before = [os.dup(number) for number in range(3)]
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.dup2(null, 0)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        yield
    finally:
        os.close(null)
        for number, old in enumerate(before):
            os.dup2(old, number)
            os.close(old)
