"""Syntax trees, compared by tests. Written apart from what the formatter itself compares."""

from __future__ import annotations

from typing import Any


def bare(node: Any) -> Any:
    """Return a node without its places."""
    if isinstance(node, tuple) and node and node[0] == "sel":
        return ("sel", bare(node[3]), bare(node[4]))
    if isinstance(node, tuple) and len(node) > 2 and isinstance(node[1], int) and isinstance(node[2], int):
        return (node[0], *(bare(n) for n in node[3:]))
    return [bare(n) for n in node] if isinstance(node, list) else node
