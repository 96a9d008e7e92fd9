"""Give a root what its main server needs at run time: directories with owners, and a script for steps before it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fpack.builders.payload import meta
from fpack.builders.payload.commands import SHELLS
from fpack.builders.payload.globs import merged
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.payload.signals import MAX_SIZE, ends_on_term
from fpack.builders.payload.slice_table import SliceTable
from fpack.builders.protocol import BuildError, Task
from fpack.builders.services import plan as service_plan
from fpack.builders.services.plan import RootFiles, ServedPackage, ServicePlan
from fpack.builders.services.start_script import LEAVING_ROOT, SCRIPT, SHELL, FirstStart, ServerAccount, StartScript
from fpack.builders.services.steps import lacking_programs
from fpack.builders.services.tmpfiles import DIRECTORY, TmpfilesEntry
from fpack.store.canonical import Value
from fpack.store.path import STORE

from .accounts import Group, User
from .compose import Composition
from .generated_files import GeneratedFile, symlink
from .programs import programs

RULE, SCRIPT_RULE, TEMPORARY = "service-directories", "service-start", "tmpfiles"
INIT = "tini"
_INITS = ("usr/bin/tini", "usr/bin/tini-static")
_MAX_TEXT = 1 << 16  # bytes
_SEARCHED = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin")
# Programs that are made to be process 1.
_PROCESS_1 = {"tini", "tini-static", "dumb-init", "catatonit", "systemd", "init", "s6-svscan", "runsvdir", "runit"}
# Programs that run a program of the user: they neither handle signals nor end orphaned processes for it.
_INTERPRETERS = re.compile(
    r"(python|pypy|perl|ruby|node|nodejs|php|php-cgi|lua|luajit|tclsh|wish|guile|java|mono|dotnet|erl|R|Rscript|octave"
    r"|runghc|ocaml|sbcl|clisp|racket|julia)[0-9.-]*\Z"
)


class ServiceArgs(NamedTuple):
    """The program of a root. package: the package of the server. init: start the program by a minimal process 1.

    init_if_needed: do so if the program needs it. words: the command line of a container that has one. built: [store
    path, name] of the program of something built from source.
    """

    package: str
    first_start: tuple[FirstStart, ...] = ()
    init: bool = False
    init_if_needed: bool = False
    words: tuple[str, ...] = ()
    built: tuple[str, ...] = ()


class RootService(NamedTuple):
    """The generated files, and the service that an image's configuration describes; {} if there is no server.

    needs_init: the program should not be process 1. lacks: the programs that the start script needs and the root
    does not have. notes: what of the server's unit the container does not do.
    """

    files: list[GeneratedFile]
    extra: dict[str, Value]
    needs_init: bool = False
    lacks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


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
    if not args.package:
        return RootService([], _prefix(args, tables), _needs_init(task, composition, _own_program(task, args), links))
    by_name = {table.package: ServedPackage(table.package, table.extra.get("declarations", {})) for table in tables}
    main = next((_program(table, composition, links) for table in tables if table.package == args.package), "")
    files = RootFiles(lambda path: _resolve(composition, path) is not None, lambda path: _text(task, composition, path))
    own = by_name[args.package]._replace(program=main) if args.package in by_name else None
    others = [by_name[name] for name in depends if name in by_name]
    plan = service_plan.plan(own, others, files) if own is not None else None
    made = list(_directories(composition, service_plan.temporary_files(list(by_name.values())), accounts, TEMPORARY))
    lacks = _first_start_lacks(args, files)
    if SHELL in lacks:
        return RootService([], {}, lacks=lacks)
    if plan is None:
        start = _start(args, files, StartScript())
        needs_init = _needs_init(task, composition, main, links)
        return RootService(made + start, _prefix(args, tables), needs_init, lacks)
    made += _directories(composition, plan.directories, accounts, RULE)
    account = _account(_known(plan, accounts), accounts) if args.first_start else None
    if account is not None:
        absent = [path for path in LEAVING_ROOT if not files.exists(path)]
        lacks = tuple(dict.fromkeys((*lacks, *absent)))
        account = None if absent else account
    script = _start(args, files, plan.start._replace(account=account))
    entrypoint = [f"/{SCRIPT}"] if script else []
    extra: dict[str, Value] = {
        "package": args.package,
        "entrypoint": [*_init(args, tables), *entrypoint, *plan.entrypoint],
        "user": "" if script and args.first_start else _known(plan, accounts),
        "env": dict(plan.variables),
        "workdir": plan.workdir if plan.workdir and composition.resolve(plan.workdir) else "",
        "ports": list(plan.ports),
        "volumes": list(plan.volumes),
        "signal": plan.signal,
    }
    runs_script = plan.entrypoint[0].rpartition("/")[2] in SHELLS and len(plan.entrypoint) > 1
    notes = [*plan.notes]
    user = plan.user.partition(":")[0]
    if user and not user.isdigit() and not _known(plan, accounts):
        notes.append(f"the unit's user {user} is not in the image, so the server starts as root")
    elif user and args.first_start and account is None:
        notes.append(f"the first start needs root, and the image has no setpriv to become the unit's user {user} then")
    if notes:
        extra["notes"] = notes
    stays = plan.start.forks or bool(plan.start.after)
    needs_init = stays or runs_script or _needs_init(task, composition, plan.entrypoint[0], links)
    return RootService(made + script, extra, needs_init, (*lacks, *plan.lacks), tuple(notes))


def _program(table: SliceTable, composition: Composition, links: Mapping[str, str]) -> str:
    found = programs(table, lambda path: composition.resolve(path, links), links)["program"]
    return str(found or "")


def _own_program(task: Task, args: ServiceArgs) -> str:
    """Return the program of a container without a package: that of its command line, or of what was built."""
    if args.words or not args.built:
        return args.words[0] if args.words else ""
    path, name = args.built
    if task.disk(path).is_file():
        return path
    found = [f"{path}/{d}/{n}" for d in ("bin", "sbin") for n in _listed(task.disk(path) / d)]
    named = [program for program in found if program.endswith(f"/{name}")]
    return (named or (found if len(found) == 1 else [""]))[0]


def _listed(directory: Path) -> list[str]:
    return sorted(os.listdir(directory)) if directory.is_dir() else []


def _needs_init(task: Task, composition: Composition, program: str, links: Mapping[str, str]) -> bool:
    """Return whether a program should not be process 1: whether it is unknown that it ends when it gets SIGTERM."""
    name = program.rpartition("/")[2]
    if not program or name in _PROCESS_1:
        return False
    if program.startswith(f"{STORE}/"):
        base, _, below = program.removeprefix(f"{STORE}/").partition("/")
        path = os.path.join(task.disk(f"{STORE}/{base}"), below) if below else os.fspath(task.disk(f"{STORE}/{base}"))
        return not _ends(path, b"")
    paths = [program.strip("/")] if "/" in program else [f"{directory}/{program}" for directory in _SEARCHED]
    found = next((found for path in paths if (found := composition.resolve(merged(path), links)) is not None), None)
    if found is None or found not in composition.files:
        return True  # a file of the container
    name = found.rpartition("/")[2]
    table, entry = composition.files[found]
    if name in SHELLS or _INTERPRETERS.match(name) or entry.facts is None or not entry.facts.machine:
        return name not in _PROCESS_1
    return name not in _PROCESS_1 and not _ends(os.fspath(task.disk(table.path) / "data" / found), entry.blake3)


def _ends(path: str, digest: bytes) -> bool:
    """Return whether the file of a program ends when it gets SIGTERM as process 1. digest: BLAKE3, or b""."""
    if digest:
        return ends_on_term(meta.read_file(path, digest, MAX_SIZE))
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return ends_on_term(file.read(MAX_SIZE))


def _init(args: ServiceArgs, tables: Sequence[SliceTable]) -> list[str]:
    if not args.init:
        return []
    found = next((path for table in tables for path in _INITS if path in table.entries), _INITS[0])
    return [f"/{found}", "--"]


def _prefix(args: ServiceArgs, tables: Sequence[SliceTable]) -> dict[str, Value]:
    """Return the start of a command line, which the image completes with its program."""
    if not args.init and not args.first_start:
        return {}
    return {"prefix": [*_init(args, tables), *([f"/{SCRIPT}"] if args.first_start else [])]}


def _start(args: ServiceArgs, files: RootFiles, start: StartScript) -> list[GeneratedFile]:
    """Return the script that precedes the server, with the steps of the first start; [] if there is nothing to do."""
    start = start._replace(first=args.first_start)
    if start.first and not files.exists(SHELL):
        raise no_shell(args.package)
    text = start.text()
    return [GeneratedFile(TreeEntry(SCRIPT, meta.FILE, 0o755), SCRIPT_RULE, text.encode())] if text else []


def no_shell(package: str) -> BuildError:
    """Return the error for a root whose first start lacks a shell."""
    return BuildError(
        "The first start of a container needs a shell, and the image has none",
        where=package,
        hint="add dash to the packages of the container, or remove `first-start`",
    )


def _first_start_lacks(args: ServiceArgs, files: RootFiles) -> tuple[str, ...]:
    """Return the programs that the first start needs and the root does not have."""
    lacking = [path for step in args.first_start for path in lacking_programs(step.command, files.exists)]
    if args.first_start and not files.exists(SHELL):
        lacking.insert(0, SHELL)
    return tuple(dict.fromkeys(lacking))


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


def _account(user: str, accounts: tuple[list[User], list[Group]]) -> ServerAccount | None:
    """Return the account of a plan's user, given as in `_known`; None for root."""
    name, _, group = user.partition(":")
    found = next((account for account in accounts[0] if account.name == name), None)
    if found is None or found.uid == 0:
        return None
    return ServerAccount(name, group or str(found.gid), found.home)


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
