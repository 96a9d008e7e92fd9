"""Summarise values in few words, for `fpack repl` and editors.

Elements of lists and fields of records are shown only if they are known or cheap to evaluate.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fpack.store.errors import printable

if TYPE_CHECKING:
    from fpack.lang.evaluator import Evaluator

WIDE = 100  # columns of a value on one line
_SHOWN = 12  # elements and fields
_DEPTH = 3  # levels of a value that are shown


def kind(evaluator: Evaluator, value: Any) -> str:
    """Return the kind of a value: `string`, `list`, `package`, `container`, `derivation` and so on."""
    value = evaluator.force(value)
    if evaluator.is_derivation(value):
        return "derivation"
    if isinstance(value, dict):
        if not evaluator.is_computed(value) and isinstance(value.get("type"), str):
            return str(value["type"])
        return "record"
    named = {str: "string", bool: "bool", int: "int", float: "float", list: "list", type(None): "null"}
    return named.get(value.__class__, "function" if callable(value) else "path")


def brief(evaluator: Evaluator, value: Any, depth: int = 0) -> str:
    """Return a value on one line, or a record with a line for each field."""
    value = evaluator.force(value)
    what = kind(evaluator, value)
    if what in ("string", "int", "float", "bool", "null"):
        shown = json.dumps(value, ensure_ascii=False)
        return printable(shown if depth == 0 or len(shown) <= WIDE else shown[: WIDE - 3] + "...")
    if what in ("derivation", "function", "path"):
        plain = evaluator.to_json(value)
        if what == "derivation":
            return f"<derivation {printable(str(plain['derivation']).rpartition('/')[2])}>"
        return f"({', '.join(plain['function'])}) => ..." if what == "function" else printable(str(plain["path"]))
    if isinstance(value, list):
        return _list(evaluator, value, depth)
    if evaluator.is_computed(value):
        return f"<{printable(str(evaluator.to_json(value)['on-demand']))}>"
    if what != "record":
        names = [evaluator.force(value[key]) for key in ("name", "version", "tag") if key in value]
        return f"<{printable(' '.join([what, *(str(name) for name in names if isinstance(name, str))]))}>"
    return _record(evaluator, value, depth)


def _list(evaluator: Evaluator, value: list[Any], depth: int) -> str:
    if depth >= _DEPTH and value:
        return f"[{len(value)} element{'s' if len(value) > 1 else ''}]"
    parts = [brief(evaluator, item, depth + 1) for item in value[: _SHOWN if depth else 100]]
    if len(value) > len(parts):
        parts.append(f"... {len(value) - len(parts)} more")
    line = f"[{', '.join(parts)}]"
    if depth or len(line) <= WIDE:
        return line if len(line) <= 4 * WIDE else f"[{len(value)} elements]"
    return "[\n" + "".join(f"  {part},\n" for part in parts) + "]"


def _record(evaluator: Evaluator, value: dict[str, Any], depth: int) -> str:
    names = list(value)
    if depth:
        shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
        return printable(f"{{ {shown} }}" if names else "{}")
    if not names:
        return "{}"
    lines = [f"  {printable(name)} = {_field(evaluator, value[name])}" for name in names[:200]]
    if len(names) > 200:
        lines.append(f"  ... {len(names) - 200} more")
    return "\n".join(["{", *lines, "}"])


def _field(evaluator: Evaluator, value: Any) -> str:
    """Return a field's value. An error in one field does not hide the others."""
    from fpack.store.errors import FpackError

    try:
        return brief(evaluator, value, 1)
    except FpackError as error:
        return f"<error: {printable(error.what)}>"
