"""Read the arguments of `setup` in a setup.py, without running it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .requirements import is_requirement

MAX_SETUP = 1 << 20  # bytes
UNKNOWN: Any = object()  # an argument that is computed


def setup_arguments(text: str, read: Callable[[str], str | None]) -> dict[str, Any]:
    """Return the arguments of the call of `setup` in a setup.py, as far as they can be read without running it."""
    if not text or len(text) > MAX_SETUP:
        return {}
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    names: dict[str, ast.expr] = {}
    call: ast.Call | None = None
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            names.setdefault(node.targets[0].id, node.value)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "setup":
            call = call or node
    if call is None:
        return {}
    found: dict[str, Any] = {}
    for keyword in call.keywords:
        if keyword.arg:
            found[keyword.arg] = _literal(keyword.value, names, read)
        elif isinstance(keyword.value, (ast.Name, ast.Dict)):
            more = _literal(keyword.value, names, read)
            found.update(more if isinstance(more, dict) else {})
    return found


def _literal(node: ast.expr, names: Mapping[str, ast.expr], read: Callable[[str], str | None], depth: int = 0) -> Any:
    """Return the value of an expression of literals, names of such, sums, and lines of files; else UNKNOWN."""
    if depth > 20:
        return UNKNOWN
    more = depth + 1
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, (ast.List, ast.Tuple)):
        items = [_literal(item, names, read, more) for item in node.elts]
        return [item for item in items if item is not UNKNOWN]
    if isinstance(node, ast.Dict):
        return {
            key.value: _literal(value, names, read, more)
            for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant)
        }
    if isinstance(node, ast.Name) and node.id in names:
        return _literal(names[node.id], names, read, more)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = (_literal(side, names, read, more) for side in (node.left, node.right))
        if type(left) is type(right) and isinstance(left, (list, str)):
            return left + right
        return left if isinstance(left, list) else UNKNOWN
    if isinstance(node, ast.Call):
        return _call(node, names, read, more)
    return UNKNOWN


def _call(node: ast.Call, names: Mapping[str, ast.expr], read: Callable[[str], str | None], depth: int) -> Any:
    """Read the common ways in which a setup.py takes lines of a file."""
    files = [
        item.value
        for item in ast.walk(node)
        if isinstance(item, ast.Constant) and isinstance(item.value, str) and item.value.endswith((".txt", ".in"))
    ]
    if len(files) == 1 and "requirements" in files[0]:
        return list(from_files(files, read))
    attribute = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if attribute in ("strip", "splitlines", "split") and isinstance(node.func, ast.Attribute) and not node.args:
        inner = _literal(node.func.value, names, read, depth)
        if isinstance(inner, str):
            return inner.strip() if attribute == "strip" else inner.split("\n" if attribute == "splitlines" else None)
    return UNKNOWN


def from_files(names: Sequence[str], read: Callable[[str], str | None]) -> tuple[str, ...]:
    """Return the requirements in files of requirements, without options and comments."""
    found = []
    for name in names:
        for line in (read(name) or "").splitlines():
            line = re.sub(r"(^|\s)#.*", "", line).strip()
            if line and not line.startswith("-") and is_requirement(line):
                found.append(line)
    return tuple(found)
