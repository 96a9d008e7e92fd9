"""Validate records of plain data: every field must be present and of its type, and no other field may be present."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fpack.light_typing import Any
from fpack.store.canonical import Value
from fpack.store.errors import InvalidName, one_line
from fpack.store.path import parse

from .encoding import name_value
from .format import BYTES, Blob, ManifestError

MAX_NUMBER = 1 << 53  # JSON readers lose digits of larger ones
MAX_DATE = 253402300799  # the last second of the year 9999
MAX_PATH = 4096
MAX_DEPTH = 100  # of an entry; a tree in the store is 64 deep

DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
HEX64 = re.compile(r"[0-9a-f]{64}\Z")
HEX40 = re.compile(r"[0-9a-f]{40}\Z")


class Fields:
    """A record with exactly the fields `names`. Its methods return a field, or raise ManifestError for a wrong type."""

    def __init__(self, value: Value, what: str, names: Iterable[str]) -> None:
        self._what = what
        wanted = set(names)
        if not isinstance(value, dict) or value.keys() != wanted:
            known = value.keys() if isinstance(value, dict) else set()
            difference = ", ".join(sorted(map(one_line, wanted ^ set(known))))
            raise ManifestError("", why=f"{what} has missing or unknown fields ({difference:.200})")
        self._value: dict[str, Any] = value

    def text(self, name: str) -> str:
        value = self._value[name]
        if not isinstance(value, str):
            raise self.bad(name)
        return value

    def matching(self, name: str, pattern: re.Pattern[str]) -> str:
        value = self.text(name)
        if not pattern.match(value):
            raise self.bad(name)
        return value

    def maybe(self, name: str, pattern: re.Pattern[str]) -> str | None:
        return None if self._value[name] is None else self.matching(name, pattern)

    def number(self, name: str) -> int:
        """Return a number from 0 to the largest integer that JSON represents exactly."""
        value = self._value[name]
        if value.__class__ is not int or not 0 <= value <= MAX_NUMBER:
            raise self.bad(name)
        return int(value)

    def number_or_none(self, name: str) -> int | None:
        return None if self._value[name] is None else self.number(name)

    def date(self, name: str) -> int:
        """Return a time in Unix seconds."""
        value = self.number(name)
        if value > MAX_DATE:
            raise self.bad(name)
        return value

    def date_or_none(self, name: str) -> int | None:
        return None if self._value[name] is None else self.date(name)

    def store_path(self, name: str) -> str:
        value = self.text(name)
        if not is_store_path(value):
            raise self.bad(name)
        return value

    def record(self, name: str) -> dict[str, Value]:
        value = self._value[name]
        if not isinstance(value, dict):
            raise self.bad(name)
        return value

    def items(self, name: str) -> list[Value]:
        value = self._value[name]
        if not isinstance(value, list):
            raise self.bad(name)
        return value

    def name(self, name: str) -> bytes:
        """Return a path in the form that `name_value` writes."""
        value = self._value[name]
        if isinstance(value, str):
            return value.encode()
        if not isinstance(value, dict) or value.keys() != {BYTES} or not isinstance(value[BYTES], str):
            raise self.bad(name)
        try:
            found = bytes.fromhex(value[BYTES])
        except ValueError:
            raise self.bad(name) from None
        if name_value(found) != value:
            raise self.bad(name)
        return found

    def blob(self, name: str) -> Blob:
        return parse_blob(self._value[name], name)

    def bad(self, name: str) -> ManifestError:
        return ManifestError("", why=f"the field {name} of {self._what} is invalid: {str(self._value[name])[:80]!r}")


def is_store_path(text: str) -> bool:
    """Return whether a text is exactly a store path."""
    try:
        return str(parse(text)) == text
    except InvalidName:
        return False


def parse_blob(value: Value, what: str) -> Blob:
    """Parse a blob's description. Raise ManifestError if it is invalid."""
    fields = Fields(value, what, Blob._fields)
    return Blob(fields.text("media_type"), fields.matching("digest", DIGEST), fields.number("size"))


def is_path(path: bytes) -> bool:
    """Return whether bytes are valid as the path of an entry, "" for the root directory."""
    return not path or (
        b"\0" not in path
        and len(path) <= MAX_PATH
        and path.count(b"/") < MAX_DEPTH
        and not {b"", b".", b".."}.intersection(path.split(b"/"))
    )


def in_range(value: Value, most: int) -> bool:
    """Return whether a value is an integer from 0 to a limit."""
    return value.__class__ is int and 0 <= value <= most
