"""Remember the derivations that the files of package sets define, from one evaluation to the next.

A member is known by a key of facts that are found without evaluating it: the text of its file and of the files that
this one uses, what they read, the names of its parameters, and the keys of the members of the set that those name. The
package lock, the library, fpack's version and the settings are part of each key. What files use and read is recorded
while they are evaluated, by the file whose import or path led to it, and compared before it is believed. A value
depends on nothing else, so the evaluation of the same key takes the same steps and has the same result.

A member whose file names a nested set depends on all of that set. No key have members that name each other in a circle,
that name fields which no file of a set defines (such as those of `.extend`), or whose files were given to code that
reads without a record. They are evaluated.
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
from fpack.store.derivation import decode
from fpack.store.errors import FpackError
from fpack.store.files import disk_cache
from fpack.store.path import STORE

from .files import FileMemory
from .plain_fields import contents, plain_fields

if TYPE_CHECKING:
    from fpack.lang.builtins.directories import DirectoryBuiltins
    from fpack.lang.module_loader import Modules
    from fpack.lang.runtime.derivations import Deriver
    from fpack.lang.runtime.records.package_sets import Member, Surroundings

FORMAT = 1

# The fields that are remembered, if they were evaluated to plain data or to lists of members that the file names: what
# packages that are made from a member want to know of it.
_FIELDS = ("type", "kind", "name", "version", "out", "libs", "runtime", "release", "platform")
_LISTS = ("libs", "runtime")
_OF_OUTPUT = ("type", "kind", "name", "version", "out", "release")
_MAX_ITEMS = 100
_KEPT = 4  # remembered values of a member, such as of several platforms
_NEW = b"new"  # the key of a file that no evaluation has used, so that nothing that is known depends on it


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
    """The files of a directory of a set."""

    scope: Surroundings
    members: dict[str, Member]
    own: dict[str, Thunk]


class _Node(NamedTuple):
    """A member of a set."""

    scope: Surroundings
    name: str


class _UsedMember(NamedTuple):
    """A member that was asked for. real: the real path of its file. facts: what was remembered of it, if it was."""

    node: _Node
    real: str
    value: Value
    facts: tuple[Any, ...] | None


class MemberMemory:
    """The memory of the members of package sets.

    cache: the directory of the cache. settings: returns a digest of all else that values depend on; None: nothing is
    remembered, and nothing that is remembered is believed. evaluations: the number of members that were evaluated.
    """

    def __init__(
        self,
        cache: str | os.PathLike[str],
        settings: Callable[[], bytes | None],
        modules: Modules,
        deriver: Deriver,
        directories: DirectoryBuiltins,
    ) -> None:
        self.evaluations = 0
        self._cache = os.fspath(cache)
        self._settings = settings
        self._modules = modules
        self._deriver = deriver
        self._files = FileMemory(modules, deriver, directories)
        self._start: bytes | None = None
        self._name = ""
        self._root: str | None = None
        self._entries: dict[tuple[str, str], list[tuple[bytes, bytes]]] = {}
        self._keys: dict[tuple[int, str], bytes | None] = {}
        self._thunks: dict[int, tuple[Thunk, _Node]] = {}
        self._sets: dict[int, _Set] = {}  # by the identity of the scope
        self._layers: dict[int, list[Surroundings]] = {}  # by the identity of the finished set
        self._bindings: dict[tuple[int, str, str], _Node | bytes | None] = {}
        self._seen: dict[tuple[int, str], _UsedMember] = {}
        self._paths: dict[tuple[int, str], str] = {}  # the real path of a member's file
        self._known: dict[bytes, KnownMember] = {}
        deriver.derivations.further = self._make

    # ---- as `Memory` of package_sets.py

    def note_set(self, scope: Surroundings, members: Sequence[Member], own: dict[str, Thunk]) -> None:
        self._sets[id(scope)] = _Set(scope, {m.name: m for m in members}, own)
        self._layers.setdefault(id(scope.finished[0]), []).append(scope)
        for name, thunk in own.items():
            self._thunks[id(thunk)] = (thunk, _Node(scope, name))

    def note_pattern(self, file: Path, names: tuple[str, ...] | None) -> None:
        self._files.seen_patterns[self._modules.real_path(file.path)] = names

    def member(self, file: Path, name: str, scope: Surroundings, evaluate: Callable[[], Value]) -> Value:
        """Return a member of a set: from memory if its key is known, else evaluated. See `package_sets.Memory`."""
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
        value = self._evaluated(evaluate)
        self._seen[id(scope), name] = _UsedMember(node, real, value, None)
        return value

    def _evaluated(self, evaluate: Callable[[], Value]) -> Value:
        self.evaluations += 1
        return evaluate()

    def _recalled(self, node: _Node, real: str, facts: tuple[Any, ...], evaluate: Callable[[], Value]) -> Value:
        """Return a member of which facts are known. They are those of `_facts_of`."""
        digest, name, names, plain, members, outputs = facts
        self._deriver.placeholders.add(digest, name, ("out", *outputs))
        self._modules.recalled.update(self._files.closure(real) or ())
        known = self._known[digest] = KnownMember(frozenset(names), partial(self._evaluated, evaluate))
        fields: dict[str, Value] = dict(plain)
        for field, paths in members.items():
            fields[field] = [Thunk(partial(self._named, node, path)) for path in paths]
        for output, (of_names, of_fields) in outputs.items():
            part = KnownMember(frozenset(of_names), partial(_field_of, known, output))
            fields[output] = recalled(dict(of_fields), part)
        value = recalled(fields, known)
        self._seen[id(node.scope), node.name] = _UsedMember(node, real, value, facts)
        return value

    def _named(self, node: _Node, path: tuple[str, ...]) -> Value:
        """Return the value of a field that a member names, or of a member of a nested set that it names."""
        bound = self._binding(node, path[0])
        assert isinstance(bound, _Node)
        value = evaluated(self._sets[id(bound.scope)].own[bound.name])
        return evaluated(value[path[1]]) if len(path) > 1 else value

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
            is_recalled = digest in self._known
            if known(digest) is not None if is_recalled else not dict.__contains__(self._deriver.derivations, digest):
                continue
            made = decode(self._deriver.derivations[digest])
            new = {output.derivation for output in (*made.inputs, *made.candidates)} - found
            found |= new
            todo += new

    # ---- keys

    def _key(self, node: _Node) -> bytes | None:
        """Return the key of a member, or None if it has none."""
        at = (id(node.scope), node.name)
        if at in self._keys:
            return self._keys[at]
        self._keys[at] = None  # for a circle
        try:
            found = self._keys[at] = self._new_key(node)
        except FpackError:
            return None  # the evaluation of a nested set, which raises the error where it is used
        return found

    def _new_key(self, node: _Node) -> bytes | None:
        """Compute the key of a member from its file and from the keys of what the file names. None: it has no key."""
        real = self._file_of(node)
        if not real:
            return self._key_of_set(node)
        if self._files.is_new(real):
            return _NEW
        digest, pattern = self._files.digest(real), self._files.pattern(real)
        if digest is None or pattern is MISSING or self._start is None:
            return None
        parts: list[bytes] = [self._start, os.fsencode(real), node.name.encode(), digest]
        for name in pattern or ():
            found = self._binding(node, name)
            key = self._key(found) if isinstance(found, _Node) else found
            if key is None:
                return None
            parts += [name.encode(), key]
        return _joined(parts)

    def _key_of_set(self, node: _Node) -> bytes | None:
        """Return the key of a nested set: the keys of all members."""
        inner = evaluated(self._sets[id(node.scope)].own[node.name])
        if not isinstance(inner, dict) or inner.__class__ is OnDemand or "type" in inner:
            return None
        parts = [b"set"]
        for name in sorted(inner):
            known = self._in_set(inner, node.scope, name)
            key = self._key(known) if isinstance(known, _Node) else None
            if key is None:
                return None
            parts += [name.encode(), key]
        return _joined(parts)

    def _file_of(self, node: _Node) -> str:
        """Return the real path of the file that defines a member; "" if it is a nested set."""
        at = (id(node.scope), node.name)
        found = self._paths.get(at)
        if found is None:
            path = file_of(self._sets[id(node.scope)].members[node.name])
            found = self._paths[at] = self._modules.real_path(path) if path else ""
        return found

    def _binding(self, node: _Node, name: str) -> _Node | bytes | None:
        """Return what a field that a member names is: another member, or bytes that identify it; None if unknown."""
        at = (id(node.scope), node.name, name)
        if at not in self._bindings:
            try:
                self._bindings[at] = self._bound(node, name)
            except FpackError:
                self._bindings[at] = None
        return self._bindings[at]

    def _bound(self, node: _Node, name: str) -> _Node | bytes | None:
        """Return what a name in a member's file is: another member, or bytes that identify a value; None: unknown."""
        scope = node.scope
        sets = scope.finished
        if name == node.name:
            below = self._below(scope, name)
            if below is not MISSING:
                return below  # type: ignore[no-any-return]
            sets = sets[1:]
        for each in sets:
            found = self._in_set(each, scope, name)
            if found is not MISSING:
                return found  # type: ignore[no-any-return]
        return b"absent"

    def _below(self, scope: Surroundings, name: str) -> Any:
        """Return what a set has by a name without the files of a directory, as `_in_set`."""
        if scope.base.__class__ is dict:
            return None if name in scope.base else MISSING
        if scope.before.__class__ is OnDemand:
            return self._of_library(scope.base, name)
        fill = getattr(scope.before, "fill", None)
        if fill is None or contents(scope.finished[0]).__class__ is not Record:
            return None
        return self._of_thunk(fill.laying.find(name, fill.end, fill.low))

    def _in_set(self, finished: Value, scope: Surroundings, name: str) -> Any:
        """Return what a set has by a name: a member, bytes, None if that is unknown, or MISSING."""
        record = contents(finished)
        if record.__class__ is Record:
            found = dict.get(record, name, MISSING)
            if found is MISSING or found.__class__ is Thunk:
                return self._of_thunk(found)
            # A record may have its fields' values instead of thunks.
            for layer in self._layers.get(id(finished), ()):
                thunk = self._sets[id(layer)].own.get(name)
                if thunk is not None and thunk.cell_contents.__class__ is tuple and contents(thunk) is found:
                    return _Node(layer, name)
            return None
        if record.__class__ is OnDemand:
            origin = record.origin
            if origin.__class__ is not Layers or len(origin.layers) != 1 or origin.layers[0].change is not scope.layer:
                return None
            own = self._sets[id(scope)].members
            if name in own:
                return _Node(scope, name)
            # A field `replace` changes the packages of the library.
            return None if REPLACE in own else self._of_library(scope.base, name)
        return None

    def _of_thunk(self, found: Value) -> Any:
        if found is MISSING:
            return MISSING
        known = self._thunks.get(id(found))
        return None if known is None else known[1]

    def _of_library(self, record: Value, name: str) -> bytes | None:
        """Return bytes that identify a package of a set of the library, as it is; None for another set."""
        known = self._modules.name_in_library(record, ("debian", "ubuntu"))
        return None if known is None else f"{known}.{name}".encode()

    # ---- the cache

    def _is_open(self, root: str) -> bool:
        """Read what is remembered of a project, the first time. Return False for the sets of another project."""
        if self._root is None:
            self._root = root
            self._start = self._settings()
            if self._start is not None:
                self._name = disk_cache.key(f"members {FORMAT}".encode(), os.fsencode(root))
                body = disk_cache.read(self._cache, self._name)
                if body is not None:
                    self._files.files, self._files.patterns, self._entries = marshal.loads(body)
        return self._start is not None and root == self._root

    def save(self) -> None:
        """Remember what was evaluated, unless that depends on more than the keys say."""
        if all(seen.facts is not None for seen in self._seen.values()) or self._settings() != self._start:
            return
        self._files.update()
        self._keys.clear()
        for seen in self._seen.values():
            facts = self._facts_of(seen) if seen.facts is None else seen.facts
            key = self._key(seen.node) if facts is not None else None
            if key is not None:
                at = (seen.real, seen.node.name)
                kept = [entry for entry in self._entries.get(at, ()) if entry[0] != key]
                self._entries[at] = [(key, marshal.dumps(facts)), *kept][:_KEPT]
        disk_cache.write(
            self._cache, self._name, marshal.dumps((self._files.files, self._files.patterns, self._entries))
        )

    def _facts_of(self, seen: _UsedMember) -> tuple[Any, ...] | None:
        """Return what is remembered of a member; None unless it is a derivation whose output was evaluated.

        It is the digest and the name of the derivation, the names of the fields, those that are plain data, those that
        are lists of fields that the file names, and names and fields of other outputs.
        """
        value = seen.value
        if value.__class__ is not Record or contents(dict.get(value, "type")) != "derivation":
            return None
        find = self._deriver.placeholders.find
        known = find(contents(dict.get(value, "out")) or "")
        if known is None or known.name != "out":
            return None
        plain = {**plain_fields(value, _FIELDS), "out": known.text}
        members: dict[str, list[tuple[str, ...]]] = {}
        for name in _LISTS:
            found = contents(dict.get(value, name))
            if name not in plain and found.__class__ is list and len(found) <= _MAX_ITEMS:
                named = self._named_values(seen.node)
                paths = [named.get(id(contents(item)), ()) for item in found]
                if all(paths):
                    members[name] = paths
        outputs: dict[str, Any] = {}
        for name, item in value.items():
            part = contents(item)
            if part.__class__ is Record and contents(dict.get(part, "type")) == "derivation":
                of = find(contents(dict.get(part, "out")) or "")
                if of is not None and of.derivation == known.derivation and of.name == name:
                    outputs[name] = (tuple(part), {**plain_fields(part, _OF_OUTPUT), "out": of.text})
        return known.derivation, known.text[len(STORE) + 34 :], tuple(value), plain, members, outputs

    def _named_values(self, node: _Node) -> dict[int, tuple[str, ...]]:
        """Return the fields that a member names, and members of nested sets, by the identity of their values."""
        found: dict[int, tuple[str, ...]] = {}
        pattern = self._files.pattern(self._file_of(node))
        for name in pattern or () if pattern is not MISSING else ():
            bound = self._binding(node, name)
            if isinstance(bound, _Node):
                value = contents(self._sets[id(bound.scope)].own[bound.name])
                if isinstance(value, Record) and not self._file_of(bound):
                    found |= {id(contents(item)): (name, key) for key, item in value.items()}
                elif isinstance(value, Record):
                    found[id(value)] = (name,)
        found.pop(id(None), None)
        return found


def _joined(parts: Iterable[bytes]) -> bytes:
    """Return a digest of byte strings."""
    hasher = blake3()
    for part in parts:
        hasher.update(len(part).to_bytes(8, "big"))
        hasher.update(part)
    return hasher.digest()


def _field_of(known: KnownMember, name: str) -> Value:
    return evaluated(known.evaluated()[name])
