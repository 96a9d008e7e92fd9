"""`fpack debug` of real containers, rootful and rootless: what the session sees, what it may do, and how it ends."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.time_limits import WAIT

from .conftest import Debugger

pytestmark = [pytest.mark.podman, pytest.mark.network]

once = pytest.mark.parametrize("debugger", ["rootless" if os.getuid() else "root"], indirect=True)


def fields(text: str) -> dict[str, str]:
    """Return the fields of /proc/PID/status."""
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@contextlib.contextmanager
def container(debugger: Debugger, *options: str, image: str = "bare", command: tuple[str, ...] = ()) -> Iterator[str]:
    name = debugger.start(*options, image=image, command=command)
    try:
        yield name
    finally:
        debugger.podman.remove(name)


def changes(debugger: Debugger, name: str) -> str:
    """Return the files of a container that differ from its image."""
    return debugger.podman("diff", name).stdout


def mounts(pid: int) -> str:
    return Path(f"/proc/{pid}/mountinfo").read_text()


def members(pid: int) -> list[str]:
    """Return the programs of the processes in the process namespace of a process."""
    wanted = os.stat(f"/proc/{pid}/ns/pid").st_ino
    found = []
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if entry.isdigit() and os.stat(f"/proc/{entry}/ns/pid").st_ino == wanted:
                found.append(Path(f"/proc/{entry}/cmdline").read_bytes().partition(b"\0")[0].decode())
    return found


def test_a_container_without_a_shell(debugger: Debugger, bare: str) -> None:
    script = (
        'echo $COLOR $PWD $$; cat /proc/1/cmdline | tr "\\0" " "; ps -e -o args= | head -1; strace -c true 2>&1; exit 7'
    )
    done = debugger("debug", bare, "--", "bash", "-c", script, status=7)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("blue /srv/work ")
    assert lines[1].startswith("/usr/bin/sleep inf") and "total" in lines[-1]


@once
def test_input_and_outputs(debugger: Debugger, bare: str) -> None:
    done = debugger("debug", bare, text="cat - <<X; echo error >&2\nhello\nX\n")
    assert (done.stdout, done.stderr.splitlines()[-1]) == ("hello\n", "error")
    text = "x" * 3_000_000
    assert debugger("debug", bare, "--", "cat", text=text).stdout == text
    assert debugger("debug", bare, "--", "sh", "-c", "yes | head -c 3000000").stdout == "y\n" * 1_500_000
    assert debugger("debug", bare, "--", "true", text=text).stdout == ""


def test_the_containers_files_are_there_and_are_not_written(debugger: Debugger, bare: str) -> None:
    pid = debugger.pid(bare)
    before, known = changes(debugger, bare), mounts(pid)
    listing = debugger("debug", bare, "--", "ls", "-A", "/").stdout.split()
    assert {".fp", "usr", "proc", "srv"} <= set(listing)
    assert debugger("debug", bare, "--", "sh", "-c", "echo new > /x", status=2).stderr.count("Read-only file system")
    # A shell that ends writes no history, and does not run what the image's variables name.
    debugger("debug", bare, text="true\n")
    assert changes(debugger, bare) == before and mounts(pid) == known
    # What the user changes is the container's.
    debugger("debug", bare, "--", "sh", "-c", "echo new > /srv/work/file")
    assert debugger("debug", bare, "--", "cat", "/srv/work/file").stdout == "new\n"
    assert "/srv/work/file" in changes(debugger, bare)
    assert "evil" not in changes(debugger, bare)


def test_the_session_has_the_containers_rights(debugger: Debugger, bare: str) -> None:
    for user in ((), ("--user", "root"), ("--user", "12:34")):
        first = fields(Path(f"/proc/{debugger.pid(bare)}/status").read_text())
        own = fields(debugger("debug", bare, *user, "--", "cat", "/proc/self/status").stdout)
        assert (
            own["CapBnd"] == first["CapBnd"] and own["NoNewPrivs"] == "1" and own["Seccomp"] == first["Seccomp"] == "2"
        )
        assert own["Uid"].split()[0] == (user[1].split(":")[0].replace("root", "0") if user else "0")
        assert int(own["CapEff"], 16) == (int(first["CapEff"], 16) if own["Uid"].startswith("0") else 0)
        assert own["CapAmb"] == first["CapAmb"]
    limits = Path(f"/proc/{debugger.pid(bare)}/limits").read_text()
    assert debugger("debug", bare, "--", "cat", "/proc/self/limits").stdout == limits
    refused = debugger("debug", bare, "--", "unshare", "-m", "true", status=1).stderr
    assert "Operation not permitted" in refused
    allowed = debugger(
        "debug", bare, "--privileged", "--user", "root", "--", "unshare", "-m", "cat", "/proc/self/status"
    )
    assert fields(allowed.stdout)["Seccomp"] == "0"


def test_the_session_is_in_all_namespaces(debugger: Debugger, bare: str) -> None:
    pid = debugger.pid(bare)
    names = ("user", "pid", "net", "ipc", "uts", "cgroup")
    script = f"cd /proc/self/ns; for n in {' '.join(names)} mnt; do readlink $n; done"
    found = debugger("debug", bare, "--", "sh", "-c", script).stdout.split()
    assert found[:-1] == [os.readlink(f"/proc/{pid}/ns/{name}") for name in names]
    assert found[-1] not in (os.readlink(f"/proc/{pid}/ns/mnt"), os.readlink("/proc/self/ns/mnt"))


def test_a_container_with_a_users_filter(debugger: Debugger) -> None:
    profile = debugger.podman.home / f"profile-{os.getpid()}.json"
    profile.write_text(
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["sethostname", "mkdir", "mkdirat"],'
        ' "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}'
    )
    profile.chmod(0o644)
    with container(debugger, "--security-opt", f"seccomp={profile}") as name:
        assert "No space left" in debugger("debug", name, "--", "mkdir", "/tmp/x", status=1).stderr
    with container(debugger, "--security-opt", "seccomp=unconfined") as name:
        assert fields(debugger("debug", name, "--", "cat", "/proc/self/status").stdout)["Seccomp"] == "0"


def test_a_container_that_runs_as_a_user(debugger: Debugger) -> None:
    with container(debugger, "--user", "1234:55", "--cap-drop", "all") as name:
        own = fields(debugger("debug", name, "--", "cat", "/proc/self/status").stdout)
        assert own["Uid"].split()[0] == "1234" and own["Gid"].split()[0] == "55" and int(own["CapBnd"], 16) == 0
        # The session's pipes are its own, so that programs can open /dev/stdout.
        assert debugger("debug", name, "--", "sh", "-c", "echo out > /proc/self/fd/1; id -u").stdout == "out\n1234\n"
        assert debugger("debug", name, "--user", "root", "--", "cat", "/proc/1/comm").stdout == "sleep\n"


def test_a_container_with_a_read_only_root(debugger: Debugger) -> None:
    with container(debugger, "--read-only", "--read-only-tmpfs=false") as name:
        assert debugger("debug", name, "--", "sh", "-c", "ls -d /.fp; > /srv/work/x", status=2).stdout == "/.fp\n"


@pytest.mark.parametrize("mapping", ["auto", "keep-id", "map"])
def test_a_container_with_a_user_namespace_of_its_own(debugger: Debugger, mapping: str) -> None:
    if not debugger.podman.owner:
        if mapping == "keep-id":
            pytest.skip("keep-id is for rootless podman")
        if mapping == "auto" and "containers:" not in Path("/etc/subuid").read_text():
            pytest.skip("the user `containers` has no ids here")
        options = ["--uidmap=0:700000000:65536", "--gidmap=0:700000000:65536"]
    else:
        options = ["--uidmap=0:1:2000", "--gidmap=0:1:2000"]
    if mapping != "map":
        options = [f"--userns={mapping}"]
    with container(debugger, *options) as name:
        first = Path(f"/proc/{debugger.pid(name)}/uid_map").read_text().split()
        script = "cat /proc/self/uid_map; id -u; > /srv/work/x; stat -c %u /srv/work/x"
        *_, uid, owner = debugger("debug", name, "--", "sh", "-c", script).stdout.split()
        assert uid == owner == (debugger.id if mapping == "keep-id" else "0") and len(first) >= 3
        root = debugger("debug", name, "--user", "root", "--", "sh", "-c", "id -u; ls -d /.fp").stdout
        assert root == "0\n/.fp\n"


def test_a_container_without_directories(debugger: Debugger) -> None:
    """The container unmounts and deletes all that it sees, also /proc, while its program runs."""
    empty = """
      for point in $(cut -d" " -f5 /proc/self/mountinfo | sort -r); do
        [[ $point = / || $point = /proc ]] || umount -l $point
      done
      umount -l /proc
      exec rm -rf --one-file-system --preserve-root=all /* /.[!.]*
    """
    with container(debugger, "--privileged", image="mounting") as name:
        debugger.podman("exec", "-u", "0", name, "/usr/bin/bash", "-c", empty)
        assert len(mounts(debugger.pid(name)).splitlines()) == 1
        script = "ls -A /; echo $$ > /dev/null || id -u"
        assert debugger("debug", name, "--", "bash", "-c", script).stdout == ".fp\n.fp-tty\n0\n"
        assert debugger("debug", name, "--", "cat", "/proc/1/comm", status=1).stdout == ""
        terminal = Terminal(debugger.command("debug", name), debugger.podman.home)
        terminal.until("# ")
        terminal.type("test -t 0 && echo a''b; exit 4\n")
        terminal.until("ab")
        assert terminal.end() == 4


def test_the_caller_is_not_seen(debugger: Debugger, bare: str) -> None:
    """No descriptor, variable, key, directory or program of this machine is in the session."""
    script = """
      for p in /proc/[0-9]*; do
        readlink $p/exe $p/cwd $p/root $p/fd/*
        tr '\\0' '\\n' < $p/environ
      done
      cd -P .; pwd
    """
    told = debugger("debug", bare, "--", "bash", "-c", script, text="").stdout
    assert "of-the-caller" not in told and str(debugger.podman.home) not in told and "python" not in told
    assert "LD_PRELOAD" in told  # of process 1
    numbers = debugger("debug", bare, "--", "sh", "-c", "ls /proc/self/fd; echo $LD_PRELOAD$BASH_ENV").stdout.split()
    assert numbers == ["0", "1", "2", "3"]  # and the listing itself


def test_a_descriptor_that_leaks_into_fpack(debugger: Debugger, bare: str) -> None:
    directory = os.open("/", os.O_RDONLY)
    os.set_inheritable(directory, True)
    try:
        done = subprocess.run(
            debugger.command("debug", bare, "--", "sh", "-c", "ls /proc/self/fd"), cwd=debugger.podman.home,
            pass_fds=[directory], capture_output=True, text=True, timeout=WAIT, stdin=subprocess.DEVNULL, check=True,
        )  # fmt: skip
    finally:
        os.close(directory)
    assert done.stdout.split() == ["0", "1", "2", "3"]


@once
def test_bad_names(debugger: Debugger, bare: str) -> None:
    name = f"web-{os.getpid()}"
    with container(debugger, "--name", name):
        error = debugger("debug", f"wbe-{os.getpid()}", status=2).stderr
        assert f"did you mean `{name}`?" in error and "Traceback" not in error
        debugger.podman("stop", "-t", "0", name)
        assert "does not run" in debugger("debug", name, status=2).stderr
    with container(debugger) as other:
        if debugger.podman("pause", other, check=False).returncode == 0:
            assert "is paused" in debugger("debug", other, status=2).stderr
            debugger.podman("unpause", other)


@once
def test_without_an_engine(debugger: Debugger) -> None:
    old = debugger.variables["PATH"]
    debugger.variables["PATH"] = "/nonexistent"
    try:
        error = debugger("debug", "web", status=2).stderr
        assert "neither podman nor docker is installed" in error and "install podman" in error
        assert "podman is not installed" in debugger("debug", "--engine", "podman", "web", status=1).stderr
    finally:
        debugger.variables["PATH"] = old


def test_what_a_command_leaves_running_is_killed(debugger: Debugger, bare: str) -> None:
    pid = debugger.pid(bare)
    script = "setsid nohup sleep 1000 > /dev/null 2>&1 < /dev/null & (sleep 1001 &) ; exit 3"
    debugger("debug", bare, "--", "bash", "-c", script, status=3)
    # In a mount namespace of its own.
    script = """
      setsid unshare -m sleep 1000 > /dev/null 2>&1 < /dev/null &
      until [ "$(readlink /proc/$!/exe)" = /.fp/bin/sleep ]; do sleep 0.1; done
      exit 4
    """
    debugger("debug", bare, "--user", "root", "--privileged", "--", "bash", "-c", script, status=4)
    assert [name for name in members(pid) if name] == ["/usr/bin/sleep"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_an_end_of_fpack_ends_all(debugger: Debugger, bare: str, number: signal.Signals) -> None:
    pid = debugger.pid(bare)
    known = mounts(pid)
    words = ("bash", "-c", "(setsid sleep 1000 &); echo ready; sleep 1002")
    started = subprocess.Popen(
        debugger.command("debug", bare, "--", *words), stdout=subprocess.PIPE, stdin=subprocess.PIPE,
        cwd=debugger.podman.home,
    )  # fmt: skip
    assert started.stdout is not None and started.stdout.readline() == b"ready\n"
    wait_for(lambda: members(pid).count("sleep") == 2)
    os.kill(started.pid, number)
    started.wait(60)
    wait_for(lambda: [name for name in members(pid) if name] == ["/usr/bin/sleep"])
    started.stdout.close()
    assert mounts(pid) == known and debugger.podman("inspect", "-f", "{{.State.Running}}", bare).stdout == "true\n"


def test_signals_reach_the_command(debugger: Debugger, bare: str) -> None:
    script = "trap 'echo got; exit 9' USR1 TERM; echo ready; while :; do sleep 0.1; done"
    for number in (signal.SIGUSR1, signal.SIGTERM):
        started = subprocess.Popen(
            debugger.command("debug", bare, "--", "bash", "-c", script), stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL, cwd=debugger.podman.home,
        )  # fmt: skip
        assert started.stdout is not None and started.stdout.readline() == b"ready\n"
        os.kill(started.pid, number)
        assert started.stdout.read() == b"got\n" and started.wait(60) == 9
    assert debugger("debug", bare, "--", "bash", "-c", "kill -9 $$", status=137).stderr == ""
    assert "nosuch: not found" in debugger("debug", bare, "--", "nosuch", status=127).stderr


def test_a_container_that_stops(debugger: Debugger) -> None:
    with container(debugger) as name:
        started = subprocess.Popen(
            debugger.command("debug", name, "--", "sh", "-c", "echo ready; sleep 1000"), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, cwd=debugger.podman.home,
        )  # fmt: skip
        assert started.stdout is not None and started.stdout.readline() == b"ready\n"
        debugger.podman("kill", name)
        _, errors = started.communicate(timeout=WAIT)
        assert started.returncode == 137 and b"has ended" in errors


class Terminal:
    """A session on a terminal."""

    def __init__(self, command: list[str], directory: Path) -> None:
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.chdir(directory)
            os.execvp(command[0], command)
        self.text = ""

    def until(self, text: str) -> None:
        end = time.monotonic() + WAIT
        while text not in self.text:
            assert time.monotonic() < end, self.text
            if select.select([self.fd], [], [], 1)[0]:
                self.text += os.read(self.fd, 1 << 16).decode("utf-8", "replace")
        self.text = self.text.partition(text)[2]

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def end(self) -> int:
        with contextlib.suppress(OSError):
            while os.read(self.fd, 1 << 16):
                pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@once
def test_a_shell_on_a_terminal(debugger: Debugger, bare: str) -> None:
    terminal = Terminal(debugger.command("debug", bare), debugger.podman.home)
    terminal.until("/srv/work # ")
    terminal.type("tty; sh -c 'echo be''gun; read word; echo got $word; exec sleep 1000'\n")
    terminal.until("/.fp-tty/0")
    terminal.until("begun")
    terminal.type("\x1a")
    terminal.until("Stopped")
    terminal.type("jobs; fg\n")
    terminal.until("Stopped")
    terminal.until("exec sleep 1000")
    terminal.type("it\n")
    terminal.until("got it")  # only a process in the foreground can read from the terminal
    terminal.type("\x03")
    terminal.until("# ")
    terminal.type("echo status=$?; exit 5\n")
    terminal.until("status=130")
    assert terminal.end() == 5
    assert [name for name in members(debugger.pid(bare)) if name] == ["/usr/bin/sleep"]


@once
def test_a_terminal_that_is_closed(debugger: Debugger, bare: str) -> None:
    terminal = Terminal(debugger.command("debug", bare), debugger.podman.home)
    terminal.until("# ")
    terminal.type("(setsid sleep 1000 &); echo go''ne\n")
    terminal.until("gone")
    os.close(terminal.fd)
    os.waitpid(terminal.pid, 0)
    wait_for(lambda: [name for name in members(debugger.pid(bare)) if name] == ["/usr/bin/sleep"])
