"""Compare the defaults of parameters with the types of the parameters, before the function is called if possible."""

from __future__ import annotations

from fpack.lang.errors import EvalError
from fpack.lang.runtime.parameter_types import Type, default_misfit, wanted
from fpack.lang.syntax.source import Source
from fpack.lang.syntax.tree import Node, unwrapped

_TYPES = {
    "int": "int",
    "float": "float",
    "str": "string",
    "interp": "string",
    "path": "path",
    "list": "list",
    "listcomp": "list",
    "rec": "record",
    "reccomp": "record",
    "fn": "function",
    "not": "bool",
}
_RECORDS = {"package", "derivation"}  # the types of records that have a certain field


def known_type(node: Node) -> str | None:
    """Return the type of every value that a node can have, or None if that depends on other values."""
    node = unwrapped(node)
    if node.kind == "const":
        return "null" if node.value is None else "bool"
    if node.kind == "neg":
        inner = known_type(node.inner)
        return inner if inner in ("int", "float") else None
    return _TYPES.get(node.kind)


def fits(node: Node, types: tuple[Type, ...]) -> bool | None:
    """Return whether a node always has one of the types, False if it never has, and None if that is not known."""
    kind = known_type(node)
    if kind is None:
        return None
    if kind in types or "any" in types or (kind in ("int", "float") and "number" in types):
        return True
    if kind == "record" and not _RECORDS.isdisjoint(t for t in types if isinstance(t, str)):
        return None
    if kind == "list":
        node, found = unwrapped(node), [_elements_fit(node, t) for t in types if isinstance(t, tuple)]
        return True if True in found else None if None in found else False
    return False


def _elements_fit(node: Node, types: tuple[Type, ...]) -> bool | None:
    if node.kind != "list":
        return None
    found = [None if item.kind == "spread" else fits(item, types) for item in node.items]
    return False if False in found else None if None in found else True


def is_settled(source: Source, param: Node, function: str) -> bool:
    """Return whether a parameter's default certainly has its type; raise an error if it certainly has another one."""
    default, types = param.default, param.types
    assert default is not None and types is not None
    found = fits(default, types)
    if found is False:
        raise _mismatch(source, param, default, types, function)
    return found is True


def _mismatch(source: Source, param: Node, default: Node, types: tuple[Type, ...], function: str) -> EvalError:
    """Make the error for a default that does not match its parameter's types, at the wrong element if it is a list."""
    kind = known_type(default) or ""
    at, element = default, None
    inner = next((t for t in types if isinstance(t, tuple)), None)
    items = unwrapped(default).items if unwrapped(default).kind == "list" else []
    if inner is not None and all(item.kind != "spread" for item in items):
        element = next((i for i, item in enumerate(items) if fits(item, inner) is False), None)
        if element is not None:
            at = items[element]
            kind = known_type(at) or ""
    what, hint = default_misfit(param.name, types, function, kind, element)
    other = (param.start, param.end, f"this takes {wanted(types)}")
    return source.error(at.start, at.end, what, hint=hint, other=other)
