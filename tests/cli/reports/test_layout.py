"""The layout of graphs: what must hold for every graph, and how readable it is for some."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from fpack.cli.reports.layout import MARGIN, NODE_HEIGHT, NODE_WIDTH, GraphLayout, layered
from hypothesis import given
from hypothesis import strategies as st

Edges = list[tuple[int, int]]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, Edges]:
    count = draw(st.integers(1, 40))
    node = st.integers(0, count - 1)
    return count, draw(st.lists(st.tuples(node, node), max_size=120))


def check(count: int, edges: Edges, layout: GraphLayout) -> None:
    assert len(layout.nodes) == count
    boxes = sorted(layout.nodes)
    for (x, y), (other_x, other_y) in pairwise(boxes):
        assert x != other_x or other_y - y >= NODE_HEIGHT, "nodes overlap"
    for x, y in boxes:
        assert MARGIN <= x <= layout.width - NODE_WIDTH - MARGIN and 0 <= y <= layout.height - NODE_HEIGHT
    for (start, end), points in layout.paths.items():
        (first_x, first_y), (last_x, last_y) = points[0], points[-1]
        assert first_x - layout.nodes[start][0] in (0, NODE_WIDTH) and last_x - layout.nodes[end][0] in (0, NODE_WIDTH)
        assert first_y == layout.nodes[start][1] + NODE_HEIGHT // 2
        assert last_y == layout.nodes[end][1] + NODE_HEIGHT // 2
        assert all(0 <= y <= layout.height for _, y in points)


def reached(edges: Edges, start: int) -> set[int]:
    found, todo = set(), [start]
    while todo:
        node = todo.pop()
        for end in [b for a, b in edges if a == node]:
            if end not in found:
                found.add(end)
                todo.append(end)
    return found


@given(graphs())
def test_nodes_do_not_overlap_and_edges_end_at_nodes(graph: tuple[int, Edges]) -> None:
    count, edges = graph
    check(count, edges, layered(count, edges))


@given(graphs())
def test_each_edge_is_drawn_or_follows_from_drawn_ones(graph: tuple[int, Edges]) -> None:
    count, edges = graph
    drawn = [*layered(count, edges).paths]
    assert set(drawn) <= set(edges)
    for start, end in edges:
        assert start == end or end in reached(drawn, start)


@given(graphs(), st.randoms())
def test_the_order_of_edges_changes_nothing(graph: tuple[int, Edges], order: random.Random) -> None:
    count, edges = graph
    mixed = [*edges, *edges]
    order.shuffle(mixed)
    assert layered(count, edges) == layered(count, mixed)


def test_an_edge_that_follows_is_drawn_only_if_it_is_to_be_kept() -> None:
    edges = [(0, 1), (1, 2), (0, 2)]
    assert set(layered(3, edges).paths) == {(0, 1), (1, 2)}
    assert set(layered(3, edges, {(0, 2)}).paths) == set(edges)


def test_needs_go_to_the_right() -> None:
    x = [x for x, _ in layered(4, [(0, 1), (1, 2), (0, 3), (3, 2)]).nodes]
    assert x[0] < x[1] == x[3] < x[2]


def test_two_lines_that_can_be_apart_do_not_cross() -> None:
    layout = layered(5, [(0, 1), (0, 2), (1, 4), (2, 3)])
    y = [y for _, y in layout.nodes]
    assert (y[1] < y[2]) == (y[4] < y[3])


def test_a_circle_is_laid_out() -> None:
    layout = layered(3, [(0, 1), (1, 2), (2, 0)])
    assert set(layout.paths) == {(0, 1), (1, 2), (2, 0)} and len({x for x, _ in layout.nodes}) == 3


@pytest.mark.parametrize("count", [50, 600])
def test_a_page_is_bounded(count: int) -> None:
    """A star and a random graph: neither one high column nor one endless row."""
    chance = random.Random(7)
    for edges in (
        [(0, node) for node in range(1, count)],
        [(chance.randrange(node), node) for node in range(1, count) for _ in range(4)],
    ):
        layout = layered(count, edges)
        check(count, edges, layout)
        assert layout.width <= 300 * count and layout.height <= 40 * count


def test_very_deep_and_very_dense_graphs_end() -> None:
    deep = layered(599, [(node, node + 1) for node in range(598)])
    assert len(deep.paths) == 598
    dense = layered(120, [(a, b) for a in range(60) for b in range(60, 120)])
    assert len(dense.paths) == 3600
