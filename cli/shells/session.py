"""Enter a built shell: from a cached shell to a running command. This module holds only what a warm start needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from fpack.builders.sandbox.isolation import Isolation, filter_name
from fpack.cli.option_table import INTERPRETERS
from fpack.cli.paths import make_private_directory
from fpack.cli.shells.sandbox.plan import Plan
from fpack.store.errors import FpackError

from .atomic_dir import atomic_directory
from .cache import CachedShell
from .model import Account, Closure, Host, ShellOptions
from .sandbox import environment, host, plan, supervisor
from .sandbox.launch import Launch

_SHARED_NETWORK = (
    "This container shares the machine's network, with the servers on its loopback device, because {}; --network off "
    "turns the network off"
)


class ReadyShell:
    """Everything that is needed to run commands in a shell."""

    def __init__(self, shell: CachedShell, options: ShellOptions, closure: Closure | None = None) -> None:
        """Prepare a shell. closure: that of a service, which has the machine's network; by default the shell's own."""
        make_private_directory(shell.directory)
        self.shell = shell
        self.closure = closure or shell.closure
        self.options = options
        self.host = host.facts(shell.project, self.closure.view)
        self.who = plan.account(self.host, options)
        self.bwrap = find_bwrap()
        self.outside = outside_user(self.host, options)
        if self.closure.emulator is not None:
            # The emulator belongs to a user namespace, in which nobody has privileges of the machine.
            self.host = self.host._replace(privileged=False)
        if options.container and options.network and closure is None:
            from .sandbox import network

            helper = network.find_helper(self.outside)
            if helper:
                resolv = prepared_resolv(shell.directory, self.host.resolv)
                self.host = self.host._replace(helper=helper, resolv=resolv)

    def plan(self, found: Host | None = None) -> Plan:
        """Return the plan for entering the shell."""
        view = self.closure.view
        etc, own = (
            prepared_etc(self.shell.directory, view, self.who),
            prepared_scripts(self.shell.directory, self.closure),
        )
        return plan.plan(
            self.closure, self.options, found or self.host, lambda directory: host.listing(view + directory), etc, own
        )

    def prepared(
        self, words: Sequence[str], env: Mapping[str, str], init: bool = False, made: Plan | None = None
    ) -> Launch:
        """Return the launch of a command.

        env: all of its variables. init: run it as process 1 of the sandbox. made: the plan.
        """
        ports = sorted({port for service in self.shell.services for port in service.ports})
        made = made or self.plan()
        filter_file = prepared_filter(self.shell.directory, made.isolation)
        return Launch(
            self.bwrap,
            made,
            tuple(words),
            env,
            filter_file,
            init,
            self.outside,
            self.host.helper,
            tuple(ports),
            self.closure.emulator,
        )


def go(
    shell: CachedShell,
    options: ShellOptions,
    more: dict[str, str] | None = None,
    note: Callable[[str], None] = print,
    lease: int = -1,
) -> int:
    """Enter a shell, run the command or interpreter, and return its exit status. more: variables of services."""
    if not options.interpreter and not options.command:
        options = options._replace(interpreter=preferred(shell.closure.view, os.environ.get("SHELL", "")))
    ready = ReadyShell(shell, options)
    made = ready.plan()
    if options.container and options.network and not ready.host.helper:
        from .sandbox import network

        note(_SHARED_NETWORK.format(network.why_none(ready.outside)))
    if made.hidden:
        note(f"{made.hidden} of this machine is not visible in the shell, which starts in {made.cwd}")
    env = made.env | (more or {})
    words, extra = environment.command(ready.closure, options, env["PATH"])
    _check(ready.closure, options, env["PATH"])
    try:
        return supervisor.run(ready.prepared(words, env | extra, made=made), lease)
    except supervisor.Failed:
        from fpack.builders.sandbox.bwrap import forbidden, probe

        probe()  # raises an error with the cause, if it finds one
        raise forbidden("bubblewrap could not set up the shell, for the reason above") from None


def outside_user(found: Host, options: ShellOptions) -> int:
    """Return the user on the machine that runs a shell's processes, if it is not the caller; else 0.

    If root enters a container, or a shell as another user, the shell never runs as the machine's root: root may change
    the kernel's settings, signal root's processes and command system services, whatever else a sandbox denies.
    """
    if found.uid != 0 or not (options.container or plan.is_another(options, found)) or not host.is_machine_root():
        return 0
    from fpack.builders.sandbox import idmap
    from fpack.builders.sandbox.bwrap import SandboxError

    number = idmap.chosen(os.fsencode(found.project or found.cwd))
    if not found.privileged or not number:
        raise SandboxError(
            "This root cannot create a shell for another user",
            why="it has no right to mount" if number else "its user namespace has no other users",
            hint="run fpack as another user than root",
        )
    return number


class NoSuchProgram(FpackError):
    """The shell does not have the program to run."""

    exit_code = 127  # the exit status of shells for a missing command


def _check(closure: Closure, options: ShellOptions, path: str) -> None:
    """Check, as far as possible, that the program to run exists. Raise NoSuchProgram if it does not."""
    name = (options.command or (options.interpreter,))[0]
    if not name or "/" in name or (closure.hook and options.command):
        return  # a hook may add it anywhere
    disks = dict(closure.paths)
    for directory in path.split(":"):
        store = "/".join(directory.split("/")[:4])
        if directory == f"{environment.OWN}/bin":
            found = f"bin/{name}" in environment.scripts(closure)
        elif store in disks:
            found = os.path.lexists(f"{disks[store]}{directory[len(store) :]}/{name}")
        else:
            # PATH may contain a directory of the host.
            found = os.path.lexists(f"{closure.view}{directory}/{name}") or (
                directory not in environment.SEARCH.split(":") and os.path.lexists(f"{directory}/{name}")
            )
        if found:
            return
    hint = f"add a package that has it; fpack search {name} may find one"
    if name.startswith("-"):
        hint = f"the first word after -- is the program, as in: -- PROGRAM {name}"
    raise NoSuchProgram(
        f"The shell {closure.name} has no program {name}",
        why="none of its packages has a program of this name",
        hint=hint,
    )


def preferred(view: str, login: str) -> str:
    """Return the interpreter to start: the user's login shell if the shell has it, else bash."""
    name = login.rpartition("/")[2]
    return name if name in INTERPRETERS and os.path.exists(f"{view}/usr/bin/{name}") else "bash"


def find_bwrap() -> str:
    for directory in ("/usr/bin", "/usr/local/bin"):
        if os.access(f"{directory}/bwrap", os.X_OK):
            return f"{directory}/bwrap"
    from fpack.builders.sandbox.bwrap import find_bwrap

    return os.fspath(find_bwrap())


def etc_prefix(view: str) -> str:
    """Return the common prefix of the directories that become /etc over a view, one for each user."""
    return f"etc-{_short(view)}-"


def scripts_name(closure: Closure) -> str:
    """Return the name of the directory that becomes /run/fpack."""
    return f"own-{_short(repr(sorted(environment.scripts(closure).items())))}"


def prepared_etc(path: str, view: str, who: Account) -> str:
    """Return the directory that becomes /etc, and create it if needed."""
    etc = f"{path}/{etc_prefix(view)}{_short(repr(who))}"
    if not os.path.isdir(etc):
        from fpack.cli.shells.sandbox.etc import make_etc

        make_etc(etc, view, who, host.groups(os.getgroups()))
    return etc


def prepared_resolv(path: str, host_file: str) -> str:
    """Return the file that becomes /etc/resolv.conf of a container with its own network; create it if needed."""
    from .sandbox import network

    text = network.resolv_text(host_file)
    directory = f"{path}/resolv-{_short(text)}"
    if not os.path.isdir(directory):
        make_private_directory(path)
        with atomic_directory(directory) as made, open(f"{made}/resolv.conf", "w", encoding="utf-8") as file:
            file.write(text)
    return f"{directory}/resolv.conf"


def prepared_filter(path: str, isolation: Isolation) -> str:
    """Return the file of a sandbox's system call filter, and create it if needed, which takes milliseconds."""
    file = f"{path}/{filter_name(isolation)}"
    if not os.path.isfile(file):
        from fpack.builders.sandbox.isolation import filter_of

        make_private_directory(path)
        made = f"{file}.{os.getpid()}"
        with open(made, "xb") as out:
            out.write(filter_of(isolation))
        os.rename(made, file)
    return file


def prepared_scripts(directory: str, closure: Closure) -> str:
    """Return the directory that becomes /run/fpack, and create it if needed."""
    own = f"{directory}/{scripts_name(closure)}"
    if not os.path.isdir(own):
        with atomic_directory(own) as directory:
            for path, text in environment.scripts(closure).items():
                if ".." in path.split("/"):
                    raise FpackError(f"{path!r} is not a valid name for a file of a shell")
                os.makedirs(os.path.dirname(f"{directory}/{path}"), exist_ok=True)
                with open(f"{directory}/{path}", "w", encoding="utf-8", errors="surrogateescape") as file:
                    file.write(text)
                if path.startswith("bin/"):
                    os.chmod(f"{directory}/{path}", 0o755)
    return own


def _short(text: str) -> str:
    from blake3 import blake3

    return blake3(text.encode("utf-8", "surrogateescape")).hexdigest(8)
