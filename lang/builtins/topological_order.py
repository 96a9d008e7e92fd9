"""Define the builtin that sorts names by their dependencies."""

from __future__ import annotations

from fpack.lang.errors import Fault, did_you_mean, quote
from fpack.lang.runtime.argument_checks import record_of, strings_of
from fpack.lang.runtime.values import Value


def toposort(needs: Value, /) -> Value:
    """toposort(needs): Return the names of a record's fields, each one after the names that its value lists. A cycle is
    an error. Names that do not depend on each other are in the order of the alphabet as far as possible.

        toposort({ app = ["cache", "db"], cache = [], db = ["disk"], disk = [] }) == ["cache", "disk", "db", "app"]
    """
    graph = record_of(needs)
    order: list[Value] = []
    done: set[str] = set()
    for first in sorted(graph):
        path: list[tuple[str, list[str]]] = []  # names whose needs are being placed, and the needs that are left
        entered: set[str] = set()
        todo = [first]
        while todo or path:
            if todo:
                name = todo.pop()
                if name in done:
                    continue
                if name in entered:
                    raise _cycle([n for n, _ in path], name)
                entered.add(name)
                path.append((name, _needs(graph, name)))
            name, left = path[-1]
            if left:
                todo.append(left.pop())
                continue
            path.pop()
            done.add(name)
            order.append(name)
    return order


def _needs(graph: dict[str, Value], name: str) -> list[str]:
    """Return the names that one needs, the last in the alphabet first."""
    found = sorted(strings_of(graph[name]), reverse=True)
    for other in found:
        if other not in graph:
            hint = did_you_mean(other, graph) or f"write {other} = [] for a name that needs nothing"
            raise Fault(f"{quote(name)} needs {quote(other)}, and the record has no such field", hint=hint)
    return found


def _cycle(path: list[str], name: str) -> Fault:
    names = [*path[path.index(name) :], name]
    return Fault(f"{quote(name)} needs itself", why=" needs ".join(map(quote, names)))
