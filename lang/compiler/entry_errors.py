"""Make the errors for entries of records, files and `let`s that are wrong whatever their values are."""

from __future__ import annotations

from collections.abc import Iterator

from fpack.lang.errors import EvalError
from fpack.lang.syntax.source import Source
from fpack.lang.syntax.tree import Node


def check_entries(source: Source, entries: list[Node]) -> None:
    """Raise an error for a field given twice, and for a typed field, which is valid in patterns only."""
    for error in duplicates(source, entries):
        raise error
    for entry in entries:
        if entry.kind == "typed":
            hint = f"write {entry.token[1]} = VALUE for a field"
            raise source.error(entry.start, entry.end, "Only parameters have types", hint=hint)


def duplicates(source: Source, entries: list[Node]) -> Iterator[EvalError]:
    """Yield an error for each field that is given again."""
    seen: dict[str, Node] = {}
    for entry in entries:
        if entry.kind in ("set", "inherit"):
            first = seen.setdefault(entry.name, entry)
            if first is not entry:
                other = (first.start, first.end, "first given here")
                yield source.error(entry.start, entry.end, f"`{entry.name}` is given twice", other=other)


def inherited_in_file(source: Source, entries: list[Node]) -> Iterator[EvalError]:
    """Yield an error for each entry `{ name }` of a file, which has no enclosing scope."""
    for entry in entries:
        if entry.kind == "inherit":
            hint = "write NAME = VALUE for a field of a file"
            yield source.error(entry.start, entry.end, f"`{entry.name}` has no value", hint=hint)


def refuse_cycle(source: Source, entry: Node) -> None:
    """Raise the error for a value that certainly evaluates itself, with a hint at what was probably meant."""
    name, value = entry.name, entry.value
    why = "the fields of a record, and the names of a `let`, see each other, so the name refers to this value itself"
    hint = f"no scope around this has another `{name}`"
    if source.text[: entry.start].rpartition("{")[0].rstrip().endswith(".with"):
        hint = f"write .with(old => {{ {name} = ... }}), and old.{name} for the value before the change"
    if value.kind == "var":
        what = f"`{name} = {name}` defines the value by itself"
        raise source.error(value.start, value.end, what, why=why, hint=hint)
    raise source.error(entry.start, entry.end, f"`{name}` depends on itself", why=why, hint=hint)
