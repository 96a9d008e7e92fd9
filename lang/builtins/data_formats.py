"""Define the builtins that read JSON, TOML and YAML from a string or from a file of the project.

The input is not trusted: size, nesting and numbers are bounded, a duplicate name is an error, and YAML is limited to
the data that JSON can express (yaml12.py).
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite

from fpack.lang.errors import Fault, quote
from fpack.lang.runtime.argument_checks import INT_RANGE, text_of, wrong_type
from fpack.lang.runtime.values import INT_MAX, INT_MIN, Path, Value, evaluated
from fpack.light_typing import Any

MAX_DEPTH = 200
MAX_DIGITS = 20  # of an integer, with its sign
SHOWN = 40  # characters of a number in a message
# NUL and halves of surrogate pairs, which an escape can give and which no string of the language can hold.
_NO_CHARACTER = "[\0\ud800-\udfff]"
# The position at the end of a message of `json`, tomllib or PyYAML.
_POSITION = r"[:(]?\s*(?:\(at )?line (\d+),? column (\d+)(?: \(char \d+\))?\)?$"


def parse_json(text: str) -> Value:
    """Return the value of a JSON text; raise ValueError with the reason."""
    import json

    def integer(text: str) -> int:
        # `int` takes quadratic time; a text that is longer is out of range in any case.
        return _integer(int(text) if len(text) <= MAX_DIGITS else INT_MAX + 1, text)

    def fields(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
        found = dict(pairs)
        if len(found) < len(pairs):
            from collections import Counter

            ((name, _),) = Counter(name for name, _ in pairs).most_common(1)
            raise ValueError(f"{quote(name)} is given twice")
        return found

    try:
        value = json.loads(
            text, parse_constant=_number, parse_float=_number, parse_int=integer, object_pairs_hook=fields
        )
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    if "\\u" in text:  # only such an escape can give a character that must be refused
        _convert(value)
    return value


def parse_toml(text: str) -> Value:
    """Return the value of a TOML text, with dates and times as strings; raise ValueError with the reason."""
    from fpack import strict_toml

    return _convert(strict_toml.parse(text, _number))


def parse_yaml(text: str) -> Value:
    """Return the value of a YAML text with one document; raise ValueError with the reason."""
    from .yaml12 import parse

    return _convert(parse(text))


# Messages of Python's JSON parser, and the messages that replace them.
_MESSAGES = {
    "Expecting property name enclosed in double quotes": "a name in double quotes is expected here",
    "Illegal trailing comma before end of object": "a comma is not allowed after the last field",
    "Illegal trailing comma before end of array": "a comma is not allowed after the last element",
    "Expecting value": "a value is expected here",
    "Expecting ',' delimiter": "a comma is expected here",
    "Expecting ':' delimiter": "a colon is expected here",
    "Extra data": "there is text after the end of the value",
    "Unterminated string starting at": "this string is not closed",
    "Invalid control character at": "a line break or another control character must be written as an escape",
}
_TOO_DEEP = "it is nested too deeply"
_PARSERS: dict[str, Callable[[str], Value]] = {"JSON": parse_json, "TOML": parse_toml, "YAML": parse_yaml}


def _integer(value: int, text: str) -> int:
    """Return an integer of 64 bits; raise ValueError for a larger one. text: as it was written, for the message."""
    if not INT_MIN <= value <= INT_MAX:
        raise ValueError(f"{text if len(text) <= SHOWN else text[:SHOWN] + '...'} is too large: {INT_RANGE}")
    return value


def _number(text: str) -> float:
    """Return a float; raise ValueError for infinity and NaN."""
    if not isfinite(float(text)):
        raise ValueError(f"{text[:SHOWN]} is not a supported number")
    return float(text)


def _convert(value: Any, depth: int = 0) -> Value:
    """Convert a parsed value to a value of the language; raise ValueError for a value that it cannot represent.

    Dates and times become text. depth: the number of lists and records around the value.
    """
    kind = value.__class__
    if kind is str:
        import re

        if re.search(_NO_CHARACTER, value):
            raise ValueError("it contains an escape that is not a valid character")
        return value
    if depth > MAX_DEPTH:
        raise ValueError(_TOO_DEEP)
    if kind is list:
        return [_convert(item, depth + 1) for item in value]
    if kind is dict:
        return {_convert(name): _convert(item, depth + 1) for name, item in value.items()}
    if kind is int:
        # Python refuses to write integers of over 4,300 digits.
        return _integer(value, str(value) if value.bit_length() < 4000 else "a number")
    return value if value is None or kind is bool or kind is float else value.isoformat()


def _parsed(text: str, language: str, what: str) -> Value:
    """Return the value of a text in one of the three languages; raise Fault. what: the text's name in the message."""
    try:
        return _PARSERS[language](text)
    except ValueError as error:
        import re

        reason = str(error)
        found = re.search(_POSITION, reason)
        if found:
            text = reason[: found.start()].strip(" :")
            reason = f"line {found[1]}, column {found[2]}: {_MESSAGES.get(text, text)}"
        raise Fault(f"{what} is not valid {language}", why=reason) from None


def from_json(s: Value, /) -> Value:
    """from-json(s): Parse a string as JSON.

    from-json("[1, null]") == [1, null]
    """
    return _parsed(text_of(s), "JSON", "This string")


def from_toml(s: Value, /) -> Value:
    """from-toml(s): Parse a string as TOML. Dates and times become strings.

    from-toml("a.b = 1") == { a = { b = 1 } }
    """
    return _parsed(text_of(s), "TOML", "This string")


def from_yaml(s: Value, /) -> Value:
    """from-yaml(s): Parse a string as YAML 1.2, in which `no` is a string. Anchors and `<<` are supported, within
    bounds; tags of types that JSON does not have are refused.

        from-yaml("a: [1, no]") == { a = [1, "no"] }
    """
    return _parsed(text_of(s), "YAML", "This string")


def readers(read: Callable[[Path], str]) -> dict[str, Callable[..., Value]]:
    """Return the builtins that read files. read: returns the text of a file."""

    def file_of(path: Value) -> tuple[str, str]:
        path = evaluated(path)
        if path.__class__ is not Path:
            hint = "write a path without quotes: ./FILE" if path.__class__ is str else ""
            raise wrong_type(path, "a path", hint)
        return read(path), quote(path.path.rpartition("/")[2])

    def read_text(file: Value, /) -> Value:
        """read-text(file): Return the content of a file as a string."""
        text, name = file_of(file)
        if "\0" in text:
            raise Fault(f"{name} is not a text file", why="it contains a NUL character")
        return text

    def read_json(file: Value, /) -> Value:
        """read-json(file): Parse a JSON file, as in read-json(./package.json).version."""
        text, name = file_of(file)
        return _parsed(text, "JSON", name)

    def read_toml(file: Value, /) -> Value:
        """read-toml(file): Parse a TOML file, as in read-toml(./pyproject.toml).project.name."""
        text, name = file_of(file)
        return _parsed(text, "TOML", name)

    def read_yaml(file: Value, /) -> Value:
        """read-yaml(file): Parse a YAML file; see from-yaml."""
        text, name = file_of(file)
        return _parsed(text, "YAML", name)

    return {"read-text": read_text, "read-json": read_json, "read-toml": read_toml, "read-yaml": read_yaml}
