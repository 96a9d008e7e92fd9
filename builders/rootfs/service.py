"""Give a root what its main server needs at run time: directories with owners, and a script for steps before it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from fpack.builders.payload import meta
from fpack.builders.payload.commands import SHELLS
from fpack.builders.payload.globs import merged
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.payload.slice_table import SliceTable
from fpack.builders.protocol import BuildError, Task
from fpack.builders.services import plan as service_plan
from fpack.builders.services.plan import RootFiles, ServedPackage, ServicePlan
from fpack.builders.services.start_script import SCRIPT, SHELL, FirstStart, StartScript
from fpack.builders.services.tmpfiles import DIRECTORY, TmpfilesEntry
from fpack.store.canonical import Value

from .accounts import Group, User
from .compose import Composition
from .generated_files import GeneratedFile, symlink
from .programs import programs

RULE, SCRIPT_RULE, TEMPORARY = "service-directories", "service-start", "tmpfiles"
INIT = "tini"
_INIT = "/usr/bin/tini"
_MAX_TEXT = 1 << 16
# Programs that run a program of the user: they neither handle signals nor end orphaned processes for it.
_INTERPRETERS = re.compile(
    r"(python|pypy|perl|ruby|node|nodejs|php|php-cgi|lua|luajit|tclsh|wish|guile|java|mono|dotnet|erl|R|Rscript|octave"
    r"|runghc|ocaml|sbcl|clisp|racket|julia)[0-9.-]*\Z"
)


class ServiceArgs(NamedTuple):
    """The server of a root. package: the package of the server. init: start the server by a minimal process 1.

    init_if_needed: do so if the program needs it.
    """

    package: str
    first_start: tuple[FirstStart, ...] = ()
    init: bool = False
    init_if_needed: bool = False


class RootService(NamedTuple):
    """The generated files, and the service that an image's configuration describes; {} if there is no server.

    needs_init: the program should not be process 1.
    """

    files: list[GeneratedFile]
    extra: dict[str, Value]
    needs_init: bool = False


def service(
    task: Task,
    args: ServiceArgs,
    composition: Composition,
    tables: Sequence[SliceTable],
    depends: Sequence[str],
    accounts: tuple[list[User], list[Group]],
    links: Mapping[str, str],
) -> RootService:
    """Plan the server of a root and generate what it needs. depends: of the package. links: the root's alternatives."""
    by_name = {table.package: ServedPackage(table.package, table.extra.get("declarations", {})) for table in tables}
    files = RootFiles(lambda path: _resolve(composition, path) is not None, lambda path: _text(task, composition, path))
    own = by_name.get(args.package)
    others = [by_name[name] for name in depends if name in by_name]
    plan = service_plan.plan(own, others, files) if own is not None else None
    made = list(_directories(composition, service_plan.temporary_files(list(by_name.values())), accounts, TEMPORARY))
    if plan is None:
        program = next((_program(table, composition, links) for table in tables if table.package == args.package), "")
        start = _start(args, files, StartScript())
        return RootService(made + start, _steps_only(args), _is_interpreter(composition, program, links))
    for note in plan.notes:
        task.log(note)
    made += _directories(composition, plan.directories, accounts, RULE)
    script = _start(args, files, plan.start)
    entrypoint = [f"/{SCRIPT}"] if script else []
    extra: dict[str, Value] = {
        "package": args.package,
        "entrypoint": [*_init(args), *entrypoint, *plan.entrypoint],
        "user": "" if script and args.first_start else _known(plan, accounts),
        "env": dict(plan.variables),
        "workdir": plan.workdir if plan.workdir and composition.resolve(plan.workdir) else "",
        "ports": list(plan.ports),
        "volumes": list(plan.volumes),
        "signal": plan.signal,
    }
    runs_script = plan.entrypoint[0].rpartition("/")[2] in SHELLS and len(plan.entrypoint) > 1
    needs_init = plan.start.forks or runs_script or _is_interpreter(composition, plan.entrypoint[0], links)
    return RootService(made + script, extra, needs_init)


def _program(table: SliceTable, composition: Composition, links: Mapping[str, str]) -> str:
    found = programs(table, lambda path: composition.resolve(path, links), links)["program"]
    return str(found or "")


def _is_interpreter(composition: Composition, program: str, links: Mapping[str, str]) -> bool:
    found = composition.resolve(merged(program.strip("/")), links)
    if found not in composition.files:
        return False
    facts = composition.files[found][1].facts
    is_script = facts is not None and bool(facts.interp) and not facts.machine
    return is_script or _INTERPRETERS.match(found.rpartition("/")[2]) is not None


def _init(args: ServiceArgs) -> list[str]:
    return [_INIT, "--"] if args.init else []


def _steps_only(args: ServiceArgs) -> dict[str, Value]:
    """Return the start of a command line that the image completes with the program of the package."""
    if not args.init and not args.first_start:
        return {}
    return {"prefix": [*_init(args), *([f"/{SCRIPT}"] if args.first_start else [])]}


def _start(args: ServiceArgs, files: RootFiles, start: StartScript) -> list[GeneratedFile]:
    """Return the script that precedes the server, with the steps of the first start; [] if there is nothing to do."""
    start = start._replace(first=args.first_start)
    if start.first and not files.exists(SHELL):
        raise BuildError(
            "The first start of a container needs a shell, and the image has none",
            where=args.package,
            hint="add dash to the packages of the container, or remove `first-start`",
        )
    text = start.text()
    return [GeneratedFile(TreeEntry(SCRIPT, meta.FILE, 0o755), SCRIPT_RULE, text.encode())] if text else []


def _resolve(composition: Composition, path: str) -> str | None:
    found = composition.resolve(merged(path.strip("/")))
    return found if found in composition.files else None


def _text(task: Task, composition: Composition, path: str) -> str:
    """Return the text of a small file of the root, "" if there is none."""
    found = _resolve(composition, path)
    if found is None:
        return ""
    table, entry = composition.files[found]
    if entry.kind != meta.FILE or entry.size > _MAX_TEXT:
        return ""
    content = meta.read_file(task.disk(table.path) / "data" / found, entry.blake3, _MAX_TEXT)
    return content.decode("utf-8", "replace")


def _known(plan: ServicePlan, accounts: tuple[list[User], list[Group]]) -> str:
    """Return the user of a plan; "" if the root has no such account."""
    user, _, group = plan.user.partition(":")
    known = any(account.name == user for account in accounts[0])
    if not known:
        return ""
    return plan.user if not group or any(account.name == group for account in accounts[1]) else user


def _directories(
    composition: Composition,
    entries: Sequence[TmpfilesEntry] | Iterator[TmpfilesEntry],
    accounts: tuple[list[User], list[Group]],
    rule: str,
) -> Iterator[GeneratedFile]:
    """Yield the directories and symlinks that do not replace a file of a package."""
    users = {account.name: account for account in accounts[0]}
    groups = {account.name: account.gid for account in accounts[1]}
    for entry in entries:
        if entry.path in composition.files:
            continue
        if entry.kind != DIRECTORY:
            if not composition.has(entry.path):
                yield symlink(entry.path, entry.target, rule)
            continue
        user = users.get(entry.user)
        uid = user.uid if user else _number(entry.user)
        gid = groups.get(entry.group, _number(entry.group) or (user.gid if user else 0))
        yield GeneratedFile(TreeEntry(entry.path, meta.DIRECTORY, entry.mode, uid, gid), rule)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0
