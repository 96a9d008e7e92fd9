"""Find the parameters of a function in its text, for errors about what a function names."""

from __future__ import annotations

from pathlib import Path
from types import FunctionType

from fpack.lang.errors import Fault, did_you_mean, quote
from fpack.lang.syntax.parser import parse
from fpack.lang.syntax.source import Source
from fpack.lang.syntax.tree import flat_params, walk
from fpack.store.errors import FpackError

from .frames import shown_name


def missing_in_set(
    function: FunctionType, name: str, known: list[str], absence: FpackError | None, own: bool, cache: str | Path | None
) -> FpackError:
    """Return the error, at the parameter `name` of a function, for a field that a package set does not have.

    known: the fields of the set. absence: the error of an on-demand set for the field. own: the function defines the
    field itself.
    """
    source: Source = function.__globals__[".source"]
    shown = shown_name(function.__name__)
    what = f"The package set has no field {quote(name)}"
    why = f"{quote(shown) if shown else 'the function'} is called with the fields of the set that its pattern names"
    hint = did_you_mean(name, known) or f"add a file {name}.fp, or .extend the set with {{ {name} = ... }}"
    if absence is not None:
        why, hint = absence.what, absence.hint or hint
    elif own:
        what = f"There is no field {quote(name)} before this file"
        why = "a file that names its own field gets that of the set which it extends, or of the set around it"
        hint = ""
    line = function.__code__.co_firstlineno
    for node in walk(parse(source, cache)):
        if node.kind == "fn" and (node.name or "") == shown:
            for param in flat_params(node.params):
                start = source.span(node.start, node.end).line
                if param.name == name and start <= line <= source.span(node.start, node.end).end_line:
                    return source.error(param.start, param.start + len(name), what, why=why, hint=hint)
    return Fault(what, why=why, hint=hint)
