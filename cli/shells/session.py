"""Enter a built shell: from an entry to a running command. What a warm start does, and nothing more."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from fpack.builders.sandbox.isolation import Isolation, filter_name
from fpack.cli.paths import make_private_directory
from fpack.cli.shells.sandbox.plan import Plan
from fpack.store.errors import FpackError

from .atomic_dir import beside
from .cache import CachedShell
from .model import USUAL, Account, Closure, Host, ShellOptions
from .sandbox import host, launch, plan

_SHARED_NETWORK = (
    "This container has the machine's own network, with the servers on its loopback device, because {}; --network off "
    "leaves it out"
)


class Ready:
    """Everything that is needed to run commands in a shell."""

    def __init__(self, entry: CachedShell, wishes: ShellOptions, closure: Closure | None = None) -> None:
        """closure: of a service, which has the machine's network; by default the entry's own."""
        make_private_directory(entry.place)
        self.entry = entry
        self.closure = closure or entry.closure
        self.wishes = wishes
        self.host = host.facts(entry.project, self.closure.view)
        self.who = plan.account(self.host, wishes)
        self.bwrap = find_bwrap()
        self.outside = outside_user(self.host, wishes)
        if wishes.container and wishes.network and closure is None:
            from .sandbox import network

            helper = network.find_helper(self.outside)
            if helper:
                resolv = prepared_resolv(entry.place, self.host.resolv)
                self.host = self.host._replace(helper=helper, resolv=resolv)

    def plan(self, found: Host | None = None) -> Plan:
        """How to enter."""
        view = self.closure.view
        etc, own = prepared_etc(self.entry.place, view, self.who), prepared_scripts(self.entry.place, self.closure)
        return plan.plan(
            self.closure, self.wishes, found or self.host, lambda folder: host.listing(view + folder), etc, own
        )

    def prepared(
        self, words: Sequence[str], env: Mapping[str, str], init: bool = False, made: Plan | None = None
    ) -> launch.Launch:
        """How to run a command. env: all of its variables. init: it is process 1 of the sandbox. made: the plan."""
        ports = sorted({port for service in self.entry.services for port in service.ports})
        made = made or self.plan()
        filter_file = prepared_filter(self.entry.place, made.isolation)
        return launch.Launch(
            self.bwrap, made, tuple(words), env, filter_file, init, self.outside, self.host.helper, tuple(ports)
        )


def enter_with(
    entry: CachedShell, wishes: ShellOptions, services: bool, note: Callable[[str], None], lease: int
) -> int:
    """Enter a shell, with its services if they are wanted; the exit status. lease: the open file that keeps it."""
    if entry.shared:
        for folder in entry.shared:
            make_private_directory(folder, "XDG_STATE_HOME", "what belongs to a project")
        wishes = wishes._replace(share=(*wishes.share, *entry.shared))
    if not entry.services or not services:
        return go(entry, wishes, note=note, lease=lease)
    from .services import services as programs  # and pathlib, which is a tenth of a warm start

    return programs.enter_with(entry, wishes, note, lease)


def go(
    entry: CachedShell,
    wishes: ShellOptions,
    more: dict[str, str] | None = None,
    note: Callable[[str], None] = print,
    lease: int = -1,
) -> int:
    """Enter a shell, run what is wished for, and give its exit status. more: further variables, of services."""
    if not wishes.interpreter and not wishes.command:
        wishes = wishes._replace(interpreter=preferred(entry.closure.view, os.environ.get("SHELL", "")))
    ready = Ready(entry, wishes)
    made = ready.plan()
    if wishes.container and wishes.network and not ready.host.helper:
        from .sandbox import network

        note(_SHARED_NETWORK.format(network.why_none(ready.outside)))
    if made.hidden:
        note(f"{made.hidden} is this machine's own and not in the shell, which begins in {made.cwd}")
    env = made.env | (more or {})
    words, extra = plan.command(ready.closure, wishes, env["PATH"])
    _check(ready.closure, wishes, env["PATH"])
    try:
        return launch.run(ready.prepared(words, env | extra, made=made), lease)
    except launch.Failed:
        from fpack.builders.sandbox.bwrap import forbidden, probe

        probe()  # says what forbids it, if something does
        raise forbidden("bubblewrap could not set the shell up, for the reason above") from None


def outside_user(found: Host, wishes: ShellOptions) -> int:
    """Return the user that a shell's processes are on the machine, if another than the caller; else 0.

    A shell of root that is a container, or that has another user, is never the machine's root: who is, may write the
    kernel's settings, signal root's processes and is obeyed by system services, whatever else a sandbox takes away.
    """
    if found.uid != 0 or not (wishes.container or plan.is_another(wishes, found)) or not host.is_machine_root():
        return 0
    from fpack.builders.sandbox import idmap
    from fpack.builders.sandbox.bwrap import SandboxError

    number = idmap.chosen(os.fsencode(found.project or found.cwd))
    if not found.privileged or not number:
        raise SandboxError(
            "This root cannot make a shell for another user",
            why="it has no right to mount" if number else "its user namespace has no other users",
            hint="run fpack as another user than root",
        )
    return number


class NotThere(FpackError):
    """A program that is to be run and that the shell has not."""

    exit_code = 127  # as a shell says it


def _check(closure: Closure, wishes: ShellOptions, path: str) -> None:
    """See that the program to run is there, as far as that can be told; NotThere if it is not."""
    name = (wishes.command or (wishes.interpreter,))[0]
    if not name or "/" in name or (closure.hook and wishes.command):
        return  # a hook may put it where it likes
    disks = dict(closure.paths)
    for folder in path.split(":"):
        store = "/".join(folder.split("/")[:4])
        if folder == f"{plan.OWN}/bin":
            found = f"bin/{name}" in plan.scripts(closure)
        elif store in disks:
            found = os.path.lexists(f"{disks[store]}{folder[len(store) :]}/{name}")
        else:
            # A directory of the host's own may have been put on PATH.
            found = os.path.lexists(f"{closure.view}{folder}/{name}") or (
                folder not in plan.SEARCH.split(":") and os.path.lexists(f"{folder}/{name}")
            )
        if found:
            return
    raise NotThere(
        f"There is no {name} in the shell {closure.name}",
        why="none of its packages has a program of that name",
        hint=f"add the package that has it; fpack search {name} may find that",
    )


def preferred(view: str, login: str) -> str:
    """The interpreter to start: the user's own if the shell has it, else bash."""
    name = login.rpartition("/")[2]
    return name if name in USUAL and os.path.exists(f"{view}/usr/bin/{name}") else "bash"


def find_bwrap() -> str:
    """The sandbox's program."""
    for folder in ("/usr/bin", "/usr/local/bin"):
        if os.access(f"{folder}/bwrap", os.X_OK):
            return f"{folder}/bwrap"
    from fpack.builders.sandbox.bwrap import find_bwrap

    return os.fspath(find_bwrap())


def etc_prefix(view: str) -> str:
    """What the names of the directories begin with that become /etc over a view, one for each user."""
    return f"etc-{_short(view)}-"


def scripts_name(closure: Closure) -> str:
    """The name of the directory that becomes /run/fpack."""
    return f"own-{_short(repr(sorted(plan.scripts(closure).items())))}"


def prepared_etc(place: str, view: str, who: Account) -> str:
    """The directory that becomes /etc, made if it is not there."""
    etc = f"{place}/{etc_prefix(view)}{_short(repr(who))}"
    if not os.path.isdir(etc):
        from fpack.cli.shells.sandbox.etc import make_etc

        make_etc(etc, view, who, host.groups(os.getgroups()))
    return etc


def prepared_resolv(place: str, host_file: str) -> str:
    """The file that becomes /etc/resolv.conf of a container with a network of its own, made if it is not there."""
    from .sandbox import network

    text = network.resolv_text(host_file)
    folder = f"{place}/resolv-{_short(text)}"
    if not os.path.isdir(folder):
        make_private_directory(place)
        with beside(folder) as made, open(f"{made}/resolv.conf", "w", encoding="utf-8") as file:
            file.write(text)
    return f"{folder}/resolv.conf"


def prepared_filter(place: str, isolation: Isolation) -> str:
    """The file with a sandbox's filter of system calls, made if it is not there: building one takes milliseconds."""
    file = f"{place}/{filter_name(isolation)}"
    if not os.path.isfile(file):
        from fpack.builders.sandbox.isolation import filter_of

        make_private_directory(place)
        made = f"{file}.{os.getpid()}"
        with open(made, "xb") as out:
            out.write(filter_of(isolation))
        os.rename(made, file)
    return file


def prepared_scripts(place: str, closure: Closure) -> str:
    """The directory that becomes /run/fpack, made if it is not there."""
    own = f"{place}/{scripts_name(closure)}"
    if not os.path.isdir(own):
        with beside(own) as folder:
            for path, text in plan.scripts(closure).items():
                if ".." in path.split("/"):
                    raise FpackError(f"{path!r} is no name of a file of a shell")
                os.makedirs(os.path.dirname(f"{folder}/{path}"), exist_ok=True)
                with open(f"{folder}/{path}", "w", encoding="utf-8", errors="surrogateescape") as file:
                    file.write(text)
                if path.startswith("bin/"):
                    os.chmod(f"{folder}/{path}", 0o755)
    return own


def _short(text: str) -> str:
    from blake3 import blake3

    return blake3(text.encode("utf-8", "surrogateescape")).hexdigest(8)
