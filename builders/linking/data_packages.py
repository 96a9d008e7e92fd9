"""Add packages of data to a linked root: no file refers to them, and programs open their files by path."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from fpack.builders.payload import meta
from fpack.builders.payload.slice_table import SliceTable

from .linker import Fetch, LinkResult, Reason
from .required_files import DATA, PATH

# Files that every package has, which are not its data.
_ABOUT = ("usr/share/doc/", "var/lib/dpkg/")
_CODE = (".el", ".go", ".h", ".jar", ".js", ".lua", ".php", ".pl", ".pm", ".py", ".rb", ".tcl")


def with_data(found: LinkResult, depends: Mapping[str, Sequence[str]], candidates: Collection[str]) -> Fetch:
    """Return `found` and the candidates that its packages depend on and that have nothing but data.

    A generator: it yields package names to fetch and is sent their tables.
    """
    reasons = dict(found.reasons)
    tables = list(found.tables)
    todo = list(reasons)
    while todo:
        package = todo.pop()
        wanted = [name for name in depends.get(package, ()) if name in candidates and name not in reasons]
        for table in (yield wanted) if wanted else []:
            if _is_data(table):
                tables.append(table)
                reasons[table.package] = Reason(DATA, package, "", "its data")
                todo.append(table.package)
    return LinkResult(tables, reasons, found.missing)


def _is_data(table: SliceTable) -> bool:
    """Return whether a package has files, none of which is a program, a library or a module of a language."""
    files = [entry for entry in table.entries.values() if entry.kind != meta.DIRECTORY]
    return any(not entry.path.startswith(_ABOUT) for entry in files) and not any(
        (entry.facts is not None and (entry.facts.machine or entry.executable))
        or entry.path.rpartition("/")[0] in PATH
        or entry.path.endswith(_CODE)
        for entry in files
    )
