"""Read what `make -pn install` prints: the commands that it would run, and its rules. All functions are pure."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from .targets import BuildTargets

_INSTALLERS = frozenset({"install", "ginstall", "install-sh", "cp", "ln", "mv"})
# Options of these programs that take a word.
_WITH_WORD = frozenset({"-m", "-o", "-g", "-S", "--mode", "--owner", "--group", "--suffix", "--backup"})
_LINES = 200_000  # of the answer
_WORDS = 4000  # of a line
_LOOP = re.compile(r"^for\s+(\w+)\s+in\s+(.*?)\s*;\s*do\s+(.*)\Z", re.DOTALL)
# automake's rules: the list of what is installed, and the variable of the directory.
_AUTOMAKE = re.compile(r"""list='([^'\n]*)';\s*test -n "([^"\n]*)" \|\| list=""")
# automake's variables, which each directory's rules begin with: its list is whole even if a rule before lacks a file.
_LISTS = re.compile(
    r"^(?:dist_|nodist_)?(s?bin_(?:PROGRAMS|SCRIPTS)|lib_(?:LTLIBRARIES|LIBRARIES)) = (.+)$", re.MULTILINE
)
_VALUES = re.compile(r"^(am__\w+) = (.*)$", re.MULTILINE)
_DATABASE = re.compile(r"^# Make data base, printed on ", re.MULTILINE)
_TESTS = re.compile(r"^(?:TESTS|check_PROGRAMS|check_SCRIPTS)\s*:?=\s*(.+)$", re.MULTILINE)


def read_make_answer(installed: str, rules: str, prefix: str) -> BuildTargets:
    """Return the targets. installed: the commands of the phase `install`. rules: of `make -pn`. prefix: the output."""
    programs: list[str] = []
    libraries = False
    for words, folder in _automake(installed, prefix):
        programs += [f"{folder}/{posixpath.basename(word)}" for word in words if folder in ("bin", "sbin")]
        libraries |= folder == "lib" and any(re.search(r"\.(?:la|a|so)\b", word) for word in words)
    for source, target in _copies(installed):
        path = _below(target, prefix)
        if path is None:
            continue
        folder, _, name = path.rpartition("/")
        if folder in ("bin", "sbin"):
            programs.append(path)
        libraries |= bool(re.fullmatch(r"lib(?:64|/[\w.-]+-linux-gnu\w*)?", folder)) and bool(
            re.search(r"\.(?:la|a|so)(?:\.|\Z)", name or source)
        )
    listed = [word for line in _TESTS.findall(rules) for word in line.split() if "$" not in word]
    for kind, words in _lists(rules):
        folder, _, what = kind.partition("_")
        libraries |= folder == "lib"
        if what in ("PROGRAMS", "SCRIPTS"):
            programs += [f"{folder}/{posixpath.basename(word)}" for word in words]
    targets = set(re.findall(r"^(check|test)\s*:(?!=)", rules, re.MULTILINE))
    tests = listed or [f"make {name}" for name in ("check", "test") if name in targets]
    return BuildTargets(tuple(dict.fromkeys(programs)), libraries, tuple(dict.fromkeys(tests)))


def _automake(text: str, prefix: str) -> Iterator[tuple[Sequence[str], str]]:
    """Yield the files of each of automake's rules that install, and the directory below the output."""
    for line in re.sub(r"\\\n", " ", text).splitlines()[:_LINES]:
        for found in _AUTOMAKE.finditer(line):
            folder = _below(f"{found[2]}/x", prefix)
            if folder is not None:
                yield [word.removesuffix(".exe") for word in found[1].split()[:_WORDS]], folder.removesuffix("/x")


def _lists(rules: str) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield automake's lists of what is installed, of each directory: the variable's name, and its words."""
    for database in _DATABASE.split(rules):
        values = dict(_VALUES.findall(database))
        for name, text in _LISTS.findall(database):
            words = text.split()[:_WORDS]
            # Each of automake's own variables stands in one list, once.
            words = [values.pop(word[2:-1], "") if word.startswith("$(am__") else word for word in words]
            plain = [word.removesuffix("$(EXEEXT)") for word in " ".join(words).split()]
            yield name, [word for word in plain if "$" not in word]


def _copies(text: str) -> Iterator[tuple[str, str]]:
    """Yield the source and the target of each file that commands install."""
    for line in re.sub(r"\\\n", " ", text).splitlines()[:_LINES]:
        if len(line) < 100_000:
            yield from _of_command(line.strip(), {}, 0)


def _of_command(line: str, values: Mapping[str, str], depth: int) -> Iterator[tuple[str, str]]:
    loop = _LOOP.match(line)
    if loop and depth < 2:
        body = re.sub(r";?\s*done\b.*\Z", "", loop[3], flags=re.DOTALL)
        for word in loop[2].split()[:_WORDS]:
            yield from _of_command(body, {**values, loop[1]: word.strip("'\"")}, depth + 1)
        return
    for part in re.split(r"&&|\|\||;", line):
        try:
            words = shlex.split(part)
        except ValueError:
            continue
        yield from _of_words([_expanded(word, values) for word in words[:_WORDS]])


def _expanded(word: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$\{?(\w+)\}?", lambda name: values.get(name[1], name[0]), word) if values else word


def _of_words(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what a command such as `install -m 755 wave $out/bin` installs."""
    while words and (words[0] in ("{", "(", "then", "do", "else", "sh", "/bin/sh", "@", "-") or "=" in words[0]):
        words = words[1:]
    if words and posixpath.basename(words[0]) == "libtool" or "--mode=install" in words:
        at = next((n for n, word in enumerate(words) if posixpath.basename(word) in _INSTALLERS), len(words))
        words = words[at:]
    if not words or posixpath.basename(words[0]) not in _INSTALLERS:
        return
    is_link = posixpath.basename(words[0]) == "ln"
    files: list[str] = []
    into = None
    rest = list(words[1:])
    while rest:
        word = rest.pop(0)
        if word in ("-t", "--target-directory") and rest:
            into = rest.pop(0)
        elif word.startswith("--target-directory="):
            into = word.partition("=")[2]
        elif word in _WITH_WORD and rest:
            rest.pop(0)
        elif word in ("-d", "--directory") or (re.fullmatch(r"-[A-Za-z]*d[A-Za-z]*", word) and not is_link):
            if posixpath.basename(words[0]) != "cp":
                return  # it makes directories
        elif re.fullmatch(r"-[A-Za-z]*m", word) and posixpath.basename(words[0]) != "cp" and rest:
            rest.pop(0)
        elif word.startswith((">", "2>")):
            break
        elif not word.startswith("-"):
            files.append(word)
    if into is None and len(files) < 2:
        return
    target = into if into is not None else files.pop()
    for source in files:
        name = posixpath.basename(source.rstrip("/"))
        is_folder = into is not None or len(files) > 1 or target.endswith("/")
        is_folder = is_folder or posixpath.basename(target) in ("bin", "sbin", "lib", "lib64")
        yield source, posixpath.join(target, name) if is_folder else target


def _below(path: str, prefix: str) -> str | None:
    """Return a path below the output: after the prefix, DESTDIR, or a directory of the system; else None."""
    path = posixpath.normpath(path)
    if prefix and prefix in path:
        return path[path.index(prefix) + len(prefix) :].lstrip("/") or None
    found = re.search(r"(?:\A|/)(?:usr/local|usr)/((?:s?bin|lib(?:64)?)/.+)\Z", path) or re.search(
        r"\A(?:/build/staged)?/((?:s?bin)/.+)\Z", path
    )
    return found[1] if found else None
