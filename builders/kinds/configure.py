"""Build the `configure` kind: run the maintainer scripts of packages in a sandbox, and keep what they change.

The scripts of all packages run twice at the same time, under different conditions. The output has the changes that
both runs made equally: files that no package ships, or that scripts changed, each with its package and script.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from fpack.builders import arguments
from fpack.builders.configure import accounts, changes, lower, seed
from fpack.builders.configure.accounts import Accounts
from fpack.builders.configure.changes import Change, Outcome, ScriptCall
from fpack.builders.configure.database import ADMIN, UnpackedPackage, database, pending
from fpack.builders.configure.ids import id_maps
from fpack.builders.configure.lower import LowerTree
from fpack.builders.configure.normal_form import normal_form
from fpack.builders.configure.order import order
from fpack.builders.configure.runner import CommandEnd, ConfigureLimits, RunRefused, ScriptRun, SeedFile, Setup
from fpack.builders.debian.control import parse_stanza
from fpack.builders.debian.script_effects import scripts_to_run
from fpack.builders.payload import control_files, elf, meta
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.protocol import BaseBuilder, BuildError, Built, Cancelled, Task
from fpack.builders.scheduler.build_log import OutputLines
from fpack.store import threads
from fpack.store.canonical import Value
from fpack.store.files.pool import FileNode
from fpack.store.files.writer import TreeWriter
from fpack.store.path import StorePath, parse

# 2: files that scripts make executable. 3: no scripts that serve upgrades, and no enabled units without systemd
VERSION = 3

DPKG = ("/usr/bin/dpkg", "--force-depends", "--force-confold", "--force-unsafe-io", "--no-triggers")
PREINST, POSTINST = "preinst", "postinst"
_DIVERTING = b"dpkg-divert"
_LAST_LINES = 12  # of the log of a failed script
_SKIP = 'configure = { skip = ["PACKAGE"] } leaves out the scripts of a package'
_TRIGGER_ROUNDS = 8  # triggers can activate triggers
_DPKG_LINES = ("dpkg: error processing package", "Errors were encountered", " installed ", "Setting up ")


class ConfiguredPackage(NamedTuple):
    """A package. depends: names of packages. payload: its files and control files."""

    package: str
    payload: StorePath
    depends: tuple[str, ...]


class ConfigureArgs(NamedTuple):
    """The arguments. root: a `root` output with the whole packages. skip: the packages whose scripts do not run."""

    root: StorePath
    packages: tuple[ConfiguredPackage, ...]
    skip: tuple[str, ...] = ()
    limits: Mapping[str, Value] | None = None


class ConfigureBuilder(BaseBuilder):
    """The builder of `configure`. Its output holds `data` and `meta`, like that of `root`."""

    version = VERSION
    limits = "limits"

    def build(self, task: Task) -> Built:
        """Run the scripts and write what they changed."""
        args = arguments.read(ConfigureArgs, task.args)
        limits = _limits(args.limits)
        plan = _plan(task, args)
        stop = threading.Event()

        def check() -> None:
            task.check()
            if stop.is_set():
                raise Cancelled("Interrupted")

        with ExitStack() as stack:
            maps = stack.enter_context(id_maps(check))
            logs = [OutputLines(write, 4 * _LAST_LINES) for write in (task.log, lambda line: None)]
            conditions = (seed.first_conditions(), seed.other_conditions(plan.tree.files))
            runs = []
            for _ in conditions:
                runs.append(ScriptRun(maps, check))
                stack.callback(runs[-1].close)
            view = task.view(args.root)

            def perform(number: int) -> _RunResult:
                try:
                    setup = plan.setup(view, conditions[number], limits)
                    environment = conditions[number].environment
                    try:
                        return _perform(runs[number], setup, plan, environment, logs[number], limits)
                    except BuildError:
                        if environment == (true := seed.true_date(environment)):
                            raise
                    # Some programs do not work under another date.
                    runs[number].close()
                    runs[number] = ScriptRun(maps, check)
                    stack.callback(runs[number].close)
                    return _perform(runs[number], setup, plan, true, logs[number], limits)
                except BaseException:
                    stop.set()
                    raise

            other = threads.start(lambda: perform(1), "configure")
            try:
                first = perform(0)
            except Cancelled:
                other.wait()
                if other.error is not None and not isinstance(other.error, Cancelled):
                    raise other.error from None
                raise
            finally:
                other.wait()
            return _write(task, plan, view, runs[0], first, other.result(), limits)


def _limits(given: Mapping[str, Value] | None) -> ConfigureLimits:
    values = {name: value for name, value in (given or {}).items() if value is not None}
    for name, value in values.items():
        if name not in ConfigureLimits._fields:
            raise BuildError(f"There is no limit {name!r}", hint=f"the limits are {', '.join(ConfigureLimits._fields)}")
        if value.__class__ is not int or value <= 0:
            raise BuildError(f"The limit {name!r} is not a number above 0", why=f"it is {value!r}")
    return ConfigureLimits(**values)


class _RunPlan(NamedTuple):
    """The common input of both runs. scripts: the packages whose scripts run, in order."""

    tree: LowerTree
    packages: dict[str, UnpackedPackage]
    scripts: tuple[str, ...]
    account_files: Mapping[str, tuple[bytes, int, int]]
    stubs: tuple[str, ...]

    def setup(self, view: Path, conditions: seed.Conditions, limits: ConfigureLimits) -> Setup:
        files = [
            SeedFile(f"/{file.path}", file.content, 0o755 if file.executable or file.content is None else 0o644)
            for file in database(self.packages.values())
        ]
        files.append(SeedFile(f"/{seed.POLICY}", seed.POLICY_TEXT, 0o755))
        files += [SeedFile(f"/{path}", seed.STUB_TEXT, 0o755) for path in self.stubs]
        files += [SeedFile(f"/etc/{n}", text, mode, 0, gid) for n, (text, mode, gid) in self.account_files.items()]
        extra = [f"/{path}" for path in _MOUNT_POINTS if not self.tree.has(path)]
        return Setup(
            view, self.tree.size, len(self.tree.files) + len(self.tree.directories), list(self.tree.differing()), extra,
            files, seed.HOST, conditions.first, limits,
        )  # fmt: skip


# Mount points of other sandboxes: a view has them, and a Debian system lacks them unless a package ships them.
_MOUNT_POINTS = (
    "build", "etc/hostname", "etc/localtime", "etc/machine-id", "etc/resolv.conf", "fpack/store", "fpack", "home",
    "media", "mnt", "opt", "srv",
)  # fmt: skip


def _plan(task: Task, args: ConfigureArgs) -> _RunPlan:
    """Read the tree and the control files of the packages."""
    tree = lower.load(task, args.root)
    slices = {part["package"]: parse(part["path"]) for part in meta.load(task.tree(args.root))[1]["slices"]}
    found: dict[str, UnpackedPackage] = {}
    for item in args.packages:
        task.check()
        members = control_files.read(task.tree(item.payload))
        stanza = lower.stanza(task, tree, slices, item.package)
        files = tuple(f"/{path}" for path in tree.packages[item.package])
        configured = item.package in {*args.skip, *seed.DONE} or not scripts_to_run(item.package, members)
        found[item.package] = UnpackedPackage(item.package, stanza, files, members, configured)
    if unknown := [name for name in args.skip if name not in found]:
        raise BuildError(f"`skip` names {unknown[0]}, which is not among the packages")
    essential = [name for name, package in found.items() if parse_stanza(package.stanza).get("essential") == "yes"]
    ordered = order({item.package: item.depends for item in args.packages}, essential)
    passwd, group = (_account_file(task, args.root, tree, name) for name in ("passwd", "group"))
    return _RunPlan(
        tree,
        {name: found[name] for name in sorted(found)},
        tuple(name for name in ordered if not found[name].configured),
        accounts.seed(accounts.parse(passwd, group)),
        tuple(seed.stubs(tree.files)),
    )


def _account_file(task: Task, root: StorePath, tree: LowerTree, name: str) -> bytes:
    entry = tree.files.get(f"etc/{name}")
    if entry is None or entry.kind != meta.FILE:
        raise BuildError(f"The root has no /etc/{name}")
    return meta.read_file(task.disk(root) / "data/etc" / name, entry.blake3, 1 << 22)


class _RunResult(NamedTuple):
    """The end of a run. steps: the script of each command. contents: of the files that have a normal form."""

    steps: list[ScriptCall]
    changes: dict[str, Change]
    contents: dict[str, bytes]
    accounts: Accounts


def _perform(
    run: ScriptRun,
    setup: Setup,
    plan: _RunPlan,
    environment: Mapping[str, str],
    log: OutputLines,
    limits: ConfigureLimits,
) -> _RunResult:
    """Configure all packages in a run, process the triggers, and return what changed."""
    run.set_up(setup)
    steps: list[ScriptCall] = []

    def step(package: str, script: str, command: Sequence[str], more: Mapping[str, str] = {}) -> None:
        steps.append(ScriptCall(package, script))
        log.begin(f"==> {package}: {script}")
        done = run.run(command, {**seed.of_package(environment, package), **more}, log.feed)
        log.end()
        if done.status or done.exceeded:
            raise _failure(package, script, done, log.last)

    for name in plan.scripts:
        package = plan.packages[name]
        # A script that diverts files would move those of its own package, which are there already.
        if _DIVERTING not in package.members.get(PREINST, _DIVERTING):
            step(name, PREINST, [f"/{ADMIN}/info/{package.stem}.{PREINST}", "install"], package.environment(PREINST))
        step(name, POSTINST, [*DPKG, "--configure", name])
    for _ in range(_TRIGGER_ROUNDS):
        waiting = [name for name in pending(run.read(f"{ADMIN}/status") or b"") if name in plan.packages]
        if not waiting:
            break
        for name in waiting:
            step(name, POSTINST, [*DPKG, "--triggers-only", name])
    try:
        found = changes.parse(run.table(), len(steps), limits.files + len(plan.tree.files))
    except RunRefused as error:
        raise BuildError("Maintainer scripts wrote too much", why=error.why, hint=_SKIP) from None
    after = [run.read(f"etc/{name}") for name in ("passwd", "group")]
    contents = _ordered_contents(run, found)
    return _RunResult(steps, found, contents, accounts.parse(after[0] or b"", after[1] or b""))


def _ordered_contents(run: ScriptRun, found: dict[str, Change]) -> dict[str, bytes]:
    """Return the files that have a normal form, in that form. Change `found` accordingly."""
    contents: dict[str, bytes] = {}
    for path, change in found.items():
        order_content = normal_form(path) if change.kind == meta.FILE else None
        content = run.read(path) if order_content else None
        if order_content and content is not None and len(content) == change.size:
            contents[path] = ordered = order_content(content)
            found[path] = change._replace(size=len(ordered), sha256=hashlib.sha256(ordered).digest())
    return contents


def _failure(package: str, script: str, done: CommandEnd, lines: Iterable[str]) -> BuildError:
    told = [line for line in lines if line.strip() not in ("", package) and not line.startswith(_DPKG_LINES)]
    status = done.exceeded or (f"its exit status is {done.status}" if done.status > 0 else "it was killed")
    return BuildError(
        f"The script {script} of {package} failed",
        why="\n".join([status, *told[-_LAST_LINES:]]),
        hint=f'leave it out with configure = {{ skip = ["{package}"] }}; fpack log WHAT --all shows the whole log',
    )


def _write(
    task: Task,
    plan: _RunPlan,
    view: Path,
    run: ScriptRun,
    first: _RunResult,
    second: _RunResult,
    limits: ConfigureLimits,
) -> Built:
    """Write the output: the contents come from the first run."""
    if first.steps != second.steps:
        differing = sorted({step.package for step in {*first.steps} ^ {*second.steps}})
        raise BuildError(
            "Two runs of maintainer scripts activated different triggers",
            why=f"those of {', '.join(differing)} differ" if differing else "their order differs",
            hint=f'leave the package out with configure = {{ skip = ["{differing[0]}"] }}' if differing else "",
        )
    by_uid = {int(fields[2]): name for name, fields in reversed(first.accounts.users.items())}
    by_gid = {int(fields[2]): name for name, fields in reversed(first.accounts.groups.items())}
    outcome = changes.decide(
        first.changes, second.changes, plan.tree, first.steps, plan.stubs,
        lambda uid, gid: (by_uid.get(uid, ""), by_gid.get(gid, "")),
    )  # fmt: skip
    total = sum(kept.entry.size for kept in outcome.kept)
    if total > limits.size:
        why = f"they wrote {total} bytes; the limit is {limits.size}"
        raise BuildError("Maintainer scripts wrote too much", why=why, hint=_SKIP)
    writer = task.writer()
    writer.mkdir("data")
    entries = _write_entries(task, view, run, outcome, first.contents, writer)
    writer.file("meta", [meta.encode(entries, _extra(plan, first, second, outcome))])
    return Built(writer)


def _write_entries(
    task: Task, view: Path, run: ScriptRun, outcome: Outcome, ordered: Mapping[str, bytes], writer: TreeWriter
) -> list[TreeEntry]:
    wanted = [k.entry for k in outcome.kept if k.entry.kind == meta.FILE and k.stored is None]
    fetched = [entry for entry in wanted if entry.path not in ordered]
    contents = run.files([(entry.path, entry.size) for entry in fetched])
    entries: list[TreeEntry] = []
    for kept in outcome.kept:
        task.check()
        path = f"data/{kept.entry.path}"
        if kept.entry.kind == meta.DIRECTORY:
            writer.mkdir(path)
            entries.append(kept.entry)
        elif kept.entry.kind == meta.SYMLINK:
            writer.symlink(path, kept.entry.target)
            entries.append(kept.entry)
        elif kept.stored is not None:
            stored = kept.stored
            writer.link(path, FileNode(stored.blake3, stored.size, kept.entry.executable), view / stored.path)
            entries.append(kept.entry._replace(blake3=stored.blake3, facts=stored.facts))
        else:
            own = ordered.get(kept.entry.path)
            entries.append(_write_file(kept.entry, writer, path, next(contents) if own is None else iter([own])))
    return entries


def _write_file(entry: TreeEntry, writer: TreeWriter, path: str, content: Iterator[bytes]) -> TreeEntry:
    hasher = hashlib.sha256()
    head = b""

    def pieces() -> Iterator[bytes]:
        nonlocal head
        for piece in content:
            hasher.update(piece)
            if len(head) < elf.HEAD:
                head += piece[: elf.HEAD - len(head)]
            yield piece

    node = writer.file(path, pieces(), entry.executable)
    if hasher.digest() != entry.sha256:
        what = "A file changed after the last maintainer script"
        raise BuildError(what, where=f"/{entry.path}", hint="run the command again")
    facts = elf.facts(head, f"{writer.disk}/{path}") if head[:2] == b"#!" or head[:4] == elf.ELF_MAGIC else None
    return entry._replace(blake3=node.digest, facts=facts)


def _extra(plan: _RunPlan, first: _RunResult, second: _RunResult, outcome: Outcome) -> dict[str, Value]:
    def digest(origin: ScriptCall) -> str:
        return hashlib.sha256(plan.packages[origin.package].members.get(origin.script, b"")).hexdigest()

    # All accounts, so that the numbers in an image are those that the scripts saw.
    users, groups = accounts.records(first.accounts)
    others = accounts.records(second.accounts)
    shipped = {path for package, paths in plan.tree.packages.items() if package for path in paths}
    return {
        "configured": [[os.fsencode(kept.entry.path), *kept.origin, digest(kept.origin)] for kept in outcome.kept],
        "replaced": [os.fsencode(kept.entry.path) for kept in outcome.kept if kept.entry.path in shipped],
        "removed": [[os.fsencode(path), *origin] for path, origin in outcome.removed],
        "unstable": [[os.fsencode(path), origin.package, reason] for path, origin, reason in outcome.unstable],
        "setuid": [[f"/{path}", mode] for path, mode in outcome.set_id],
        "users": [user for user in users if user in others[0]],
        "groups": [group for group in groups if group in others[1]],
    }
