"""Attach the machine's network to a container that has its own network namespace.

A network namespace hides the machine's abstract sockets and the servers on its loopback device. pasta or slirp4netns
then lets the container's programs reach other machines. Both run as the container's user. Sources: passt(1),
slirp4netns(1), ioctl_ns(2).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import stat
import time
from collections.abc import Iterable
from typing import NamedTuple

from fpack.builders.sandbox import idmap
from fpack.store import processes

NAME_SERVER = "10.0.2.3"  # the address of slirp4netns's name server; pasta is configured to use it, too
_GET_USERNS = 0xB701  # NS_GET_USERNS
_TUN = "/dev/net/tun"
_PDEATHSIG = 1  # prctl: send a signal to this process when its parent ends
_TRIES, _POLL = 1000, 0.01  # attempts to find the network, and the seconds between them
_LOOPBACK_TRIES, _LOOPBACK_POLL = 10_000, 0.001


class NotAttached(Exception):
    """A helper exited, or did not set up the network. The text is its reason."""


class Helper(NamedTuple):
    """A running pasta or slirp4netns."""

    pid: int

    def end(self) -> None:
        try:
            os.kill(self.pid, signal.SIGTERM)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


def find_helper(outside: int) -> str:
    """Return the path of a helper that works here, or "".

    outside: the uid that the container's user has on this machine, with which the helper runs; 0 if it is the caller's.
    """
    if not _can_use_tun(outside):
        return ""
    return processes.find("pasta") or processes.find("slirp4netns") or ""


def why_none(outside: int) -> str:
    """Return the reason why `find_helper` finds none. outside: as there."""
    return "neither pasta nor slirp4netns is installed" if _can_use_tun(outside) else f"{_TUN} cannot be used"


def _can_use_tun(outside: int) -> bool:
    return bool(outside) or os.access(_TUN, os.R_OK | os.W_OK)


def resolv_text(host_file: str) -> str:
    """Return a container's resolv.conf, based on the machine's: the name server is the helper."""
    lines = []
    if host_file:
        with open(host_file, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file if line.split()[:1] and line.split()[0] in ("search", "options")]
    return "".join(f"{line}\n" for line in [*lines, f"nameserver {NAME_SERVER}"])


def words_of(helper: str, net: int, user: int, ports: Iterable[int] = ()) -> list[str]:
    """Return a helper's arguments. net, user: descriptors of the container's namespaces. ports: see `attach`.

    No port is forwarded in either direction, except `ports` from the container to the machine (-T).
    """
    of_net, of_user = f"/proc/self/fd/{net}", f"/proc/self/fd/{user}"
    if os.path.basename(helper) == "pasta":
        forward = ",".join(map(str, ports)) or "none"
        return [
            "-f", "-q", "--config-net", "--no-map-gw", "-t", "none", "-u", "none", "-T", forward, "-U", "none",
            "--dns-forward", NAME_SERVER, "--userns", of_user, "--netns", of_net,
        ]  # fmt: skip
    return [
        "--configure", "--mtu=65520", "--disable-host-loopback",
        "--netns-type=path", f"--userns-path={of_user}", of_net, "tap0",
    ]  # fmt: skip


def attach(helper: str, command: int, outside: int, ports: Iterable[int] = ()) -> Helper:
    """Start a helper and wait until the network is available. Raise NotAttached, with the helper's reason, on failure.

    command: a process of the container. outside: as for `find_helper`. ports: TCP ports of the
    machine's 127.0.0.1 that the container reaches at its own 127.0.0.1; only pasta supports that.
    """
    # bubblewrap gives the loopback device its address after it has told the command's pid, and fails if the device has
    # it already, as it has as soon as pasta activates the device.
    for _ in range(_LOOPBACK_TRIES):
        if has_loopback(command):
            break
        time.sleep(_LOOPBACK_POLL)
    net = os.open(f"/proc/{command}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    user = fcntl.ioctl(net, _GET_USERNS)
    said = os.memfd_create("said", os.MFD_CLOEXEC)
    words = words_of(helper, net, user, ports)
    parent = os.getpid()
    pid = processes.fork(lambda: _become(helper, words, (net, user), said, outside, parent))
    for fd in (net, user):
        os.close(fd)
    made = Helper(pid)
    try:
        for _ in range(_TRIES):
            if _has_route(command):
                return made
            if os.waitpid(pid, os.WNOHANG)[0]:
                break
            time.sleep(_POLL)
        else:
            made.end()
        lines = os.pread(said, 1 << 16, 0).decode("utf-8", "replace").strip().splitlines()
        raise NotAttached(f"{helper} says: {lines[-1]}" if lines else f"{helper} gave no reason")
    finally:
        os.close(said)


def _become(helper: str, words: list[str], kept: tuple[int, ...], said: int, outside: int, parent: int) -> int:
    """Become the helper, in a copy of fpack's process. Return only on failure.

    kept: descriptors that the helper inherits. said: where its output goes. parent: the process with which it ends.
    """
    try:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores SIGPIPE, which pasta treats as an error
        for ignored in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(ignored, signal.SIG_IGN)
        nothing = os.open(os.devnull, os.O_RDWR)
        for number, fd in enumerate((nothing, said, said)):
            os.dup2(fd, number)
        for fd in kept:
            os.set_inheritable(fd, True)
        if outside:
            _show_tun()
            idmap.become(outside)
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() == parent:
            processes.become(os.path.basename(helper), words, program=helper)
    except (OSError, idmap.BindError) as error:
        os.write(2, f"{error}\n".encode())
    return 126


def _show_tun() -> None:
    """As root, make the tun device accessible to everybody, in a mount namespace of this process."""
    idmap.show(os.path.dirname(_TUN), (), 0, devices=True)
    os.mknod(_TUN, 0o666 | stat.S_IFCHR, os.makedev(10, 200))
    os.chmod(_TUN, 0o666)


def has_loopback(pid: int) -> bool:
    """Return whether the loopback device of a process's network namespace is active, or the process has ended."""
    try:
        with open(f"/proc/{pid}/net/fib_trie", encoding="ascii") as file:
            return "127.0.0.1" in file.read()
    except OSError:
        return True


def _has_route(pid: int) -> bool:
    """Return whether the network namespace of a process has a route to other machines."""
    try:
        with open(f"/proc/{pid}/net/route", encoding="ascii") as file:
            return any(line.split()[1:2] == ["00000000"] for line in file)
    except OSError:
        return False
