"""Give a shell for another architecture the emulator of the lock: QEMU of a release of Debian, for this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.path import StorePath

_HINT = "run it on a machine of this architecture"


class BuiltEmulator(NamedTuple):
    """An emulator in the store. rule: as `emulator` of a `Closure`."""

    package: StorePath
    rule: tuple[str, str] | None


def of_lock(workspace: Workspace, arch: str, release: str, what: str) -> str:
    """Return the emulator for an architecture as `PATH#ARCHITECTURE`; "" if the machine runs its programs.

    The path is below the placeholder of the package, which is to be built. release: of Debian, whose emulator is taken.
    what: the subject of the error if the machine can run them in no way.
    """
    from fpack.cli.architecture import machine_arch
    from fpack.cli.workspace import machine

    own = machine_arch()
    if arch == own or not machine.needs_emulator(arch, what, _HINT):
        return ""
    evaluator = workspace.evaluator
    evaluator.depends_on_more()  # on the machine's emulators
    made = evaluator.call(evaluator.expression('import("fpack/parts").emulator'), release, arch, own)
    return str(evaluator.force(made["emulator"]))


def of_record(workspace: Workspace, record: Mapping[str, Any], name: str) -> str:
    """Return the emulator that a shell or a service needs, as `of_lock` does. name: of the shell or the service."""
    force = workspace.evaluator.force
    if "platform" not in record:
        return ""
    return of_lock(workspace, str(force(force(record["platform"])["arch"])), str(force(record["release"])), name)


def package_of(emulator: str) -> str:
    """Return the store path, or its placeholder, of the package that has an emulator."""
    return "/".join(emulator.split("/")[:4])


def built(workspace: Workspace, arch: str, what: str) -> BuiltEmulator | None:
    """Build the emulator of the stable release for an architecture, or return None if the machine runs its programs.

    what: as for `of_lock`.
    """
    from fpack.store.derivation import Output

    stable = str(workspace.evaluator.force(workspace.evaluator.expression('import("fpack/container").stable')))
    text = of_lock(workspace, arch, stable, what)
    if not text:
        return None
    package = package_of(text)
    digest, name, _ = workspace.evaluator.derivation_of(package)
    (path,) = workspace.realise([Output(digest, name)])
    return BuiltEmulator(path, on_disk(workspace, text, {package: path}))


def on_disk(
    workspace: Workspace, emulator: str, built: Mapping[str, StorePath] | None = None
) -> tuple[str, str] | None:
    """Return the kernel's rule and the path on disk of an emulator, as in `Closure`, or None for no emulator.

    built: the store paths of the packages that are meant by placeholders.
    """
    if not emulator:
        return None
    path, _, arch = emulator.partition("#")
    rule = _rule(arch)
    if rule is None:
        return None
    package = package_of(path)
    return rule, os.fspath(workspace.store.disk(str((built or {}).get(package, package)) + path.removeprefix(package)))


def check(package: Path, programs: Sequence[str], emulator: tuple[str, str] | None, what: str) -> None:
    """Raise UsageError if all compiled programs of a built package are for machines that the shell does not run.

    package: on disk. programs: names in its directory `bin`. emulator: of the shell.
    """
    from fpack.builders.machines import arch_of
    from fpack.cli.workspace import machine

    foreign = []
    for name in programs:
        arch = arch_of(_head(package if package.is_file() else package / "bin" / name))
        if not arch:
            continue
        if not machine.runs_instead(arch) or (emulator is not None and emulator[0] == _rule(arch)):
            return
        foreign.append((name, arch))
    if foreign:
        from fpack.cli.errors import UsageError

        name, arch = foreign[0]
        raise UsageError(f"{name} of {what} is for {arch}, and the shell is not", hint=f"add --arch {arch}")


def _head(path: Path) -> bytes:
    """Return the first bytes of a regular file, else nothing."""
    if path.is_symlink() or not path.is_file():
        return b""
    with open(path, "rb") as file:
        return file.read(40)


def _rule(arch: str) -> str | None:
    from fpack.builders.sandbox.emulation import rule_of

    return rule_of(arch)
