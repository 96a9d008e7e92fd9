"""Start processes: every program that fpack runs outside of a sandbox is found, and given its variables, here.

A project's directory may be a stranger's. A program that starts there may execute what lies there, such as
`./pip/__main__.py`, or send the caller's variables to where a file there says, such as `.npmrc`. So each program has a
row in PROGRAMS. It runs in `/`, it sees the variables of its row and no others, and it is found by the absolute entries
of the user's PATH: an entry that is relative or empty means the working directory, and is passed over. An absolute
entry is trusted wherever it leads, so the programs of a virtual environment count if the user has activated it.

There is one exception: the command that `fpack shell` and `fpack run` run for the user. bubblewrap, which is started
as any other program is, gives it the shell's variables and its working directory.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from subprocess import Popen
    from typing import NoReturn

    AsyncProcess = Process
    ServerProcess = Popen[bytes]


# A shell that is entered again imports this, and a NamedTuple takes longer to define than all of the rest.
class Program:
    """A program that fpack starts.

    names: commands that are looked for on PATH, in this order. folders: directories to look in after PATH. python:
    what fpack's own Python runs where there is no such command. variables: those of the caller that the program sees;
    `*` stands for the rest of a name, and capitals do not matter. settings: variables that are set whatever the
    caller's.
    """

    __slots__ = ("folders", "names", "python", "settings", "variables")

    def __init__(
        self,
        *,
        names: tuple[str, ...] = (),
        folders: tuple[str, ...] = (),
        python: tuple[str, ...] = (),
        variables: tuple[str, ...] = (),
        settings: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.names = names
        self.folders = folders
        self.python = python
        self.variables = variables
        self.settings = settings


# Where version managers keep what the commands that they put on PATH lead to.
_MANAGERS = (
    "PYENV_ROOT", "NODENV_ROOT", "GOENV_ROOT", "VOLTA_HOME", "ASDF_DIR", "ASDF_DATA_DIR", "MISE_DATA_DIR",
    "MISE_CONFIG_DIR",
)  # fmt: skip
# An engine may be a client of another machine, by TLS or by ssh, and may ask at the terminal.
_ENGINE = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_*", "TERM", "TMPDIR", "XDG_*", "CONTAINER_*", "CONTAINERS_*",
    "_CONTAINERS_*", "DOCKER_*", "PODMAN_*", "STORAGE_*", "REGISTRY_AUTH_FILE", "DBUS_SESSION_BUS_ADDRESS",
    "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
)  # fmt: skip
# A module in fpack's own Python. Its arguments: the directory with the package fpack, the module, the module's own.
_MODULE = (
    "import runpy, sys; sys.path.append(sys.argv.pop(1)); runpy.run_module(sys.argv.pop(1), None, '__main__', True)"
)

PROGRAMS = {
    # They are asked where packages are: for what the user has configured, by files in HOME or by variables.
    "pip": Program(
        names=("pip", "pip3"),
        python=("-I", "-m", "pip"),
        variables=("PATH", "HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "PIP_*", *_MANAGERS),
        settings=(("LC_ALL", "C.UTF-8"), ("PIP_DISABLE_PIP_VERSION_CHECK", "1"), ("PIP_NO_INPUT", "1")),
    ),
    "npm": Program(
        names=("npm",),
        variables=("PATH", "HOME", "NPM_CONFIG_*", *_MANAGERS),
        settings=(("LC_ALL", "C.UTF-8"), ("npm_config_update_notifier", "false")),
    ),
    "go": Program(
        names=("go",),
        variables=(
            *("PATH", "HOME", "XDG_CONFIG_HOME", "GOENV", "GOROOT", "GOPROXY", "GONOPROXY", "GOPRIVATE"),
            *_MANAGERS,
        ),
        settings=(("LC_ALL", "C.UTF-8"), ("GOTOOLCHAIN", "local")),
    ),
    "podman": Program(names=("podman",), variables=_ENGINE),
    "docker": Program(names=("docker",), variables=_ENGINE),
    # The bytes that it writes depend on variables of its own, such as SOURCE_DATE_EPOCH: it gets none.
    "mksquashfs": Program(names=("mksquashfs",), settings=(("LC_ALL", "C"),)),
    # It finds the tools for each kind of file on PATH.
    "diffoscope": Program(names=("diffoscope",), variables=("PATH", "TMPDIR"), settings=(("LC_ALL", "C.UTF-8"),)),
    # The command in a sandbox gets its variables by bubblewrap's arguments: LD_PRELOAD would load code outside of it.
    "bwrap": Program(names=("bwrap",), folders=("/usr/bin", "/usr/local/bin"), settings=(("PATH", "/usr/bin:/bin"),)),
    # They attach the machine's network to a container's.
    "pasta": Program(names=("pasta",), folders=("/usr/bin",), settings=(("PATH", "/usr/bin:/bin"),)),
    "slirp4netns": Program(names=("slirp4netns",), folders=("/usr/bin",), settings=(("PATH", "/usr/bin:/bin"),)),
    # fpack itself, in another process: what starts sandboxes, and what evaluates a file for an editor.
    "sandbox server": Program(python=("-I", "-S")),
    "evaluation": Program(
        python=("-I", "-c", _MODULE, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))),
        variables=("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_*", "TMPDIR", "XDG_*", "FPACK_*"),
    ),
}
# Modules that start processes by themselves, and why.
STARTERS = {
    "fpack.store.processes": "it is this one",
    "fpack.builders.sandbox.spawner": "it starts bubblewrap for builds, and has nothing but Python's standard library",
}

_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


class Completed:
    """What became of a program that has ended. status: its exit status, negative for a signal."""

    __slots__ = ("errors", "output", "status")

    def __init__(self, status: int, output: bytes, errors: bytes = b"") -> None:
        self.status = status
        self.output = output
        self.errors = errors


def search_path(environ: Mapping[str, str] = os.environ) -> list[str]:
    """The directories in which the user's programs are: the absolute entries of PATH."""
    return [entry for entry in environ.get("PATH", _DEFAULT_PATH).split(":") if entry.startswith("/")]


def find(
    name: str, environ: Mapping[str, str] = os.environ, accept: Callable[[str], bool] = lambda path: True
) -> str | None:
    """Return the absolute path of the first program on PATH that `accept` takes; None if there is none."""
    row = PROGRAMS.get(name) or Program(names=(name,))
    folders = [*search_path(environ), *row.folders]
    for each in row.names:
        for folder in folders:
            place = f"{folder.rstrip('/')}/{each}"
            if os.path.isfile(place) and os.access(place, os.X_OK) and accept(place):
                return place
    return None


def environment(name: str, environ: Mapping[str, str] = os.environ, more: Iterable[str] = ()) -> dict[str, str]:
    """The variables that a program of PROGRAMS is given. more: names of further ones that it may see."""
    row = PROGRAMS[name]
    exact = {each.upper() for each in (*row.variables, *more) if not each.endswith("*")}
    beginnings = tuple(each[:-1].upper() for each in row.variables if each.endswith("*"))
    # str.startswith of no beginnings is False.
    found = {key: value for key, value in environ.items() if key.upper() in exact or key.upper().startswith(beginnings)}
    if "PATH" in exact:
        found["PATH"] = ":".join(search_path(environ))
    return {**found, **dict(row.settings)}


def run(
    name: str, words: Sequence[str], *, program: str = "", seconds: float | None = None, more: Iterable[str] = ()
) -> Completed:
    """Run a program of PROGRAMS to its end, without input, and in a session of its own, which has no terminal.

    program: its path, where that is known already. OSError if it cannot be started; TimeoutError, which is one, if it
    takes longer than `seconds`. All that it started is ended too if it is.
    """
    import subprocess

    with subprocess.Popen(
        [*_command(name, program), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        cwd="/", env=environment(name, more=more), start_new_session=True,
    ) as process:  # fmt: skip
        try:
            output, errors = process.communicate(timeout=seconds)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise TimeoutError(f"{name} did not end within {seconds} seconds") from None
            raise
    return Completed(process.returncode, output, errors)


def feed(
    name: str, words: Sequence[str], send: Callable[[int], None], *, program: str = "", pass_fds: Sequence[int] = ()
) -> Completed:
    """Run a program of PROGRAMS to its end; `send` writes its input to the descriptor that it is given.

    pass_fds: further descriptors that the program has. What it says, on both outputs, is the output. OSError if it
    cannot be started. It shares fpack's terminal, and is ended if `send` raises.
    """
    import subprocess
    import threading

    process = subprocess.Popen(
        [*_command(name, program), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        cwd="/", env=environment(name), pass_fds=pass_fds,
    )  # fmt: skip
    said: list[bytes] = []
    assert process.stdin is not None and process.stdout is not None
    output = process.stdout
    reader = threading.Thread(target=lambda: said.append(output.read()), daemon=True)
    reader.start()
    try:
        try:
            send(process.stdin.fileno())
        except BrokenPipeError:
            pass  # a program that ends early says why
        process.stdin.close()
        status = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    reader.join()
    return Completed(status, b"".join(said))


def serve(name: str, words: Sequence[str], channel: int) -> ServerProcess:
    """Start a program of PROGRAMS that takes requests from an open socket, its standard input, until that ends.

    It has a session of its own: a terminal's Ctrl-C is for its client, which then ends what it asked for in order.
    """
    import subprocess

    return subprocess.Popen(
        [*_command(name), *words], stdin=channel, stdout=subprocess.DEVNULL, cwd="/", env=environment(name),
        start_new_session=True,
    )  # fmt: skip


async def start(name: str, words: Sequence[str]) -> AsyncProcess:
    """Start a program of PROGRAMS in an event loop, without input; its standard output can be read."""
    import asyncio
    from asyncio.subprocess import DEVNULL, PIPE

    return await asyncio.create_subprocess_exec(
        *_command(name), *words, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, cwd="/", env=environment(name)
    )  # fmt: skip


def spawn(
    name: str,
    words: Sequence[str],
    *,
    program: str = "",
    streams: Sequence[int] = (),
    signals: Iterable[int] = (),
    session: bool = False,
) -> int:
    """Start a program of PROGRAMS with all descriptors that may be inherited; its process. For one thread alone.

    It takes a fraction of the time of a fork. streams: what become its standard input and outputs; none: this process's
    own. signals: those that have their usual effect in it. session: it has one of its own. OSError if it cannot be
    started.
    """
    moves = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(streams)]
    command = [*_command(name, program), *words]
    here = os.open(".", os.O_PATH | os.O_CLOEXEC)
    try:
        os.chdir("/")
        return os.posix_spawn(
            command[0], command, environment(name), file_actions=moves, setsigdef=signals, setsid=session
        )
    finally:
        os.fchdir(here)
        os.close(here)


def become(name: str, words: Sequence[str], *, program: str = "") -> NoReturn:
    """Replace this process by a program of PROGRAMS, with all descriptors that may be inherited. OSError if it cannot.

    It is for what `fork` runs, where the process has to give up rights first.
    """
    command = [*_command(name, program), *words]
    os.chdir("/")
    os.execve(command[0], command, environment(name))


def hide_inherited() -> None:
    """Keep all open descriptors, other than the standard streams, from the processes that this one starts.

    A caller may have left a directory open. A program with its descriptor reaches all files in and above it, past the
    mounts of its sandbox.
    """
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                os.set_inheritable(int(name), False)
            except OSError:
                pass  # it was the listing's own


def fork(work: Callable[[], int]) -> int:
    """Run `work` in a copy of this process, which ends with what it returns, or with 126 if it raises; its number."""
    child = os.fork()
    if child == 0:
        status = 126
        try:
            status = work()
        finally:
            os._exit(status)
    return child


def _command(name: str, program: str = "") -> list[str]:
    """The words that start a program: it has been named, or is found, or fpack's own Python does its work."""
    found = program or find(name)
    if found:
        return [found]
    if PROGRAMS[name].python:
        return [sys.executable, *PROGRAMS[name].python]
    raise FileNotFoundError(2, os.strerror(2), name)
