"""Put built libraries in the place of those of packages: programs of packages load them too.

A library of the package is excluded, and a link to the library of the store path that has the same soname stands in its
place. It must be for the same machine, and export every symbol that files of the root import from the library.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from fpack.builders.payload import elf_symbols, meta
from fpack.builders.payload.exclusions import GRAFTED, Exclusion
from fpack.builders.payload.libraries import BuiltLibrary, built_libraries
from fpack.builders.payload.slice_table import SliceTable
from fpack.builders.protocol import BuildError, Task
from fpack.store import path as store_path
from fpack.store.path import StorePath

from .compose import Composition
from .generated_files import GRAFT, GeneratedFile, symlink

_MOST = 8  # symbols that an error names


class ReplacedArgs(NamedTuple):
    """A store path that replaces the libraries of a package. packages: with those that its own files load."""

    package: str
    path: StorePath
    packages: tuple[str, ...] = ()


class Graft(NamedTuple):
    """A library of a package and the one that replaces it. target: its absolute path in the store."""

    package: str
    path: str
    soname: str
    target: str


def graft(
    task: Task, composition: Composition, tables: Sequence[SliceTable], wanted: Sequence[ReplacedArgs]
) -> tuple[Composition, list[GeneratedFile], list[Graft]]:
    """Return the composition without the replaced libraries, the links in their places, and what was replaced.

    Packages that the root does not have are skipped. Raise BuildError if a library cannot be replaced.
    """
    by_package = {table.package: table for table in tables}
    grafts: list[Graft] = []
    for item in wanted:
        if (table := by_package.get(item.package)) is not None:
            found = list(_of_package(task, composition, table, item))
            for made in found:
                _check_symbols(task, composition, table, item, made)
            grafts += found
    files = dict(composition.files)
    excluded = list(composition.excluded)
    for made in grafts:
        packages = [exclusion.package for exclusion in excluded if exclusion.path == made.path]
        excluded = [exclusion for exclusion in excluded if exclusion.path != made.path]
        path = str(store_path.parse(made.target.split("/")[3]))
        excluded += [Exclusion(name, made.path, GRAFTED, path) for name in (made.package, *packages)]
        del files[made.path]
    links = [symlink(made.path, made.target, GRAFT) for made in grafts]
    return composition._replace(files=files, excluded=excluded), links, grafts


def _of_package(task: Task, composition: Composition, table: SliceTable, item: ReplacedArgs) -> Iterator[Graft]:
    built: dict[str, BuiltLibrary] = {}
    for library in built_libraries(task.disk, [item.path]):
        if library.soname:
            built.setdefault(library.soname, library)
    own = {
        path: entry.facts
        for path, entry in table.entries.items()
        if entry.kind == meta.FILE and entry.facts and entry.facts.machine and entry.facts.soname
        and composition.files.get(path, (None,))[0] is table
    }  # fmt: skip
    same = {path: facts for path, facts in own.items() if facts.soname in built}
    if not same:
        has = ", ".join(sorted({facts.soname for facts in own.values()})) or "no library"
        raise _cannot(item, f"{item.package} has {has}, and {item.path.name} has {', '.join(sorted(built)) or 'none'}")
    for path, facts in same.items():
        library = built[facts.soname]
        if library.machine != facts.machine:
            raise _cannot(item, f"{facts.soname} of {item.path.name} is for another machine")
        yield Graft(item.package, path, facts.soname, f"{library.directory}/{library.soname}")


def _check_symbols(task: Task, composition: Composition, table: SliceTable, item: ReplacedArgs, made: Graft) -> None:
    """Raise BuildError if a file of the root imports a symbol that the new library does not export."""
    old = elf_symbols.read(_disk(task, table, made.path))
    new = elf_symbols.read(Path(task.disk(made.target)).resolve())
    if new is None or old is None:
        raise _cannot(item, f"the symbols of {made.soname} cannot be read")
    names = {name for name, _ in new.exported}
    gone = {name for name, _ in old.exported} - names
    missing: dict[str, str] = {}
    for path, (owner, entry) in composition.files.items():
        if not (entry.kind == meta.FILE and entry.facts is not None and made.soname in entry.facts.needed):
            continue
        task.check()
        symbols = elf_symbols.read(_disk(task, owner, path))
        if symbols is None:
            continue
        for name, version in symbols.imported.get(made.soname, frozenset()) - new.exported:
            missing.setdefault(f"{name}@{version}", path)
        for name in symbols.plain & gone:
            missing.setdefault(name, path)
    if missing:
        shown = [f"{name} (/{path})" for name, path in sorted(missing.items())]
        more = f" and {len(shown) - _MOST} more" if len(shown) > _MOST else ""
        raise _cannot(
            item,
            f"{made.soname} of {item.path.name} does not export what files of the image import: "
            f"{', '.join(shown[:_MOST])}{more}",
            f"build it in the version of {item.package}, with its version script, and with all of its parts",
        )


def _disk(task: Task, table: SliceTable, path: str) -> Path:
    return task.disk(store_path.parse(table.path)) / "data" / path


def _cannot(item: ReplacedArgs, why: str, hint: str = "") -> BuildError:
    return BuildError(
        f"{item.path.name} cannot replace the package {item.package}",
        where=item.package,
        why=why,
        hint=hint or "a library is replaced by one with the same soname: change `replace`",
    )
