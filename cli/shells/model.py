"""The data of a shell: its built closure, the options of the command line, and the host."""

from __future__ import annotations

from collections.abc import Mapping

from fpack.light_typing import NamedTuple


class Closure(NamedTuple):
    """A built shell, independent of who enters it and from where.

    name: shown in the prompt. view: directory on disk whose entries become `/`. paths: (store path, its path on disk)
    of everything in /fpack/store except symlinks. search: directories for the front of PATH, separated by colons.
    hook: bash code. files: texts of further files in /run/fpack, by path. links: (store path, target) of symlinks.
    emulator: the kernel's rule for its programs and the disk path of the emulator, if this machine does not run them.
    """

    name: str
    view: str
    paths: tuple[tuple[str, str], ...] = ()
    search: str = ""
    env: Mapping[str, str] = {}
    hook: str = ""
    files: Mapping[str, str] = {}
    links: tuple[tuple[str, str], ...] = ()
    emulator: tuple[str, str] | None = None


class ShellOptions(NamedTuple):
    """The options of the command line for entering a shell.

    keep: host variables to keep in a clean environment. expose, share: absolute host paths to make readable and
    writable. user: NAME or NAME:UID. interpreter: bash, zsh, fish, or empty. command: empty for an interactive shell.
    """

    pure: bool = False
    container: bool = False
    network: bool = True
    expose: tuple[str, ...] = ()
    share: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    user: str = ""
    interpreter: str = ""
    command: tuple[str, ...] = ()


class Host(NamedTuple):
    """The parts of this machine that a shell can see.

    privileged: root that may mount, so that no user namespace is needed. cwd, project: absolute paths; project is empty
    outside of a project. real: cwd without symlinks, or empty. sockets: existing ones of the ssh agent, X, Wayland and
    so on. terminfo: the host's entry for $TERM if the shell has none. resolv, localtime: real files, or empty. helper:
    program that attaches the network to a container's network namespace; if empty, a container has the machine's
    network. directories: further directories to share. runtime: $XDG_RUNTIME_DIR if it is below /run, else empty.
    certificates: file of the certificates that this machine trusts, or empty if the shell has none.
    """

    uid: int
    gid: int
    name: str
    home: str
    cwd: str
    project: str = ""
    privileged: bool = False
    environ: Mapping[str, str] = {}
    sockets: tuple[str, ...] = ()
    terminfo: str = ""
    resolv: str = ""
    localtime: str = ""
    directories: tuple[str, ...] = ()
    helper: str = ""
    runtime: str = ""
    certificates: str = ""
    real: str = ""


class Account(NamedTuple):
    """The user in a shell."""

    name: str
    uid: int
    gid: int
    home: str
