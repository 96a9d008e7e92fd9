"""Debug an image that does not run: a shell on its files in the sandbox of `fpack try`, with the tools beside them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack

from fpack.builders.rootfs.relocation import PREFIX
from fpack.cli.shared_options import SharedOptions
from fpack.cli.trial import runner
from fpack.cli.trial.container import plan
from fpack.cli.trial.subject import ELSEWHERE, opened
from fpack.cli.ui.progress import step
from fpack.cli.workspace import machine
from fpack.cli.workspace.workspace import Workspace

from . import tools
from .session_environment import SHELL, variables


def debug(
    what: str | None,
    command: Sequence[str],
    packages: Sequence[str],
    user: tuple[int, int] | None,
    options: SharedOptions,
) -> int:
    """Run a command or a shell on the files of an image. Return its exit status. user: None for the image's own."""
    with Workspace(options) as workspace:
        machine.needs_emulator(workspace.arch, "The image", ELSEWHERE)  # before anything is fetched
        with ExitStack() as stack:
            with step("Preparing the image"):
                subject = stack.enter_context(opened(workspace, what))
            with step("Preparing the tools"):
                disk = stack.enter_context(tools.held(options, packages))
            words = list(command) or list(SHELL)
            trial = plan(subject.name, subject.config, subject.files, words, os.environ).trial
            uid, gid = user or (trial.uid, trial.gid)
            env = variables(subject.name, [f"{key}={value}" for key, value in trial.env.items()], uid, trial.env)
            found = trial._replace(
                tree=trial.tree._replace(paths=(*trial.tree.paths, (PREFIX, os.fspath(disk)))),
                env=env,
                uid=uid,
                gid=gid,
                tracing=True,
                emulator=subject.emulator,
            )
            return runner.run(found, observe=False).status
