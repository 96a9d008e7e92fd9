"""Lay out a graph in layers from left to right, the same for the same graph.

Source: K. Sugiyama, S. Tagawa, M. Toda, "Methods for visual understanding of hierarchical system structures", IEEE
Transactions on Systems, Man, and Cybernetics 11 (1981); layers of bounded height as by E. Coffman and R. Graham.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Collection, Iterable, Mapping, Sequence
from math import ceil, sqrt
from typing import NamedTuple

Edge = tuple[int, int]

NODE_WIDTH, NODE_HEIGHT = 188, 24
COLUMN, ROW = 256, 32  # distances of columns and of nodes
LANE = 8  # the height that an edge takes where it passes a column
MARGIN = 16  # pixels around the drawing
SWEEPS = 12  # passes that reduce crossings of edges
MAX_LANES = 6000  # places where edges pass columns; with more, edges are drawn straight


class GraphLayout(NamedTuple):
    """The positions of a graph: the upper left corner of each node, and the points of each edge that is drawn.

    An edge that follows from others, because its end is reached through them, is not drawn.
    """

    width: int
    height: int
    nodes: Sequence[tuple[int, int]]
    paths: Mapping[Edge, Sequence[tuple[int, int]]]


def layered(count: int, edges: Iterable[Edge], kept: Collection[Edge] = ()) -> GraphLayout:
    """Lay out the nodes 0 to `count` - 1. kept: edges to draw even if they follow from others."""
    wanted = sorted({edge for edge in edges if edge[0] != edge[1]})
    forward = _without_circles(count, wanted)
    layers = _layers(count, forward)
    real = set(wanted)
    implied = _implied({node: [b for b in ends if (node, b) in real] for node, ends in forward.items()}, layers)
    drawn = [edge for edge in wanted if edge in kept or edge not in implied]
    return _Placement(count, layers, drawn).layout()


def _without_circles(count: int, edges: Sequence[Edge]) -> dict[int, list[int]]:
    """Return the ends of each node's edges. An edge that closes a circle is turned round."""
    ends: dict[int, list[int]] = {node: [] for node in range(count)}
    for start, end in edges:
        ends[start].append(end)
    state = [0] * count  # 1: on the way, 2: done
    made: dict[int, list[int]] = {node: [] for node in range(count)}
    for first in range(count):
        todo = [(first, iter(ends[first]))] if not state[first] else []
        state[first] = state[first] or 1
        while todo:
            node, left = todo[-1]
            for end in left:
                if state[end] == 1:
                    made[end].append(node)
                    continue
                made[node].append(end)
                if not state[end]:
                    state[end] = 1
                    todo.append((end, iter(ends[end])))
                    break
            else:
                state[node] = 2
                todo.pop()
    return {node: sorted(set(found)) for node, found in made.items()}


def _layers(count: int, ends: Mapping[int, Sequence[int]]) -> list[int]:
    """Return the layer of each node: behind all that lead to it, and none higher than a page is."""
    most = max(10, ceil(1.5 * sqrt(count)))
    above = [0] * count
    for found in ends.values():
        for end in found:
            above[end] += 1
    layers = [0] * count
    filled: dict[int, int] = {}
    ready = [node for node in range(count) if not above[node]]
    while ready:
        later: list[int] = []
        for node in ready:
            layer = layers[node]
            while filled.get(layer, 0) >= most:
                layer += 1
            filled[layer] = filled.get(layer, 0) + 1
            layers[node] = layer
            for end in ends[node]:
                layers[end] = max(layers[end], layer + 1)
                above[end] -= 1
                if not above[end]:
                    later.append(end)
        ready = sorted(later)
    return layers


def _implied(ends: Mapping[int, Sequence[int]], layers: Sequence[int]) -> set[Edge]:
    """Return the edges whose end is also reached through another end."""
    found: set[Edge] = set()
    reached: dict[int, int] = {}  # sets of nodes as bits
    for node in sorted(ends, key=lambda node: -layers[node]):
        below = 0
        for end in sorted(ends[node], key=lambda end: (layers[end], end)):
            if below >> end & 1:
                found.add((node, end))
            below |= reached[end] | 1 << end
        reached[node] = below
    return found


class _Placement:
    """The state of a placement. Nodes from `count` on are lanes, by which edges pass columns."""

    def __init__(self, count: int, layers: Sequence[int], drawn: Sequence[Edge]) -> None:
        self._count = count
        self._layer = list(layers)
        self._lanes: dict[Edge, list[int]] = {}
        spans = [abs(layers[end] - layers[start]) - 1 for start, end in drawn]
        with_lanes = sum(span for span in spans if span > 0) <= MAX_LANES
        self._right: dict[int, list[int]] = {}
        self._left: dict[int, list[int]] = {}
        for edge in drawn:
            start, end = sorted(edge, key=lambda node: (layers[node], node))
            between = range(layers[start] + 1, layers[end]) if with_lanes else ()
            lanes = list(range(len(self._layer), len(self._layer) + len(between)))
            self._layer += between
            self._lanes[edge] = lanes if start == edge[0] else lanes[::-1]
            for a, b in zip([start, *lanes], [*lanes, end], strict=True):
                self._right.setdefault(a, []).append(b)
                self._left.setdefault(b, []).append(a)
        self._columns: list[list[int]] = [[] for _ in range(max(self._layer, default=-1) + 1)]
        for node, layer in enumerate(self._layer):
            self._columns[layer].append(node)

    def layout(self) -> GraphLayout:
        """Order the columns, and place the nodes."""
        self._order()
        y = self._heights()
        top = min(y, default=0.0)
        tops = [MARGIN + round(value - top) for value in y]
        nodes = [(MARGIN + self._layer[node] * COLUMN, tops[node]) for node in range(self._count)]
        height = max((y for _, y in nodes), default=0) + NODE_HEIGHT + MARGIN
        height = max([height, *(value + MARGIN for value in tops)])
        width = 2 * MARGIN + max(len(self._columns) - 1, 0) * COLUMN + NODE_WIDTH
        return GraphLayout(width, height, nodes, {edge: self._path(edge, tops) for edge in self._lanes})

    def _path(self, edge: Edge, tops: Sequence[int]) -> list[tuple[int, int]]:
        """Return the points of an edge: the border of its start, both sides of each column it passes, and its end."""
        start, end = edge
        sides = (NODE_WIDTH, 0) if self._layer[start] < self._layer[end] else (0, NODE_WIDTH)
        points = [(MARGIN + self._layer[start] * COLUMN + sides[0], tops[start] + NODE_HEIGHT // 2)]
        for lane in self._lanes[edge]:
            x = MARGIN + self._layer[lane] * COLUMN
            points += [(x + side, tops[lane]) for side in sides[::-1]]
        return [*points, (MARGIN + self._layer[end] * COLUMN + sides[1], tops[end] + NODE_HEIGHT // 2)]

    def _order(self) -> None:
        """Order each column so that few edges cross: by the middle of the neighbours, from both sides in turn."""
        best = self._columns
        fewest = self._crossings()
        for sweep in range(SWEEPS):
            forward = sweep % 2 == 0
            near = self._left if forward else self._right
            numbers = range(1, len(self._columns)) if forward else range(len(self._columns) - 2, -1, -1)
            self._columns = [list(column) for column in self._columns]
            place = {node: at for column in self._columns for at, node in enumerate(column)}
            for number in numbers:
                column = self._columns[number]
                middle = {node: _middle(place[node], [place[n] for n in near.get(node, ())]) for node in column}
                column.sort(key=lambda node: (middle[node], node))
                place |= {node: at for at, node in enumerate(column)}
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = self._columns, crossings
        self._columns = best

    def _crossings(self) -> int:
        """Return how many pairs of edges between neighbouring columns cross."""
        place = {node: at for column in self._columns for at, node in enumerate(column)}
        total = 0
        for column in self._columns:
            seen: list[int] = []
            for node in column:
                ends = [place[end] for end in self._right.get(node, ()) if self._layer[end] == self._layer[node] + 1]
                total += sum(len(seen) - bisect_right(seen, end) for end in ends)
                for end in ends:
                    insort(seen, end)
        return total

    def _heights(self) -> list[float]:
        """Return the vertical position of each node: near its neighbours, in the order of its column."""
        y = [0.0] * len(self._layer)
        for column in self._columns:
            at = 0.0
            for node in column:
                y[node] = at
                at += self._room(node)
        for sweep in range(SWEEPS):
            forward = sweep % 2 == 0
            for column in self._columns if forward else reversed(self._columns):
                wanted = []
                for node in column:
                    near = [*self._left.get(node, ()), *self._right.get(node, ())]
                    centres = [y[other] + self._half(other) for other in near]
                    wanted.append(sum(centres) / len(centres) - self._half(node) if centres else y[node])
                for node, value in zip(column, _spread(wanted, [self._room(n) for n in column]), strict=True):
                    y[node] = value
        return y

    def _room(self, node: int) -> int:
        return ROW if node < self._count else LANE

    def _half(self, node: int) -> float:
        return NODE_HEIGHT / 2 if node < self._count else 0.0


def _middle(own: int, near: list[int]) -> float:
    return sum(near) / len(near) if near else float(own)


def _spread(wanted: Sequence[float], rooms: Sequence[int]) -> list[float]:
    """Return positions as near as can be to those wanted, with room for each before the next.

    This is isotonic regression of the positions less the room before each, by pooling adjacent violators.
    """
    before = [0]
    for room in rooms:
        before.append(before[-1] + room)
    pools: list[tuple[float, int]] = []  # sum, count
    for at, value in enumerate(wanted):
        pools.append((value - before[at], 1))
        while len(pools) > 1 and pools[-2][0] * pools[-1][1] > pools[-1][0] * pools[-2][1]:
            total, number = pools.pop()
            pools[-1] = (pools[-1][0] + total, pools[-1][1] + number)
    found = [total / number for total, number in pools for _ in range(number)]
    return [value + before[at] for at, value in enumerate(found)]
