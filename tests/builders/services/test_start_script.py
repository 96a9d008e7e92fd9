"""Test the script that precedes a server: steps, values of variables, the wait for a server that forks."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from fpack.builders.services.start_script import FirstStart, ServerAccount, StartScript, has_variable
from fpack.builders.services.unit import Command

PID_NAMESPACE = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"]


def written(script: StartScript, path: Path) -> Path:
    path.write_text(script.text())
    return path


def test_the_script_takes_steps_of_the_first_start_once(tmp_path: Path) -> None:
    made, log = tmp_path / "it's made", tmp_path / "log"
    steps = [FirstStart(str(made), ("/bin/sh", "-c", f'echo first >> {log}; touch "{made}"'))]
    before = [Command(("/bin/sh", "-c", f"echo before >> {log}")), Command(("/bin/false",), optional=True)]
    script = tmp_path / "start"
    script.write_text(StartScript(tuple(before), tuple(steps)).text())
    for _ in range(2):
        done = subprocess.run(["/bin/sh", script, "echo", "a b"], capture_output=True, text=True, check=True)
        assert done.stdout == "a b\n"
    assert log.read_text().split() == ["first", "before", "before"]


@pytest.mark.parametrize("uid", [0, 1000])
def test_a_server_gives_up_root_after_the_first_start(tmp_path: Path, uid: int) -> None:
    """The unit's steps and the server then run as the unit's user. A container's own user is kept."""
    log, programs = tmp_path / "log", tmp_path / "programs"
    programs.mkdir()
    for name, text in (("id", f"echo {uid}"), ("setpriv", f'echo "$1 $2 $3" >> {log}; shift 3; exec "$@"')):
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    script = StartScript(
        before=(Command(("/bin/sh", "-c", f'echo "before $HOME" >> {log}')),),
        first=(FirstStart(str(tmp_path / "absent"), ("/bin/sh", "-c", f"echo first >> {log}")),),
        account=ServerAccount("app", "apps", "/var/lib/an app"),
    )
    path = written(script, tmp_path / "start")
    path.chmod(0o755)
    env = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": "/root"}
    words = ["/bin/sh", "-c", 'echo "$0 $HOME ${USER-} ${FPACK_FIRST_START-}"', "a b"]
    done = subprocess.run([path, *words], env=env, capture_output=True, text=True, check=True)
    if uid == 0:
        assert log.read_text().splitlines() == [
            "first", "--reuid=app --regid=apps --init-groups", "before /var/lib/an app"
        ]  # fmt: skip
        assert done.stdout == "a b /var/lib/an app app \n"
    else:
        assert log.read_text().splitlines() == ["first", "before /root"]
        assert done.stdout == "a b /root  \n"


def test_a_step_that_fails_ends_the_container(tmp_path: Path) -> None:
    script = tmp_path / "start"
    script.write_text(StartScript((Command(("/bin/false",)),)).text())
    done = subprocess.run(["/bin/sh", script, "echo", "x"], capture_output=True, check=False)
    assert done.returncode == 1 and not done.stdout


@pytest.mark.parametrize(("status", "expected", "output"), [(0, 0, "x\n"), (1, 0, ""), (126, 126, ""), (255, 255, "")])
def test_a_condition_that_does_not_hold_is_no_error(tmp_path: Path, status: int, expected: int, output: str) -> None:
    script = written(StartScript(conditions=(Command(("/bin/sh", "-c", f"exit {status}")),)), tmp_path / "start")
    done = subprocess.run(["/bin/sh", script, "echo", "x"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (expected, output)
    assert ("the condition" in done.stderr) == (status == 1)


def test_a_condition_whose_failure_is_ignored(tmp_path: Path) -> None:
    script = written(StartScript(conditions=(Command(("/bin/false",), optional=True),)), tmp_path / "start")
    assert subprocess.run(["/bin/sh", script, "echo", "x"], capture_output=True, check=True).stdout == b"x\n"


def test_steps_have_the_variables_of_the_container(tmp_path: Path) -> None:
    words = ("/usr/bin/printf", "%s,", "$A", "${A}", "-${B}", "$$")
    script = written(StartScript((Command(words), Command(words, literal=True))), tmp_path / "start")
    done = subprocess.run(["/bin/sh", script, "true"], capture_output=True, text=True, env={"A": "* 1"}, check=True)
    assert done.stdout == "*,1,* 1,-,$$,$A,${A},-${B},$$,"


@pytest.mark.parametrize("fails", [False, True])
def test_later_steps_run_beside_the_server_and_end_it_if_they_fail(tmp_path: Path, fails: bool) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    words = ("/bin/sh", "-c", f'echo "$MAINPID" >{fifo}; exit {int(fails)}')
    after = (Command(("/bin/false",), optional=True), Command(words))
    script = written(StartScript(after=after), tmp_path / "start")
    with subprocess.Popen(["/bin/sh", script, "sleep", "100"]) as started:
        assert int(fifo.read_text()) == started.pid
        if not fails:
            started.terminate()
        assert started.wait(60) == -signal.SIGTERM


@pytest.mark.parametrize("fails", [False, True])
def test_later_steps_run_when_a_server_has_left_the_foreground(tmp_path: Path, fails: bool) -> None:
    server, pid_file, log = tmp_path / "server.py", tmp_path / "pid", tmp_path / "log"
    server.write_text(SERVER)
    step = Command(("/bin/sh", "-c", f'[ "$MAINPID" = "$(cat {pid_file})" ] && echo yes >{log}; exit {int(fails)}'))
    script = written(StartScript(forks=True, pid_file=str(pid_file), after=(step,)), tmp_path / "start")
    command = [*PID_NAMESPACE, "/bin/sh", script, "/usr/bin/env", "python3", server, str(pid_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None and started.stdout.readline() == "up\n"
        if not fails:
            while not log.exists() and started.poll() is None:
                time.sleep(0.02)
            children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
            os.kill(int(children[0]), signal.SIGTERM)
        assert started.stdout.read() == "SIGTERM\n"
        assert started.wait(60) == int(fails)
        assert log.read_text() == "yes\n"


def test_a_server_that_nothing_precedes_has_no_script() -> None:
    assert StartScript().text() == ""


@pytest.mark.parametrize(
    ("word", "values", "expected"),
    [
        ("$A", {"A": "-u  x *"}, ["-u", "x", "*"]),
        ("$A", {"A": ""}, []),
        ("$A", {}, []),
        ("${A}", {"A": "-u  x"}, ["-u  x"]),
        ("${A}", {}, [""]),
        ("--a=${A}'${B}\"", {"A": "1 2", "B": "$(id)"}, ["--a=1 2'$(id)\""]),
        ("exec ${A}\n$B", {"A": "x"}, ["exec x\n$B"]),
    ],
)
def test_variables_have_the_values_of_the_container(
    tmp_path: Path, word: str, values: dict[str, str], expected: list[str]
) -> None:
    script = written(StartScript(words=(word,)), tmp_path / "start")
    show = ["/usr/bin/env", "printf", "%s\\0"]
    done = subprocess.run(["/bin/sh", script, *show, "<", word, ">"], capture_output=True, env=values, check=True)
    assert done.stdout.decode().split("\0")[:-1] == ["<", *expected, ">"]


def test_words_with_variables() -> None:
    words = ["$A", "${A}", "a${A}", "a$A", "$A.b", "$$A", "a", "\n${A}"]
    assert [word for word in words if has_variable(word)] == ["$A", "${A}", "a${A}", "\n${A}"]


# A server that leaves the foreground: it says on which signal it ends, and writes the number of its process.
SERVER = """
import os, signal, sys
def end(number, frame):
    print(signal.Signals(number).name, flush=True)
    os._exit(0)
if "stay" not in sys.argv:
    if os.fork():
        os._exit(0)
    os.setsid()
for name in ("TERM", "USR1"):
    signal.signal(getattr(signal, f"SIG{name}"), end)
if sys.argv[1:2] not in ([], ["stay"]):
    with open(sys.argv[1], "w") as file:
        file.write(f"{os.getpid()}\\n")
print("up", flush=True)
signal.pause()
"""


def test_the_script_stays_until_the_server_has_ended(tmp_path: Path) -> None:
    server, programs = tmp_path / "server.py", tmp_path / "programs"
    server.write_text(SERVER)
    programs.mkdir()
    # The seconds of the script are short ones, and it tells how many it has waited.
    (programs / "sleep").write_text("#!/bin/sh\necho >>$SLEPT\nexec /bin/sleep 0.05\n")
    (programs / "sleep").chmod(0o755)
    with ExitStack() as stack:
        # The forms are tried at once, since each waits.
        servers = []
        for number, stays, with_pid_file in itertools.product(
            (signal.SIGTERM, signal.SIGUSR1), (False, True), (False, True)
        ):
            place = tmp_path / f"{number}-{stays}-{with_pid_file}"
            place.mkdir()
            pid_file = str(place / "it's pid") if with_pid_file else ""
            script = written(StartScript(forks=True, pid_file=pid_file), place / "start")
            arguments = [*([pid_file] if pid_file else []), *(["stay"] if stays else [])]
            command = [*PID_NAMESPACE, "/bin/sh", script, "/usr/bin/env", "python3", server, *arguments]
            slept = place / "slept"
            slept.touch()
            env = {"PATH": f"{programs}:{os.environ['PATH']}", "SLEPT": str(slept)}
            started = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env))
            servers.append((number, started, None if stays else slept))
        for number, started, slept_there in servers:
            assert started.stdout is not None
            assert started.stdout.readline() == "up\n"
            # It waits for a server that has left the foreground, longer than for one that may not have started.
            while slept_there is not None and slept_there.stat().st_size < 8 and started.poll() is None:
                time.sleep(0.02)
            assert started.poll() is None
            children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
            os.kill(int(children[0]), number)
            assert started.stdout.read() == f"{number.name}\n"
            assert started.wait(60) == 0


def test_a_server_that_does_not_start_ends_the_container(tmp_path: Path) -> None:
    script = written(StartScript(forks=True), tmp_path / "start")
    done = subprocess.run(["/bin/sh", script, "/bin/sh", "-c", "exit 3"], capture_output=True, check=False)
    assert done.returncode == 3
