"""Draw the graph of packages: as Graphviz's language, as SVG, and as data for a page's script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from fpack.cli.ui.render import megabytes

from .graph import GraphEdge, GraphNode, PackageGraph, chain, edge_text
from .layout import NODE_HEIGHT, NODE_WIDTH, GraphLayout, layered
from .text import visible

MAX_NODES, MAX_EDGES = 600, 8000  # with more, a graph is not drawn as SVG or in a page
MAX_REASON = 300  # characters of a reason in a page
MAX_LABEL = 25  # characters that fit in a node

_STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1b1f24; }
  rect { fill: #ffffff; stroke: #8a94a0; } .image rect { fill: #e8f0fa; stroke: #0b57a4; }
  path { fill: none; stroke: #b4bcc6; } .primary { stroke: #0b57a4; stroke-width: 1.5; } polygon { fill: #6b7580; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e4e7eb; } rect { fill: #1d2127; stroke: #6b7580; } .image rect { fill: #14304f; stroke: #7ab5f5; }
    path { stroke: #4a525c; } .primary { stroke: #7ab5f5; } polygon { fill: #8a94a0; }
  }
"""


def too_large(graph: PackageGraph) -> str:
    """Return why a graph is not drawn, or "" if it can be."""
    nodes, edges = len(graph.nodes), len(graph.edges)
    if nodes <= MAX_NODES and edges <= MAX_EDGES:
        return ""
    return f"it has {nodes - 1} packages and {edges} edges; the limits are {MAX_NODES - 1} and {MAX_EDGES}"


def dot(graph: PackageGraph) -> Iterator[str]:
    """Yield the lines of the graph in Graphviz's language. Each edge has its reasons as its tooltip and its label."""
    yield "digraph packages {"
    yield '  rankdir="LR";'
    yield '  node [shape="box", fontname="sans-serif", fontsize="10"];'
    yield '  edge [fontname="sans-serif", fontsize="8", color="#8a94a0"];'
    for number, node in enumerate(graph.nodes):
        label = _dot(f"{_name(node)}\n{megabytes(node.size)}")
        tip = _dot(_name(node) + (f": {visible(node.reason)}" if node.reason else ""))
        yield f"  n{number} [label={label}, tooltip={tip}{', style=bold' if not number else ''}];"
    for edge in graph.edges:
        text = _dot(visible(edge_text(edge)))
        label = f", label={_dot(visible(edge.reasons[0]))}" if edge.reasons and edge.primary else ""
        colour = ', color="#0b57a4"' if edge.primary else ""
        yield f"  n{edge.start} -> n{edge.end} [tooltip={text}{label}{colour}];"
    yield "}"


def _dot(text: str) -> str:
    """Return a string of Graphviz's language. It reads backslashes in labels, and HTML's entities everywhere."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;").replace("\n", "\\n")
    return f'"{quoted}"'


def svg(graph: PackageGraph) -> Iterator[str]:
    """Yield the lines of a drawing of the graph, which needs no program to lay it out."""
    layout = placed(graph)
    title = visible(_name(graph.nodes[0]))
    size = f'width="{layout.width}" height="{layout.height}" viewBox="0 0 {layout.width} {layout.height}"'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label={quoteattr(f"Packages of {title}")}>'
    yield f"<title>{escape(f'Packages of {title}')}</title>"
    yield f"<style>{_STYLE}</style>"
    for edge in sorted(graph.edges, key=lambda edge: edge.primary):
        points = layout.paths.get((edge.start, edge.end))
        if points is not None:
            text = f"{_name(graph.nodes[edge.start])} → {_name(graph.nodes[edge.end])}: {edge_text(edge)}"
            mark = ' class="primary"' if edge.primary else ""
            yield f'<path{mark} d="{curve(points)}"><title>{escape(visible(text))}</title></path>'
            yield f'<polygon points="{_arrow(points)}"/>'
    for number, (node, (x, y)) in enumerate(zip(graph.nodes, layout.nodes, strict=True)):
        why = [f"{_name(graph.nodes[above])}: {graph.nodes[above].reason}" for above in chain(graph, number)[1:]]
        text = "\n".join([f"{_name(node)}, {megabytes(node.size)}", *why])
        mark = ' class="image"' if not number else ""
        yield f'<g{mark}><rect x="{x}" y="{y}" width="{NODE_WIDTH}" height="{NODE_HEIGHT}" rx="3"/>'
        yield f'<text x="{x + 8}" y="{y + 16}">{escape(label(node))}</text>'
        lines = "\n".join(map(visible, text.split("\n")))
        yield f"<title>{escape(lines)}</title></g>"
    yield "</svg>"


def as_json(graph: PackageGraph) -> dict[str, Any]:
    """Return the graph as data for programs, with the names as they are."""
    image, *packages = graph.nodes
    names = ["", *(node.name for node in packages)]
    return {
        "image": {"name": image.name, "tag": image.version},
        "packages": [
            {
                "name": node.name,
                "version": node.version,
                "size": node.size,
                "by": names[node.why] or None,
                "reason": node.reason,
            }
            for node in packages
        ],
        "edges": [
            {
                "from": names[edge.start] or None,
                "to": names[edge.end],
                "reasons": list(edge.reasons),
                "more": edge.more,
                "primary": edge.primary,
            }
            for edge in graph.edges
        ],
    }


def for_page(graph: PackageGraph) -> dict[str, Any]:
    """Return the graph in the form that the page's script reads."""
    layout = placed(graph)
    return {
        "width": layout.width,
        "height": layout.height,
        "node": [NODE_WIDTH, NODE_HEIGHT],
        "nodes": [
            [
                visible(node.name),
                visible(node.version),
                node.size,
                node.why,
                visible(node.reason, MAX_REASON),
                label(node),
                *place,
            ]
            for node, place in zip(graph.nodes, layout.nodes, strict=True)
        ],
        "edges": [
            [
                edge.start,
                edge.end,
                int(edge.primary),
                _path(layout, edge),
                [visible(reason, MAX_REASON) for reason in edge.reasons],
                edge.more,
            ]
            for edge in graph.edges
        ],
    }


def placed(graph: PackageGraph) -> GraphLayout:
    """Return the positions of a graph's nodes. The edges by which packages came in are drawn in any case."""
    edges = [(edge.start, edge.end) for edge in graph.edges]
    kept = {(edge.start, edge.end) for edge in graph.edges if edge.primary}
    return layered(len(graph.nodes), edges, kept)


def label(node: GraphNode) -> str:
    """Return what fits in a node: the name, and its version if there is room."""
    name, version = visible(node.name), visible(node.version)
    text = f"{name} {version}".strip() if len(name) + len(version) < MAX_LABEL else name
    return text if len(text) <= MAX_LABEL else f"{text[: MAX_LABEL - 1]}…"


def _name(node: GraphNode) -> str:
    return visible(f"{node.name} {node.version}".strip())


def _path(layout: GraphLayout, edge: GraphEdge) -> str | None:
    points = layout.paths.get((edge.start, edge.end))
    return curve(points) if points is not None else None


def curve(points: Sequence[tuple[int, int]]) -> str:
    """Return the path of an edge, which is level at each of its points."""
    (x, y), *rest = points
    parts = [f"M{x} {y}"]
    for to_x, to_y in rest:
        middle = (x + to_x) // 2
        parts.append(f"H{to_x}" if y == to_y else f"C{middle} {y} {middle} {to_y} {to_x} {to_y}")
        x, y = to_x, to_y
    return "".join(parts)


def _arrow(points: Sequence[tuple[int, int]]) -> str:
    (before, _), (x, y) = points[-2:]
    back = -6 if before < x else 6
    return f"{x},{y} {x + back},{y - 3} {x + back},{y + 3}"
