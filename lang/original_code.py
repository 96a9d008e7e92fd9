"""Find the code of a value as if it shared none: it has the positions that shared code cannot have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import CodeType
from typing import Any

from fpack.lang.compiler.compiler import compile_tree
from fpack.lang.compiler.shared_code import CODE, Expansion, join, nested
from fpack.lang.syntax import parser
from fpack.lang.syntax.source import Source


def find_original(source: Source, cache: Any, builtins: Mapping[str, str], code: CodeType, start: int) -> CodeType:
    """Return the code of the value at an offset that corresponds to shared code; the same code if it is not found."""
    tree = parser.parse(source, cache)
    for fields_given in (False, True):
        expansion = Expansion(start)
        made = compile_tree(source, tree, builtins, fields_given, expansion)
        module = join(compile(made.tree, source.start, "exec", dont_inherit=True, optimize=1))
        own = next((c for c in nested(module) if c.co_name == expansion.name), None)
        if own is None:
            continue
        for root in nested(module):
            if root.co_name.startswith(CODE):
                for one, other in _pairs(root, own):
                    if _key(one) == _key(code):
                        return other
    return code


def _pairs(one: CodeType, other: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """Yield the code objects at the same places in two code objects of one shape."""
    yield one, other
    inner = [[c for c in code.co_consts if isinstance(c, CodeType)] for code in (one, other)]
    if len(inner[0]) == len(inner[1]):
        for a, b in zip(*inner, strict=True):
            yield from _pairs(a, b)


def _key(code: CodeType) -> tuple[object, ...]:
    return code.co_firstlineno, code.co_linetable, code.co_code
