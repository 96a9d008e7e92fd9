"""Generate dpkg's database of the packages of a root, for programs that read it: debsums, reportbug, dpkg itself.

It lists the files that the root has, not those that slices leave out. Source: dpkg's lib/dpkg, deb-md5sums(5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fpack.builders.debian.control import parse_stanza
from fpack.builders.payload import meta
from fpack.builders.payload.parents import all_parents
from fpack.builders.payload.slice_table import SliceTable
from fpack.builders.protocol import Task
from fpack.store import path as store_path

from .compose import Composition
from .generated_files import GeneratedFile, text

RULE = "dpkg-database"
PACKAGE = "dpkg"  # roots without it have no database
ADMIN = "var/lib/dpkg"
STATUS = f"{ADMIN}/status.d"
MAX_STANZA = 1 << 20  # bytes
_CONFIGURATION = "etc/"  # dpkg keeps the digests of configuration files elsewhere


def of_packages(task: Task, composition: Composition, tables: Sequence[SliceTable]) -> Iterator[GeneratedFile]:
    """Yield the files of dpkg's database, if the root has dpkg."""
    if not any(table.package == PACKAGE for table in tables):
        return
    stanzas = {}
    for table in tables:
        path = f"{STATUS}/{table.package}"
        disk = task.disk(store_path.parse(table.path)) / "data" / path
        content = meta.read_file(disk, table.entries[path].blake3, MAX_STANZA)
        stanzas[table.package] = content.decode("utf-8", "surrogateescape")
    yield from files(composition, tables, stanzas)


def files(
    composition: Composition, tables: Sequence[SliceTable], stanzas: Mapping[str, str]
) -> Iterator[GeneratedFile]:
    """Yield the files of the database. stanzas: the record of each package in dpkg's status."""
    ordered = sorted(tables, key=lambda table: table.package)
    status = "\n".join(f"{stanzas[table.package].rstrip(chr(10))}\n" for table in ordered)
    yield text(f"{ADMIN}/status", status, RULE)
    yield text(f"{ADMIN}/available", "", RULE)
    yield text(f"{ADMIN}/info/format", "1\n", RULE)
    for name in ("updates", "triggers"):
        if not composition.has(f"{ADMIN}/{name}"):
            yield GeneratedFile(meta.TreeEntry(f"{ADMIN}/{name}", meta.DIRECTORY, 0o755), RULE)
    for table in ordered:
        fields = parse_stanza(stanzas[table.package])
        same = fields.get("multi-arch") == "same"
        stem = f"{ADMIN}/info/{table.package}" + (f":{fields['architecture']}" if same else "")
        own = [path for path in table.entries if _is_shown(composition, table, path) and not path.startswith(STATUS)]
        listed = "".join(f"/{path}\n" for path in sorted(all_parents(own).union(own)))
        yield text(f"{stem}.list", f"/.\n{listed}", RULE)
        sums = [
            (table.path, path, table.entries[path].blake3)
            for path in sorted(own)
            if table.entries[path].kind == meta.FILE and not path.startswith(_CONFIGURATION)
        ]
        if sums:
            yield text(f"{stem}.md5sums", "", RULE)._replace(sources=sums, md5=True)


def _is_shown(composition: Composition, table: SliceTable, path: str) -> bool:
    """Return whether a root has a path of a slice, and has it from this slice unless it is a directory."""
    if table.entries[path].kind == meta.DIRECTORY:
        return path in composition.directories
    return path in composition.files and composition.files[path][0] is table
