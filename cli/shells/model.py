"""What a shell is made of: the built closure, what the user asked for, and what this machine is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

USUAL = ("bash", "zsh", "fish")


class Closure(NamedTuple):
    """A shell as it was built. Nothing in it depends on who enters it, or from where.

    name: what the prompt shows. view: the directory on disk whose entries become `/`. paths: (store path, its place on
    disk) of all that is to be in /fpack/store but symlinks. search: directories for the front of PATH, with colons.
    hook: bash's. files: texts of further files in /run/fpack, by path. links: (store path, its target) of symlinks.
    """

    name: str
    view: str
    paths: tuple[tuple[str, str], ...] = ()
    search: str = ""
    env: Mapping[str, str] = {}
    hook: str = ""
    files: Mapping[str, str] = {}
    links: tuple[tuple[str, str], ...] = ()


class ShellOptions(NamedTuple):
    """What the command line says of how the shell is entered.

    keep: variables of the host for a clean environment. expose, share: absolute paths of the host, to be read and to be
    written. user: NAME or NAME:UID. interpreter: bash, zsh, fish, or empty. command: empty for an interactive shell.
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
    """What of this machine a shell sees.

    privileged: root that may mount, so that no user namespace is needed. cwd, project: absolute; the latter is empty
    outside of a project. real: cwd without symlinks, or empty. sockets: those that exist of the ssh agent, X, Wayland
    and the like. terminfo: the host's entry for $TERM where the shell has none. resolv, localtime: real files, or
    empty. helper: the program that attaches the network to a container's own; empty: a container has the machine's.
    folders: more to share. runtime: $XDG_RUNTIME_DIR where that is below /run, else empty. certificates: the
    file of those that this machine trusts, or empty where the shell has none.
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
    folders: tuple[str, ...] = ()
    helper: str = ""
    runtime: str = ""
    certificates: str = ""
    real: str = ""


class Account(NamedTuple):
    """Who one is in a shell."""

    name: str
    uid: int
    gid: int
    home: str
