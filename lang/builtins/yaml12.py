"""Build values from the events of PyYAML's parser, by the core schema of YAML 1.2.

PyYAML's constructors, which follow YAML 1.1 and create Python objects, are not used. The total number of values is
bounded, so that aliases of aliases cannot multiply. Tags are refused, except those of the types that JSON has.

ruamel.yaml reads YAML 1.2, but does not replace this module: it creates dates, infinities and keys that are not
strings, reads `1_000`, `0b11` and `!!bool yes` as numbers and booleans, bounds neither aliases nor depth, takes 20
times as long to parse, and 100 ms to import.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fpack.lang.errors import quote

MAX_TEXT = 4 << 20
MAX_NODES = 200_000
MAX_DEPTH = 100
_TAG = "tag:yaml.org,2002:"
_NULL = frozenset(["", "~", "null", "Null", "NULL"])
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]{1,400}|0o[0-7]{1,400}|0x[0-9A-Fa-f]{1,400}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MERGE = "<<"


def parse(text: str) -> Any:
    """Return the value of a text with one document, or None for an empty text; raise ValueError with the reason."""
    import yaml

    if len(text) > MAX_TEXT:
        raise ValueError(f"it is longer than {MAX_TEXT >> 20} MB")
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Reader(yaml.parse(text, Loader=loader)).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        location = f": line {mark.line + 1} column {mark.column + 1}" if mark else ""
        raise ValueError(f"{error.problem or error.context}{location}") from None
    except yaml.YAMLError as error:
        raise ValueError(str(error).split("\n")[0]) from None


class _Reader:
    """A reader of the events of one text. The number of nodes is bounded, with those that aliases repeat."""

    def __init__(self, events: Iterator[Any]) -> None:
        self.events = events
        self.anchors: dict[str, tuple[Any, int]] = {}  # the value of each anchor, and its number of nodes
        self.nodes = 0

    def document(self) -> Any:
        """Return the value of the only document; None if there is none."""
        value, seen = None, False
        for event in self.events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                if seen:
                    raise self.refusal(event, "it contains several documents, and only one is allowed")
                seen = True
                value = self.node(next(self.events), 0)
        return value

    def node(self, event: Any, depth: int) -> Any:
        """Return the value of the node that an event begins. depth: the number of nodes around it."""
        kind = type(event).__name__
        self.count(event, 1)
        if kind == "AliasEvent":
            if event.anchor not in self.anchors:
                raise self.refusal(event, f"the alias `*{event.anchor}` has no anchor before it, or is inside it")
            value, nodes = self.anchors[event.anchor]
            self.count(event, nodes)
            return value
        before = self.nodes
        if depth > MAX_DEPTH:
            raise self.refusal(event, f"it is nested more than {MAX_DEPTH} levels deep")
        if kind == "ScalarEvent":
            value = self.scalar(event)
        elif kind == "SequenceStartEvent":
            self.check_tag(event, "seq")
            value = [self.node(item, depth + 1) for item in self.until("SequenceEndEvent")]
        else:
            self.check_tag(event, "map")
            value = self.mapping(depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = value, self.nodes - before
        return value

    def mapping(self, depth: int) -> dict[str, Any]:
        """Return the record of a mapping whose first event was read. Its own fields override those of `<<`."""
        found: dict[str, Any] = {}
        merged: list[dict[str, Any]] = []
        for event in self.until("MappingEndEvent"):
            if type(event).__name__ == "AliasEvent":
                name = self.node(event, depth + 1)
                if not isinstance(name, str):
                    raise self.refusal(event, "the name of a field is not a string")
            elif type(event).__name__ != "ScalarEvent":
                raise self.refusal(event, "the name of a field is a list or a record")
            else:
                name = event.value
                self.count(event, 1)
            value_event = next(self.events)
            value = self.node(value_event, depth + 1)
            if name == _MERGE and not event.style:
                records = value if isinstance(value, list) else [value]
                if not all(isinstance(record, dict) for record in records):
                    raise self.refusal(value_event, "`<<` takes a record, or a list of records")
                merged += records
                continue
            if name in found:
                raise self.refusal(event, f"{quote(name)} is given twice")
            found[name] = value
        fields: dict[str, Any] = {}
        for record in reversed(merged):  # the first one that has a field gives its value
            self.count(None, len(record))
            fields |= record
        return fields | found

    def until(self, end: str) -> Iterator[Any]:
        for event in self.events:
            if type(event).__name__ == end:
                return
            yield event

    def scalar(self, event: Any) -> Any:
        """Return the value of a scalar, by its tag, its style or its text."""
        text: str = event.value
        tag = event.tag or ""
        if tag in ("!", _TAG + "str") or (not tag and event.style):
            return text
        value = _plain(text)
        if tag:
            wanted = {"null": type(None), "bool": bool, "int": int, "float": float}.get(tag.removeprefix(_TAG))
            if wanted is None:
                raise self.refusal(event, f"the tag {quote(tag.replace(_TAG, '!!'))} is not supported")
            if wanted is float and type(value) is int:
                value = float(value)
            if type(value) is not wanted:
                raise self.refusal(event, f"{quote(text)} does not match its tag")
        return value

    def check_tag(self, event: Any, name: str) -> None:
        if event.tag not in (None, "!", _TAG + name):
            raise self.refusal(event, f"the tag {quote(event.tag.replace(_TAG, '!!'))} is not supported")

    def count(self, event: Any, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise self.refusal(event, f"it has more than {MAX_NODES} values after aliases are resolved")

    @staticmethod
    def refusal(event: Any, reason: str) -> ValueError:
        if event is None:
            return ValueError(reason)
        return ValueError(f"{reason}: line {event.start_mark.line + 1} column {event.start_mark.column + 1}")


def _plain(text: str) -> Any:
    """Return the value of an unquoted scalar, by the core schema."""
    if text in _NULL:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise ValueError(f"{quote(text)} is too large")
        return value
    if _SPECIAL.fullmatch(text):
        raise ValueError(f"{quote(text)} is not a finite number")
    return text
