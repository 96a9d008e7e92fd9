"""Remember what the evaluation of each file of a project uses and reads, and find out whether all that is unchanged."""

from __future__ import annotations

import marshal
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from blake3 import blake3
from fpack.lang.runtime.values import MISSING, Path
from fpack.lang.syntax.source import normal, read_text
from fpack.store.errors import FpackError

if TYPE_CHECKING:
    from fpack.lang.builtins.directories import DirectoryBuiltins
    from fpack.lang.module_loader import Modules
    from fpack.lang.runtime.derivations import Deriver
    from fpack.lang.runtime.reads import Read

_MAX_USED = 200  # files that one file uses
_UNKNOWN = b""  # the facts of a file that reads without a record


class ObservedFile(NamedTuple):
    """The files that the evaluation of a file has used. uses: real paths of files, sorted. reads: sorted."""

    text: bytes
    uses: tuple[str, ...]
    reads: tuple[Any, ...]


class FileMemory:
    """The memory of the files of a project.

    files: the marshalled facts by the real path, to be kept. patterns: the marshalled digest of a file, and the fields
    that its function names.
    """

    def __init__(self, modules: Modules, deriver: Deriver, directories: DirectoryBuiltins) -> None:
        self.files: dict[str, bytes] = {}
        self.patterns: dict[str, bytes] = {}
        self.seen_patterns: dict[str, tuple[str, ...] | None] = {}  # of files that were evaluated
        self._modules = modules
        self._deriver = deriver
        self._directories = directories
        self._checked: dict[str, ObservedFile | None] = {}
        self._digests: dict[str, bytes | None] = {}
        self._single: dict[str, bytes] = {}  # without the files that are used
        self._closures: dict[str, tuple[str, ...] | None] = {}

    def is_new(self, real: str) -> bool:
        """Return True for a file that no evaluation has used."""
        return real not in self.files and real not in self._modules.own_modules()

    def pattern(self, real: str) -> Any:
        """Return the fields that the function of a file names, None if it is no such function; MISSING if unknown."""
        if real in self.seen_patterns:
            return self.seen_patterns[real]
        body = self.patterns.get(real)
        if body is None:
            return MISSING
        of, names = marshal.loads(body)
        return names if of == self.digest(real) else MISSING

    def digest(self, real: str) -> bytes | None:
        """Return a digest of a file, of the files that it uses and of what they read, if that is unchanged."""
        if real not in self._digests:
            used = self.closure(real)
            self._digests[real] = None if used is None else blake3(b"".join(map(self._digest_of_one, used))).digest()
        return self._digests[real]

    def _digest_of_one(self, real: str) -> bytes:
        found = self._single.get(real)
        if found is None:
            found = self._single[real] = blake3(repr((real, self._facts(real))).encode("utf-8", "replace")).digest()
        return found

    def closure(self, real: str) -> tuple[str, ...] | None:
        """Return the real paths of a file and of those that it uses, transitively, sorted; None if they are unknown."""
        if real not in self._closures:
            found = {real}
            todo = [real]
            while todo:
                facts = self._facts(todo.pop())
                if facts is None or len(found) > _MAX_USED:
                    self._closures[real] = None
                    break
                new = set(facts.uses) - found
                found |= new
                todo += new
            else:
                self._closures[real] = tuple(sorted(found))
        return self._closures[real]

    def _facts(self, real: str) -> ObservedFile | None:
        """Return what is known of a file, if it is unchanged."""
        if real not in self._checked:
            body = self.files.get(real)
            found = ObservedFile(*marshal.loads(body)) if body else None
            self._checked[real] = found if found is not None and self._is_unchanged(real, found) else None
        return self._checked[real]

    def _is_unchanged(self, real: str, facts: ObservedFile) -> bool:
        """Return whether a file has the remembered text, and everything that it read is as it was."""
        try:
            module = self._modules.own_modules().get(real)
            text = normal(read_text(real, real)) if module is None else module.source.text
            return _text_digest(text) == facts.text and all(map(self._reads_again, facts.reads))
        except (FpackError, OSError, UnicodeError):
            return False

    def _reads_again(self, read: Read) -> bool:
        """Return whether something that was read is unchanged."""
        kind, path = read[:2]
        if kind == "text":
            with open(path, "rb") as file:
                return bool(blake3(file.read()).digest() == read[2])
        if kind == "directory":
            return bool(tuple(self._directories.entries(Path(path, ""))) == read[2])
        if kind == "executable":
            return bool(self._deriver.is_executable(Path(path, "")) == read[2])
        from fpack.store.files.source import SourceSelection

        _, path, root, selection, name, text = read
        rules = None if selection is None else SourceSelection(*selection)
        return bool(self._deriver.source(Path(path, root, rules, name)) == text)

    def update(self) -> None:
        """Take what this evaluation has seen files use."""
        log = self._deriver.log
        for real, module in self._modules.own_modules().items():
            facts = None
            if real not in log.opaque:
                facts = self._observed(real, module, log.reads.get(real, ()))
            self._checked[real] = facts
            self.files[real] = _UNKNOWN if facts is None else marshal.dumps(tuple(facts))
        self._digests.clear()
        self._single.clear()
        self._closures.clear()
        for real, names in self.seen_patterns.items():
            digest = self.digest(real)
            if digest is not None:
                self.patterns[real] = marshal.dumps((digest, names))

    def _observed(self, real: str, module: Any, reads: Iterable[Read]) -> ObservedFile | None:
        """Return what this evaluation and, for the same text, former ones have seen a file use."""
        uses = set(module.imports)
        found = set(reads)
        text = _text_digest(module.source.text)
        before = self._checked.get(real)
        if before is not None and before.text == text:
            uses |= set(before.uses)
            found |= set(before.reads)
        if len({read[:-1] for read in found}) != len(found):
            return None  # something changed while it was read
        return ObservedFile(text, tuple(sorted(uses)), tuple(sorted(found, key=repr)))


def _text_digest(text: str) -> bytes:
    return blake3(text.encode("utf-8", "surrogatepass")).digest()
