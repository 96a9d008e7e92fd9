"""`fpack doc`: show the documentation of builtin functions, library files and curated packages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from fpack.cli import options as shared

if TYPE_CHECKING:
    from fpack.lang.documentation import Doc, Manual

_WIDTH = 100  # columns


@click.command(
    "doc",
    epilog="""\b
Examples:
  fpack doc                  list all names
  fpack doc map              a builtin function
  fpack doc lists            a library file, as in import("fpack/lists")
  fpack doc lists.take       a function of that file
  fpack doc container        the function that defines a container
  fpack doc postgres         a curated package
  fpack doc ./fpack.fp       your own file""",
)
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(name: str | None, as_json: bool) -> int:
    """Show the documentation of NAME: its syntax, its effect, and examples."""
    from fpack.cli.errors import UsageError
    from fpack.cli.paths import cache_directory
    from fpack.cli.workspace.curated import curated
    from fpack.lang import documentation as docs
    from fpack.lang.errors import quote
    from fpack.store.errors import one_line

    directories = [docs.STANDARD]
    packages = curated()
    directories += [next(iter(packages.values())).parent] if packages else []
    cache = cache_directory() / "modules"
    if name is None:
        if as_json:
            files = [file for file, _ in docs.library(directories[:1]) if file != f"fpack/{docs.PRELUDE}"]
            shared.print_json({"functions": list(docs.builtins()), "files": files, "packages": sorted(packages)})
        else:
            print("\n".join(_overview(directories, sorted(packages))))
        return 0
    found = _own(name, cache) if name.endswith(".fp") else docs.find(name, directories, cache)
    if found is None:
        near = docs.suggest(name, directories, cache)
        raise UsageError(
            f"There is no documentation for {quote(one_line(name))}",
            hint=f"did you mean {quote(near)}?" if near else "fpack doc, without a name, lists all names",
        )
    if as_json:
        shared.print_json(_plain(found))
    else:
        print(_doc(found) if isinstance(found, docs.Doc) else _manual(found))
    return 0


def _plain(found: Doc | Manual) -> dict[str, Any]:
    from fpack.lang import documentation as docs

    if isinstance(found, docs.Doc):
        return {**found._asdict(), "calls": list(found.calls), "examples": list(found.examples)}
    return {**found._asdict(), "fields": [_plain(field) for field in found.fields]}


def _own(name: str, cache: Path) -> Manual:
    from fpack.cli.errors import UsageError
    from fpack.lang import documentation as docs
    from fpack.lang.runtime import deep_stack
    from fpack.lang.runtime.limits import Limits
    from fpack.lang.syntax.source import MAX_FILE, Source
    from fpack.store.files.regular_file import read_bytes

    try:
        text = read_bytes(name, MAX_FILE).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("This file cannot be read", where=name, why=getattr(error, "strerror", str(error))) from None
    found: Manual = deep_stack.bounded(lambda: docs.of_file(Source(name, text), name, cache), Limits.configured())
    return found


def _overview(directories: list[Path], packages: list[str]) -> list[str]:
    from fpack.lang import documentation as docs

    files = {name: path for name, path in docs.library(directories[:1]) if name != f"fpack/{docs.PRELUDE}"}
    width = max(map(len, files)) + 2
    lines = [_bold("Builtin functions"), *_wrapped(list(docs.builtins()))]
    lines += ["", _bold('Library files, as in import("fpack/lists")')]
    for name, path in files.items():
        text = _first_sentence(docs.manual(name, path).text)
        lines.append(f"  {name.ljust(width)}{text.split(': ')[0].removesuffix('.')}".rstrip())
    lines += [
        "",
        _bold("Curated packages"),
        *_wrapped(packages),
        "",
        "fpack doc NAME shows the documentation of one of them.",
    ]
    return lines


def _first_sentence(text: str) -> str:
    """Return the first sentence of a text on one line. The sentence ends at the latest before an example."""
    words: list[str] = []
    for line in text.split("\n"):
        if not line or line.startswith(" "):
            break
        head, dot, _ = line.partition(". ")
        words.append(head + dot.rstrip())
        if dot or line.endswith("."):
            break
    return " ".join(words)


def _wrapped(names: list[str]) -> list[str]:
    import textwrap

    return textwrap.wrap("  ".join(names), _WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def _doc(doc: Doc) -> str:
    file, dot, _ = doc.name.rpartition(".")
    lines = [_bold(line) for call in doc.calls for line in _broken(call)]
    if dot and file.startswith("fpack/"):
        lines.append(f'  of import("{file}")')
    if doc.text:
        lines += ["", *("  " + line if line else "" for line in doc.text.split("\n"))]
    if doc.place and not doc.place.startswith("fpack/"):
        lines += ["", f"  {doc.place}"]
    return "\n".join(lines)


def _short(call: str) -> str:
    """Return a call on one line. The record of a long call is abbreviated."""
    return call if len(call) <= _WIDTH - 2 or "{ " not in call else call.partition("{ ")[0] + "{ ... })"


def _broken(call: str) -> list[str]:
    """Return a call for display. A long call has a line for each field of its record."""
    if len(call) <= _WIDTH or "{ " not in call:
        return [call]
    head, _, rest = call.partition("{ ")
    inner, _, end = rest.rpartition(" }")
    fields, depth, begin = [], 0, 0
    for i, char in enumerate(inner):
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            fields.append(inner[begin:i].strip())
            begin = i + 1
    return [head + "{", *(f"  {field}," for field in [*fields, inner[begin:].strip()]), "}" + end]


def _manual(manual: Manual) -> str:
    from fpack.store.errors import one_line

    lines = [_bold(one_line(manual.name)), "", *("  " + line if line else "" for line in manual.text.split("\n"))]
    shown = [d for d in manual.fields if d.text] or list(manual.fields)
    for doc in shown:
        first = _first_sentence(doc.text)
        lines += ["", "  " + _bold(_short(doc.calls[0])), *(["      " + first] if first else [])]
    return "\n".join(lines)


def _bold(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m" if sys.stdout.isatty() and text else text
