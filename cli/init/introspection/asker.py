"""Ask the build system of a package for its targets, by a derivation in the sandbox of the package's build."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fpack.cli.init.edits import PackageCall
from fpack.cli.time_limit import time_limit
from fpack.store.errors import FpackError

from .answers import FUNCTIONS, read_answer
from .targets import BuildTargets

if TYPE_CHECKING:
    from fpack.builders.kinds.exec import PhaseFailed
    from fpack.cli.options import SharedOptions

# Phases before the questions. A failure of these is one of the package's build, too.
_BEFORE = frozenset({"unpack", "patch", "configure"})


def ask(options: SharedOptions, call: PackageCall) -> BuildTargets | FpackError | None:
    """Return the targets of the package that a call of a project's file makes.

    Return an error if the build system cannot be configured, and None if it cannot be asked.
    """
    if call.function not in FUNCTIONS or not re.fullmatch(r"[A-Za-z_]\w*(?:-\w+)*", call.attribute):
        return None
    from fpack.builders.kinds.exec import PhaseFailed
    from fpack.cli.workspace.workspace import Workspace

    with Workspace(options) as workspace:
        value = workspace.value(workspace.target(call.attribute))
        answers = workspace.evaluator.expression('import("fpack/introspection").answers')
        output = workspace.output(workspace.evaluator.call(answers, call.function, value))
        try:
            path = workspace.realise([output])[0]
        except FpackError as error:
            failed = [entry for _, entry in getattr(error, "failures", ()) if isinstance(entry, PhaseFailed)]
            if not failed:
                raise
            workspace.finish()
            return error if failed[0].phase in _BEFORE or failed[0].where != _where(call, failed[0]) else None
        workspace.finish()
        with time_limit(call.attribute):
            return read_answer(call.function, workspace.store.disk(path))


def _where(call: PackageCall, failed: PhaseFailed) -> str:
    """Return the name of a failed build if it is that of the call's package, else ""."""
    return failed.where if call.name and failed.where.startswith(f"{call.name}-") else ""
