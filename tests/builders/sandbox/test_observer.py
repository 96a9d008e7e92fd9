"""The observer of a sandbox: it sees the names that calls look up, bounded, and calls have their usual results."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import select
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from struct import pack, unpack

import pytest
from fpack.builders.sandbox import observer
from fpack.builders.sandbox.observer import MAX_LENGTH, MAX_NAMES, Observer
from fpack.builders.sandbox.seccomp import MACHINES

_libc = ctypes.CDLL(None, use_errno=True)


def observed(
    work: Callable[[], object], *, names: bool = True, bind: observer.Binder | None = None
) -> tuple[Observer, object]:
    """Run a function in a child whose calls are observed; the observer, and what the function returned.

    bind: binds sockets to ports below 1024.
    """
    told, tell = os.pipe()
    numbers, number = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            assert _libc.prctl(38, 1, 0, 0, 0) == 0
            listener = observer.install(observer.build_filter(names=names, binds=bind is not None))
            os.write(number, b"%d" % listener)
            os.write(tell, json.dumps(work()).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(tell)
    copied = _libc.syscall(438, os.pidfd_open(child), int(os.read(numbers, 20)), 0)  # pidfd_getfd
    assert copied >= 0, os.strerror(ctypes.get_errno())
    watched = Observer(copied, os.open("/proc", os.O_PATH), 1024, bind)
    poll = select.poll()
    poll.register(copied, select.POLLIN)
    data = b""
    poll.register(told, select.POLLIN)
    while True:
        ready = dict(poll.poll(60_000))
        if ready.get(copied, 0) & select.POLLIN:
            watched.serve()
        elif told in ready:
            piece = os.read(told, 1 << 16)
            data += piece
            if not piece:
                break
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return watched, json.loads(data)


def test_names_are_seen_and_calls_have_their_results(tmp_path: Path) -> None:
    (tmp_path / "here").write_text("text")

    def work() -> object:
        os.chdir(tmp_path)
        directory = os.open(".", os.O_RDONLY)
        found: list[object] = [Path("here").read_text(), os.path.exists("relative"), os.access("/no/access", os.R_OK)]
        try:
            os.stat("of-directory", dir_fd=directory)
        except FileNotFoundError as error:
            found.append(error.errno)
        try:
            os.execv("/no/program", ["x"])
        except FileNotFoundError as error:
            found.append(error.errno)
        os.close(os.open("created", os.O_CREAT | os.O_WRONLY))
        return found

    watched, result = observed(work)
    assert result == ["text", False, False, 2, 2]
    names = {os.fsdecode(name) for name in watched.names}
    expected = {f"{tmp_path}/{name}" for name in ("here", "relative", "of-directory")}
    assert expected | {"/no/access", "/no/program"} <= names
    assert f"{tmp_path}/created" not in names, "what a call creates was not looked for"


def test_names_are_bounded() -> None:
    def work() -> object:
        for number in range(MAX_NAMES + 100):
            os.path.exists(f"/name-{number}")
        os.path.exists("/" + "x" * (MAX_LENGTH + 1))
        os.path.exists("/" + "y" * 4000)
        return [os.path.exists("/")]

    watched, result = observed(work)
    assert result == [True] and len(watched.names) == MAX_NAMES and watched.full
    assert max(map(len, watched.names)) <= MAX_LENGTH


def test_bad_addresses_are_errors_of_the_call_alone() -> None:
    def work() -> object:
        results = []
        for address in (0, 1, (1 << 64) - 1, 1 << 47, os.sysconf("SC_PAGE_SIZE") - 1):
            ctypes.set_errno(0)
            results.append((_libc.syscall(269, -100, ctypes.c_void_p(address), 0, 0), ctypes.get_errno()))
        return results

    if os.uname().machine != "x86_64":
        pytest.skip("the number of the call is that of x86-64")
    watched, result = observed(work)
    assert result == [[-1, 14]] * 5 and watched.failures >= 5


def test_a_killed_caller_does_not_stop_the_others() -> None:
    def work() -> object:
        child = os.fork()
        if not child:
            while True:
                os.path.exists("/looping")
        for _ in range(50):
            os.path.exists("/counting")
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return os.path.exists("/afterwards")

    watched, result = observed(work)
    assert result is False and b"/afterwards" in watched.names


def test_absence_is_told_within_a_directory_that_links_cannot_leave(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/inside").write_text("")
    (tmp_path / "out").symlink_to("/etc")
    (tmp_path / "up").symlink_to("../../../../../../etc")
    root = os.open(tmp_path, os.O_PATH)
    assert not observer.absent(root, b"/etc/inside") and not observer.absent(root, b"/out/inside")
    assert observer.absent(root, b"/etc/passwd") and observer.absent(root, b"/up/passwd")
    assert observer.absent(root, b"/../../../../../../etc/passwd") and observer.absent(root, b"/etc/inside/below")
    os.close(root)


@pytest.mark.parametrize("machine", MACHINES)
def test_the_filter_only_allows_and_notifies(machine: str) -> None:
    code = observer.build_filter(machine)
    returned = {unpack("<HBBI", code[at : at + 8])[3] for at in range(0, len(code), 8) if code[at] == 0x06}
    assert returned == {0x7FFF0000, 0x7FC00000}


def test_there_is_no_filter_for_an_unknown_machine() -> None:
    with pytest.raises(observer.CannotObserve):
        observer.build_filter("pdp11")


def bound(fd: int, data: bytes, length: int | None = None) -> int:
    """Call bind(2). Return 0 or the error number. length: as the call is told."""
    return ctypes.get_errno() if _libc.bind(fd, data, len(data) if length is None else length) else 0


def address(family: int, port: int) -> bytes:
    """Return a struct sockaddr of this machine's own address."""
    start = pack("=H", family) + port.to_bytes(2, "big")
    return start + (b"\x7f\0\0\1" + bytes(8) if family == socket.AF_INET else bytes(19) + b"\1" + bytes(4))


@pytest.mark.parametrize("names", [True, False])
def test_low_ports_are_bound_by_the_observer_and_others_by_the_program(names: bool) -> None:
    asked: list[tuple[int, bytes]] = []

    def bind(fd: int, data: bytes) -> int:
        with socket.socket(fileno=os.dup(fd)) as end:
            asked.append((end.family, data))
            return 0 if end.family == socket.AF_INET6 else errno.EADDRINUSE

    def work() -> list[int]:
        errors = []
        os.path.exists("/nothing")
        for family in (socket.AF_INET, socket.AF_INET6):
            with socket.socket(family) as low, socket.socket(family) as high:
                errors += [bound(low.fileno(), address(family, 80)), bound(high.fileno(), address(family, 0))]
        return errors

    watched, errors = observed(work, names=names, bind=bind)
    assert errors == [errno.EADDRINUSE, 0, 0, 0]
    assert asked == [(2, address(socket.AF_INET, 80)), (10, address(socket.AF_INET6, 80))]
    assert bool(watched.names) == names


def test_what_is_no_internet_address_is_left_to_the_kernel(tmp_path: Path) -> None:
    asked: list[bytes] = []

    def bind(fd: int, data: bytes) -> int:
        asked.append(data)
        return 0

    def work() -> list[int]:
        path = pack("=H", 1) + os.fsencode(tmp_path / "socket") + b"\0"
        low = address(socket.AF_INET, 80)
        with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix, open("/dev/null") as file:
            return [
                bound(unix.fileno(), path), bound(unix.fileno(), low), bound(file.fileno(), low), bound(9999, low),
                bound(tcp.fileno(), low, 7), bound(tcp.fileno(), low[:4], 4), bound(tcp.fileno(), b"", 0),
                bound(tcp.fileno(), low, 1 << 20), bound(tcp.fileno(), low, -1),
                ctypes.get_errno() if _libc.bind(tcp.fileno(), 8, 16) else 0,
                bound(tcp.fileno(), address(socket.AF_INET6, 80)),
            ]  # fmt: skip

    _, errors = observed(work, bind=bind)
    assert errors[0] == 0 and all(errors[1:4]) and not asked
    assert errors[4] and errors[5] and errors[6] and errors[9]
