"""Evaluate source texts to values and derivations. This is the interface of the language to the other rooms."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import FrameType, FunctionType

from fpack.lang import std
from fpack.lang.builtins import derivations as derivation_builtins
from fpack.lang.builtins import messages as messages_builtins
from fpack.lang.builtins import package_indexes, strings, writers
from fpack.lang.builtins.data_formats import readers
from fpack.lang.builtins.directories import DirectoryBuiltins
from fpack.lang.builtins.table import HIDDEN, PURE, STRICT
from fpack.lang.runtime.derivations import Deriver
from fpack.lang.runtime.limits import Exhausted, Limits
from fpack.lang.runtime.operators import RUNTIME
from fpack.lang.runtime.paths import project_root
from fpack.lang.runtime.values import MISSING, OnDemand, Value, describe, evaluated, is_derivation, lookup
from fpack.lang.runtime.values import Path as PathValue
from fpack.lang.syntax.source import Source, read_content
from fpack.light_typing import TYPE_CHECKING, Any
from fpack.store.errors import FpackError

from .errors import EvalError, Fault, quote
from .module_loader import Modules, importer
from .protocols import PackageSource
from .runtime import call_sites, deep_stack, parameter_types
from .runtime.reads import ReadLog
from .runtime.records import update as record_update
from .runtime.source_trees import Sources

if TYPE_CHECKING:
    from pathlib import Path

    from fpack.store.files.source import SourceSelection

    from .memory.members import MemberMemory

PRELUDE = "prelude"


def _locate(fault: Fault, frame: FrameType | None) -> FpackError:
    from fpack.lang.diagnostics.error_location import at_frame

    return at_frame(fault, frame)


class Evaluator:
    """One evaluation of texts.

    root: the project's directory; None: found from each file. cache: where compiled modules are kept; None: nowhere.
    library: directories of `fpack/NAME` files, beside the standard library. settings: what the library may know of the
    outside (arch, codec, version). limits: what all of it may take; None: no limits. messages: takes the kind (`trace`
    or `warning`) and the text of each message of the builtins of these names. remembers: the members of package sets
    are remembered in the cache; returns a digest of all that they depend on besides the project's files, or None if
    they cannot be remembered. What is wrong in a text is raised as an EvalError.
    """

    def __init__(
        self,
        *,
        root: str | Path | None = None,
        cache: str | Path | None = None,
        library: Sequence[str | Path] | None = None,
        packages: PackageSource | None = None,
        sources: Sources | None = None,
        settings: Mapping[str, Value] | None = None,
        limits: Limits | None = None,
        messages: Callable[[str, str], None] | None = None,
        remembers: Callable[[], bytes | None] | None = None,
    ) -> None:
        self._root = os.path.realpath(root) if root is not None else None
        self._cache = cache
        self.limits = limits
        if limits is not None:
            limits.locate = _locate
        self._log = ReadLog()
        self._deriver = Deriver(sources, self._log)
        self._messages = messages
        self._warned: set[str] = set()
        self.has_messages = False  # a message was given, so that the evaluation does more than to return a value
        version = str((settings or {}).get("version"))
        self._modules = Modules(cache, [std.DIRECTORY, *(library or [])], STRICT, version, limits)
        self._modules.hidden = HIDDEN
        self._modules.base = {
            **RUNTIME,
            **record_update.RUNTIME,
            **parameter_types.RUNTIME,
            **call_sites.RUNTIME,
            **PURE,
            ".S": self._deriver.text,
            "settings": dict(settings or {}),
        }
        self._directories = DirectoryBuiltins(self._package_set, self._log)
        self._modules.base |= _titled(
            {
                **strings.functions(self._deriver),
                **derivation_builtins.functions(self._deriver),
                **self._directories.functions(),
                **writers.functions(self._deriver),
                **messages_builtins.functions(self._show, self._deriver),
                **readers(self._read),
                **package_indexes.functions(packages),
            }
        )
        self._ready = False
        self._remembers = remembers if cache is not None else None
        self._memory: MemberMemory | None = None
        self._forgets = False

    # ---- values

    def run(self, work: Callable[[], Any]) -> Any:
        """Return the result of `work()`, which may call the other methods; raise the error that the user must see.

        Each call of a method from outside starts a thread with a deep stack. Within `work`, all calls share one.
        """

        def begun() -> Value:
            if not self._ready:
                self._modules.prelude = self._modules.named(PRELUDE)
                self._ready = True
            return work()

        if deep_stack.is_inside():
            return begun()
        try:
            return deep_stack.run(begun, self.limits)
        except (FpackError, RecursionError, MemoryError, TypeError, KeyError, Exhausted) as error:
            # The thread has ended, and its limits with it. Finding the position needs a deep stack as well.
            shown: BaseException = deep_stack.run(partial(self._shown, error))
            if shown is error and not isinstance(error, FpackError):
                raise
            shown.__traceback__ = shown.__context__ = None
        raise shown

    def load(self, path: str | Path) -> Value:
        """Return the record of a file's fields."""

        def work() -> Value:
            value = self._modules.file(str(path), self._root)
            len(value)  # checks the assertions of the file
            return value

        return self.run(work)

    def compile_library(self) -> None:
        """Compile the files of the library into the cache."""
        self.run(self._modules.compile_library)

    def expression(self, text: str, name: str = "<command line>") -> Value:
        """Return the value of an expression. Its relative paths start at the root."""
        root = self._root or project_root(os.path.realpath(os.getcwd()))

        def work() -> Value:
            module = self._modules.compile(Source(name, text.replace("\r\n", "\n"), start="expression"), root, root)
            return self._modules.run(module)()

        return self.run(work)

    def select(self, value: Value, names: list[str]) -> Value:
        """Return the evaluated field of a value at a path of nested records."""

        def work() -> Value:
            at = evaluated(value)
            for i, name in enumerate(names):
                at = self._field(at, name, names[:i])
            return at

        return self.run(work)

    def force(self, value: Value, deep: bool = False) -> Value:
        """Return the evaluated value. deep: also evaluate all that it contains, except unselected on-demand fields."""

        if not deep:
            return self.run(lambda: evaluated(value))
        from .runtime.whole_values import forced

        return self.run(lambda: forced(value))

    def call(self, function: Value, *args: Value) -> Value:
        """Call a function value, and return the evaluated result."""

        def work() -> Value:
            f = evaluated(function)
            if f.__class__ is not FunctionType:
                raise Fault(f"This is {describe(f)}, not a function")
            return f(*args)

        return self.run(work)

    def to_json(self, value: Value) -> Any:
        """Convert a value to the types of JSON, for display.

        A derivation is {"derivation": its placeholder}, which is not a path that exists; a path is {"path": ...}, a
        function {"function": its parameters}, and an on-demand record {"on-demand": what it holds}.
        """

        from .runtime.whole_values import shown

        return self.run(lambda: shown(value))

    def builtins(self) -> dict[str, Callable[..., Value]]:
        """Return the builtins by name. Their docstrings are their documentation."""
        found = {
            name: f for name, f in self._modules.base.items() if name in STRICT and name not in self._modules.hidden
        }
        return {**found, "import": importer(self._modules)}

    # ---- derivations

    @property
    def derivations(self) -> dict[bytes, bytes]:
        """The encoding of each derivation that was made, by digest."""
        return self._deriver.derivations

    @property
    def source_paths(self) -> dict[str, Path]:
        """The path of each source on this machine, by the hexadecimal digest of its tree."""
        return self._deriver.sources.paths

    @property
    def source_selections(self) -> dict[str, SourceSelection]:
        """The selection of each source that has one, by the hexadecimal digest of its tree."""
        return self._deriver.sources.selections

    @property
    def own_files(self) -> list[str]:
        """The real paths of the user's own files that were evaluated, sorted."""
        return self._modules.own_files()

    def through_links(self) -> bool:
        """Return whether a source, or a file that was read, was reached through a symlink."""
        sources = map(os.fspath, self.source_paths.values())
        if self._modules.through_links() or self._directories.through_links():
            return True
        return any(os.path.realpath(path) != path for path in sources)

    def is_derivation(self, value: Value) -> bool:
        """Evaluate a value, and return True if it is a derivation."""
        return bool(self.run(lambda: is_derivation(evaluated(value))))

    def is_computed(self, value: Value) -> bool:
        """Return whether an evaluated value is an on-demand record, whose fields cannot be listed."""
        return value.__class__ is OnDemand

    def derivation_of(self, value: Value) -> tuple[bytes, str, str]:
        """Return the digest, output name and placeholder of a derivation value."""
        known = self.run(lambda: self._deriver.output(value))
        return known.derivation, known.name, known.text

    def standing_for(self, value: Value) -> Value:
        """Return the derivation that a path, or a string that is an output's placeholder, stands for; else the value.

        A function without parameters stands for its result.
        """

        def work() -> Value:
            found = evaluated(value)
            if found.__class__ is FunctionType and not found.__code__.co_argcount:
                found = evaluated(found())
            return self._deriver.standing_for(found)

        return self.run(work)

    # ---- members of package sets

    def remember(self) -> None:
        """Keep what was evaluated of the members of package sets for later evaluations."""
        if self._memory is not None and not (self.has_messages or self._forgets):
            self.run(self._memory.save)

    def depends_on_more(self) -> None:
        """Take note that the evaluation depends on what `remembers` does not cover: nothing of it is remembered."""
        self._forgets = True

    def reads_unseen(self, path: PathValue) -> None:
        """Take note that a path was given to code whose reads are not recorded."""
        self._log.opaque.add(path.reader)

    def complete(self, outputs: Iterable[bytes], known: Callable[[bytes], object]) -> None:
        """Evaluate the recalled derivations that others need and whose encoding is unknown.

        outputs: digests of derivations. known: returns the encoding of a derivation that is stored elsewhere, or None.
        """
        if self._memory is not None:
            self.run(partial(self._memory.complete, outputs, known))

    def adopt(self, body: bytes) -> None:
        """Make a derivation of another evaluation known to this one, so that its outputs are values here."""
        self._deriver.adopt(body)

    # ---- inside

    def _read(self, path: PathValue) -> str:
        """Return the text of a file of the project."""
        text = read(path.path)
        if path.reader:
            from blake3 import blake3

            self._log.note(path.reader, ("text", path.path, blake3(text.encode()).digest()))
        return text

    def _package_set(self, base: Value, directory: PathValue) -> Value:
        """Return a record extended by the files of a directory."""
        from fpack.lang.runtime.records.package_sets import package_set

        if self._memory is None and self._remembers is not None:
            from .memory.members import MemberMemory

            assert self._cache is not None
            self._memory = MemberMemory(self._cache, self._remembers, self._modules, self._deriver, self._directories)
        return package_set(_SetFiles(self._modules, self._directories, self._cache, self._memory), base, directory)

    def _shown(self, error: BaseException) -> BaseException:
        """Return the error to show to the user; return the error itself if it is a bug of fpack."""
        from fpack.lang.diagnostics.error_location import locate

        self._modules.abandon()
        located = locate(error, self._cache)
        if not isinstance(located, Exhausted):
            return located
        fault, latest = located.fault, self._modules.latest
        if latest is None:
            return fault
        # The limit was reached in a builtin, while no expression of a text was being evaluated.
        return latest.error(0, 0, fault.what, why=f"{fault.why}; a value of this text reached it", hint=fault.hint)

    def _show(self, kind: str, text: str, frame: FrameType) -> None:
        """Pass on a message of `trace` or `warn`, with the position of the call."""
        self.has_messages = True
        if self._messages is None:
            return
        located = _locate(Fault(text), frame)
        text = f"{located.span}: {text}" if isinstance(located, EvalError) else text
        if kind == "warning":
            if text in self._warned:
                return
            self._warned.add(text)
        self._messages(kind, text)

    def _field(self, value: Value, name: str, above: list[str]) -> Value:
        where = ".".join(above)
        if not isinstance(value, dict):
            raise Fault(f"{quote(where)} is {describe(value)}, and has no field {quote(name)}")
        found = lookup(value, name)
        if found is MISSING:
            from fpack.lang.runtime.field_errors import no_field

            fault = no_field(value, name)
            raise fault.with_(why=f"in {quote(where)}") if where else fault
        return found


class _SetFiles:
    """The files of package sets."""

    def __init__(
        self, modules: Modules, directories: DirectoryBuiltins, cache: str | Path | None, memory: MemberMemory | None
    ) -> None:
        self._modules = modules
        self.memory = memory
        self._cache = cache
        self.entries = directories.entries

    def load(self, file: PathValue) -> dict[str, Value]:
        """Return the record of a file's fields."""
        found: dict[str, Value] = self._modules.file(file.path, file.root, file.root in self._modules.library)
        return found

    def missing(
        self, function: FunctionType, name: str, known: list[str], absence: FpackError | None, own: bool
    ) -> FpackError:
        """Return the error for a field that a file's function names and its set lacks."""
        from fpack.lang.diagnostics.parameters import missing_in_set

        return missing_in_set(function, name, known, absence, own, self._cache)


def read(path: str) -> str:
    """Return the text of a file of the project."""
    name = os.path.basename(path)
    try:
        return read_content(path, name).decode()
    except UnicodeDecodeError:
        raise Fault(f"{quote(name)} is not UTF-8 text", hint='take the file itself: "${./FILE}"') from None


def _titled(functions: dict[str, Callable[..., Value]]) -> dict[str, Callable[..., Value]]:
    for name, function in functions.items():
        function.__qualname__ = name
    return functions
