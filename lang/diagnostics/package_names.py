"""Find names of packages that a release of Debian or Ubuntu does not have, such as `debian.jqq`.

A selection counts if its record is a release by name, as in `import("fpack/debian").trixie`, or a name for one.
"""

from __future__ import annotations

from collections.abc import Iterator

from fpack.lang.errors import EvalError
from fpack.lang.syntax.tree import Node, unwrapped

from .calls import PackageNames, ParsedText, import_target, scope_of_value
from .names import NameScope

_DISTRIBUTIONS = ("fpack/debian", "fpack/ubuntu")
_OTHERS = frozenset({"for", "replace", "with", "extend"})  # fields of a release, and methods of all records
_DEPTH = 12  # limit for chains of names that refer to other names


def wrong_packages(text: ParsedText, packages: PackageNames | None) -> Iterator[EvalError]:
    """Yield an error for each package that a release does not have, as far as its packages are known."""
    if packages is None:
        return
    for node in text.names.selections:
        key = node.key
        if key.__class__ is not str or key in _OTHERS or id(node) in text.names.defaults:
            continue
        release = _release(node.base, text.names.scope_of(node), text)
        fault = packages.fault(release, key) if release else None
        if fault is not None:
            yield text.source.error(node.key_start, node.key_end, fault.what, hint=fault.hint)


def _release(node: Node, scope: NameScope, text: ParsedText) -> str:
    """Return the name of the release that is a node's value, or "" for any other value."""
    node, scope = _value(node, scope, text)
    if node.kind != "sel" or node.key.__class__ is not str:
        return ""
    base, _ = _value(node.base, scope, text)
    return str(node.key) if import_target(base, text.names) in _DISTRIBUTIONS else ""


def _value(node: Node, scope: NameScope, text: ParsedText) -> tuple[Node, NameScope]:
    """Follow names of the text to the node of their value. Return it with its scope."""
    node = unwrapped(node)
    for _ in range(_DEPTH):
        binding = text.names.binding(node, scope) if node.kind == "var" else None
        if binding is None or binding.node is None or binding.kind not in ("field", "let"):
            break
        scope = scope_of_value(binding.node, text, scope)
        node = unwrapped(binding.node)
    return node, scope
