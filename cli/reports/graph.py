"""Make the graph of an image's packages: who needs whom, and the reason of each edge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fpack.cli.images.inspect import ImageSlice, reason_text

if TYPE_CHECKING:
    from fpack.builders.manifest.dependencies import PackageLoad

MAX_REASONS = 4  # that an edge lists


class GraphNode(NamedTuple):
    """A package. The first node of a graph is the image. why: the node that brought it in, or -1; reason: how."""

    name: str
    version: str
    size: int
    why: int
    reason: str


class GraphEdge(NamedTuple):
    """A need of one node by another. primary: it is the one by which the node `end` came into the image.

    more: the number of reasons that are not listed.
    """

    start: int
    end: int
    reasons: tuple[str, ...]
    more: int
    primary: bool


class PackageGraph(NamedTuple):
    """The nodes, the image first and then by name, and the edges, sorted."""

    nodes: Sequence[GraphNode]
    edges: Sequence[GraphEdge]


def package_graph(
    image: tuple[str, str],
    packages: Sequence[ImageSlice],
    sizes: Mapping[str, int],
    needs: Mapping[str, Sequence[str]],
    loads: Iterable[PackageLoad],
) -> PackageGraph:
    """Return the graph of an image.

    image: its name and tag. packages, sizes, needs, loads: as a `Subject` returns them.
    """
    inside = sorted(packages)
    numbers = {item.package: number for number, item in enumerate(inside, 1)}
    nodes = [GraphNode(*image, sum(sizes.values()), -1, "")]
    primary: dict[tuple[int, int], ImageSlice] = {}
    for item in inside:
        by = numbers.get(item.by or "", 0)
        reason = reason_text(item)
        nodes.append(GraphNode(item.package, item.version, sizes.get(item.package, 0), by, reason))
        if by != numbers[item.package]:
            primary[by, numbers[item.package]] = item
    reasons = _loaded(loads, numbers, primary)
    for edge, item in primary.items():
        first, known = reason_text(item), reasons.setdefault(edge, [])
        # The reason that brought the package in goes first. It may name one of several files that load the same.
        told = [text for text in known if text == first or text.startswith(f"{first}, and ")] or [first]
        reasons[edge] = [*told, *(text for text in known if text not in told)]
    for package, names in needs.items():
        for name in names:
            if package in numbers and name in numbers and package != name:
                reasons.setdefault((numbers[package], numbers[name]), [])
    return PackageGraph(
        nodes,
        [
            GraphEdge(*edge, tuple(texts)[:MAX_REASONS], max(len(texts) - MAX_REASONS, 0), edge in primary)
            for edge, texts in sorted(reasons.items())
        ],
    )


def _loaded(
    loads: Iterable[PackageLoad], numbers: Mapping[str, int], primary: Mapping[tuple[int, int], ImageSlice]
) -> dict[tuple[int, int], list[str]]:
    """Return the reasons of edges from what files load. A library that several files load is one reason.

    primary: the packages that came in by an edge, whose file is the one to name.
    """
    found: dict[tuple[int, int], dict[tuple[str, str], list[str]]] = {}
    for load in loads:
        if load.package in numbers and load.owner in numbers:
            kinds = found.setdefault((numbers[load.package], numbers[load.owner]), {})
            kinds.setdefault((load.kind, load.what), []).append(load.file)
    return {
        edge: [_reason(kind, what, sorted(files), primary.get(edge)) for (kind, what), files in sorted(kinds.items())]
        for edge, kinds in found.items()
    }


def _reason(kind: str, what: str, files: Sequence[str], primary: ImageSlice | None) -> str:
    named = (
        primary.file
        if primary is not None and (primary.kind, primary.what) == (kind, what) and primary.file in files
        else files[0]
    )
    text = reason_text(ImageSlice("", "", "", None, kind, named, what))
    others = len(files) - 1
    return text if not others else f"{text}, and {others} other file{'s' if others > 1 else ''}"


def edge_text(edge: GraphEdge) -> str:
    """Return the reasons of an edge as one text."""
    if not edge.reasons:
        return "needed; the manifest does not say which files load it"
    return "; ".join([*edge.reasons, *([f"{edge.more} more"] if edge.more else [])])


def chain(graph: PackageGraph, node: int) -> list[int]:
    """Return the nodes from the image down to a node, each of which brought in the next."""
    found = [node]
    while (above := graph.nodes[found[-1]].why) >= 0 and above not in found:
        found.append(above)
    return found[::-1]
