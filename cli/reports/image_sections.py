"""Make the sections of a page about one image: its sizes, content, packages, licences, configuration and provenance."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fpack.builders.debian.suites import show_date
from fpack.cli.comparison.settings import public
from fpack.cli.ui.render import counted, megabytes

from . import drawing
from .contents import MAX_DIGESTS, columns
from .graph import PackageGraph
from .model import (
    CODE,
    LINK,
    NUMBER,
    SIZE,
    Cell,
    Column,
    DataTable,
    Drawing,
    EmptySection,
    FieldList,
    ReportPage,
    Section,
)
from .subject_data import ImageData
from .text import listed

_NO_MANIFEST = "The image has no manifest of fpack"
_UNSTATED = "not stated in a form that can be read"
# The words of an SPDX expression: licences, exceptions, and operators between them.
_WORDS = re.compile(r"[A-Za-z0-9.+-]+")
_OPERATORS = {"AND", "OR", "WITH"}
_SETTINGS = (
    "Entrypoint", "Cmd", "User", "WorkingDir", "Env", "ExposedPorts", "Volumes", "Labels", "StopSignal", "Healthcheck",
)  # fmt: skip


def size_page(data: ImageData) -> ReportPage:
    """Return the page of `fpack size`."""
    return ReportPage(title(data), _facts(data), [treemap(data), layers(data), *files(data)])


def graph_page(name: str, tag: str, graph: PackageGraph) -> ReportPage:
    """Return the page of `fpack graph`."""
    facts = [counted(len(graph.nodes) - 1, "package"), counted(len(graph.edges), "edge")]
    return ReportPage(_named(name, tag), facts, [package_graph(graph), edges(graph)])


def report_page(data: ImageData, further: Sequence[Section]) -> ReportPage:
    """Return the page of `fpack report`. further: sections of other subjects, such as vulnerabilities."""
    found: list[Section] = [summary(data), treemap(data)]
    if data.head is None or data.graph is None:
        found += [layers(data), configuration(data)]
        found.append(
            EmptySection("packages", "Packages", f"{_NO_MANIFEST}: {data.absent}. Packages and files are not known.")
        )
    else:
        found += [packages(data), licences(data), package_graph(data.graph), layers(data), *files(data)]
        found += [configuration(data), *provenance(data)]
    return ReportPage(title(data), _facts(data), [*found, *further])


def title(data: ImageData) -> str:
    """Return the name of an image."""
    return _named(data.name, data.tag)


def _named(name: str, tag: str) -> str:
    return f"{name}:{tag}" if tag else name


def _sizes(data: ImageData) -> tuple[int, int | None]:
    found = data.contents.layers
    unpacked = [layer.unpacked for layer in found if layer.unpacked is not None]
    return sum(layer.size for layer in found), sum(unpacked) if len(unpacked) == len(found) else None


def _facts(data: ImageData) -> list[str]:
    compressed, unpacked = _sizes(data)
    found = [data.platform, f"{megabytes(compressed)} compressed"]
    found += [f"{megabytes(unpacked)} unpacked"] if unpacked is not None else []
    found.append(counted(len(data.contents.layers), "layer"))
    if data.graph is not None:
        found += [counted(len(data.graph.nodes) - 1, "package"), counted(data.contents.total, "file")]
    return found


def summary(data: ImageData) -> FieldList:
    """Return the summary of an image, with what its manifest claims of the origin of its files."""
    compressed, unpacked = _sizes(data)
    rows: list[tuple[str, str | Sequence[str]]] = [("name", title(data)), ("platform", data.platform)]
    rows += [("digest", data.digest)] if data.digest else []
    rows.append(("image id", data.image_id))
    rows.append(("size", f"{megabytes(compressed)} compressed ({compressed} bytes)"))
    rows += [("unpacked", f"{megabytes(unpacked)} ({unpacked} bytes)")] if unpacked is not None else []
    if data.head is None:
        return FieldList("summary", "Summary", rows, f"{_NO_MANIFEST}: {data.absent}.")
    lock = data.head.lock
    if lock.release:
        rows += [("release", f"{lock.release}, {lock.arch}")]
    if lock.suites:
        rows.append(("lock", [f"{show_date(max(suite.date for suite in lock.suites))}, the newest of its indexes"]))
    closure = {
        "linked": "linked: the packages that were requested, and those whose files these load",
        "depends": "depends: the packages that were requested, and all their dependencies",
    }
    rows += [("closure", closure[data.closure])] if data.closure in closure else []
    rows += [("packages", str(len(data.graph.nodes) - 1))] if data.graph is not None else []
    rows.append(("origin of files", list(_claims(data))))
    note = "The origins are those that the manifest states. fpack verify checks them against Debian's signed packages."
    return FieldList("summary", "Summary", rows, note)


def _claims(data: ImageData) -> Iterator[str]:
    claims = data.head.claims if data.head is not None else None
    yield f"{data.contents.total} files and links in all"
    if claims is None:
        return
    for number, words in (
        (claims.package, "as Debian's packages ship them"),
        (claims.configured, "made by maintainer scripts of Debian's packages"),
        (claims.generated, "made by a rule of fpack"),
        (claims.built, "of builds and project files, in store paths"),
        (claims.files, "of the container itself"),
    ):
        if number:
            yield f"{number} {words}"


def treemap(data: ImageData) -> Drawing:
    note = "Select an area to enlarge it; Escape goes back, arrow keys move. "
    if data.head is None:
        note += f"{_NO_MANIFEST}, so only the sizes of layers are known."
    else:
        note += "The compressed size of a part of a layer is estimated by its share of the layer."
    return Drawing("map", "Sizes", columns(data.contents), note + _left_out(data), "treemap")


def _left_out(data: ImageData) -> str:
    named, total = len(data.contents.files), data.contents.total
    if named == total:
        return ""
    size = sum(size for _, size in data.contents.rest.values())
    return (
        f" The largest {named} of {total} files are named; the others have {megabytes(size)} and are counted by part."
    )


def layers(data: ImageData) -> DataTable:
    found = data.contents
    parts: dict[int, list[str]] = {}
    for part in found.parts:
        parts.setdefault(part.layer, []).append(part.name)
    rows: list[list[Cell]] = [
        [at + 1, layer.size, layer.unpacked, listed(parts.get(at, [])) or "not known", digest]
        for at, (layer, digest) in enumerate(zip(found.layers, found.digests, strict=True))
    ]
    names = [Column("layer", NUMBER), Column("compressed", SIZE), Column("unpacked", SIZE), Column("what")]
    return DataTable("layers", "Layers", [*names, Column("digest", CODE)], rows)


def files(data: ImageData) -> list[Section]:
    """Return the section of the image's files, if they are known. It shares its content with the treemap."""
    if data.head is None:
        return []
    note = _left_out(data).strip()
    if len(data.contents.files) > MAX_DIGESTS:
        note += f" The page has no digests of files, because it names more than {MAX_DIGESTS}; fpack trace tells them."
    return [Drawing("files", "Files", None, note.strip(), "files")]


def packages(data: ImageData) -> DataTable:
    assert data.head is not None and data.graph is not None
    pins = {pin.name: pin for pin in data.head.lock.packages}
    rows: list[list[Cell]] = []
    for node in data.graph.nodes[1:]:
        pin, about = pins.get(node.name), data.about.get(node.name)
        source = f"{pin.source} {pin.source_version}" if pin is not None else ""
        known = [about.licence, about.homepage, about.description] if about is not None else ["", "", ""]
        rows.append([node.name, node.version, node.size, source, known[0], node.reason, *known[1:]])
    told = sum(node.name in data.about for node in data.graph.nodes[1:])
    columns = [Column("package"), Column("version"), Column("unpacked", SIZE), Column("source"), Column("licence")]
    columns += [Column("why"), Column("homepage", LINK), Column("description")]
    note = "" if told == len(rows) else _no_facts(told, len(rows))
    return DataTable("packages", "Packages", columns, rows, note, empty="The image has no packages.")


def _no_facts(known: int, packages: int) -> str:
    return (
        f"Licences and homepages are known of {known} of {packages} packages, by a bill in the image or the store of "
        "this machine. A page of an attribute has all."
    )


def licences(data: ImageData) -> DataTable:
    """Return the table of licences, each with the packages whose expression has it."""
    by: dict[str, list[str]] = {}
    for name, about in sorted(data.about.items()):
        for licence in sorted(licence_names(about.licence)) or [_UNSTATED]:
            by.setdefault(licence, []).append(name)
    rows: list[list[Cell]] = [
        [licence, len(names), listed(names, 60)]
        for licence, names in sorted(by.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
    note = "Declared by the copyright files of packages. The table of packages has the whole expression of each."
    columns = [Column("licence"), Column("packages", NUMBER), Column("names")]
    empty = "No data: the image carries no bill of materials, and the store of this machine does not know its packages."
    return DataTable("licences", "Licences", columns, rows, note if rows else "", empty)


def licence_names(expression: str) -> set[str]:
    """Return the licences and exceptions of an SPDX expression."""
    words = set(_WORDS.findall(expression)) - _OPERATORS
    return {"a text that SPDX does not list" if word.startswith("LicenseRef-") else word for word in words}


def package_graph(graph: PackageGraph) -> Section:
    """Return the drawing of the packages, or why there is none."""
    if why := drawing.too_large(graph):
        return EmptySection(
            "graph", "Graph", f"The graph is not drawn: {why}. fpack graph --dot writes it for Graphviz."
        )
    if len(graph.nodes) == 1:
        return EmptySection("graph", "Graph", "The image has no packages.")
    note = (
        "Blue: by which package each came into the image. Grey: other needs; those that follow from drawn ones are "
        "shown for a chosen package, or by `all edges`."
    )
    return Drawing("graph", "Graph", drawing.for_page(graph), note, "graph")


def edges(graph: PackageGraph) -> DataTable:
    """Return the table of all edges with their reasons."""
    from .graph import edge_text

    rows: list[list[Cell]] = [
        [graph.nodes[edge.start].name, graph.nodes[edge.end].name, edge_text(edge)] for edge in graph.edges
    ]
    return DataTable("edges", "Edges", [Column("package"), Column("needs"), Column("because")], rows)


def configuration(data: ImageData) -> FieldList:
    """Return the settings that runtimes apply."""
    from fpack.builders.verify import documents

    found = documents.settings(data.configuration)
    rows = [(name, list(_values(found[name]))) for name in _SETTINGS if found.get(name)]
    rows += [(str(name), list(_values(found[name]))) for name in sorted(found.keys() - {*_SETTINGS})]
    note = "" if rows else "The configuration is empty."
    return FieldList("configuration", "Configuration", rows, note)


def _values(value: Any) -> Iterator[str]:
    """Yield the lines of a setting, whatever its type is, without secrets: a page is passed on."""
    if isinstance(value, Mapping):
        for name, item in sorted(value.items()):
            text = item if isinstance(item, str) else _json(item)
            yield str(name) if item in ({}, None) else f"{name} = {public(str(name), text)}"
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        for item in value:
            name, sign, text = item.partition("=")
            yield f"{name}={public(name, text)}" if sign and name.isidentifier() else public("", item)
    else:
        yield public("", value if isinstance(value, str) else _json(value))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def provenance(data: ImageData) -> list[Section]:
    """Return the sections of what the image was made from."""
    head = data.head
    assert head is not None
    rows: list[tuple[str, str | Sequence[str]]] = [
        ("fpack", head.fpack),
        ("store path", head.image.path),
        ("derivation", head.image.derivation),
        ("manifest", f"format {head.format}"),
    ]
    rows += [("executor", head.executor)] if head.executor else []
    columns = [Column("suite"), Column("archive"), Column("date"), Column("sha256 of the signed release", CODE)]
    suites: list[list[Cell]] = [[s.suite, s.archive, show_date(s.date), s.sha256] for s in head.lock.suites]
    sources: list[list[Cell]] = [
        [
            item.name,
            item.kind,
            item.size,
            listed([public("", url) for url in item.urls], 2),
            item.sha256 or item.tree or listed(item.hashes, 2),
        ]
        for item in head.sources
        if item.kind != "fetch" or not item.urls or not item.urls[0].endswith(".deb")
    ]
    debs = [Column("package"), Column("size", SIZE), Column("file"), Column("sha256", CODE)]
    inside = {node.name for node in data.graph.nodes[1:]} if data.graph is not None else set()
    files: list[list[Cell]] = [
        [pin.name, pin.size, pin.file, pin.sha256] for pin in head.lock.packages if pin.name in inside
    ]
    return [
        FieldList("provenance", "Provenance", rows),
        DataTable("releases", "Signed releases", columns, suites, empty="The image has no packages of an archive."),
        DataTable("debs", "Files of the archive", debs, files, empty="The image has no packages of an archive."),
        DataTable(
            "inputs",
            "Other inputs",
            [Column("input"), Column("kind"), Column("size", SIZE), Column("addresses"), Column("digest", CODE)],
            sources,
            empty="The image was made of packages alone.",
        ),
    ]
