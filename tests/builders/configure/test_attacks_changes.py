"""Maintainer scripts that leave what is no file of an image, or that take too much, as root and as a user."""

from __future__ import annotations

import os
import signal
import stat
import time
from pathlib import Path

import pytest
from support.archives.debs import file, folder
from support.attacks.builds import MODES, Result
from support.stores.configured import Configurer, Package, configurers
from support.time_limits import WAIT

MB = 1 << 20


def ended(caller: Configurer, result: Result) -> str:
    """Return the error of a run that failed, once it is sure that nothing is left of it."""
    assert result.path is None, "it was built"
    assert caller.children() == [], "a process is alive"
    assert caller.leftovers() == [], "files are left"
    assert caller.strangers() == [], "files in the store are another's"
    assert result.error and "bug in fpack" not in result.error, result.error
    return result.error


NAMES = ["$(touch evil)", "`touch evil`", "'; touch evil; '", '"; touch evil; "', "-rf", "--", "a\\b", "line\nline",
         "*", "\x1b[31mred", " ", "\u202eevil", "~root", "nul%00", "n" * 255]  # fmt: skip


def test_hostile_names_are_only_names(caller: Configurer) -> None:
    words = " ".join("'" + name.replace("'", "'\\''") + "'" for name in NAMES)
    made = caller.postinst(
        f'#!/bin/bash\nset -e\nmkdir /srv/d; cd /srv/d; for n in {words}; do echo "$n" > ./"$n"; done; '
        "echo > $'\\xff\\xfe'; ln -s $'\\xff' l"
    )
    found = set(os.listdir(os.fsencode(made.place / "data/srv/d")))
    assert found == {*map(os.fsencode, NAMES), b"\xff\xfe", b"l"}
    assert len(made.extra["configured"]) == len(NAMES) + 2


@pytest.mark.parametrize("target", ["a" * 4095, "/proc/self/root/../../etc/shadow", "/etc/passwd", "."])
def test_any_target_of_a_symlink_is_only_a_target(caller: Configurer, target: str) -> None:
    made = caller.postinst(f"ln -s {target} /srv/l")
    assert made.entries["srv/l"].target == target and os.readlink(made.place / "data/srv/l") == target


def test_what_a_tree_cannot_hold_is_named_and_left_out(caller: Configurer) -> None:
    made = caller.postinst(
        "mkfifo /srv/fifo; cd /srv; attacker socket s; attacker deep /srv 70 d; attacker deep /srv 20 "
        + "n" * 250
        + " || :; echo > /srv/good"
    )
    assert [path for path, entry in made.entries.items() if entry.kind != "d"] == ["srv/good"]
    assert {"srv/fifo", "srv/s"} <= made.unstable.keys()


def test_a_tree_that_is_very_deep_is_left_out(caller: Configurer) -> None:
    made = caller.postinst("attacker deep /srv 3000 d; echo > /etc/good")
    assert "etc/good" in made.entries and max(path.count("/") for path in made.entries) < 64


def test_directories_of_packages_cannot_be_replaced(caller: Configurer) -> None:
    script = """
        rm -r /etc/apache; ln -s /etc/passwd /etc/apache; rm -r /opt/d; echo > /opt/d
        rm /opt/f; mkdir /opt/f; echo > /opt/f/inside; mv /usr/lib/mods /usr/lib/moved; ln -s /etc /usr/lib/mods
    """
    items = [file("./etc/apache/conf", "1"), file("./opt/d/x", "2"), file("./opt/f", "3"),
             file("./usr/lib/mods/a", "4"), folder("./var/lib/it")]  # fmt: skip
    made = caller.configure(Package("it", {"postinst": script}, items=items))
    reasons = {path: reason for path, (_, reason) in made.unstable.items()}
    assert reasons == {
        "etc/apache": "it replaces a directory", "opt/d": "it replaces a directory",
        "opt/f": "it replaces a file by a directory", "usr/lib/mods": "it replaces a directory",
    }  # fmt: skip
    assert set(made.entries) == {"usr/lib/moved/a"} and made.removed == {}


def test_whiteouts_of_a_script_are_no_whiteouts(caller: Configurer) -> None:
    made = caller.configure(
        Package("it", {"postinst": """
            mknod /etc/w c 0 0 || mknod /tmp/w c 0 0 || mknod /run/w c 0 0 || :
            mv /tmp/w /run/w /etc/kept 2>/dev/null || :; rm -rf /srv/gone; mkdir /srv/gone; echo > /srv/gone/new
            echo > /etc/.wh.kept; echo > /etc/.wh..wh..opq
        """}, files={"etc/kept": "k", "srv/gone/old": "o"})
    )  # fmt: skip
    assert set(made.removed) == {"srv/gone/old"} and "etc/kept" not in made.entries
    assert set(made.entries) == {"srv/gone/new", "etc/.wh.kept", "etc/.wh..wh..opq"}


def test_changes_below_kernel_file_systems_are_not_kept(caller: Configurer) -> None:
    made = caller.postinst(
        "for d in /proc /sys /dev /run /tmp /dev/shm /var/tmp; do (echo > $d/x) || :; mkdir $d/y || :; done 2>/dev/null"
    )
    assert made.entries == {}


def test_hard_links_are_files_of_their_own(caller: Configurer) -> None:
    made = caller.postinst("echo one > /srv/a; ln /srv/a /srv/b; chmod 755 /srv/a; ln -s a /srv/c; ln /srv/c /srv/d")
    assert made.text("srv/a") == made.text("srv/b") == "one\n" and made.entries["srv/d"].target == "a"


def test_capabilities_of_files_do_not_exist(caller: Configurer) -> None:
    made = caller.postinst("cp /usr/bin/true /srv/t; attacker calls /srv > /tmp/calls || :; grep capability /tmp/calls")
    assert any(line.startswith("capability refused") for line in made.lines)


def test_accounts_that_lie_are_no_accounts(caller: Configurer) -> None:
    made = caller.postinst(
        "printf 'evil:x:0:0::/:/bin/sh\\nbad:x:x:y:z\\n:::::::\\nroot2:x:99999999999:1::/:\\n\\377:x:1:1:::\\n' "
        ">> /etc/passwd; printf 'g:x:5:\\nh:x:-1:\\n' >> /etc/group; echo > /etc/shadow; rm /etc/gshadow"
    )
    names = {user["name"] for user in made.extra["users"]}
    assert "evil" in names and not {"bad", "root2", ""} & names
    assert not {"h"} & {group["name"] for group in made.extra["groups"]}
    assert "etc/shadow" not in made.entries and made.removed == {}


def test_state_of_dpkg_that_lies_starts_nothing(caller: Configurer) -> None:
    made = caller.postinst(
        "printf '\\nPackage: --help\\nStatus: install ok installed\\nTriggers-Pending: x\\n\\nPackage: no-such\\n"
        "Triggers-Pending: y\\n' >> /var/lib/dpkg/status; echo > /etc/it"
    )
    assert set(made.entries) == {"etc/it"}


def test_what_a_script_says_cannot_drive_a_terminal(caller: Configurer) -> None:
    from fpack.cli.ui.render import error_text
    from fpack.store.errors import FpackError

    result = caller.attempt(Package("it", {"postinst": "printf '\\033]0;title\\007\\033[31mred\\n\\377\\n'; exit 1"}))
    assert "\x1b" not in error_text(FpackError("A script failed", why=ended(caller, result)))


def test_descriptors_of_a_script_lead_nowhere(caller: Configurer) -> None:
    made = caller.postinst("ls -l /proc/self/fd /proc/$PPID/fd")
    links = [line.rpartition(" -> ")[2] for line in made.lines if " -> " in line]
    assert links and all(link.startswith(("/dev/null", "pipe:[", "/proc/", "/var/lib/dpkg/")) for link in links), links


ATTACKS = {
    # name: script, limits, what the error says
    "sleeps and ignores signals": (
        "trap '' TERM INT HUP QUIT; sleep 60 & sleep 60", {"seconds": 1}, "more than 1 second"),
    "loops": ("while :; do :; done", {"seconds": 1}, "more than 1 second"),
    "stops itself": ("kill -STOP $$", {"seconds": 1}, "more than 1 second"),
    "private memory": ("attacker memory private 400", {"memory": 100 * MB}, "bytes of memory"),
    "shared memory": ("attacker memory shared 400", {"memory": 100 * MB}, "bytes of memory"),
    "/dev/shm": ("attacker memory shm 400", {"memory": 100 * MB}, "bytes of memory"),
    "System V memory": ("attacker memory sysv 400", {"memory": 100 * MB}, "bytes of memory"),
    "semaphores": ("attacker memory semaphores 400", {"memory": 100 * MB}, "bytes of memory"),
    "files in memory": ("attacker memory memfd 400", {}, "status is 1"),
    "/tmp and /dev/shm together": (
        "head -c 15000000 /dev/zero > /tmp/x; head -c 15000000 /dev/zero > /dev/shm/x", {"size": 20 * MB}, "No space"),
    "many processes": ("attacker sleepers 300; sleep 20", {"processes": 50}, "status is 1"),
    "a fork bomb": ("f() { f | f & }; f; sleep 20", {"processes": 50, "seconds": 5}, ""),
    "one file": ("head -c 40000000 /dev/zero > /srv/file", {"size": 20 * MB}, "No space"),
    "many files": ("for i in 1 2 3 4; do head -c 10000000 /dev/zero > /srv/$i; done", {"size": 20 * MB}, "No space"),
    "files without names": ("attacker disk /srv 200 || { echo refused; exit 3; }", {"size": 20 * MB}, "refused"),
    "/tmp": ("for i in 1 2 3; do head -c 10000000 /dev/zero > /tmp/$i; done", {"size": 20 * MB}, "No space"),
    "a million files": (
        "mkdir /srv/d; cd /srv/d; seq 1000000 | while read n; do > f$n || exit 1; done", {"files": 2000}, ""),
    "a hole as large as a disk": ("truncate -s 4611686018427387904 /srv/f", {"size": 20 * MB}, "File size limit"),
    "many holes": (
        "for i in 1 2 3 4 5 6 7 8 9; do truncate -s 10000000 /srv/$i; done", {"size": 20 * MB}, "wrote too much"),
    "a log without end": ("while :; do echo 0123456789abcdef; done", {"log": MB // 4}, "bytes to its log"),
    "a log without lines": ("while :; do printf 0123456789abcdef; done", {"log": MB // 4}, "bytes to its log"),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_what_takes_too_much_is_ended(caller: Configurer, name: str) -> None:
    script, limits, words = ATTACKS[name]
    error = ended(caller, caller.attempt(Package("it", {"postinst": script}), **limits))
    assert words in error and "1 seconds" not in error


def test_hard_links_of_a_large_file_are_bounded(caller: Configurer) -> None:
    script = "head -c 3000000 /dev/zero > /srv/0; for i in $(seq 300); do ln /srv/0 /srv/$i; done"
    assert "wrote too much" in ended(caller, caller.attempt(Package("it", {"postinst": script}), size=20 * MB))


LEFT = {
    "a job": "sleep 300 &",
    "one that ignores signals": "(trap '' TERM HUP INT; setsid sh -c 'while :; do echo evil > /etc/evil; done' &)",
    "a daemon": "setsid attacker listen x & sleep 0.1",
    "many": "attacker sleepers 20 &",
    "a stopped one": "sleep 300 & kill -STOP $!",
    "one that writes later": "(sleep 0.5; echo evil > /etc/late) &",
}


@pytest.mark.parametrize("name", LEFT)
def test_what_runs_on_in_the_background_is_ended(caller: Configurer, name: str) -> None:
    made = caller.configure(
        Package("a", {"postinst": f"{LEFT[name]}\necho > /etc/good"}),
        Package("b", {"postinst": "ls /proc | grep -c '^[0-9]' > /tmp/n; cat /tmp/n"}, depends=["a"]),
    )
    assert caller.children() == [] and caller.leftovers() == []
    assert "etc/good" in made.entries and "etc/late" not in made.entries
    count = int(made.lines[-1])
    assert count < 12, made.lines  # only b's own processes


def test_an_interrupted_run_leaves_nothing(caller: Configurer) -> None:
    caller.begin(Package("it", {"postinst": "trap '' TERM INT HUP; attacker sleepers 5 & echo up; sleep 50"}))
    caller.wait("up")
    caller.interrupt()
    assert "Interrupted" in ended(caller, caller.finish())


@pytest.mark.parametrize("mode", MODES)
def test_when_its_caller_crashes_a_run_ends_and_is_swept(mode: str) -> None:
    with configurers(mode, 2) as (one, other):
        one.begin(Package("it", {"postinst": "trap '' TERM HUP INT; attacker sleepers 5 & echo up; sleep 50"}))
        one.wait("up")
        doomed = one.children(0)
        while 0 < len(doomed) < 8:  # the script does not wait for its sleepers
            time.sleep(0.05)
            doomed = one.children(0)
        assert len(doomed) >= 8
        one.kill()
        assert _end(doomed)
        other.ask(do="gc")
        assert other.finish().error == ""
        assert other.strangers() == [] and other.leftovers() == []
        assert other.postinst("echo > /etc/after").entries


@pytest.mark.parametrize("mode", MODES)
def test_when_the_process_that_starts_a_run_is_killed_the_run_ends(mode: str) -> None:
    with configurers(mode) as (one,):
        one.begin(Package("it", {"postinst": "trap '' TERM HUP INT; echo up; sleep 50"}))
        one.wait("up")
        pids = one.children(0)
        starters = [pid for pid in pids if b"configure.namespace" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        parents = {pid: int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in starters}
        for pid in starters:
            if parents[pid] == one.pid:
                os.kill(pid, signal.SIGKILL)
        error = ended(one, one.finish())
        assert "is gone" in error
        assert _end(pids)


def _end(pids: list[int]) -> bool:
    """Return whether all processes end in time."""
    end = time.monotonic() + WAIT
    while any(map(_lives, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    return not any(map(_lives, pids))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_modes_in_the_store_are_those_of_the_store(caller: Configurer) -> None:
    made = caller.postinst("for m in 000 222 666 777 4755 2755; do echo $m > /srv/$m; chmod $m /srv/$m; done")
    assert caller.strangers() == []
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in (made.place / "data/srv").iterdir()}
    assert modes == {"000": 0o444, "222": 0o444, "666": 0o444, "777": 0o555, "4755": 0o555, "2755": 0o555}
    assert made.extra["setuid"] == [["/srv/2755", 0o2755], ["/srv/4755", 0o4755]]
