"""A project's shell entered and left with its directory: by the hooks of bash, zsh and fish, and by direnv."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest
from support.archives.shells import Terminal
from support.needs import needs_bubblewrap
from support.processes.program import Fpack
from support.time_limits import WAIT

pytestmark = needs_bubblewrap

PROJECT = """
debian = import("fpack/debian").trixie
shell = shell { name = "site", packages = [debian.greet], env = { LEVEL = "own" } }
"""


HOOKS = {
    "bash": (["bash", "--norc", "-c"], "_fpack_hook", "type -P greet || echo none"),
    "zsh": (["zsh", "-f", "-c"], "_fpack_hook", "whence -p greet || echo none"),
    "fish": (["fish", "--no-config", "-c"], "_fpack_hook", "type -fP greet 2>/dev/null; or echo none"),
}


@pytest.mark.parametrize("kind", HOOKS)
def test_a_hook_enters_and_leaves_with_the_directory(fpack: Fpack, project: Path, kind: str) -> None:
    words, hook, where = HOOKS[kind]
    if shutil.which(words[0]) is None:
        pytest.skip(f"{kind} is not installed")
    path = f"{Path(fpack.command()[0]).parent}:{fpack.env['PATH']}"
    line = "fpack hook fish | source" if kind == "fish" else f'eval "$(fpack hook {kind})"'
    below = project / "below"
    below.mkdir()
    show = f"{where}; echo level=$LEVEL"
    script = f"{line}; {hook}; {show}; cd {below}; {hook}; {show}; greet a; cd ../..; {hook}; {show}; echo $PATH"

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run([*words, script], capture_output=True, text=True, cwd=project.parent,
                              env={**fpack.env, "PATH": path, "LEVEL": "outer"}, timeout=WAIT)  # fmt: skip

    before = run()
    assert "lets the hook enter it" in before.stderr and "greet 13" not in before.stdout
    fpack("shell", "--", "true", cwd=project)
    lines = run().stdout.splitlines()
    assert lines[:2] == ["none", "level=outer"]
    assert lines[2].endswith("/bin/greet") and lines[3:5] == ["level=own", "greet 13 a"]
    assert lines[5:7] == ["none", "level=outer"]
    assert lines[7].replace(" ", ":") == path


def test_direnv_uses_a_shell(fpack: Fpack, project: Path) -> None:
    path = f"{Path(fpack.command()[0]).parent}:{fpack.env['PATH']}"
    script = 'watch_file() { echo "watched $*"; }; eval "$(fpack hook direnv)"; use_fpack; greet; echo $LEVEL'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=project,
                          env={**fpack.env, "PATH": path}, timeout=WAIT)  # fmt: skip
    assert done.stdout.splitlines() == ["watched fpack.fp fpack.lock", "greet 13 ", "own"], done.stderr


START = {
    "bash": (".bashrc", 'PS1="ready> "\n', 'eval "$({} hook bash)"\n'),
    "zsh": (".zshrc", 'PS1="ready> "\n', 'eval "$({} hook zsh)"\n'),
    "fish": (".config/fish/config.fish", "function fish_prompt; echo -n 'ready> '; end\n", "{} hook fish | source\n"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", START)
def test_a_terminal_follows_the_project(
    fpack: Fpack, tmp_path: Path, project: Path, terminals: list[Terminal], kind: str
) -> None:
    """Entered by hand it is there at the next prompt, a change is too, and a mistake only until it is mended."""
    if shutil.which(kind) is None:
        pytest.skip(f"{kind} is not installed")
    program = fpack.command()[0]
    file, prompt, hook = START[kind]
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(prompt + hook.format(program))
    own = {"HOME": str(tmp_path), "FPACK_ROOT": fpack.env["FPACK_ROOT"]}
    terminal = Terminal(fpack, cwd=tmp_path, env=own, program=[shutil.which(kind) or kind, "-i"])
    terminals.append(terminal)

    def line(text: str, said: str) -> None:
        terminal.line(text, said)
        terminal.wait("ready> ")

    def change(before: str, after: str) -> None:
        time.sleep(0.02)  # more than the clock of files takes to go on
        text = (project / "fpack.fp").read_text()
        assert before in text
        (project / "fpack.fp").write_text(text.replace(before, after))

    terminal.wait("ready> ")
    line("cd site", "lets the hook enter it")
    line("greet me", "(not found|Unknown command)[^\n]*\n")
    line(f'{program} shell -- true; echo entered="$LEVEL"', "entered=\n")
    line('greet me; echo e="$LEVEL"', "greet 13 me\ne=own\n")
    change('"own"', '"other"')
    line("true", "\n")
    line('echo e="$LEVEL"', "e=other\n")
    change('"other"', '"other')
    line("true", "error: .*\n")
    line('echo e="$LEVEL"; echo ran', "e=\nran\n")
    change('"other', '"mended"')
    line("true", "\n")
    line('greet me; echo e="$LEVEL"', "greet 13 me\ne=mended\n")
    line("cd ..", "\n")
    line('echo e="$LEVEL"; greet me', "e=\n[^\n]*(not found|Unknown command)[^\n]*\n")


def test_a_file_that_only_looks_new_is_read_once(fpack: Fpack, project: Path) -> None:
    fpack("shell", "--", "true", cwd=project)
    counted = fpack.home / "fpack"
    counted.write_text(f'#!/bin/sh\necho "$@" >> {fpack.home}/calls\nexec {fpack.command()[0]} "$@"\n')
    counted.chmod(0o755)
    text = fpack("hook", "bash").stdout.replace(fpack.command()[0], str(counted))
    script = f"{text}\n_fpack_hook; sleep 0.1; touch fpack.fp; _fpack_hook; _fpack_hook; _fpack_hook; greet a"
    done = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, cwd=project, env=fpack.env, timeout=WAIT
    )
    assert done.stdout == "greet 13 a\n", done.stderr
    assert len((fpack.home / "calls").read_text().splitlines()) == 2


def test_start_up_files_of_the_host_may_call_the_hook(
    fpack: Fpack, tmp_path: Path, project: Path, terminals: list[Terminal]
) -> None:
    """fpack is often in a directory of one's own, with a Python that the shell has not."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "fpack").write_text("#!/no/such/python\n")
    (own / "fpack").chmod(0o755)
    (tmp_path / ".bashrc").write_text(f'PATH={own}:$PATH\neval "$(fpack hook bash)"\n')
    terminal = Terminal(fpack, "shell", cwd=project, env={"HOME": str(tmp_path)})
    terminals.append(terminal)
    assert "no/such" not in terminal.text and "not found" not in terminal.text
    terminal.wait(r"\[site\] ")
    assert "no/such" not in terminal.text
    terminal.line("type fpack", "fpack is /run/fpack/bin/fpack\n")
    terminal.type("exit\n")
    assert terminal.end() == 0


def test_direnv_uses_packages(fpack: Fpack, tmp_path: Path) -> None:
    path = f"{Path(fpack.command()[0]).parent}:{fpack.env['PATH']}"
    script = 'watch_file() { :; }; eval "$(fpack hook direnv)"; use_fpack debian.bookworm.greet; greet'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=tmp_path,
                          env={**fpack.env, "PATH": path}, timeout=WAIT)  # fmt: skip
    assert done.stdout == "greet 12 \n", done.stderr


def test_direnv_itself_enters_and_leaves(fpack: Fpack, tmp_path: Path, project: Path) -> None:
    if shutil.which("direnv") is None:
        pytest.skip("direnv is not installed")
    library = tmp_path / ".config/direnv/lib/fpack.sh"
    library.parent.mkdir(parents=True)
    library.write_text(fpack("hook", "direnv").stdout)
    (project / ".envrc").write_text("use fpack\n")
    script = (
        'direnv allow site; cd site; eval "$(direnv export bash)"; greet a; echo $LEVEL; '
        'cd ..; eval "$(direnv export bash)"; type -P greet; echo "${LEVEL-gone}"'
    )
    env = {**fpack.env, "HOME": str(tmp_path)}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=tmp_path, env=env, timeout=WAIT)
    assert done.stdout.splitlines() == ["greet 13 a", "own", "gone"], done.stderr
