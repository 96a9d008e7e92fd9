"""Know the interpreted languages: their files, interpreters, standard libraries and the names of their packages.

A linked root needs this, because no ELF table names what an interpreter loads.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from fpack.builders.payload import meta
from fpack.builders.payload.meta import TreeEntry
from fpack.builders.payload.slice_table import SliceTable

from .required_files import PATH, is_function

_Pattern = re.Pattern[str]


class Language(NamedTuple):
    """An interpreted language.

    programs: the last components of its interpreters. suffixes: of its files. modules: a pattern of the paths of
    modules that programs find without a search path of their own, with groups of names. family: the names of its
    packages. engine: the packages that have an interpreter, or a library that is one. start: what an engine needs to
    start, and library: its standard library.
    """

    name: str
    programs: _Pattern
    suffixes: tuple[str, ...]
    modules: _Pattern
    family: _Pattern
    engine: _Pattern
    start: _Pattern
    library: _Pattern


def _language(
    name: str, programs: str, suffixes: str, modules: str, family: str, engine: str, start: str, library: str
) -> Language:
    patterns = [re.compile(rf"(?:{text})\Z") for text in (family, engine, start, library)]
    return Language(name, re.compile(rf"(?:{programs})\Z"), tuple(suffixes.split()), re.compile(modules), *patterns)


EXTENSION = "extension "  # before the name of an extension of PHP
_NOTHING = r"(?!)"
_USR = r"usr/(?:local/)?"
LANGUAGES = (
    _language(
        "python",
        r"python3?(?:\.[0-9]+)?|pypy3?",
        ".py",
        _USR + r"lib/python3(?:\.[0-9]+)?/(?:dist-packages/|site-packages/|lib-dynload/)?([^/.]+)"
        r"(?:/([^/.]+))?(?:\.[^/]+|/.*)?\Z",
        r"python3?(?:\.[0-9]+)?(?:-.*)?|libpython3.*|pypy3?(?:-.*)?",
        r"python3\.[0-9]+(?:-minimal)?|libpython3\.[0-9]+(?:t64)?",
        r"libpython3\.[0-9]+-minimal",
        r"libpython3\.[0-9]+-stdlib",
    ),
    _language(
        "perl",
        r"perl[0-9.]*",
        ".pm .pl",
        _USR + r"(?:share/perl5|share/perl/[0-9.]+|lib/[^/]+/perl5/[0-9.]+|lib/[^/]+/perl/[0-9.]+|lib/[^/]+/perl-base)"
        r"/(.+)\.p[ml]\Z",
        r"perl(?:-.*)?|libperl5.*|lib.*-perl",
        r"perl|libperl5\..*",
        _NOTHING,
        r"perl-modules-5\..*|libperl5\..*",
    ),
    _language(
        "ruby",
        r"ruby[0-9.]*|irb[0-9.]*",
        ".rb",
        _USR + r"(?:lib/ruby/(?:vendor_ruby|site_ruby|[0-9.]+)|lib/[^/]+/ruby(?:/vendor_ruby)?/[0-9.]+"
        r"|(?:share|lib/[^/]+)/rubygems-integration/[^/]+/gems/[^/]+/lib|lib/ruby/gems/[0-9.]+/gems/[^/]+/lib)"
        r"(?:/[^/]+-linux-gnu[^/]*)?/(.+)\.(?:rb|so)\Z",
        r"ruby[0-9.]*(?:-.*)?|libruby.*|rake|bundler|rubygems-integration",
        r"libruby[0-9].*",
        r"rubygems-integration",
        r"ruby-rubygems|ruby[0-9.]*|rake|ruby-(?:minitest|net-telnet|test-unit|xmlrpc|sdbm|webrick)",
    ),
    _language(
        "node",
        r"node|nodejs",
        ".js .mjs .cjs",
        _USR + r"(?:share/nodejs|lib/nodejs|lib/[^/]+/nodejs|share/node_modules|lib/node_modules)"
        r"/(@[^/]+/[^/]+|[^/@.]+)(?:/.*|\.js)?\Z",
        r"node-.*|nodejs|libnode[0-9]+|npm|yarnpkg",
        r"nodejs|libnode[0-9]+",
        r"libnode[0-9]+|node-(?:acorn|busboy|cjs-module-lexer|undici|xtend|minimatch|balanced-match|brace-expansion)",
        _NOTHING,
    ),
    _language(
        "php",
        r"php[0-9.]*|php-cgi[0-9.]*",
        ".php .inc",
        _USR + r"(?:share/php/(.+\.(?:php|inc))|lib/php/[0-9]+/(\w+)\.so)\Z",
        r"php[0-9.]*(?:-.*)?|libapache2-mod-php.*",
        r"php[0-9.]+-(?:cli|fpm|cgi|phpdbg)|libphp[0-9.]+-embed|libapache2-mod-php[0-9.]+",
        r"php[0-9.]+-common",
        r"php[0-9.]+-(?:common|opcache|readline)|php-common",
    ),
    _language(
        "lua",
        r"lua[0-9.]*|luajit[0-9.]*|texlua",
        ".lua",
        _USR + r"(?:share|lib/[^/]+|lib)/lua/[0-9.]+/(.+?)(?:/init\.lua|\.lua|\.so)\Z",
        r"lua-.*|lua[0-9].*|liblua.*|luajit.*|libluajit.*",
        _NOTHING,
        _NOTHING,
        _NOTHING,
    ),
    _language(
        "tcl",
        r"tclsh[0-9.]*|wish[0-9.]*|expect",
        ".tcl .tm",
        _USR + r"(?:share|lib|lib/[^/]+)/tcltk/(?:tcl[0-9.]+/)?([A-Za-z_]+)[0-9.-]*/(?:[^/]+/)?pkgIndex\.tcl\Z",
        r"tcl.*|libtcl.*|tk.*|libtk.*|itcl.*|itk.*|expect|tcl-.*|tcllib|tklib|bwidget",
        r"libtcl[0-9].*|libtk[0-9].*",
        r"libtcl[0-9].*",
        r"libtcl[0-9].*",
    ),
    _language(
        "r",
        r"Rscript|R|littler",
        ".R .r",
        _USR + r"lib/R/(?:site-library|library)/([^/]+)/DESCRIPTION\Z",
        r"r-(?:base|cran|bioc|recommended|other|omegahat)-?.*",
        r"r-base-core",
        _NOTHING,
        _NOTHING,
    ),
    _language(
        "java",
        r"java|jexec",
        ".jar",
        _USR + r"share/java/(.+)\.jar\Z",
        r".*-java|.*-jni|java-common|java-wrappers|openjdk-.*-jre.*|default-jre.*|jarwrapper",
        r"openjdk-[0-9]+-jre.*",
        r"java-common|openjdk-[0-9]+-jre-headless",
        r"ca-certificates-java",
    ),
)
_SUFFIX = re.compile(r"-(?:cli|bin|client|server|core|daemon|tools|utils|nox|minimal|common)\Z|[0-9.]+\Z")
_VERSION = re.compile(r"-[0-9].*\Z")  # at the end of a store path's name
_BY_NAME = {language.name: language for language in LANGUAGES}
_SUFFIXES = {suffix: language for language in LANGUAGES for suffix in language.suffixes}


def named(name: str) -> Language:
    return _BY_NAME[name]


def language_of(entry: TreeEntry) -> Language | None:
    """Return the language of a file of code by its first line or its suffix, or None."""
    if entry.kind != meta.FILE or (entry.facts is not None and entry.facts.machine):
        return None
    if entry.facts is not None and entry.facts.interp and (found := of_interpreter(entry)) is not None:
        return found
    dot = entry.path.rfind(".")
    return _SUFFIXES.get(entry.path[dot:]) if dot > 0 else None


def of_interpreter(entry: TreeEntry) -> Language | None:
    """Return the language of the program that the first line of a script names."""
    if entry.facts is None or entry.facts.machine:
        return None
    names = (entry.facts.interp, *entry.facts.needed)
    return next((found for name in names if (found := of_program(name)) is not None), None)


def of_program(name: str) -> Language | None:
    """Return the language that a program interprets, by its name or path."""
    last = name.rpartition("/")[2]
    return next((language for language in LANGUAGES if language.programs.match(last)), None)


def of_package(name: str) -> Language | None:
    """Return the language whose modules or interpreter a package has, by its name."""
    return next((language for language in LANGUAGES if language.family.match(name)), None)


def code(table: SliceTable) -> Iterator[tuple[Language, TreeEntry]]:
    """Yield the files of code of a package, without tests and examples."""
    for path, entry in table.entries.items():
        language = language_of(entry)
        if language is not None and is_function(path):
            yield language, entry


def programs(table: SliceTable) -> tuple[set[Language], bool]:
    """Return the languages of a package's programs, and whether it has ELF programs, too."""
    found: set[Language] = set()
    compiled = False
    for entry in _programs(table):
        if entry.facts is not None and entry.facts.machine:
            compiled = True
        elif (language := of_interpreter(entry)) is not None:
            found.add(language)
    return found, compiled


def is_compiled(table: SliceTable) -> bool:
    """Return whether the main program of a package is an ELF program, or all of its programs are.

    The main program has the name of the package; of a store path, that of the path without its hash and version.
    """
    found = list(_programs(table))
    name = (
        _VERSION.sub("", table.package.rpartition("/")[2].partition("-")[2]) if "/" in table.package else table.package
    )
    names = {name, _SUFFIX.sub("", name)}
    main = [entry for entry in found if entry.path.rpartition("/")[2] in names] or found
    return bool(main) and all(entry.facts is not None and entry.facts.machine for entry in main)


def _programs(table: SliceTable) -> Iterator[TreeEntry]:
    """Yield the executable files in PATH, and those of a store path, whose programs are in directories of its own."""
    for path, entry in table.entries.items():
        directory = path.rpartition("/")[0]
        if directory not in PATH and directory != "usr/games" and not path.startswith("fpack/store/"):
            continue
        facts = entry.facts
        if entry.kind == meta.FILE and facts is not None and entry.executable and facts.interp:
            yield entry


def modules(table: SliceTable, language: Language) -> frozenset[str]:
    """Return the names of the modules of a package, as code names them; see `imports`."""
    found: set[str] = set()
    for path, entry in table.entries.items():
        if entry.kind == meta.DIRECTORY or not (match := language.modules.match(path)):
            continue
        found.update(_names(language.name, path, match))
    return frozenset(found)


def _names(language: str, path: str, match: re.Match[str]) -> Collection[str]:
    if language == "php":
        return (match[1] or EXTENSION + match[2],)
    first = match[1]
    if language == "python":
        second = match[2] if match.re.groups > 1 else None
        if second is None:
            return (first,) if not path.endswith((".egg-info", ".dist-info", ".pth")) else ()
        # A directory without __init__ is a namespace, which several packages share.
        return (first,) if second == "__init__" else (f"{first}.{second}",)
    if language == "perl":
        return (first.replace("/", "::"),)
    if language == "lua":
        return (first.replace("/", "."),)
    if language in ("tcl", "java"):
        return (first.rpartition("/")[2].lower(),)
    return (first,)
