"""Write a value as YAML that readers of version 1.1 and 1.2 understand in the same way.

Plain strings consist of few characters, begin with a letter, `_`, `/` or `./`, and are no word that a version of YAML
reads as something else. A text of several lines is a literal block if that can hold it. All other strings are in double
quotes, with the escapes of JSON.
"""

from __future__ import annotations

import json
import re
from typing import Any

# A plain string, by the rules above. A colon or a blank must be followed by such a character: `a: b` is a record in
# YAML, and ` #` begins a comment.
_PLAIN = re.compile(r"(?:\./|[A-Za-z_/])(?:[A-Za-z0-9_./@+%=-]|:(?=[A-Za-z0-9_./@+%=-])| (?=[A-Za-z0-9_./@+%=(-]))*")
# Words, in lower case, that a version of YAML reads as a boolean, null or number.
_WORDS = frozenset(
    ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nil", "none", "nan", "inf", "infinity"]
)
# Characters that must be escaped, besides those that JSON escapes: YAML takes some for line breaks and refuses others.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
# A literal block cannot show blanks at the end of a line, and knows no escapes.
_NO_BLOCK = re.compile("[ \t]$|[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]", re.MULTILINE)
_LONGEST_KEY = 1000  # a longer one needs the mark `?`


def encode(value: Any) -> str:
    """Return the text of a value of the types of JSON, whose fields the caller has sorted."""
    lines: list[str] = []
    _block(value, 0, lines)
    return "".join(f"{line}\n" for line in lines)


def _block(value: Any, indent: int, lines: list[str]) -> None:
    """Add the lines of a value that begins on a line of its own. indent: the number of blanks before each line."""
    space = " " * indent
    if isinstance(value, dict) and value:
        for name, item in value.items():
            key = quoted(name)
            if len(key) > _LONGEST_KEY:
                lines.append(f"{space}? {key}")
                _after(f"{space}:", item, indent, lines)
            else:
                _after(f"{space}{key}:", item, indent, lines)
    elif isinstance(value, list) and value:
        for item in value:
            if isinstance(item, (dict, list)) and item:
                # The first line of the item gets the dash in place of two blanks.
                first = len(lines)
                _block(item, indent + 2, lines)
                lines[first] = f"{space}- {lines[first][indent + 2 :]}"
            else:
                _after(f"{space}-", item, indent, lines)
    else:
        lines.append(space + _scalar(value))


def _after(before: str, value: Any, indent: int, lines: list[str]) -> None:
    """Add a value after a name or a dash, which `before` holds with the blanks before it: on its line, or below it."""
    if isinstance(value, (dict, list)) and value:
        lines.append(before)
        _block(value, indent + 2, lines)
    elif isinstance(value, str) and _fits_block(value):
        body = value.removesuffix("\n")
        # The mark says how many line breaks end the text: `|` one, `|-` none, `|+` as many as are written.
        mark = "|" if value.endswith("\n") else "|-"
        mark = "|+" if body.endswith("\n") else mark
        lines.append(f"{before} {mark}")
        lines += [f"{' ' * (indent + 2)}{line}" if line else "" for line in body.split("\n")]
    else:
        lines.append(f"{before} {_scalar(value)}")


def _fits_block(text: str) -> bool:
    """Return whether a text has several lines and a literal block can hold it without an indentation indicator."""
    return "\n" in text and text[0] not in " \t\n" and not _NO_BLOCK.search(text)


def _scalar(value: Any) -> str:
    """Return a string, number, boolean, null or empty list or record on one line."""
    if isinstance(value, str):
        return quoted(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        text = repr(value)
        # Version 1.1 takes `1e+16` for a string.
        return text if "." in text else text.replace("e", ".0e")
    return str(value) if isinstance(value, int) else "[]" if isinstance(value, list) else "{}"


def quoted(text: str) -> str:
    """Return a string on one line, in quotes where it needs them."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))
