"""Evaluate and build a shell, and cache it for the next start."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fpack.cli.errors import UsageError
from fpack.cli.paths import PROJECT_FILE
from fpack.cli.shared_options import SharedOptions
from fpack.cli.workspace.containers import input_of, payload_of
from fpack.cli.workspace.evaluation.log import Recorder
from fpack.cli.workspace.named_values import NamedValue, label, values
from fpack.cli.workspace.target import Target, find_project
from fpack.store import DAY, derivation
from fpack.store.errors import FpackError

from . import cache, emulator, warm_start
from .arguments import ShellRequest
from .cache import CachedShell, Service
from .model import Closure

if TYPE_CHECKING:
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.path import StorePath

_TEXTS = {"search", "env", "hook", "start", "prepare", "ready", "exports"}  # that may name store paths
_SHOWN = 5  # programs in a message
_SHELL = "/bin/bash"  # what `fpack run` starts in a shell { }
_SHELLS = ("/usr/bin/bash", "/usr/bin/sh")  # what it starts in a root whose first package has no program
_SEARCHED = ("usr/bin/", "usr/sbin/", "usr/games/")


class PreparedShell(NamedTuple):
    """A built shell.

    lease: descriptor that keeps the shell while it is open. named: whether it is a shell { } of a file.
    """

    shell: CachedShell
    lease: int
    named: bool


def prepare(request: ShellRequest, options: SharedOptions) -> PreparedShell:
    """Build the shell that a request asks for."""
    from fpack.cli.workspace.workspace import Workspace

    path = warm_start.directory_of(request)
    with Workspace(options) as workspace:
        named = False
        targets: list[Target] = []
        with Recorder() as recorder:
            if request.building:
                from . import phase_shell

                target, shell, paths = phase_shell.prepare(workspace, request.building, path)
            else:
                targets, value, named = _value(workspace, request)
                target = targets[0]
                shell, paths = _Shell(workspace, value, named).build(path, _project(target), recorder)
                if target.store and target.path and request.options.command[:1] == ("",):
                    shell = shell._replace(program=_program_below(workspace, target))
                if request.options.command[:1] == ("",) and not shell.program:
                    raise _no_program(workspace, request.what[0], shell, value)
        workspace.finish()
        lease = _lease(workspace, shell, paths)
        workspace.store.used(paths, shell.project, request.verb)
        if shell.project:
            keep(workspace, shell.project, paths, "build" if request.building else "shell")
        if not any(entry.store for entry in targets):  # a link to the store may change
            _save(path, shell, workspace, recorder, target)
    return PreparedShell(shell, lease, named)


def _value(workspace: Workspace, request: ShellRequest) -> tuple[list[Target], Mapping[str, Any], bool]:
    """Return the value that a request names, as a shell, and whether it is a shell { }."""
    # `run` is for any program, so it does not add packages to the lock of the project that it happens to run in.
    own_lock = request.verb == "run"
    targets = [workspace.target(text, "shell", own_lock=own_lock) for text in request.what or (None,)]
    found = [(target, value) for target in targets for value in values(workspace, target)]
    (target, value), *more = found
    if not more and value.kind == "shell":
        return targets, value.value, True
    if not more and (shell := _alone(workspace, value, own_lock)) is not None:
        return targets, shell, False
    arguments = {"name": label(target), "members": [_member(workspace, value) for _, value in found]}
    make = workspace.evaluator.expression('import("fpack/parts").shell-of')
    return targets, workspace.evaluator.call(make, arguments), False


def _alone(workspace: Workspace, value: NamedValue, is_run: bool) -> Any:
    """Return the shell of a value that has a root of its own: a root, an image, or a service that `run` runs."""
    evaluator = workspace.evaluator
    if value.kind == "service" and is_run:
        function = evaluator.expression('import("fpack/parts").running')
        return evaluator.call(function, {"name": value.name, "service": value.value})
    if value.kind != "derivation":
        return None
    output = workspace.output(value.value)
    made = derivation.decode(evaluator.derivations[output.derivation])
    if made.kind == "image":
        root = input_of(workspace, made, "root")
    else:
        root = output if made.kind == "root" else None
    if root is None:
        return None
    of_root = derivation.decode(evaluator.derivations[root.derivation])
    slices: Any = of_root.args["slices"]
    first = next((str(item["package"]) for item in slices if item["seed"]), "")
    if made.kind == "image" and isinstance(made.args.get("program"), str):
        first = str(made.args["program"])
    path = str(derivation.placeholder(root.derivation, of_root.name, root.name))
    fields = {name: str(of_root.args[name]) for name in ("arch", "release")}
    function = evaluator.expression('import("fpack/parts").in-root')
    given = {"name": value.name, "root": evaluator.standing_for(path), "first": first}
    return evaluator.call(function, given | fields)


def _member(workspace: Workspace, value: NamedValue) -> Any:
    """Return one of several things in a shell, as fpack/parts takes it. A payload or a slice is its package."""
    evaluator = workspace.evaluator
    if value.kind == "service":
        return {"type": "named-service", "name": value.name, "service": value.value}
    if value.kind != "derivation":
        return value.value
    output = workspace.output(value.value)
    if (package := payload_of(workspace, output)) is None:
        return value.value
    made = derivation.decode(evaluator.derivations[package.output.derivation])
    path = str(derivation.placeholder(package.output.derivation, made.name, package.output.name))
    fields = {"release": package.release, "name": package.name, "payload": evaluator.standing_for(path)}
    return evaluator.call(evaluator.expression('import("fpack/parts").with-payload'), fields)


def _project(target: Target) -> str:
    """Return the project directory that a shell belongs to, or "" for packages."""
    if target.package is not None:
        return ""
    return os.fspath(target.project or (target.file.parent if target.file is not None else ""))


class _Shell:
    """The record of a shell, evaluated as far as building it needs."""

    def __init__(self, workspace: Workspace, record: Mapping[str, Any], named: bool) -> None:
        self._workspace = workspace
        self._named = named
        workspace.evaluator.run(lambda: self._evaluate(record))  # in one thread

    def _evaluate(self, record: Mapping[str, Any]) -> None:
        evaluator = self._workspace.evaluator
        names = ("name", "root", "paths", "search", "env", "hook", "release", "usual-names")
        self._records = [{name: evaluator.force(record[name], True) for name in names}]
        self._records[0]["emulator"] = emulator.of_record(self._workspace, record, self._records[0]["name"])
        services = evaluator.force(record["services"])
        wanted = ("root", "paths", "search", "env", "exports", "start", "prepare", "ready", "stop", "seconds", "ports")
        for name in services:
            service = evaluator.force(services[name])
            fields = {"name": name, "hook": "", "emulator": emulator.of_record(self._workspace, service, name)}
            self._records.append({**fields, **{n: evaluator.force(service[n], True) for n in wanted}})
        packages = evaluator.force(record["packages"])
        first = evaluator.force(packages[0]) if packages else {}
        self._first = str(evaluator.force(first.get("name", "")))
        self._alone = self._records[0]["usual-names"] == [] and not self._records[0]["paths"]  # it is a root
        self._own = str(evaluator.force(first["out"])) if "out" in first else ""
        self._listed = {str(evaluator.force(evaluator.force(package).get("name", ""))) for package in packages}
        texts = {text for record in self._records for text in record["paths"]}
        texts |= {emulator.package_of(record["emulator"]) for record in self._records if record["emulator"]}
        self._built = {text: evaluator.derivation_of(text) for text in sorted(texts)}

    def build(self, directory: str, project: str, recorder: Recorder) -> tuple[CachedShell, list[StorePath]]:
        """Build everything. Return the shell to cache, and the paths to keep."""
        from fpack.store.derivation import Output, replace
        from fpack.store.path import parse

        workspace = self._workspace
        roots = [workspace.output(record["root"]) for record in self._records]
        recorder.stop()  # files that are read from here on do not affect the result
        texts = sorted(self._built)
        others = [Output(self._built[text][0], self._built[text][1]) for text in texts]
        found = workspace.realise([*roots, *others])
        views, rest = found[: len(roots)], found[len(roots) :]
        real = dict(zip(texts, rest, strict=True))
        hashes = {parse(text).hash: path.hash for text, path in real.items()}
        resolved = [
            {**record, **replace({n: record[n] for n in _TEXTS & record.keys()}, hashes)} for record in self._records
        ]
        closures = [self._closure(record, view, real) for record, view in zip(resolved, views, strict=True)]
        services = tuple(_service(record, closure) for record, closure in zip(resolved[1:], closures[1:], strict=True))
        program, programs, usual = self._programs(views[0])
        if self._named:
            program = _SHELL
        elif self._own:
            program, programs = self._built_programs(real[self._own])
            emulator.check(workspace.store.disk(real[self._own]), programs, closures[0].emulator, closures[0].name)
        if not program and self._alone:
            program = next((shell for shell in _SHELLS if self._has(views[0], shell)), "")
        keep = sorted({*found})
        shell = CachedShell(
            closure=closures[0],
            project=project,
            store=os.fspath(workspace.store.root),
            lease=os.path.basename(directory),
            directory=directory,
            paths=tuple(str(path) for path in keep),
            program=program,
            programs=programs,
            release=str(self._records[0]["release"]),
            services=services,
            usual=usual,
        )
        return shell, keep

    def _closure(self, record: Mapping[str, Any], view: StorePath, real: Mapping[str, StorePath]) -> Closure:
        from fpack.builders.rootfs.view import assemble
        from fpack.builders.sandbox.links import split_links

        store = self._workspace.store
        paths = store.closure([real[text] for text in record["paths"]])
        mounted, links = split_links((str(path), os.fspath(store.disk(path))) for path in paths)
        return Closure(
            name=str(record["name"]),
            view=os.fspath(assemble(store, view)),
            paths=tuple(mounted),
            links=tuple(links),
            search=record["search"],
            env=record["env"],
            hook=record["hook"],
            emulator=emulator.on_disk(self._workspace, record["emulator"], real),
        )

    def _has(self, root: StorePath, path: str) -> bool:
        """Return whether a root has a file or a symlink at an absolute path."""
        from fpack.builders.rootfs.view import assemble

        return os.path.lexists(f"{os.fspath(assemble(self._workspace.store, root))}{path}")

    def _built_programs(self, path: StorePath) -> tuple[str, tuple[str, ...]]:
        """Return the program that has the package's name, or its only one, or ""; and the names of all programs."""
        disk = self._workspace.store.disk(path)
        if disk.is_file():
            name = path.name if os.stat(disk).st_mode & 0o100 else ""
            return str(path) if name else "", (name,) if name else ()
        directory = disk / "bin"
        found = tuple(sorted(entry.name for entry in directory.iterdir())) if directory.is_dir() else ()
        name = self._first if self._first in found else found[0] if len(found) == 1 else ""
        return f"{path}/bin/{name}" if name else "", found

    def _programs(self, root: StorePath) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
        """Return the first package's own program, the names of its programs, and the programs of usual packages."""
        from fpack.builders.payload import meta
        from fpack.store import derivation
        from fpack.store.path import parse

        store = self._workspace.store
        _, extra = meta.load(store.tree(root))
        programs: Any = extra.get("programs") or {}
        made = self._workspace.output(self._records[0]["root"]).derivation
        slices: Any = derivation.decode(self._workspace.evaluator.derivations[made]).args["slices"]
        usual = _below(self._records[0]["usual-names"], {s["package"]: s["depends"] for s in slices}, self._listed)
        found: set[str] = set()
        own: set[str] = set()
        records: Any = extra["slices"]
        for record in records:
            if record["package"] in usual or record["package"] == self._first:
                entries, _ = meta.load(store.tree(parse(record["path"])))
                there = [e.path for e in entries if e.kind != meta.DIRECTORY and "bin/" in e.path]
                if record["package"] in usual:
                    found.update(f"/{path}" for path in there)
                else:
                    own.update(
                        path.rpartition("/")[2] for path in there if path.startswith(_SEARCHED) and path[-1] != "["
                    )
        program = str((programs.get(self._first) or {}).get("program") or "")
        return program, tuple(sorted(own)), tuple(sorted(found))


def _program_below(workspace: Workspace, target: Target) -> str:
    """Return the path, in a shell of a store path, of the program that is a file below the store path."""
    from fpack.store.path import parse

    base = workspace.store.disk(parse(target.store))
    file = base.joinpath(*target.path)
    if not file.is_symlink() and not (file.is_file() and file.stat().st_mode & 0o111):
        raise UsageError(
            f"{target.text} is not a program",
            why="it is not executable" if file.is_file() else "it is not a file",
            hint=f"fpack run {target.store} -- PROGRAM runs one of its programs",
        )
    below = "/".join(target.path)
    if target.path[0] == "data" and (base / "meta").is_file():  # a package's files, which are at `/` in the shell
        return f"/{below.partition('/')[2]}"
    return f"{target.store}/{below}"


def _no_program(workspace: Workspace, text: str, shell: CachedShell, record: Mapping[str, Any]) -> UsageError:
    """Return the error for what `fpack run` cannot run without the name of a program."""
    if shell.programs:
        first = shell.programs[0]
        shown = ", ".join(shell.programs[:_SHOWN])
        more = f" and {len(shell.programs) - _SHOWN} more" if len(shell.programs) > _SHOWN else ""
        why, hint = f"it has {shown}{more}", f"fpack run {text} -- {first}"
        return UsageError(f"{text} has no program with its own name", why=why, hint=hint)
    found = workspace.evaluator.force(record["packages"])
    first_package = workspace.evaluator.force(found[0]) if found else {}
    hints = {
        "text": 'a script is text(NAME, TEXT, executable = true), and begins with a line such as "#!/bin/sh"',
        "fetch": "a program is fetched with executable = true; package { source } builds one from an archive",
        "source": "chmod +x makes a file a program; of a directory, the programs are in bin",
    }
    hint = hints.get(str(workspace.field(first_package, "kind")), "")
    if not hint and _has_image(workspace):
        hint = "fpack try runs the program of the project's image"
    hint = hint or f"fpack shell {text} enters a shell with it; fpack run {text} -- PROGRAM runs a usual program"
    return UsageError(f"{text} has no program to run", why="it has no programs", hint=hint)


def _has_image(workspace: Workspace) -> bool:
    """Return whether the project's file has the image that `fpack try` takes by default."""
    from fpack.cli.paths import PROJECT_FILE

    directory = workspace.directory
    file = directory / PROJECT_FILE if directory is not None else None
    return file is not None and file.is_file() and "image" in workspace.evaluator.load(file)


def _below(names: Iterable[str], depends: Mapping[str, Iterable[str]], less: set[str]) -> set[str]:
    """Return packages and their transitive dependencies, except those in `less`."""
    found: set[str] = set()
    todo = [name for name in names if name not in less]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += [other for other in depends.get(name, ()) if other not in less]
    return found


def _service(record: Mapping[str, Any], closure: Closure) -> Service:
    return Service(
        name=str(record["name"]),
        closure=closure,
        start=record["start"],
        prepare=record["prepare"],
        ready=record["ready"],
        stop=str(record["stop"]),
        exports=record["exports"],
        seconds=int(record["seconds"]),
        ports=tuple(record["ports"]),
    )


def _lease(workspace: Workspace, shell: CachedShell, paths: Iterable[StorePath]) -> int:
    from fpack.store import leases

    lease = leases.begin(workspace.store, shell.lease, paths)
    if lease is None:
        raise FpackError("A part of the shell was deleted while it was being built", hint="run the same command again")
    return lease


def keep(workspace: Workspace, project: str, paths: Iterable[StorePath], name: str = "shell") -> None:
    """Keep paths from gc by links in the project's directory. Without such links they live as long as they are in
    use.
    """
    from fpack.store.collection.roots import add_link

    from .project_directory import ProjectDirectory

    store = workspace.store
    disks = [store.disk(path) for path in paths]

    def place() -> None:
        links = []
        for number, disk in enumerate(disks):
            links.append(f"{name}-{number}")
            add_link(store.root, directory / links[-1], disk, is_root=store.refusal is None)
        for link in directory.glob(f"{name}-*"):
            if link.name not in links and link.is_symlink():
                link.unlink()

    try:
        directory = Path(ProjectDirectory(project).create("roots"))
        store.after_sync(place)
    except (FpackError, PermissionError):
        return


def _save(path: str, shell: CachedShell, workspace: Workspace, recorder: Recorder, target: Target) -> None:
    from fpack.lang import std

    directories = [os.path.realpath(next(iter(std.__path__)))]
    import fpack.pkgs

    directories.append(os.path.realpath(next(iter(fpack.pkgs.__path__))))
    also = [os.path.abspath(workspace.lock_file)]
    if target.file is not None:
        also.append(os.path.realpath(target.file))
        directories.append(os.path.realpath(target.project or target.file.parent))
    elif target.project is not None:
        directories.append(os.path.realpath(target.project))
        also.append(os.path.realpath(target.project / PROJECT_FILE))
    elif (project := find_project(Path.cwd())) is not None and "." not in target.text:
        # A later attribute of this name in the project's file would be meant.
        directories.append(os.path.realpath(project))
        also.append(os.path.realpath(project / PROJECT_FILE))
    if workspace.evaluator.has_messages:
        return  # the next start must print them again
    own_lock = target.project is None and workspace.options.lock is None
    expires = time.time() + DAY if own_lock else 0
    # A cached shell is entered without the database.
    workspace.store.after_sync(partial(cache.save, path, shell, recorder.read(directories, also, expires)))
