"""Guess how a project with CMake, Meson, configure or a Makefile is built and run."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..guess import LIBRARY, OWN_PATCH, Guess, clean_name, clean_version, text
from ..project import Project
from .makefiles.bsd_make import bsd_results, is_bsd
from .makefiles.make_install import has_install, install_way, installed_programs
from .makefiles.make_systems import FoundMakefile, find_makefile
from .programs import main_program
from .staged import staged


def cmake(project: Project) -> Guess | None:
    """Guess from CMakeLists.txt."""
    if not project.has("CMakeLists.txt"):
        return None
    content = project.text("CMakeLists.txt")
    named = re.search(r"\bproject\s*\(\s*([\w.+-]+)(?:[^)]*?\bVERSION\s+([\d.]+))?", content, re.IGNORECASE)
    found = re.findall(r"\badd_executable\s*\(\s*([\w.+-]+)", content, re.IGNORECASE)
    library = re.search(r"\badd_library\s*\(", content, re.IGNORECASE)
    below = re.search(r"\badd_subdirectory\s*\(", content, re.IGNORECASE)
    made = _compiled("cmake", project, "CMakeLists.txt: a CMake project", named, _main(project, named, found))
    return _library(made) if library and not found and not below else made


def meson(project: Project) -> Guess | None:
    if not project.has("meson.build"):
        return None
    content = project.text("meson.build")
    named = re.search(r"\bproject\s*\(\s*'([\w.+-]+)'(?:[^)]*?\bversion\s*:\s*'([^']+)')?", content)
    found = re.findall(r"\bexecutable\s*\(\s*'([\w.+-]+)'", content)
    library = re.search(r"\b(?:shared_|static_|both_|)(?:library|libraries)\s*\(", content)
    made = _compiled("meson", project, "meson.build: a Meson project", named, _main(project, named, found))
    return _library(made) if library and not found and not re.search(r"\bsubdir\s*\(", content) else made


def _main(project: Project, named: re.Match[str] | None, programs: Sequence[str]) -> str | None:
    """Return the main one of the programs that a file builds, which need not all be installed, or None."""
    return main_program(programs, clean_name(named[1] if named else None, project)) if programs else None


def autotools(project: Project) -> Guess | None:
    why = project.has("configure", "configure.ac", "configure.in")
    if why is None:
        return None
    # With one argument, as in old files, it names a source file.
    named = re.search(r"\bAC_INIT\s*\(\s*\[?([\w.+-]+)\]?\s*,\s*\[?([\w.+-]+)?", project.text("configure.ac"))
    found = re.search(r"^bin_PROGRAMS[ \t]*=[ \t]*([\w.+-]+)", project.text("Makefile.am"), re.MULTILINE)
    made = _compiled("autotools", project, f"{why}: a project with configure", named, found and found[1])
    if why == "configure":
        return made
    reasons = [*made.reasons, "configure is generated from configure.ac first"]
    return made._replace(fields=[("bootstrap", "true")], reasons=reasons)


def make(project: Project) -> Guess | None:
    makefile = find_makefile(project)
    if makefile is None:
        return None
    why = makefile.path
    content = project.text(why)
    if is_bsd(content):
        return _bsd(project, why) if "/" not in why else None
    given = dict(re.findall(r"^(\w+)[ \t]*[:?]?=[ \t]*([^\s#]+)[ \t]*$", content, re.MULTILINE))
    content = re.sub(r"\$[({](\w+)[)}]", lambda name: given.get(name[1], name[0]), content)
    name = clean_name(re.sub(r"[-_.]orig$", "", project.name), project)
    folder, programs = installed_programs(content)
    program = main_program(programs, name) if programs else None if makefile.target else _first_target(content)
    made = _compiled("make", project, f"{why}: a project with a Makefile", None, program)
    made = made._replace(entrypoint=[f"@/{folder}/{program or made.name}"])
    if not has_install(content):
        programs = _built(project.text(why))
        that = " that copies files" if re.search(r"^install\s*:", content, re.MULTILINE) else ""
        todo = (
            []
            if len(programs) > 1
            else [f"{why} has no target `install`{that}: set `install` to commands that copy files to $out"]
        )
        made_here = bool(programs)
        programs = programs or [program or made.name]
        if made_here:
            program = main_program(programs, name)
            made = made._replace(
                entrypoint=[f"@/bin/{program}"], reasons=[made.reasons[0], f"the image runs {program}"]
            )
        where = f"{makefile.words[1]}/" if makefile.words[:1] == ("-C",) else ""
        line = "; ".join(f'install -D {where}{each} "$out/bin/{each}"' for each in programs)
        made = made._replace(fields=[("install", text(line))], todo=[*made.todo, *todo])
    else:
        made = _with_conf_files(made, project)
        made = _with_own_libraries(_installing(made, project.text(why), makefile.words), project.text(why))
    return _of_system(made, makefile)


def _with_conf_files(made: Guess, project: Project) -> Guess:
    """Return a guess of a build that reads from files such as `conf-bin`, in their first lines, where it installs."""
    files = [name for name in _CONF_FILES if name in project.files]
    if "conf-bin" not in files:
        return made
    line = f'sed -i -E "1s,^/usr(/local)?/,$out/," {" ".join(files)}'
    reasons = [*made.reasons, f"{', '.join(files)} say where it installs; {OWN_PATCH}"]
    return made._replace(fields=[*made.fields, ("patch", text(line))], reasons=reasons)


def _with_own_libraries(made: Guess, makefile: str) -> Guess:
    """Return a guess whose programs find the shared libraries that the Makefile installs beside them."""
    joined = re.sub(r"^#.*", "", re.sub(r"\\\n", " ", makefile), flags=re.MULTILINE)
    builds = re.search(r"\s-shared\b", joined) and re.search(r"-L\s?(?:\.|\$[({](?:CURDIR|PWD)[)}])(?:/\S*)?\s", joined)
    if not builds or re.search(r"-rpath|-R\s?/", joined):
        return made
    reasons = [*made.reasons, f"its programs load its own libraries, from lib of the package; {OWN_PATCH}"]
    return made._replace(fields=[*made.fields, ("patch", text('export LD_RUN_PATH="$out/lib"'))], reasons=reasons)


def _of_system(made: Guess, makefile: FoundMakefile) -> Guess:
    """Return a guess with the words by which make reads the Makefile, and the target for this system."""
    fields, reasons = [*made.fields], [*made.reasons]
    if makefile.words:
        own = next((value for name, value in fields if name == "flags"), "[]")
        words = ", ".join(filter(None, [*map(text, makefile.words), own[1:-1]]))
        fields = [("flags", f"[{words}]"), *(field for field in fields if field[0] != "flags")]
    if makefile.target:
        fields.append(("target", text(makefile.target)))
        reasons.append(f"its default target only names systems, so {makefile.target} is built")
    return made._replace(fields=fields, reasons=reasons)


def _bsd(project: Project, makefile: str) -> Guess:
    """Return the guess for a Makefile of BSD's make, of one program or of directories that have one each."""
    programs, libraries = bsd_results(project, makefile)
    name = clean_name(re.sub(r"[-_.]orig$", "", project.name), project)
    program = main_program(programs, name) if programs else None if libraries else _first_target(project.text(makefile))
    why = f"{makefile}: a project with a Makefile for BSD's make, which is bmake"
    made = _compiled("make", project, why, None, program)._replace(fields=[("bsd", "true")])
    return _library(made) if libraries and not programs else made


def _installing(made: Guess, makefile: str, before: Sequence[str] = ()) -> Guess:
    """Return a guess with what a Makefile needs to install below the output. before: words of each make."""
    way = install_way(makefile)
    make = " ".join(["make", *before, "install"])
    if way.staged:
        words = "".join(f" {flag}" for flag in way.flags)
        line = staged(f'{make} PREFIX="$out" prefix="$out"{words} DESTDIR=/build/staged')
        reasons = [*made.reasons, "it installs below DESTDIR"]
        flags = [("flags", f"[{', '.join(text(flag) for flag in way.flags)}]")] if way.flags else []
        return made._replace(fields=[*flags, ("install", text(line))], reasons=reasons)
    if way.directories:
        words = "".join(f" {flag}" for flag in way.flags)
        made_before = " ".join(f'"{path}"' for path in way.directories)
        line = f'mkdir -p {made_before}; {make} PREFIX="$out" prefix="$out"{words}'
        reasons = [*made.reasons, "its target install expects the directories"]
        made = made._replace(fields=[*made.fields, ("install", text(line))], reasons=reasons)
    if way.flags:
        listed = ", ".join(text(flag) for flag in way.flags)
        names = ", ".join(flag.partition("=")[0] for flag in way.flags)
        return made._replace(
            fields=[("flags", f"[{listed}]"), *made.fields], reasons=[*made.reasons, f"it installs to {names}"]
        )
    return made


_CONF_FILES = ("conf-bin", "conf-sbin", "conf-lib", "conf-include", "conf-man", "conf-share", "conf-libexec")
_PROGRAM = re.compile(r"[A-Za-z0-9][\w+-]*")
_NO_PROGRAM = re.compile(r"\.(?:l?o|l?a|so|exe|dll|dylib|app|js|[ch]|cc|cpp|cxx|y|l|[1-9])\Z")
_GROUPS = frozenset({"all", "default", "build"})
_RULE = re.compile(r"^([^\s:#=.%][^\s:#=]*)[ \t]*:(?!=)[ \t]*([^\n#]*)[^\n]*((?:\n\t[^\n]*)*)", re.MULTILINE)


def _built(makefile: str) -> list[str]:
    """Return the programs that the default target of a Makefile builds, as far as rules make them of C or C++."""
    joined = re.sub(r"\\\n", " ", makefile)
    lists = dict(re.findall(r"^[ \t]*(\w+)[ \t]*[:?]?=[ \t]*([^\n#]*)$", joined, re.MULTILINE))
    first = re.search(r"^(?:all|default|build)[ \t]*:(?!=)[ \t]*([^\n#]*)", joined, re.MULTILINE)
    words = re.sub(r"\$[({](\w+)[)}]", lambda name: lists.get(name[1], ""), first[1]).split() if first else []
    objects = re.sub(r"\$[({]\w*OBJ\w*[)}]", "x.o", joined)
    rules = set(re.findall(r"^(\w[\w+.-]*)[ \t]*:(?!=)[^\n]*\.(?:o|c|cc|cpp|cxx)\b", objects, re.MULTILINE))
    return [word for word in dict.fromkeys(words) if word in rules and not _NO_PROGRAM.search(word)]


def _first_target(makefile: str) -> str | None:
    """Return the default target of a Makefile, or the first that it groups, if that looks like a program."""
    rules: dict[str, tuple[list[str], str]] = {}
    for target, needs, recipe in _RULE.findall(makefile):
        rules.setdefault(target, (needs.split(), recipe))
    name = next(iter(rules), "")
    for _ in _GROUPS:
        if name.lower() in _GROUPS:
            name = next(iter(rules.get(name, ([], ""))[0]), "")
    needs, recipe = rules.get(name, ([], ""))
    groups = bool(needs) and not recipe and not any(re.search(r"\.l?o\Z|\$", need) for need in needs)
    return name if _PROGRAM.fullmatch(name) and name != "install" and not groups else None


def _compiled(call: str, project: Project, why: str, named: re.Match[str] | None, program: str | None) -> Guess:
    name = clean_name(named[1] if named else re.sub(r"[-_.]orig$", "", project.name), project)
    version = clean_version(named[2] if named else None)
    if version is None or not version[0].isdigit():
        version = None  # a variable; that of the directory's name counts
    run = program or name
    return Guess(call, name, version, [], [], [f"@/bin/{run}"], [], [why, f"the image runs {run}"])


def _library(made: Guess) -> Guess:
    return made._replace(library=True, reasons=[made.reasons[0], LIBRARY])
