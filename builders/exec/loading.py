"""Check that built programs load the libraries of `libs`, and not others of the same name.

Names are searched as the dynamic loader does: along the RUNPATH of the file, then in the directories of the root. A
file of the outputs that was linked with a library of `libs` and would load another one is an error, also if the reason
is that an interpreter has loaded the other one before. Where the file does not decide it, because a library of the root
loads it, or `dlopen`, there is a warning.

RPATH counts as RUNPATH: it differs only for the libraries of libraries.
"""

from __future__ import annotations

import mmap
import os
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fpack.builders.payload.extension_modules import interpreter_of
from fpack.builders.payload.libraries import BuiltLibrary
from fpack.builders.payload.meta import LoadFacts
from fpack.builders.protocol import BuildError, Task
from fpack.store.errors import FpackError
from fpack.store.files.presence import is_present
from fpack.store.path import STORE, StorePath, parse

from .root_directory import RootDirectory, file_facts


class LinkedOutput(NamedTuple):
    """An output of a build. path: its build path. disk: where it lies. programs: facts of its files, by path."""

    path: StorePath
    disk: Path
    programs: Mapping[str, LoadFacts]


def check_loading(
    task: Task,
    root: RootDirectory,
    libraries: Sequence[BuiltLibrary],
    outputs: Sequence[LinkedOutput],
    replacing: Collection[StorePath] = (),
) -> list[str]:
    """Return warnings. Raise BuildError if a file of the outputs would load another library than that of `libs`.

    replacing: the packages whose libraries every image of the result gives to Debian's files too.
    """
    loader = _Loader(task, root, libraries, outputs, replacing)
    if not loader.by_soname:
        return []
    return list(dict.fromkeys(line for output in outputs for line in _check_output(loader, output)))


def _check_output(loader: _Loader, output: LinkedOutput) -> Iterator[str]:
    for name, facts in output.programs.items():
        if not facts.machine:
            continue
        path = posixpath.normpath(f"{output.path}/{name}")
        shown = name or output.path.name
        for soname in facts.needed:
            if (library := loader.library(soname, facts.machine)) is not None:
                found = loader.find(soname, path, facts)
                if found is not None and not loader.is_meant(found):
                    raise _other_library(shown, facts, library, found)
                if found is not None and loader.is_own(found):
                    yield f"{shown} loads {soname} of the build itself, and not that of {_name(library)} in `libs`"
                if found is None and facts.interp:
                    raise _other_library(shown, facts, library, None)
        if facts.interp:
            yield from _indirect(loader, path, facts, shown)
        elif facts.needed:
            _check_interpreter(loader, facts, shown)
        if facts.needed or facts.interp:
            yield from _by_dlopen(loader, output, name, path, facts)


def _other_library(shown: str, facts: LoadFacts, library: BuiltLibrary, found: str | None) -> BuildError:
    runpath = f"its RUNPATH is {':'.join(facts.runpath)}" if facts.runpath else "it has no RUNPATH"
    loads = f"it would load {found}" if found else "it would find none"
    return BuildError(
        f"{shown} would not load the {library.soname} of {_name(library)}, which is in `libs`",
        where=shown,
        why=f"{loads}, since {runpath}",
        hint="the linkers of PATH add the RUNPATH: let the build call no other linker, and keep the RUNPATH; or "
        f"link with -Wl,-rpath,{library.directory}; or take {_name(library)} out of `libs`",
    )


def _indirect(loader: _Loader, path: str, facts: LoadFacts, shown: str) -> Iterator[str]:
    """Yield a line for each library of the root that loads another library than that of `libs` into a program."""
    for soname, (found, by) in loader.loaded(path, facts).items():
        library = loader.library(soname, facts.machine)
        if library is not None and by != path and found is not None and not loader.is_given(library, found):
            yield (
                f"{shown} loads {found} through {posixpath.basename(by)}, and not the {soname} of {_name(library)}: "
                f"a container's `replace` gives {posixpath.basename(by)} that one"
            )


def _check_interpreter(loader: _Loader, facts: LoadFacts, shown: str) -> None:
    """Raise BuildError if the interpreter that loads a module has loaded a library of Debian's in place of its own."""
    program = interpreter_of(f"/{shown}")
    for soname, (found, _) in loader.loaded_by_program(program).items() if program is not None else ():
        library = loader.library(soname, facts.machine)
        if soname in facts.needed and library is not None and found is not None and not loader.is_given(library, found):
            package, name = loader.package(found) or "PACKAGE", _name(library)
            raise BuildError(
                f"{shown} would not load the {soname} of {name}, which is in `libs`",
                where=shown,
                why=f"{program} has loaded {found} before, and a process has one library of a name",
                hint=f"give {program} the built one too: take the build's packages from a set with "
                f"`debian = base.extend {{ replace = {{ {package} = ... }} }}`; or take {name} out of `libs`",
            )


def _by_dlopen(loader: _Loader, output: LinkedOutput, name: str, path: str, facts: LoadFacts) -> Iterator[str]:
    """Yield a line for each soname in the text of a file that `dlopen` would find elsewhere, or not at all."""
    for soname in sorted(_named(output.disk / name if name else output.disk, loader.pattern) - {*facts.needed}):
        library = loader.library(soname, facts.machine)
        found = loader.find(soname, path, facts) if library is not None else None
        if library is None or (found is not None and loader.is_meant(found)):
            continue
        known = loader.loaded(path, facts).get(soname)
        if known is not None and known[0] is not None and loader.is_meant(known[0]):
            continue
        yield (
            f"{name or output.path.name} names {soname}, and dlopen would "
            f"{f'load {found}' if found else 'not find it'}: to load that of {_name(library)}, link with "
            f"-Wl,-rpath,{library.directory}"
        )


def _name(library: BuiltLibrary) -> str:
    return library.package.name


def _named(path: Path, pattern: re.Pattern[bytes]) -> set[str]:
    """Return the sonames in the text of a file: strings for `dlopen`, and those of its note .note.dlopen."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as content:
            return {match[0].decode() for match in pattern.finditer(content)}
    finally:
        os.close(fd)


class _Loader:
    """The search of the dynamic loader, in a root and store paths."""

    def __init__(
        self,
        task: Task,
        root: RootDirectory,
        libraries: Sequence[BuiltLibrary],
        outputs: Sequence[LinkedOutput],
        replacing: Collection[StorePath],
    ) -> None:
        self._task = task
        self._root = root
        self._outputs = {output.path.base: output for output in outputs}
        self._directories = {library.directory for library in libraries}
        self._packages = {library.package.base for library in libraries}
        self._replacing = replacing
        self._loaded: dict[str, dict[str, tuple[str | None, str]]] = {}
        self.by_soname: dict[str, list[BuiltLibrary]] = {}
        for library in libraries:
            if library.soname:
                self.by_soname.setdefault(library.soname, []).append(library)
        words = b"|".join(re.escape(soname.encode()) for soname in sorted(self.by_soname, reverse=True))
        self.pattern = re.compile(rb"(?<![\w.+/-])(?:%b)(?![\w.+-])" % words)

    def library(self, soname: str, machine: int) -> BuiltLibrary | None:
        """Return the library of `libs` with a soname, for a machine."""
        found = self.by_soname.get(posixpath.basename(soname), ())
        return next((library for library in found if library.machine == machine), None)

    def is_meant(self, found: str) -> bool:
        """Return whether a file is of a package of `libs`, or of the build itself, which then brings its own."""
        base = found.removeprefix(f"{STORE}/").partition("/")[0]
        return found.startswith(f"{STORE}/") and (base in self._packages or self.is_own(found))

    def is_given(self, library: BuiltLibrary, found: str) -> bool:
        """Return whether a process that loads a file gets a library of `libs`, also if only images replace the file."""
        return self.is_meant(found) or library.package in self._replacing

    def package(self, found: str) -> str:
        """Return the name of the package of the root that has a file, or ""."""
        return self._root.package(found)

    def is_own(self, found: str) -> bool:
        """Return whether a file is of the build itself."""
        return found.startswith(f"{STORE}/") and found.removeprefix(f"{STORE}/").partition("/")[0] in self._outputs

    def find(self, name: str, path: str, facts: LoadFacts) -> str | None:
        """Return the file that the loader finds for a name that the file at `path` loads, or None."""
        if "/" in name:
            return self._present(posixpath.dirname(name), posixpath.basename(name))
        origin = posixpath.dirname(path)
        for directory in facts.runpath:
            expanded = directory.replace("${ORIGIN}", origin).replace("$ORIGIN", origin)
            found = self._present(posixpath.normpath(expanded), name) if expanded.startswith("/") else None
            if found is not None:
                return found
        found = self._root.library(name, facts._replace(runpath=()))
        return None if found is None else f"/{found}"

    def _present(self, directory: str, name: str) -> str | None:
        if not directory.startswith(f"{STORE}/"):
            found = self._root.find(f"{directory.strip('/')}/{name}")
            return None if found is None else f"/{found}"
        path = f"{directory}/{name}"
        return path if (disk := self._disk(path)) is not None and is_present(disk) else None

    def _disk(self, path: str) -> Path | None:
        base, _, below = path.removeprefix(f"{STORE}/").partition("/")
        if base in self._outputs:
            return self._outputs[base].disk / below
        try:
            return self._task.disk(parse(base)) / below
        except FpackError:
            return None

    def _facts(self, path: str) -> LoadFacts | None:
        if not path.startswith(f"{STORE}/"):
            return self._root.facts(path)
        disk = self._disk(path)
        if disk is None or not (real := os.path.realpath(disk)).startswith(f"{os.path.realpath(disk.parent)}/"):
            return None
        return file_facts(real)

    def loaded(self, path: str, facts: LoadFacts) -> dict[str, tuple[str | None, str]]:
        """Return the file of each soname that a program loads, directly or not, and the file that loads it first."""
        if path not in self._loaded:
            found: dict[str, tuple[str | None, str]] = {}
            level = [(path, facts)]
            for at, now in level:  # the loader's order: breadth first
                for name in now.needed:
                    if name in found:
                        continue
                    target = self.find(name, at, now)
                    found[name] = target, at
                    below = self._facts(target) if target is not None else None
                    if target is not None and below is not None:
                        if below.soname:
                            found.setdefault(below.soname, (target, at))
                        level.append((target, below))
            self._loaded[path] = found
        return self._loaded[path]

    def loaded_by_program(self, name: str) -> dict[str, tuple[str | None, str]]:
        """Return the same for a program of the root; nothing if the root does not have it."""
        path = self._root.find(f"usr/bin/{name}")
        facts = self._root.facts(path) if path is not None else None
        return self.loaded(f"/{path}", facts) if facts is not None else {}
