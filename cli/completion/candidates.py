"""What can stand at the cursor, for the shells' completion scripts: `fpack __complete SHELL WORD...`.

The words are those after `fpack` up to the cursor; the last one may be empty. The answer's first line says what the
shell is to do (`plain`; `nospace`: add no blank; `files`, `dirs`: complete those itself), each other line is a
candidate and, after a tab, what it is. Nothing is fetched or built, and nothing is ever said of an error.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import click

Candidate = tuple[str, str]  # the text, and what it is
_SECONDS = 5.0  # for a file that is only looked at
MANY = 600  # names of packages; where there are more, their beginnings are offered
LONG = 70  # letters of what a candidate is
ARCHITECTURES = ("amd64", "arm64", "armhf", "i386", "ppc64el", "riscv64", "s390x")
CODECS = (("zstd", "the default"), ("zstd:19", "small, and slow to make"), ("gzip", "for old runtimes"), ("none", ""))
_LETTERS = "+-.0123456789abcdefghijklmnopqrstuvwxyz"
_NAME = re.compile(r"[A-Za-z_]\w*(?:-\w+)*\Z")


class Answer(NamedTuple):
    """mode: the first line. candidates: the others."""

    mode: str = "plain"
    candidates: Sequence[Candidate] = ()


FILES, FOLDERS = Answer("files"), Answer("dirs")


def main(argv: Sequence[str], verbs: Mapping[str, str], command_of: Callable[[str], click.Command]) -> int:
    """Print the answer for a shell, or nothing if anything fails.

    verbs: the help line of each. command_of: imports the command of a verb.
    """
    if not argv:
        return 0
    shell, words = argv[0], list(argv[1:])
    if not words:
        words = [""]
    prefix = ""
    if shell == "bash":
        words, prefix = _joined(words)
    try:
        answer = complete(words, verbs, command_of)
    except Exception:  # nobody reads an error on the line that is being typed
        return 0
    seen: dict[str, str] = {}
    for text, what in answer.candidates:
        if text.startswith(words[-1]) and text.startswith(prefix) and text.isprintable():
            seen.setdefault(text.removeprefix(prefix), _short("".join(c for c in what if c.isprintable())))
    lines = [f"{text}\t{what}" if what else text for text, what in seen.items()]
    sys.stdout.write("".join(f"{line}\n" for line in [answer.mode, *lines]))
    return 0


def _short(text: str) -> str:
    return text if len(text) <= LONG else text[: LONG - 3].rstrip() + "..."


def _joined(words: Sequence[str]) -> tuple[list[str], str]:
    """Words that bash broke at `=` and `:`, whole again, and the part of the last that bash takes for settled."""
    whole: list[str] = []
    glue = False
    before = ""
    for word in words:
        breaks = word in ("=", ":", "==", "::")
        if whole and (breaks or glue):
            before = whole[-1] + (word if breaks else "")
            whole[-1] += word
        else:
            before = ""
            whole.append(word)
        glue = breaks
    return whole, before


def complete(words: Sequence[str], verbs: Mapping[str, str], command_of: Callable[[str], click.Command]) -> Answer:
    """Return what can replace the last word."""
    current = words[-1]
    verb = next((word for word in words[:-1] if not word.startswith("-")), None)
    if verb is None:
        top = [("--help", "show help"), ("--version", "show the version")]
        return _answer([*verbs.items(), *top] if not current.startswith("-") else top)
    if verb not in verbs:
        return Answer()
    return _argument(command_of(verb), list(words[list(words).index(verb) + 1 :]))


def _argument(command: click.Command, words: Sequence[str]) -> Answer:
    """What can be the last of a verb's words."""
    import click

    options = {name: p for p in command.params if isinstance(p, click.Option) for name in p.opts}
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    *before, current = words
    position, plain = 0, False
    used: set[str | None] = set()
    waiting: click.Option | None = None
    for word in before:
        if waiting is not None:
            waiting = None
        elif plain or not word.startswith("-") or word == "-":
            position += 1
        elif word == "--":
            plain = True
        else:
            name, equals, _ = word.partition("=")
            option = options.get(name)
            if option is not None:
                used.add(option.name)
                waiting = option if not equals and not option.is_flag else None
    if waiting is not None:
        return _value(waiting, current)
    if current.startswith("-") and not plain:
        name, equals, value = current.partition("=")
        if equals:
            answer = _value(options[name], value) if name in options else Answer()
            return Answer(answer.mode, [(f"{name}={text}", what) for text, what in answer.candidates])
        return _answer(_options(command, used))
    if not arguments:
        return Answer()
    last = arguments[-1]
    if position >= len(arguments) and last.nargs != -1:
        return Answer()
    return _value(arguments[min(position, len(arguments) - 1)], current)


def _options(command: click.Command, used: set[str | None]) -> Iterator[Candidate]:
    import click

    for param in command.params:
        if isinstance(param, click.Option) and not param.hidden and (param.multiple or param.name not in used):
            long = next((name for name in param.opts if name.startswith("--")), param.opts[0])
            yield long, param.help or ""
    yield "--help", "show help"


def _value(param: click.Parameter, current: str) -> Answer:
    """What an option or an argument can be."""
    import click

    kind = param.type
    if isinstance(kind, click.Choice):
        return _answer((str(choice), "") for choice in kind.choices)
    if isinstance(kind, click.Path):
        return FILES if kind.file_okay else FOLDERS
    makers: dict[str, Any] = {
        "what": targets, "image": targets, "target": targets,
        "release": _releases, "releases": _releases,
        "thing": _locked, "packages": _locked, "words": _searched,
        "arch": lambda text: _answer((name, "") for name in ARCHITECTURES),
        "compress": lambda text: _answer(CODECS),
    }  # fmt: skip
    maker = makers.get(param.name or "")
    if maker is not None:
        answer: Answer = maker(current)
        return answer
    return Answer()


def _answer(candidates: Iterable[Candidate]) -> Answer:
    return Answer("plain", list(candidates))


# What can be built.


def targets(text: str) -> Answer:
    """Attributes of the project's file or of another, curated packages, files, and Debian's packages."""
    if "#" in text:
        return _of_file(text)
    if text.startswith("debian."):
        return _debian(text)
    found: list[Candidate] = []
    if "/" not in text:
        project = _project()
        if project is not None:
            found += _attributes(project, text)
        if "." not in text:
            found += _curated()
            found.append(("debian.", "Debian's packages, as in debian.trixie.jq"))
    found += _files(text)
    shown = [each for each in found if each[0].startswith(text)]
    return Answer("nospace" if shown and all(each[0][-1] in "./#" for each in shown) else "plain", shown)


def _project() -> Path | None:
    from fpack.cli.paths import PROJECT_FILE
    from fpack.cli.workspace.target import find_project

    folder = find_project(Path.cwd())
    return folder / PROJECT_FILE if folder is not None else None


def _curated() -> Iterator[Candidate]:
    from fpack.cli.workspace.package_lookup import curated_packages

    for each in curated_packages():
        yield each.name, each.summary


def _of_file(text: str) -> Answer:
    name, _, attributes = text.partition("#")
    place = Path(os.path.expanduser(name)) if name else _project()
    if place is not None and place.is_dir():
        place /= "fpack.fp"
    if place is None:
        return Answer()
    return _answer((f"{name}#{path}", what) for path, what in _attributes(place, attributes))


def _attributes(file: Path, text: str) -> list[Candidate]:
    """Paths of attributes below what `text` names up to its last dot, as far as the file's text tells."""
    from fpack.cli.paths import cache_directory
    from fpack.lang.runtime import deep_stack
    from fpack.lang.runtime.limits import Limits
    from fpack.lang.syntax.parser import parse
    from fpack.lang.syntax.source import Source, read_text
    from fpack.store.errors import FpackError

    try:
        limits = Limits(Limits.found().memory, _SECONDS)
        source = Source(str(file), read_text(file, str(file)))
        entries = deep_stack.bounded(lambda: parse(source, cache_directory() / "modules"), limits)
    except (OSError, FpackError, RecursionError):
        return []
    *path, _ = text.split(".")
    for name in path:
        node = next((entry[4] for entry in entries if entry[0] == "set" and entry[3] == name), None)
        if node is None or node[0] not in ("rec", "named"):
            return []
        node = node[4] if node[0] == "named" else node
        entries = node[3] if node[0] == "rec" else ()
    before = "".join(f"{name}." for name in path)
    return [
        (before + entry[3], _kind(entry[4]))
        for entry in entries
        if entry[0] == "set" and _NAME.match(entry[3]) and entry[4][0] != "fn" and not _imported(entry[4])
    ]


def _imported(node: Any) -> bool:
    """Whether a value is a file's or a release of packages, which nothing builds."""
    while node[0] == "sel":
        node = node[3]
    return bool(node[0] == "call" and node[3][0] == "var" and node[3][3] == "import")


def _kind(node: Any) -> str:
    """A word for a value that a record makes: container, derivation and the like."""
    return str(node[3][3]) if node[0] == "rcall" and node[3][0] == "var" else ""


def _files(text: str) -> Iterator[Candidate]:
    """Directories, and files of the language."""
    folder, slash, name = text.rpartition("/")
    try:
        entries = sorted(os.scandir(os.path.expanduser(folder + slash) or "."), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if not entry.name.startswith(name) or (entry.name.startswith(".") and not name.startswith(".")):
            continue
        if entry.is_dir():
            yield f"{folder}{slash}{entry.name}/", ""
        elif entry.name.endswith(".fp"):
            yield f"{folder}{slash}{entry.name}", ""


# Debian's packages.


def _debian(text: str) -> Answer:
    """`debian.RELEASE.` and then names, or where there are many, their beginnings."""
    from fpack.builders.debian.suites import RELEASES

    release, dot, name = text.removeprefix("debian.").partition(".")
    if not dot:
        return Answer("nospace", [(f"debian.{each}.", "") for each in RELEASES if each.startswith(release)])
    if release not in RELEASES:
        return Answer()
    mode, names = _names(release, name)
    return Answer(mode, [(f"debian.{release}.{each}", "") for each in names])


def _names(release: str, start: str) -> tuple[str, list[str]]:
    """Names of packages that begin with `start`, from the lock's or the newest list that is cached."""
    from heapq import merge
    from itertools import islice

    indexes = _indexes(release)

    def names(prefix: str) -> Iterator[str]:
        return merge(*(index.starting_with(prefix) for index in indexes))

    found = list(islice(names(start), MANY + 1))
    if len(found) <= MANY:
        return "plain", found
    whole = [start] if found[0] == start else []
    return "nospace", whole + [start + c for c in _LETTERS if next(names(start + c), None) is not None]


def _indexes(release: str) -> list[Any]:
    from fpack.builders.debian.index import IndexCache
    from fpack.builders.debian.local_indexes import locked, newest
    from fpack.builders.debian.suites import RELEASES
    from fpack.cli.paths import cache_directory

    workspace = _workspace()
    suites, cache, arch = RELEASES[release], IndexCache(cache_directory() / "debian"), workspace.arch
    return [
        each.opened
        for each in locked(cache, workspace.read_lock(), release, suites, arch) or newest(cache, suites, arch)
    ]


def _workspace() -> Any:
    from fpack.cli.options import Options
    from fpack.cli.workspace.target import find_project
    from fpack.cli.workspace.workspace import Workspace

    workspace = Workspace(Options(frozen=True))
    workspace.use_project(find_project(Path.cwd()))
    return workspace


def _releases(text: str) -> Answer:
    from fpack.builders.debian.suites import RELEASES

    return _answer((release, "") for release in RELEASES)


def _locked(text: str) -> Answer:
    """The packages in the lock."""
    names = sorted({name for _, _, name in _workspace().read_lock().packages})
    return _answer((name, "") for name in names)


def _searched(text: str) -> Answer:
    from fpack.builders.debian.suites import STABLE

    if not text:
        return Answer()
    mode, names = _names(STABLE, text)
    return Answer(mode, [(name, "") for name in names])
