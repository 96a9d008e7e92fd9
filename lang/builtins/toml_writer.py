"""Write a record as TOML 1.0: values first, then tables; a list of records is an array of tables."""

from __future__ import annotations

import re
from typing import Any

from fpack.lang.errors import Fault, quote
from fpack.lang.runtime.values import describe

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH = 100  # an array on one line is not longer
_SHORT = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
_ESCAPED = re.compile('[\0-\x1f\x7f"\\\\]')
_ESCAPED_IN_LINES = re.compile("[\0-\x08\x0b-\x1f\x7f\\\\]")


def encode(value: Any) -> str:
    """Return the text of a record of the types of JSON; raise Fault for what TOML cannot express."""
    if not isinstance(value, dict):
        hint = "write to-toml({ NAME = VALUE })"
        raise Fault(f"`to-toml` takes a record, and this is {describe(value)}", hint=hint)
    lines: list[str] = []
    _table(value, [], lines)
    return "".join(f"{line}\n" for line in lines)


def _table(record: dict[str, Any], path: list[str], lines: list[str]) -> None:
    """Add the lines of a table's values, then those of the tables in it."""
    tables = {name: value for name, value in record.items() if _is_table(value) or _is_tables(value)}
    for name, value in record.items():
        if name not in tables:
            where = [*path, name]
            lines.append(f"{_key(name)} = {_value(value, where, len(_key(name)) + 3)}")
    for name, value in tables.items():
        where = [*path, name]
        header = ".".join(map(_key, where))
        for each in value if isinstance(value, list) else [value]:
            if isinstance(value, list) or not each or not all(_is_table(v) or _is_tables(v) for v in each.values()):
                if lines:
                    lines.append("")
                lines.append(f"[[{header}]]" if isinstance(value, list) else f"[{header}]")
            _table(each, where, lines)


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _value(value: Any, where: list[str], column: int = _WIDTH) -> str:
    """Return the text of a value. column: where it begins, if it may be written on several lines."""
    if isinstance(value, str):
        return _lines(value) if "\n" in value and column < _WIDTH else _string(value)
    if value is None:
        hint = 'leave the field out: import("fpack/records").without-nulls(RECORD)'
        raise Fault(f"TOML has no null, and {quote('.'.join(where))} is null", hint=hint)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        items = [_value(item, where) for item in value]
        text = f"[{', '.join(items)}]"
        return text if column + len(text) <= _WIDTH or column >= _WIDTH else "[\n  " + ",\n  ".join(items) + ",\n]"
    if isinstance(value, dict):
        items = [f"{_key(name)} = {_value(item, [*where, name])}" for name, item in value.items()]
        return f"{{ {', '.join(items)} }}" if items else "{}"
    return repr(value)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _string(name)


def _string(text: str) -> str:
    return '"' + _ESCAPED.sub(_escape, text) + '"'


def _lines(text: str) -> str:
    """Return a string of several lines."""
    text = _ESCAPED_IN_LINES.sub(_escape, text)
    if '""' in text or text.endswith('"'):
        text = text.replace('"', '\\"')
    return f'"""\n{text}"""'


def _escape(found: re.Match[str]) -> str:
    return _SHORT.get(found[0]) or f"\\u{ord(found[0]):04x}"
