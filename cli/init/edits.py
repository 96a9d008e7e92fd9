"""Edit an fpack.fp in place: add packages to a call, set a field, remove a field. The author's formatting is kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from fpack.builders.debian.suites import UBUNTU_VERSIONS
from fpack.lang.format.formatter import format_source
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import Source
from fpack.lang.syntax.tree import Node, unwrapped, walk
from fpack.store.errors import FpackError

from .guess import text as quoted

# The functions of the library that build a package.
BUILDERS = frozenset({
    "package", "autotools", "cmake", "meson", "make", "python", "node", "go", "rust", "ruby", "java", "maven",
    "gradle", "php", "perl",
})  # fmt: skip


class CannotEdit(FpackError):
    """A file in which a field cannot be changed without a guess about its meaning."""


class PackageCall(NamedTuple):
    """A call that builds a package. attribute: the field whose value it is, or "". function: the callee. name: its
    `name`, or "" if that is no plain text. record: the node of its record."""

    attribute: str
    function: str
    name: str
    record: Node


class ProjectText:
    """The text of an fpack.fp. Edits return a new one."""

    def __init__(self, text: str, name: str = "fpack.fp") -> None:
        self.text = text
        self._name = name
        self.entries: list[Node] = parse(Source(name, text), None)

    def calls(self) -> list[PackageCall]:
        """Return the calls that build packages: those of the file's own fields first, in their order."""
        found: dict[int, PackageCall] = {}
        for entry in self.entries:
            if entry.kind == "set" and (call := _call(entry.name, unwrapped(entry.value))):
                found[call.record.start] = call
        for node in walk(self.entries):
            if node.kind == "rcall" and (call := _call("", node)):
                found.setdefault(call.record.start, call)
        return list(found.values())

    def container(self) -> tuple[Node, Node] | None:
        """Return the first field of the file whose value is a container, and the record of its call."""
        for entry in self.entries:
            value = unwrapped(entry.value) if entry.kind == "set" else None
            if (
                value is not None
                and value.kind == "rcall"
                and value.callee.kind == "var"
                and value.callee.name.strip("'") in ("container",)
            ):
                return entry, value.record
        return None

    def set_name(self, release: str) -> str:
        """Return how the file calls the set of a release's packages: a field's name, or an import."""
        for entry in self.entries:
            if entry.kind == "set" and re.fullmatch(
                rf'import\(\s*"fpack/(?:debian|ubuntu)"\s*\)\.{re.escape(release)}',
                self.text[entry.value.start : entry.value.end],
            ):
                return str(entry.name)
        return f'import("fpack/debian").{release}'

    def with_release(self, old: str, new: str) -> ProjectText:
        """Return the text with the first field that is the set of a release's packages made that of another one."""
        distribution = "ubuntu" if new in UBUNTU_VERSIONS else "debian"
        for entry in self.entries:
            if entry.kind == "set" and self.set_name(old) == entry.name:
                value = f'import("fpack/{distribution}").{new}'
                return self._replaced(entry.value.start, entry.value.end, value)
        return self

    def with_packages(self, call: PackageCall, field: str, names: Sequence[str], release: str) -> ProjectText:
        """Return the text with packages added to a field of a call. Raise CannotEdit if the field is computed."""
        own = self.set_name(release)
        words = [f"{own}.{n}" if re.fullmatch(r"[A-Za-z_]\w*(-\w+)*", n) else f"{own}.{quoted(n)}" for n in names]
        return self.with_items(call, field, words)

    def with_items(self, call: PackageCall, field: str, words: Sequence[str]) -> ProjectText:
        """Return the text with items, given as text of the language, added to a list that is a field of a call."""
        entry = _entry(call.record, field)
        if entry is None:
            return self._with_field(call.record, field, f"[{', '.join(words)}]")
        if entry.kind == "inherit":
            return self._replaced(entry.start, entry.end, f"{field} = [...{field}, {', '.join(words)}]")
        value = unwrapped(entry.value)
        if value.kind == "list":
            return self._appended(value, words)
        if value.kind in ("var", "sel", "call", "rcall"):
            before = self.text[value.start : value.end]
            return self._replaced(value.start, value.end, f"[...{before}, {', '.join(words)}]")
        raise CannotEdit(
            f"`{field}` of {call.name or call.attribute} is computed",
            where=self._name,
            hint=f"add {', '.join(words)} to it",
        )

    def with_value(self, call: PackageCall, field: str, value: str) -> ProjectText:
        """Return the text with a field of a call set to a value, given as text of the language."""
        entry = _entry(call.record, field)
        if entry is None or entry.kind == "inherit":
            return self._with_field(call.record, field, value)
        return self._replaced(entry.value.start, entry.value.end, value)

    def strings(self, call: PackageCall, field: str) -> list[str] | None:
        """Return the strings of a field of a call, a string or a list of them: none if there is no such field. Return
        None if it is computed."""
        entry = _entry(call.record, field)
        if entry is None:
            return []
        value = unwrapped(entry.value) if entry.kind == "set" else None
        items = [] if value is None else value.items if value.kind == "list" else [value]
        nodes = [unwrapped(item) for item in items]
        return None if not nodes or any(n.kind != "str" for n in nodes) else [str(node.value) for node in nodes]

    def without(self, entry: Node) -> ProjectText:
        """Return the text without a field of the file, and without the empty lines before it."""
        end = entry.value.end
        start = len(self.text[: entry.start].rstrip())
        return self._made(self.text[:start] + self.text[end:] if start else self.text[end:].lstrip("\n"))

    def replaced(self, start: int, end: int, text: str) -> ProjectText:
        """Return the text with a part replaced."""
        return self._replaced(start, end, text)

    def _appended(self, value: Node, words: Sequence[str]) -> ProjectText:
        start, end = value.start, value.end
        inside = self.text[start + 1 : end - 1]
        if not value.items:
            return (
                self._replaced(start, end, f"[{', '.join(words)}]") if not inside.strip() else self._lines(value, words)
            )
        last = value.items[-1].end
        if "\n" not in self.text[last : end - 1]:
            return self._replaced(last, last, "".join(f", {word}" for word in words))
        return self._lines(value, words)

    def _lines(self, value: Node, words: Sequence[str]) -> ProjectText:
        """Return the text with words added to a list of several lines, each on a line of its own."""
        closing = self.text.rfind("\n", 0, value.end - 1) + 1
        if value.items:
            last = value.items[-1]
            line = self.text.rfind("\n", 0, last.start) + 1
            indent = re.match(r"[ \t]*", self.text[line:])
            space = indent[0] if indent else "  "
            rest = self.text[last.end : value.end - 1]
            comma = "" if rest.lstrip().startswith(",") else ","
            added = "".join(f"{space}{word},\n" for word in words)
            made = self.text[: last.end] + comma + self.text[last.end : closing] + added + self.text[closing:]
            return self._made(made)
        outer = re.match(r"[ \t]*", self.text[closing:])
        space = (outer[0] if outer else "") + "  "
        return self._replaced(closing, closing, "".join(f"{space}{word},\n" for word in words))

    def _with_field(self, record: Node, field: str, value: str) -> ProjectText:
        """Return the text with a new field after those that usually precede it."""
        entries = [entry for entry in record.entries if entry.kind in ("set", "inherit")]
        if not entries:
            return self._replaced(
                record.start + 1, record.start + 1, f" {field} = {value}" + ("" if "\n" in value else " ")
            )
        usual = [e for e in entries if getattr(e, "name", "") in ("name", "version", "source", "libs", "tools")]
        after = (usual or entries)[-1]
        end = after.end if after.kind == "inherit" else after.value.end
        begin = self.text.rfind("\n", 0, after.start) + 1
        space = self.text[begin : after.start]
        if space.strip():
            return self._replaced(end, end, f", {field} = {value}")
        column = self.text.find("=", after.start, end) - after.start if after.kind == "set" else -1
        padded = field.ljust(column - 1) if column > len(field) else field
        return self._replaced(end, end, f"\n{space}{padded} = {value}")

    def _replaced(self, start: int, end: int, text: str) -> ProjectText:
        return self._made(self.text[:start] + text + self.text[end:])

    def _made(self, text: str) -> ProjectText:
        """Return the new text, formatted if the old one was in the standard style."""
        source = Source(self._name, self.text)
        if format_source(source, None) == self.text:
            text = format_source(Source(self._name, text), None)
        return ProjectText(text, self._name)


def _call(attribute: str, node: Node) -> PackageCall | None:
    """Return the call of a builder that a node is, also with `.with` and the like after it."""
    while node.kind == "sel" or (node.kind in ("call", "rcall") and node.callee.kind == "sel"):
        node = node.base if node.kind == "sel" else node.callee.base
    if node.kind != "rcall" or node.callee.kind != "var" or node.record.kind != "rec":
        return None
    # The parser marks a callee that has the name of the field that it is in.
    function = re.sub(r"[^\w-]", "", node.callee.name)
    if function not in BUILDERS:
        return None
    name = _entry(node.record, "name")
    value = unwrapped(name.value) if name is not None and name.kind == "set" else None
    return PackageCall(
        attribute, function, str(value.value) if value is not None and value.kind == "str" else "", node.record
    )


def _entry(record: Node, name: str) -> Node | None:
    """Return the field of a record literal with a name."""
    return next((e for e in record.entries if e.kind in ("set", "inherit") and e.name == name), None)


def has_field(call: PackageCall, name: str) -> bool:
    """Return whether the record of a call has a field of its own."""
    return _entry(call.record, name) is not None


def difference(before: str, after: str) -> list[str]:
    """Return the lines that differ between two texts, with `-` or `+` before each."""
    import difflib

    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]
