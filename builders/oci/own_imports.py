"""Check that an image has the modules that its program will surely import.

The program is the script that the image runs: by itself, by its interpreter, or by a launcher of Python's (`-m`). Its
imports are followed through the container's own files and through what was built from source; packages of Debian are
trusted. A module counts as present if anything of its name is in the image, wherever, because search paths are set in
many ways. So what is missing is nowhere.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence

from fpack.builders.linking.imports import MAX_TEXT, imports, package_names
from fpack.builders.linking.languages import EXTENSION, Language, of_program
from fpack.builders.payload import elf, meta
from fpack.builders.protocol import BuildError, Task
from fpack.store.path import STORE, StorePath

from .image_fs import ImageFs
from .interpreters import read_head

_LAUNCHERS = {"tini", "dumb-init", "catatonit", "env", "exec", "gosu", "setpriv", "nice", "-g", "-s", "--", "-S"}
# Options of interpreters that have an argument.
_WITH_ARGUMENT = {"-W", "-X", "-I", "-r", "--require", "-C", "-d", "-E", "-l"}
_CODE = {"-c", "-e", "--eval", "-p", "-r", "-n"}
_CHECKED = {"python", "perl", "ruby", "node", "lua", "php"}
_SEARCH = ("PYTHONPATH", "PERL5LIB", "RUBYLIB", "NODE_PATH", "LUA_PATH", "GEM_PATH", "GEM_HOME", "PYTHONHOME")
_MOST = 2000  # files that are read
_TITLES = {"node": "JavaScript", "php": "PHP"}  # of languages whose names differ in more than a capital


def check_imports(
    task: Task,
    view: ImageFs,
    words: Sequence[str],
    variables: Mapping[str, str],
    workdir: str,
    store_paths: Collection[StorePath],
) -> None:
    """Raise BuildError if the program of the words imports a module that the image lacks.

    variables: of the image. A search path that the image does not have, such as that of a volume, may have anything.
    """
    found = _script(view, task, words, variables.get("PATH", ""), workdir)
    if found is None:
        return
    language, start = found
    searched = (path for name in _SEARCH for path in variables.get(name, "").split(":") if path.startswith("/"))
    if language.name not in _CHECKED or any(view.resolve(path) is None for path in searched):
        return
    names = _Names(view, task, store_paths)
    todo, seen = [start], {start}
    while todo and len(seen) < _MOST:
        path = todo.pop(0)
        task.check()
        resolved = view.resolve(path)
        if resolved is None or resolved[1].kind != meta.FILE:
            continue
        text = read_head(task, *resolved, MAX_TEXT)
        for module in imports(language.name, text):
            if module.sure and not module.name.startswith(EXTENSION) and not names.has(language, module.name):
                raise _missing(language, path, module.name)
            if module.sure:
                new = [other for other in names.own(language, module.name) if other not in seen]
                seen.update(new)
                todo += new


def _script(view: ImageFs, task: Task, words: Sequence[str], search: str, workdir: str) -> tuple[Language, str] | None:
    """Return the language and the path of the script that a command line runs, if it is a script."""
    rest = list(words)
    while rest and rest[0].rpartition("/")[2] in _LAUNCHERS:
        rest.pop(0)
    if not rest:
        return None
    program, *arguments = rest
    language = of_program(program)
    if language is None:
        path = program if "/" in program else _in_path(view, program, search)
        resolved = view.resolve(posixpath.join("/", workdir, path)) if path else None
        head = read_head(task, *resolved, elf.HEAD) if resolved is not None and resolved[1].kind == meta.FILE else b""
        facts = elf.script_facts(head) if head.startswith(elf.SCRIPT_MAGIC) else None
        if facts is None or resolved is None:
            return None
        names = (facts.interp, *facts.needed)
        language = next((known for name in names if (known := of_program(name)) is not None), None)
        return (language, f"/{resolved[0]}") if language is not None else None
    while arguments and arguments[0].startswith("-"):
        option = arguments.pop(0)
        if option in _CODE or option == "-m" or (option.startswith("-m") and language.name == "python"):
            return None
        if option in _WITH_ARGUMENT:
            del arguments[:1]
    return (language, posixpath.normpath(posixpath.join("/", workdir, arguments[0]))) if arguments else None


def _in_path(view: ImageFs, program: str, search: str) -> str:
    paths = (f"{directory}/{program}" for directory in search.split(":") if directory.startswith("/"))
    return next((path for path in paths if view.resolve(path) is not None), "")


class _Names:
    """The names of the files and directories of an image, and the paths of its own code."""

    def __init__(self, view: ImageFs, task: Task, store_paths: Collection[StorePath]) -> None:
        self._names: set[str] = set()
        self._own: dict[str, list[str]] = {}
        self._packages: set[str] = set()  # directories of packages of Python, each with a slash at its end
        for path, own in view.files():
            self._add(path, own)
        for store_path in store_paths:
            task.check()
            for path in _below(task, store_path):
                self._add(path, True)

    def _add(self, path: str, own: bool) -> None:
        *above, last = path.split("/")
        stem = last.partition(".")[0]
        self._names.update(above)
        self._names.update((stem, last))
        if above:
            self._names.add(f"{above[-1]}/{stem}")
        if own:
            self._own.setdefault(stem, []).append(f"/{path}")
            if last == "__init__.py":
                self._packages.add(f"/{'/'.join(above)}/" if above else "/")
            if stem in ("__init__", "index", "init") and above:
                self._own.setdefault(above[-1], []).append(f"/{path}")

    def has(self, language: Language, module: str) -> bool:
        """Return whether anything of the name of a module is in the image."""
        if language.name == "python":
            return module.partition(".")[0] in self._names
        parts = [
            part for part in module.replace("::", "/").replace(".php", "").split("/") if part not in (".", "..", "")
        ]
        if language.name == "lua":
            parts = module.split(".")
        if language.name == "node":
            return "/".join(parts[-2:]) in self._names or parts[-1] in self._names
        return "/".join(parts[-2:]).partition(".")[0] in self._names if parts else True

    def own(self, language: Language, module: str) -> Iterator[str]:
        """Yield the paths of own code that an import may load."""
        if language.name == "python":
            yield from self._own_of_python(module)
            return
        for part in module.replace("::", "/").split("/")[-1:]:
            yield from (path for path in self._own.get(part, ()) if path.endswith(language.suffixes))

    def _own_of_python(self, module: str) -> Iterator[str]:
        """Yield the files of a module such as `a.b`: those of `a` that are in no package, and those of `b` below it."""
        top, _, below = module.partition(".")
        for name in ("", f"/{below}") if below else ("",):
            for end in (f"{top}{name}.py", f"{top}{name}/__init__.py"):
                for path in self._own.get(name.strip("/") or top, ()):
                    directory = path.removesuffix(end)
                    if directory != path and directory.endswith("/") and directory not in self._packages:
                        yield path


def _below(task: Task, path: StorePath) -> Iterator[str]:
    disk = os.fspath(task.disk(path))
    prefix = f"{STORE[1:]}/{path.base}"
    yield prefix
    for directory, directories, files in os.walk(disk):
        inside = prefix + directory[len(disk) :]
        yield from (f"{inside}/{name}" for name in (*directories, *files))


def _missing(language: Language, path: str, module: str) -> BuildError:
    top = module.partition(".")[0] if language.name == "python" else module
    package = package_names(language.name, module)[0]
    if language.name == "python" and "/site-packages/" in path:
        need = "setuptools<82" if top == "pkg_resources" else package.removeprefix("python3-")
        add = f'add the requirement that has it to `needs` of the package, as in needs = ["{need}"]'
    else:
        add = (
            f"add the package that has it to `packages`, such as debian.trixie.{package}, or install it where the "
            "program is built"
        )
    return BuildError(
        f"The image has a program in {_TITLES.get(language.name) or language.name.capitalize()}, but not the module "
        f"{top}, which it imports",
        where=path,
        why=f"{path} imports {module}, and nothing in the image has this name",
        hint=f"{add}; `interpreted = false` turns this check off",
    )
