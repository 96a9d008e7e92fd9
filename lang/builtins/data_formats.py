"""The builtins that read data: JSON, TOML and YAML, from a string or from a file of the project.

All of it is hostile until proven otherwise: sizes, nesting and numbers are bounded, a name given twice is an error,
and of YAML only what JSON could say as well is read (plain_yaml.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isfinite
from typing import Any

from fpack.lang.errors import Fault, quote
from fpack.lang.runtime.argument_checks import text_of, wrong_type
from fpack.lang.runtime.values import Path, Value, evaluated

MAX_DEPTH = 200
MAX_DIGITS = 20
_NO_CHARACTER = "[\0\ud800-\udfff]"
_PLACE = r"[:(]?\s*(?:\(at )?line (\d+),? column (\d+)(?: \(char \d+\))?\)?$"


def parse_json(text: str) -> Value:
    """A JSON text's value; ValueError says what is wrong with it."""
    import json

    def refuse(text: str) -> Value:
        raise ValueError(f"{text} is no number")

    def finite(text: str) -> float:
        return float(text) if isfinite(float(text)) else refuse(text)

    def whole(text: str) -> int:
        return int(text) if len(text) <= MAX_DIGITS else refuse(text[:40])

    def fields(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            raise ValueError(f"{quote(next(n for n in names if names.count(n) > 1))} is given twice")
        return found

    try:
        value = json.loads(text, parse_constant=refuse, parse_float=finite, parse_int=whole, object_pairs_hook=fields)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    if "\\u" in text:
        _walk(value)
    return value


def parse_toml(text: str) -> Value:
    """A TOML text's value, with dates and times as the strings that they are; ValueError says what is wrong."""
    import tomllib

    try:
        found = tomllib.loads(text, parse_float=_number)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    return _walk(found)


def parse_yaml(text: str) -> Value:
    """The value of a YAML text with one document; ValueError says what is wrong or refused."""
    from .yaml12 import parse

    return _walk(parse(text))


# What Python's reader of JSON says, in words for those who wrote it.
_PLAINER = {
    "Expecting property name enclosed in double quotes": "a name in double quotes is expected here",
    "Illegal trailing comma before end of object": "no comma stands after the last field",
    "Illegal trailing comma before end of array": "no comma stands after the last element",
    "Expecting value": "a value is expected here",
    "Expecting ',' delimiter": "a comma is expected here",
    "Expecting ':' delimiter": "a colon is expected here",
    "Extra data": "the value ends here, and more text follows",
    "Unterminated string starting at": "this string has no end",
    "Invalid control character at": "a new line or another control character is written as an escape",
}
_TOO_DEEP = "it is nested too deeply"
_PARSERS: dict[str, Callable[[str], Value]] = {"JSON": parse_json, "TOML": parse_toml, "YAML": parse_yaml}


def _number(text: str) -> float:
    if not isfinite(float(text)):
        raise ValueError(f"{text} is no number")
    return float(text)


def _walk(value: Any, depth: int = 0) -> Value:
    """A parsed value as one of the language; ValueError for what no value here can be."""
    kind = value.__class__
    if kind is str:
        if re.search(_NO_CHARACTER, value):
            raise ValueError("it holds an escape that is no character")
        return value
    if depth > MAX_DEPTH:
        raise ValueError(_TOO_DEEP)
    if kind is list:
        return [_walk(item, depth + 1) for item in value]
    if kind is dict:
        return {_walk(name): _walk(item, depth + 1) for name, item in value.items()}
    if kind is int:
        if value.bit_length() > 64:
            raise ValueError(f"{str(value)[:40] if value.bit_length() < 4000 else 'a number'} is too large")
        return value
    return value if value is None or kind is bool or kind is float else value.isoformat()


def _parsed(text: str, language: str, what: str) -> Value:
    try:
        return _PARSERS[language](text)
    except ValueError as error:
        reason = str(error)
        found = re.search(_PLACE, reason)
        if found:
            text = reason[: found.start()].strip(" :")
            reason = f"line {found[1]}, column {found[2]}: {_PLAINER.get(text, text)}"
        raise Fault(f"{what} is not {language}", why=reason) from None


def from_json(s: Value, /) -> Value:
    """from-json(s): The value of a JSON text.

    from-json("[1, null]") == [1, null]
    """
    return _parsed(text_of(s), "JSON", "This string")


def from_toml(s: Value, /) -> Value:
    """from-toml(s): The record of a TOML text. Dates and times are strings.

    from-toml("a.b = 1") == { a = { b = 1 } }
    """
    return _parsed(text_of(s), "TOML", "This string")


def from_yaml(s: Value, /) -> Value:
    """from-yaml(s): The value of a YAML text, as YAML 1.2 has it: `no` is a string. Anchors and `<<` are followed,
    within bounds; tags of other types are refused.

        from-yaml("a: [1, no]") == { a = [1, "no"] }
    """
    return _parsed(text_of(s), "YAML", "This string")


def readers(read: Callable[[str], str]) -> dict[str, Callable[..., Value]]:
    """The builtins that read files. read: a file's text from its place."""

    def file_of(path: Value) -> tuple[str, str]:
        path = evaluated(path)
        if path.__class__ is not Path:
            hint = "a path is written without quotes: ./FILE" if path.__class__ is str else ""
            raise wrong_type(path, "a path", hint)
        return read(path.place), quote(path.place.rpartition("/")[2])

    def read_text(file: Value, /) -> Value:
        """read-text(file): A file's content as a string."""
        text, name = file_of(file)
        if "\0" in text:
            raise Fault(f"{name} is no text", why="it holds a NUL character, which ends strings elsewhere")
        return text

    def read_json(file: Value, /) -> Value:
        """read-json(file): What a JSON file holds, as in read-json(./package.json).version."""
        text, name = file_of(file)
        return _parsed(text, "JSON", name)

    def read_toml(file: Value, /) -> Value:
        """read-toml(file): What a TOML file holds, as in read-toml(./pyproject.toml).project.name."""
        text, name = file_of(file)
        return _parsed(text, "TOML", name)

    def read_yaml(file: Value, /) -> Value:
        """read-yaml(file): What a YAML file holds; see from-yaml."""
        text, name = file_of(file)
        return _parsed(text, "YAML", name)

    return {"read-text": read_text, "read-json": read_json, "read-toml": read_toml, "read-yaml": read_yaml}
