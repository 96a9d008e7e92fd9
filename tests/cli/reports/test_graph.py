"""The graph of packages: the reason of each edge, and its drawings."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest
from fpack.builders.manifest.dependencies import PackageLoad
from fpack.cli.images.inspect import ImageSlice
from fpack.cli.reports import drawing
from fpack.cli.reports.graph import MAX_REASONS, PackageGraph, chain, edge_text, package_graph
from support.attacks.hostile_names import ATTACKS, MARK


def slice_of(name: str, by: str | None, kind: str = "seed", file: str = "", what: str = "") -> ImageSlice:
    return ImageSlice(name, "1.0", f"/fpack/store/{'0' * 32}-{name}", by, kind, file, what)


PACKAGES = [
    slice_of("psql", None),
    slice_of("libpq5", "psql", "needed", "usr/bin/psql", "libpq.so.5"),
    slice_of("libc6", "libpq5", "needed", "usr/lib/libpq.so.5", "libc.so.6"),
]
SIZES = {"psql": 10, "libpq5": 20, "libc6": 3_000_000}
NEEDS = {"psql": ["libpq5", "libc6"], "libpq5": ["libc6"], "libc6": []}
LOADS = [
    PackageLoad("psql", "libpq5", "needed", "usr/bin/psql", "libpq.so.5"),
    PackageLoad("psql", "libc6", "needed", "usr/bin/psql", "libc.so.6"),
    PackageLoad("psql", "libc6", "needed", "usr/bin/createdb", "libc.so.6"),
    PackageLoad("psql", "libc6", "interp", "usr/bin/psql", "/lib64/ld.so"),
    PackageLoad("libpq5", "libc6", "needed", "usr/lib/libpq.so.5", "libc.so.6"),
]
GRAPH = package_graph(("db", "17"), PACKAGES, SIZES, NEEDS, LOADS)
HOSTILE = package_graph(
    (ATTACKS[0], ATTACKS[1]),
    [slice_of(text, None, "needed", text, text)._replace(version=text) for text in ATTACKS],
    {},
    {ATTACKS[0]: ATTACKS},
    (),
)


def reasons(graph: PackageGraph) -> dict[tuple[str, str], str]:
    return {(graph.nodes[edge.start].name, graph.nodes[edge.end].name): edge_text(edge) for edge in graph.edges}


def test_each_edge_has_its_reasons() -> None:
    assert [node.name for node in GRAPH.nodes] == ["db", "libc6", "libpq5", "psql"]
    assert reasons(GRAPH) == {
        ("db", "psql"): "requested",
        ("psql", "libpq5"): "/usr/bin/psql needs libpq.so.5",
        ("libpq5", "libc6"): "/usr/lib/libpq.so.5 needs libc.so.6",
        ("psql", "libc6"): "/usr/bin/psql is started by /lib64/ld.so; "
        "/usr/bin/createdb needs libc.so.6, and 1 other file",
    }
    assert [GRAPH.nodes[at].name for at in chain(GRAPH, 1)] == ["db", "psql", "libpq5", "libc6"]
    assert {(edge.start, edge.end) for edge in GRAPH.edges if edge.primary} == {(0, 3), (3, 2), (2, 1)}


def test_a_reason_that_the_manifest_does_not_tell_is_not_invented() -> None:
    graph = package_graph(("db", "17"), PACKAGES, SIZES, NEEDS, ())
    assert reasons(graph)["psql", "libc6"] == "needed; the manifest does not say which files load it"
    assert reasons(graph)["psql", "libpq5"] == "/usr/bin/psql needs libpq.so.5"


def test_many_reasons_are_counted() -> None:
    loads = [PackageLoad("psql", "libpq5", "needed", "usr/bin/psql", f"lib{n}.so") for n in range(9)]
    edge = next(
        e for e in package_graph(("db", ""), PACKAGES, SIZES, NEEDS, loads).edges if e.start == 3 and e.end == 2
    )
    assert len(edge.reasons) == MAX_REASONS and edge.more == 6 and edge_text(edge).endswith("; 6 more")


def test_a_package_that_is_brought_in_by_itself_or_in_a_circle_does_not_hang() -> None:
    circle = [slice_of("a", "b", "depends"), slice_of("b", "a", "depends"), slice_of("c", "c", "depends")]
    graph = package_graph(("x", ""), circle, {}, {"a": ["b", "nowhere"]}, ())
    assert chain(graph, 1) == [2, 1] and chain(graph, 3) == [3]
    assert "".join(drawing.svg(graph)) and "".join(drawing.dot(graph))


# What Graphviz reads as a string: only \" ends no string, and \\ is a backslash.
STRING = r'"(?:[^"\\]|\\.)*"'
ATTRIBUTE = rf"[a-z]+=(?:{STRING}|bold)"
LINE = re.compile(rf'  (?:n\d+(?: -> n\d+)? \[{ATTRIBUTE}(?:, {ATTRIBUTE})*\];|rankdir="LR";|(?:node|edge) \[.*\];)')


@pytest.mark.parametrize("graph", [GRAPH, HOSTILE])
def test_dot_is_quoted(graph: PackageGraph) -> None:
    first, *lines, last = drawing.dot(graph)
    assert (first, last) == ("digraph packages {", "}")
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    assert sum(" -> " in line and line.startswith("  n") for line in lines) == len(graph.edges)
    assert all(line.isprintable() for line in lines)


def test_dot_shows_entities_and_escapes_as_they_are() -> None:
    graph = package_graph(('a&lt;\\N"b', ""), [], {}, {}, ())
    assert r'label="a&amp;lt;\\N\"b\n0 B"' in "\n".join(drawing.dot(graph))


@pytest.mark.parametrize("graph", [GRAPH, HOSTILE])
def test_svg_is_well_formed_and_has_each_package(graph: PackageGraph) -> None:
    text = "\n".join(drawing.svg(graph))
    root = ElementTree.fromstring(text)
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert names == {"svg", "title", "style", "path", "polygon", "g", "rect", "text"}
    assert len(root.findall(".//{*}g")) == len(graph.nodes)
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not {name for name in attributes if name.startswith("on") or "href" in name}
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", text).replace(f"@import 'http://127.0.0.1:9/{MARK}'", "")


def test_the_same_graph_gives_the_same_drawing() -> None:
    again = package_graph(("db", "17"), PACKAGES[::-1], SIZES, dict(reversed(NEEDS.items())), LOADS[::-1])
    assert [*drawing.svg(again)] == [*drawing.svg(GRAPH)] and [*drawing.dot(again)] == [*drawing.dot(GRAPH)]


def test_the_path_from_the_image_is_drawn_from_left_to_right() -> None:
    places = drawing.placed(GRAPH)
    way = [places.nodes[node][0] for node in chain(GRAPH, 1)]
    assert all(a < b for a, b in pairwise(way))


def test_a_graph_that_is_too_large_is_not_drawn() -> None:
    names = [f"p{number}" for number in range(drawing.MAX_NODES)]
    graph = package_graph(("x", ""), [slice_of(name, None) for name in names], {}, {}, ())
    assert f"it has {drawing.MAX_NODES} packages" in drawing.too_large(graph)
    assert not drawing.too_large(HOSTILE)
