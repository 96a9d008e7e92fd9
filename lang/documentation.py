"""Extract the documentation of builtins and of source files from their definitions, without evaluation.

A builtin is documented by the docstring of its Python function: the call, the description, and after an empty line
examples. A field is documented by the comment directly above it, and a file by the comment at its top, which ends with
an empty line; indented lines in a comment are examples. The examples of builtins and of the standard library are
expressions that evaluate to true.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from inspect import cleandoc
from pathlib import Path
from typing import Any, NamedTuple

from fpack.lang import std
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import Source
from fpack.lang.syntax.tree import Node

from .errors import nearest

STANDARD = Path(std.DIRECTORY)
PRELUDE = "prelude"  # the file of the library whose names every file has


class Doc(NamedTuple):
    """The documentation of a builtin or field.

    name: such as `map` or `fpack/lists.take`. calls: the forms in which it can be written. text: the comment. examples:
    the indented lines of the comment. place: the file and line, or "" for a builtin; the name of the field in
    `fpack doc --json`, as of all others here.
    """

    name: str
    calls: tuple[str, ...]
    text: str
    examples: tuple[str, ...] = ()
    place: str = ""


class Manual(NamedTuple):
    """The documentation of a file: the comment at its top, and its fields in their order."""

    name: str
    text: str
    fields: tuple[Doc, ...]


# ---- builtins


@functools.cache
def builtins() -> Mapping[str, Doc]:
    """Return the documentation of all builtins, in the order of the table."""
    from fpack.lang.builtins.table import STRICT

    from .evaluator import Evaluator

    functions = Evaluator().builtins()
    return {name: _of_docstring(name, functions[name].__doc__ or "") for name in STRICT if name in functions}


def _of_docstring(name: str, doc: str) -> Doc:
    """Split a docstring `CALL or CALL: TEXT`, with examples after the first empty line."""
    prose, _, rest = cleandoc(doc).partition("\n\n")
    calls, _, text = prose.partition(": ")
    examples = tuple(line.strip() for line in rest.split("\n") if line.strip())
    return Doc(
        name,
        tuple(calls.split(" or ")),
        "\n".join([text, *(["", *("  " + e for e in examples)] if rest else [])]),
        examples,
    )


# ---- files


def of_file(source: Source, name: str, cache: str | Path | None = None) -> Manual:
    """Return the documentation of a source file; raise EvalError if it cannot be parsed."""
    lines = source.text.split("\n")
    entries = parse(Source(source.name, source.text, source.library, "file"), cache)
    top = _top(lines)
    fields = [_field(source, lines, name, e, len(top)) for e in entries if e.kind == "set"]
    text, _ = _text_and_examples(top)
    # A field with the name of its file has the documentation of the file, unless it has its own.
    main = name.rpartition("/")[2]
    fields = [d if d.text or _last(d) != main else d._replace(text=text) for d in fields]
    return Manual(name, text, tuple(fields))


def _field(source: Source, lines: list[str], name: str, entry: Node, after: int) -> Doc:
    """Return the documentation of a field. after: the number of lines at the top that belong to the file's comment."""
    line = source.text.count("\n", 0, entry.start)
    begin = line
    while begin > after and lines[begin - 1].startswith("#"):
        begin -= 1
    text, examples = _text_and_examples([_uncommented(text) for text in lines[begin:line]])
    return Doc(f"{name}.{entry.name}", (_call(source, entry),), text, examples, f"{source.name}:{line + 1}")


def _call(source: Source, entry: Node) -> str:
    """Return the name of a field, with the parameters of a function as they are written in the text."""
    name, value = entry.name, entry.value
    if value.kind != "fn":
        return str(name)
    head = source.text[value.start : value.body.start]  # `name(x, { y }) =`, or `(x, { y }) => (`
    head = re.sub(r"#[^\n]*", "", head).rstrip()  # without comments
    head = re.sub(r"(=>|=)\s*(\(\s*)*$", "", head).rstrip()  # without the arrow, and parentheses around the body
    head = head[len(name) :] if head.startswith(name) else head
    params = re.sub(r"\s+", " ", head).strip()  # on one line
    if params and not params.startswith("("):  # `x => ...`
        params = f"({params})"
    return str(name) + re.sub(r",? \}\)$", " })", params)  # a pattern over several lines may end in a comma


def _top(lines: list[str]) -> list[str]:
    """Return the lines of the comment at the top of a file if an empty line or nothing follows it, else none."""
    count = 0
    while count < len(lines) and lines[count].startswith("#"):
        count += 1
    if count < len(lines) and lines[count].strip():
        return []
    return [_uncommented(line) for line in lines[:count]]


def _uncommented(line: str) -> str:
    return line[2:] if line.startswith("# ") else line[1:]


def _text_and_examples(lines: list[str]) -> tuple[str, tuple[str, ...]]:
    """Return the text of a comment, and its indented lines."""
    examples = tuple(line.strip() for line in lines if line[:1] in (" ", "\t") and line.strip())
    return "\n".join(line.rstrip() for line in lines).strip("\n"), examples


# ---- the library


def library(directories: list[Path] | None = None) -> Iterator[tuple[str, Path]]:
    """Yield the name (`fpack/lists`) and the path of each file of the library, sorted."""
    found: dict[str, Path] = {}
    for directory in directories or [STANDARD]:
        for path in directory.rglob("*.fp"):
            found.setdefault("fpack/" + path.relative_to(directory).with_suffix("").as_posix(), path)
    yield from sorted(found.items())


def manual(name: str, path: Path, cache: str | Path | None = None) -> Manual:
    """Return the documentation of a file of the library."""
    return of_file(Source(f"{name}.fp", path.read_text(), library=True), name, cache)


def find(name: str, directories: list[Path] | None = None, cache: str | Path | None = None) -> Doc | Manual | None:
    """Find the documentation of a builtin, a name of the prelude, a file of the library, or a field of such a file.

    The name of a field is `lists.take`, `fpack/lists.take`, or just `take`.
    """
    found: Any = builtins().get(name)
    if found is not None:
        return found  # type: ignore[no-any-return]
    files = dict(library(directories))
    for library_name in (name, f"fpack/{name}"):
        if library_name in files:
            same = _same_name(library_name, files, cache)
            return same if same is not None else manual(library_name, files[library_name], cache)
    file, dot, field = name.rpartition(".")
    if dot:
        for library_name in (file, f"fpack/{file}"):
            if library_name in files:
                fields = manual(library_name, files[library_name], cache).fields
                return next((d for d in fields if d.name == f"{library_name}.{field}"), None)
        return None
    in_prelude = _prelude().get(name)
    if in_prelude is not None:
        return find(in_prelude, directories, cache)
    for library_name, path in files.items():
        for doc in () if library_name == f"fpack/{PRELUDE}" else manual(library_name, path, cache).fields:
            if _last(doc) == name:
                return doc
    return None


def suggest(name: str, directories: list[Path] | None = None, cache: str | Path | None = None) -> str:
    """Return the most similar name that `find` knows, or ""."""
    files = dict(library(directories))
    known = [*builtins(), *_prelude(), *files, *(n.removeprefix("fpack/") for n in files)]
    for library_name, path in files.items():
        fields = manual(library_name, path, cache).fields
        known += [_last(d) for d in fields] + [d.name.removeprefix("fpack/") for d in fields]
    return nearest(name, known)


def _same_name(library_name: str, files: dict[str, Path], cache: str | Path | None) -> Doc | None:
    """Return the field that has the name of its file, if the prelude exports it."""
    last = library_name.rpartition("/")[2]
    if _prelude().get(last) == f"{library_name}.{last}":
        return next((d for d in manual(library_name, files[library_name], cache).fields if _last(d) == last), None)
    return None


def _last(doc: Doc) -> str:
    """Return the name of a field without the name of its file."""
    return doc.name.rpartition(".")[2]


def _prelude() -> dict[str, str]:
    """Return the names of the prelude, each with the field of the library that it refers to."""
    text = (STANDARD / f"{PRELUDE}.fp").read_text()
    # Lines `NAME = import("fpack/FILE").FIELD`. `find` finds names from files beside the prelude as fields.
    found = re.finditer(r'^([\w-]+) = import\("(fpack/[\w/-]+)"\)\.([\w-]+)$', text, re.MULTILINE)
    return {name: f"{file}.{field}" for name, file, field in (m.groups() for m in found)}
