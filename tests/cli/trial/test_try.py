"""`fpack try`: an image runs as in a container engine, and files that it looked for and that are missing are told."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fpack.cli.errors import UsageError
from fpack.cli.shared_options import SharedOptions
from fpack.cli.trial import command
from fpack.cli.workspace import machine
from support.archives.archive import file
from support.archives.shells import Terminal, out, packages_of
from support.processes.people import CALLERS, MODES, WITH_IDS, Person, person
from support.processes.program import Fpack
from support.stores.shared import shared_store
from support.time_limits import WAIT, descendants

TOOL = """\
#!/bin/sh
cat /usr/share/tool/data /usr/share/doc/tool/note /usr/lib/tool/plugin 2>/dev/null
cat "/usr/share/tool/od\x1b[1md" 2>/dev/null
nonexistent-program
echo done
"""
FAILING = ("sh", "-c", "tool; exit 9")  # a success has fewer findings
STUBBORN = """\
#!/bin/sh
trap '' INT
trap 'echo asked; exit 5' USR1
echo awake
while :; do sleep 0.1; done
"""
PROJECT = """
debian = import("fpack/debian").trixie
image = container {
  packages = [debian.tool, debian.bash, debian.coreutils]
  env = { COLOR = "blue" }
  user = "1234:55"
  workdir = "/work"
  volumes = ["/var/lib/tool"]
  files = { "/etc/tool.conf" = { text = "secret", mode = "0600", user = "keeper" } }
  directories = { "/var/lib/keeper" = { mode = "0700", user = "keeper" } }
  users = { keeper = { uid = 1234, gid = 55 } }
  command = ["sh", "-c", "echo $COLOR $PWD $(id -u) $(id -g); cat /etc/tool.conf; stat -c %a:%u /var/lib/keeper"]
}
open = image.with { user = null }
dropped = open.with { rules = { tool = { drop = ["/usr/share/tool"] } } }
kept = open.with { rules = { tool = { keep = ["/usr/bin"] } } }
stubborn = open.with { command = ["stubborn"], stop-signal = "SIGUSR1" }
perl = open.with { packages = [debian.bash, debian.coreutils, debian.real-perl] }
tini = open.with { packages = [debian.bash, debian.coreutils, debian.tini] }
stored = open.with { env = { DATA = "${./data}" }, command = ["sh", "-c", "cat $DATA/file; > $DATA/new"] }
linked = container {
  packages = [debian.tool, debian.bash, debian.coreutils]
  closure = "linked"
  rules = { base-files = { drop = [] } }
}
"""


@pytest.fixture(scope="module", params=CALLERS)
def someone(request: pytest.FixtureRequest) -> Any:
    """Yield a user with an archive that has a tool, and a project."""
    with person(request.param) as made:
        assert made.archive is not None
        made.archive.add(
            "tool", "1.0", depends="extra", files={
                "usr/bin/tool": file(TOOL, 0o755), "usr/share/tool/data": "data\n", "usr/share/doc/tool/note": "note\n",
                "usr/share/tool/od\x1b[1md": "odd\n", "usr/bin/stubborn": file(STUBBORN, 0o755),
            },
        )  # fmt: skip
        made.archive.add("extra", "1.0", files={"usr/lib/tool/plugin": "plugin\n", "usr/lib/tool/other": "other\n"})
        if shutil.which("perl"):
            made.archive.add("real-perl", "1.0", files=packages_of("perl"), packing="zst")
        made.archive.add("tini", "1.0", files={"usr/bin/tini": file("#!/bin/sh\nexit 9\n", 0o755)})
        made.archive.add("other-tools", files={"usr/bin/nonexistent-program": file("#!/bin/sh\n", 0o755)})
        made.archive.publish(contents=True)
        project = made.project("project", PROJECT)
        (project / "data").mkdir()
        (project / "data/file").write_text("of the store\n")
        made.own(project / "data")
        yield made


def attempt(user: Person, *words: str, status: int | None = 0) -> dict[str, Any]:
    """Run `try --json`; what it printed."""
    done = user("try", "--json", *words, cwd=user.place / "project", status=status)
    result: dict[str, Any] = json.loads(done.stdout)
    assert result["status"] == done.returncode
    return {**result, "output": done.stderr}


def findings(result: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    """Return the package, kind and line of each path that was missing."""
    return {m["paths"][0]: (m["package"], m["kind"], m["line"] or "") for m in result["missing"]}


@pytest.mark.parametrize("someone", [*MODES, WITH_IDS], indirect=True)
def test_it_runs_as_the_image_says(someone: Person) -> None:
    text = out(someone, "try", cwd=someone.place / "project")
    assert text.splitlines() == ["blue /work 1234 55", "secret700:1234"]


def test_a_directory_of_the_store_is_in_the_sandbox(someone: Person) -> None:
    done = someone("try", "#stored", cwd=someone.place / "project", status=None)
    assert done.stdout == "of the store\n" and "Read-only file system" in done.stderr


def test_mount_points_of_the_sandbox_are_no_files_of_the_image(someone: Person) -> None:
    test = "for f in /etc/localtime /etc/machine-id; do if [ -e $f ]; then echo $f; fi; done; echo looked"
    done = someone("try", "image", "--", "sh", "-c", test, cwd=someone.place / "project")
    assert done.stdout == "looked\n"


def test_another_command_replaces_entrypoint_and_command_and_its_status_is_told(someone: Person) -> None:
    cwd = someone.place / "project"
    done = someone("try", "#open", "--env", "MORE=x", "--", "sh", "-c", "echo $MORE $COLOR; exit 7", cwd=cwd, status=7)
    assert done.stdout == "x blue\n"
    assert someone("try", "#open", "--", "sh", "-c", "kill -9 $$", cwd=cwd, status=137).stdout == ""
    told = someone("try", "#open", "--", "nowhere", cwd=cwd, status=127).stderr
    assert "The image has no program nowhere" in told and "No such file" not in told


def test_an_image_for_another_architecture_is_refused_before_a_download(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the kernel lets no sandbox have an emulator."""
    other = "s390x" if os.uname().machine != "s390x" else "amd64"
    monkeypatch.setattr(machine, "can_emulate", lambda: False)
    monkeypatch.setattr(command, "opened", lambda *args: pytest.fail("the image was opened"))
    if not machine.runs_instead(other):
        pytest.skip("the machine has an emulator for all programs")
    with pytest.raises(UsageError, match=f"The image is for {other}; this machine runs ") as error:
        command.attempt("jq", ["jq", "--version"], SharedOptions(arch=other), False, False)
    assert "qemu-user-binfmt" in error.value.hint


def test_ports_are_told_if_the_program_of_the_image_runs(someone: Person) -> None:
    cwd = someone.place / "project"
    told = someone("try", "--port", "8080", "--port", "5353/udp", cwd=cwd).stderr
    assert "should listen on localhost:5353 (udp), http://localhost:8080. Ctrl-C" in told
    assert "port" not in someone("try", "--port", "8080", "--", "id", cwd=cwd).stderr


def free_low_port() -> int:
    """Return a port below 1024 that nothing uses, nor the one that is 8000 higher."""
    for port in range(700, 1000):
        with socket.socket() as low, socket.socket() as high, suppress(OSError):
            if os.geteuid() == 0:
                low.bind(("127.0.0.1", port))
            high.bind(("127.0.0.1", port + 8000))
            return port
    raise AssertionError("all ports are in use")


SERVER = r"""
my ($family, $port) = @ARGV;
my $address = pack("Sna4x8", 2, $port, "\x7f\0\0\1");
$address = pack("SnNa16N", 10, $port, 0, "\0" x 15 . "\1", 0) if $family == 10;
socket(S, $family, 1, 0) && setsockopt(S, 1, 2, 1) && bind(S, $address) && listen(S, 5) or die "no: $!\n";
$| = 1; print "up\n";
accept(C, S) or die; syswrite C, "hello\n"; close C;
"""


@pytest.mark.parametrize("options", [(), ("--no-observe",)])
def test_a_low_port_is_opened_with_the_rights_of_the_caller(someone: Person, options: tuple[str, ...]) -> None:
    low, cwd = free_low_port(), someone.place / "project"
    for family, host in ((2, "127.0.0.1"), (10, "::1")):
        for declared in (True, False):
            outside = low if declared and someone.uid == 0 else low + 8000
            words = ("--port", str(low)) if declared else ()
            program = ("--", "perl", "-e", SERVER, str(family), str(low))
            command = someone.command("try", "#perl", *options, *words, *program)
            process = subprocess.Popen(
                command, cwd=cwd, env=someone.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            assert process.stdout is not None
            if process.stdout.readline() != "up\n":
                pytest.fail(process.communicate(timeout=WAIT)[1])
            with socket.create_connection((host, outside), 20) as client:
                assert client.recv(10) == b"hello\n"
            _, errors = process.communicate(timeout=WAIT)
            assert process.returncode == 0, errors
            assert (f"Port {low} of the program is port {outside} of this machine" in errors) == (outside != low)


def test_process_1_of_the_sandbox_stands_for_tini(someone: Person) -> None:
    words = ("--entrypoint", "/usr/bin/tini -- sh -c 'echo $PPID; exit 6'")
    assert someone("try", "#tini", *words, cwd=someone.place / "project", status=6).stdout == "1\n"


def test_what_it_writes_is_gone_afterwards(someone: Person) -> None:
    cwd = someone.place / "project"
    script = (
        "echo changed > /usr/bin/tool; rm /etc/tool.conf; echo x > /var/lib/tool/x; cat /usr/bin/tool /etc/tool.conf"
    )
    first = someone("try", "#open", "--", "sh", "-c", script, cwd=cwd, status=1)
    assert first.stdout == "changed\n"
    again = someone("try", "#open", "--", "sh", "-c", "cat /usr/bin/tool; ls /var/lib/tool", cwd=cwd)
    assert again.stdout == TOOL


def test_it_has_the_terminal_and_ctrl_c_ends_it(someone: Person, terminals: list[Terminal]) -> None:
    terminal = Terminal(someone, "try", "#open", "--", "sh", "-c", "echo awake; read line; echo got $line; sleep 300",
                        cwd=someone.place / "project")  # fmt: skip
    terminals.append(terminal)
    terminal.wait("awake")
    terminal.line("word", "got word")
    terminal.type("\x03")
    assert terminal.end() == 130


def commands(ancestor: int) -> list[bytes]:
    """Return the words of the processes that descend from a process."""
    found = []
    for process in descendants(ancestor):
        with suppress(OSError):
            found.append(Path(f"/proc/{process.pid}/cmdline").read_bytes())
    return found


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + WAIT
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_shell_has_job_control_and_tells_its_status(someone: Person, terminals: list[Terminal]) -> None:
    terminal = Terminal(someone, "try", "#open", "--", "sh", cwd=someone.place / "project")
    terminals.append(terminal)
    terminal.line("case $- in *m*) echo j''obs ${PPID};; esac", "jobs 1")
    terminal.type("sleep 300\n")
    # A shell puts off a signal that comes between its fork and its exec.
    until(lambda: any(words == b"sleep\x00300\x00" for words in commands(terminal.pid)))
    terminal.type("\x03")
    terminal.line("echo en''ded $?", "ended 130")
    terminal.type("exit 3\n")
    assert terminal.end() == 3


def test_a_command_with_the_terminal_gives_it_back(someone: Person, terminals: list[Terminal]) -> None:
    inner = shlex.join(someone.command("try", "#open", "--", "sh", "-c", "echo awake; read line; echo got $line"))
    script = f"{inner}; echo status $?; read line; echo then $line"
    terminal = Terminal(someone, cwd=someone.place / "project", program=["/bin/sh", "-c", script])
    terminals.append(terminal)
    terminal.wait("awake")
    terminal.type("\x1a")
    terminal.line("word", "got word")
    terminal.wait("status 0")
    terminal.line("more", "then more")
    assert terminal.end() == 0


def test_programs_that_a_pipe_connects_share_the_terminal(someone: Person, terminals: list[Terminal]) -> None:
    for options in ([], ["--json"]):
        inner = shlex.join(someone.command("try", *options, "#open", "--", "sh", "-c", "echo awake >&2; sleep 1"))
        script = f"{inner} | (read line < /dev/tty; cat; echo got $line)"
        terminal = Terminal(someone, cwd=someone.place / "project", program=["/bin/sh", "-c", script])
        terminals.append(terminal)
        terminal.wait("awake")
        terminal.line("word", "got word")
        assert terminal.end() == 0


def test_a_program_that_ignores_ctrl_c_gets_its_stop_signal(someone: Person, terminals: list[Terminal]) -> None:
    terminal = Terminal(someone, "try", "#stubborn", cwd=someone.place / "project")
    terminals.append(terminal)
    terminal.wait("awake")
    terminal.type("\x03")
    terminal.wait("asked")
    assert terminal.end() == 5


def test_a_signal_reaches_the_command_and_what_it_left_running_ends(someone: Person) -> None:
    script = "trap 'echo asked; exit 4' TERM; sleep 300 & echo up; while :; do sleep 0.1; done"
    process = subprocess.Popen(
        someone.command("try", "#open", "--", "sh", "-c", script), cwd=someone.place / "project", env=someone.env,
        stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    process.terminate()
    assert process.communicate(timeout=WAIT)[0] == "asked\n" and process.returncode == 4


def test_an_output_that_is_a_file_can_be_opened_again(someone: Person, tmp_path: Path) -> None:
    with open(tmp_path / "out", "wb") as output:
        done = subprocess.run(
            someone.command("try", "--", "sh", "-c", "echo one; echo two >/dev/stdout; echo three >>/dev/stdout"),
            cwd=someone.place / "project", env=someone.env, stdout=output, timeout=WAIT, check=False,
        )  # fmt: skip
    assert done.returncode == 0
    assert (tmp_path / "out").read_text().split() == ["one", "two", "three"]


def test_dropped_files_are_named_with_a_line_that_adds_them(someone: Person) -> None:
    result = attempt(someone, "#dropped", "--", *FAILING, status=9)
    found = findings(result)
    assert found["/usr/share/tool/data"] == ("tool", "dropped", "")
    assert "done" in result["output"] and "data" not in result["output"]
    found = findings(attempt(someone, "#kept", "--", *FAILING, status=9))
    assert found["/usr/share/tool/data"] == (
        "tool", "dropped", 'rules = { tool = { keep = ["/usr/bin", "/usr/share/tool/data"] } }',
    )  # fmt: skip


@pytest.mark.parametrize(
    ("attribute", "path"),
    [("open", "/usr/share/doc/tool/note"), ("kept", "/usr/share/tool/data"), ("linked", "/usr/lib/tool/plugin")],
)
def test_the_line_adds_the_file(someone: Person, attribute: str, path: str) -> None:
    before = attempt(someone, f"#{attribute}", "--", *FAILING, status=9)
    line = findings(before)[path][2]
    folder = someone.project(f"mended-{attribute}-{someone.mode}-{len(someone.prefix)}", PROJECT.replace(
        "\nlinked =", f"\nmended = {attribute}.with {{ {line} }}\nlinked ="))  # fmt: skip
    done = someone("try", "--json", "#mended", "--", *FAILING, cwd=folder, status=9)
    assert path not in findings(json.loads(done.stdout)), "it is there now"
    assert path.rpartition("/")[2] in done.stderr, "the tool prints its files"


def test_programs_that_other_packages_have_are_named(someone: Person) -> None:
    cwd, line = someone.place / "project", ""
    fresh = someone.place / "fresh"
    fresh.mkdir()
    quiet = someone("try", "#open", "--", "tool", cwd=cwd, env={"XDG_CACHE_HOME": str(someone.own(fresh))}).stderr
    assert "other-tools" not in quiet, "nothing is fetched for a success"
    found = findings(attempt(someone, "#open", "--", "sh", "-c", "tool; exit 9", status=9))
    assert found["/usr/bin/nonexistent-program"] == ("other-tools", "package", line)
    missing = findings(attempt(someone, "#open", "--", "nonexistent-program", status=127))
    assert missing == {"/usr/bin/nonexistent-program": ("other-tools", "package", line)}
    text = someone("try", "#open", "--", "tool", cwd=cwd).stderr
    assert "  /usr/bin/nonexistent-program: in Debian's other-tools; add it to `packages`\n" in text
    assert "/usr/share/doc" not in text, "files that a success does without are not named"


def test_names_are_printed_escaped(someone: Person) -> None:
    done = someone("try", "#dropped", "--", *FAILING, cwd=someone.place / "project", status=9)
    assert "\x1b" not in done.stderr and "/usr/share/tool/" in done.stderr


def test_search_paths_are_no_findings(someone: Person) -> None:
    script = "ls / >/dev/null; cat /etc/nothing /usr/share/none; exit 3"
    result = attempt(someone, "#linked", "--", "sh", "-c", script, status=3)
    assert result["missing"] == []


def test_without_observation_there_is_no_list(someone: Person) -> None:
    result = attempt(someone, "#dropped", "--no-observe", "--", "tool")
    assert result["missing"] == [] and result["unobserved"] is None


def test_where_the_kernel_refuses_the_command_runs_without_the_list(someone: Person) -> None:
    refusing = [sys.executable, str(Path(__file__).with_name("without_listeners.py"))]
    words = someone.command("try", "--json", "#dropped", "--", "tool")
    done = subprocess.run(
        [*refusing, *words],
        cwd=someone.place / "project",
        env=someone.env,
        capture_output=True,
        text=True,
        timeout=WAIT,
    )
    result = json.loads(done.stdout)
    assert done.returncode == 0 and result["missing"] == [] and "refuses" in result["unobserved"], done.stderr


def test_an_image_without_a_program_says_how_to_name_one(someone: Person) -> None:
    assert "--entrypoint" in someone.fails("try", "extra", "--no-configure", cwd=someone.place)


@pytest.mark.network
def test_the_curated_nginx_serves_until_ctrl_c(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, terminals: list[Terminal]
) -> None:
    fpack = Fpack(tmp_path / "home")
    fpack.use_mirrors_of_the_machine(shared_store(tmp_path_factory))
    fpack("try", "nginx", "--", "nginx", "-t", timeout=400)
    terminal = Terminal(fpack, "try", "nginx")
    terminals.append(terminal)
    terminal.wait("start worker process")
    with urllib.request.urlopen("http://127.0.0.1:8080", timeout=20) as answer:
        assert b"nginx" in answer.read()
    terminal.type("\x03")
    assert terminal.end() == 0
