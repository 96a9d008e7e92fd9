"""Find the packages of the programs that a project's shell scripts call."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fpack.builders.payload.commands import PACKAGES, called_names
from fpack.store.errors import FpackError

from ..guess import Guess
from ..project import Project
from ..scripts import SHELLS, interpreter, is_tool
from .texts import read_code

if TYPE_CHECKING:
    from fpack.builders.debian.contents.finder import NeedFinder
    from fpack.cli.shared_options import SharedOptions

_MOST = 20  # packages that are added
_SHOWN = 8  # programs that a message names
_PROGRAM = re.compile(r"[a-z][a-z0-9._+-]+\Z")
_FUNCTION = re.compile(r"^[ \t]{0,80}(?:function[ \t]+)?([A-Za-z_][\w-]*)[ \t]*\(\)", re.MULTILINE)
_HERE_DOCUMENT = re.compile(r"(?<!<)<<-?[ \t]{0,8}[\"']?(\w{1,80})")
# What is quoted, and comments, in which quotes do not count.
_QUOTED = re.compile(r"\\.|(?:^|(?<=[\s;]))#[^\n]*|'[^']*'|\"(?:\\.|[^\"\\])*\"", re.DOTALL | re.MULTILINE)
# The commands that shells have themselves, and their words.
_BUILTINS = frozenset({
    "alias", "bg", "bind", "break", "builtin", "caller", "case", "cd", "chdir", "command", "compgen", "complete",
    "compopt", "continue", "coproc", "declare", "dirs", "disown", "do", "done", "echo", "elif", "else", "enable",
    "esac", "eval", "exec", "exit", "export", "false", "fc", "fg", "fi", "for", "function", "getopts", "hash", "help",
    "history", "if", "in", "jobs", "kill", "let", "local", "logout", "mapfile", "popd", "printf", "pushd", "pwd",
    "read", "readarray", "readonly", "return", "select", "set", "setopt", "shift", "shopt", "source", "suspend",
    "test", "then", "time", "times", "trap", "true", "type", "typeset", "ulimit", "umask", "unalias", "unset",
    "unsetopt", "until", "wait", "while",
})  # fmt: skip


def with_called_programs(guess: Guess, project: Project, directory: Path, options: SharedOptions) -> Guess:
    """Return a guess with the programs that a project's scripts call. The index of files is fetched if they call any.

    Scripts that test or release the project are left out.
    """
    texts = {**read_code(directory, (".sh", ".bash")), **project.scripts}
    texts = {name: text for name, text in texts.items() if not is_tool(name)}
    places = dict(called(texts))
    guess = _with(guess, essential(texts))
    if not places:
        return guess
    from fpack.cli.workspace.needs import open_finder
    from fpack.cli.workspace.package_lookup import Packages
    from fpack.cli.workspace.workspace import Workspace

    try:
        with Workspace(options) as workspace:
            workspace.use_project(directory)
            return with_packages(guess, places, open_finder(Packages(workspace, project.release)))
    except FpackError as error:
        names = ", ".join([*places][:_SHOWN])
        todo = f"add to `packages` of the image those that have {names}: they could not be looked up: {error.what}"
        return guess._replace(todo=[*guess.todo, todo])


def called(scripts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the programs that shell scripts call, each with the script that calls it; no builtins and functions.

    Programs of Essential packages are left out, see `essential`.
    """
    own = {name.rpartition("/")[2] for name in scripts}
    own |= {function for text in scripts.values() for function in _FUNCTION.findall(text)}
    for name, words in _words(scripts):
        for word in words:
            if _PROGRAM.match(word) and word not in PACKAGES and word not in _BUILTINS and word not in own:
                yield word, name


def essential(scripts: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the Essential packages that files which other scripts read need, each with the file and the program.

    Packing an image finds those of files that begin with `#!`.
    """
    found: dict[str, tuple[str, str]] = {}
    for name, words in _words({name: text for name, text in scripts.items() if not text.startswith("#!")}):
        for word in words:
            if word in PACKAGES:
                found.setdefault(PACKAGES[word], (name, word))
    return found


def _words(scripts: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the words of each shell script at which a command can stand, sorted."""
    for name, text in sorted(scripts.items()):
        if not text.startswith("#!") or interpreter(text) in SHELLS:
            text = _QUOTED.sub(_on_one_line, _without_here_documents(text))
            yield name, sorted(called_names(text.encode()))


def _without_here_documents(text: str) -> str:
    """Return a script without the lines of its here-documents."""
    kept: list[str] = []
    ends: list[str] = []  # the lines that end those which are open
    for line in text.split("\n"):
        if ends:
            ends = ends[1:] if line.strip() == ends[0] else ends
        else:
            kept.append(line)
            ends = _HERE_DOCUMENT.findall(line)
    return "\n".join(kept)


def _on_one_line(found: re.Match[str]) -> str:
    """Return what is quoted, or nothing for a text of several lines that runs no command."""
    text = found[0]
    is_text = "\n" in text and (text[0] == "'" or ("$(" not in text and "`" not in text))
    return "''" if is_text else text


def with_packages(guess: Guess, places: Mapping[str, str], finder: NeedFinder) -> Guess:
    """Return a guess whose image has the packages of programs. places: the script that calls each program.

    A word that is no program of the release is taken for an argument.
    """
    from fpack.builders.debian.contents.needs import PROGRAM, BuildNeed

    found: dict[str, tuple[str, str]] = {}
    for program, place in places.items():
        package = finder.find(BuildNeed(PROGRAM, program)).best
        if package is not None and len(found) < _MOST:
            found.setdefault(package, (place, program))
    return _with(guess, found)


def _with(guess: Guess, found: Mapping[str, tuple[str, str]]) -> Guess:
    """Return a guess whose image has further packages, by the script and the program that it calls."""
    new = {name: why for name, why in found.items() if name not in guess.image_packages}
    reasons = [f"{script}: it calls {program}, which is in {name}" for name, (script, program) in new.items()]
    packages = [*guess.image_packages, *new]
    return guess._replace(image_packages=packages, packages=packages, reasons=[*guess.reasons, *reasons])
