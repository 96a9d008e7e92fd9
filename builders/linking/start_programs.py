"""Find the packages that have the programs which the start script of a container runs."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence

from fpack.builders.payload.commands import PACKAGES
from fpack.builders.payload.globs import merged
from fpack.builders.payload.slice_table import SliceTable

from .essential import CALLS, DEPENDS
from .linker import Reason
from .ranking import RELATED, rank
from .required_files import PATH, SCRIPT

_MAX_SEARCHED = 16  # packages that are searched for one program


def find_packages(
    programs: Sequence[str],
    shell: str,
    script: str,
    available: Collection[str],
    depends: Mapping[str, Sequence[str]],
    server: str,
) -> Generator[list[str], list[SliceTable], dict[str, tuple[SliceTable, Reason]]]:
    """Return the packages that have `programs`, absolute paths, and the reason for each.

    A generator: it yields names of `available` packages to fetch and is sent their tables. script: the path of the
    start script, which `shell` runs. server: the package of the server, whose own dependencies are searched, too.
    """
    known: dict[str, SliceTable] = {}
    found: dict[str, tuple[SliceTable, Reason]] = {}
    for program in programs:
        if any(_has(table, program) for table, _ in found.values()):
            continue
        for name in _candidates(program, available, depends.get(server, ())):
            if name not in known:
                (known[name],) = yield [name]
            if _has(known[name], program):
                kind = SCRIPT if program == shell else CALLS
                found[name] = known[name], Reason(kind, None, f"/{script}", program)
                break
    return found


def complete(
    found: dict[str, tuple[SliceTable, Reason]], available: Collection[str], depends: Mapping[str, Sequence[str]]
) -> Generator[list[str], list[SliceTable], dict[str, tuple[SliceTable, Reason]]]:
    """Return `found` with the declared dependencies that are available."""
    todo = list(found)
    while todo:
        name = todo.pop(0)
        new = [other for other in depends.get(name, ()) if other in available and other not in found]
        for table in (yield new) if new else []:
            found[table.package] = table, Reason(DEPENDS, name, "", table.package)
            todo.append(table.package)
    return found


def _candidates(program: str, available: Collection[str], direct: Sequence[str]) -> Iterator[str]:
    """Yield the available packages that may have a program, the likeliest first."""
    likely = [PACKAGES.get(program.rpartition("/")[2], "")]
    likely += [name for likelihood, name in rank(program, available) if likelihood <= RELATED]
    names = [name for name in dict.fromkeys([*likely, *direct]) if name in available]
    yield from names[:_MAX_SEARCHED]


def _has(table: SliceTable, program: str) -> bool:
    path = merged(program.strip("/"))
    directory, _, name = path.rpartition("/")
    paths = [f"{d}/{name}" for d in PATH] if directory in PATH else [path]
    return any(path in table.entries or path in table.alternatives for path in paths)
