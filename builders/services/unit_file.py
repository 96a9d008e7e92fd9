"""Parse systemd unit files: sections, lists of words, specifiers and variables.

Sources: systemd.syntax(7), the section COMMAND LINES of systemd.service(5), and SPECIFIERS of systemd.unit(5). The text
comes from a package: an invalid line is skipped, and the parser never fails.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

MAX_LINE = 1 << 14  # shlex takes time quadratic in the length of a line
MAX_WORDS = 256
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_BRACED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LONE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)\Z")

# The boot, the machine's number, the kernel, and what os-release says.
_OF_THE_HOST = frozenset("bmvqowWBAM")

Sections = Mapping[str, Mapping[str, list[str]]]


def parse(text: str) -> Sections:
    """Return {section: {key: values in order}}. An empty value resets the list, as in systemd."""
    sections: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = {}
    for line in _lines(text):
        if line.startswith("[") and line.endswith("]"):
            section = sections.setdefault(line[1:-1], {})
            continue
        key, equals, value = line.partition("=")
        if not equals:
            continue
        if value.strip():
            section.setdefault(key.strip(), []).append(value.strip())
        else:
            section[key.strip()] = []
    return sections


def _lines(text: str) -> list[str]:
    """Return the lines without comments, with continued lines joined."""
    found: list[str] = []
    joined = ""
    for line in text.splitlines():
        if line.lstrip().startswith(("#", ";")):
            continue
        if line.endswith("\\"):
            joined += line[:-1] + " "
        elif len(joined) + len(line) <= MAX_LINE:
            found.append((joined + line).strip())
            joined = ""
        else:
            joined = ""
    return [*found, joined.strip()] if joined.strip() else found


def words(text: str) -> list[str]:
    """Split a value into words, with quotes removed. Return [] if its quotes do not match."""
    try:
        return shlex.split(text)[:MAX_WORDS] if len(text) <= MAX_LINE else []
    except ValueError:
        return []


def expand_specifiers(text: str, unit: str) -> str:
    """Replace the specifiers of a unit, for a system service. An unknown one becomes empty."""
    stem = unit.rpartition(".")[0]
    prefix, _, instance = stem.partition("@")
    known = {
        "%": "%", "n": unit, "N": stem, "p": prefix, "i": instance, "P": _unescaped(prefix), "I": _unescaped(instance),
        "j": prefix.rpartition("-")[2], "J": _unescaped(prefix.rpartition("-")[2]),
        "f": "/" + _unescaped(instance or prefix).lstrip("/"), "t": "/run", "S": "/var/lib", "C": "/var/cache",
        "L": "/var/log", "E": "/etc", "D": "/usr/share", "T": "/tmp", "V": "/var/tmp", "d": f"/run/credentials/{unit}",
        "H": "localhost", "l": "localhost", "u": "root", "h": "/root", "U": "0", "g": "root", "G": "0", "s": "/bin/sh",
    }  # fmt: skip
    return re.sub(r"%(.)", lambda match: known.get(match[1], ""), text)


def _unescaped(name: str) -> str:
    """Undo systemd-escape: `-` is `/`, and `\\xHH` a character."""
    return re.sub(r"\\x([0-9a-fA-F]{2})", lambda match: chr(int(match[1], 16)), name.replace("-", "/"))


def names_the_host(text: str) -> bool:
    """Return whether a value has a specifier whose value only the running host knows, such as %b, its boot."""
    return any(match[1] in _OF_THE_HOST for match in re.finditer(r"%(.)", text))


def expand_variables(arguments: list[str], variables: Mapping[str, str]) -> list[str]:
    """Replace `${NAME}` by its value, and a word `$NAME` by the words of its value."""
    found: list[str] = []
    for word in arguments:
        lone = _LONE.match(word)
        if lone:
            found += words(variables.get(lone[1], ""))
        else:
            found.append(_BRACED.sub(lambda match: variables.get(match[1], ""), word).replace("$$", "$"))
    return found[:MAX_WORDS]


def assignments(text: str) -> dict[str, str]:
    """Return the assignments of an `Environment=` value."""
    found = {}
    for word in words(text):
        name, equals, value = word.partition("=")
        if equals and _NAME.match(name):
            found[name] = value
    return found


def environment_file(text: str) -> dict[str, str]:
    """Return the assignments of an environment file, whose lines are as in a shell script without expansions."""
    found: dict[str, str] = {}
    for line in _lines(text):
        name, equals, value = line.removeprefix("export ").partition("=")
        if equals and _NAME.match(name.strip()):
            found[name.strip()] = " ".join(words(value)) if value.strip()[:1] in "\"'" else value.strip()
    return found
