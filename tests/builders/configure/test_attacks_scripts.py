"""Maintainer scripts that ask the kernel and the host for more than they may, as root and as a user."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.attacks.builds import SECRET
from support.attacks.refused_calls import OTHER_ARCHITECTURE, REFUSED, check_refused
from support.stores.configured import Configurer, Package


@pytest.fixture(scope="module")
def calls(caller: Configurer) -> dict[str, str]:
    """Return the result of each attempt, by its name."""
    lines = caller.postinst("attacker calls /srv || :", seconds=60).lines
    return dict(line.split(" ", 1) for line in lines if line.count(" ") in (1, 2))


@pytest.mark.parametrize("name", [*REFUSED, *OTHER_ARCHITECTURE])
def test_a_call_that_reaches_past_the_sandbox_is_refused(calls: dict[str, str], name: str) -> None:
    check_refused(calls, name, REFUSED)


def test_a_script_is_root_of_ids_that_nobody_has_and_has_few_capabilities(caller: Configurer) -> None:
    made = caller.postinst(
        "cat /proc/self/uid_map /proc/self/gid_map; grep -E '^(Uid|Groups|Cap...|NoNewPrivs|Seccomp):' "
        "/proc/self/status; cat /proc/sys/kernel/hostname"
    )
    rows = [line.split() for line in made.lines]
    maps = [row for row in rows if len(row) == 3 and all(word.isdigit() for word in row)]
    outer = {int(first) + number for _, first, count in maps for number in (0, int(count) - 1)}
    assert 0 not in outer and sum(int(count) for *_, count in maps) >= 2 * 65535
    status = {row[0]: row[1:] for row in rows if row and row[0].endswith(":")}
    allowed = sum(1 << number for number in (0, 1, 2, 3, 4, 5, 6, 7, 10, 18))
    assert status["Uid:"] == ["0"] * 4 and status["Groups:"] == []
    for name in ("CapPrm:", "CapEff:", "CapBnd:"):
        assert int(status[name][0], 16) == allowed, name
    assert status["CapInh:"] == status["CapAmb:"] == ["0" * 16]
    assert status["NoNewPrivs:"] == ["1"] and status["Seccomp:"] == ["2"]


def test_no_process_of_a_run_is_root_outside(caller: Configurer) -> None:
    if caller.uid:
        pytest.skip("only a run of root's could be root")
    caller.begin(Package("it", {"postinst": "sleep 20 & echo up; wait"}))
    caller.wait("up")
    while len(pids := caller.children(0)) < 8:  # those of both runs
        time.sleep(0.05)
    found = [Path(f"/proc/{pid}/status").read_text() for pid in pids]
    for text in found:
        rows = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        assert len(set(rows["Uid"].split())) == 1 and "0" not in rows["Uid"].split() + rows["Gid"].split(), rows
        assert rows["Groups"].split() == [], rows
    caller.interrupt()
    assert "Interrupted" in caller.finish().error
    assert caller.children() == []


def test_the_network_is_not_there(caller: Configurer) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as stream,
    ):
        name = f"fpack-attack-{os.getpid()}"
        stream.bind(f"\0{name}")
        stream.listen()
        port = server.getsockname()[1]
        made = caller.postinst(f"attacker connect {port} || :; attacker abstract {name} || :; cat /proc/net/dev")
        assert "loopback refused 111" in made.lines and "abstract refused 111" in made.lines
        assert any(line.startswith("elsewhere refused") for line in made.lines)
        interfaces = {line.partition(":")[0].strip() for line in made.lines if ":" in line and "bytes" not in line}
        assert "lo" in interfaces and not any(each.startswith(("eth", "en", "wl")) for each in interfaces)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_objects_of_system_v_are_not_there(caller: Configurer) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    segment = libc.shmget(0, 4096, 0o1666)
    assert segment >= 0
    try:
        made = caller.postinst("cat /proc/sysvipc/shm")
        assert len([line for line in made.lines if "==>" not in line and "Setting" not in line]) == 1
    finally:
        libc.shmctl(segment, 0, None)


def test_no_file_of_the_host_is_there(caller: Configurer) -> None:
    paths = [str(Path(__file__)), str(caller.store), sys.executable, "/proc/1/cwd/../../../../../etc/hostname",
             "/proc/1/root/../../etc/hostname", "/proc/kcore", "/dev/mem", "/dev/kmsg", "/dev/fuse", "/dev/kvm",
             "/sys/kernel", "/boot", "/lower", "/upper", "/merged", "/fpack/store", "/etc/hostname"]  # fmt: skip
    made = caller.postinst(
        "".join(f"if [ -d {p} ]; then ls -A {p}; elif cat {p} 2>/dev/null; then echo was read; fi\n" for p in paths)
        + "echo end; ls -A /; cat /proc/self/mountinfo; ls -l /proc/1/fd /proc/1/cwd /proc/1/root 2>&1 || :; "
        "cat /proc/1/environ /proc/1/cmdline 2>/dev/null || :"
    )
    said = "\n".join(made.lines)
    begin, _, rest = said.partition("\nend\n")
    assert [line for line in begin.splitlines() if "==>" not in line and "Setting up" not in line] == []
    assert SECRET not in said and str(caller.store) not in said and "fpack-attack" not in said
    mounts = [line.split() for line in rest.splitlines() if " - " in line]
    assert {row[4] for row in mounts} <= {
        "/", "/proc", "/run", "/tmp", "/dev", "/dev/shm", "/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus",
        *(f"/dev/{name}" for name in ("full", "null", "random", "urandom", "zero")),
    }  # fmt: skip


def test_nothing_of_the_kernel_can_be_set(caller: Configurer) -> None:
    before = Path("/proc/sys/kernel/core_pattern").read_bytes()
    made = caller.postinst(
        "attacker writable /proc/sys || :; for f in sysrq-trigger sys/kernel/core_pattern sys/kernel/domainname "
        "sys/vm/overcommit_memory sys/net/ipv4/ip_forward sys/kernel/ns_last_pid irq/default_smp_affinity self/uid_map "
        "self/gid_map self/setgroups 1/mem 1/oom_score_adj; do "
        "(echo '|/x %p' > /proc/$f) 2>/dev/null && echo $f was written; done; :"
    )
    assert "writable files: 0" in made.lines and not [line for line in made.lines if "was written" in line]
    assert Path("/proc/sys/kernel/core_pattern").read_bytes() == before
    assert made.entries == {}


def test_the_devices_are_those_that_change_nothing(caller: Configurer) -> None:
    made = caller.postinst(
        "ls /dev; echo --; touch /dev/new 2>/dev/null && echo a file was made; "
        "for d in null sda mem; do mknod /srv/$d c 1 3 2>/dev/null && echo $d was made; done; "
        "mknod /srv/whiteout c 0 0 2>/dev/null && echo a whiteout was made; :"
    )
    at = made.lines.index("--")
    listed = {line for line in made.lines[:at] if "==>" not in line and "Setting up" not in line}
    assert listed == {"fd", "full", "null", "random", "shm", "stderr", "stdin", "stdout", "urandom", "zero"}
    assert made.lines[at + 1 :] == [] and "srv/null" not in made.entries


def test_the_lower_tree_is_never_written(caller: Configurer) -> None:
    """It is hard links to the store's files, which belong to whoever runs fpack."""
    script = (
        "echo evil > /etc/victim; chmod 4777 /etc/victim; chown 12:12 /etc/victim; exec 5>>/etc/other; echo more >&5; "
        "ln /etc/third /srv/third; echo x >> /srv/third; truncate -s 0 /etc/fourth; touch -d @5 /etc/third"
    )
    files = {f"etc/{name}": f"good {name}" for name in ("victim", "other", "third", "fourth")}
    package = Package("victim", {"postinst": script}, files=files)
    made = caller.configure(package)
    assert made.text("etc/victim") == "evil\n" and made.text("etc/third") == "good thirdx\n"
    for folder in caller.store.glob("store/*-victim/data/etc"):
        for name in ("victim", "other", "third", "fourth"):
            assert (folder / name).read_text() == f"good {name}"
            status = (folder / name).stat()
            assert (status.st_mode & 0o7777, status.st_uid, status.st_mtime) == (0o444, caller.uid, 1)
    assert caller.strangers() == []


def test_process_1_is_no_prey(caller: Configurer) -> None:
    made = caller.postinst(
        "kill -9 1; kill -TERM 1; kill -STOP 1; (echo x > /proc/1/mem) 2>/dev/null && echo was written; "
        "cat /proc/1/maps 2>/dev/null && echo was read; echo alive > /etc/alive"
    )
    assert made.text("etc/alive") == "alive\n" and not {"was written", "was read"} & set(made.lines)


def test_a_script_that_kills_all_that_it_can_ends_alone(caller: Configurer) -> None:
    result = caller.attempt(Package("it", {"postinst": "trap '' TERM HUP; kill -9 -1; kill -9 $PPID; kill -9 1"}))
    assert "The script postinst of it failed" in result.error
    assert caller.children() == [] and caller.leftovers() == []
    assert caller.postinst("echo > /etc/after").entries


def test_a_user_that_a_script_becomes_has_no_more(caller: Configurer) -> None:
    made = caller.postinst(
        "setpriv --reuid=33 --regid=33 --clear-groups sh -c 'id -u; cat /etc/shadow 2>/dev/null && echo was read; "
        "echo x > /etc/passwd 2>/dev/null && echo was written; :'; chmod 4755 /usr/bin/cat; "
        "setpriv --reuid=33 --regid=33 --clear-groups cat /etc/shadow 2>/dev/null && echo set-id works; :"
    )
    assert "33" in made.lines and not {"was read", "was written", "set-id works"} & set(made.lines)


def test_nothing_is_mounted_for_the_host(caller: Configurer) -> None:
    def mounts() -> list[str]:
        """Return the mounts of this process and of the caller that a run could have made."""
        text = Path("/proc/self/mountinfo").read_text() + Path(f"/proc/{caller.pid}/mountinfo").read_text()
        return [line for line in text.splitlines() if "lowerdir=/lower," in line or f"{caller.store}" in line]

    before = mounts()
    caller.begin(Package("it", {"postinst": "echo up; sleep 1; echo > /etc/it"}))
    caller.wait("up")
    assert mounts() == before
    assert caller.finish().path
    assert mounts() == before


def test_another_user_cannot_read_the_tree_of_a_run(caller: Configurer) -> None:
    if os.geteuid():
        pytest.skip("only root can become another user")
    caller.begin(Package("it", {"postinst": f"echo {SECRET} > /etc/secret; chmod 644 /etc/secret; echo up; sleep 2"}))
    caller.wait("up")
    pids = caller.children(0)
    for pid in pids:
        command = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", "/bin/sh", "-c",
                   f"cat /proc/{pid}/root/etc/secret /proc/{pid}/cwd/etc/secret"]  # fmt: skip
        assert SECRET.encode() not in subprocess.run(command, capture_output=True).stdout
    caller.interrupt()
    caller.finish()
    assert caller.children() == []
