"""Programs are started by one module: with what they may see, from where nothing of a project's lies."""

from __future__ import annotations

import ast
import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fpack.store import processes
from support.sources import modules

# What starts a process, or has a function that does: modules, and names of functions wherever they are from.
MODULES = {
    "subprocess", "_posixsubprocess", "multiprocessing", "pty", "webbrowser", "pydoc", "asyncio.subprocess",
    "ctypes.util", "distutils", "antigravity", "idlelib", "uuid", "cgi", "venv", "ensurepip",
}  # fmt: skip
FUNCTIONS = {
    "fork", "forkpty", "vfork", "fork_exec", "system", "popen", "startfile", "posix_spawn", "posix_spawnp",
    "create_subprocess_exec", "create_subprocess_shell", "subprocess_exec", "subprocess_shell", "getstatusoutput",
    "ProcessPoolExecutor", "Popen", "launch", "echo_via_pager",
    "find_library", "dlopen", "run_path",
    *(f"exec{rest}" for rest in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe", "veat")),
    *(f"spawn{rest}" for rest in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
}  # fmt: skip
# These follow relative entries of PATH.
SEARCHES = {"which"}


def starts(text: str) -> list[str]:
    """Return the calls in a module that could start a process."""
    found = []
    for node in ast.walk(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [str(node.module), *(f"{node.module}.{each.name}" for each in node.names)]
            # What fpack's own modules have under such a name is found where it is defined.
            if not str(node.module).startswith("fpack."):
                found += [each.name for each in node.names if each.name in FUNCTIONS | SEARCHES]
        elif isinstance(node, ast.Attribute) and node.attr in FUNCTIONS | SEARCHES:
            own = isinstance(node.value, ast.Name) and node.value.id == "processes" and node.attr in dir(processes)
            found += [] if own else [node.attr]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # The name of a module that is imported, or of a function that is got, at run time.
            names = [node.value] if node.value in MODULES else []
            found += [node.value] if node.value in FUNCTIONS | SEARCHES else []
        found += [name for name in names if any(name == each or name.startswith(f"{each}.") for each in MODULES)]
    return found


@pytest.mark.parametrize(
    "text",
    [
        "import subprocess",
        "import subprocess as s",
        "from subprocess import run",
        "import multiprocessing.pool",
        "from asyncio import subprocess",
        "from asyncio import create_subprocess_exec",
        "import os; os.fork()",
        "from os import execve as become",
        "import os as o; o.posix_spawn('/bin/sh', [], {})",
        "import os; os.system('true')",
        "import os; getattr(os, 'popen')('true')",
        "from importlib import import_module; import_module('subprocess')",
        "libc.execve(b'/bin/sh')",
        "import pty; pty.spawn('sh')",
        "loop.subprocess_exec(None, 'sh')",
        "from concurrent.futures import ProcessPoolExecutor",
        "import shutil; shutil.which('sh')",
        "import click; click.launch('x')",
    ],
)
def test_ways_to_start_a_process_are_seen(text: str) -> None:
    assert starts(text)


def test_no_other_module_starts_a_process() -> None:
    found = {name: starts(text) for name, text in modules()}
    assert len(found) > 200
    assert {name: ways for name, ways in found.items() if ways and name not in processes.STARTERS} == {}
    assert [name for name in processes.STARTERS if not found[name]] == []


@pytest.mark.parametrize("path", ["", ".", "bin", ":", "::.:bin:./bin:../here/bin:"])
def test_relative_entries_of_path_lead_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    here, own = tmp_path / "here", tmp_path / "own"
    for folder in (here, here / "bin", own):
        folder.mkdir()
        (folder / "npm").write_text("#!/bin/sh\n")
        (folder / "npm").chmod(0o755)
    monkeypatch.chdir(here)
    assert processes.find("npm", {"PATH": path}) is None
    assert processes.find("npm", {"PATH": f"{path}:{own}"}) == f"{own}/npm"
    assert processes.environment("npm", {"PATH": f"{path}:{own}"})["PATH"] == str(own)


def test_what_is_no_program_is_passed_over(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    for folder in (first, second):
        folder.mkdir()
    (first / "go").mkdir()
    (second / "go").write_text("")
    assert processes.find("go", {"PATH": f"{first}:{second}"}) is None
    (second / "go").chmod(0o755)
    assert processes.find("go", {"PATH": f"{first}:{second}"}) == f"{second}/go"


def test_without_a_path_programs_are_where_they_usually_are() -> None:
    assert processes.find("sh", {}) in ("/usr/local/bin/sh", "/usr/bin/sh", "/bin/sh")


CALLER = {
    "PATH": "/usr/bin:.", "HOME": "/home/me", "SECRET": "s", "AWS_SECRET_ACCESS_KEY": "s", "PYTHONPATH": ".",
    "PYTHONSTARTUP": "x", "NODE_OPTIONS": "--require ./x", "LD_PRELOAD": "./x", "BASH_ENV": "x", "ENV": "x",
    "GIT_DIR": "x", "GOFLAGS": "-toolexec=./x", "PIP_INDEX_URL": "https://own.example.org", "npm_config_registry": "u",
    "NPM_CONFIG_USERCONFIG": "/u", "NPM_TOKEN": "s", "DOCKER_HOST": "d", "CONTAINERS_CONF": "c", "https_proxy": "p",
    "XDG_RUNTIME_DIR": "/run", "GOPROXY": "g", "LC_ALL": "de_DE", "SSL_CERT_FILE": "f", "FPACK_ROOT": "/r",
}  # fmt: skip
SEEN = {
    "pip": {"PATH", "HOME", "PIP_INDEX_URL", "PIP_NO_INPUT", "PIP_DISABLE_PIP_VERSION_CHECK", "LC_ALL"},
    "npm": {"PATH", "HOME", "npm_config_registry", "NPM_CONFIG_USERCONFIG", "npm_config_update_notifier", "LC_ALL"},
    "go": {"PATH", "HOME", "GOPROXY", "GOTOOLCHAIN", "LC_ALL"},
    "git": {
        *("GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_GLOBAL", "GIT_OPTIONAL_LOCKS", "GIT_NO_LAZY_FETCH", "LC_ALL"),
        *("GIT_NO_REPLACE_OBJECTS", "GIT_ALLOW_PROTOCOL", "GIT_TERMINAL_PROMPT", "PATH"),
    },
    "credential helper": {
        *("PATH", "HOME", "AWS_SECRET_ACCESS_KEY", "XDG_RUNTIME_DIR", "LC_ALL", "SSL_CERT_FILE", "https_proxy")
    },
    "podman": {
        *("PATH", "HOME", "DOCKER_HOST", "CONTAINERS_CONF", "XDG_RUNTIME_DIR", "LC_ALL", "SSL_CERT_FILE", "https_proxy")
    },
    "mksquashfs": {"LC_ALL"},
    "diffoscope": {"PATH", "LC_ALL"},
    "bwrap": {"PATH"},
    "pasta": {"PATH"},
    "slirp4netns": {"PATH"},
    "newuidmap": {"PATH"},
    "newgidmap": {"PATH"},
    "sandbox server": set(),
    "configure run": set(),
    "evaluation": {"PATH", "HOME", "XDG_RUNTIME_DIR", "LC_ALL", "FPACK_ROOT"},
    "collection": {"HOME", "FPACK_ROOT"},
}
SEEN["docker"] = SEEN["podman"]


@pytest.mark.parametrize("name", processes.PROGRAMS)
def test_a_program_sees_the_variables_of_its_row(name: str) -> None:
    given = processes.environment(name, CALLER)
    assert set(given) == SEEN[name]
    assert given.get("PATH") in (None, "/usr/bin", "/usr/bin:/bin")


def test_a_variable_that_is_named_is_seen_too() -> None:
    assert processes.environment("npm", CALLER, more=["TEAM", "SECRET"])["SECRET"] == "s"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's diffoscope, in place of a real one; and a working directory that is not `/`."""
    place = tmp_path / "tools/diffoscope"
    place.parent.mkdir()
    place.write_text('#!/bin/sh\npwd\nenv\nread x && echo "read $x"\neval "$1"\n')
    place.chmod(0o755)
    monkeypatch.setenv("PATH", f"{place.parent}:/usr/bin:/bin")
    monkeypatch.setenv("SECRET", "s")
    monkeypatch.chdir(tmp_path)
    return place


def test_run(program: Path) -> None:
    done = processes.run("diffoscope", ["echo failed >&2; exit 3"])
    cwd, *variables = done.output.decode().splitlines()
    assert cwd == "/" and not any(each.startswith("SECRET") for each in variables)
    assert (done.status, done.errors) == (3, b"failed\n")


def test_what_takes_too_long_is_ended_with_all_that_it_started(program: Path, tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="diffoscope did not end"):
        processes.run("diffoscope", [f"sleep 60 & echo $! >{tmp_path}/child; wait"], seconds=1)
    child = int((tmp_path / "child").read_text())
    state = ""
    for _ in range(3000):  # it was sent a signal, and ends when it next runs
        try:
            state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            state = "gone"
        if state in ("Z", "X", "gone"):
            break
        time.sleep(0.01)
    assert state in ("Z", "X", "gone")


def test_a_helper_has_no_terminal(program: Path) -> None:
    done = processes.run("diffoscope", ["(exec 3</dev/tty) 2>/dev/null && echo asked; exit 0"])
    assert b"asked" not in done.output


def test_feed(program: Path) -> None:
    done = processes.feed("diffoscope", ["echo failed >&2; exit 3"], lambda pipe: void(os.write(pipe, b"input\n")))
    cwd, *rest = done.output.decode().splitlines()
    assert cwd == "/" and rest[-2:] == ["read input", "failed"] and done.status == 3
    assert not any(each.startswith("SECRET") for each in rest)


def void(_: object) -> None:
    """Nothing."""


def test_a_program_that_reads_nothing_says_why(program: Path) -> None:
    def send(pipe: int) -> None:
        while True:
            os.write(pipe, b"\n" * (1 << 16))

    done = processes.feed("diffoscope", ["echo full; exit 1"], send)
    assert done.status == 1 and done.output.endswith(b"full\n")


def test_an_input_that_fails_ends_the_program(program: Path) -> None:
    def send(pipe: int) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        processes.feed("diffoscope", ["sleep 60"], send)


def test_what_is_not_there_is_an_error_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError):
        processes.run("go", [])


def test_fpacks_own_python_reads_nothing_of_its_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('ran')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("SECRET", "s")

    async def run() -> str:
        process = await processes.start("evaluation", ["fpack.store.locks", "a"])
        output, _ = await process.communicate()
        assert process.returncode == 0
        process = await processes.start("evaluation", ["platform"])
        output += (await process.communicate())[0]
        return output.decode()

    said = asyncio.run(run())
    assert "ran" not in said and "Linux" in said
    words = processes.PROGRAMS["evaluation"].python
    assert words[0] == processes.PROGRAMS["pip"].python[0] == processes.PROGRAMS["sandbox server"].python[0] == "-I"


def test_a_child_ends_with_what_its_work_returns() -> None:
    def fail() -> int:
        raise KeyError("x")

    for work, status in ((lambda: 3, 3), (fail, 126)):
        child = processes.fork(work)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == status


def test_spawn(program: Path, tmp_path: Path) -> None:
    output = os.open(tmp_path / "said", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC)
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        words = ["ps -o sid= $$; kill -TERM $$; exit 4"]
        child = processes.spawn(
            "diffoscope", words, streams=[nothing, output, output], signals=[signal.SIGTERM], session=True
        )
    finally:
        signal.signal(signal.SIGTERM, before)
        os.close(output)
        os.close(nothing)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
    cwd, *variables, sid = (tmp_path / "said").read_text().splitlines()
    assert cwd == "/" and not any(each.startswith("SECRET") for each in variables) and int(sid) == child
    assert os.getcwd() == str(tmp_path)


def test_a_program_that_cannot_be_spawned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError):
        processes.spawn("bwrap", [], program="/nowhere/at/all")
    assert os.getcwd() == str(tmp_path)


SANDBOX = "fpack.builders.sandbox"


@pytest.mark.parametrize(
    ("program", "shared"),
    [
        ("sandbox server", []),
        ("configure run", [SANDBOX, *(f"{SANDBOX}.{name}" for name in ("linux", "small_process", "usage"))]),
    ],
)
def test_processes_without_site_packages_import_the_standard_library_alone(program: str, shared: list[str]) -> None:
    *options, code, packages, module = processes.PROGRAMS[program].python
    assert options == ["-I", "-S", "-c"]
    listing = code.replace(".main()", "; print(*sys.modules)")
    done = subprocess.run([sys.executable, *options, listing, packages, module], capture_output=True, check=True)
    found = done.stdout.decode().split()
    assert module in found
    own = module.rpartition(".")[0]
    others = [name for name in found if name.partition(".")[0] not in sys.stdlib_module_names | {"__main__"}]
    assert [name for name in others if not name.startswith(own) and not own.startswith(name)] == shared
