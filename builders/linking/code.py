"""Find the packages that interpreted programs of a linked root load, which no table of an ELF file names.

A package is active in a language if its programs are written in it, or if it has modules and no compiled program; then
its code counts. What code needs is the standard library of the interpreter, the modules that it imports, those packages
of its own dependencies that are of the same language, because code also loads modules by computed names, the programs
and libraries of its dependencies that it mentions, and the commands of Essential packages that it calls. What an
interpreter needs to start is needed in any case, and so are packages of plug-ins. A package without files stands for
its dependencies. Built programs that verify servers need certificates.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence

from fpack.builders.payload import meta
from fpack.builders.payload.commands import PACKAGES, SHELLS, script_commands
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.payload.slice_table import SliceTable

from . import certificates, languages
from .essential import CALLS, DEPENDS, MAINTENANCE, own_library
from .imports import Import, imports, package_names
from .languages import LANGUAGES, Language
from .linker import Reason
from .required_files import ASKED, DATA, PATH, SCRIPT, is_function

LIBC_PROGRAMS = "libc-bin"
MODULE, ENGINE, PLUGIN = "module", "engine", "plugin"
Read = Callable[[SliceTable, TreeEntry], bytes]
_Found = tuple[SliceTable, Reason]
_Fetching = Generator[list[str], list[SliceTable], list[_Found]]
_PLUGIN = re.compile(r"(?:.*[-.])?(?:plugins?|modules?|extensions?|addons?|loaders?|drivers?|backends?)(?:[-.].*)?\Z")
# Files that every package has.
_ABOUT = ("usr/share/doc/", "var/lib/dpkg/", "usr/share/lintian/")
# Packages of data whose own programs are for maintainer scripts.
_DATA_PACKAGES = {"ca-certificates", "netbase", "tzdata", "media-types", "publicsuffix", "dns-root-data", "iso-codes"}
# Files that packages open by names which stand in none of their files: (package, file).
_OPENED = {
    "libssl3t64": (("openssl-provider-legacy", "the provider of old algorithms"),),
    "r-base-core": (("debianutils", "its search for programs"),),
}
_TYPELIBS = "gir1.2-"
_PART = re.compile(r"(.+?)-(?:common|data|core|base|runtime|resources|modules|plugins)\Z")
_INSTALLATION = ("usr/share/python3/", "usr/share/debhelper/")  # for maintainer scripts
_INTERPRETER = re.compile(rb"(?<![\w.-])(java|node|nodejs|ruby|php|Rscript|tclsh|wish|lua[0-9.]*|python3)(?![\w-])")
_LIBRARY = re.compile(r"(lib([\w+-]+))(?:\.so(?:\..*)?|\.so)\Z")
_LONG = 5  # letters of a library's name that may stand without `lib` before it
_NOT_A_NAME = re.compile(r"[^a-z0-9]")
_VERSION = re.compile(r"(?<=[a-z])[0-9][0-9.]*(?=-)")  # that of the interpreter, as in php8.4-xml


class CodeNeeds:
    """The needs of code, for one resolution. See `linker.CodeLoads`.

    depends: the dependencies of each available package. seeds: the requested packages. built: those that are store
    paths from source. read: returns the content of a file. certificates: built programs that verify servers get them.
    """

    def __init__(
        self,
        depends: Mapping[str, Sequence[str]],
        seeds: Collection[str],
        built: Collection[str],
        read: Read,
        *,
        certificates: bool = False,
    ) -> None:
        self._certificates = certificates
        self._depends = depends
        self._seeds = set(seeds) | set(built)
        self._built = set(built)
        self._read = read
        self._done: set[str] = set()
        self._loaded: set[str] = set()  # packages that code loads
        self._called: set[str] = set()  # packages whose programs code calls
        self._languages: dict[str, None] = {}  # in which a package is active
        self._modules: dict[tuple[str, str], frozenset[str]] = {}

    @property
    def active(self) -> list[str]:
        """The names of the languages in which a package of the root is active, sorted."""
        return sorted(self._languages)

    def needed(self, included: Sequence[SliceTable], known: Mapping[str, SliceTable]) -> _Fetching:
        """Return the packages that the code of the included packages loads and that are not included."""
        present = {table.package for table in included}
        wanted: dict[str, Reason] = {}
        open_: dict[tuple[str, Import], tuple[SliceTable, str]] = {}
        mentioned: list[tuple[SliceTable, str]] = []
        active_in: dict[str, list[Language]] = {}
        for table in included:
            if table.package in self._done:
                continue
            self._done.add(table.package)
            active = self._active(table)
            for name, reason in self._dependencies(table, active):
                wanted.setdefault(name, reason)
            for name, reason in self._calls(table, active):
                wanted.setdefault(name, reason)
            counts = self._certificates and table.package in self._built
            if counts and (file := certificates.verifies(table, self._read)):
                wanted[certificates.PACKAGE] = Reason(DATA, table.package, f"/{file}", "certificates of servers")
            for language in active:
                for path, module in self._imports(table, language, included):
                    open_.setdefault((language.name, module), (table, path))
            mentioned += [(table, name) for name in self._undecided(table, active)]
            active_in[table.package] = active
        for name, reason in self._engines(included):
            wanted.setdefault(name, reason)
        new = {name: reason for name, reason in wanted.items() if name in self._depends and name not in present}
        found = yield from _fetched(new, known)
        tables = [*included, *(table for table, _ in found)]
        fetched = {**known, **{table.package: table for table, _ in found}}
        rest = [(table, name) for table, name in mentioned if name not in present and name not in new]
        called = yield from self._mentioned(rest, active_in, fetched)
        self._called |= {table.package for table, reason in called if reason.kind == CALLS}
        found += called
        tables = [*included, *(table for table, _ in found)]
        found += yield from self._search(open_, tables, fetched)
        self._loaded |= {table.package for table, reason in found if self._counts(table.package, reason)}
        return found

    # The selection of code.

    def _counts(self, package: str, reason: Reason) -> bool:
        """Return whether the code of a package that is included for a reason counts."""
        if reason.kind != ENGINE:
            return reason.kind in (MODULE, DEPENDS)
        language = languages.of_package(package)
        return language is not None and language.name in self._languages

    def _active(self, table: SliceTable) -> list[Language]:
        """Return the languages in which a package is active."""
        own = languages.of_package(table.package)
        if table.package in self._loaded:
            active = {own} if own is not None else set()
            active |= {language for language, _ in languages.code(table)}
        elif table.package in self._seeds | self._called:
            if languages.is_compiled(table):
                return [own] if own is not None and own.engine.match(table.package) else []
            active, compiled = languages.programs(table)
            if own is not None and own.engine.match(table.package):
                active.add(own)
            if not compiled or own is not None:
                active |= {language for language, _ in languages.code(table)}
            active |= set(self._started(table))
        else:
            return []
        chosen = [language for language in LANGUAGES if language in active]
        self._languages.update(dict.fromkeys(language.name for language in chosen))
        return chosen

    def _started(self, table: SliceTable) -> Iterator[Language]:
        """Yield the languages whose interpreters the shell scripts of a package mention."""
        for entry in table.entries.values():
            if entry.facts is not None and entry.facts.interp.rpartition("/")[2] in SHELLS and is_function(entry.path):
                for name in set(_INTERPRETER.findall(self._read(table, entry))):
                    if (language := languages.of_program(name.decode())) is not None:
                        yield language

    def _dependencies(self, table: SliceTable, active: Sequence[Language]) -> Iterator[tuple[str, Reason]]:
        """Yield the dependencies of the same languages, those that are plug-ins, and all of a package without files."""
        empty = table.package in self._seeds | self._loaded and all(
            entry.kind == meta.DIRECTORY or entry.path.startswith(_ABOUT) for entry in table.entries.values()
        )
        for name in self._depends.get(table.package, ()):
            if table.package in self._built:
                continue  # what a store path may take is searched by name
            typelib = table.package.startswith(_TYPELIBS)
            if empty or typelib or any(language.family.match(name) for language in active):
                self._loaded.add(name)
                yield name, Reason(DEPENDS, table.package, "", name)
            elif active and name.startswith(_TYPELIBS):
                yield name, Reason(DEPENDS, table.package, "", name)
            elif name in _DATA_PACKAGES:
                yield name, Reason(DATA, table.package, "", "its data")
            elif table.package in self._called and languages.is_compiled(table) and not name.startswith("lib"):
                yield name, Reason(DEPENDS, table.package, "", name)
            elif _PLUGIN.match(name) or _is_part(name, table.package):
                yield name, Reason(PLUGIN, table.package, "", name)

    def _engines(self, included: Sequence[SliceTable]) -> Iterator[tuple[str, Reason]]:
        """Yield what the included interpreters need to start, and the standard libraries of the active languages."""
        for language in LANGUAGES:
            engine = next((t.package for t in included if language.engine.match(t.package)), None)
            if engine is None:
                continue
            for name in self._depends:
                whole = language.name in self._languages and language.library.match(name)
                if whole or language.start.match(name):
                    yield name, Reason(ENGINE, engine, "", f"the standard library of {language.name.capitalize()}")

        if self._languages:
            yield LIBC_PROGRAMS, Reason(ASKED, None, "", "a UTF-8 locale")
            for table in included:
                for name, what in _OPENED.get(table.package, ()):
                    yield name, Reason(PLUGIN, table.package, "", what)

    def _calls(self, table: SliceTable, active: Sequence[Language]) -> Iterator[tuple[str, Reason]]:
        """Yield the Essential packages whose commands the files of an active package call."""
        if table.package in MAINTENANCE - self._seeds:
            return
        own = languages.of_package(table.package)
        engine = own is not None and own.name in self._languages and own.engine.match(table.package)
        scripts = table.package in self._seeds | self._called and not languages.is_compiled(table)
        if not active and not engine and not scripts:
            return
        for path, entry in sorted(table.entries.items()):
            facts = entry.facts
            if facts is None or not is_function(path) or own_library(path) or path.startswith(_INSTALLATION):
                continue
            if facts.interp and not facts.machine and (entry.executable or table.package in self._built):
                for program in (facts.interp, *facts.needed):
                    if package := PACKAGES.get(program.rpartition("/")[2]):
                        yield package, Reason(SCRIPT, table.package, f"/{path}", program)
            commands = facts.commands
            if table.package in self._built and facts.interp.rpartition("/")[2] in SHELLS:
                commands = script_commands(self._read(table, entry))
            for command in commands:
                yield PACKAGES[command], Reason(CALLS, table.package, f"/{path}", command)

    def _undecided(self, table: SliceTable, active: Sequence[Language]) -> Iterator[str]:
        """Yield the dependencies of a package with scripts that its code may mention."""
        scripts = table.package in self._seeds | self._called and not languages.is_compiled(table)
        if (active or scripts) and table.package not in self._built and not _is_standard(table.package):
            yield from (name for name in self._depends.get(table.package, ()) if name in self._depends)

    def _mentioned(
        self,
        rest: Sequence[tuple[SliceTable, str]],
        active: Mapping[str, Sequence[Language]],
        known: Mapping[str, SliceTable],
    ) -> _Fetching:
        """Return those dependencies that have modules for the code, or a program or a library that it mentions."""
        names = dict.fromkeys(name for _, name in rest)
        missing = [name for name in names if name not in known]
        answer = {table.package: table for table in ((yield missing) if missing else [])}
        found: dict[str, _Found] = {}
        for table, name in rest:
            other = answer.get(name) or known[name]
            if any(self._modules_of(other, language) for language in active[table.package]):
                found.setdefault(name, (other, Reason(DEPENDS, table.package, "", name)))
        for table in {table.package: table for table, _ in rest}.values():
            words: dict[bytes, str] = {}
            for other, name in rest:
                if other is table and name not in found:
                    words.update(dict.fromkeys(_words(answer.get(name) or known[name]), name))
            if not words:
                continue
            pattern = re.compile(
                rb"(?<![\w.-])(?:%s)(?![\w-])" % b"|".join(map(re.escape, sorted(words, reverse=True)))
            )
            for entry in _texts(table):
                for match in set(pattern.findall(self._read(table, entry))):
                    name = words[match]
                    what = match.decode("utf-8", "replace")
                    reason = Reason(CALLS, table.package, f"/{entry.path}", what)
                    found.setdefault(name, (answer.get(name) or known[name], reason))
        return list(found.values())

    # Imports.

    def _imports(
        self, table: SliceTable, language: Language, included: Sequence[SliceTable]
    ) -> Iterator[tuple[str, Import]]:
        """Yield (path, import) for modules that the included packages lack."""
        if _is_standard(table.package):
            return  # a standard library is complete
        own = _local_names(table)

        def known(name: str) -> bool:
            return _last(language.name, name) in own or name in own or self._has(included, language, name)

        for _, entry in _of(language, table):
            for found in imports(language.name, self._read(table, entry), known):
                yield entry.path, found

    def _has(self, tables: Sequence[SliceTable], language: Language, name: str) -> bool:
        return any(_provides(self._modules_of(table, language), language.name, name) for table in tables)

    def _modules_of(self, table: SliceTable, language: Language) -> frozenset[str]:
        key = (table.package, language.name)
        if key not in self._modules:
            self._modules[key] = languages.modules(table, language)
        return self._modules[key]

    def _search(
        self,
        open_: Mapping[tuple[str, Import], tuple[SliceTable, str]],
        tables: Sequence[SliceTable],
        known: Mapping[str, SliceTable],
    ) -> _Fetching:
        """Search the available packages for modules: by name, and for sure imports among all of the language."""
        found: list[_Found] = []
        present = {table.package for table in tables}
        looked: dict[str, SliceTable] = {}
        for everywhere in (False, True):
            rest = [
                (languages.named(name), module, *source)
                for (name, module), source in open_.items()
                if not self._has([*tables, *(t for t, _ in found)], languages.named(name), module.name)
            ]
            names: dict[str, None] = {}
            for language, module, table, _ in rest:
                if not everywhere:
                    names.update(dict.fromkeys(_guesses(language, module.name, self._depends)))
                    near = self._depends.get(table.package, ()) if table.package not in self._built else ()
                    names.update(dict.fromkeys(name for name in near if name in self._depends))
                elif module.sure:
                    names.update(dict.fromkeys(name for name in self._depends if language.family.match(name)))
            new = [name for name in names if name not in present and name not in looked]
            missing = [name for name in new if name not in known]
            answer = {table.package: table for table in ((yield missing) if missing else [])}
            looked.update({name: answer.get(name) or known[name] for name in new})
            for language, module, table, path in rest:
                for name in new:
                    if name in present or not _provides(
                        self._modules_of(looked[name], language), language.name, module.name
                    ):
                        continue
                    present.add(name)
                    found.append((looked[name], Reason(MODULE, table.package, f"/{path}", module.name)))
                    break
        return found


def _fetched(wanted: Mapping[str, Reason], known: Mapping[str, SliceTable]) -> _Fetching:
    missing = [name for name in wanted if name not in known]
    answer = {table.package: table for table in ((yield missing) if missing else [])}
    return [(answer.get(name) or known[name], reason) for name, reason in wanted.items()]


def _is_standard(package: str) -> bool:
    """Return whether a package is an interpreter or its standard library."""
    return any(
        pattern.match(package)
        for language in LANGUAGES
        for pattern in (language.engine, language.start, language.library)
    )


def _is_part(name: str, package: str) -> bool:
    """Return whether a package is a part of another, as fish-common is of fish."""
    match = _PART.match(name)
    return match is not None and match[1] in (package, package.partition("-")[0])


def _words(table: SliceTable) -> Iterator[bytes]:
    """Yield the names of the programs and libraries of a package, as code mentions them."""
    for path, entry in table.entries.items():
        directory, _, name = path.rpartition("/")
        if directory in PATH and len(name) > 1 and (entry.executable or entry.kind == meta.SYMLINK):
            yield os.fsencode(name)
        elif (match := _LIBRARY.match(name)) is not None:
            yield os.fsencode(match[1])
            if len(match[2]) >= _LONG:
                yield os.fsencode(match[2])
    yield from (os.fsencode(path.rpartition("/")[2]) for path in table.alternatives)


def _texts(table: SliceTable) -> Iterator[TreeEntry]:
    """Yield the scripts and modules of a package."""
    for path, entry in table.entries.items():
        facts = entry.facts
        if not is_function(path) or entry.path.endswith(".jar"):
            continue
        if languages.language_of(entry) is not None or (facts is not None and facts.interp and not facts.machine):
            yield entry


def _of(language: Language, table: SliceTable) -> Iterator[tuple[Language, TreeEntry]]:
    scripts = table.entries.values() if language.name == "java" else ()
    yield from ((of, entry) for of, entry in languages.code(table) if of is language)
    # Wrappers of Java programs are shell scripts that name archives.
    yield from ((language, e) for e in scripts if e.facts is not None and e.facts.interp.rpartition("/")[2] in SHELLS)


def _provides(modules: frozenset[str], language: str, name: str) -> bool:
    if name in modules:
        return True
    if language == "python":
        first = name.partition(".")[0]
        return first in modules or (first == name and any(module.startswith(f"{name}.") for module in modules))
    if language == "java":
        return any(module.startswith(f"{name}-") for module in modules)
    return language == "node" and name.partition("/")[0] in modules


def _local_names(table: SliceTable) -> frozenset[str]:
    """Return the names of the files and directories of a package, which its code may load by paths of its own."""
    found: set[str] = set()
    for path, entry in table.entries.items():
        if entry.kind != meta.DIRECTORY:
            *directories, last = path.split("/")
            found.update(directories[1:])
            found.add(last.partition(".")[0])
    return frozenset(found)


def _last(language: str, name: str) -> str:
    """Return the name of the file or directory that a package has if it has a module itself."""
    if language in ("python", "node"):
        return name.partition("." if language == "python" else "/")[0]
    return re.split(r"::|/|\.(?=[a-z])", name.removesuffix(".php"))[-1]


def _guesses(language: Language, module: str, available: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield the available packages that a module's name suggests."""
    wanted = {_plain(name) for name in package_names(language.name, module)}
    for name in available:
        if language.family.match(name) and _plain(name) in wanted:
            yield name


def _plain(name: str) -> str:
    return _NOT_A_NAME.sub("", _VERSION.sub("", name.lower()))
