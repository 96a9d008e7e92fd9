"""The builtins for strings. Those that take one apart, or make one of values, look after derivations' placeholders."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from math import isinf
from types import FunctionType
from typing import Any

from fpack.store.path import clean_name

from .arguments import bounded, int_of, list_of, text_of
from .derive import Deriver
from .errors import Fault, quote
from .operators import fields
from .stack import Slow, interruptible
from .values import Path, Record, Value, describe, evaluated

SECONDS = 10
_SHORT = 4096
_NO_CHARACTER = re.compile("[\0\ud800-\udfff]")


def join(xs: Value, by: Value, /) -> Value:
    parts = [evaluated(x) for x in list_of(xs)]
    for part in parts:
        if part.__class__ is not str:
            raise Fault(f"`join` takes a list of strings, and this one holds {describe(part)}", hint='use "${VALUE}"')
    return text_of(by).join(parts)


def starts_with(s: Value, t: Value, /) -> Value:
    return text_of(s).startswith(text_of(t))


def ends_with(s: Value, t: Value, /) -> Value:
    return text_of(s).endswith(text_of(t))


def trim(s: Value, /) -> Value:
    return text_of(s).strip(" \t\n\r")


def to_int(s: Value, base: Value = 10, /) -> Value:
    s, base = evaluated(s), int_of(base)
    if s.__class__ is float:
        return int(s)
    if s.__class__ is int:
        return s
    if not 2 <= base <= 36:
        raise Fault("A base is a number from 2 to 36", why=f"this is {base}")
    try:
        if not re.fullmatch(r"-?[0-9A-Za-z]{1,63}", text_of(s)):
            raise ValueError
        return int(s, base)
    except ValueError:
        raise Fault(f"{quote(s)} is no whole number" + (f" in base {base}" if base != 10 else "")) from None


def store_name(s: Value, /) -> Value:
    return clean_name(text_of(s))


def from_json(s: Value, /) -> Value:
    def refuse(text: str) -> Value:
        raise ValueError(f"{text} is no number")

    def finite(text: str) -> float:
        return refuse(text) if isinf(float(text)) else float(text)

    def whole(text: str) -> int:
        return int(text) if len(text) < 21 else refuse(text[:40])

    text = text_of(s)
    try:
        value = json.loads(text, parse_constant=refuse, parse_float=finite, parse_int=whole)
        if "\\u" in text:
            _check_characters(value)
        return value
    except ValueError as error:
        raise Fault("This string is not JSON", why=str(error)) from None


def _check_characters(value: Any) -> None:
    """ValueError for what JSON can write in a string and no string here holds: NUL, and halves of characters."""
    todo = [value]
    while todo:
        value = todo.pop()
        if value.__class__ is str:
            if _NO_CHARACTER.search(value):
                raise ValueError("it holds an escape that is no character")
        elif value.__class__ is list:
            todo += value
        elif value.__class__ is dict:
            todo += value.keys()
            todo += value.values()


def _regex(regex: Value) -> re.Pattern[str]:
    try:
        return re.compile(text_of(regex))
    except (re.error, RecursionError, OverflowError) as error:
        raise Fault("This is no regular expression", why=str(error)) from None


def _search(s: str, pattern: re.Pattern[str], search: Callable[[], Any]) -> Any:
    """The result of a search, with a limit for those that may try very many ways to match."""
    if len(s) < _SHORT and "(" not in pattern.pattern and sum(map(pattern.pattern.count, "*+?{")) < 2:
        return search()
    try:
        return interruptible(search, SECONDS)
    except Slow:
        hint = "a repetition within a repetition, as in (a+)+, divides a text in all possible ways"
        why = f"it was given up after {SECONDS} seconds"
        raise Fault("This regular expression takes too long", why=why, hint=hint) from None


class Texts:
    """The builtins that take strings apart, or make them from values: they look after placeholders."""

    def __init__(self, deriver: Deriver) -> None:
        self.deriver = deriver

    def functions(self) -> dict[str, Callable[..., Value]]:
        """The builtins by name."""
        cut = self.deriver.check_cut
        deriver = self.deriver

        def split(s: Value, by: Value, /) -> Value:
            s, by = text_of(s), text_of(by)
            if not by:
                raise Fault("`split` needs something to split by")
            parts = s.split(by)
            cuts: list[int] = []
            at = 0
            for part in parts[:-1]:
                cuts += (at + len(part), at + len(part) + len(by))
                at += len(part) + len(by)
            cut(s, cuts)
            return parts

        def replace(s: Value, old: Value, new: Value, /) -> Value:
            s, old = text_of(s), text_of(old)
            if not old:
                raise Fault("`replace` needs something to replace")
            cuts: list[int] = []
            at = s.find(old)
            while at >= 0:
                cuts += (at, at + len(old)) if len(old) > 1 else (at, at + 1)
                at = s.find(old, at + len(old))
            cut(s, cuts)
            return s.replace(old, text_of(new))

        def replace_all(s: Value, regex: Value, new: Value, /) -> Value:
            s, pattern, new = text_of(s), _regex(regex), text_of(new)
            spans, replaced = _search(
                s, pattern, lambda: ([found.span() for found in pattern.finditer(s)], pattern.sub(lambda _: new, s))
            )
            cut(s, [i for span in spans for i in span])
            return replaced

        def substring(s: Value, a: Value, b: Value, /) -> Value:
            s, a, b = text_of(s), int_of(a), int_of(b)
            if not 0 <= a <= b:
                raise Fault("`substring` takes two positions, the smaller one first", why=f"these are {a} and {b}")
            cut(s, [a, b])
            return s[a:b]

        def lower(s: Value, /) -> Value:
            return _cased(text_of(s), str.lower)

        def upper(s: Value, /) -> Value:
            return _cased(text_of(s), str.upper)

        def _cased(s: str, change: Callable[[str], str]) -> str:
            changed = change(s)
            if changed != s:
                cut(s, [i for i, c in enumerate(s) if change(c) != c and i] if "/fpack/store" in s else [])
            return changed

        def match(s: Value, regex: Value, /) -> Value:
            s, pattern = text_of(s), _regex(regex)
            found = _search(s, pattern, lambda: pattern.fullmatch(s))
            if found is None:
                return None
            cut(s, [i for n in range(1, len(found.groups()) + 1) for i in found.span(n) if i >= 0])
            return list(found.groups())

        def to_string(x: Value, /) -> Value:
            return deriver.text(evaluated(x))

        def to_json(x: Value, /) -> Value:
            return json.dumps(plain(x, deriver), ensure_ascii=False, separators=(",", ":"))

        def mentions(x: Value, /) -> Value:
            return deriver.mentioned(x)

        def inputs(x: Value, /) -> Value:
            return deriver.inputs(x)

        def is_executable(x: Value, /) -> Value:
            return deriver.is_executable(evaluated(x))

        def derivation(r: Value, /) -> Value:
            return derived(evaluated(r))

        def derived(r: Value) -> Value:
            made = deriver.derive(r)
            made.origin = lambda changes: derived({**r, **changes})
            return made

        return {
            "split": split,
            "replace": replace,
            "replace-all": replace_all,
            "substring": substring,
            "lower": lower,
            "upper": upper,
            "match": match,
            "to-string": to_string,
            "to-json": to_json,
            "mentions": mentions,
            "inputs": inputs,
            "is-executable": is_executable,
            "derivation": derivation,
        }


def plain(value: Value, deriver: Deriver, depth: int = 0) -> Any:
    """A value as JSON has it, with derivations and paths as their placeholders and fields sorted."""
    value = evaluated(value)
    if depth > 200:
        raise Fault("A value is nested too deeply for JSON, or contains itself")
    if value.__class__ is list:
        return [plain(x, deriver, depth + 1) for x in value]
    if value.__class__ is Record and value.get("type") == "derivation":
        return deriver.text(value)
    if isinstance(value, dict):
        return {name: plain(x, deriver, depth + 1) for name, x in sorted(fields(value).items())}
    if value.__class__ is Path:
        return deriver.text(value)
    if value.__class__ is FunctionType:
        raise Fault("A function cannot be written as JSON")
    return bounded(value) if value.__class__ is int else value
