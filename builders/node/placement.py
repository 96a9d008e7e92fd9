"""Lay out a graph of packages in node_modules: as high as possible, as npm and yarn do, or apart, as pnpm does."""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Mapping

from .model import MAX_PACKAGES, Graph, ModuleLayout, ModuleLink, NodePlacement, name_of


def hoisted(graph: Graph, dev: bool) -> ModuleLayout:
    """Place each package once as high as it conflicts with no other version of its name. dev: include development's."""
    needed = _reachable(graph, False)
    places: dict[str, str] = {}  # directory -> key
    seen_from: dict[str, list[tuple[str, str]]] = {}  # name -> (directory that uses it, directory in which it is)
    links: dict[str, ModuleLink] = {}
    todo: deque[tuple[str, Mapping[str, str]]] = deque()
    for importer in graph.importers:
        for name, target in importer.links.items():
            where = f"node_modules/{name_of(name)}"
            links.setdefault(where, ModuleLink(where, target))
    for importer in sorted(graph.importers, key=lambda i: i.path):
        todo.append((importer.path, {**(importer.dev if dev else {}), **importer.uses}))
    while todo:
        at, uses = todo.popleft()
        for name, key in sorted(uses.items()):
            name_of(name)
            if key not in graph.nodes:
                continue
            levels = _levels(at)
            above = next((level for level in levels if f"{level}node_modules/{name}" in places), None)
            if above is not None and places[f"{above}node_modules/{name}"] == key:
                seen_from.setdefault(name, []).append((at, f"{above}node_modules/{name}"))
                continue
            free = levels[: levels.index(above)] if above is not None else levels
            free = [level for level in free if f"{level}node_modules/{name}" not in links] or free[:1]
            if not free:
                free = levels[:1]
            place = next(
                (level for level in reversed(free) if not _hides(level, name, seen_from.get(name, ()))), free[0]
            )
            where = f"{place}node_modules/{name}"
            places[where] = key
            seen_from.setdefault(name, []).append((at, where))
            if len(places) > MAX_PACKAGES:
                raise ValueError(f"there are more than {MAX_PACKAGES} packages")
            todo.append((where, graph.nodes[key].uses))
    packages = [
        NodePlacement(where, graph.nodes[key].package, key not in needed) for where, key in sorted(places.items())
    ]
    return ModuleLayout(packages, [links[where] for where in sorted(links)])


def apart(graph: Graph, dev: bool) -> ModuleLayout:
    """Place each package in a directory of its own below node_modules/.pnpm, with links to what it uses."""
    needed, wanted = _reachable(graph, False), _reachable(graph, dev)
    packages, links = [], {}
    for key in sorted(wanted):
        node = graph.nodes[key]
        only_dev = key not in needed
        home = f"node_modules/.pnpm/{_directory(key)}/node_modules"
        packages.append(NodePlacement(f"{home}/{name_of(node.package.name)}", node.package, only_dev))
        for name, other in node.uses.items():
            if other in wanted and name != node.package.name:
                where = f"{home}/{name_of(name)}"
                links[where] = ModuleLink(where, _home(graph, other), only_dev)
        # Packages that use what they do not name find it here.
        where = f"node_modules/.pnpm/node_modules/{node.package.name}"
        links.setdefault(where, ModuleLink(where, _home(graph, key), only_dev))
    for importer in graph.importers:
        prefix = f"{importer.path}/" if importer.path else ""
        for uses, only_dev in ((importer.dev if dev else {}, True), (importer.uses, False)):
            for name, key in uses.items():
                if key in wanted:
                    where = f"{prefix}node_modules/{name_of(name)}"
                    links[where] = ModuleLink(where, _home(graph, key), only_dev)
        for name, target in importer.links.items():
            where = f"{prefix}node_modules/{name_of(name)}"
            links[where] = ModuleLink(where, target)
    return ModuleLayout(packages, [links[where] for where in sorted(links)])


def _reachable(graph: Graph, dev: bool) -> set[str]:
    todo = [key for i in graph.importers for key in (*i.uses.values(), *(i.dev.values() if dev else ()))]
    found: set[str] = set()
    while todo:
        key = todo.pop()
        if key not in found and key in graph.nodes:
            found.add(key)
            todo += graph.nodes[key].uses.values()
    return found


def _levels(at: str) -> list[str]:
    """Return the directories in which a package looks for others, as prefixes, its own first."""
    found = [f"{at}/" if at else ""]
    while at:
        at = at.rpartition("/node_modules/")[0] if "/node_modules/" in at else ""
        found.append(f"{at}/" if at else "")
    return list(dict.fromkeys(found))


def _hides(level: str, name: str, seen: list[tuple[str, str]] | tuple[()]) -> bool:
    """Return whether a package at this level would hide one further up from a package that uses that."""
    own = f"{level}node_modules/{name}"
    return any(f"{at}/".startswith(level) and len(where) < len(own) for at, where in seen)


def _home(graph: Graph, key: str) -> str:
    return f"node_modules/.pnpm/{_directory(key)}/node_modules/{name_of(graph.nodes[key].package.name)}"


def _directory(key: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9@._+-]+", "_", key.strip("/").replace("/", "+")).strip("_")
    return plain if len(plain) <= 100 else f"{plain[:80]}_{hashlib.sha256(key.encode()).hexdigest()[:16]}"
