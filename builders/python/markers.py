"""Evaluate environment markers (PEP 508, with the sets of PEP 751) for the system that a build is for.

Markers come from untrusted files, so nesting is bounded and nothing is evaluated as code. packaging is not used: see
versions.py. It also searches `python_version in "3.10 3.11"` as text, so that Python 3.1 would match.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from fpack.builders.machines import kernel_name

from .names import normal
from .versions import parse as parse_version
from .versions import satisfies, specifier

MAX_DEPTH = 60
MAX_LENGTH = 20_000
_TOKEN = re.compile(
    r"""\s*(?:(?P<word>[A-Za-z_][A-Za-z0-9_.]*)|(?P<text>"[^"]*"|'[^']*')|(?P<sign>===|==|~=|!=|<=|>=|<|>|\(|\)))"""
)
_OLD_NAMES = {
    "os.name": "os_name", "sys.platform": "sys_platform", "platform.version": "platform_version",
    "platform.machine": "platform_machine", "platform.python_implementation": "platform_python_implementation",
    "python_implementation": "platform_python_implementation",
}  # fmt: skip
_VERSIONS = ("python_version", "python_full_version", "implementation_version", "platform_release")


class Environment(NamedTuple):
    """The variables of markers.

    variables: such as `python_version`. extras, groups: those that are asked for.
    """

    variables: Mapping[str, str]
    extras: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()


def environment(python: str, arch: str, extras: Collection[str] = (), groups: Collection[str] = ()) -> Environment:
    """Return the environment of CPython on Debian. python: the full version. arch: Debian's name."""
    short = ".".join(python.split(".")[:2])
    return Environment(
        {
            "os_name": "posix",
            "sys_platform": "linux",
            "platform_system": "Linux",
            "platform_machine": kernel_name(arch),
            "platform_python_implementation": "CPython",
            "implementation_name": "cpython",
            "implementation_version": python,
            "python_version": short,
            "python_full_version": python,
            "platform_release": "",
            "platform_version": "",
        },
        frozenset(map(normal, extras)),
        frozenset(map(normal, groups)),
    )


def holds(marker: str, env: Environment) -> bool:
    """Return whether a marker is true; an empty one is. Raise ValueError for a text that is no marker."""
    return not marker.strip() or _truth(_parse(marker), env)


@lru_cache(maxsize=16384)
def _parse(marker: str) -> Any:
    """Return nested tuples: ("and"|"or", a, b) or (operator, left, right) of ("word"|"text", value)."""
    if len(marker) > MAX_LENGTH:
        raise ValueError("a marker is too long")
    tokens: list[tuple[str, str]] = []
    at = 0
    while at < len(marker.rstrip()):
        match = _TOKEN.match(marker, at)
        if match is None:
            raise ValueError(f"{marker[:120]!r} is not a valid marker")
        kind = match.lastgroup or ""
        tokens.append((kind, match[kind][1:-1] if kind == "text" else match[kind]))
        at = match.end()
    node, at = _either(tokens, 0, 0, marker)
    if at < len(tokens):
        raise ValueError(f"{marker[:120]!r} is not a valid marker")
    return node


def _either(tokens: list[tuple[str, str]], at: int, depth: int, marker: str) -> tuple[Any, int]:
    node, at = _both(tokens, at, depth, marker)
    while at < len(tokens) and tokens[at] == ("word", "or"):
        right, at = _both(tokens, at + 1, depth, marker)
        node = ("or", node, right)
    return node, at


def _both(tokens: list[tuple[str, str]], at: int, depth: int, marker: str) -> tuple[Any, int]:
    node, at = _one(tokens, at, depth, marker)
    while at < len(tokens) and tokens[at] == ("word", "and"):
        right, at = _one(tokens, at + 1, depth, marker)
        node = ("and", node, right)
    return node, at


def _one(tokens: list[tuple[str, str]], at: int, depth: int, marker: str) -> tuple[Any, int]:
    if depth > MAX_DEPTH:
        raise ValueError("a marker is nested too deeply")
    if at < len(tokens) and tokens[at] == ("sign", "("):
        node, at = _either(tokens, at + 1, depth + 1, marker)
        if at >= len(tokens) or tokens[at] != ("sign", ")"):
            raise ValueError(f"{marker[:120]!r} is not a valid marker")
        return node, at + 1
    words = tokens[at : at + 4]
    if len(words) >= 4 and words[1] == ("word", "not") and words[2] == ("word", "in"):
        return ("not in", words[0], words[3]), at + 4
    if len(words) >= 3 and (words[1][0] == "sign" or words[1] == ("word", "in")) and words[2][0] != "sign":
        return (words[1][1], words[0], words[2]), at + 3
    raise ValueError(f"{marker[:120]!r} is not a valid marker")


def _truth(node: Any, env: Environment) -> bool:
    # A chain of many `or` is deep on the left side only.
    rest = []
    while node[0] in ("and", "or"):
        rest.append((node[0], node[2]))
        node = node[1]
    operator, left, right = node
    found = _compare(operator, left, right, env)
    for operator, right in reversed(rest):
        if operator == "and":
            found = found and _truth(right, env)
        else:
            found = found or _truth(right, env)
    return found


def _compare(operator: str, left: tuple[str, str], right: tuple[str, str], env: Environment) -> bool:
    names = [_OLD_NAMES.get(value, value) if kind == "word" else "" for kind, value in (left, right)]
    for name, other in zip(names, (right, left), strict=True):
        if name in ("extra", "extras", "dependency_groups"):
            chosen = env.groups if name == "dependency_groups" else env.extras
            inside = normal(other[1]) in chosen
            return inside if operator in ("==", "in", "===") else not inside
    values = []
    for name, (kind, value) in zip(names, (left, right), strict=True):
        if kind == "text":
            values.append(value)
        elif name in env.variables:
            values.append(env.variables[name])
        else:
            raise ValueError(f"{value[:40]!r} is not a variable of markers")
    a, b = values
    if operator == "in":
        return a in re.split(r"[\s,]+", b) if names[0] in _VERSIONS else a in b
    if operator == "not in":
        return a not in re.split(r"[\s,]+", b) if names[0] in _VERSIONS else a not in b
    if names[0] in _VERSIONS or names[1] in _VERSIONS:
        try:
            if names[0] not in _VERSIONS:
                a, b, operator = b, a, _MIRRORED.get(operator, operator)
            parse_version(a)
            return satisfies(a, specifier(f"{operator}{b}"))
        except ValueError:
            pass
    if operator in ("==", "==="):
        return a == b
    if operator == "!=":
        return a != b
    return {"<": a < b, ">": a > b, "<=": a <= b, ">=": a >= b}.get(operator, False)


_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
