"""Select the packages of a root by what their files load.

Starting with the seeds, the linker resolves the NEEDED entries and interpreter of each ELF file, the `#!` line of each
script and each symlink against the included packages. It searches for a missing file in the closure: first in packages
whose name suggests the file, starting with the dependent's own Depends, then in its other Depends, then further away.
Only packages that are searched are fetched, and only packages that provide a required file are included.

A missing library that a program needs, directly or through other libraries, is an error, and so is a missing
interpreter of an ELF program. A library needed only by a plug-in and the interpreter of a script may be optional, and
are recorded as missing: Debian itself demotes dependencies of plug-ins and helper scripts (git's, for example) to
Recommends.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from fpack.builders.machines import elf_machine
from fpack.builders.payload import meta
from fpack.builders.payload.globs import merged
from fpack.builders.payload.ld_paths import default_directories
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.payload.slice_table import SliceTable
from fpack.builders.payload.symlinks import resolve
from fpack.builders.protocol import BuildError

from .ranking import LIKELY, RELATED, rank
from .required_files import ASKED, INTERP, LINK, NEEDED, PATH, SCRIPT, SEED, RequiredFile, required_files

_Order = Callable[[RequiredFile], Iterator[list[str]]]
Fetch = Generator[list[str], list[SliceTable], "LinkResult"]


class Reason(NamedTuple):
    """The reason for including a slice.

    by: the dependent package. file: the absolute path of its file. what: the required soname or absolute path.
    """

    kind: str
    by: str | None = None
    file: str = ""
    what: str = ""


class MissingFile(NamedTuple):
    """An optional file that no package has."""

    package: str
    file: str
    kind: str
    what: str


class LinkResult(NamedTuple):
    """The slices of a root in order of inclusion, the reason for each, and the missing optional files."""

    tables: list[SliceTable]
    reasons: dict[str, Reason]
    missing: list[MissingFile]


def link(
    seeds: Sequence[SliceTable],
    depends: Mapping[str, Sequence[str]],
    wants: Sequence[str],
    arch: str,
    counts: Callable[[RequiredFile], bool] = lambda required: True,
    code: CodeLoads | None = None,
    spare: Collection[str] = (),
) -> Fetch:
    """Link a root from `seeds`: a generator that yields package names to fetch and is sent their tables.

    depends: the dependencies of each package of the closure; its keys are all available packages. wants: explicitly
    requested sonames and absolute paths. counts(required): whether a required file is to be searched for. code: what
    interpreted programs load. spare: packages that only `code` and `wants` bring in.
    """
    return _Linker(depends, arch, counts, code, spare).run(seeds, wants)


class CodeLoads(Protocol):
    """Finds the packages that code in the included packages loads."""

    def needed(
        self, included: Sequence[SliceTable], known: Mapping[str, SliceTable]
    ) -> Generator[list[str], list[SliceTable], list[tuple[SliceTable, Reason]]]:
        """Return further packages to include. Yield names to fetch, which are not in `known`."""


class _Linker:
    """The state of one resolution."""

    def __init__(
        self,
        depends: Mapping[str, Sequence[str]],
        arch: str,
        counts: Callable[[RequiredFile], bool],
        code: CodeLoads | None,
        spare: Collection[str],
    ) -> None:
        self._depends = depends
        self._counts = counts
        self._code = code
        self._spare = frozenset(spare)
        self._machine = elf_machine(arch)
        self._search = default_directories(arch)
        self._configured: dict[str, None] = {}
        self._levels_of: dict[tuple[str, bool, bool], list[list[str]]] = {}
        self._tables: dict[str, SliceTable] = {}
        self._reasons: dict[str, Reason] = {}
        self._seeds: list[str] = []
        self._files: dict[str, tuple[str, TreeEntry]] = {}
        self._directories: set[str] = set()
        self._links: dict[str, str] = {}
        self._open: list[RequiredFile] = []
        self._edges: dict[str, set[str]] = {}
        self._programs: set[str] = set()
        self._dangling: list[RequiredFile] = []

    def run(self, seeds: Sequence[SliceTable], wants: Sequence[str]) -> Fetch:
        """Resolve in two passes: first among likely candidates, then what programs cannot run without among all."""
        for table in seeds:
            self._tables[table.package] = table
            self._seeds.append(table.package)
            self._include(table.package, Reason(SEED))
        for what in wants:
            paths = (merged(what.strip("/")),) if "/" in what else tuple(f"{d}/{what}" for d in self._search)
            self._open.append(RequiredFile("", ASKED, what, paths, 0 if "/" in what else self._machine, files=[""]))
        left: list[RequiredFile] = []
        while True:
            left += yield from self._settle(self._likely)
            left = [required for required in left if not self._met(required)]
            needed = self._indispensable(left)
            if not needed:
                if (yield from self._load_code()):
                    continue
                break
            left = [required for required in left if required not in needed]
            self._open = needed
            failed = yield from self._settle(self._anywhere)
            if failed:
                raise self._error(min(failed, key=lambda d: (d.kind, d.files[0], d.what)))
        missing = [
            MissingFile(d.package, "/" + f, d.kind, d.what)
            for d in left
            for f in d.files
            if d.kind != LINK or f.rpartition("/")[0] in PATH
        ]
        return LinkResult([self._tables[name] for name in self._reasons], dict(self._reasons), sorted(missing))

    # Inclusion of packages.

    def _load_code(self) -> Generator[list[str], list[SliceTable], bool]:
        """Include what the code of the included packages loads. Return whether there is more of it."""
        if self._code is None:
            return False
        found = yield from self._code.needed([self._tables[name] for name in self._reasons], self._tables)
        for table, reason in found:
            self._tables[table.package] = table
            self._include(table.package, reason)
        return bool(found)

    def _include(self, package: str, reason: Reason) -> None:
        self._reasons[package] = reason
        table = self._tables[package]
        for path, entry in table.entries.items():
            if entry.kind == meta.DIRECTORY:
                continue
            self._files.setdefault(path, (package, entry))
            if entry.kind == meta.SYMLINK:
                self._links.setdefault(path, entry.target)
        self._directories |= table.directories
        self._links = {**table.alternatives, **self._links}
        self._configured.update(dict.fromkeys(table.search))
        for required in required_files(table, self._machine, self._search):
            if not self._counts(required):
                continue
            self._open.append(required)
            if required.kind == INTERP:
                self._programs.update(required.files)

    # Search for required files.

    def _provider(self, required: RequiredFile, extra: SliceTable | None = None) -> tuple[str, str] | None:
        """Return (package, path) of a required file among the included slices and `extra`, or None."""
        entries = extra.entries if extra else {}
        directories = extra.directories if extra and required.kind in (LINK, ASKED) else frozenset()
        alternatives = extra.alternatives if extra else {}

        def target(path: str) -> str | None:
            if path in self._links:
                return self._links[path]
            entry = entries.get(path)
            return entry.target if entry and entry.kind == meta.SYMLINK else alternatives.get(path)

        def has(path: str) -> bool:
            return path in self._files or path in entries or path in self._directories or path in directories

        paths = required.paths
        if required.kind == NEEDED and (self._configured or (extra and extra.search)) and "/" not in required.what:
            paths += tuple(f"{d}/{required.what}" for d in [*self._configured, *(extra.search if extra else ())])
        for candidate in paths:
            path = candidate if self._is_file(candidate) else resolve(candidate, target, has)
            if path is None:
                continue
            package, entry = self._files.get(path, (None, None))
            if entry is None and extra is not None and (path in entries or path in directories):
                package, entry = extra.package, entries.get(path)
            if entry is None and package is None:
                if path in self._directories and required.kind in (LINK, ASKED):
                    return "", path
                continue
            facts = entry.facts if entry else None
            if required.machine and (facts is None or facts.machine != required.machine):
                continue
            if package is not None:
                return package, path
        own = self._private(required, [required.package])
        return own[0] if own else None

    def _is_file(self, path: str) -> bool:
        """Return whether `path` is an included file, reached without symlinks."""
        found = self._files.get(path)
        return found is not None and found[1].kind == meta.FILE

    def _private(self, required: RequiredFile, packages: Iterable[str]) -> list[tuple[str, str]]:
        """Return (package, path) of the libraries of the required name in `packages`, in any directory.

        Programs load libraries outside the loader's directories by path, or through a library that names the directory.
        """
        if required.kind != NEEDED:
            return []
        found: list[tuple[str, str]] = []
        for package in packages:
            table = self._tables.get(package)
            for path in table.libraries.get(required.what, ()) if table else ():
                facts = table.entries[path].facts if table else None
                if facts is not None and facts.machine == required.machine:
                    found.append((package, path))
        return found

    def _settle(self, candidates: _Order) -> Generator[list[str], list[SliceTable], list[RequiredFile]]:
        """Resolve all open requirements, fetching and including packages. Return those that no candidate has."""
        failed: list[RequiredFile] = []
        while self._open:
            fetch: list[str] = []
            waiting: list[RequiredFile] = []
            # Requirements of newly included packages are handled in the next round.
            open_, self._open = self._open, []
            for required in open_:
                wanted = self._step(required, candidates)
                if wanted is None:
                    failed.append(required)
                elif wanted:
                    fetch += [name for name in wanted if name not in fetch]
                    waiting.append(required)
            if fetch:
                for table in (yield fetch):
                    self._tables[table.package] = table
            self._open += waiting
        # A package included for one requirement may also provide another that failed before.
        failed, self._dangling = failed + self._dangling, []
        return [required for required in failed if not self._met(required)]

    def _leads_on(self, required: RequiredFile, links: Mapping[str, object]) -> bool:
        """Return whether a required path is a symlink; the symlink's own requirement finds its target."""
        return any(path in links for path in required.paths)

    def _met(self, required: RequiredFile) -> bool:
        found = self._provider(required)
        if found is not None:
            self._note(required, found[1])
        return found is not None

    def _note(self, required: RequiredFile, path: str) -> None:
        """Record that the requiring files load `path`."""
        for file in required.files:
            self._edges.setdefault(file, set()).add(path)

    def _met_privately(self, required: RequiredFile, packages: Iterable[str]) -> bool:
        """Use a private library of one of `packages`, and include its package. Return whether there is one."""
        for package, path in self._private(required, packages):
            if package not in self._reasons:
                self._include(package, Reason(NEEDED, required.package, "/" + required.files[0], required.what))
            self._note(required, path)
            return True
        return False

    def _step(self, required: RequiredFile, candidates: _Order) -> list[str] | None:
        """Advance a requirement. Return [] if it is met, the names to fetch next, or None if it cannot be met."""
        if self._met(required):
            return []
        if self._leads_on(required, self._links):
            self._dangling.append(required)
            return []
        direct = self._depends.get(required.package, ())
        for group in candidates(required):
            if not group and self._met_privately(required, (name for name in direct if name in self._reasons)):
                return []
            names = [name for name in group if name not in required.searched and name not in self._reasons]
            absent = [name for name in names if name not in self._tables]
            if absent:
                return absent
            required.searched.update(names)
            having = [
                name
                for name in names
                if self._provider(required, self._tables[name]) or self._leads_on(required, self._tables[name].links)
            ]
            if len(having) > 1:
                raise BuildError(
                    f"Several packages have {required.what}, which /{required.files[0]} of {required.package} needs",
                    where=required.package,
                    why=f"{' and '.join(having)} have it, and {required.package} depends directly on none of them",
                    hint="add the intended one to the requested packages",
                )
            if having:
                kind = required.kind
                by = required.package or None
                file = "/" + required.files[0] if required.package else ""
                self._include(having[0], Reason(kind, by, file, required.what))
                if not self._met(required):
                    self._dangling.append(required)
                return []
        return [] if self._met_privately(required, (name for name in direct if name in required.searched)) else None

    def _likely(self, required: RequiredFile) -> Iterator[list[str]]:
        """Yield candidates one by one: direct Depends by name, then all others by name, then remaining direct Depends.

        An empty group marks the point at which private libraries of included packages are tried first.
        """
        direct, *further = self._levels(required)
        ranked = rank(required.what, direct)
        distant = [table for level in further for table in rank(required.what, level)]
        yield from ([name] for likely, name in ranked if likely <= RELATED)
        yield from ([name] for likely, name in distant if likely == LIKELY)
        yield []
        # A symlink within /usr points into a dependency; the target of one into /etc may be left to the administrator.
        inside = required.kind == LINK and required.paths[0].startswith("usr/")
        if inside or (required.kind == NEEDED and not required.optional):
            yield from ([name] for likely, name in ranked if likely > RELATED)
        if required.kind in (NEEDED, ASKED):
            yield from ([name] for likely, name in distant if likely == RELATED)

    def _anywhere(self, required: RequiredFile) -> Iterator[list[str]]:
        """Yield all candidates, nearest first. Candidates at one distance form a group, to detect ambiguity."""
        for number, level in enumerate(self._levels(required)):
            if number:
                yield level
            else:
                yield from ([name] for _, name in rank(required.what, level))

    def _levels(self, required: RequiredFile) -> list[list[str]]:
        """Return the closure of the requiring package, grouped by distance; at least one level."""
        key = (required.package, required.kind in (ASKED, SCRIPT, LINK), required.kind == ASKED)
        if key not in self._levels_of:
            self._levels_of[key] = self._find_levels(*key)
        return self._levels_of[key]

    def _find_levels(self, package: str, all_: bool, asked: bool) -> list[list[str]]:
        # Requests by name start from the Depends of all seeds.
        starts = [package] if package else self._seeds
        level = [name for start in starts for name in self._depends.get(start, ())]
        seen = {package}
        levels: list[list[str]] = []
        while True:
            level = [name for name in dict.fromkeys(level) if name not in seen and name in self._depends]
            if not level:
                break
            levels.append(level)
            seen.update(level)
            level = [name for parent in level for name in self._depends[parent]]
        # Requests by name need not be dependencies, and dependencies on Essential packages are not declared.
        rest = sorted(self._depends.keys() - seen - (frozenset() if asked else self._spare))
        if rest and all_:
            levels.append(rest)
        return levels or [[]]

    # Missing files.

    def _indispensable(self, left: Sequence[RequiredFile]) -> list[RequiredFile]:
        """Return the unmet requirements that are errors: requests by name, and needs of programs and libraries."""
        reached = set(self._programs)
        stack = list(reached)
        for asked in self._edges.get("", ()):
            stack.append(asked)
            reached.add(asked)
        while stack:
            for path in self._edges.get(stack.pop(), ()):
                if path not in reached:
                    reached.add(path)
                    stack.append(path)
        return [
            required
            for required in left
            if required.kind == ASKED
            or (required.kind in (NEEDED, INTERP) and not required.optional and not reached.isdisjoint(required.files))
        ]

    def _error(self, required: RequiredFile) -> BuildError:
        if required.kind == ASKED:
            number = len(self._depends)
            return BuildError(
                f"{required.what} was requested, but no package of the closure has it",
                where=required.what,
                why=f"the closure has {number} package{'' if number == 1 else 's'}",
                hint="correct the name, or add the package that has it",
            )
        chain: list[str] = []
        package: str | None = required.package
        while package is not None and len(chain) < 40:
            reason = self._reasons[package]
            chain.append(f"{reason.file} of {reason.by} needs {reason.what} from {package}" if reason.by else package)
            package = reason.by
        file = required.files[0]
        verb = "needs" if required.kind == NEEDED else "is started by"
        return BuildError(
            f"/{file} {verb} {required.what}, but no package of the closure has it",
            where=required.package,
            why="; ".join(reversed(chain)),
            hint=f"add the package that has {required.what}, which fpack search --file {required.what} finds, or drop "
            f"/{file} from {required.package}",
        )
