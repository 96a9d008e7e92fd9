"""Complete the guess about a project with CMake, Meson, configure, a Makefile or Go: its packages and its programs."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fpack.builders.debian.contents.needs import PACKAGE, BuildNeed
from fpack.builders.python.native import COMPILERS, tools_for
from fpack.store.errors import FpackError
from fpack.store.files.regular_file import read_bytes

from ..guess import LIBRARY, OWN_PATCH, Guess, clean_version, text
from ..project import read_project
from .autotools_files import read_autotools
from .cgo_files import is_go_source, read_cgo
from .cmake_files import read_cmake
from .generated_c import generating_commands
from .installed_scripts import installed_scripts, with_interpreters
from .makefiles.make_files import read_make
from .makefiles.make_systems import FoundMakefile, find_makefile
from .makefiles.makefile_in import with_makefile_in
from .mapping import ChosenPackage, PackageChoice, choose
from .meson_files import read_meson
from .programs import main_program
from .project_tests import refused_tests, script_needs
from .python_extensions import has_extensions, is_generated_by_old_cython, read_extensions
from .stylesheets import stylesheet_needs
from .terminal import with_terminal
from .texts import list_files, read_files, read_texts
from .wanted import BuildFacts, BuildRequirement

if TYPE_CHECKING:
    from fpack.builders.debian.contents.finder import NeedFinder
    from fpack.cli.shared_options import SharedOptions

# The packages that the functions of the library add to a build, and those of every build.
_EVERY = (
    "base-files", "bash", "coreutils", "dash", "diffutils", "findutils", "gawk", "grep", "gzip", "libc-bin", "patch",
    "sed", "tar", "xz-utils", "gcc", "libc6-dev",
)  # fmt: skip
_TOOLS: Mapping[str, Sequence[str]] = {
    "cmake": ("cmake", "g++", "ninja-build", "pkgconf"), "meson": ("meson", "ninja-build", "pkgconf"),
    "autotools": ("make",), "make": ("make",), "go": (), "python": ("python3-venv", *COMPILERS),
}  # fmt: skip
_BOOTSTRAP = ("autoconf", "automake", "libtool", "pkgconf")
_SHOWN = 8  # things that a message names


def complete(guess: Guess, directory: Path, options: SharedOptions, release: str) -> Guess:
    """Return a guess with the packages that the project's build needs, and the program that the image runs.

    The index of files is fetched if the build needs anything. If it cannot be, what is needed is said.
    """
    if guess.call not in _TOOLS:
        return guess
    if guess.call == "go":
        c_code = read_cgo(read_files(directory, filter(is_go_source, list_files(directory))))
        if c_code is None:
            return guess
        guess, facts = with_cgo(guess), c_code
    elif guess.call == "python":
        guess, facts = _with_extensions(guess, directory)
    else:
        guess = _with_configure(guess, directory)
        texts, files = read_texts(directory), list_files(directory)
        facts = read_facts(guess, directory, texts, files)
        readmes = [name for name in files if re.fullmatch(r"README(\.\w+)?", name, re.IGNORECASE)]
        guess = with_programs(guess, facts, "\n".join(read_files(directory, readmes).values()))
        guess = with_makefile_in(guess, texts)
        guess = with_interpreters(guess, texts, files, lambda path: _head(directory / path))
        guess = _without_tests(guess, refused_tests(texts, files, directory))
    if not facts.wanted:
        return guess
    from fpack.cli.time_limit import paused
    from fpack.cli.workspace.needs import open_finder
    from fpack.cli.workspace.package_lookup import Packages
    from fpack.cli.workspace.workspace import Workspace

    tools = [*_EVERY, *_TOOLS[guess.call], *(_BOOTSTRAP if ("bootstrap", "true") in guess.fields else ())]
    try:
        with paused(), Workspace(options) as workspace:
            workspace.use_project(directory)
            packages = Packages(workspace, guess.release or release)
            return with_packages(guess, facts, open_finder(packages), lambda: closure(packages, tools))
    except FpackError as error:
        return _unmapped(guess, facts, error)


def _head(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(256)
    except OSError:
        return b""


def with_cgo(guess: Guess) -> Guess:
    """Return the guess about a Go project that has C code."""
    if ("cgo", "true") in guess.fields:
        return guess
    return guess._replace(
        fields=[*guess.fields, ("cgo", "true")], reasons=[*guess.reasons, "it has C code, which needs the C compiler"]
    )


def _with_configure(guess: Guess, directory: Path) -> Guess:
    """Return a guess that makes `configure` first if the project's .gitignore leaves it out of the source."""
    if guess.call != "autotools" or ("bootstrap", "true") in guess.fields:
        return guess
    try:
        ignored = read_bytes(directory / ".gitignore", 1_000_000).decode("utf-8", "replace").split("\n")
    except OSError:
        return guess
    sources = [name for name in ("configure.ac", "configure.in") if (directory / name).is_file()]
    if not sources or not {"configure", "/configure", "configure*", "./configure"}.intersection(
        map(str.strip, ignored)
    ):
        return guess
    reasons = [*guess.reasons, f".gitignore leaves out configure, which is generated from {sources[0]} first"]
    return guess._replace(fields=[("bootstrap", "true"), *guess.fields], reasons=reasons)


def closure(packages: object, names: Sequence[str]) -> frozenset[str]:
    """Return the names of packages with all that they depend on."""
    from fpack.builders.debian.resolver import resolve

    return frozenset(resolve(packages.universe, list(names)).packages)  # type: ignore[attr-defined]


def _without_tests(guess: Guess, tests: Sequence[str]) -> Guess:
    """Return a guess that leaves out the project's tests if `tests`, which are all, cannot run in a sandbox."""
    if guess.call != "autotools" or not tests:
        return guess
    reason = f"its tests need extended attributes or root, which builds do not have: {_few(tests)}"
    return guess._replace(fields=[*guess.fields, ("check", "null")], reasons=[*guess.reasons, reason])


def _with_extensions(guess: Guess, directory: Path) -> tuple[Guess, BuildFacts]:
    """Return a guess about a Python project, and what its native modules need."""
    own = read_files(directory, ("setup.py", "setup.cfg", "pyproject.toml"))
    is_built = any(field == "project" for field, _ in guess.fields) and has_extensions(own.get("setup.py", ""))
    if not is_built or tools_for([guess.name], ()):  # the tables of names know what it needs
        return guess, BuildFacts()
    texts, files = {**read_texts(directory, sources=True), **own}, list_files(directory)
    facts = read_extensions(texts, files)
    commands = generating_commands(directory) if is_generated_by_old_cython(texts, files) else ""
    if not commands or any(field in ("patch", "python") for field, _ in guess.fields):
        return guess, facts
    cython = BuildRequirement((BuildNeed(PACKAGE, "cython3"),), True, "setup.py")
    reasons = [*guess.reasons, f"C sources that an old Cython generated are generated again; {OWN_PATCH}"]
    guess = guess._replace(fields=[*guess.fields, ("patch", text(commands))], reasons=reasons)
    return guess, facts._replace(wanted=[*facts.wanted, cython])


def read_facts(guess: Guess, directory: Path, texts: Mapping[str, str], files: Collection[str]) -> BuildFacts:
    """Return what the files of a project's build system say. texts: of these. files: the paths of all files."""
    facts = _read_facts(guess, directory, texts, files)
    return facts._replace(wanted=[*facts.wanted, *stylesheet_needs(facts.wanted, texts)])


def _read_facts(guess: Guess, directory: Path, texts: Mapping[str, str], files: Collection[str]) -> BuildFacts:
    if guess.call == "make":
        found = find_makefile(read_project(directory)) or FoundMakefile("Makefile")
        texts = read_texts(directory, sources=True)
        if found.words[:1] == ("-f",):  # other directories are for other systems
            own = (f"{found.path.rpartition('/')[0]}/", *(path for path in files if "/" not in path))
            texts = {path: text for path, text in texts.items() if path.startswith(own)}
            files = frozenset(path for path in files if path.startswith(own))
        facts = read_make(texts, found.path, files, by_system=bool(found.target))
        if not facts.test_scripts:
            return facts
        scripts = read_files(directory, [*facts.test_scripts, *installed_scripts(texts, files)])
        return facts._replace(wanted=[*facts.wanted, *script_needs(scripts)])
    if guess.call == "cmake":
        return read_cmake(texts)
    if guess.call == "meson":
        return read_meson(texts, files)
    facts = read_autotools(texts, bootstrap=("bootstrap", "true") in guess.fields)
    return facts if texts.keys() & {"configure.ac", "configure.in"} else _by_hand(directory, facts, files)


def _by_hand(directory: Path, facts: BuildFacts, files: Collection[str]) -> BuildFacts:
    """Return what a configure that was not made by autoconf leaves to the sources: the headers that they include."""
    made = read_make(read_texts(directory, sources=True), "Makefile", files)
    return facts._replace(wanted=[*facts.wanted, *made.wanted])


def with_programs(guess: Guess, facts: BuildFacts, readme: str = "") -> Guess:
    """Return a guess with the program that the build system installs, its name and its version."""
    version = guess.version or clean_version(facts.version)
    guess = guess._replace(version=version if version and version[0].isdigit() else None)
    if guess.call == "autotools" and facts.name and re.fullmatch(r"[A-Za-z][\w.+-]*", facts.name):
        guess = _renamed(guess, facts.name)
    if not facts.known:
        return guess
    if facts.libraries and is_named_as_library(guess.name, facts.programs):
        return guess._replace(
            library=True, reasons=[guess.reasons[0], f"{LIBRARY}, beside {', '.join(facts.programs[:4])}"]
        )
    if not facts.programs:
        return guess._replace(library=True, reasons=[guess.reasons[0], LIBRARY]) if facts.libraries else guess
    program = main_program(facts.programs, guess.name, readme)
    reasons = [line for line in guess.reasons if line != LIBRARY and not line.startswith("the image runs ")]
    others = [name for name in facts.programs if name != program]
    more = f", and installs {', '.join(others[:4])}{' and more' if len(others) > 4 else ''} too" if others else ""
    folder = "sbin" if program in facts.sbin else "bin"
    reasons.append(f"the image runs {program}{more}")
    return guess._replace(entrypoint=[f"@/{folder}/{program}"], library=False, reasons=reasons)


def _renamed(guess: Guess, name: str) -> Guess:
    """Return a guess with the name of the project's archive in configure.ac, which also stands for its program."""
    if guess.entrypoint != [f"@/bin/{guess.name}"]:
        return guess._replace(name=name)
    reasons = [f"the image runs {name}" if line == f"the image runs {guess.name}" else line for line in guess.reasons]
    return guess._replace(name=name, entrypoint=[f"@/bin/{name}"], reasons=reasons)


def is_named_as_library(name: str, programs: Sequence[str]) -> bool:
    """Return whether a project that installs a library is named for that, and its programs only help to use it."""
    return bool(programs) and name.lower().startswith("lib") and name.lower() not in [p.lower() for p in programs]


def with_packages(guess: Guess, facts: BuildFacts, finder: NeedFinder, present: Callable[[], frozenset[str]]) -> Guess:
    """Return a guess with the packages of the project's needs."""
    chosen = choose(facts.wanted, finder, present())
    guess = with_terminal(guess, [package.name for package in chosen.packages if package.field == "libs"])
    fields = [*guess.fields]
    for field in ("tools", "libs"):
        names = [package.name for package in chosen.packages if package.field == field]
        fields = with_listed(fields, field, names)
    reasons = [*guess.reasons, *(_reason(package) for package in chosen.packages)]
    if chosen.optional:
        reasons.append(f"left out what is optional ({_few([_optional(package) for package in chosen.optional])})")
    return guess._replace(fields=fields, reasons=reasons, todo=[*guess.todo, *_todo(chosen, finder.release)])


def with_listed(fields: Sequence[tuple[str, str]], field: str, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return fields with packages in a list, after those that it has."""
    before = dict(fields).get(field, "[]")
    new = [name for name in names if f"debian.{name}," not in f"{before[:-1]}," and f'"{name}"' not in before]
    if not new:
        return [*fields]
    if before == "[]":
        return [*fields, (field, listed(new))]
    items = [word for word in re.split(r"[\s,]+", before.strip("[]")) if word]
    return [(name, _list([*items, *map(_word, new)])) if name == field else (name, value) for name, value in fields]


def listed(names: Sequence[str]) -> str:
    """Return a list of packages in the language, on one line if that is short."""
    return _list(list(map(_word, names)))


def _word(name: str) -> str:
    return f"debian.{name}" if re.fullmatch(r"[A-Za-z_]\w*(-\w+)*", name) else f'debian."{name}"'


def _list(words: Sequence[str]) -> str:
    line = f"[{', '.join(words)}]"
    return line if len(line) < 90 else "[\n" + "".join(f"    {word},\n" for word in words) + "  ]"


def _reason(package: ChosenPackage) -> str:
    where, _, need = package.why[0].partition(": ")
    found = f"{where} asks for {need}" if need == package.name else f"{where}: {need} is in {package.name}"
    return found + (f" ({len(package.why) - 1} more)" if len(package.why) > 1 else "")


def _optional(package: ChosenPackage) -> str:
    need = package.why[0].partition(": ")[2]
    return package.name if need == package.name else f"{need} of {package.name}"


def _todo(chosen: PackageChoice, release: str) -> list[str]:
    lines = []
    for item in chosen.unknown:
        names = " or ".join(dict.fromkeys(need.name for need in item.needs))
        lines.append(f"{item.where} needs the {item.needs[0].kind} {names}, which no package of {release} has")
    return [*lines, *chosen.old]


def _unmapped(guess: Guess, facts: BuildFacts, error: FpackError) -> Guess:
    """Return a guess that says what is needed, as no package could be looked up."""
    needs = dict.fromkeys(str(item.needs[0]) for item in facts.wanted if item.required)
    if not needs:
        return guess
    line = f"add to `libs` and `tools` the packages for {_few(list(needs))}: they could not be looked up: {error.what}"
    return guess._replace(todo=[*guess.todo, line])


def _few(words: Sequence[str]) -> str:
    return ", ".join(words[:_SHOWN]) + (f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else "")
