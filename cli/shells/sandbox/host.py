"""Gather facts about this machine and user for `plan`. Only this module inspects a shell's surroundings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from fpack.cli.shells.model import Host

_SYS_ADMIN = 21  # CAP_SYS_ADMIN, the capability to mount
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"  # in a shell
# Paths of Debian and its derivatives, Red Hat, SUSE, and Alpine and the BSDs.
_BUNDLES = (CERTIFICATES, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem")
_TERMINFO = ("/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo", "/usr/lib/terminfo")
# Top directories of the host's system. The programs of shims see all others.
_SYSTEM = frozenset((
    "bin", "boot", "dev", "etc", "fpack", "lib", "lib32", "lib64", "libx32", "lost+found", "nix", "proc", "run", "sbin",
    "snap", "sys", "tmp", "usr", "var",
))  # fmt: skip


def facts(project: str, view: str, environ: Mapping[str, str] = os.environ) -> Host:
    """Return the facts about this machine for a shell of `project` (or "") whose root is at `view`."""
    uid, gid = os.getuid(), os.getgid()
    home, name = environ.get("HOME", ""), environ.get("USER") or environ.get("LOGNAME") or ""
    if not home or not name or (name != "root") == (uid == 0):
        home, name = _entry(uid, home)
    return Host(
        uid=uid,
        gid=gid,
        name=name,
        home=home.rstrip("/") or "/",
        cwd=_cwd(environ),
        real=os.getcwd(),
        project=project,
        privileged=uid == 0 and _may_mount(),
        environ=dict(environ),
        sockets=tuple(path for path in _sockets(environ) if os.path.exists(path)),
        terminfo=_terminfo(environ, view),
        resolv=_real("/etc/resolv.conf"),
        localtime=_real("/etc/localtime"),
        runtime=_runtime(environ),
        certificates=_certificates(environ) if os.path.isfile(view + CERTIFICATES) else "",
    )


def directories() -> tuple[str, ...]:
    """Return the host's top directories that are not the system's."""
    return tuple(sorted(f"/{entry.name}" for entry in os.scandir("/") if entry.name not in _SYSTEM and entry.is_dir()))


def var_directories(view: str) -> tuple[str, ...]:
    """Return the host's directories below /var that the programs of shims see: /var/tmp, and those that the root at
    `view` does not have.
    """
    try:
        entries = sorted(os.scandir("/var"), key=lambda entry: entry.name)
    except OSError:
        return ()
    return tuple(
        f"/var/{entry.name}"
        for entry in entries
        if entry.is_dir(follow_symlinks=False)
        and (entry.name == "tmp" or not os.path.lexists(f"{view}/var/{entry.name}"))
    )


def listing(view: str) -> list[tuple[str, str, str]]:
    """List a directory in the form that `plan` expects."""
    found = []
    with os.scandir(view) as entries:
        for entry in entries:
            if entry.is_symlink():
                found.append((entry.name, "l", os.readlink(entry.path)))
            else:
                found.append((entry.name, "d" if entry.is_dir(follow_symlinks=False) else "f", ""))
    return sorted(found)


def groups(gids: Iterable[int]) -> list[tuple[str, int]]:
    """Return the names of those groups that have one."""
    import grp

    found = []
    for gid in sorted(set(gids)):
        try:
            found.append((grp.getgrgid(gid).gr_name, gid))
        except KeyError:
            continue
    return found


def _entry(uid: int, home: str) -> tuple[str, str]:
    """Return home and name of a user from the system's list."""
    import pwd

    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return home or "/nonexistent", "root" if uid == 0 else "user"
    return home or entry.pw_dir, entry.pw_name


def _cwd(environ: Mapping[str, str]) -> str:
    """Return the working directory by $PWD if that is still correct, so that symlinks in the path stay."""
    cwd = os.getcwd()
    logical = environ.get("PWD", "")
    if logical != cwd and logical.startswith("/"):
        try:
            if os.path.samefile(logical, cwd):
                return os.path.normpath(logical)
        except OSError:
            pass
    return cwd


def _may_mount() -> bool:
    try:
        # Read bytes: importing a codec that nothing else needs takes longer than the rest.
        with open("/proc/self/status", "rb", buffering=0) as file:
            for line in file.readall().splitlines():
                if line.startswith(b"CapEff:"):
                    return bool(int(line.split()[1], 16) >> _SYS_ADMIN & 1)
    except (OSError, ValueError):
        pass
    return False


def is_machine_root() -> bool:
    """Return whether uid 0 here is the machine's root, not the root of a user namespace."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        return any(line.split()[:2] == ["0", "0"] for line in file)


def _sockets(environ: Mapping[str, str]) -> Iterable[str]:
    """Yield the possible sockets of the ssh agent, the display servers, sound and the message bus."""
    run = environ.get("XDG_RUNTIME_DIR", "")
    for name in ("SSH_AUTH_SOCK", "XAUTHORITY"):
        if environ.get(name, "").startswith("/"):
            yield environ[name]
    wayland = environ.get("WAYLAND_DISPLAY", "")
    if wayland:
        yield wayland if wayland.startswith("/") else f"{run}/{wayland}"
    if run.startswith("/"):
        yield f"{run}/pulse/native"
        yield f"{run}/pipewire-0"
        yield f"{run}/bus"
        yield f"{run}/gnupg/S.gpg-agent"


def _runtime(environ: Mapping[str, str]) -> str:
    """Return the user's runtime directory if it is where the system creates it."""
    path = environ.get("XDG_RUNTIME_DIR", "").rstrip("/")
    return path if path.startswith("/run/") and "/../" not in f"{path}/" else ""


def _certificates(environ: Mapping[str, str]) -> str:
    """Return the certificates that the host's programs trust: only they include a private network's authority."""
    for path in (environ.get("SSL_CERT_FILE", ""), *_BUNDLES):
        if path.startswith("/") and (found := _real(path)):
            return found
    return ""


def _terminfo(environ: Mapping[str, str], view: str) -> str:
    """Return the host's description of the terminal if the shell's root has none; empty otherwise."""
    term = environ.get("TERM", "")
    if not term or "/" in term or term.startswith("."):
        return ""
    below = f"{term[0]}/{term}"
    if any(os.path.exists(f"{view}{directory}/{below}") for directory in ("/usr/share/terminfo", "/usr/lib/terminfo")):
        return ""
    own = environ.get("TERMINFO", "")
    for directory in ([own] if own.startswith("/") else []) + list(_TERMINFO):
        if os.path.isfile(f"{directory}/{below}"):
            return os.path.realpath(f"{directory}/{below}")
    return ""


def _real(path: str) -> str:
    """Return the file that a path leads to, or "" if there is none."""
    real = os.path.realpath(path)
    return real if os.path.isfile(real) else ""
