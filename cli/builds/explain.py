"""Explain why a derivation must be built, down to the changed input, argument or file (`fpack build --explain`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fpack.store import derivation
from fpack.store.derivation import Derivation, Output
from fpack.store.files.source import SourceTree

if TYPE_CHECKING:
    from fpack.store.files.source import SourceSelection
    from fpack.store.store import Store

_MAX_FILES = 5  # changed files to name


class Explainer:
    """A comparison of derivations with earlier builds of the same name.

    bodies: encoded derivations that may not be in the database. sources: paths of the project's sources, by digest.
    selections: the selections of those that have one.
    """

    def __init__(
        self,
        store: Store,
        bodies: Mapping[bytes, bytes],
        sources: Mapping[str, Path],
        selections: Mapping[str, SourceSelection] | None = None,
    ) -> None:
        self._store = store
        self._bodies = bodies
        self._sources = sources
        self._selections = selections or {}
        self._before: dict[tuple[str, str], bytes] | None = None
        self._seen: set[bytes] = set()

    def lines(self, output: Output) -> Iterator[str]:
        """Yield the reasons why `output` must be built, a line each; one line if it is already built."""
        drv = self._drv(output.derivation)
        if all(self._store.database.built(Output(output.derivation, name)) is not None for name in drv.outputs):
            yield f"{drv.name} is already built: none of its inputs changed"
            return
        before = self._last(drv)
        if before is None:
            yield f"{drv.name} must be built: it was never built, or the record of it was deleted"
        elif before == output.derivation:
            yield f"{drv.name} must be built: its output was deleted"
        else:
            below = self._changed_below(drv, self._drv(before))
            unless = f", unless {' and '.join(below)} {'is' if len(below) == 1 else 'are'} unchanged after a rebuild"
            yield f"{drv.name} must be built{unless if below else ''}:"
            yield from self._changes(output.derivation, before, 1)

    def _changed_below(self, drv: Derivation, old: Derivation) -> list[str]:
        """Return the names of the changed inputs if they are built and nothing else changed, else an empty list."""
        pairs, gone, new = self._pairs(drv, old)
        changed = [self._drv(now.derivation) for now, then in pairs if now != then]
        if gone or new or list(_arguments(self._plain(drv), self._plain(old))):
            return []
        return [] if any(change.kind == "source" for change in changed) else sorted({change.name for change in changed})

    def _changes(self, digest: bytes, before: bytes, depth: int) -> Iterator[str]:
        """Yield the differences between a derivation and an earlier one, each only once."""
        if digest in self._seen:
            return
        self._seen.add(digest)
        indent = "  " * depth
        drv, old = self._drv(digest), self._drv(before)
        if drv.kind == "source":
            yield from (indent + line for line in self._source(drv, before))
            return
        pairs, gone, new = self._pairs(drv, old)
        for name in sorted(new):
            yield f"{indent}{name} is a new input"
        for name in sorted(gone):
            yield f"{indent}{name} is no longer an input"
        yield from (indent + line for line in _arguments(self._plain(drv), self._plain(old)))
        for now, then in pairs:
            if now != then and now.derivation not in self._seen:
                below = list(self._changes(now.derivation, then.derivation, depth + 1))
                yield f"{indent}{self._drv(now.derivation).name} changed{':' if below else ', too'}"
                yield from below

    def _source(self, drv: Derivation, before: bytes) -> Iterator[str]:
        """Yield the changed files of a source, a line each."""
        tree = str(drv.args.get("tree"))
        source = self._sources.get(tree)
        path = self._store.database.built(Output(before))
        if source is None or path is None:
            yield "the files changed"
            return
        from fpack.builders.scheduler.tree_diff import compare

        # Compare the tree that the store would get, so that ignored files make no difference.
        writer = self._store.writer()
        SourceTree().copy(source, writer, self._selections.get(tree))
        writer.finish()
        found = list(islice(compare(self._store.disk(path), writer.disk), _MAX_FILES + 1))
        for entry in found[:_MAX_FILES]:
            yield f"{source}{'/' if entry.path else ''}{entry.path} changed"
        if len(found) > _MAX_FILES:
            yield "and more files"

    def _pairs(self, drv: Derivation, old: Derivation) -> tuple[list[tuple[Output, Output]], set[str], set[str]]:
        """Match the inputs of two derivations. Return (pairs (now, then), names of gone inputs, names of new ones)."""
        now = {self._label(i): i for i in (*drv.inputs, *drv.candidates)}
        then = {self._label(i): i for i in (*old.inputs, *old.candidates)}
        # A version in a name may have changed: pair the rest by kind and the name without its version.
        left = {_stem(label): label for label in then.keys() - now.keys()}
        pairs, new = [], set()
        for label, output in now.items():
            other = label if label in then else left.get(_stem(label))
            if other is None:
                new.add(label[1])
            else:
                pairs.append((output, then[other]))
        matched = {pair[1] for pair in pairs}
        gone = {label[1] for label, output in then.items() if output not in matched}
        return pairs, gone, new

    def _label(self, output: Output) -> tuple[str, str, str]:
        """Return what identifies an input across versions: (kind, name, output)."""
        drv = self._drv(output.derivation)
        return drv.kind, drv.name, output.name

    def _plain(self, drv: Derivation) -> dict[str, Any]:
        """Return the arguments with the names of inputs instead of their placeholders."""
        names = {}
        for i in (*drv.inputs, *drv.candidates):
            made = self._drv(i.derivation)
            placeholder = derivation.placeholder(i.derivation, made.name, i.name)
            names[str(placeholder)] = f"<{derivation.output_name(made.name, i.name)}>"
        return {key: _named(value, names) for key, value in drv.args.items()}

    def _drv(self, digest: bytes) -> Derivation:
        body = self._bodies.get(digest) or self._store.database.derivation(digest)
        assert body is not None
        return derivation.decode(body)

    def _last(self, drv: Derivation) -> bytes | None:
        """Return the latest built derivation of the same kind and name, or name without version."""
        if self._before is None:
            self._before = {}
            for digest, body in self._store.database.built_derivations():
                made = derivation.decode(body)
                self._before[made.kind, made.name] = digest
                self._before[made.kind, _stem((made.kind, made.name, ""))[1]] = digest
        exact = self._before.get((drv.kind, drv.name))
        return exact or self._before.get((drv.kind, _stem((drv.kind, drv.name, ""))[1]))


def _stem(label: tuple[str, str, str]) -> tuple[str, str, str]:
    """Remove the version from a label's name: `redis-7.4.2` becomes `redis`."""
    words = label[1].split("-")
    kept = [words[0]]
    for word in words[1:]:
        if word[:1].isdigit():
            break
        kept.append(word)
    return label[0], "-".join(kept) + "-*", label[2]


def _named(value: Any, names: Mapping[str, str]) -> Any:
    """Replace the placeholders in all strings of a value by names."""
    if isinstance(value, str):
        for placeholder, name in names.items():
            value = value.replace(placeholder, name)
        return value
    if isinstance(value, list):
        return [_named(item, names) for item in value]
    if isinstance(value, dict):
        return {key: _named(item, names) for key, item in value.items()}
    return value


def _arguments(now: Mapping[str, Any], then: Mapping[str, Any]) -> Iterator[str]:
    """Yield the differences between the arguments of two derivations, a line each."""
    for key in sorted(now.keys() | then.keys()):
        if now.get(key) == then.get(key):
            continue
        if key == "phases":
            yield from _phases(now.get(key) or [], then.get(key) or [])
        elif isinstance(now.get(key), dict) and isinstance(then.get(key), dict):
            for name in sorted(now[key].keys() | then[key].keys()):
                if now[key].get(name) != then[key].get(name):
                    yield f"{key}.{name} was {_short(then[key].get(name))} and is now {_short(now[key].get(name))}"
        else:
            yield f"{key} was {_short(then.get(key))} and is now {_short(now.get(key))}"


def _phases(now: list[Any], then: list[Any]) -> Iterator[str]:
    new, old = ({phase["name"]: phase["script"] for phase in phases} for phases in (now, then))
    for name in dict.fromkeys([*old, *new]):
        if name not in new:
            yield f"the phase {name} was removed"
        elif name not in old:
            yield f"the phase {name} is new"
        elif new[name] != old[name]:
            lines = set(old[name].splitlines())
            changed = next((line.strip() for line in new[name].splitlines() if line not in lines), "")
            yield f"the phase {name} changed{': ' + _short(changed) if changed else ''}"


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 70 else text[:67] + "..."
