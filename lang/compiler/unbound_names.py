"""Build the error for an undefined name, with a suggestion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fpack.lang.abi import OUTER
from fpack.lang.errors import EvalError, did_you_mean
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import Source
from fpack.lang.syntax.tree import Node, children

_RELEASES = {"debian": "trixie", "ubuntu": "noble"}


def unbound(
    source: Source, name: str, span: tuple[int, int], outer: list[str], hidden: frozenset[str], cache: str | Path | None
) -> EvalError:
    """Return the error for an undefined name. outer: the names in scope in every file; hidden: those not suggested."""
    if name.endswith(OUTER):
        written, plain = source.text[span[0] : span[1]], name.removesuffix(OUTER)
        suggested = [n for n in outer if n not in hidden]
        if written != plain or source.text.endswith("outer.", 0, span[0]):
            return _not_hidden(source, plain, span)
        return _calls_itself(source, plain, span, suggested)
    known = {n for n in outer if n not in hidden} | {"true", "false", "null"}
    tree = parse(source, cache)
    known |= {n for n in _bound_around(tree, span[0]) if n != name}
    parts = name.split("-")
    package = f"a Debian package is debian.{name}; " if "debian" in known and "-" in name else ""
    similar = did_you_mean(name, known)
    hint = similar or f'{package}write strings in quotes: "{name}"'
    of_set = _of_a_set(source, tree, name, span[0])
    if of_set:
        hint = f"{similar} {of_set}".strip()
    if name in _RELEASES:
        hint = f'write {name} = import("fpack/{name}").{_RELEASES[name]}'
    if name in ("this", "outer"):
        hint = "write this.NAME for a field of the record around it, and outer.NAME for a name that another one hides"
    for i in range(1, len(parts)):
        left, right = "-".join(parts[:i]), "-".join(parts[i:])
        if left in known and (right in known or right.isdigit()):
            hint = f"put spaces around the minus to subtract: `{left} - {right}`" + (f"; {of_set}" if of_set else "")
            break
    return source.error(*span, f"The name `{name}` is not defined", hint=hint)


def _of_a_set(source: Source, tree: list[Node] | Node, name: str, offset: int) -> str:
    """Return a hint for a name in a file whose form is that of a package in a package set; "" for another file.

    Such a file defines one function, of the file's own name and of one record, for the fields of the set.
    """
    if not isinstance(tree, list):
        return ""  # an expression
    path = Path(source.name)
    package = path.parent.name if path.name == "default.fp" else path.stem
    for entry in tree:
        if entry.kind == "set" and entry.name == package and entry.value.kind == "fn":
            function: Any = entry.value
            pattern = function.params[0] if len(function.params) == 1 else None
            if (
                pattern is None
                or pattern.kind != "pattern"
                or pattern.rest
                or not entry.start <= offset <= function.end
            ):
                continue
            fields = [param.name for param in pattern.params]
            named = ", ".join([*fields[:3], *["..."] * (len(fields) > 3), name])
            return f"a field of the package set is named in the pattern: {package}({{ {named} }})"
    return ""


def _not_hidden(source: Source, name: str, span: tuple[int, int]) -> EvalError:
    why = f"at this place no name `{name}` hides another one"
    hint = f"outer.{name} is the `{name}` of an outer scope that a field, parameter or other name hides"
    return source.error(*span, f"There is no outer `{name}`", why=why, hint=hint)


def _calls_itself(source: Source, name: str, span: tuple[int, int], outer: list[str]) -> EvalError:
    why = f"a field that calls its own name calls the builtin or prelude function of that name; there is no `{name}`"
    hint = did_you_mean(name, outer) or "rename the field or the function that it calls"
    return source.error(*span, f"`{name}` depends on itself", why=why, hint=hint)


def _bound_around(tree: list[Node] | Node, offset: int) -> set[str]:
    """Return the names that the nodes around an offset bind."""
    found: set[str] = set()
    todo = list(tree) if isinstance(tree, list) else [tree]
    while todo:
        node = todo.pop()
        if node.kind in ("set", "param", "inherit"):
            found.add(node.name)
        elif node.kind == "for":
            found.update(node.names)
        if node.kind in ("set", "param", "pattern", "for") or node.start <= offset <= node.end:
            todo += children(node)
    return found
