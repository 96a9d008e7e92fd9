"""Hostile builds that look for the network, the host, their caller, other builds and the store."""

from __future__ import annotations

import ctypes
import os
import re
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.attacks.builds import MODES, SECRET, Caller, callers
from support.processes import unprivileged


def test_the_network_is_not_there(caller: Caller) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        datagrams = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        datagrams.bind(("127.0.0.1", server.getsockname()[1]))
        port = server.getsockname()[1]
        made = caller.build(
            f"attacker connect {port}; ls /sys/class/net >&2 || :; cat /proc/net/dev; echo > $out", "net"
        )
        assert made.lines[:3:2] == ["loopback refused 111", "datagram refused 101"]
        assert made.lines[1] == "elsewhere refused 101"
        interfaces = {line.partition(":")[0].strip() for line in made.lines if ":" in line}
        assert "lo" in interfaces and not any(name.startswith(("e", "w")) for name in interfaces)
        for each in (server, datagrams):
            each.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
        with pytest.raises(BlockingIOError):
            datagrams.recv(1)


def test_abstract_sockets_of_the_host_are_not_there(caller: Caller) -> None:
    name = f"fpack-attack-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as stream, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        stream.bind(f"\0{name}")
        stream.listen()
        datagrams.bind(f"\0{name}-datagram")
        with socket.socket(socket.AF_UNIX) as here:
            here.connect(f"\0{name}")  # who is not in a build can
        made = caller.build(
            f"attacker abstract {name}; attacker abstract {name}-datagram; cat /proc/net/unix; echo > $out", "abstract"
        )  # fmt: skip
        assert [line for line in made.lines if "abstract" in line] == [
            "abstract refused 111",
            "abstract-datagram refused 111",
        ] * 2


def test_sockets_and_queues_of_the_host_are_not_there(caller: Caller) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    segment = libc.shmget(0, 4096, 0o1666)
    assert segment >= 0
    try:
        made = caller.build("cat /proc/sysvipc/shm; echo > $out", "ipc")
        assert len(made.lines) == 1 and "shmid" in made.lines[0]
    finally:
        libc.shmctl(segment, 0, None)


def test_no_file_of_the_host_is_there(caller: Caller) -> None:
    places = ["/etc/shadow", "/root", "/var/tmp", "/dev/shm", str(Path(__file__)), str(caller.store), sys.executable,
              "/proc/1/root/etc/shadow", "/proc/1/cwd/../../../../../../etc/shadow", "/proc/kcore", "/dev/mem",
              "/dev/kmsg", "/dev/fuse", "/dev/kvm", "/sys/kernel", "/run/systemd", "/boot"]  # fmt: skip
    script = "".join(
        f"if [ -d {place} ]; then ls -A {place}; elif cat {place} 2>/dev/null; then echo '{place} was read'; fi\n"
        for place in places
    )
    made = caller.build(script + "echo end; echo > $out", "files")
    assert made.lines == ["end"], made.lines


def test_the_devices_are_those_that_change_nothing(caller: Caller) -> None:
    made = caller.build(
        "ls /dev; echo --; for d in /dev/mem /dev/sda /dev/tty; do (exec 5<>$d) 2>/dev/null && echo $d is open; done;"
        "touch /dev/new 2>/dev/null && echo a file was made; echo > $out",
        "devices",
    )
    at = made.lines.index("--")
    known = {"core", "fd", "full", "null", "ptmx", "pts", "random", "shm",
             "stderr", "stdin", "stdout", "tty", "urandom", "zero"}  # fmt: skip
    assert set(made.lines[:at]) <= known and made.lines[at + 1 :] == []


def test_nothing_of_the_kernel_can_be_set(caller: Caller) -> None:
    before = Path("/proc/sys/kernel/core_pattern").read_bytes()
    made = caller.build(
        "attacker writable /proc/sys; for f in sysrq-trigger sys/kernel/core_pattern sys/kernel/domainname "
        "sys/vm/overcommit_memory irq/default_smp_affinity bus self/uid_map self/gid_map self/setgroups 1/mem; do "
        "(echo '|/build/x %p' > /proc/$f) 2>/dev/null && echo $f was written; done; echo > $out",
        "sysctl",
    )
    assert made.lines == ["writable files: 0"]
    assert Path("/proc/sys/kernel/core_pattern").read_bytes() == before


def test_there_is_no_root_to_be_seen(caller: Caller) -> None:
    made = caller.build(
        "id -u; id -g; id -G; stat -c %u / /etc /usr/bin/bash /build /tmp /fpack/store /proc/1 /proc/sys "
        "/dev /dev/null;"
        "cat /proc/self/uid_map /proc/self/gid_map; while read -r key value; do case $key in "
        "Cap*|NoNewPrivs:|Seccomp:) echo $key $value;; esac; done < /proc/self/status; echo > $out",
        "root",
    )
    assert made.lines[:3] == ["1000"] * 3
    assert "0" not in made.lines[3:13]
    for line in made.lines[13:15]:
        inside, _, count = line.split()
        assert inside == "1000" and count == "1"
    status = dict(line.split() for line in made.lines[15:])
    assert status == {
        **{f"Cap{set_}:": "0" * 16 for set_ in ("Inh", "Prm", "Eff", "Bnd", "Amb")},
        "NoNewPrivs:": "1", "Seccomp:": "2",
    }  # fmt: skip


def test_no_process_of_a_build_has_a_way_back_to_root(caller: Caller) -> None:
    """Nor the one outside of its namespace that looks after it: not by a saved user, a group or a capability."""
    caller.start("sleep 20 & echo up; wait || :; echo > $out", "ids")
    caller.wait("up")
    found = [Path(f"/proc/{pid}/status").read_text() for pid in caller.children(0)]
    assert len(found) >= 3
    for text in found:
        rows = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        users, groups = set(rows["Uid"].split()), set(rows["Gid"].split())
        assert len(users) == len(groups) == 1 and "0" not in users | groups, rows
        assert rows["Groups"].split() == [] or caller.uid, rows
        assert {rows[f"Cap{set_}"].strip("0") for set_ in ("Inh", "Prm", "Eff", "Amb")} == {""}, rows
    caller.interrupt()
    assert "Interrupted" in caller.finish().error


def test_nothing_of_the_caller_leaks(caller: Caller) -> None:
    made = caller.build(
        "for p in /proc/[0-9]*; do ls -l $p/fd || :; cat $p/environ $p/cmdline || :; echo; "
        "readlink $p/cwd $p/root $p/exe || :; done;"
        "echo > $out",
        "leaks",
    )
    text = "\n".join(made.lines)
    assert SECRET not in text and "fpack-attack" not in text and "python" not in text and str(caller.pid) not in text
    shown = re.findall(r" (\d+) -> (\S+)", text)
    assert shown and all(place.startswith(("/dev/null", "pipe:[", "/proc/", "/run/fpack/")) for _, place in shown), (
        shown
    )
    assert {int(number) for number, place in shown if place.startswith("pipe:[")} <= {
        1,
        2,
        3,
        10,
    }  # the log, and where phases are told


def test_the_store_cannot_be_written(caller: Caller) -> None:
    caller.ask(do="add", name="input", text="#!/bin/sh\n")
    given = caller.finish().output
    path = f"/fpack/store/{given.name}"
    attempts = [
        "echo changed > $it", "echo more >> $it", "rm -f $it", "mv $it /fpack/store/other", "mv /build/mine $it",
        "chmod 777 $it", "touch $it", "truncate -s 0 $it", "ln -f $it /fpack/store/link", "ln $it /build/link",
        "ln $it /tmp/link", "ln -f /build/mine $it", "ln -sfn /build $it", "exec 5<$it; echo changed > /proc/self/fd/5",
        "exec 5<>$it", "echo changed > /usr/bin/bash", "chmod 777 /usr/bin/cat", "rm -f /usr/bin/env", "mkdir /usr/x",
        "touch /x", "ln /usr/bin/cat /build/cat", "echo x > /etc/passwd", "echo x > /run/fpack/build",
        "rm -f /run/fpack/build", "mv /build /elsewhere", "mv /fpack/store /fpack/old", "rmdir /fpack/store",
    ]  # fmt: skip
    script = "echo mine > /build/mine\n" + "".join(f"( {a} ) 2>/dev/null && echo '{a}'\n" for a in attempts)
    made = caller.build(script + "cat $it; echo > $out", "write", env={"it": path})
    assert made.lines == ["#!/bin/sh"]
    assert given.read_text() == "#!/bin/sh\n" and given.stat().st_mode & 0o777 == 0o555


@pytest.mark.parametrize("kind", ["directory", "file"])
def test_an_input_that_is_a_symlink_shows_nothing_of_the_host(caller: Caller, kind: str) -> None:
    with tempfile.TemporaryDirectory(prefix="fpack-host-") as folder:
        file = Path(folder, "file")
        file.write_text(SECRET)
        for each, mode in ((file, 0o644), (file.parent, 0o755)):
            each.chmod(mode)  # also another user can read it
        target = file.parent if kind == "directory" else file
        link = caller.build(f"ln -s {target} $out", kind).output
        made = caller.build(
            "ls -L $it 2>&1 || :; cat $it $it/file 2>&1 || :; cat $it > $out || echo > $out",
            f"of-{kind}",
            env={"it": f"/fpack/store/{link.name}"},
            strip=True,
        )
        assert made.lines and SECRET not in "\n".join(made.lines) + made.output.read_text()
        assert all("No such file" in line for line in made.lines), made.lines


def test_other_store_paths_cannot_be_read(caller: Caller) -> None:
    caller.ask(do="add", name="hidden", text=SECRET)
    path = f"/fpack/store/{caller.finish().output.name}"
    halves = path[:20], path[20:]  # in one piece it would be an input
    made = caller.build(
        f"a={halves[0]}; ls /fpack/store; cat ${{a}}{halves[1]} 2>&1 || echo absent; echo > $out", "hidden"
    )
    assert made.lines[-1] == "absent" and SECRET not in "\n".join(made.lines)


def test_builds_do_not_see_each_other(two: list[Caller]) -> None:
    one, other = two
    one.start(
        f"for place in /build /tmp /dev/shm; do echo {SECRET} > $place/a; done; attacker listen {SECRET} & "
        "echo up; sleep 3; kill %1; echo > $out",
        "one",
    )
    one.wait("up")
    seen = other.build(
        "ls -R /build /tmp /dev/shm /fpack/store; for p in /proc/[0-9]*; do cat $p/cmdline; echo; done; "
        f"attacker abstract {SECRET}; echo > $out",
        "other",
    )
    text = "\n".join(seen.lines)
    assert "abstract refused 111" in text and "sleep" not in text and "/a" not in text and "\na\n" not in text
    assert one.finish().path


def test_a_build_has_a_user_of_its_own_and_its_directory_is_closed(two: list[Caller]) -> None:
    """CVE-2024-38531, CVE-2025-52991."""
    for number, each in enumerate(two):
        each.start(
            "echo secret > /build/secret; chmod -R 777 /build; echo up; sleep 3; echo > $out", f"private-{number}"
        )
        each.wait("up")
    users = []
    for each in two:
        owners = set()
        for pid in each.children(0):
            words = Path(f"/proc/{pid}/status").read_text().split("Uid:")[1].split()[:4]
            owners.update(words)
        users.append(owners)
        if os.geteuid() == 0:
            for prefix, person in (
                (unprivileged.prefix([]), unprivileged.UID),
                (["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"], 54321),
            ):
                if person != each.uid:
                    found = subprocess.run(
                        [*prefix, "/bin/sh", "-c", f"cat {each.store}/tmp/*/*/build/secret"], capture_output=True
                    )
                    assert found.returncode and b"secret\n" not in found.stdout
    if two[0].uid == 0:
        assert users[0] and users[1] and not users[0] & users[1] and "0" not in users[0] | users[1]
    else:
        assert users[0] == users[1] == {str(two[0].uid)}
    for each in two:
        assert each.finish().path


def test_builds_of_two_stores_have_two_users() -> None:
    """A user is one of the machine's: two builds as one user could end each other, and read each other's files."""
    with callers("root") as (one,), callers("root") as (other,):
        users = []
        for each in (one, other):
            each.start("echo up; sleep 3; echo > $out", "private")
            each.wait("up")
        for each in (one, other):
            owners = [Path(f"/proc/{pid}/status").read_text().split("Uid:")[1].split()[0] for pid in each.children(0)]
            users.append(set(owners))
        assert users[0] and users[1] and not users[0] & users[1] and "0" not in users[0] | users[1]
        for each in (one, other):
            assert each.finish().path


def test_a_shell_in_the_sandbox_of_a_failed_build_sees_no_more(caller: Caller) -> None:
    attempts = "cat here; id -u; echo $out; ls /run/fpack; cat /etc/shadow; echo x > /proc/sys/kernel/domainname"
    attempts += "; readlink /proc/self/fd/*"
    text = caller.in_terminal("echo made > here; exit 1", [*attempts.split("; "), "env; cat /proc/*/environ", "exit"])
    lines = [line.strip() for line in text.splitlines()]
    assert "made" in lines and "1000" in lines and SECRET not in text
    assert any(line.startswith("/fpack/store/") and line.endswith("-it") for line in lines)
    assert any("1-build" in line for line in lines)
    assert "No such file" in text and "Read-only file system" in text
    assert any(line.startswith("/dev/") for line in lines) and "/etc" not in lines


def test_a_build_comes_out_the_same_for_root_and_for_a_user_without_rights() -> None:
    script = (
        'mkdir -p $out/bin; echo "$out $MORE" > $out/bin/x; chmod +x $out/bin/x; ln -s $out/bin/x $out/y; '
        "{ id; cat /proc/sys/kernel/hostname; stat -c '%A %u %g' $out/bin; env; } > $out/seen; ulimit -a >> $out/seen"
    )
    found = []
    for mode in MODES:
        with callers(mode) as (one,):
            found.append(one.build(script, "same", env={"MORE": "x"}).output.name)
    assert len(found) == 2 and found[0] == found[1]
