"""Add the Essential packages that a root with declared dependencies needs without declaring them.

Debian packages need not declare dependencies on Essential packages such as the shell, perl-base or coreutils, and most
images run none of them. This module adds the interpreters of scripts in requested packages. If a program of a requested
package is a shell script, it also adds the tools that shell scripts commonly call.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from fpack.builders.payload import meta
from fpack.builders.payload.slice_table import SliceTable

from .linker import Fetch, LinkResult, Reason, link
from .required_files import PATH, SCRIPT, RequiredFile

DEPENDS = "depends"
# Packages with the tools that shell scripts call.
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
    """Return `declared` and the packages of `spare` that it needs.

    A generator: it yields package names to fetch and is sent their tables. asked: the requested packages. depends: the
    dependencies of each package. spare: the available Essential packages and their dependencies, without `declared`.
    built: additional seeds, all of whose files are considered; they are part of the result.
    """
    own = {table.package for table in built}

    def counts(required: RequiredFile) -> bool:
        return required.package in own or (required.kind == SCRIPT and required.package in asked)

    found: LinkResult = yield from link([*declared, *built], depends, (), arch, counts)
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
    return LinkResult(list(tables.values()), reasons, found.missing)


def _shell_scripts(table: SliceTable) -> list[tuple[str, str]]:
    """Return (package, path) of each program of a package that is a shell script."""
    return [
        (table.package, path)
        for path, entry in sorted(table.entries.items())
        if entry.kind == meta.FILE
        and entry.facts is not None
        and not entry.facts.machine
        and path.rpartition("/")[0] in PATH
        and (_SHELLS & {entry.facts.interp.rpartition("/")[2], *entry.facts.needed})
    ]
