"""Start processes. This module finds every program that fpack runs outside of a sandbox, and sets its variables.

A project's directory may come from an attacker. A program that starts there may execute files in it, such as
`./pip/__main__.py`, or send the caller's variables to a server that a file such as `.npmrc` names. So each
program has a row in PROGRAMS. It runs in `/`, sees only the variables of its row, and is found in the absolute entries
of the user's PATH. A relative or empty entry means the working directory, and is skipped. An absolute entry is always
trusted, so the programs of a virtual environment are found if the user has activated it.

There is one exception: the command that `fpack shell` and `fpack run` run for the user. bubblewrap, which is started
like any other program, gives it the shell's variables and working directory.
"""

from __future__ import annotations

# The module `signal` takes a millisecond to be imported.
import _signal as signal  # type: ignore[import-not-found]
import os
import sys

from fpack.light_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from subprocess import Popen
    from typing import NoReturn

    AsyncProcess = Process
    ServerProcess = Popen[bytes]


# A warm start of a shell imports this module, and defining a NamedTuple takes longer than the rest of it.
class Program:
    """A program that fpack starts.

    names: commands to look for on PATH, in this order. directories: those to search after PATH. python: arguments for
    fpack's own Python if there is no such command. variables: variables of the caller that the program sees; `*` stands
    for the rest of a name, and case does not matter. settings: variables that are always set.
    """

    __slots__ = ("directories", "names", "python", "settings", "variables")

    def __init__(
        self,
        *,
        names: tuple[str, ...] = (),
        directories: tuple[str, ...] = (),
        python: tuple[str, ...] = (),
        variables: tuple[str, ...] = (),
        settings: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.names = names
        self.directories = directories
        self.python = python
        self.variables = variables
        self.settings = settings


# Directories of version managers, to which their commands on PATH lead.
_MANAGERS = (
    "PYENV_ROOT", "NODENV_ROOT", "GOENV_ROOT", "VOLTA_HOME", "ASDF_DIR", "ASDF_DATA_DIR", "MISE_DATA_DIR",
    "MISE_CONFIG_DIR",
)  # fmt: skip
# An engine may be a client of another machine, by TLS or ssh, and may prompt on the terminal.
_ENGINE = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_*", "TERM", "TMPDIR", "XDG_*", "CONTAINER_*", "CONTAINERS_*",
    "_CONTAINERS_*", "DOCKER_*", "PODMAN_*", "STORAGE_*", "REGISTRY_AUTH_FILE", "DBUS_SESSION_BUS_ADDRESS",
    "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
)  # fmt: skip
# Runs a module in fpack's own Python. Arguments: the directory of the package fpack, the module, its arguments.
_MODULE = (
    "import runpy, sys; sys.path.append(sys.argv.pop(1)); runpy.run_module(sys.argv.pop(1), None, '__main__', True)"
)
# Imports a module in a Python without site-packages, and calls its `main`. Python keeps the compiled form of a module
# that is imported, but not that of a script.
_MAIN = "import sys; sys.path.append(sys.argv.pop(1)); __import__(sys.argv.pop(1), None, None, ['main']).main()"
_PACKAGES = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

PROGRAMS = {
    # These tell where packages are, as configured by files in HOME or by variables.
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
    # It reads objects of a project's repository. The repository's own settings name programs and servers: they are for
    # commands of which none is run, and a missing object is not fetched.
    "git": Program(
        names=("git",),
        settings=(
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_NO_LAZY_FETCH", "1"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_ALLOW_PROTOCOL", "none"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("PATH", "/usr/bin:/bin"),
            ("LC_ALL", "C.UTF-8"),
        ),
    ),
    # `docker-credential-NAME`, which the configuration of docker or podman names, asks key rings and clouds.
    "credential helper": Program(
        variables=(
            *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_*", "TMPDIR", "XDG_*", "DOCKER_CONFIG", "GNUPGHOME"),
            *("DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "PASSWORD_STORE_*", "AWS_*", "AZURE_*"),
            *("CLOUDSDK_*", "GOOGLE_*", "ACR_*", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY"),
            *("ALL_PROXY", "NO_PROXY"),
        )
    ),
    "podman": Program(names=("podman",), variables=_ENGINE),
    "docker": Program(names=("docker",), variables=_ENGINE),
    # Its output depends on variables such as SOURCE_DATE_EPOCH, so it gets none.
    "mksquashfs": Program(names=("mksquashfs",), settings=(("LC_ALL", "C"),)),
    # It looks for the tools of each file type on PATH.
    "diffoscope": Program(names=("diffoscope",), variables=("PATH", "TMPDIR"), settings=(("LC_ALL", "C.UTF-8"),)),
    # The command in a sandbox gets its variables from bubblewrap's arguments: LD_PRELOAD would load code outside of it.
    "bwrap": Program(
        names=("bwrap",), directories=("/usr/bin", "/usr/local/bin"), settings=(("PATH", "/usr/bin:/bin"),)
    ),
    # These attach the machine's network to a container.
    "pasta": Program(names=("pasta",), directories=("/usr/bin",), settings=(("PATH", "/usr/bin:/bin"),)),
    "slirp4netns": Program(names=("slirp4netns",), directories=("/usr/bin",), settings=(("PATH", "/usr/bin:/bin"),)),
    # These map the ids that /etc/subuid and /etc/subgid give to the user. They are set-id programs.
    "newuidmap": Program(names=("newuidmap",), settings=(("PATH", "/usr/bin:/bin"),)),
    "newgidmap": Program(names=("newgidmap",), settings=(("PATH", "/usr/bin:/bin"),)),
    # fpack itself, in another process: the starter of sandboxes, the keeper of a tree that maintainer scripts change,
    # the evaluation of a file for an editor, and gc.
    "sandbox server": Program(python=("-I", "-S", "-c", _MAIN, _PACKAGES, "fpack.builders.sandbox.spawner")),
    "configure run": Program(python=("-I", "-S", "-c", _MAIN, _PACKAGES, "fpack.builders.configure.namespace.starter")),
    "evaluation": Program(
        python=("-I", "-c", _MODULE, _PACKAGES),
        variables=("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_*", "TMPDIR", "XDG_*", "FPACK_*"),
    ),
    "collection": Program(python=("-I", "-c", _MODULE, _PACKAGES), variables=("HOME", "XDG_CONFIG_HOME", "FPACK_*")),
}
# Modules that start processes themselves, and why.
STARTERS = {
    "fpack.store.processes": "it is this one",
    "fpack.cli.debug.entrant": "it becomes a program of the tools, in the container that it has entered",
    "fpack.cli.init.code.python_modules": "it starts nothing, but names modules that Python no longer has",
    "fpack.cli.script.build_command": "setuptools runs it while it builds a wheel, and it is not installed",
    "fpack.cli.trial.first_process": "it starts the program of an image, in the sandbox that it has made",
    "fpack.cli.workspace.machine": "it asks the kernel for an emulator, with a file that cannot run",
    "fpack.builders.sandbox.spawner": "it starts bubblewrap for builds, and has nothing but Python's standard library",
    "fpack.builders.configure.namespace.starter": "it runs apart from fpack, and enters namespaces before its child",
    "fpack.builders.configure.namespace.keeper": "it runs as process 1, with nothing but Python's standard library",
    "fpack.builders.configure.namespace.command": "it starts maintainer scripts",
}

_GRACE = 5.0  # seconds that a terminated program has to end
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


class ProgramResult:
    """A program that has ended. status: its exit status, negative for a signal."""

    __slots__ = ("errors", "output", "status")

    def __init__(self, status: int, output: bytes, errors: bytes = b"") -> None:
        self.status = status
        self.output = output
        self.errors = errors


def search_path(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return the directories of the user's programs: the absolute entries of PATH."""
    return [entry for entry in environ.get("PATH", _DEFAULT_PATH).split(":") if entry.startswith("/")]


def find(
    name: str, environ: Mapping[str, str] = os.environ, accept: Callable[[str], bool] = lambda path: True
) -> str | None:
    """Return the absolute path of an installed program, or None."""
    row = PROGRAMS.get(name) or Program(names=(name,))
    directories = [*search_path(environ), *row.directories]
    for program in row.names:
        for directory in directories:
            path = f"{directory.rstrip('/')}/{program}"
            if os.path.isfile(path) and os.access(path, os.X_OK) and accept(path):
                return path
    return None


def environment(name: str, environ: Mapping[str, str] = os.environ, more: Iterable[str] = ()) -> dict[str, str]:
    """Return the variables that a program of PROGRAMS gets. more: names of further variables that it may see."""
    row = PROGRAMS[name]
    exact = {name.upper() for name in (*row.variables, *more) if not name.endswith("*")}
    prefixes = tuple(name[:-1].upper() for name in row.variables if name.endswith("*"))
    # str.startswith(()) is False.
    found = {key: value for key, value in environ.items() if key.upper() in exact or key.upper().startswith(prefixes)}
    if "PATH" in exact:
        found["PATH"] = ":".join(search_path(environ))
    return {**found, **dict(row.settings)}


def run(
    name: str,
    words: Sequence[str],
    *,
    program: str = "",
    seconds: float | None = None,
    more: Iterable[str] = (),
    given: bytes = b"",
) -> ProgramResult:
    """Run a program of PROGRAMS to its end, in a new session, which has no terminal.

    program: its path, if known. given: its input. Raise OSError if it cannot be started, and TimeoutError (an OSError)
    if it takes longer than `seconds`; then all its processes are killed.
    """
    import subprocess

    with subprocess.Popen(
        [*_command(name, program), *words], stdin=subprocess.PIPE if given else subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", env=environment(name, more=more),
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            output, errors = process.communicate(given or None, timeout=seconds)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise TimeoutError(f"{name} did not end within {seconds} seconds") from None
            raise
    return ProgramResult(process.returncode, output, errors)


def feed(
    name: str, words: Sequence[str], send: Callable[[int], None], *, program: str = "", pass_fds: Sequence[int] = ()
) -> ProgramResult:
    """Run a program of PROGRAMS to its end. `send` writes the program's input to the descriptor that it gets.

    pass_fds: further descriptors for the program. The result has both of its outputs as one. Raise OSError if it cannot
    be started. It shares fpack's terminal, and is terminated if `send` raises.
    """
    import subprocess

    from . import threads

    process = subprocess.Popen(
        [*_command(name, program), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        cwd="/", env=environment(name), pass_fds=pass_fds,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    reader = threads.start(process.stdout.read, "output")
    try:
        try:
            send(process.stdin.fileno())
        except BrokenPipeError:
            pass  # a program that exits early reports the reason
        process.stdin.close()
        status = process.wait()
    except BaseException:
        process.terminate()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise
    return ProgramResult(status, reader.result())


def serve(name: str, words: Sequence[str], channel: int) -> ServerProcess:
    """Start a program of PROGRAMS that takes requests from an open socket, its standard input, until the socket ends.

    The program gets a new session, because Ctrl-C on the terminal is for its client, which then ends its requests
    cleanly.
    """
    import subprocess

    return subprocess.Popen(
        [*_command(name), *words], stdin=channel, stdout=subprocess.DEVNULL, cwd="/", env=environment(name),
        start_new_session=True,
    )  # fmt: skip


def detach(name: str, words: Sequence[str]) -> None:
    """Start a program of PROGRAMS that may outlive this process, without input or output. Raise OSError on failure."""
    import subprocess

    from . import threads

    process = subprocess.Popen(
        [*_command(name), *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        cwd="/", env=environment(name), start_new_session=True,
    )  # fmt: skip
    # If this process outlives the program, the thread reaps it, so that the program does not stay a zombie.
    threads.start(process.wait, name)


async def start(name: str, words: Sequence[str]) -> AsyncProcess:
    """Start a program of PROGRAMS in an event loop, without input. Its standard output can be read."""
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
    """Start a program of PROGRAMS with all inheritable descriptors. Return its pid. Only one thread may call this.

    This takes a fraction of the time of a fork. streams: descriptors that become the program's standard input and
    outputs; if empty, the program shares those of this process. signals: signals whose default action is restored.
    session: start the program in a new session. Raise OSError if it cannot be started.
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
    """Replace this process by a program of PROGRAMS, with all inheritable descriptors. Raise OSError on failure.

    It is for functions that `fork` runs, when the process has to give up privileges first.
    """
    command = [*_command(name, program), *words]
    os.chdir("/")
    os.execve(command[0], command, environment(name))


def hide_inherited() -> None:
    """Keep all open descriptors except the standard streams from the processes that this one starts.

    A caller may have left a directory open. A program with its descriptor can reach all files in and above that
    directory, past the mounts of its sandbox.
    """
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                os.set_inheritable(int(name), False)
            except OSError:
                pass  # it was the descriptor of the listing


def fork(work: Callable[[], int]) -> int:
    """Run `work` in a copy of this process. The copy exits with its result, or 126 if it raises. Return the pid.

    Signals that this process handles to clean up end the copy at once, because the copy has nothing to clean up.
    """
    child = os.fork()
    if child == 0:
        status = 126
        try:
            for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
                if callable(signal.getsignal(number)):
                    signal.signal(number, signal.SIG_DFL)
            status = work()
        finally:
            os._exit(status)
    return child


def _command(name: str, program: str = "") -> list[str]:
    """Return the first words of a command: `program`, the installed program, or fpack's own Python."""
    found = program or find(name)
    if found:
        return [found]
    if PROGRAMS[name].python:
        return [sys.executable, *PROGRAMS[name].python]
    raise FileNotFoundError(2, os.strerror(2), name)
