"""Hostile programs in a container shell, in a service, and in a shell of another user: as root and as a user."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from fpack.builders.sandbox.usage import descendants
from support.archives.shells import Terminal, world
from support.attacks.builds import MODES
from support.needs import needs_bubblewrap
from support.paths import TESTS
from support.processes import c_programs, unprivileged
from support.processes.people import public_directory
from support.processes.program import Fpack
from support.time_limits import WAIT

pytestmark = needs_bubblewrap

_GET_NUMBER = 0x80045430  # TIOCGPTN
# How root's machine could be reached: a service runs as a container shell does, `--user` changes who one is.
KINDS = ("container", "container-user", "user", "service")
PROJECT = """
debian = import("fpack/debian").trixie
script = @ATTACK@
shell = shell {
  packages = [debian.greet]
  services = if script == "" then {} else {
    attack = service {
      packages = [debian.greet]
      start = "trap 'exit 0' TERM; (${script}) > \\"$DATA/said\\" 2>&1; touch \\"$DATA/end\\"; sleep 300 & wait"
      ready = "test -e \\"$DATA/end\\""
      exports = { SAID = "$DATA/said" }
      seconds = 60
    }
  }
}
"""


class Victim(NamedTuple):
    """A user whose project is hostile."""

    fpack: Fpack
    project: Path
    root: bool

    def words(self, kind: str, script: str) -> list[str]:
        """Return the command line that has fpack run `script` in a sandbox of a kind."""
        attack = script if kind == "service" else ""
        (self.project / "fpack.fp").write_text(PROJECT.replace("@ATTACK@", json.dumps(attack).replace("$", "\\$")))
        shutil.rmtree(self.fpack.home / ".local/state/fpack/projects", ignore_errors=True)
        if kind == "service":
            return self.fpack.command("shell", "--", "sh", "-c", 'cat "$SAID"')
        options = {"container": ["--container"], "container-user": ["--container", "--user", "dev:1234"]}
        return self.fpack.command("shell", *options.get(kind, ["--user", "dev"]), "--", "sh", "-c", script)

    def run(self, kind: str, script: str) -> list[str]:
        """Return the output of a script in a sandbox of a kind."""
        done = subprocess.run(
            self.words(kind, script), capture_output=True, text=True, cwd=self.project, env=self.fpack.env, timeout=WAIT
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()


@pytest.fixture(scope="module", params=MODES)
def victim(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    root = request.param == "root"
    if root and os.geteuid():
        pytest.skip("only root can be attacked as root")
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    with public_directory("victim") as place:
        archive = world(tmp_path_factory.mktemp("archive"))
        archive.publish()
        archive.folder.chmod(0o755)
        project = place / "project"
        project.mkdir()
        c_programs.attacker(project / "attacker")
        prefix: list[str] = []
        if not root and os.geteuid() == 0:
            shown = [Path(p) for p in (sys.base_prefix, sys.prefix, archive.folder)]
            prefix = unprivileged.prefix([*shown, TESTS])
        fpack = Fpack(place / "home", archive, prefix=tuple(prefix))
        if prefix:
            for each in (project, fpack.home):
                os.chown(each, unprivileged.UID, unprivileged.UID)
        yield Victim(fpack, project, root)


@pytest.mark.parametrize("kind", KINDS)
def test_no_setting_of_the_kernel_can_be_written(victim: Victim, kind: str) -> None:
    pattern = Path("/proc/sys/kernel/core_pattern")
    before = pattern.read_bytes()
    said = victim.run(
        kind,
        "./attacker writable /proc/sys || exit; for f in sysrq-trigger sys/kernel/core_pattern sys/kernel/domainname "
        "sys/vm/overcommit_memory irq/default_smp_affinity; do (echo x > /proc/$f) 2> /dev/null && echo $f; done; :",
    )
    assert pattern.read_bytes() == before
    assert said == ["writable files: 0"]


@pytest.mark.parametrize("kind", KINDS)
def test_no_process_has_a_capability_or_the_machines_root(victim: Victim, kind: str) -> None:
    script = "touch waits; while [ -e waits ]; do sleep 0.05; done; grep Cap /proc/self/status"
    (victim.project / "waits").unlink(missing_ok=True)
    with subprocess.Popen(
        victim.words(kind, script), stdout=subprocess.PIPE, text=True, cwd=victim.project, env=victim.fpack.env
    ) as process:
        while not (victim.project / "waits").exists():
            assert process.poll() is None, "it ended early"
        inside = [pid for pid in descendants(process.pid) if _namespace(pid) not in ("", _namespace(os.getpid()))]
        users = {pid: _numbers(pid, "Uid") | _numbers(pid, "Gid") for pid in inside if not _is_python(pid)}
        (victim.project / "waits").unlink()
        assert process.stdout is not None
        capabilities = [line.split()[1].strip("0") for line in process.stdout.read().splitlines()]
    assert users and not any(0 in numbers for numbers in users.values()), users
    if not victim.root:
        assert all(numbers == {victim.fpack.home.stat().st_uid} for numbers in users.values())
    effective = capabilities[:3] + capabilities[4:]
    assert len(capabilities) == 5 and effective == [""] * 4, "only the bounding set may name some, which gives none"


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/user")
    except OSError:
        return ""


def _is_python(pid: int) -> bool:
    """Return whether a process is fpack itself, which makes a user namespace to map owners."""
    try:
        return "python" in os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return True  # it has just ended, as the one that made a user namespace to map owners does


def _numbers(pid: int, name: str) -> set[int]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return set()
    return {int(word) for line in lines if line.startswith(f"{name}:") for word in line.split()[1:]}


CALLS = {
    **dict.fromkeys(("unshare-user", "clone-user", "unshare-mount", "mount", "remount", "umount", "pivot-root",
                     "open-tree", "fsopen", "setns", "add-key", "keyctl", "tiocsti", "tiocsti-high-bits", "tioclinux",
                     "ptrace-attach", "process-vm-readv", "open-by-handle", "bpf", "perf-event-open", "userfaultfd",
                     "syslog", "kexec-load", "init-module", "reboot", "settimeofday", "suid-chmod", "suid-fchmodat2",
                     "character-device", "block-device", "sethostname"), errno.EPERM),
    **dict.fromkeys(("clone3", "io-uring-setup"), errno.ENOSYS),
    "socket-packet": errno.EAFNOSUPPORT,
}  # fmt: skip


@pytest.mark.parametrize("kind", ["container", "container-user", "service"])
def test_calls_that_reach_past_a_sandbox_are_refused(victim: Victim, kind: str) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("the attacker makes system calls of x86-64")
    said = dict(line.split(" ", 1) for line in victim.run(kind, "./attacker calls /tmp"))
    assert {name: said[name] for name in CALLS} == {name: f"refused {code}" for name, code in CALLS.items()}


@pytest.mark.parametrize("kind", ["container", "container-user", "service"])
def test_nothing_of_the_machine_is_seen(victim: Victim, kind: str) -> None:
    (victim.fpack.home / "private").write_text("secret")
    places = f"/etc/shadow {victim.fpack.home} /var/tmp /sys/kernel /dev/vda /dev/sda /dev/kmsg /proc/1/root/boot"
    script = f"for p in {places}; do [ -e $p ] && echo $p; done; cat {victim.fpack.home}/private 2> /dev/null || :"
    script += "; ls /dev | sort; ps -A | wc -l"
    said = victim.run(kind, script)
    if kind == "service":
        said.remove(str(victim.fpack.home))  # a service has its directory below it, and nothing else of it
    known = {"console", "core", "fd", "full", "null", "ptmx", "pts", "random", "shm",
             "stderr", "stdin", "stdout", "tty", "urandom", "zero"}  # fmt: skip
    # The root of the sandbox may have an empty directory of these names.
    assert set(said[:-1]) <= known | {"/var/tmp"} and int(said[-1]) < 10


@pytest.mark.parametrize("kind", ["user"])
def test_a_shell_of_another_user_cannot_signal_root_or_open_its_disks(victim: Victim, kind: str) -> None:
    if not victim.root:
        pytest.skip("of root's processes and disks, which no other user has")
    sleeper = subprocess.Popen(["sleep", "60"])
    disks = [p for p in Path("/dev").iterdir() if p.is_block_device() and p.stat().st_uid == 0]
    try:
        script = f"kill -9 {sleeper.pid} && echo killed; for d in {' '.join(map(str, disks))} /dev/mem; do "
        said = victim.run(kind, script + "(exec 5< $d) 2> /dev/null && echo $d; done; :")
        assert said == [] and sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


@pytest.mark.parametrize("kind", ["container", "service"])
def test_abstract_sockets_of_the_machine_are_out_of_reach(victim: Victim, kind: str) -> None:
    from fpack.builders.sandbox import landlock

    helped = any(shutil.which(name) for name in ("pasta", "slirp4netns")) and kind == "container"
    if not landlock.can_refuse_abstract_sockets() and not (helped and (victim.root or os.access("/dev/net/tun", 6))):
        pytest.skip("this kernel cannot refuse them in shares the machine's network namespace")
    name = f"fpack-shell-{os.getpid()}-{kind}-{victim.root}"
    with socket.socket(socket.AF_UNIX) as stream, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        stream.bind(f"\0{name}")
        stream.listen()
        datagrams.bind(f"\0{name}")
        said = victim.run(kind, f"./attacker abstract {name}")
    assert len(said) == 2 and all(" refused " in line for line in said), said
    here = subprocess.run([victim.project / "attacker", "abstract", "nobody"], capture_output=True, text=True)
    assert "refused 111" in here.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_written_as_the_projects_owner(victim: Victim, kind: str) -> None:
    made = victim.project / "made"
    made.unlink(missing_ok=True)
    kept = victim.project / "kept"
    kept.write_text("of the owner")
    kept.chmod(0o600)
    os.chown(kept, victim.project.stat().st_uid, victim.project.stat().st_gid)
    assert victim.run(kind, "cat kept; echo; echo more >> kept; echo x > made; ln -s made link; rm link; wc -c < made")[
        0
    ] == ("of the owner")
    assert made.stat().st_uid == victim.project.stat().st_uid and made.stat().st_gid == victim.project.stat().st_gid
    assert kept.read_text() == "of the ownermore\n"


@pytest.mark.parametrize("kind", ["container", "user"])
def test_standard_streams_can_be_opened_anew(victim: Victim, kind: str) -> None:
    words = victim.words(kind, "echo out > /dev/stdout; echo err > /dev/stderr; echo in | cat /dev/stdin")
    # The pipe is the user's own.
    piped = [*victim.fpack.prefix, "/bin/sh", "-c", '"$@" 2>&1 | cat', "sh", *words[len(victim.fpack.prefix) :]]
    done = subprocess.run(
        piped, stdout=subprocess.PIPE, text=True, cwd=victim.project, env=victim.fpack.env, timeout=WAIT
    )
    assert done.stdout.splitlines()[-3:] == ["out", "err", "in"]


@pytest.mark.parametrize("kind", ["container", "container-user", "service"])
def test_a_directory_that_the_caller_left_open_is_not_passed_on(victim: Victim, kind: str) -> None:
    open_directory = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY)
    high = fcntl.fcntl(open_directory, fcntl.F_DUPFD, 77)
    try:
        words = victim.words(kind, "for each in /proc/self/fd/*; do readlink $each || :; done; echo end")
        done = subprocess.run(
            words, capture_output=True, text=True, cwd=victim.project, env=victim.fpack.env, timeout=WAIT,
            pass_fds=[open_directory, high],
        )  # fmt: skip
    finally:
        os.close(open_directory)
        os.close(high)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "end", done.stdout + done.stderr
    assert "/etc" not in done.stdout.splitlines()


@pytest.mark.parametrize("kind", ["container", "container-user"])
def test_no_file_of_the_store_is_opened_by_the_first_process_of_a_container(victim: Victim, kind: str) -> None:
    said = victim.run(kind, "for f in /proc/1/fd/*; do readlink $f || :; chmod 0 $f 2> /dev/null || :; done; echo end")
    assert said[-1] == "end" and not [line for line in said if line.startswith("/") and line != "/dev/null"], said
    done = subprocess.run(
        victim.fpack.command("gc"), capture_output=True, text=True, env=victim.fpack.env, timeout=WAIT
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["container", "user"])
def test_a_terminal_is_used_and_given_back(victim: Victim, kind: str, terminals: list[Terminal]) -> None:
    words = victim.words(kind, "echo hi > /dev/tty; chmod 666 $(tty) /dev/stderr; echo done > /dev/stderr")
    terminal = Terminal(victim.fpack, cwd=victim.project, program=words)
    terminals.append(terminal)
    place = f"/dev/pts/{int.from_bytes(fcntl.ioctl(terminal.master, _GET_NUMBER, bytes(4)), sys.byteorder)}"
    if not victim.root and os.geteuid() == 0:
        os.chown(place, unprivileged.UID, -1)  # as whoever starts a terminal does
    before = os.stat(place)
    terminal.wait("hi\n")
    terminal.wait("done\n")
    assert terminal.end() == 0
    after = os.stat(place)
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    if victim.root or kind == "container":  # another shell of the caller holds nothing back
        assert after.st_mode == before.st_mode


@pytest.mark.parametrize("helper", ["pasta", "slirp4netns"])
def test_a_container_reaches_other_machines_and_not_the_loopback_device_of_this_one(
    victim: Victim, helper: str, tmp_path: Path
) -> None:
    """In a network namespace of the test's own, with an address that stands for another machine."""
    if os.geteuid() != 0:
        pytest.skip("only root can make the network of this test")
    if shutil.which(helper) is None:
        pytest.skip(f"{helper} is not installed")
    source = tmp_path / "reach.c"
    source.write_text(REACH)
    subprocess.run(["gcc", "-static", "-o", victim.project / "reach", source], check=True)
    others = [f"{folder}/{name}" for folder in ("/usr/bin", "/usr/local/bin") for name in ("pasta", "slirp4netns")]
    hidden = [path for path in others if not path.endswith(helper) and os.path.exists(path)]
    setup = f"""
        set -e
        for path in {" ".join(hidden)}; do mount --bind /dev/null $path; done
        mount -t tmpfs none /dev/net; mknod -m 666 /dev/net/tun c 10 200
        ip link set lo up
        unshare -n sh -c 'until ip addr add 198.51.100.7/24 dev there 2> /dev/null; do sleep 0.05; done
          ip link set there up; exec python3 -m http.server --bind 198.51.100.7 8002' > /dev/null 2>&1 & two=$!
        python3 -m http.server --bind 127.0.0.1 8001 > /dev/null 2>&1 & one=$!
        until [ "$(readlink /proc/$two/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
        ip link add here type veth peer name there netns $two
        ip addr add 198.51.100.2/24 dev here; ip link set here up; ip route add default via 198.51.100.7 dev here
        trap "kill $one $two" EXIT
        for server in '198.51.100.7 8002' '127.0.0.1 8001'; do
          until [ "$(./reach $server)" = yes ]; do sleep 0.05; done
        done
        "$@"
    """
    script = (
        "for i in $(seq 100); do reached=$(./reach 198.51.100.7 8002); [ $reached = yes ] && break; sleep 0.1; done; "
        "echo $reached; for a in 127.0.0.1 10.0.2.2 198.51.100.2; do ./reach $a 8001; done; "
        "grep -c . /proc/net/unix; cat /etc/resolv.conf"
    )
    done = subprocess.run(
        ["unshare", "-m", "-n", "sh", "-c", setup, "sh", *victim.words("container", script)],
        capture_output=True, text=True, cwd=victim.project, env=victim.fpack.env, timeout=WAIT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[:1] == ["yes"], (done.stdout, done.stderr)
    assert said[1:4] == ["no"] * 3 and said[4] == "1", said
    assert "nameserver 10.0.2.3" in said


def test_a_container_without_a_helper_says_that_it_has_the_machines_network(victim: Victim) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can hide the programs")
    places = [f"{folder}/{name}" for folder in ("/usr/bin", "/usr/local/bin") for name in ("pasta", "slirp4netns")]
    hide = "".join(f"mount --bind /dev/null {path}; " for path in places if os.path.exists(path))
    words = victim.words("container", "echo in")
    device = "mount -t tmpfs none /dev/net; mknod -m 666 /dev/net/tun c 10 200"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f'{hide}{device}; "$@"', "sh", *words],
        capture_output=True, text=True, cwd=victim.project, env=victim.fpack.env, timeout=WAIT,
    )  # fmt: skip
    assert done.stdout == "in\n" and "shares the machine's network" in done.stderr and "slirp4netns" in done.stderr


REACH = """
#include <arpa/inet.h>
#include <poll.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
int main(int argc, char **argv) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  inet_pton(AF_INET, argv[1], &to.sin_addr);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), error = 1;
  connect(fd, (void *)&to, sizeof to);
  struct pollfd one = {fd, POLLOUT, 0};
  socklen_t size = sizeof error;
  if (poll(&one, 1, 2000) == 1) getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  puts(error ? "no" : "yes");
}
"""
