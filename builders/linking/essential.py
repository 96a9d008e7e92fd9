"""Add the Essential packages that a root with declared dependencies needs without declaring them.

Debian packages need not declare dependencies on Essential packages such as the shell, perl-base or coreutils, and many
images run none of them. This module adds what the files of the declared packages call: the interpreters of scripts, the
commands in shell scripts, the shell for programs that call `system()`, and descriptions of terminals for programs that
draw on one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence

from fpack.builders.payload.commands import PACKAGES
from fpack.builders.payload.slice_table import SliceTable

from .linker import Fetch, LinkResult, Reason, link
from .required_files import SCRIPT, RequiredFile, is_function

DEPENDS, CALLS, TERMINAL = "depends", "calls", "terminal"
# Their scripts are run by maintainer scripts, administrators or developers of a Debian system, not by programs in a
# container.
MAINTENANCE = frozenset(
    {
        *(
            "adduser",
            "base-files",
            "ca-certificates",
            "cdebconf",
            "debconf",
            "dpkg",
            "init-system-helpers",
            "install-info",
        ),
        *("install-info", "libpam-runtime", "perl", "sgml-base", "systemd", "tzdata", "ucf", "xml-core"),
    }
)
# The libraries of interpreters. They call programs for few of their functions.
_OWN_LIBRARIES = re.compile(
    r"usr/(?:share/perl|lib/[^/]+/perl|lib/[^/]+/perl-base|lib/python3\.[0-9]+|lib/ruby/(?:gems|[0-9.]+))/"
)
_TERMINAL_LIBRARY, _TERMINALS = "libtinfo.so.", "ncurses-base"


def complete(
    declared: Sequence[SliceTable],
    asked: Collection[str],
    depends: Mapping[str, Sequence[str]],
    spare: Collection[str],
    arch: str,
    built: Sequence[SliceTable] = (),
) -> Fetch:
    """Return `declared` and the packages of `spare` that it needs.

    A generator: it yields package names to fetch and is sent their tables. asked: the requested packages, all of whose
    scripts count. depends: the dependencies of each package. spare: the available Essential packages and their
    dependencies, without `declared`. built: additional seeds, all of whose files are considered; they are part of the
    result.
    """
    own = {table.package for table in built}
    active = {table.package for table in declared} - (MAINTENANCE - set(asked))

    def counts(required: RequiredFile) -> bool:
        return required.package in own or (required.kind == SCRIPT and required.package in active)

    found: LinkResult = yield from link([*declared, *built], depends, (), arch, counts)
    tables = {table.package: table for table in found.tables}
    reasons = dict(found.reasons)
    for table in declared:
        if table.package in active:
            yield from _add(_called(table), spare, tables, reasons)
    todo = [name for name in tables if name in spare]
    while todo:
        name = todo.pop(0)
        new = [n for n in depends.get(name, ()) if n in spare and n not in tables]
        for table in (yield new) if new else []:
            tables[table.package] = table
            reasons[table.package] = Reason(DEPENDS, name, "", table.package)
            todo.append(table.package)
    yield from _add(_terminals(list(tables.values())), spare, tables, reasons)
    return LinkResult(list(tables.values()), reasons, found.missing)


def _add(
    wanted: Iterator[tuple[str, Reason]],
    spare: Collection[str],
    tables: dict[str, SliceTable],
    reasons: dict[str, Reason],
) -> Generator[list[str], list[SliceTable], None]:
    """Fetch the wanted packages that are available and not included yet."""
    new: dict[str, Reason] = {}
    for name, reason in wanted:
        if name in spare and name not in tables:
            new.setdefault(name, reason)
    for table in (yield list(new)) if new else []:
        tables[table.package] = table
        reasons[table.package] = new[table.package]


def _called(table: SliceTable) -> Iterator[tuple[str, Reason]]:
    """Yield the Essential packages whose commands the files of a package call."""
    for path, entry in sorted(table.entries.items()):
        if entry.facts is None or not entry.facts.commands or not is_function(path):
            continue
        if not own_library(path):
            for command in entry.facts.commands:
                yield PACKAGES[command], Reason(CALLS, table.package, f"/{path}", command)


def own_library(path: str) -> bool:
    """Return whether a file belongs to the library of an interpreter."""
    return _OWN_LIBRARIES.match(path) is not None


def _terminals(tables: Sequence[SliceTable]) -> Iterator[tuple[str, Reason]]:
    """Yield the package of terminal descriptions if a package has the library that reads them."""
    for table in tables:
        for name, paths in table.libraries.items():
            if name.startswith(_TERMINAL_LIBRARY):
                yield _TERMINALS, Reason(TERMINAL, table.package, f"/{paths[0]}", "the descriptions of terminals")
