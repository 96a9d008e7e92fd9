"""Find source files, compile them or take them from the cache, and run each one once.

A module is a compiled file or expression. Compiled modules are cached by their text, the interpreter and fpack's
version; on a cache hit, neither the grammar nor the compiler is loaded.
"""

from __future__ import annotations

import marshal
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from types import CodeType

from fpack.lang.abi import FUNCTIONS, NESTED_NAMES, ORIGINAL, OUTER, FunctionInfo
from fpack.lang.runtime.limits import Exhausted, Limits
from fpack.lang.runtime.paths import project_root, within
from fpack.lang.runtime.records.layers import filled
from fpack.lang.runtime.records.literals import claimed
from fpack.lang.runtime.records.parts import flatten
from fpack.lang.runtime.values import Path as PathValue
from fpack.lang.runtime.values import Record, Thunk, Value, describe, evaluated, pending, record_with_origin
from fpack.lang.syntax.source import Source, normal, read_text
from fpack.light_typing import TYPE_CHECKING, Any
from fpack.store.errors import FpackError
from fpack.store.files import disk_cache

from .errors import Fault, did_you_mean, quote

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 20

Base = dict[str, Any]
Free = dict[str, tuple[int, int]]
CompiledModule = tuple[CodeType, Free, list[tuple[CodeType, tuple[Any, ...]]]]  # the entry of the cache, marshalled


class Module:
    """One text, ready to run. root: the project's (or library's) directory; directory: the file's.

    path: the real path of a file of the user, else "". imports: the real paths of the user's files that it imported.
    """

    __slots__ = (
        "source", "code", "free", "functions", "root", "directory", "value", "running", "changeable", "path", "imports",
    )  # fmt: skip

    def __init__(self, source: Source, compiled: CompiledModule, root: str, directory: str) -> None:
        self.source = source
        self.code, self.free, infos = compiled
        self.functions = defaultdict(FunctionInfo, {id(code): FunctionInfo(*info) for code, info in infos})
        self.root = root
        self.directory = directory
        self.value: Value = None
        self.running = False
        self.path = ""
        self.imports: set[str] = set()
        self.changeable: Module | None = None  # the same file, compiled to run with other values of its fields


class FileOrigin:
    """The origin of the record of a file: `.with` runs the file again, so that all of it sees the changed fields."""

    __slots__ = ("modules", "module")

    def __init__(self, modules: Modules, module: Module) -> None:
        self.modules = modules
        self.module = module

    def define(self, given: Callable[[str, Value], Value]) -> Any:
        """Return the file's own definitions. given: returns what the file sees by a name, from the own definition."""
        return self.modules.defined(self.module, given)


class Modules:
    """All modules of one evaluation.

    base: what every module sees (the runtime and the builtins), once without and once with the prelude's names.
    builtins: the builtins' strictness, which generated code depends on. version: fpack's. limits: the evaluation's.
    """

    def __init__(
        self,
        cache: str | Path | None,
        library: list[str | Path],
        builtins: Mapping[str, str],
        version: str,
        limits: Limits | None = None,
    ) -> None:
        self.cache = cache
        self.limits = limits
        self.library = [os.path.realpath(p) for p in library]
        self.builtins = builtins
        self.base: Base = {}
        self.hidden: frozenset[str] = frozenset()  # builtins that only the library sees
        self.prelude: dict[str, Value] = {}
        self._files: dict[str, Module] = {}
        self._own: dict[str, Module] = {}
        self._real: dict[str, str] = {}  # a file is the same one for a whole evaluation
        self._named: dict[str, Value] = {}
        # The value and the real path of a file, by the importing directory and the relative path.
        self._imported: dict[tuple[str, str], tuple[Value, str]] = {}
        self.recalled: set[str] = set()  # files that were not run, because what they define is known
        self._stack: list[Module] = []
        self._originals: dict[tuple[Source, int, int], CodeType] = {}
        self.latest: Source | None = None  # the last text of the user's own that was run
        names = "\0".join(f"{name} {letters}" for name, letters in sorted(builtins.items()))
        self._key = f"module {FORMAT} {version} {names}".encode()

    # ---- files

    def file(self, path: str, root: str | None = None, library: bool = False) -> Value:
        """Return the record of a file's fields. root: the project directory; None: found from the file's path."""
        real = self.real_path(path)
        module = self._files.get(real)
        if module is None:
            directory = os.path.dirname(real)
            name = f"fpack/{os.path.basename(real)}" if library else _shown(path)
            source = Source(name, normal(read_text(real, name)), library)
            module = self.compile(source, root or project_root(directory), directory)
            if not library:
                module.path = real
                self._own[real] = module
            self._files[real] = module
            try:
                module.value = self._record(module)
            except BaseException:
                del self._files[real]
                raise
        elif module.running:
            names = [m.source.name for m in self._stack[self._stack.index(module) :]]
            chain = " imports ".join(quote(n) for n in [*names, module.source.name])
            raise Fault(
                "These files import each other while they are read", why=chain, hint="import where the value is used"
            )
        return module.value

    def own_files(self) -> list[str]:
        """Return the real paths of the files that were run, without those of the library, sorted."""
        return sorted({path for path, module in self._files.items() if not module.source.library} | self.recalled)

    def own_modules(self) -> dict[str, Module]:
        """Return the modules of the user's own files that were run, by the real path."""
        return self._own

    def real_path(self, path: str) -> str:
        """Return the real path of a file, which is the same for a whole evaluation."""
        real = self._real.get(path)
        if real is None:
            real = self._real[path] = os.path.realpath(path)
        return real

    def note_use(self, reader: str, path: str) -> None:
        """Record that a file uses another one, whose real path is given."""
        module = self._files.get(reader)
        if module is not None:
            module.imports.add(path)

    def through_links(self) -> bool:
        """Return whether a file was reached through a symlink."""
        return any(os.path.abspath(path) != real for path, real in self._real.items())

    def named(self, name: str) -> Value:
        """Return the record of the library's file `NAME.fp`, from the first directory that has it."""
        if name in self._named:
            return self._named[name]
        if name and "/" not in name and not name.startswith("."):
            for directory in self.library:
                path = f"{directory}/{name}.fp"
                if os.path.isfile(path):
                    found = self._named[name] = self.file(path, directory, library=True)
                    return found
        known = [
            f"fpack/{p[:-3]}" for d in self.library if os.path.isdir(d) for p in os.listdir(d) if p.endswith(".fp")
        ]
        raise Fault(f"The library has no file {quote('fpack/' + name)}", hint=did_you_mean(f"fpack/{name}", known))

    def name_in_library(self, value: Value, files: Iterable[str]) -> str | None:
        """Return FILE.FIELD for a value that is a field of a file of the library, as it is; else None."""
        for name in files:
            record = self._named.get(name)
            if record.__class__ is Record:
                for key, found in dict.items(record):
                    if found.__class__ is Thunk and found.cell_contents.__class__ is tuple:
                        found = found.cell_contents[0]
                    if found is value:
                        return f"{name}.{key}"
        return None

    def imported(self, target: Value, module: Module) -> Value:
        """Return the value of `import(target)` in a module."""
        if target.__class__ is PathValue:
            path = target.path
        elif target.__class__ is not str:
            hint = 'write import("./FILE.fp") or import("fpack/NAME")'
            raise Fault(f"`import` takes a path or a string, and this is {describe(target)}", hint=hint)
        elif target.startswith("fpack/"):
            return self.named(target[len("fpack/") :])
        elif (module.directory, target) in self._imported:
            value, real = self._imported[module.directory, target]
            module.imports.add(real)
            return value
        elif target.startswith(("./", "../")):
            path = _path(module, target).path
        else:
            raise Fault(
                f"{quote(target)} cannot be imported", hint='write "./FILE.fp", or "fpack/NAME" for the library'
            )
        if os.path.isdir(path):
            raise Fault(
                f"{quote(target if target.__class__ is str else path)} is a directory", hint="import a file in it"
            )
        value = self.file(path, module.root, module.source.library)
        real = self.real_path(path)
        module.imports.add(real)
        if target.__class__ is str:
            self._imported[module.directory, target] = value, real
        elif target.reader:
            self.note_use(target.reader, real)
        return value

    def _record(self, module: Module) -> Record:
        """Return a file's record. Its assertions are checked when it is first used."""
        scope = self._run(module)
        made, claims, origin = scope[".value"], scope.get(".claims"), FileOrigin(self, module)
        if made.__class__ is dict and claims is None:
            record = record_with_origin(made, origin)
            record.nested = scope.get(NESTED_NAMES, ())
            return record

        def fill() -> Any:
            if made.__class__ is dict:
                return made, (claims,)
            parts: list[Any] = []
            flatten(record, record, parts)
            return filled(record, parts)

        record = pending(fill, origin)
        record.nested = scope.get(NESTED_NAMES, ())
        return record

    def defined(self, module: Module, given: Callable[[str, Value], Value]) -> Any:
        """Return a file's own definitions, as `.value`, if its fields see other values: see `FileOrigin`."""
        if module.changeable is None:
            module.changeable = self.compile(module.source, module.root, module.directory, fields_given=True)
            module.changeable.path, module.changeable.imports = module.path, module.imports
        namespace = GivenNamespace(given)
        scope = self._run(module.changeable, namespace)
        made = scope[".value"]
        for part in made if made.__class__ is tuple else (made,):
            if part.__class__ is dict:
                for name, own in namespace.own.items():
                    if part.get(name) is scope[name]:
                        part[name] = own
        return claimed(made, scope[".claims"]) if ".claims" in scope else made

    def abandon(self) -> None:
        """Forget which files are being read, after an evaluation was ended at any instant."""
        for module in self._stack:
            module.running = False
        self._stack.clear()

    # ---- texts

    def compile_library(self) -> None:
        """Compile the files of the library that the cache lacks, without running them."""
        for root in self.library:
            for directory, _, names in os.walk(root):
                for name in names:
                    if name.endswith(".fp"):
                        text = read_text(os.path.join(directory, name), name)
                        self.compile(Source(f"fpack/{name}", normal(text), library=True), root, directory)

    def compile(self, source: Source, root: str, directory: str, fields_given: bool = False) -> Module:
        """Compile a text to a module, or take it from the cache. fields_given: see `compile_tree`."""
        start = self._key + (b" given" if fields_given else b"")
        kind = f"{source.start} {source.library}"
        key = disk_cache.key(start, kind.encode(), source.text.encode("utf-8", "surrogatepass"))
        body = disk_cache.read_installed(key) if source.library else None
        if body is None:
            body = disk_cache.read(self.cache, key)
        if body is not None:
            compiled: CompiledModule = marshal.loads(body)
        else:
            compiled = self._compile(source, fields_given)
            disk_cache.write(self.cache, key, marshal.dumps(compiled))
        return Module(source, compiled, root, directory)

    def _compile(self, source: Source, fields_given: bool) -> CompiledModule:
        """Compile a text to a code object, its free names, and the facts about its functions."""
        import gc

        from .compiler import compiler
        from .compiler.shared_code import join
        from .syntax import parser  # and lark, unless the tables are cached

        # Trees of a few million nodes, and no cycles: looking for some takes longer than all else.
        collects = gc.isenabled()
        try:
            gc.disable()
            tree = parser.parse(source, self.cache)
            made = compiler.compile_tree(source, tree, self.builtins, fields_given)
            code = join(compile(made.tree, source.start, "exec", dont_inherit=True, optimize=1))
            return code, made.free, list(_by_code(code, made.infos))
        except RecursionError:
            raise source.error(0, 0, "This text is nested too deeply") from None
        except MemoryError:
            if self.limits is None or self.limits.memory is None:
                raise source.error(0, 0, "There is not enough memory to compile this text") from None
            raise self._exhausted(source, self.limits.too_large()) from None
        except Exhausted as reached:
            raise self._exhausted(source, reached.fault) from None
        finally:
            if collects:
                gc.enable()

    def _exhausted(self, source: Source, fault: Fault) -> FpackError:
        """Make the error for a text that cannot be compiled within the limits: it is at the text's beginning."""
        if self.limits is not None:
            self.limits.caught = True
        return source.error(0, 0, fault.what, why=f"{fault.why}; compiling this text reached it", hint=fault.hint)

    def run(self, module: Module) -> Value:
        """Run a module's code and return `.value`."""
        return self._run(module)[".value"]

    def _run(self, module: Module, namespace: GivenNamespace | None = None) -> dict[str, Any]:
        """Run a module's code and return its globals. namespace: gives other values to the fields of a file."""
        scope: dict[str, Any] = {"__builtins__": self.base, ".source": module.source, FUNCTIONS: module.functions}
        for written, span in module.free.items():
            name = written.removesuffix(OUTER)
            if name == "import":
                scope[written] = importer(self, module)
            elif name in self.builtins and (module.source.library or name not in self.hidden):
                if written != name:
                    scope[written] = self.base[name]
            elif name in self.prelude:
                scope[written] = self.prelude[name]
            else:
                raise self._unbound(module, written, span)
        scope[".path"] = lambda text: _path(module, text)
        scope[ORIGINAL] = partial(self._original, module.source)
        self._stack.append(module)
        if not module.source.library:
            self.latest = module.source
        module.running = True
        try:
            if namespace is None:
                exec(module.code, scope)
            else:
                namespace.scope = scope
                exec(module.code, scope, namespace)
        finally:
            self._stack.pop()
            module.running = False
        return scope

    def _original(self, source: Source, code: CodeType, start: int) -> CodeType:
        """Return shared code with the positions of the value at an offset, see `find_original`."""
        found = self._originals.get((source, id(code), start))
        if found is None:
            from .original_code import find_original

            found = self._originals[source, id(code), start] = find_original(
                source, self.cache, self.builtins, code, start
            )
        return found

    def _unbound(self, module: Module, name: str, span: tuple[int, int]) -> FpackError:
        from fpack.lang.compiler.unbound_names import unbound

        return unbound(module.source, name, span, [*self.builtins, *self.prelude], self.hidden, self.cache)


class GivenNamespace(dict[str, Any]):
    """The namespace of a file whose fields see other values than the file's own.

    given: returns the value of a field from its name and the own value. own: the own values that were replaced.
    """

    def __init__(self, given: Callable[[str, Value], Value]) -> None:
        super().__init__()
        self.given = given
        self.own: dict[str, Value] = {}
        self.scope: dict[str, Any] = {}

    def __setitem__(self, name: str, value: Any) -> None:
        if "." not in name:  # other names are those of generated code
            found = self.given(name, value)
            if found is not value:
                self.own[name] = value
                value = found
        self.scope[name] = value

    def __missing__(self, name: str) -> Any:
        return self.scope[name]


def _by_code(code: CodeType, infos: Mapping[str, FunctionInfo]) -> Iterator[tuple[CodeType, tuple[Any, ...]]]:
    """Yield the code objects of the functions that the compiler described, and the descriptions as plain tuples.

    `marshal` keeps the identity of a code object that occurs twice, here and in the code that contains it.
    """
    from .compiler.shared_code import nested

    for this in nested(code):
        for name in (this.co_name, *this.co_varnames[: this.co_argcount]):
            if name in infos:
                yield this, (infos[name].evaluates, infos[name].fresh, infos[name].parts)


def _path(module: Module, text: str) -> PathValue:
    return within(module.root, module.directory, text, module.source.library, module.path)


def importer(modules: Modules, module: Module | None = None) -> Callable[[Value], Value]:
    """Return the builtin `import` for a module."""

    def import_(target: Value, /) -> Value:
        """import(file): Return the record of another file of the project, as in import("./other.fp"), or of a file of
        the library, as in import("fpack/debian").
        """
        assert module is not None
        return modules.imported(evaluated(target), module)

    import_.__qualname__ = "import"
    return import_


def _shown(path: str) -> str:
    here = os.getcwd() + "/"
    return path[len(here) :] if path.startswith(here) else path
