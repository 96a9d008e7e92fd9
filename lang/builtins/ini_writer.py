"""Write a record as an INI file, as systemd, git and Python's configparser read it.

INI has neither quotes nor escapes that all readers know, so that what some of them would misread is an error: line
breaks, white space at the ends, and names that contain a separator or begin a comment or section.
"""

from __future__ import annotations

import re
from typing import Any

from fpack.lang.errors import Fault, quote
from fpack.lang.runtime.values import describe

_BAD_NAME = re.compile(r"^[#;\[]|[=:\x00-\x1f\x7f]|^\s|\s$|^$")
_BAD_SECTION = re.compile(r"[\[\]\x00-\x1f\x7f]|^\s|\s$|^$")
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|^\s|\s$")


def encode(value: Any) -> str:
    """Return the text of a record; raise Fault for what INI cannot express."""
    if not isinstance(value, dict):
        hint = "write to-ini({ SECTION = { NAME = VALUE } })"
        raise Fault(f"`to-ini` takes a record of sections, and this is {describe(value)}", hint=hint)
    lines = _entries({name: item for name, item in value.items() if not isinstance(item, dict)}, "")
    for name, section in value.items():
        if isinstance(section, dict):
            if _BAD_SECTION.search(name):
                raise Fault(f"{quote(name)} cannot be the name of a section of an INI file")
            lines += [""] if lines else []
            lines += [f"[{name}]", *_entries(section, name)]
    return "".join(f"{line}\n" for line in lines)


def _entries(section: dict[str, Any], within: str) -> list[str]:
    """Return the lines of a section, several for a list. within: the path of the section, for messages."""
    lines = []
    for name, value in section.items():
        where = f"{within}.{name}" if within else name
        if _BAD_NAME.search(name):
            raise Fault(f"{quote(name)} cannot be a name in an INI file")
        for item in value if isinstance(value, list) else [value]:
            lines.append(f"{name} = {_text(item, where)}".rstrip(" "))
    return lines


def _text(value: Any, where: str) -> str:
    """Return a value as text. Raise Fault for a value that readers of INI would not give back. where: its path."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if not isinstance(value, str):
        kind = "null" if value is None else "a list in a list" if isinstance(value, list) else "a record in a section"
        raise Fault(f"{quote(where)} is {kind}, which INI cannot express")
    found = _BAD_VALUE.search(value)
    if found:
        why = "it contains a line break" if found[0] in "\r\n" else "it begins or ends with white space"
        why = why if found[0].isspace() else "it contains a control character"
        raise Fault(f"INI cannot express the value of {quote(where)}", why=why)
    return value
