"""Build the `exec` kind: run the phases of a script in a sandbox whose `/` is a root.

The builder describes the run and an executor runs it. The builder then scans, checks and copies the outputs to the
store. Nothing of a failed build is registered.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fpack.builders import arguments
from fpack.builders.exec import cross, linker, mentions
from fpack.builders.exec.gem_extensions import extension_errors
from fpack.builders.exec.hints import advice, advice_for_tests
from fpack.builders.exec.links import linked
from fpack.builders.exec.loading import LinkedOutput, check_loading
from fpack.builders.exec.outputs import OutputReader, ScannedOutput, strippable
from fpack.builders.exec.root_directory import RootDirectory
from fpack.builders.exec.script import DRIVER, control_files, variables
from fpack.builders.exec.strip import strip_script
from fpack.builders.linking import store_paths
from fpack.builders.payload.libraries import BuiltLibrary, built_libraries
from fpack.builders.protocol import BaseBuilder, BuildError, Built, BuiltAll, Task
from fpack.builders.sandbox.executor import Executor, RunResult, Work
from fpack.builders.sandbox.spec import CONTROL, Spec, limits_of
from fpack.builders.scheduler.build_log import OutputLines
from fpack.store import path as store_path
from fpack.store.canonical import Value
from fpack.store.derivation import build_path, output_name
from fpack.store.files.presence import is_present
from fpack.store.files.remove import remove_tree
from fpack.store.path import STORE, StorePath

if TYPE_CHECKING:
    from fpack.builders.debian.contents.finder import NeedFinder

    from .table import Services

VERSION = 1
_LAST_LINES = 20  # of the log, in an error
_READ_LINES = 600  # of the log, in which the cause is looked for
# Messages that programs print when they reach a limit, and the limit.
_LIMIT_MESSAGES = (
    ("Resource temporarily unavailable", "it may run at most {0.processes} processes at once"),
    ("File too large", "it may write at most {0.size} bytes"),
)

_NO_ROOM = "No space left on device"
_FULL = 64 << 20  # bytes: a disk with less free space counts as full


class FailedBuild(NamedTuple):
    """The kept directory of a failed build, and the means to open a shell in its sandbox."""

    spec: Spec
    work: Work
    executor: Executor


class PhaseFailed(BuildError):
    """A build whose script failed or was terminated. kept: its directory, if the user asked to keep it. log: the last
    lines of its output. phase: the one that failed."""

    kept: FailedBuild | None = None
    log: str = ""
    phase: str = ""


class ExecOptions(NamedTuple):
    """User options. keep_failed: keep the directories of failed builds. cores: the value of CORES, 0 for all. files:
    opens the finder of Debian's packages, for hints, if it can be had. reuse: take what was compiled apart before.
    """

    keep_failed: bool = False
    cores: int = 0
    files: Callable[[], NeedFinder | None] = lambda: None
    reuse: bool = False


class ExecArgs(NamedTuple):
    """The arguments, which docs/builds.md describes.

    linker: the script that runs in place of each linker. libs: the built packages that the result is linked with.
    replacing: those of them that images of the result give to Debian's files too.
    target: Debian's name of the architecture of the result, if it is not that of the root's programs.
    foreign: globs of the files that are for another one, relative to the output.
    """

    root: StorePath
    phases: tuple[Mapping[str, Value], ...]
    shell: str | None = None
    env: Mapping[str, Value] | None = None
    limits: Value = None
    allowed: tuple[str, ...] | None = None
    disallowed: tuple[str, ...] | None = None
    strip: bool = True
    linker: StorePath | None = None
    libs: tuple[StorePath, ...] = ()
    replacing: tuple[StorePath, ...] = ()
    apart: bool = False
    emulator: str | None = None
    target: str | None = None
    foreign: tuple[str, ...] = ()


class ExecBuilder(BaseBuilder):
    """The builder of `exec`."""

    version = VERSION
    limits = "limits"

    def __init__(self, executor: Executor, options: ExecOptions | None = None) -> None:
        self._executor = executor
        self._options = options or ExecOptions()

    def build(self, task: Task) -> Built | BuiltAll:
        """Run the phases and copy their outputs to the store."""
        args = arguments.read(ExecArgs, task.args)
        env = args.env or {}
        inputs = store_paths.seen(task, mentions.find([env, args.phases]))
        paths = {output: build_path(task.name, output) for output in task.outputs}
        limits = limits_of(args.limits)
        view = task.view(args.root)
        libraries = built_libraries(task.disk, args.libs)
        made = dict(variables(env, self._cores(), {o: str(p) for o, p in paths.items()}))
        control = control_files(args.phases, limits.processes)
        if args.linker is not None:
            control += tuple(linker.control_files(task.disk, args.linker, made["PATH"], view, libraries))
            control += tuple(cross.linkers(view, args.target, [name for name, _ in control]))
            made |= linker.variables(made)
        spec = Spec(
            root=str(args.root),
            command=(args.shell or "/bin/bash", f"{CONTROL}/{DRIVER}"),
            env=tuple(sorted(made.items())),
            inputs=tuple(map(str, inputs)),
            outputs=tuple(p.base for p in paths.values()),
            control=control,
            limits=limits,
            emulator=_emulator(task, args),
        )
        lines = OutputLines(task.log, _READ_LINES)
        store = task.disk(args.root).parent
        work = Work(task.scratch(), view, store, store.parent / "locks", lines.feed, lambda _: None, task.check)
        self._executor.prepare(spec, work)
        finished = self._run_apart(task, spec, work) if args.apart else self._executor.run(spec, work)
        lines.end()
        if finished.status or finished.exceeded:
            raise self._failed(task, spec, work, finished, lines)
        try:
            program = cross.strip(args.target)
            if args.strip and is_present(view / program):
                self._strip(spec, work, lines, program)
            return self._take(task, args, spec, work, inputs, paths, libraries)
        except BuildError as error:
            raise error.with_(hint=error.hint or self._keep(task, work)) from None

    def _run_apart(self, task: Task, spec: Spec, work: Work) -> RunResult:
        """Run the phases while each file that GCC compiles is compiled apart."""
        from fpack.builders.exec.compile_service import CompileService
        from fpack.builders.exec.compiler_wrapper import compilers

        found = compilers(work.view)
        if not found:
            return self._executor.run(spec, work)
        results = work.store.parent / "compiled" if self._options.reuse else None
        with CompileService(spec, work, self._executor, task.scratch, found, results) as service:
            return self._executor.run(spec._replace(covers=service.covers()), work)

    def _cores(self) -> int:
        return self._options.cores or len(os.sched_getaffinity(0))

    def _take(
        self,
        task: Task,
        args: ExecArgs,
        spec: Spec,
        work: Work,
        inputs: Sequence[StorePath],
        paths: Mapping[str, StorePath],
        libraries: Sequence[BuiltLibrary],
    ) -> Built | BuiltAll:
        """Scan the outputs, check their references, and write them."""
        by_hash = {path.hash.encode(): output for output, path in paths.items()}
        known = {path.hash.encode(): path for path in inputs}
        out = os.open(work.directory / "out", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            mentions.check_strays(out, inputs, paths)
            reader = OutputReader(out, set(known), by_hash, spec.limits.size, task.check)
            scanned = {}
            for output, path in paths.items():
                try:
                    scanned[output] = reader.scan(path.base)
                except BuildError as error:
                    where = f"{output_name(task.name, output)}{'/' if error.where else ''}{error.where}"
                    raise error.with_(where=where) from None
            if args.target is not None:
                for output, content in scanned.items():
                    cross.check_machines(content, args.target, args.foreign, output_name(task.name, output))
            root = RootDirectory(task, args.root)
            payloads, warnings = linked(task, root, [scanned[output].programs for output in paths])
            if libraries:
                disk = work.directory / "out"
                made = [LinkedOutput(path, disk / path.base, scanned[o].programs) for o, path in paths.items()]
                without_effect = check_loading(task, root, libraries, made, args.replacing)
                warnings += without_effect
                for line in without_effect:  # nobody reads the log of a build that passed
                    task.warn(f"{task.name}: {line}")
            for line in warnings:
                task.log(f"warning: {line}")
            if args.target is not None:
                payloads = [cross.of_target(task, found, args.target) for found in payloads]
            linked_payloads = dict(zip(paths, payloads, strict=True))
            written: dict[str, tuple[StorePath, Built]] = {}
            for output in mentions.order(scanned, by_hash):
                others = {p.hash.encode(): written[o][0] for o, p in paths.items() if o in written}
                references = {known[h] for h in scanned[output].found & known.keys()}
                mentions.check_references(output, references, args.allowed, args.disallowed or ())
                references |= linked_payloads[output]
                references |= {others[h] for h in scanned[output].found & others.keys()}
                written[output] = self._write(task, reader, output, paths[output], scanned[output], others, references)
        finally:
            os.close(out)
        if tuple(paths) == ("out",):
            return written["out"][1]
        return BuiltAll(tuple((output, result) for output, (_, result) in written.items()))

    def _write(
        self,
        task: Task,
        reader: OutputReader,
        output: str,
        built_at: StorePath,
        scanned: ScannedOutput,
        others: Mapping[bytes, StorePath],
        references: set[StorePath],
    ) -> tuple[StorePath, Built]:
        name = output_name(task.name, output)
        changes = {old: path.hash.encode() for old, path in others.items()}
        digest = reader.digest(built_at.base, scanned.tree, changes)
        own = built_at.hash.encode()
        # The digest is taken modulo self-references: the build path stands for the final path.
        itself = [built_at] if own in scanned.found else []
        path = store_path.make(name, digest, sorted([*references, *itself]))
        changes[own] = path.hash.encode()
        writer = task.writer()
        reader.write(built_at.base, scanned.tree, changes, writer)
        return path, Built(writer, tuple(sorted(references)), path if itself else None)

    def _strip(self, spec: Spec, work: Work, lines: OutputLines, program: str = "usr/bin/strip") -> None:
        """Strip the outputs' programs and libraries, in the sandbox because the build controls these files."""
        out = os.open(work.directory / "out", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            found: dict[str, list[str]] = {}
            for base in spec.outputs:
                for path, kind in strippable(out, os.fsencode(base), base):
                    found.setdefault(kind, []).append(f"{STORE}/{path}")
        finally:
            os.close(out)
        if not found:
            return
        control = work.directory / "control" / "strip"
        control.write_text(strip_script(program, found), "utf-8", "surrogateescape")
        os.chmod(control, 0o444)
        shell = spec.command[0]
        finished = self._executor.run(spec._replace(command=(shell, f"{CONTROL}/strip")), work)
        lines.end()
        if finished.status or finished.exceeded:
            # Files that were not stripped would be another output of the same derivation.
            last = "\n".join([*lines.last][-_LAST_LINES:])
            why = finished.exceeded or f"strip ended with exit status {finished.status}"
            raise BuildError("The outputs of a build could not be stripped", why=f"{why}; its last lines:\n{last}")

    def _failed(self, task: Task, spec: Spec, work: Work, finished: RunResult, lines: OutputLines) -> PhaseFailed:
        phase = f"in its phase {finished.phase}" if finished.phase else "before its first phase"
        if finished.exceeded:
            what, why = f"{task.name} was terminated {phase}", finished.exceeded
        else:
            why = f"it ended with exit status {finished.status}"
            if 128 < finished.status <= 192:
                why = f"it was killed by signal {finished.status - 128}"
            what = f"{task.name} failed {phase}"
        # Bundler prints long traces after what the compiler said.
        last = "\n".join((extension_errors([*lines.last]) or [*lines.last])[-_LAST_LINES:])
        if finished.status == 128 + signal.SIGKILL and not finished.exceeded:
            why += ", which the kernel sends when memory runs out"
        for words, meaning in _LIMIT_MESSAGES:
            if words in last:
                why += f"; {meaning.format(spec.limits)}"
        if _NO_ROOM in last and _is_full(work.directory):
            why += "; the disk of the store is full: free some space, or run fpack gc"
        why += f"; its last lines:\n{last}" if last else "; it printed nothing"
        log = "\n".join(lines.last)
        remedy = (
            cross.advice(task, log)
            or advice(log, self._options.files)
            or (advice_for_tests(log) if finished.phase == "check" else "")
        )
        error = PhaseFailed(
            what, where=task.name, why=why, hint="\n".join(filter(None, [remedy, self._keep(task, work)]))
        )
        error = error.with_(log=log, phase=finished.phase)
        if not self._options.keep_failed:
            return error
        kept = task.resume_dir() / "failed"
        return error.with_(kept=FailedBuild(spec, work._replace(directory=kept), self._executor))

    def _keep(self, task: Task, work: Work) -> str:
        """Keep the directory of a failed build if the user asked for it. Return a hint for the next step."""
        if not self._options.keep_failed:
            return (
                "fpack log WHAT shows the whole log; --keep-failed keeps the build's files; --shell-on-failure opens a "
                "shell in its sandbox"
            )
        from fpack.builders.sandbox.local_executor import give_tree

        kept = task.resume_dir() / "failed"
        remove_tree(kept)
        # give_tree works by descriptors, and no process of the build is left that could swap a path for a symlink.
        give_tree(work.directory, os.geteuid())
        os.chmod(work.directory, 0o700)
        os.rename(work.directory, kept)
        return f"the build's files are in {kept}: build, out and tmp"


def _emulator(task: Task, args: ExecArgs) -> tuple[str, str] | None:
    """Return the kernel's rule for the programs of a root and the emulator that runs them, or None."""
    if args.emulator is None:
        return None
    from fpack.builders.sandbox.emulation import rule_of

    path, _, arch = args.emulator.partition("#")
    rule = rule_of(arch)
    if rule is None:
        raise BuildError(f"There is no emulator for the architecture {arch!r}", where=args.emulator)
    return rule, os.fspath(task.disk(path))


def _is_full(path: Path) -> bool:
    """Return whether a disk is out of space or inodes. The files of the failed build still occupy theirs."""
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize < _FULL or (disk.f_files > 0 and disk.f_favail < disk.f_files // 100)


def kept_shell(kept: FailedBuild) -> int:
    """Open a shell in the sandbox of a failed build, at this terminal. Return its exit status."""
    shell = kept.spec.command[0]
    options = ("--noprofile", "--norc", "-i") if shell.endswith("/bash") else ("-i",)
    env = {**dict(kept.spec.env), "TERM": os.environ.get("TERM", "dumb"), "PS1": "fpack build:\\w\\$ "}
    spec = kept.spec._replace(env=tuple(sorted(env.items())))
    return kept.executor.inside(spec, kept.work, (shell, *options))


def make(services: Services) -> ExecBuilder:
    from fpack.builders.sandbox.local_executor import LocalExecutor

    return ExecBuilder(LocalExecutor(), ExecOptions(services.keep_failed, files=services.files, reuse=True))
