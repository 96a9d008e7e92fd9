"""Plan a shell: turn closure, options and host into bubblewrap's arguments. All functions are pure.

`/` is a new empty directory in which each entry of the root is bound separately, read-only. So a project can appear at
its own path wherever that is: a directory of the root is split into its entries if a path of the host lies below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from fpack.builders.sandbox.isolation import Isolation, assemble
from fpack.cli.shells.model import Account, Closure, Host, ShellOptions
from fpack.light_typing import NamedTuple

from .environment import OWN, environment

# (name, kind, target): "d" a directory, "l" a symlink to `target`, "f" anything else.
Listing = Callable[[str], Iterable[tuple[str, str, str]]]

# Top directories that come from the host or that bubblewrap creates; the others come from the root.
_OWN_TOP = ("dev", "proc", "sys", "tmp", "run", "fpack")
# Host paths below these are not shown: they would hide the shell's own files, or those of the kernel.
_ROOT_PATHS = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/dev",
    "/proc",
    "/sys",
    "/run",
    "/fpack",
)


class Mount(NamedTuple):
    """A mount.

    how: bubblewrap's option. source: path on the host, or a symlink's target; may be empty. mode: of a directory to
    create, in octal digits. owned: the source belongs to the machine's user, who must also be its owner in the shell.
    """

    how: str
    path: str
    source: str = ""
    mode: str = ""
    owned: bool = False

    def args(self) -> tuple[str, ...]:
        """Return bubblewrap's arguments."""
        words = (self.how, self.source, self.path) if self.source else (self.how, self.path)
        return ("--perms", self.mode, *words) if self.mode else words


class Plan(NamedTuple):
    """The plan of a shell.

    base, mounts: mounts of `/`, and mounts over the kernel's file systems. env: all variables. cwd: the directory in
    which the command starts. hidden: the caller's directory if the shell does not show it.
    """

    isolation: Isolation
    base: tuple[Mount, ...]
    mounts: tuple[Mount, ...]
    env: dict[str, str]
    cwd: str
    hidden: str = ""

    def args(self, filter_fd: int) -> list[str]:
        """Return bubblewrap's arguments, without the program and the command. filter_fd: see `assemble`."""
        base = [word for mount in self.base for word in mount.args()]
        mounts = [word for mount in self.mounts for word in mount.args()]
        return [*assemble(self.isolation, base, mounts, filter_fd), "--remount-ro", "/", "--chdir", self.cwd]


def account(host: Host, options: ShellOptions) -> Account:
    """Return the account that the shell runs as."""
    name, _, number = options.user.partition(":")
    uid = int(number) if number else 1000 if name and host.uid == 0 else host.uid
    gid = uid if number or (name and host.uid == 0) else host.gid
    name = name or host.name
    home = host.home
    if options.container or not _sharable(home):
        home = "/root" if uid == 0 else f"/home/{name}"
    return Account(name, uid, gid, home)


def plan(closure: Closure, options: ShellOptions, host: Host, listing: Listing, etc: str, own: str) -> Plan:
    """Plan a shell.

    listing: lists a directory of the view, given by its path relative to the view. etc: directory on disk that becomes
    /etc. own: directory on disk that becomes `OWN`.
    """
    who = account(host, options)
    extra = _user_directories(options, host, who)
    single = list(_single(options, host))
    base = [*_top(closure.view, listing, [m.path for m in (*extra, *single)]), Mount("--ro-bind", "/etc", etc)]
    mounts = [*_temporary(options), *(Mount("--ro-bind", path, disk) for path, disk in closure.paths)]
    mounts += [Mount("--symlink", path, target) for path, target in closure.links]
    if not closure.paths and not closure.links:
        mounts.append(Mount("--dir", "/fpack/store"))
    mounts += extra
    mounts += [*single, Mount("--ro-bind", OWN, own)]
    cwd, hidden = host.cwd, ""
    shown = [path for path in (cwd, host.real) if path and any(_within(path, m.path) for m in extra if m.source)]
    if shown:
        cwd = shown[0]
    else:
        cwd, hidden = who.home, host.cwd
    return Plan(
        isolation(options, host), tuple(base), tuple(mounts), environment(closure, options, host, who), cwd, hidden
    )


def isolation(options: ShellOptions, host: Host) -> Isolation:
    """Return the isolation of a shell from the machine."""
    who = account(host, options)
    closed = options.container
    # Without a user namespace, root in a shell can do what installations and archives require.
    root = host.privileged and not closed and not is_another(options, host)
    return Isolation(who.uid, who.gid, closed, options.network and not host.helper, root)


def is_another(options: ShellOptions, host: Host) -> bool:
    """Return whether the user in the shell has another uid or gid than the caller."""
    who = account(host, options)
    return (who.uid, who.gid) != (host.uid, host.gid)


# Mounts.


def _top(view: str, listing: Listing, host_paths: list[str]) -> Iterator[Mount]:
    """Yield the root's entries separately. Directories that contain a host path are split into their entries."""
    todo = [""]
    while todo:
        directory = todo.pop()
        for name, kind, target in listing(directory):
            path = f"{directory}/{name}"
            if directory == "" and name in (*_OWN_TOP, "etc"):
                continue
            if kind == "l":
                yield Mount("--symlink", path, target)
            elif kind == "d" and any(p.startswith(f"{path}/") for p in host_paths):
                yield Mount("--dir", path)
                todo.append(path)
            elif kind == "d" and path in host_paths:
                continue
            else:
                yield Mount("--ro-bind", path, f"{view}{path}")


def _temporary(options: ShellOptions) -> Iterator[Mount]:
    """Yield the mounts of temporary file systems."""
    if options.container:
        yield Mount("--tmpfs", "/tmp")
    yield Mount("--tmpfs", "/run")
    yield Mount("--dir", "/run/lock")


def _user_directories(options: ShellOptions, host: Host, who: Account) -> list[Mount]:
    """Return the mounts of the user's directories, outer ones first, without those that an outer mount includes."""
    wanted = [host.project]
    if options.container:
        if not host.project:
            wanted.append(host.cwd)
    else:
        wanted += ["/tmp", host.home, host.cwd, *host.directories]
    found: dict[str, Mount] = {}
    if options.container or who.home != host.home:
        found[who.home] = Mount("--tmpfs", who.home)
    for path in wanted:
        if path and _sharable(path):
            found[path] = Mount("--bind", path, path, owned=True)
    for path in options.expose:
        found[path] = Mount("--ro-bind", path, path, owned=True)
    for path in options.share:
        found[path] = Mount("--bind", path, path, owned=True)
    mounts: list[Mount] = []
    for path in sorted(found):
        mount = found[path]
        above = [m for m in mounts if _within(path, m.path)]
        if above and mount.source == path and above[-1].how == mount.how and above[-1].source == above[-1].path:
            continue
        mounts.append(mount)
    return mounts


def _single(options: ShellOptions, host: Host) -> Iterator[Mount]:
    """Yield the mounts of single files and sockets of the host."""
    if options.network and host.resolv:
        yield Mount("--ro-bind", "/etc/resolv.conf", host.resolv)
    if options.container:
        return
    if host.localtime and not options.pure:
        yield Mount("--ro-bind", "/etc/localtime", host.localtime)
    if host.certificates and not options.pure:
        yield Mount("--ro-bind", "/etc/ssl/certs/ca-certificates.crt", host.certificates)
    if host.runtime:
        yield Mount("--dir", host.runtime, mode="0700")
    for path in host.sockets:
        seen = _within(path, "/tmp") or _within(path, host.home)
        if not seen and (_within(path, "/run/") or _sharable(path)):
            yield Mount("--ro-bind-try", path, path, owned=True)
    if host.terminfo:
        term = host.terminfo.rpartition("/")[2]
        yield Mount("--ro-bind", f"/run/terminfo/{term[:1]}/{term}", host.terminfo)


def _sharable(path: str) -> bool:
    """Return whether a directory of the host can be shown at its own path."""
    if not path.startswith("/") or path == "/" or path == "/nonexistent":
        return False
    # /usr belongs to the root, except /usr/src, which is for local sources.
    return not any(_within(path, top) for top in _ROOT_PATHS) or _within(path, "/usr/src/")


def hides_root(path: str) -> bool:
    """Return whether a host directory, shown in a shell, would hide the shell's own files."""
    return path in ("/", *_ROOT_PATHS, "/usr/bin", "/usr/sbin", "/usr/lib")


def _within(path: str, directory: str) -> bool:
    """Return whether `path` is `directory` or below it. With a trailing slash, only paths below match."""
    if directory.endswith("/"):
        return path.startswith(directory)
    return path == directory or path.startswith(f"{directory}/")
