"""Extract alternatives, users and groups from the text of maintainer scripts, without running them.

Most Debian packages register them by commands whose arguments are literals, or variables set by assignments and `for`
lists in the same script. Commands with other arguments are skipped.
"""

from __future__ import annotations

import re
import shlex
from collections import ChainMap
from collections.abc import Iterator, Mapping

from fpack.store.canonical import Value

MAX_SCRIPT = 1 << 18  # bytes
MAX_LINE = 1 << 14  # shlex takes time quadratic in the length of a line
MAX_CALLS = 4096
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_SEPARATORS = frozenset(";&|()\n")
_NUMBER = re.compile(r"[0-9]{1,9}\Z")
_KEYWORDS = {"if", "then", "elif", "else", "do", "while", "until", "!", "{", "exec", "command", "time"}
_MAX_TURNS = 64  # of a loop that is followed
_MAX_WORD = 4096
_CALLS = {"update-alternatives", "adduser", "addgroup", "useradd", "groupadd"}


def calls(script: str) -> Iterator[list[str]]:
    """Yield the calls of `update-alternatives`, `adduser`, `addgroup`, `useradd` and `groupadd` with known words."""
    if not any(program in script for program in _CALLS):
        return
    left = MAX_CALLS
    values: dict[str, str | None] = {}
    loop: tuple[str, list[str]] | None = None
    for words in _commands(script):
        if all(_ASSIGNMENT.match(word) for word in words):
            for word in words:
                name, _, value = word.partition("=")
                known = _expand(value, values)
                # A value computed at run time is ignored, since a literal is usually the default. A variable with two
                # different literals is unknown.
                if known is not None or name not in values:
                    values[name] = known if values.get(name, known) == known else None
        elif words[0] == "for" and len(words) > 3 and words[2] == "in":
            expanded = [_expand(word, values) for word in words[3:]]
            loop = (words[1], [w for text in expanded for w in (text or "").split()]) if None not in expanded else None
            values[words[1]] = None
        elif words[0] == "done":
            loop = None
        else:
            program = words[0].rpartition("/")[2]
            if program in _CALLS:
                for turn in loop[1][:_MAX_TURNS] if loop and _names(words, loop[0]) else [""]:
                    left -= 1
                    if left < 0:
                        return
                    bound: Mapping[str, str | None] = values
                    if loop:
                        bound = ChainMap({loop[0]: turn}, values)
                    complete = _complete(words, bound)
                    if complete is not None:
                        yield [program, *complete[1:]]


def _names(words: list[str], variable: str) -> bool:
    return any(variable in match for word in words for match in _VARIABLE.findall(word))


def _commands(script: str) -> Iterator[list[str]]:
    """Yield the simple commands of a script as lists of words. Commands in unusual shell syntax are missed."""
    for line in script[:MAX_SCRIPT].replace("\\\n", " ").split("\n"):
        if len(line) > MAX_LINE:
            continue
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|()")
        lexer.whitespace_split = True
        try:
            tokens = list(lexer)
        except ValueError:
            continue  # a quoted string that spans several lines
        words: list[str] = []
        for token in [*tokens, "\n"]:
            if token and set(token) <= _SEPARATORS:
                if words:
                    yield words
                words = []
            elif words or token not in _KEYWORDS:
                words.append(token)


def _expand(text: str, values: Mapping[str, str | None]) -> str | None:
    """Replace the variables in `text`. Return None if one is unknown or `text` contains other expansions."""
    unknown = False
    size = 0

    def value(match: re.Match[str]) -> str:
        nonlocal unknown, size
        known = values.get(match[1] or match[2])
        size += len(known or "")
        unknown = unknown or known is None or size > _MAX_WORD
        return "" if unknown else known or ""

    expanded = _VARIABLE.sub(value, text)
    return None if unknown or "$" in expanded or "`" in expanded or len(expanded) > _MAX_WORD else expanded


def _complete(words: list[str], values: Mapping[str, str | None]) -> list[str] | None:
    """Expand the words of a call. Skip a word that is an unknown variable; return None for other unknown words."""
    known: list[str] = []
    for word in words:
        expanded = _expand(word, values)
        if expanded is None:
            if _VARIABLE.fullmatch(word):
                continue
            return None
        if expanded:
            known.append(expanded)
    return known


def alternatives(script: str) -> list[Value]:
    """Return [link, name, target, priority, [[link, name, target] of each slave]] for each `--install`."""
    found: list[Value] = []
    seen: set[str] = set()
    for words in calls(script):
        if words[0] != "update-alternatives" or "--install" not in words:
            continue
        rest = words[words.index("--install") + 1 :]
        if len(rest) < 4 or not _NUMBER.match(rest[3]) or not _paths(rest[0], rest[2]):
            continue
        slaves = [
            rest[i + 1 : i + 4]
            for i, word in enumerate(rest)
            if word == "--slave" and len(rest) > i + 3 and _paths(rest[i + 1], rest[i + 3])
        ]
        entry = [rest[0], rest[1], rest[2], int(rest[3]), slaves]
        if (known := repr(entry)) not in seen:
            seen.add(known)
            found.append(entry)
    return found


def _paths(*texts: str) -> bool:
    """Return whether all texts are normalised absolute paths."""
    return all(text.startswith("/") and set(text[1:].split("/")).isdisjoint(("", ".", "..")) for text in texts)


_WITH_VALUE = {
    "adduser": {"--home", "--shell", "--uid", "--gid", "--ingroup", "--gecos", "--comment", "--firstuid", "--lastuid"},
    "addgroup": {"--gid", "--firstgid", "--lastgid"},
    "useradd": {"-d", "--home-dir", "--home", "-s", "--shell", "-u", "--uid", "-g", "--gid", "-c", "--comment",
                "-G", "--groups", "-b", "-e", "-f", "-k", "-K", "-p", "-R", "-Z"},
    "groupadd": {"-g", "--gid", "-K", "-p", "-R"},
}  # fmt: skip


def _options(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """Return a call's options ("" for options without a value) and its other words."""
    options: dict[str, str] = {}
    others: list[str] = []
    rest = iter(words[1:])
    for word in rest:
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            others.append(word)
        elif equals:
            options[name] = value
        elif word in _WITH_VALUE[words[0]]:
            options[word] = next(rest, "")
        else:
            options[word] = ""
    return options, others


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\Z")


def accounts(script: str) -> tuple[list[Value], list[Value]]:
    """Return the system users and groups that a script creates, as records for `rootfs/accounts.py`."""
    users: dict[str, Value] = {}
    groups: dict[str, Value] = {}
    for words in calls(script):
        if words[0] == "update-alternatives":
            continue
        options, others = _options(words)
        others = [word for word in others if word not in ("2>/dev/null", ">/dev/null", "1>&2")]
        if not others or not _NAME.match(others[0]):
            continue
        name = others[0]
        if words[0] in ("addgroup", "groupadd") or (
            words[0] == "adduser" and "--group" in options and "--system" not in options
        ):
            groups.setdefault(name, {"name": name, "gid": _id(options, "-g", "--gid")})
        elif words[0] == "useradd" or "--system" in options:
            user = _user(words[0], name, options)
            users.setdefault(name, user)
            if user["group"] == name:
                groups.setdefault(name, {"name": name, "gid": user["gid"]})
    return list(users.values()), list(groups.values())


def _user(program: str, name: str, options: dict[str, str]) -> dict[str, Value]:
    group = _first(options, "--ingroup", "-g", "--gid")
    if _NUMBER.match(group) or not _NAME.match(group):
        # For a system user, adduser's default group is nogroup; useradd's is a group of the user's name.
        group = name if program == "useradd" or "--group" in options else "nogroup"
    return {
        "name": name,
        "uid": _id(options, "-u", "--uid"),
        "gid": _id(options, "-g", "--gid") if group == name else None,
        "group": group,
        "home": _first(options, "--home", "-d", "--home-dir") or "/nonexistent",
        "shell": _first(options, "--shell", "-s") or "/usr/sbin/nologin",
        "comment": _first(options, "--gecos", "--comment", "-c"),
    }


def _first(options: dict[str, str], *names: str) -> str:
    return next((options[name] for name in names if options.get(name)), "")


def _id(options: dict[str, str], *names: str) -> int | None:
    text = _first(options, *names)
    return int(text) if _NUMBER.match(text) else None
