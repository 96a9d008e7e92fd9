"""Follow the shell conditions of configure.ac, as far as they depend on the defaults of its options.

A variable has a known value where an option's default, or the only assignment before, gives it. Positions in the text
are visited in their order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .wanted import Branches, Truth, both

_SHELL = re.compile(
    r"^[ \t]*(if|case|while|for)[ \t](?=.*(?:\bthen\b|\bin\b|;|\n.*\b(?:then|do)\b|\]|\btest\b))|"
    r"^[ \t]*(else|elif)\b|(?:^|;)[ \t]*(fi|esac|done)(?=[\s;)]|$)|"
    r"^[ \t]*(\w+)=([\"']?)([^\"'`$\s;]*)\5[ \t]*(?:;|$)|^[ \t]*(\w+)=",
    re.MULTILINE,
)
_CONDITION = re.compile(r"[ \t]([^;\n]{1,300}?)[ \t]*(?:;|\n)[ \t]*then\b")
_TEST = re.compile(
    r"(?:test|\[)[ \t]+(?:(?P<quote>[\"']?)(?P<x>[xX.]?)\$\{?(?P<name>\w+)\}?(?P=quote)[ \t]+(?P<not>!?)==?[ \t]+"
    r"(?P<quote2>[\"']?)(?P=x)(?P<value>[\w.-]*)(?P=quote2)|(?P<sign>-[nz])[ \t]+\"?\$\{?(?P<given>\w+)\}?\"?)[ \t]*\]?"
)
_ASSIGNED = re.compile(r"(?:^|[\s\[;])(\w+)=([\"']?)([^\"'`$\s;\[\]]*)\2(?=[\s;\])]|$)")
_ANY = re.compile(r"(?:^|[\s\[;])(\w+)=")


class ShellConditions:
    """The conditions of the shell at positions of a text, which is visited from its beginning."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._marks: Iterator[re.Match[str]] = _SHELL.finditer(text)
        self._next = next(self._marks, None)
        self._branches = Branches()
        self._values: dict[str, str | None] = {}  # None: of an unknown value
        self._until = 0

    def go_to(self, at: int) -> Truth:
        """Return whether a place is reached: it has no conditions, or all hold."""
        while (mark := self._next) is not None and mark.start(mark.lastindex or 0) < at:
            if mark.start(mark.lastindex or 0) >= self._until:
                self._visit(mark)
            self._next = next(self._marks, None)
        return self._branches.holds

    def skip(self, end: int) -> None:
        """Leave out what stands in the arguments of a macro: the shell may not get it."""
        self._until = end

    def give(self, name: str, args: Sequence[str]) -> None:
        """Note the variables that the arguments of a macro set. Those of an option have its default."""
        default = [args[3]] if name in ("AC_ARG_ENABLE", "AC_ARG_WITH") and len(args) > 3 else []
        option = re.sub(r"\W", "_", args[0].strip("[] \n\t")) if args else ""
        if name in ("AC_ARG_ENABLE", "AC_ARG_WITH"):
            self._set(f"{'enable' if name == 'AC_ARG_ENABLE' else 'with'}_{option}", "")
        else:
            for text in args:
                self._values.update(dict.fromkeys(_ANY.findall(text)))
        for text in default:
            self._values.update(dict.fromkeys(_ANY.findall(text)))
            for variable, _, value in _ASSIGNED.findall(text):
                self._set(variable, value)

    def _visit(self, mark: re.Match[str]) -> None:
        word = mark[1] or mark[2] or mark[3]
        if word == "if":
            self._branches.begin(self._truth(mark.end(1)))
        elif word == "for":
            self._branches.begin(True)
        elif word in ("case", "while"):
            self._branches.begin(None)
        elif word in ("else", "elif"):
            self._branches.otherwise(self._truth(mark.end(2)) if word == "elif" else True)
        elif word:
            self._branches.end()
        elif mark[4]:
            self._set(mark[4], mark[6])
        else:
            self._values[mark[7]] = None

    def _set(self, name: str, value: str) -> None:
        holds = self._branches.holds
        if holds is not False:
            self._values[name] = value if holds is True else None

    def _truth(self, at: int) -> Truth:
        """Return whether the condition after `if` or `elif` holds."""
        found = _CONDITION.match(self._text, at)
        holds: Truth = True
        for part in found[1].split("&&") if found else []:
            holds = both(holds, self._test(part.strip()))
        return holds if found else None

    def _test(self, text: str) -> Truth:
        found = _TEST.fullmatch(text)
        value = self._values.get(found["name"] or found["given"]) if found else None
        if found is None or value is None:
            return None
        if found["sign"]:
            return (value != "") == (found["sign"] == "-n")
        return (value == found["value"]) != bool(found["not"])
