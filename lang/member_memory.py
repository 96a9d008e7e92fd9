"""Remember the derivations that the files of package sets define, from one evaluation to the next.

A member is known by a key of facts that are found without evaluating it: the text of its file and of the files that
this one uses, what they read, the names of its parameters, and the keys of the members of the set that those name. The
package lock, the library, fpack's version and the settings are part of each key. What files use and read is recorded
while they are evaluated, by the file whose import or path led to it, and compared before it is believed. A value
depends on nothing else, so the evaluation of the same key takes the same steps and has the same result.

No key have members that name each other in a circle, that name fields which no file of a set defines (such as those of
`.extend`, and nested sets), or whose files were given to code that reads without a record. They are evaluated.
"""

from __future__ import annotations

import marshal
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from blake3 import blake3
from fpack.lang.runtime.records.origins import Layers
from fpack.lang.runtime.records.package_sets import file_of
from fpack.lang.runtime.records.replacing import REPLACE
from fpack.lang.runtime.values import MISSING, OnDemand, Path, Record, Thunk, Value, evaluated, recalled
from fpack.lang.syntax.source import normal, read_text
from fpack.store.derivation import decode
from fpack.store.errors import FpackError
from fpack.store.files import disk_cache
from fpack.store.path import STORE

if TYPE_CHECKING:
    from fpack.lang.builtins.directories import DirectoryBuiltins
    from fpack.lang.runtime.derivations import Deriver
    from fpack.lang.runtime.reads import Read
    from fpack.lang.runtime.records.package_sets import Member, Surroundings

    from .module_loader import Modules

FORMAT = 1

# The fields that are remembered, if they were evaluated to plain data, to members that the file names, and to lists of
# these: what packages that are made from a member want to know of it.
_FIELDS = ("type", "kind", "name", "version", "out", "libs", "runtime", "release", "platform")
_OF_OUTPUT = ("type", "kind", "name", "version", "out", "release")
_MAX_TEXT = 200
_MAX_ITEMS = 100
_KEPT = 4  # remembered values of a member, such as of several platforms
_MAX_USED = 200  # files that the file of a member uses


class FileFacts(NamedTuple):
    """What the evaluation of a file has used. uses: real paths of files, sorted. reads: sorted."""

    text: bytes
    uses: tuple[str, ...]
    reads: tuple[Any, ...]


class KnownMember:
    """A derivation of a former evaluation. evaluate: evaluates it; it is evaluated once at most."""

    __slots__ = ("names", "_thunk")

    def __init__(self, names: frozenset[str], evaluate: Callable[[], Value]) -> None:
        self.names = names
        self._thunk = Thunk(evaluate)

    def evaluated(self) -> Record:
        found: Record = evaluated(self._thunk)
        return found


class _Set(NamedTuple):
    """The files of a directory of a set. root: the project's directory."""

    scope: Surroundings
    root: str
    members: dict[str, Member]
    own: dict[str, Thunk]


class _Node(NamedTuple):
    """A member of a set."""

    scope: Surroundings
    name: str


class MemberMemory:
    """What is known of the members of package sets.

    cache: the directory of the cache. settings: returns a digest of all else that values depend on; None: nothing is
    remembered, and nothing that is remembered is believed.
    """

    def __init__(
        self,
        cache: str | os.PathLike[str],
        settings: Callable[[], bytes | None],
        modules: Modules,
        deriver: Deriver,
        directories: DirectoryBuiltins,
    ) -> None:
        self.evaluations = 0  # of members
        self._cache = os.fspath(cache)
        self._settings = settings
        self._modules = modules
        self._deriver = deriver
        self._directories = directories
        self._start: bytes | None = None
        self._name = ""
        self._root: str | None = None
        self._files: dict[str, bytes] = {}
        self._patterns: dict[str, bytes] = {}
        self._entries: dict[tuple[str, str], list[tuple[bytes, bytes]]] = {}
        self._checked: dict[str, FileFacts | None] = {}
        self._digests: dict[str, bytes | None] = {}
        self._single: dict[str, bytes] = {}  # without the files that are used
        self._closures: dict[str, tuple[str, ...] | None] = {}
        self._keys: dict[tuple[int, str], bytes | None] = {}
        self._thunks: dict[int, tuple[Thunk, _Node]] = {}
        self._sets: dict[int, _Set] = {}  # by the identity of the scope
        self._bindings: dict[tuple[int, str, str], Any] = {}
        self._seen: dict[tuple[int, str], tuple[_Node, str, Value, tuple[Any, ...] | None]] = {}
        self._seen_patterns: dict[str, tuple[str, ...] | None] = {}
        self._paths: dict[tuple[int, str], str] = {}  # the real path of a member's file
        self._known: dict[bytes, KnownMember] = {}
        deriver.derivations.further = self._make

    # ---- as `Memory` of package_sets.py

    def note_set(self, scope: Surroundings, directory: Path, members: Sequence[Member], own: dict[str, Thunk]) -> None:
        self._sets[id(scope)] = _Set(scope, directory.root, {m.name: m for m in members}, own)
        for name, thunk in own.items():
            self._thunks[id(thunk)] = (thunk, _Node(scope, name))

    def note_pattern(self, file: Path, names: tuple[str, ...] | None) -> None:
        self._seen_patterns[self._modules.real_path(file.path)] = names

    def member(self, file: Path, name: str, scope: Surroundings, evaluate: Callable[[], Value]) -> Value:
        real = self._modules.real_path(file.path)
        self._modules.note_use(file.reader, real)
        if not self._is_open(file.root):
            return evaluate()
        node = _Node(scope, name)
        self._paths[id(scope), name] = real
        entries = self._entries.get((real, name))
        key = self._key(node) if entries else None
        if entries and key is not None:
            for known, body in entries:
                if known == key:
                    return self._recalled(node, real, marshal.loads(body), evaluate)
        self.evaluations += 1
        value = evaluate()
        self._seen[id(scope), name] = (node, real, value, None)
        return value

    def _recalled(self, node: _Node, real: str, facts: tuple[Any, ...], evaluate: Callable[[], Value]) -> Value:
        digest, name, names, plain, members, outputs = facts
        self._deriver.placeholders.add(digest, name, ("out", *outputs))
        self._modules.recalled.update(self._closures[real] or ())

        def made() -> Value:
            self.evaluations += 1
            return evaluate()

        known = KnownMember(frozenset(names), made)
        self._known[digest] = known
        fields: dict[str, Value] = dict(plain)
        for field, named in members.items():
            found = [self._binding(node, n) for n in named]
            fields[field] = [self._sets[id(n.scope)].own[n.name] for n in found if isinstance(n, _Node)]
        for output, (of_names, of_fields) in outputs.items():
            part = KnownMember(frozenset(of_names), partial(_field_of, known, output))
            fields[output] = recalled(dict(of_fields), part)
        value = recalled(fields, known)
        self._seen[id(node.scope), node.name] = (node, real, value, facts)
        return value

    def _make(self, digest: bytes) -> bool:
        """Evaluate a derivation of a former evaluation, so that its encoding is known."""
        known = self._known.pop(digest, None)
        if known is None:
            return False
        evaluated(known.evaluated()["out"])
        if dict.__contains__(self._deriver.derivations, digest):
            return True
        raise FpackError(
            "A remembered package is not what its file defines",
            where=f"{self._cache}/{self._name}",
            hint="delete this file, and report the error",
        )

    def complete(self, digests: Iterable[bytes], known: Callable[[bytes], Any]) -> None:
        """Evaluate the derivations of former evaluations that some derivations need and that are not known."""
        todo = list(digests)
        found = set(todo)
        while self._known and todo:
            digest = todo.pop()
            if digest not in self._known and not dict.__contains__(self._deriver.derivations, digest):
                continue
            if digest in self._known and known(digest) is not None:
                continue
            new = {output.derivation for output in decode(self._deriver.derivations[digest]).inputs} - found
            found |= new
            todo += new

    # ---- keys

    def _key(self, node: _Node) -> bytes | None:
        """Return the key of a member, or None if it has none."""
        at = (id(node.scope), node.name)
        if at in self._keys:
            return self._keys[at]
        self._keys[at] = None  # for a circle
        found = self._keys[at] = self._new_key(node)
        return found

    def _new_key(self, node: _Node) -> bytes | None:
        real = self._file_of(node)
        digest = self._digest(real) if real else None
        if digest is None or self._start is None:
            return None
        pattern = self._pattern(real, digest)
        if pattern is MISSING:
            return None
        hasher = blake3(self._start)
        parts: list[bytes] = [real.encode("utf-8", "surrogateescape"), node.name.encode(), digest]
        for name in pattern or ():
            found = self._binding(node, name)
            if found is None:
                return None
            of = found if isinstance(found, bytes) else self._key(found)
            if of is None:
                return None
            parts += [name.encode(), of]
        for part in parts:
            hasher.update(len(part).to_bytes(8, "big"))
            hasher.update(part)
        return hasher.digest()

    def _file_of(self, node: _Node) -> str:
        """Return the real path of the file that defines a member; "" if it is not known or a directory."""
        at = (id(node.scope), node.name)
        found = self._paths.get(at)
        if found is None:
            of = self._sets[id(node.scope)]
            path = file_of(of.members[node.name])
            found = self._modules.real_path(path) if path else ""
            if not found.startswith(of.root.rstrip("/") + "/"):
                found = ""
            self._paths[at] = found
        return found

    def _pattern(self, real: str, digest: bytes) -> Any:
        """Return the fields that the function of a file names, None if it is no such function; MISSING if unknown."""
        if real in self._seen_patterns:
            return self._seen_patterns[real]
        body = self._patterns.get(real)
        if body is None:
            return MISSING
        of, names = marshal.loads(body)
        return names if of == digest else MISSING

    def _binding(self, node: _Node, name: str) -> _Node | bytes | None:
        """Return what a field that a member names is: another member, or bytes that identify it; None if unknown."""
        at = (id(node.scope), node.name, name)
        if at not in self._bindings:
            try:
                self._bindings[at] = self._bound(node, name)
            except FpackError:
                self._bindings[at] = None
        return self._bindings[at]  # type: ignore[no-any-return]

    def _bound(self, node: _Node, name: str) -> _Node | bytes | None:
        scope = node.scope
        sets = scope.finished
        if name == node.name:
            sets = sets[1:]
            if scope.base.__class__ is dict:
                if name in scope.base:
                    return None
            elif scope.before.__class__ is OnDemand:
                return self._of_library(scope.base, name)
            else:
                laying, low, end = self._below(scope)
                found = MISSING if laying is None else laying.find(name, end, low)
                if laying is None or (found is not MISSING and id(found) not in self._thunks):
                    return None
                if found is not MISSING:
                    return self._thunks[id(found)][1]
        for each in sets:
            if each.__class__ is Thunk:
                if each.cell_contents.__class__ is not tuple:
                    return None
                each = each.cell_contents[0]
            bound = self._in_set(each, scope, name)
            if bound is not MISSING:
                return bound  # type: ignore[no-any-return]
        return b"absent"

    @staticmethod
    def _below(scope: Surroundings) -> tuple[Any, int, int]:
        """Return where `old` finds its definitions, if the set has its fields already."""
        fill = getattr(scope.before, "fill", None)
        new = scope.finished[0]
        if fill is None or new.__class__ is not Record:
            return None, 0, 0
        return fill.laying, fill.low, fill.end

    def _in_set(self, record: Value, scope: Surroundings, name: str) -> Any:
        """Return what a set has by a name: a member, bytes, None if that is unknown, or MISSING."""
        if record.__class__ is Record:
            found = dict.get(record, name, MISSING)
            if found is MISSING:
                return MISSING
            known = self._thunks.get(id(found))
            return None if known is None else known[1]
        if record.__class__ is OnDemand:
            origin = record.origin
            if origin.__class__ is not Layers or len(origin.layers) != 1 or origin.layers[0].change is not scope.layer:
                return None
            own = self._sets[id(scope)].members
            if name in own:
                return _Node(scope, name)
            if REPLACE in own:
                return None  # it changes the packages of the library
            return self._of_library(scope.base, name)
        return None

    def _of_library(self, record: Value, name: str) -> bytes | None:
        """Return bytes that identify a package of a set of the library, as it is; None for another set."""
        known = self._modules.name_in_library(record, ("debian", "ubuntu"))
        return None if known is None else f"{known}.{name}".encode()

    # ---- files

    def _digest(self, real: str) -> bytes | None:
        """Return a digest of a file, of the files that it uses and of what they read, if that is unchanged."""
        if real not in self._digests:
            used = self._closure(real)
            self._digests[real] = None if used is None else blake3(b"".join(map(self._digest_of_one, used))).digest()
        return self._digests[real]

    def _digest_of_one(self, real: str) -> bytes:
        found = self._single.get(real)
        if found is None:
            found = self._single[real] = blake3(repr((real, self._facts(real))).encode("utf-8", "replace")).digest()
        return found

    def _closure(self, real: str) -> tuple[str, ...] | None:
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

    def _facts(self, real: str) -> FileFacts | None:
        """Return what is known of a file, if it is unchanged."""
        if real not in self._checked:
            body = self._files.get(real)
            found = None if body is None else FileFacts(*marshal.loads(body))
            self._checked[real] = found if found is not None and self._is_unchanged(real, found) else None
        return self._checked[real]

    def _is_unchanged(self, real: str, facts: FileFacts) -> bool:
        try:
            module = self._modules.own_modules().get(real)
            text = normal(read_text(real, real)) if module is None else module.source.text
            return _text_digest(text) == facts.text and all(map(self._reads_again, facts.reads))
        except (FpackError, OSError, UnicodeError):
            return False

    def _reads_again(self, read: Read) -> bool:
        """Return True if something that was read is unchanged."""
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

    # ---- the cache

    def _is_open(self, root: str) -> bool:
        """Read what is remembered of a project, the first time. Return False for the sets of another project."""
        if self._root is None:
            self._root = root
            self._start = self._settings()
            if self._start is not None:
                self._name = disk_cache.key(f"members {FORMAT}".encode(), root.encode("utf-8", "surrogateescape"))
                body = disk_cache.read(self._cache, self._name)
                if body is not None:
                    self._files, self._patterns, self._entries = marshal.loads(body)
        return self._start is not None and root == self._root

    def save(self) -> None:
        """Remember what was evaluated, unless that depends on more than the keys say."""
        if self._start is None or not self._seen or self._settings() != self._start:
            return
        if all(facts is not None for _, _, _, facts in self._seen.values()):
            return
        log = self._deriver.log
        for real, module in self._modules.own_modules().items():
            facts = self._observed(real, module, log.reads.get(real, ()), real in log.opaque)
            self._checked[real] = facts
            if facts is None:
                self._files.pop(real, None)
            else:
                self._files[real] = marshal.dumps(tuple(facts))
        self._digests.clear()
        self._single.clear()
        self._closures.clear()
        self._keys.clear()
        for real, names in self._seen_patterns.items():
            digest = self._digest(real)
            if digest is not None:
                self._patterns[real] = marshal.dumps((digest, names))
        for node, real, value, known in self._seen.values():
            facts_of = self._facts_of(node, real, value) if known is None else known
            key = self._key(node) if facts_of is not None else None
            if key is not None:
                kept = [entry for entry in self._entries.get((real, node.name), []) if entry[0] != key]
                self._entries[real, node.name] = [(key, marshal.dumps(facts_of)), *kept][:_KEPT]
        disk_cache.write(self._cache, self._name, marshal.dumps((self._files, self._patterns, self._entries)))

    def _observed(self, real: str, module: Any, reads: Iterable[Read], opaque: bool) -> FileFacts | None:
        """Return what this evaluation and, for the same text, former ones have seen a file use."""
        if opaque:
            return None
        uses = set(module.imports)
        found = set(reads)
        text = _text_digest(module.source.text)
        before = self._checked.get(real)
        if before is not None and before.text == text:
            uses |= set(before.uses)
            found |= set(before.reads)
        if len({read[:-1] for read in found}) != len(found):
            return None  # something changed while it was read
        return FileFacts(text, tuple(sorted(uses)), tuple(sorted(found, key=repr)))

    def _facts_of(self, node: _Node, real: str, value: Value) -> tuple[Any, ...] | None:
        """Return what is remembered of a member; None unless it is a derivation whose output was evaluated.

        It is the digest and the name of the derivation, the names of the fields, those that are plain data, those that
        are lists of fields that the file names, and names and fields of other outputs.
        """
        if value.__class__ is not Record:
            return None
        known = self._deriver.placeholders.find(_contents(dict.get(value, "out")) or "")
        if known is None or known.name != "out" or _contents(dict.get(value, "type")) != "derivation":
            return None
        plain = _plain_fields(value, _FIELDS)
        plain["out"] = known.text
        members: dict[str, list[str]] = {}
        for name in ("libs", "runtime"):
            found = _contents(dict.get(value, name))
            if name not in plain and found.__class__ is list and len(found) <= _MAX_ITEMS:
                named = self._named_values(node, real)
                these = [named.get(id(_contents(item))) for item in found]
                if None not in these:
                    members[name] = [n for n in these if n is not None]
        outputs: dict[str, Any] = {}
        for name, item in value.items():
            part = _contents(item)
            if part.__class__ is Record and name not in plain and _contents(dict.get(part, "type")) == "derivation":
                of = self._deriver.placeholders.find(_contents(dict.get(part, "out")) or "")
                if of is not None and of.derivation == known.derivation and of.name == name:
                    outputs[name] = (tuple(part), {**_plain_fields(part, _OF_OUTPUT), "out": of.text})
        return known.derivation, known.text[len(STORE) + 34 :], tuple(value), plain, members, outputs

    def _named_values(self, node: _Node, real: str) -> dict[int, str]:
        """Return the fields that a member names, by the identity of their evaluated values."""
        found: dict[int, str] = {}
        for name in self._seen_patterns.get(real) or ():
            bound = self._binding(node, name)
            if isinstance(bound, _Node):
                value = _contents(self._sets[id(bound.scope)].own[bound.name])
                if isinstance(value, Record):
                    found[id(value)] = name
        return found


def _contents(value: Value) -> Value:
    """Return an evaluated value; None for a thunk that is not evaluated."""
    if value.__class__ is not Thunk:
        return value
    contents = value.cell_contents
    return contents[0] if contents.__class__ is tuple else None


def _plain_fields(record: Record, names: Iterable[str]) -> dict[str, Value]:
    """Return the fields that were evaluated to small plain data, without paths in the store."""
    found = {}
    for name in names:
        value = dict.get(record, name, MISSING)
        if value is not MISSING and _is_plain(value):
            found[name] = _copied(value)
    return found


def _is_plain(value: Value) -> bool:
    value = _contents(value) if value.__class__ is Thunk else value
    if value.__class__ is str:
        return len(value) <= _MAX_TEXT and STORE not in value
    if value.__class__ is list:
        return not value
    return value.__class__ is dict and all(
        _contents(item).__class__ is str and _is_plain(item) for item in value.values()
    )


def _copied(value: Value) -> Value:
    value = _contents(value)
    return {name: _contents(item) for name, item in value.items()} if value.__class__ is dict else value


def _field_of(known: KnownMember, name: str) -> Value:
    return evaluated(known.evaluated()[name])


def _text_digest(text: str) -> bytes:
    return blake3(text.encode("utf-8", "surrogatepass")).digest()
