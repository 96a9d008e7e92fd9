"""Make the page of a comparison of two images or locks, from its plain data: that of `fpack diff --json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fpack.cli.ui.render import counted, megabytes

from .model import BADGE, CODE, NUMBER, SIZE, Cell, Column, DataTable, EmptySection, FieldList, ReportPage, Section
from .text import listed

Record = Mapping[str, Any]

MAX_LINES = 40  # of a changelog entry


def comparison_page(data: Record) -> ReportPage:
    old, new = data["old"], data["new"]
    facts = [
        f"{counted(len(data['packages']), 'package')} differ",
        f"{counted(len(data['files']), 'file')} differ",
        f"{_signed(new['unpacked'] - old['unpacked'])} unpacked",
    ]
    return ReportPage(f"{_name(old)} → {_name(new)}", facts, comparison_sections(data))


def comparison_sections(data: Record) -> list[Section]:
    """Return the sections of a comparison, which may be on a page with others."""
    return [
        _sides(data["old"], data["new"]),
        _packages(data["packages"]),
        _vulnerabilities(data["vulnerabilities"]),
        _changelogs(data["changelogs"]),
        _sizes(data["sizes"]),
        _files(data["files"]),
        *_further(data),
    ]


def _name(side: Record) -> str:
    """Return the name of a side without the directory of a file, which is no matter of a page."""
    name = str(side["name"])
    return name if "#" in name else name.rstrip("/").rpartition("/")[2] or name


def _signed(size: int) -> str:
    return f"{'+' if size > 0 else '−' if size < 0 else '±'}{megabytes(abs(size))}"


def _sides(old: Record, new: Record) -> Section:
    """Return what the two sides are."""
    rows: list[list[Cell]] = [
        [side, _name(item), item["form"], item["packages"], item["compressed"], item["unpacked"], item["digest"]]
        for side, item in (("old", old), ("new", new))
    ]
    columns = [Column("side"), Column("name"), Column("form"), Column("packages", NUMBER)]
    columns += [Column("compressed", SIZE), Column("unpacked", SIZE), Column("digest", CODE)]
    return DataTable("diff-sides", "Compared", columns, rows)


def _packages(changes: Sequence[Record]) -> Section:
    rows: list[list[Cell]] = [
        [
            item["name"],
            item["change"],
            item["movement"],
            _field(item["old"], "version"),
            _field(item["new"], "version"),
            item["source"],
            _field(item["old"], "size"),
            _field(item["new"], "size"),
        ]
        for item in changes
    ]
    columns = [Column("package"), Column("change", BADGE), Column("movement"), Column("old"), Column("new")]
    columns += [Column("source"), Column("old .deb", SIZE), Column("new .deb", SIZE)]
    return DataTable("diff-packages", "Packages", columns, rows, empty="No package differs.")


def _field(side: Record | None, name: str) -> Any:
    return side[name] if side is not None else None


def _vulnerabilities(found: Record | None) -> Section:
    """Return the section of vulnerabilities that one side alone has."""
    if found is None:
        note = "No data: nobody looked for vulnerabilities, so this page says nothing about them."
        return EmptySection("diff-vulnerabilities", "Vulnerabilities", note)
    rows: list[list[Cell]] = [
        [item["id"], change, item["severity"], item["package"], item["version"], item["status"], item["description"]]
        for change in ("new", "fixed")
        for item in found[change]
    ]
    columns = [Column("id"), Column("change", BADGE), Column("severity", BADGE), Column("source"), Column("version")]
    columns += [Column("status", BADGE), Column("description")]
    note = f"Both sides have {found['remaining']} others."
    if found["without"]:
        note += f" No data about {listed(found['without'])}, so nothing is said about these."
    return DataTable("diff-vulnerabilities", "Vulnerabilities", columns, rows, note, "None is fixed, and none is new.")


def _changelogs(items: Sequence[Record]) -> Section:
    """Return the entries of Debian's changelogs between the two versions."""
    rows: list[list[Cell]] = []
    for item in items:
        for entry in item["entries"]:
            left = len(entry["lines"]) - MAX_LINES
            lines = [*entry["lines"][:MAX_LINES], *([f"({left} lines more)"] if left > 0 else [])]
            text = " ".join(line.strip() for line in lines if line.strip())
            rows.append(
                [item["source"], entry["version"], entry["date"], entry["urgency"], listed(entry["cves"], 20), text]
            )
        if not item["entries"]:
            rows.append([item["source"], item["new"], "", "", "", f"not known: {item['absent'] or 'there are none'}"])
    columns = [
        Column("source"),
        Column("version"),
        Column("date"),
        Column("urgency"),
        Column("CVE ids"),
        Column("text"),
    ]
    return DataTable("diff-changelogs", "Changelogs", columns, rows, empty="There are no entries.")


def _sizes(items: Sequence[Record]) -> Section:
    rows: list[list[Cell]] = [
        [item["owner"] or "the container", item["old"], item["new"], _signed(item["new"] - item["old"])]
        for item in sorted(items, key=lambda item: (-abs(item["new"] - item["old"]), item["owner"]))
    ]
    columns = [Column("part"), Column("old", SIZE), Column("new", SIZE), Column("difference")]
    return DataTable("diff-sizes", "Sizes", columns, rows, "The largest difference first.", "No size differs.")


def _files(items: Sequence[Record]) -> Section:
    rows: list[list[Cell]] = []
    for item in items:
        parts = "; ".join(_parts(item)) if item["change"] == "changed" else ""
        sizes = [_field(item["old"], "size"), _field(item["new"], "size")]
        rows.append([item["path"], item["change"], item["package"], *sizes, parts])
    columns = [Column("path", CODE), Column("change", BADGE), Column("of"), Column("old", SIZE), Column("new", SIZE)]
    return DataTable("diff-files", "Files", [*columns, Column("what")], rows, empty="No file differs.")


def _parts(item: Record) -> Iterator[str]:
    """Yield what of a file changed, with the values that are short enough to read."""
    old, new = item["old"], item["new"]
    for part in item["parts"]:
        if part == "owner":
            yield f"owner {old['uid']}:{old['gid']} → {new['uid']}:{new['gid']}"
        elif part in ("mode", "kind", "target"):
            yield f"{part} {old[part]} → {new[part]}"
        else:
            yield str(part)


def _further(data: Record) -> list[Section]:
    """Return the sections of licences and settings."""
    licences: list[list[Cell]] = [[item["package"], item["old"], item["new"]] for item in data["licences"]]
    settings = [
        (str(item["name"]), [f"old: {_value(item['old'])}", f"new: {_value(item['new'])}"]) for item in data["settings"]
    ]
    columns = [Column("package"), Column("old"), Column("new")]
    found: list[Section] = [
        DataTable("diff-licences", "Licences", columns, licences, empty="No licence is known to differ.")
    ]
    note = "" if settings else "No setting of the container differs."
    return [*found, FieldList("diff-configuration", "Configuration", settings, note)]


def _value(value: str | None) -> str:
    return "none" if value is None else value
