"""The Essential packages that a root by declared dependencies needs, though nothing in it declares so.

Debian's packages need not declare that they depend on an Essential package: the shell, perl-base, coreutils. Most
images run nothing of them. Those come in that a script of a package that was asked for begins with; and where a program
is a shell script, the tools that such scripts take for granted come with the shell.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from fpack.builders.payload import meta
from fpack.builders.payload.slice_table import SliceTable

from .linker import Fetch, Linked, Reason, link
from .required_files import PATH, SCRIPT, Demand

DEPENDS = "depends"
# What a shell script may call without saying so.
TOOLS = ("coreutils", "diffutils", "findutils", "grep", "gzip", "hostname", "mawk", "sed", "tar")
_SHELLS = {"sh", "bash", "dash"}


def complete(
    declared: Sequence[SliceTable],
    asked: Collection[str],
    depends: Mapping[str, Sequence[str]],
    spare: Collection[str],
    arch: str,
    built: Sequence[SliceTable] = (),
) -> Fetch:
    """`declared` and what it needs of `spare`: a generator that yields names to fetch and is sent their tables.

    asked: the packages that were asked for. depends: what each package of both depends on. spare: the Essential
    packages that can be had, with all that they depend on, less what is declared. built: seeds of which all counts that
    they load; they are in the result as well.
    """
    own = {table.package for table in built}

    def counts(demand: Demand) -> bool:
        return demand.package in own or (demand.kind == SCRIPT and demand.package in asked)

    found: Linked = yield from link([*declared, *built], depends, (), arch, counts)
    tables = {table.package: table for table in found.tables}
    reasons = dict(found.reasons)
    script = next((path for table in declared if table.package in asked for path in _shell_scripts(table)), None)
    if script is not None:
        wanted = [name for name in TOOLS if name in spare and name not in tables]
        for table in (yield wanted) if wanted else []:
            tables[table.package] = table
            reasons[table.package] = Reason(SCRIPT, script[0], "/" + script[1], "a shell's tools")
    todo = [name for name in tables if name in spare]
    while todo:
        name = todo.pop(0)
        new = [n for n in depends.get(name, ()) if n in spare and n not in tables]
        for table in (yield new) if new else []:
            tables[table.package] = table
            reasons[table.package] = Reason(DEPENDS, name, "", table.package)
            todo.append(table.package)
    return Linked(list(tables.values()), reasons, found.missing)


def _shell_scripts(table: SliceTable) -> list[tuple[str, str]]:
    """(package, path) of the programs of a package that are shell scripts."""
    return [
        (table.package, path)
        for path, entry in sorted(table.entries.items())
        if entry.kind == meta.FILE
        and entry.facts is not None
        and not entry.facts.machine
        and path.rpartition("/")[0] in PATH
        and (_SHELLS & {entry.facts.interp.rpartition("/")[2], *entry.facts.needed})
    ]
