"""Enter a built shell: from an entry to a running command. What a warm start does, and nothing more."""

from __future__ import annotations

import os
from collections.abc import Callable

from fpack.store.errors import FpackError

from . import enter, host, plan
from .cache import Entry
from .model import USUAL, Account, Closure, Host, Wishes
from .placing import beside, check_place, make_place


class Ready:
    """Everything that is needed to run commands in a shell."""

    def __init__(self, entry: Entry, wishes: Wishes, closure: Closure | None = None) -> None:
        check_place(entry.place)
        self.entry = entry
        self.closure = closure or entry.closure
        self.wishes = wishes
        self.host = host.facts(entry.project, self.closure.view)
        self.who = plan.account(self.host, wishes)
        self.bwrap = find_bwrap()

    def plan(self, found: Host | None = None) -> plan.Plan:
        """How to enter."""
        view = self.closure.view
        etc, own = prepared_etc(self.entry.place, view, self.who), prepared_scripts(self.entry.place, self.closure)
        return plan.plan(
            self.closure, self.wishes, found or self.host, lambda folder: host.listing(view + folder), etc, own
        )


def enter_with(entry: Entry, wishes: Wishes, services: bool, note: Callable[[str], None], lease: int) -> int:
    """Enter a shell, with its services if they are wanted; the exit status. lease: the open file that keeps it."""
    if not entry.services or not services:
        return go(entry, wishes, note=note, lease=lease)
    from . import services as programs  # and pathlib, which is a tenth of a warm start

    return programs.enter_with(entry, wishes, note, lease)


def go(
    entry: Entry,
    wishes: Wishes,
    more: dict[str, str] | None = None,
    note: Callable[[str], None] = print,
    lease: int = -1,
) -> int:
    """Enter a shell, run what is wished for, and give its exit status. more: further variables, of services."""
    if not wishes.interpreter and not wishes.command:
        wishes = wishes._replace(interpreter=preferred(entry.closure.view, os.environ.get("SHELL", "")))
    ready = Ready(entry, wishes)
    made = ready.plan()
    if made.hidden:
        note(f"{made.hidden} is this machine's own and not in the shell, which begins in {made.cwd}")
    env = made.env | (more or {})
    words, extra = plan.command(ready.closure, wishes, env["PATH"])
    _check(ready.closure, wishes, env["PATH"])
    try:
        return enter.run(ready.bwrap, made.args, words, env | extra, lease)
    except enter.Failed:
        from fpack.builders.sandbox.bwrap import forbidden, probe

        probe()  # says what forbids it, if something does
        raise forbidden("bubblewrap could not set the shell up, for the reason above") from None


class NotThere(FpackError):
    """A program that is to be run and that the shell has not."""

    exit_code = 127  # as a shell says it


def _check(closure: Closure, wishes: Wishes, path: str) -> None:
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
        from .account import make_etc

        make_place(place)
        make_etc(etc, view, who, host.groups(os.getgroups()))
    return etc


def prepared_scripts(place: str, closure: Closure) -> str:
    """The directory that becomes /run/fpack, made if it is not there."""
    own = f"{place}/{scripts_name(closure)}"
    if not os.path.isdir(own):
        make_place(place)
        with beside(own) as folder:
            for path, text in plan.scripts(closure).items():
                os.makedirs(os.path.dirname(f"{folder}/{path}"), exist_ok=True)
                with open(f"{folder}/{path}", "w", encoding="utf-8", errors="surrogateescape") as file:
                    file.write(text)
                if path.startswith("bin/"):
                    os.chmod(f"{folder}/{path}", 0o755)
    return own


def _short(text: str) -> str:
    from blake3 import blake3

    return blake3(text.encode("utf-8", "surrogateescape")).hexdigest(8)
