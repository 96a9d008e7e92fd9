"""Define the builtins for strings.

Builtins that split strings or make them from values must keep the placeholders of derivations intact.
"""

from __future__ import annotations

from collections.abc import Callable

from fpack.lang.errors import Fault, quote
from fpack.lang.runtime.argument_checks import ArgumentError, bounded, int_of, strings_of, text_of
from fpack.lang.runtime.derivations import Deriver
from fpack.lang.runtime.values import Value, evaluated
from fpack.store.path import clean_name

Cut = Callable[[str, list[int]], None]  # raises the error of a cut in a placeholder: Placeholders.check_cut

_HASHES = ("sha256", "sha512", "sha1", "md5")


def join(xs: Value, by: Value, /) -> Value:
    """join(xs, by): Join the strings of a list, with `by` between them.

    join(["a", "b"], ", ") == "a, b"
    """
    return text_of(by).join(strings_of(xs))


def starts_with(s: Value, t: Value, /) -> Value:
    """starts-with(s, t): Return true if a string begins with `t`.

    starts-with("version", "ver")
    """
    return text_of(s).startswith(text_of(t))


def ends_with(s: Value, t: Value, /) -> Value:
    """ends-with(s, t): Return true if a string ends with `t`.

    ends-with("libz.so", ".so")
    """
    return text_of(s).endswith(text_of(t))


def trim(s: Value, /) -> Value:
    """trim(s): Return a string without the white space at its ends.

    trim("  a b ") == "a b"
    """
    return text_of(s).strip(" \t\n\r")


def to_int(s: Value, base: Value = 10, /) -> Value:
    """to-int(s) or to-int(s, base): Convert a string to an integer, in base 10 or another base. Convert a float to its
    integer part.

        to-int("12") == 12
        to-int("0755", 8) == 493
    """
    s, base = evaluated(s), int_of(base)
    if s.__class__ is float or s.__class__ is int:
        return bounded(int(s))
    if not 2 <= base <= 36:
        raise Fault("A base is a number from 2 to 36", why=f"this base is {base}")
    try:
        digits = text_of(s).removeprefix("-")
        if not (digits.isascii() and digits.isalnum() and len(digits) <= 63):
            raise ValueError
        value = int(s, base)
    except ValueError:
        where = f" in base {base}" if base != 10 else ""
        raise ArgumentError(s, f"takes the digits of a whole number{where}, and this is {quote(s)}") from None
    return bounded(value)


def store_name(s: Value, /) -> Value:
    """store-name(s): Replace the characters of a string that are not allowed in a name in the store.

    store-name("my app") == "my_app"
    """
    return clean_name(text_of(s))


def _part(s: str, span: tuple[int, int]) -> str | None:
    """Return the text of a group; None if the group took no part in the match."""
    return None if span[0] < 0 else s[span[0] : span[1]]


def functions(deriver: Deriver) -> dict[str, Callable[..., Value]]:
    """Return the builtins that need the derivations of the evaluation, for the placeholders in strings, by name."""
    cut = deriver.placeholders.check_cut

    def to_string(x: Value, /) -> Value:
        """to-string(x): Return the text of a value, as "${x}" does: a string, number or bool as text, a path or
        derivation as its path in the store.

            to-string(5) == "5"
        """
        return deriver.text(evaluated(x))

    def hash_(s: Value, algorithm: Value = "sha256", /) -> Value:
        """hash(s) or hash(s, algorithm): Return the hash of a string's UTF-8 text in hexadecimal digits. The
        algorithms are "sha256", "sha512", "sha1" and "md5"; the last two are for formats that need them, not for
        security.

            substring(hash("abc"), 0, 8) == "ba7816bf"
            length(hash("abc", "sha512")) == 128
        """
        import hashlib

        s, algorithm = text_of(s), text_of(algorithm)
        if algorithm not in _HASHES:
            raise ArgumentError(
                algorithm,
                f"takes the name of an algorithm: {', '.join(_HASHES)}",
                why=f"this is {quote(algorithm)}",
            )
        deriver.placeholders.refuse(s, "hashed")
        return hashlib.new(algorithm, s.encode(), usedforsecurity=False).hexdigest()

    return {**_parts(cut), **_changes(cut), **_matches(cut), "to-string": to_string, "hash": hash_}


def _parts(cut: Cut) -> dict[str, Callable[..., Value]]:
    """Return the builtins that take strings apart."""

    def split(s: Value, by: Value, /) -> Value:
        """split(s, by): Split a string at each occurrence of `by`.

        split("a,b,c", ",") == ["a", "b", "c"]
        """
        s, by = text_of(s), text_of(by)
        if not by:
            hint = "characters(STRING) returns the characters of a string"
            raise ArgumentError(by, "needs a separator, and this is empty", hint=hint)
        parts = s.split(by)
        cuts: list[int] = []
        at = 0
        for part in parts[:-1]:
            cuts += (at + len(part), at + len(part) + len(by))
            at += len(part) + len(by)
        cut(s, cuts)
        return parts

    def substring(s: Value, a: Value, b: Value, /) -> Value:
        """substring(s, from, to): Return the characters of a string from one position up to and excluding another.

        substring("abcdef", 1, 3) == "bc"
        """
        s, a, b = text_of(s), int_of(a), int_of(b)
        if not 0 <= a <= b:
            raise ArgumentError(b, "takes two positions, the smaller one first", why=f"the positions are {a} and {b}")
        cut(s, [a, b])
        return s[a:b]

    def characters(s: Value, /) -> Value:
        """characters(s): Return the list of the characters of a string.

        characters("abc") == ["a", "b", "c"]
        """
        s = text_of(s)
        cut(s, list(range(len(s))) if "/fpack/store" in s else [])
        return list(s)

    return {"split": split, "substring": substring, "characters": characters}


def _changes(cut: Cut) -> dict[str, Callable[..., Value]]:
    """Return the builtins that change strings."""

    def replace(s: Value, old: Value, new: Value, /) -> Value:
        """replace(s, old, new): Replace each occurrence of `old` in a string by `new`.

        replace("a.b.c", ".", "-") == "a-b-c"
        """
        s, old = text_of(s), text_of(old)
        if not old:
            raise ArgumentError(old, "needs a string to replace, and this is empty")
        cuts: list[int] = []
        at = s.find(old)
        while at >= 0:
            cuts += (at, at + len(old))
            at = s.find(old, at + len(old))
        cut(s, cuts)
        return s.replace(old, text_of(new))

    def replace_all(s: Value, regex: Value, new: Value, /) -> Value:
        """replace-all(s, regex, new): Replace each match of a regular expression in a string by `new`.

        replace-all("a1b22", "[0-9]+", "#") == "a#b#"
        """
        from . import patterns

        s, pattern, new = text_of(s), patterns.compiled(regex), text_of(new)
        every = [spans[0] for spans in patterns.find(pattern, s)]
        cut(s, [i for span in every for i in span])
        ends = [0, *(end for _, end in every)]
        starts = [*(start for start, _ in every), len(s)]
        return new.join(s[a:b] for a, b in zip(ends, starts, strict=True))

    def lower(s: Value, /) -> Value:
        """lower(s): Convert a string to lower case.

        lower("ABC") == "abc"
        """
        return _cased(text_of(s), str.lower)

    def upper(s: Value, /) -> Value:
        """upper(s): Convert a string to upper case.

        upper("abc") == "ABC"
        """
        return _cased(text_of(s), str.upper)

    def _cased(s: str, change: Callable[[str], str]) -> str:
        changed = change(s)
        if changed != s:
            cut(s, [i for i, c in enumerate(s) if change(c) != c and i] if "/fpack/store" in s else [])
        return changed

    return {"replace": replace, "replace-all": replace_all, "lower": lower, "upper": upper}


def _matches(cut: Cut) -> dict[str, Callable[..., Value]]:
    """Return the builtins that match strings against regular expressions."""

    def match(s: Value, regex: Value, /) -> Value:
        """match(s, regex): Match a whole string against a regular expression. Return the list of the groups, or
        null if the string does not match.

            match("libz-1.3", "(.*)-([0-9.]+)") == ["libz", "1.3"]
            match("abc", "[0-9]+") == null
        """
        from . import patterns

        s = text_of(s)
        spans = patterns.fullmatch(patterns.compiled(regex), s)
        if spans is None:
            return None
        cut(s, [i for span in spans[1:] for i in span if i >= 0])
        return [_part(s, span) for span in spans[1:]]

    def find_all(s: Value, regex: Value, /) -> Value:
        """find-all(s, regex): Return all matches of a regular expression in a string. If the expression has one
        group, return the text of the group; if it has several groups, return lists of their texts.

            find-all("a1b22", "[0-9]+") == ["1", "22"]
            find-all("a=1 b=2", "([a-z])=([0-9])") == [["a", "1"], ["b", "2"]]
        """
        from . import patterns

        s, pattern = text_of(s), patterns.compiled(regex)
        every = patterns.find(pattern, s)
        cut(s, [i for spans in every for span in spans for i in span if i >= 0])
        if pattern.groups < 2:
            return [_part(s, spans[pattern.groups]) for spans in every]
        return [[_part(s, span) for span in spans[1:]] for spans in every]

    return {"match": match, "find-all": find_all}
