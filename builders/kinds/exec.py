"""The `exec` kind: phases of a script, run in a sandbox whose `/` is a root, make the outputs.

The builder says what is to be run, an executor runs it, and what it left is looked through, checked and entered into
the store under its own name. Nothing of a build that failed is registered.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fpack.builders.exec.hints import advice
from fpack.builders.exec.links import linked
from fpack.builders.exec.outputs import Looked, Reader, place_of, strippable
from fpack.builders.exec.script import DRIVER, control_files, variables
from fpack.builders.linking import store_paths
from fpack.builders.protocol import BuildError, Built, BuiltAll, Task, whole
from fpack.builders.sandbox.executor import Executor, Finished, Work
from fpack.builders.sandbox.spec import CONTROL, Spec, limits_of
from fpack.store import path as store_path
from fpack.store.canonical import Value
from fpack.store.derivation import Derivation, output_name
from fpack.store.errors import InvalidName
from fpack.store.files.remove import remove_tree
from fpack.store.path import STORE, StorePath

_LAST_LINES = 20
# What programs say of errors that come of a limit, and what it is.
_MEANS = (
    ("Resource temporarily unavailable", "it may not have more than {0.processes} processes at once"),
    ("File too large", "it may not write more than {0.size} bytes"),
)

if TYPE_CHECKING:
    from .table import Services
_NO_ROOM = "No space left on device"
_LITTLE = 64 << 20  # bytes of a disk that is full
_MAX_LINE = 8192
_ARGUMENTS = 500  # files that one call of strip gets
_STRIP = {
    "program": "--strip-unneeded --remove-section=.comment",
    "object": "--strip-debug",
    "archive": "--strip-debug --enable-deterministic-archives",
}


class Kept(NamedTuple):
    """What is left of a build that failed: enough to look inside."""

    spec: Spec
    work: Work
    executor: Executor


class PhaseFailed(BuildError):
    """A build whose script failed, or that was ended. kept: what is left of it, where that was asked for."""

    kept: Kept | None = None


class Options(NamedTuple):
    """What the user wants beside the outputs. keep_failed: the directories of a build that fails. cores: for CORES."""

    keep_failed: bool = False
    cores: int = 0


class Exec:
    """args: root, shell, phases, env, limits, allowed, disallowed, strip. See docs/language.md."""

    kind = "exec"
    network = False

    def __init__(self, executor: Executor, options: Options | None = None) -> None:
        self._executor = executor
        self._options = options or Options()

    def key(self, drv: Derivation) -> Value:
        """All of the derivation but its limits, which decide whether it ends, and not how."""
        args = {name: value for name, value in drv.args.items() if name != "limits"}
        return whole(drv._replace(args=args))

    def build(self, task: Task) -> Built | BuiltAll:
        """Run the phases and take what they made."""
        args = task.args
        root = store_path.parse(str(args["root"]))
        inputs = store_paths.closure(task, _mentioned([args.get("env") or {}, args["phases"]]))
        places = {output: place_of(task.name, output) for output in task.outputs}
        limits = limits_of(args.get("limits"))
        spec = Spec(
            root=str(root),
            command=(str(args.get("shell") or "/bin/bash"), f"{CONTROL}/{DRIVER}"),
            env=variables(args.get("env") or {}, self._cores(), {o: str(p) for o, p in places.items()}),
            inputs=tuple(map(str, inputs)),
            outputs=tuple(p.base for p in places.values()),
            control=control_files(args["phases"], limits.processes),
            limits=limits,
        )
        lines = _Lines(task.log)
        view = task.view(root)
        store = task.disk(root).parent
        work = Work(task.scratch(), view, store, store.parent / "locks", lines.feed, lambda _: None, task.check)
        self._executor.prepare(spec, work)
        finished = self._executor.run(spec, work)
        lines.end()
        if finished.status or finished.exceeded:
            raise self._failed(task, spec, work, finished, lines)
        try:
            if args.get("strip", True) and os.path.lexists(view / "usr/bin/strip"):
                self._strip(spec, work, lines)
            return self._take(task, spec, work, root, inputs, places)
        except BuildError as error:
            error.hint = error.hint or self._keep(task, work)
            raise

    def _cores(self) -> int:
        return self._options.cores or len(os.sched_getaffinity(0))

    def _take(
        self,
        task: Task,
        spec: Spec,
        work: Work,
        root: StorePath,
        inputs: Sequence[StorePath],
        places: Mapping[str, StorePath],
    ) -> Built | BuiltAll:
        """Look the outputs through, check what they mention, and write them."""
        by_hash = {place.hash.encode(): output for output, place in places.items()}
        known = {path.hash.encode(): path for path in inputs}
        out = os.open(work.place / "out", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _check_strays(out, inputs, places)
            reader = Reader(out, set(known), by_hash, spec.limits.size, task.check)
            looked = {}
            for output, place in places.items():
                try:
                    looked[output] = reader.look(place.base)
                except BuildError as error:
                    error.where = f"{output_name(task.name, output)}{'/' if error.where else ''}{error.where}"
                    raise
            payloads, lacking = linked(task, root, [looked[output].programs for output in places])
            for line in lacking:
                task.log(f"warning: {line}")
            taken = dict(zip(places, payloads, strict=True))
            made: dict[str, tuple[StorePath, Built]] = {}
            for output in _order(looked, by_hash):
                others = {p.hash.encode(): made[o][0] for o, p in places.items() if o in made}
                references = {known[h] for h in looked[output].found & known.keys()}
                _check_references(task, output, references)
                references |= taken[output]
                references |= {others[h] for h in looked[output].found & others.keys()}
                made[output] = self._write(task, reader, output, places[output], looked[output], others, references)
        finally:
            os.close(out)
        if tuple(places) == ("out",):
            return made["out"][1]
        return BuiltAll(tuple((output, result) for output, (_, result) in made.items()))

    def _write(
        self,
        task: Task,
        reader: Reader,
        output: str,
        place: StorePath,
        looked: Looked,
        others: Mapping[bytes, StorePath],
        references: set[StorePath],
    ) -> tuple[StorePath, Built]:
        name = output_name(task.name, output)
        changes = {old: path.hash.encode() for old, path in others.items()}
        digest = reader.digest(place.base, looked.tree, changes)
        own = place.hash.encode()
        # Modulo itself: where the output mentions itself, its place stands for its path.
        itself = [place] if own in looked.found else []
        path = store_path.make(name, digest, sorted([*references, *itself]))
        changes[own] = path.hash.encode()
        writer = task.writer()
        reader.write(place.base, looked.tree, changes, writer)
        return path, Built(writer, tuple(sorted(references)), path if itself else None)

    def _strip(self, spec: Spec, work: Work, lines: _Lines) -> None:
        """Strip what the outputs hold, in the sandbox: its files are the build's."""
        out = os.open(work.place / "out", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            found: dict[str, list[str]] = {}
            for base in spec.outputs:
                for path, kind in strippable(out, base):
                    found.setdefault(kind, []).append(f"{STORE}/{path}")
        finally:
            os.close(out)
        if not found:
            return
        script = []
        for kind, paths in sorted(found.items()):
            for at in range(0, len(paths), _ARGUMENTS):
                words = " ".join(_quoted(path) for path in paths[at : at + _ARGUMENTS])
                # A file that only looks like one of its kind stays as it is.
                script.append(f"/usr/bin/strip {_STRIP[kind]} {words} || :\n")
        control = work.place / "control" / "strip"
        control.write_text("".join(script), "utf-8", "surrogateescape")
        os.chmod(control, 0o444)
        shell = spec.command[0]
        finished = self._executor.run(spec._replace(command=(shell, f"{CONTROL}/strip")), work)
        lines.end()
        if finished.exceeded:
            raise BuildError("The outputs of a build could not be stripped", why=finished.exceeded)

    def _failed(self, task: Task, spec: Spec, work: Work, finished: Finished, lines: _Lines) -> PhaseFailed:
        phase = f"in its phase {finished.phase}" if finished.phase else "before its first phase"
        if finished.exceeded:
            what, why = f"{task.name} was ended {phase}", finished.exceeded
        else:
            ended = f"it ended with exit status {finished.status}"
            if 128 < finished.status <= 192:
                ended = f"it was ended by signal {finished.status - 128}"
            what, why = f"{task.name} failed {phase}", ended
        last = "\n".join(lines.last)
        if finished.status == 128 + signal.SIGKILL and not finished.exceeded:
            why += ", as the kernel does where memory runs out"
        for words, meaning in _MEANS:
            if words in last:
                why += f"; {meaning.format(spec.limits)}"
        if _NO_ROOM in last and _is_full(work.place):
            why += "; the disk that the store is on is full: free some room, or run fpack gc"
        error = PhaseFailed(
            what, where=task.name, why=why + (f"; its last lines:\n{last}" if last else "; it said nothing")
        )
        error.hint = "\n".join(filter(None, [advice(last), self._keep(task, work)]))
        if self._options.keep_failed:
            error.kept = Kept(spec, work._replace(place=task.resume_dir() / "failed"), self._executor)
        return error

    def _keep(self, task: Task, work: Work) -> str:
        """Keep what a failed build left, if it is wanted; what can be done next."""
        if not self._options.keep_failed:
            return (
                "fpack log WHAT shows all of its log; --keep-failed keeps its files; --shell-on-failure opens a shell "
                "in its sandbox"
            )
        from fpack.builders.sandbox.local_executor import give_tree

        kept = task.resume_dir() / "failed"
        remove_tree(kept)
        # By descriptors, and after the last process of the build is dead: nothing of it can be led elsewhere.
        give_tree(work.place, os.geteuid())
        os.chmod(work.place, 0o700)
        os.rename(work.place, kept)
        return f"its files are in {kept}: build, out and tmp"


class _Lines:
    """Cuts what a build says into lines. last: the last of them."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self.last: deque[str] = deque(maxlen=_LAST_LINES)
        self._log = log
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take the next piece."""
        *whole_lines, self._rest = (self._rest + data).split(b"\n")
        for line in whole_lines:
            self._line(line)
        if len(self._rest) > _MAX_LINE:
            self.end()

    def end(self) -> None:
        """What was said last is a line, too."""
        if self._rest:
            self._line(self._rest)
            self._rest = b""

    def _line(self, line: bytes) -> None:
        # Progress that is drawn over itself: what it came to is what counts.
        text = line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace")
        self.last.append(text[:_MAX_LINE])
        self._log(text[:_MAX_LINE])


def _is_full(place: Path) -> bool:
    """Whether a disk has no room, or no room for names; a build that failed still has what it took."""
    disk = os.statvfs(place)
    return disk.f_bavail * disk.f_frsize < _LITTLE or (disk.f_files > 0 and disk.f_favail < disk.f_files // 100)


def _mentioned(value: Value) -> list[StorePath]:
    """Every store path in the strings of a value, sorted."""
    found: set[StorePath] = set()
    todo = [value]
    while todo:
        now = todo.pop()
        if isinstance(now, str):
            found.update(StorePath(*each) for each in store_path.find_references(now))
        elif isinstance(now, dict):
            todo += [*now.keys(), *now.values()]
        elif isinstance(now, (list, tuple)):
            todo += now
    return sorted(found)


def _order(looked: Mapping[str, Looked], places: Mapping[bytes, str]) -> list[str]:
    """The outputs, those that others mention first. BuildError where they mention each other."""
    needs = {o: {places[h] for h in look.found & places.keys()} - {o} for o, look in looked.items()}
    done: list[str] = []
    while len(done) < len(needs):
        ready = [output for output in needs if output not in done and needs[output] <= set(done)]
        if not ready:
            left = sorted(set(needs) - set(done))
            raise BuildError(
                f"The outputs {', '.join(left)} mention each other",
                why="a store path holds its references' paths, so neither can be named before the other",
                hint="put what both need into one of them",
            )
        done += ready
    return done


def _check_references(task: Task, output: str, references: set[StorePath]) -> None:
    """BuildError if an output mentions what it must not."""
    allowed = task.args.get("allowed")
    forbidden = _paths(task.args.get("disallowed") or ())
    wrong = references & forbidden
    if allowed is not None:
        wrong |= references - _paths(allowed)
    if wrong:
        names = ", ".join(str(path) for path in sorted(wrong))
        raise BuildError(
            f"The output {output} mentions what it must not",
            why=names,
            hint="grep the output for the path; `allowed` and `disallowed` of the package say what it may mention",
        )


def _paths(values: Sequence[Any]) -> set[StorePath]:
    return {store_path.parse(str(value).rstrip("/")) for value in values}


def _check_strays(out: int, inputs: Sequence[StorePath], places: Mapping[str, StorePath]) -> None:
    """BuildError for what a build put into the store that is no output of it."""
    expected = {path.base for path in (*inputs, *places.values())}
    stray = sorted(set(os.listdir(out)) - expected)
    if stray:
        shown = stray[0]
        try:
            shown = store_path.parse(shown).name
        except InvalidName:
            pass
        raise BuildError(
            f"The build put {shown} into the store, which is no output of it",
            why=f"{STORE}/{stray[0]}",
            hint="write to $out, or list the output in `outputs`",
        )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def kept_shell(kept: Kept) -> int:
    """Open a shell in the sandbox of a build that failed, at this terminal; its exit status."""
    shell = kept.spec.command[0]
    options = ("--noprofile", "--norc", "-i") if shell.endswith("/bash") else ("-i",)
    env = {**dict(kept.spec.env), "TERM": os.environ.get("TERM", "dumb"), "PS1": "fpack build:\\w\\$ "}
    spec = kept.spec._replace(env=tuple(sorted(env.items())))
    return kept.executor.inside(spec, kept.work, (shell, *options))


def kept_place(kept: Kept) -> Path:
    """Where the files of a failed build are."""
    return kept.work.place


def make(services: Services) -> Exec:
    """Return the builder of the kind."""
    from fpack.builders.sandbox.local_executor import Local

    return Exec(Local(), Options(services.keep_failed))
