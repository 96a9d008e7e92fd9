"""Make the settings of an evaluation: what the library knows of the machine, of the options and of the locks."""

from __future__ import annotations

from fpack.cli.version import VERSION
from fpack.cli.workspace.plans.package_plans import package_plans
from fpack.light_typing import TYPE_CHECKING, Any
from fpack.store.errors import FpackError

if TYPE_CHECKING:
    from fpack.cli.workspace.workspace import Workspace


def settings(workspace: Workspace) -> dict[str, Any]:
    """Return the settings by name. Functions among them can be called by the library alone."""
    from fpack.cli.architecture import machine_arch

    own = machine_arch()

    def cannot_run(arch: Any, /) -> str | None:
        """Return why this machine runs no builds for an architecture, or None."""
        from fpack.lang.runtime.values import evaluated

        wanted = str(evaluated(arch))
        if wanted == own:
            return None
        workspace.evaluator.depends_on_more()  # on the machine's emulators
        from fpack.cli.workspace import machine

        name = machine.runs_instead(wanted, in_builds=True)
        if not name or machine.can_emulate():
            return None
        return (
            f"this machine runs {name}, and its kernel does not let a sandbox have an emulator (Linux 6.7 and newer do)"
        )

    def emulated_by(arch: Any, /) -> str | None:
        """Return the architecture for which builds of another one need an emulator here, or None if they need none."""
        from fpack.cli.workspace import machine
        from fpack.lang.runtime.values import evaluated

        wanted = str(evaluated(arch))
        if wanted != own:
            workspace.evaluator.depends_on_more()
        is_foreign = wanted != own and bool(machine.runs_instead(wanted, in_builds=True))
        return own if is_foreign and machine.can_emulate() else None

    builds: dict[str, Any] = {"cannot-run": cannot_run, "emulated-by": emulated_by, "machine": own}
    return {
        "arch": workspace.arch,
        "codec": codec_of(workspace.options.compress),
        "version": VERSION,
        "is-licence": _is_licence,
        **package_plans(workspace),
        **(builds if workspace.options.builds else {}),
    }


def codec_of(text: str | None) -> dict[str, Any]:
    """Return the codec that the option --compress names, or the default one."""
    from fpack.builders.streams.codecs import codec

    try:
        return codec(text)
    except FpackError as error:
        raise error.with_(exit_code=2) from None


def _is_licence(text: Any, /) -> bool:
    """Return whether a text of the language is an SPDX expression."""
    from fpack.builders.sbom.licences.check import is_expression
    from fpack.lang.runtime.values import evaluated

    return is_expression(str(evaluated(text)))
