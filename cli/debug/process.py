"""Read what a container's first process may do and where it is, from this machine's /proc.

All reads go through a descriptor of the process's directory. If the process ends, they fail, even if another process
gets its number.
"""

from __future__ import annotations

import os
import resource
import select
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from fpack.builders.sandbox import linux
from fpack.store.errors import FpackError

from .engines import RunningContainer

# Names below /proc/PID/ns, and the flags by which a process enters them.
NAMESPACES = {
    "user": linux.NEWUSER, "mnt": linux.NEWNS, "pid": linux.NEWPID, "net": linux.NEWNET, "ipc": linux.NEWIPC,
    "uts": linux.NEWUTS, "cgroup": linux.NEWCGROUP,
}  # fmt: skip
_LIMITS = {
    "Max cpu time": resource.RLIMIT_CPU, "Max file size": resource.RLIMIT_FSIZE, "Max data size": resource.RLIMIT_DATA,
    "Max stack size": resource.RLIMIT_STACK, "Max core file size": resource.RLIMIT_CORE,
    "Max resident set": resource.RLIMIT_RSS, "Max processes": resource.RLIMIT_NPROC,
    "Max open files": resource.RLIMIT_NOFILE, "Max locked memory": resource.RLIMIT_MEMLOCK,
    "Max address space": resource.RLIMIT_AS, "Max pending signals": resource.RLIMIT_SIGPENDING,
    "Max msgqueue size": resource.RLIMIT_MSGQUEUE, "Max nice priority": resource.RLIMIT_NICE,
    "Max realtime priority": resource.RLIMIT_RTPRIO,
}  # fmt: skip
_MAX_BYTES = 4 << 20  # of a file in /proc, or of a runtime configuration


class ContainerError(FpackError):
    """A container that cannot be entered."""


class Credentials(NamedTuple):
    """The rights of a process. uid, gid, groups: in the container's user namespace.

    bounding, ambient: sets of capabilities, as bits. filtered: it has a system call filter. label: its profile of
    AppArmor or context of SELinux, "" if it has none.
    """

    uid: int
    gid: int
    groups: tuple[int, ...]
    bounding: int
    ambient: int
    filtered: bool
    label: str


class ContainerProcess:
    """The first process of a running container.

    descriptor: a pidfd. namespaces: flags of those that are not ours. uid_map, gid_map: rows of the ids inside, those
    outside and how many. specification: the path of the runtime configuration, or "".
    """

    def __init__(self, container: RunningContainer) -> None:
        self.container = container
        try:
            self.descriptor = os.pidfd_open(container.pid)
            self._directory = os.open(f"/proc/{container.pid}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            self.specification = container.specification or self._bundle()
            self._check()
            self.namespaces = self._foreign_namespaces()
            self.uid_map, self.gid_map = self._map("uid_map"), self._map("gid_map")
            self.credentials = self._credentials()
            self.limits = tuple(self._limits())
            self.groups = tuple(self._control_groups())
        except PermissionError:
            # A user who may talk to docker's daemon does not own the processes of its containers: root does.
            user = "root" if container.engine == "docker" else "the user who runs the container"
            raise ContainerError(
                f"The container {container.name} belongs to another user",
                why=f"process {container.pid} cannot be examined",
                hint=f"run fpack as {user}",
            ) from None
        except OSError as error:
            raise self.gone(error.strerror or "") from None

    def has_ended(self, wait: float = 0) -> bool:
        """Return whether the process has ended, or does so within `wait` seconds."""
        ends = select.poll()
        ends.register(self.descriptor, select.POLLIN)
        return bool(ends.poll(wait * 1000))

    def gone(self, why: str) -> ContainerError:
        """Return the error for a container that ended."""
        container = self.container
        return ContainerError(f"The container {container.name} has ended", where=f"process {container.pid}", why=why)

    def _read(self, name: str) -> str:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._directory)
        with open(fd, "rb", buffering=0) as file:
            found = b""
            while piece := file.read(1 << 16):
                found += piece
                if len(found) > _MAX_BYTES:
                    break
        return found.decode("utf-8", "surrogateescape")

    def _check(self) -> None:
        """Raise ContainerError if the process is not of the container.

        The container may have ended since the engine was asked, and a newer process have its number. Or the engine is
        of another machine. Evidence is a control group, the source of a mount, or the engine's process that started it.
        """
        fields = self._fields()
        if (int(fields[19]) + 1) / os.sysconf("SC_CLK_TCK") > self.container.asked:
            raise self.gone("its number is that of another process")
        evidence = self._read("cgroup") + "".join(row.split(" ")[3] for row in self._read("mountinfo").splitlines())
        with suppress(OSError), open(f"/proc/{int(fields[1])}/cmdline", encoding="utf-8", errors="replace") as file:
            evidence += file.read()
        if self._inode("mnt") == os.stat("/proc/self/ns/mnt").st_ino or self.container.id not in evidence:
            raise ContainerError(
                f"Process {self.container.pid} is not of the container {self.container.name}",
                why=f"{self.container.engine} may talk to an engine on another machine",
                hint="run fpack debug on the machine on which the container runs",
            )

    def _fields(self) -> list[str]:
        """Return the fields of /proc/PID/stat from the process's state on, which is the third."""
        return self._read("stat").rpartition(")")[2].split()

    def _bundle(self) -> str:
        """Return the path of the runtime configuration in the container's bundle, or "" if it is not found.

        docker does not tell where the bundle is. The first process is a child of containerd's shim, which works in it.
        """
        path = f"/proc/{self._fields()[1]}/cwd/config.json"
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(fd, "rb", buffering=0) as file:
                known = os.fstat(fd)
                if not stat.S_ISREG(known.st_mode) or known.st_uid not in (0, os.getuid()):
                    return ""
                # If the shim was killed, the parent is another process.
                return path if self.container.id.encode() in file.read(_MAX_BYTES) else ""
        except OSError:
            return ""

    def _inode(self, name: str) -> int:
        return os.stat(f"ns/{name}", dir_fd=self._directory).st_ino

    def _foreign_namespaces(self) -> int:
        """Return the flags of the namespaces that are not those of this process."""
        flags = 0
        for name, flag in NAMESPACES.items():
            if os.stat(f"/proc/self/ns/{name}").st_ino != self._inode(name):
                flags |= flag
        return flags

    def _credentials(self) -> Credentials:
        fields = dict(line.split(":", 1) for line in self._read("status").splitlines() if ":" in line)
        groups = [inside(self.gid_map, int(word)) for word in fields["Groups"].split()]
        return Credentials(
            inside(self.uid_map, int(fields["Uid"].split()[1])) or 0,
            inside(self.gid_map, int(fields["Gid"].split()[1])) or 0,
            tuple(group for group in groups if group is not None),
            int(fields["CapBnd"], 16),
            int(fields["CapAmb"], 16),
            int(fields.get("Seccomp", "0")) != 0,
            self._label(),
        )

    def _map(self, name: str) -> list[tuple[int, int, int]]:
        rows = (list(map(int, line.split())) for line in self._read(name).splitlines())
        return [(row[0], row[1], row[2]) for row in rows]

    def _label(self) -> str:
        try:
            label = self._read("attr/current").strip("\0\n ")
        except OSError:
            return ""
        return "" if label in ("unconfined", "kernel") else label

    def _limits(self) -> Iterator[tuple[int, int, int]]:
        """Yield each limit: its number, and its soft and hard values."""
        for line in self._read("limits").splitlines()[1:]:
            number = _LIMITS.get(line[:26].strip())
            words = line[26:].split()
            if number is not None and len(words) > 1:
                soft, hard = (resource.RLIM_INFINITY if word == "unlimited" else int(word) for word in words[:2])
                yield number, soft, hard

    def _control_groups(self) -> Iterator[str]:
        """Yield the files by which a process enters the container's control groups."""
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            mounts = [row.split(" ") for row in file]
        points = {}
        for row in mounts:
            end = row.index("-")
            if row[end + 1] in ("cgroup", "cgroup2") and row[3] == "/":
                for key in row[end + 3].strip().split(",") if row[end + 1] == "cgroup" else [""]:
                    points[key] = row[4]
        for line in self._read("cgroup").splitlines():
            _, controllers, path = line.split(":", 2)
            point = points.get(controllers.split(",")[0])
            if point is not None and "/../" not in f"{path}/" and path != "/":
                yield f"{point}{path}/cgroup.procs"


def inside(rows: list[tuple[int, int, int]], number: int) -> int | None:
    """Return the id in a user namespace of an id of this one, or None. rows: of /proc/PID/uid_map."""
    for first, outer, count in rows:
        if outer <= number < outer + count:
            return first + number - outer
    return None


def has(rows: list[tuple[int, int, int]], number: int) -> bool:
    """Return whether a user namespace has an id."""
    return any(first <= number <= last for first, last in ranges(rows))


def ranges(rows: list[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """Return the first and the last id of each range that a user namespace has."""
    found: list[tuple[int, int]] = []
    for first, _, count in sorted(rows):
        begin = found.pop()[0] if found and found[-1][1] + 1 == first else first
        found.append((begin, first + count - 1))
    return found
