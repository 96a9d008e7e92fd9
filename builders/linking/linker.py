"""What the files of a root really load, and which packages have it.

From the seeds' files on, each ELF file's NEEDED entries and interpreter, each script's `#!` line and each symlink is
resolved against the packages that are in. What is not there is looked for in the closure: first where the dependent's
own Depends and the name suggest, then in its other Depends, then further away. Only packages that are looked at are
fetched; only those that have what was looked for become part of the root.

What fails: a library that a program needs, also through other libraries, or an interpreter of an ELF program. A
library that only a plug-in needs, and a script's interpreter, may be optional: they are recorded as missing. Debian
itself demotes the dependencies of plug-ins and helper scripts (git's, for example) to Recommends.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from fpack.builders.payload import meta
from fpack.builders.payload.elf import MACHINES, TRIPLETS
from fpack.builders.payload.globs import merged
from fpack.builders.payload.meta import Entry
from fpack.builders.payload.slice_table import SliceTable
from fpack.builders.payload.symlinks import resolve
from fpack.builders.protocol import BuildError

from .ranking import LIKELY, RELATED, rank
from .required_files import ASKED, INTERP, LINK, NEEDED, PATH, SCRIPT, SEED, Demand, demands

_Order = Callable[[Demand], Iterator[list[str]]]
Fetch = Generator[list[str], list[SliceTable], "Linked"]


class Reason(NamedTuple):
    """Why a slice is in. by: the dependent package; file: its file, absolute; what: a soname or an absolute path."""

    kind: str
    by: str | None = None
    file: str = ""
    what: str = ""


class Missing(NamedTuple):
    """Something that no package has and that may be optional."""

    package: str
    file: str
    kind: str
    what: str


class Linked(NamedTuple):
    """The slices of a root in the order in which they came in, why each is there, and what was not found."""

    tables: list[SliceTable]
    reasons: dict[str, Reason]
    missing: list[Missing]


def link(
    seeds: Sequence[SliceTable],
    depends: Mapping[str, Sequence[str]],
    wants: Sequence[str],
    arch: str,
    counts: Callable[[Demand], bool] = lambda demand: True,
) -> Fetch:
    """The linked root of `seeds`: a generator that yields the names of packages to fetch and is sent their tables.

    depends: the names that each package of the closure depends on; its keys are all that can be had. wants: sonames
    and absolute paths that are asked for by name. counts: whether what a file loads is to be looked for.
    """
    return _Linker(depends, arch, counts).run(seeds, wants)


class _Linker:
    """The state of one resolution."""

    def __init__(self, depends: Mapping[str, Sequence[str]], arch: str, counts: Callable[[Demand], bool]) -> None:
        self._depends = depends
        self._counts = counts
        self._machine = MACHINES.get(arch, 0)
        triplet = TRIPLETS.get(arch, "")
        self._search = (f"usr/lib/{triplet}", "usr/lib", "usr/lib64")
        self._configured: dict[str, None] = {}
        self._levels_of: dict[tuple[str, bool], list[list[str]]] = {}
        self._tables: dict[str, SliceTable] = {}
        self._reasons: dict[str, Reason] = {}
        self._seeds: list[str] = []
        self._files: dict[str, tuple[str, Entry]] = {}
        self._folders: set[str] = set()
        self._links: dict[str, str] = {}
        self._open: list[Demand] = []
        self._edges: dict[str, set[str]] = {}
        self._programs: set[str] = set()
        self._dangling: list[Demand] = []

    def run(self, seeds: Sequence[SliceTable], wants: Sequence[str]) -> Fetch:
        """Resolve, in two steps: what is likely everywhere, then what programs cannot do without, at any distance."""
        for table in seeds:
            self._tables[table.package] = table
            self._seeds.append(table.package)
            self._include(table.package, Reason(SEED))
        for what in wants:
            place = (merged(what.strip("/")),) if "/" in what else tuple(f"{d}/{what}" for d in self._search)
            self._open.append(Demand("", ASKED, what, place, 0 if "/" in what else self._machine, files=[""]))
        left: list[Demand] = []
        while True:
            left += yield from self._settle(self._likely)
            left = [demand for demand in left if not self._met(demand)]
            needed = self._indispensable(left)
            if not needed:
                break
            left = [demand for demand in left if demand not in needed]
            self._open = needed
            failed = yield from self._settle(self._anywhere)
            if failed:
                raise self._error(min(failed, key=lambda d: (d.kind, d.files[0], d.what)))
        missing = [
            Missing(d.package, "/" + f, d.kind, d.what)
            for d in left
            for f in d.files
            if d.kind != LINK or f.rpartition("/")[0] in PATH
        ]
        return Linked([self._tables[name] for name in self._reasons], dict(self._reasons), sorted(missing))

    # What is in.

    def _include(self, package: str, reason: Reason) -> None:
        self._reasons[package] = reason
        table = self._tables[package]
        for path, entry in table.entries.items():
            if entry.kind == meta.DIRECTORY:
                continue
            self._files.setdefault(path, (package, entry))
            if entry.kind == meta.SYMLINK:
                self._links.setdefault(path, entry.target)
        self._folders |= table.directories
        self._links = {**table.alternatives, **self._links}
        self._configured.update(dict.fromkeys(table.search))
        for demand in demands(table, self._machine, self._search):
            if not self._counts(demand):
                continue
            self._open.append(demand)
            if demand.kind == INTERP:
                self._programs.update(demand.files)

    # Looking for what files load.

    def _provider(self, demand: Demand, extra: SliceTable | None = None) -> tuple[str, str] | None:
        """(package, path) of what a demand resolves to among the slices that are in, and in `extra`."""
        entries = extra.entries if extra else {}
        folders = extra.directories if extra and demand.kind in (LINK, ASKED) else frozenset()
        alternatives = extra.alternatives if extra else {}

        def target(path: str) -> str | None:
            if path in self._links:
                return self._links[path]
            entry = entries.get(path)
            return entry.target if entry and entry.kind == meta.SYMLINK else alternatives.get(path)

        def has(path: str) -> bool:
            return path in self._files or path in entries or path in self._folders or path in folders

        places = demand.places
        if demand.kind == NEEDED and (self._configured or (extra and extra.search)) and "/" not in demand.what:
            places += tuple(f"{d}/{demand.what}" for d in [*self._configured, *(extra.search if extra else ())])
        for place in places:
            path = place if self._plain(place) else resolve(place, target, has)
            if path is None:
                continue
            package, entry = self._files.get(path, (None, None))
            if entry is None and extra is not None and (path in entries or path in folders):
                package, entry = extra.package, entries.get(path)
            if entry is None and package is None:
                if path in self._folders and demand.kind in (LINK, ASKED):
                    return "", path
                continue
            facts = entry.facts if entry else None
            if demand.machine and (facts is None or facts.machine != demand.machine):
                continue
            if package is not None:
                return package, path
        own = self._private(demand, [demand.package])
        return own[0] if own else None

    def _plain(self, path: str) -> bool:
        """Whether `path` is a file that is in and that no symlink is on the way to."""
        found = self._files.get(path)
        return found is not None and found[1].kind == meta.FILE

    def _private(self, demand: Demand, packages: Iterable[str]) -> list[tuple[str, str]]:
        """The libraries of that name that `packages` have outside the loader's directories: (package, path).

        Programs load such libraries by their path, or through another library that names the directory.
        """
        if demand.kind != NEEDED:
            return []
        found: list[tuple[str, str]] = []
        for package in packages:
            table = self._tables.get(package)
            for path in table.libraries.get(demand.what, ()) if table else ():
                facts = table.entries[path].facts if table else None
                if facts is not None and facts.machine == demand.machine:
                    found.append((package, path))
        return found

    def _settle(self, candidates: _Order) -> Generator[list[str], list[SliceTable], list[Demand]]:
        """Resolve all that is open, fetching and including packages; returns what no candidate has."""
        failed: list[Demand] = []
        while self._open:
            fetch: list[str] = []
            waiting: list[Demand] = []
            # New demands of packages that come in are looked at in the next round.
            open_, self._open = self._open, []
            for demand in open_:
                wanted = self._step(demand, candidates)
                if wanted is None:
                    failed.append(demand)
                elif wanted:
                    fetch += [name for name in wanted if name not in fetch]
                    waiting.append(demand)
            if fetch:
                for table in (yield fetch):
                    self._tables[table.package] = table
            self._open += waiting
        # A package that came in for one demand may have met another that had failed.
        failed, self._dangling = failed + self._dangling, []
        return [demand for demand in failed if not self._met(demand)]

    def _leads_on(self, demand: Demand, links: Mapping[str, object]) -> bool:
        """Whether a demand comes to a symlink, whose own demand finds what it leads to."""
        return any(place in links for place in demand.places)

    def _met(self, demand: Demand) -> bool:
        found = self._provider(demand)
        if found is not None:
            self._note(demand, found[1])
        return found is not None

    def _note(self, demand: Demand, path: str) -> None:
        """Remember what the demand's files load."""
        for file in demand.files:
            self._edges.setdefault(file, set()).add(path)

    def _met_privately(self, demand: Demand, packages: Iterable[str]) -> bool:
        """Meet a demand by a private library of a package that is depended on directly, including the package."""
        for package, path in self._private(demand, packages):
            if package not in self._reasons:
                self._include(package, Reason(NEEDED, demand.package, "/" + demand.files[0], demand.what))
            self._note(demand, path)
            return True
        return False

    def _step(self, demand: Demand, candidates: _Order) -> list[str] | None:
        """Advance a demand: [] when it is met, names to fetch for it, or None when nothing can meet it."""
        if self._met(demand):
            return []
        if self._leads_on(demand, self._links):
            self._dangling.append(demand)
            return []
        direct = self._depends.get(demand.package, ())
        for group in candidates(demand):
            if not group and self._met_privately(demand, (name for name in direct if name in self._reasons)):
                return []
            names = [name for name in group if name not in demand.looked and name not in self._reasons]
            absent = [name for name in names if name not in self._tables]
            if absent:
                return absent
            demand.looked.update(names)
            having = [
                name
                for name in names
                if self._provider(demand, self._tables[name]) or self._leads_on(demand, self._tables[name].links)
            ]
            if len(having) > 1:
                raise BuildError(
                    f"Two packages have what /{demand.files[0]} of {demand.package} needs: {demand.what}",
                    where=demand.package,
                    why=f"{' and '.join(having)} have it, and {demand.package} depends on neither directly",
                    hint="add the one that is meant to the packages asked for",
                )
            if having:
                kind = demand.kind
                by = demand.package or None
                file = "/" + demand.files[0] if demand.package else ""
                self._include(having[0], Reason(kind, by, file, demand.what))
                if not self._met(demand):
                    self._dangling.append(demand)
                return []
        return [] if self._met_privately(demand, (name for name in direct if name in demand.looked)) else None

    def _likely(self, demand: Demand) -> Iterator[list[str]]:
        """Candidates one by one: by name among the direct Depends, by name among all others, the rest of the direct.

        An empty group stands where private libraries of the packages that are in come before mere trying.
        """
        direct, *further = self._levels(demand)
        ranked = rank(demand.what, direct)
        distant = [each for level in further for each in rank(demand.what, level)]
        yield from ([name] for likely, name in ranked if likely <= RELATED)
        yield from ([name] for likely, name in distant if likely == LIKELY)
        yield []
        # A link within /usr leads to a package that is depended on; one into /etc may be the administrator's.
        inside = demand.kind == LINK and demand.places[0].startswith("usr/")
        if inside or (demand.kind == NEEDED and not demand.optional):
            yield from ([name] for likely, name in ranked if likely > RELATED)
        if demand.kind in (NEEDED, ASKED):
            yield from ([name] for likely, name in distant if likely == RELATED)

    def _anywhere(self, demand: Demand) -> Iterator[list[str]]:
        """All candidates, the nearest first; those of one distance together, to see whether two have it."""
        for number, level in enumerate(self._levels(demand)):
            if number:
                yield level
            else:
                yield from ([name] for _, name in rank(demand.what, level))

    def _levels(self, demand: Demand) -> list[list[str]]:
        """The closure of the demanding package by distance; at least one level."""
        key = (demand.package, demand.kind in (ASKED, SCRIPT, LINK))
        if key not in self._levels_of:
            self._levels_of[key] = self._find_levels(*key)
        return self._levels_of[key]

    def _find_levels(self, package: str, all_: bool) -> list[list[str]]:
        # What is asked for by name is looked for in the Depends of all seeds.
        level = [name for each in ([package] if package else self._seeds) for name in self._depends.get(each, ())]
        seen = {package}
        levels: list[list[str]] = []
        while True:
            level = [name for name in dict.fromkeys(level) if name not in seen and name in self._depends]
            if not level:
                break
            levels.append(level)
            seen.update(level)
            level = [name for each in level for name in self._depends[each]]
        # What is asked for by name need not be depended on, and Essential packages are never depended on.
        rest = sorted(self._depends.keys() - seen)
        if rest and all_:
            levels.append(rest)
        return levels or [[]]

    # What may be missing.

    def _indispensable(self, left: Sequence[Demand]) -> list[Demand]:
        """The demands among those not met that fail the root: of programs, of what they load, and asked for."""
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
            demand
            for demand in left
            if demand.kind == ASKED
            or (demand.kind in (NEEDED, INTERP) and not demand.optional and not reached.isdisjoint(demand.files))
        ]

    def _error(self, demand: Demand) -> BuildError:
        if demand.kind == ASKED:
            return BuildError(
                f"{demand.what} was asked for, and no package of the closure has it",
                where=demand.what,
                why=f"{len(self._depends)} packages were searched",
                hint="correct the name, or add the package that has it",
            )
        chain: list[str] = []
        package: str | None = demand.package
        while package is not None and len(chain) < 40:
            reason = self._reasons[package]
            chain.append(f"{reason.file} of {reason.by} needs {reason.what} from {package}" if reason.by else package)
            package = reason.by
        file = demand.files[0]
        verb = "needs" if demand.kind == NEEDED else "is started by"
        return BuildError(
            f"/{file} {verb} {demand.what}, and no package of the closure has it",
            where=demand.package,
            why="; ".join(reversed(chain)),
            hint=f"add the package that has {demand.what}, or drop /{file} from {demand.package}",
        )
