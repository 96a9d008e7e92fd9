"""Shells of a small archive, entered for real: what is in them, what reaches them, and what comes back."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.archives.shells import Terminal, kept_for, out
from support.needs import needs_bubblewrap
from support.processes.people import public_directory
from support.processes.program import Fpack
from support.time_limits import WAIT

pytestmark = needs_bubblewrap

PROJECT = """
debian = import("fpack/debian").trixie
common = shell { packages = [debian.sed], env = { LEVEL = "common", COMMON = "yes" }, hook = "export ORDER=1" }
shell = shell {
  name = "site"
  packages = [debian.greet]
  include = [common]
  env = { LEVEL = "own", NOTES = "${./notes.txt}" }
  hook = "export ORDER=$ORDER-2"
}
image = container { packages = [debian.greet] }
package = import("fpack/package").package
tool = package { name = "tool", source = ./notes.txt, unpack = null, install = "cp $source $out" }
"""


@pytest.fixture
def project(project: Path) -> Path:
    (project / "notes.txt").write_text("first\n")
    return project


def test_a_package_is_there_and_the_host_is_not(fpack: Fpack) -> None:
    shell = ("shell", "debian.trixie.greet", "--")
    assert out(fpack, *shell, "greet", "you") == "greet 13 you"
    assert out(fpack, *shell, "cat", "/etc/debian_version") == "13.0"
    assert "python3" not in out(fpack, *shell, "ls", "/usr/bin")
    assert out(fpack, *shell, "bash", "-c", "echo $FPACK_SHELL") == "greet"


def test_two_releases_are_open_side_by_side(fpack: Fpack) -> None:
    command = ["shell", "debian.{}.greet", "--", "sh", "-c", "greet; echo go; read line; greet"]
    running = []
    for release in ("trixie", "bookworm"):
        words = fpack.command(*(word.format(release) for word in command))
        running.append(
            subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=fpack.env, cwd=fpack.home
            )
        )
    for process, number in zip(running, ("13", "12"), strict=True):
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == [f"greet {number} \n", "go\n"]
    for process, number in zip(running, ("13", "12"), strict=True):
        assert process.communicate("\n", timeout=WAIT)[0] == f"greet {number} \n"


def test_words_and_exit_status_pass_through(fpack: Fpack) -> None:
    assert out(fpack, "run", "debian.trixie.greet", "a b", "--pure", "*") == "greet 13 a b --pure *"
    assert out(fpack, "run", "debian.trixie.greet", "--", "sh", "-c", 'echo "$@"', "sh", "--", "-x") == "-- -x"
    fpack("run", "debian.trixie.coreutils", "--", "sh", "-c", "exit 42", status=42)
    fpack("shell", "debian.trixie.greet", "--", "sh", "-c", "kill -TERM $$", status=143)
    for _ in range(2):
        done = fpack("shell", "debian.trixie.greet", "--", "no-such-program", status=127)
        assert "The shell greet has no program no-such-program" in done.stderr
    assert "has no program zsh" in fpack("shell", "--interpreter", "zsh", "debian.trixie.greet", status=127).stderr
    assert "-- PROGRAM --version" in fpack("run", "debian.trixie.greet", "--", "--version", status=127).stderr
    assert "has no program with its own name" in fpack.fails("run", "debian.trixie.coreutils")
    assert "no command after --" in fpack.fails("shell", "debian.trixie.greet", "--")


def test_standard_input_passes_through(fpack: Fpack) -> None:
    words = fpack.command("run", "debian.trixie.greet", "--", "cat")
    done = subprocess.run(
        words, input=b"\x00\xff bytes", capture_output=True, env=fpack.env, cwd=fpack.home, timeout=WAIT
    )
    assert done.stdout == b"\x00\xff bytes"


def test_a_project_has_its_shell(fpack: Fpack, project: Path) -> None:
    show = 'echo "$LEVEL $COMMON $ORDER $FPACK_SHELL"; cat "$NOTES"; greet; pwd'
    below = project / "deep"
    below.mkdir()
    text = out(fpack, "shell", "--", "sh", "-c", show, cwd=below)
    assert text.splitlines() == ["own yes 1-2 site", "first", "greet 13 ", str(below)]
    assert out(fpack, "shell", "#common", "--", "sh", "-c", 'echo "$LEVEL $ORDER"', cwd=project) == "common 1"
    assert out(fpack, "shell", f"{project}/fpack.fp#common", "--", "sh", "-c", "echo $LEVEL") == "common"
    assert "name one of them: #debian.NAME" in fpack.fails("shell", "#debian", cwd=project)


def test_nothing_is_evaluated_when_nothing_changed(fpack: Fpack, project: Path) -> None:
    def shell(*options: str, trace: bool = True) -> tuple[str, str]:
        done = fpack("shell", *options, "--", "sh", "-c", 'cat "$NOTES"; echo $LEVEL', cwd=project,
                     env={"PYTHONPROFILEIMPORTTIME": "1"} if trace else None)  # fmt: skip
        return done.stdout, done.stderr

    def evaluated(imports: str) -> bool:
        return any(f" {name}\n" in imports for name in ("click", "lark", "sqlite3", "fpack.lang.evaluator"))

    first, imports = shell()
    assert evaluated(imports) and first == "first\nown\n"
    again, imports = shell()
    assert again == first and not evaluated(imports)
    _, imports = shell("--pure", "--network", "off")
    assert not evaluated(imports), "how it is entered changes nothing of what it is"
    os.utime(project / "fpack.fp")
    _, imports = shell()
    assert not evaluated(imports), "the content is the same"
    (project / "notes.txt").write_text("second\n")
    assert shell(trace=False)[0] == "second\nown\n"
    (project / "fpack.fp").write_text(PROJECT.replace('"own"', '"changed"'))
    assert shell(trace=False)[0] == "second\nchanged\n"
    lock = (project / "fpack.lock").read_text()
    (project / "fpack.lock").write_text(lock + "\n")
    _, imports = shell()
    assert evaluated(imports), "the lock is another"


def test_files_of_the_project_and_home_can_be_written_and_nothing_else(fpack: Fpack, project: Path) -> None:
    script = (
        "echo x > made; echo y > ~/made; echo z > /usr/bin/made; echo $?; echo z > /made; echo $?; echo z > /etc/made"
    )
    done = fpack("shell", "--", "sh", "-c", script, cwd=project, status=None)
    assert (project / "made").read_text() == "x\n" and (fpack.home / "made").read_text() == "y\n"
    assert done.stdout == "1\n1\n" and done.returncode != 0
    assert not Path("/made").exists()


def test_pure_and_kept_variables(fpack: Fpack) -> None:
    shown = ("--", "sh", "-c", "echo ${SECRET-none} ${EDITOR-none} ${LD_PRELOAD-none}")
    env = {"SECRET": "s", "EDITOR": "e", "LD_PRELOAD": ""}
    assert out(fpack, "shell", "debian.trixie.greet", *shown, env=env) == "s e none"
    assert out(fpack, "shell", "--pure", "debian.trixie.greet", *shown, env=env) == "none none none"
    assert out(fpack, "shell", "--pure", "--keep", "EDITOR", "debian.trixie.greet", *shown, env=env) == "none e none"


def test_a_container_has_the_project_alone(fpack: Fpack, project: Path) -> None:
    (fpack.home / "private").write_text("secret")
    (project / "here").write_text("here")
    script = (
        "cat here; echo; ls -A ~ | cat; ls -A /tmp | cat; ls /dev | wc -l; echo; ps -A | wc -l; hostname; echo $HOME"
    )
    lines = out(fpack, "shell", "--container", "--", "sh", "-c", script, cwd=project).splitlines()
    assert lines[0] == "here"
    assert "private" not in lines and lines[-2] == "fpack" and lines[-1].startswith(("/root", "/home/"))
    assert int(lines[-3]) < 10, "it sees its own processes only"
    written = "echo in > made; echo $?"
    assert out(fpack, "shell", "--container", "--", "sh", "-c", written, cwd=project) == "0"
    assert (project / "made").read_text() == "in\n"


INJECT = """
#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>
int main(void) {
  int pipe_end = 0, left = 0;
  ioctl(pipe_end, TIOCSTI, "x"); printf("%d ", errno == EPERM);
  errno = 0; ioctl(pipe_end, TIOCLINUX, "x"); printf("%d ", errno == EPERM);
  errno = 0; ioctl(pipe_end, TCGETS, &left); printf("%d\\n", errno == EPERM);
}
"""


@pytest.mark.parametrize("options", [[], ["--container"], ["--pure"]])
def test_no_program_types_on_the_terminal(fpack: Fpack, project: Path, options: list[str]) -> None:
    """A terminal outlives the shell: what is put into its input would be the caller's next command."""
    (project / "inject.c").write_text(INJECT)
    subprocess.run(["gcc", "-static", "-o", "inject", "inject.c"], cwd=project, check=True)
    assert out(fpack, "shell", *options, "--", "./inject", cwd=project) == "1 1 0"


def test_paths_are_exposed_and_shared(fpack: Fpack, project: Path, tmp_path: Path) -> None:
    for name in ("read", "write"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    options = ("--container", "--expose", str(tmp_path / "read"), "--share", str(tmp_path / "write"))
    script = (
        f"cat {tmp_path}/read/file {tmp_path}/write/file; echo x > {tmp_path}/write/new; echo x > {tmp_path}/read/new"
    )
    done = fpack("shell", *options, "--", "sh", "-c", script, cwd=project, status=None)
    assert done.stdout == "readwrite" and done.returncode != 0
    assert (tmp_path / "write" / "new").exists() and not (tmp_path / "read" / "new").exists()


@pytest.mark.parametrize("place", ["/", "/usr", "/usr/bin/../lib", "/etc"])
def test_what_would_hide_the_shell_is_not_shared(fpack: Fpack, place: str) -> None:
    for option in ("--share", "--expose"):
        text = fpack.fails("shell", option, place, "debian.trixie.greet", "--", "echo", "in")
        assert "would hide the shell's" in text


def test_single_files_of_the_machine_are_exposed(fpack: Fpack) -> None:
    words = ("shell", "--expose", "/etc/passwd", "debian.trixie.greet", "--", "cat", "/etc/passwd")
    assert out(fpack, *words) == Path("/etc/passwd").read_text().strip()


def test_the_network_can_be_off(fpack: Fpack) -> None:
    count = ("--", "sh", "-c", "wc -l < /proc/net/dev; cat /proc/net/route | wc -l")
    off = out(fpack, "shell", "--network", "off", "debian.trixie.greet", *count).split()
    assert off == ["3", "1"], "the loopback device, and no route"
    on = out(fpack, "shell", "debian.trixie.greet", *count)
    assert on == subprocess.run(["sh", *count[2:]], capture_output=True, text=True, check=True).stdout.strip()


def test_another_user_inside(fpack: Fpack) -> None:
    script = ("--", "sh", "-c", 'id -un; id -u; echo "$USER"; echo ~')
    lines = out(fpack, "shell", "--container", "--user", "dev:1234", "debian.trixie.greet", *script).split()
    assert lines == ["dev", "1234", "dev", "/home/dev"]
    assert "is not a user" in fpack.fails("shell", "--user", "a b", "debian.trixie.greet", *script)


def test_a_shell_keeps_its_closure_from_gc(fpack: Fpack, project: Path) -> None:
    own = Fpack(fpack.home.parent / "gc", fpack.archive)
    words = own.command(
        "shell", "debian.trixie.greet", "--", "sh", "-c", "echo go; read line; greet; cat /etc/debian_version"
    )
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=own.env, cwd=own.home
    ) as one:
        assert one.stdout is not None and one.stdout.readline() == "go\n"
        own("gc")
        assert one.communicate("\n", timeout=WAIT)[0] == "greet 13 \n13.0\n"
    assert "debian.trixie.greet" and json.loads(own("gc", "--json").stdout)["deleted"]
    assert out(own, "shell", "debian.trixie.greet", "--", "greet") == "greet 13", "what is gone is made again"
    own("shell", "--", "true", cwd=project)
    own("gc")
    done = own("shell", "--", "greet", cwd=project, env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert " sqlite3\n" not in done.stderr or "fpack.lang.evaluator" in done.stderr
    assert done.stdout == "greet 13 \n"
    assert [each.name for each in project.iterdir() if each.name.startswith(".")] == []


def test_ctrl_c_is_the_commands_to_answer(fpack: Fpack, terminals: list[Terminal]) -> None:
    script = 'trap "echo caught; sleep 0.3; exit 3" INT; echo ready; while :; do sleep 0.1; done'
    terminal = Terminal(fpack, "shell", "debian.trixie.greet", "--", "bash", "-c", script)
    terminals.append(terminal)
    terminal.wait("ready")
    terminal.type("\x03")
    terminal.wait("caught")
    assert terminal.end() == 3


def test_a_signal_reaches_the_command(fpack: Fpack) -> None:
    script = 'trap "echo ended; exit 5" TERM; echo ready; while :; do sleep 0.1; done'
    words = fpack.command("shell", "debian.trixie.greet", "--", "bash", "-c", script)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=fpack.env, cwd=fpack.home) as one:
        assert one.stdout is not None and one.stdout.readline() == "ready\n"
        one.send_signal(signal.SIGTERM)
        assert one.communicate(timeout=WAIT)[0] == "ended\n" and one.returncode == 5


SIGNAL_BEFORE_ITS_PID_IS_READ = """
import os, signal, time
from fpack.cli.shells.sandbox import supervisor
def late(fd, read=supervisor.told_command):
    while not os.path.exists("ready"):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
    return read(fd)
supervisor.told_command = late
from fpack.cli.main import run
run()
"""


def test_a_signal_reaches_a_command_whose_pid_is_not_known_yet(fpack: Fpack) -> None:
    script = 'trap "echo ended; exit 5" TERM; echo >ready; for i in $(seq 600); do sleep 0.1; done'
    (fpack.home / "ready").unlink(missing_ok=True)  # the tests of this file share a home
    words = [sys.executable, "-c", SIGNAL_BEFORE_ITS_PID_IS_READ]
    words += ["shell", "debian.trixie.greet", "--", "bash", "-c", script]
    done = subprocess.run(words, capture_output=True, text=True, env=fpack.env, cwd=fpack.home)
    assert (done.stdout, done.returncode) == ("ended\n", 5), done.stderr


BUBBLEWRAP_THAT_HANGS = """
import os, signal, subprocess, threading
from fpack.cli.shells.sandbox import supervisor
started = []
def hang(launch, tell, *rest):
    started.append(subprocess.Popen(["sleep", "600"], pass_fds=[tell]))
    return started[0].pid
def interrupted(fd, read=supervisor.told_command):
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
    return read(fd)
supervisor._spawn = hang
supervisor.told_command = interrupted
from fpack.cli.main import run
run()
"""


def test_a_second_signal_ends_bubblewrap_if_it_does_not_start_the_command(fpack: Fpack) -> None:
    words = [sys.executable, "-c", BUBBLEWRAP_THAT_HANGS, "shell", "debian.trixie.greet", "--", "true"]
    done = subprocess.run(words, capture_output=True, text=True, env=fpack.env, cwd=fpack.home, timeout=WAIT)
    assert done.returncode != 0 and "Traceback" not in done.stderr


def test_an_interactive_shell(fpack: Fpack, project: Path, terminals: list[Terminal]) -> None:
    (fpack.home / ".bashrc").write_text('export FROM_RC=mine\nPATH=/opt/host:$PATH\neval "$(fpack hook bash)"\n')
    terminal = Terminal(fpack, "shell", cwd=project)
    terminals.append(terminal)
    terminal.wait(r"\[site\] ")
    terminal.line("echo $FROM_RC-$ORDER-${PATH%%:*}", r"mine-1-2-/usr/local/sbin")
    terminal.line("tty; echo $-", "/dev/pts/[0-9]+\n[a-zA-Z]*m")
    terminal.resize(40, 91)
    terminal.line("stty size", "40 91")
    terminal.begin("sleep 300")
    terminal.type("\x1a")
    terminal.wait("Stopped")
    terminal.line("jobs; kill %1; fg; echo over", "over\n")
    terminal.begin("sleep 301")
    terminal.type("\x03")
    terminal.line("echo status $?", "status 130")
    terminal.type("exit 9\n")
    assert terminal.end() == 9
    (fpack.home / ".bashrc").unlink()


def test_shims_have_what_was_asked_for_and_pass_all_on(fpack: Fpack, project: Path) -> None:
    answer = json.loads(fpack("shell", "--print-env=json", cwd=project).stdout)
    assert answer["env"]["LEVEL"] == "own"
    names = os.listdir(answer["path"])
    assert "greet" in names and "sed" in names and not {"ls", "bash", "sh", "cat", "grep"} & set(names)
    text = fpack("shell", "--print-env", cwd=project).stdout
    script = (
        f"{text}greet 'a  b'; cd /; greet $(pwd); printf 'x\\n' | sed s/x/y/; sed --no-such-option 2>/dev/null; echo $?"
    )
    done = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, cwd=project, env=fpack.env, timeout=WAIT
    )
    assert done.stdout == "greet 13 a  b\ngreet 13 /\ny\n1\n", done.stderr
    # A second time there is nothing to make.
    assert json.loads(fpack("shell", "--print-env=json", cwd=project).stdout) == answer


def test_shims_run_below_var_or_say_that_they_see_nothing_there(fpack: Fpack, project: Path) -> None:
    path = json.loads(fpack("shell", "--print-env=json", cwd=project).stdout)["path"]
    with public_directory("shell") as place:
        (place / "text").write_text("x\n")
        run = [f"{path}/sed", "s/x/y/", "text"]
        assert subprocess.run(run, capture_output=True, text=True, cwd=place, env=fpack.env).stdout == "y\n"
    done = subprocess.run([f"{path}/greet"], capture_output=True, text=True, cwd="/var/lib", env=fpack.env)
    assert done.returncode == 126
    assert done.stderr.startswith("fpack: greet of the shell site does not see this directory\n"), done.stderr


def test_editors_get_the_packed_image_of_the_shell(fpack: Fpack, project: Path) -> None:
    fpack("shell", "--devcontainer", cwd=project)
    place = project / ".devcontainer" / "devcontainer.json"
    told = json.loads(place.read_text())
    packed = fpack.pack("shell", "-o", "shell.tar", cwd=project)
    assert told["image"].removeprefix("localhost/") == f"{packed['name']}:{packed['tag']}" == "site:shell"
    assert told["initializeCommand"][:3] == ["fpack", "pack", "shell"]
    fpack("shell", "--devcontainer", cwd=project)
    for words in (["debian.trixie.greet"], ["--for", "#tool"]):
        text = fpack.fails("shell", "--devcontainer", *words, cwd=project)
        assert "needs a shell { } of a file" in text, text
    place.write_text("// mine\n{}")
    assert "not written by fpack" in fpack.fails("shell", "--devcontainer", cwd=project)
    assert place.read_text() == "// mine\n{}"


BUILD = """
import_ = import("fpack/package")
tool = import_.package {
  name = "tool"
  version = "2"
  source = ./notes.txt
  unpack = "mkdir work; cd work; cat $source > made"
  build = "export STEP=built; echo $STEP $FLAVOUR >> made"
  check = "test $STEP = built; false"
  install = "mkdir -p $out; cp made $out/made; echo $NOT_SET"
  fixup = null
  env = { FLAVOUR = "sweet" }
}
"""


def test_the_build_of_a_package_phase_by_phase(fpack: Fpack, project: Path, terminals: list[Terminal]) -> None:
    (project / "fpack.fp").write_text(BUILD)
    build = ("shell", "--for", "tool", "--", "phase")
    assert out(fpack, *build, cwd=project).split() == ["unpack", "build", "check", "install"]
    assert out(fpack, *build, "unpack", "build", cwd=project, env={"FLAVOUR": "sour"}) == "-- unpack\n-- build"
    folder = kept_for(fpack, project) / "build" / "tool-2"
    assert (folder / "work" / "made").read_text() == "first\nbuilt sweet\n"
    done = fpack(*build, "check", cwd=project, status=1)
    assert "check failed with status 1" in done.stderr
    done = fpack(*build, "install", cwd=project, status=1)
    assert "NOT_SET" in done.stderr, "phases end at variables that are not set, as in a build"
    assert (folder / "out" / "made").exists()
    fpack(*build, "none", cwd=project, status=2)
    inside = ("shell", "--container", "--for", "tool", "--", "sh", "-c", "cat $FPACK_BUILD/out/made && phase build")
    assert out(fpack, *inside, cwd=project).startswith("first\nbuilt sweet\n")
    terminal = Terminal(fpack, "shell", "--for", "tool", cwd=project)
    terminals.append(terminal)
    terminal.wait(r"phases: unpack build check install .*\n")
    terminal.line("phase build; echo $STEP in $PWD", f"built in {folder}/work")
    terminal.type("exit\n")
    assert terminal.end() == 0
    assert "not built from source" in fpack.fails("shell", "--for", "debian.trixie.greet", "--", "phase")


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs to make a namespace with a limit")
def test_where_namespaces_are_forbidden_it_says_so_and_stops(fpack: Fpack) -> None:
    limit = 'echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all "$@"'
    inside = Fpack(fpack.home, fpack.archive, prefix=("unshare", "-Ur", "sh", "-c", limit, "sh"))
    for words in (["shell", "debian.trixie.greet", "--", "echo", "unconfined"], ["run", "debian.trixie.greet"],
                  ["shell", "--print-env", "debian.trixie.grep"]):  # fmt: skip
        text = inside.fails(*words)
        assert "does not let fpack make a sandbox" in text and "user.max_user_namespaces=" in text
        assert "unconfined" not in text
    findings = json.loads(inside("doctor", "--json", status=None).stdout)["checks"]
    said = next(each for each in findings if each["name"] == "namespaces")
    assert said["state"] != "ok" and "shell" in said["text"] and "user.max_user_namespaces=" in said["hint"]
