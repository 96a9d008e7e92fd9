"""Choose the packages of a root among its candidates: drive a resolution, which requests what it searches.

A candidate is built or fetched only if the resolution requests it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import NamedTuple

from fpack.builders.linking import linker
from fpack.builders.linking.linker import LinkResult, MissingFile, Reason
from fpack.builders.linking.required_files import ASKED, SEED
from fpack.builders.payload import slice_table
from fpack.builders.payload.slice_table import SliceTable
from fpack.builders.protocol import Need, Task
from fpack.store.derivation import Output, placeholder
from fpack.store.path import StorePath

DEPENDS = "depends"


class UsedArgs(NamedTuple):
    """The package that uses a package of data without a dependency, and what the data is."""

    by: str
    why: str


class PackageArgs(NamedTuple):
    """A package that the root may get. depends: names of packages. seed: it was asked for. slice: its files.

    used: the package that uses this one, if it is data that the other only recommends; at most one. data: a linked root
    takes it as a dependency of an included package if it has nothing but data.
    """

    package: str
    version: str
    depends: tuple[str, ...]
    seed: bool
    slice: StorePath
    used: tuple[UsedArgs, ...] = ()
    data: bool = False


def undeclared(items: Mapping[str, PackageArgs]) -> set[str]:
    """Return the packages that no seed depends on: Essential ones, which scripts may call."""
    todo = [name for name, item in items.items() if item.seed]
    declared = set(todo)
    while todo:
        new = [name for name in items[todo.pop()].depends if name in items and name not in declared]
        declared.update(new)
        todo += new
    return items.keys() - declared


def requestable(task: Task) -> dict[str, Output]:
    """Return the outputs that may be requested, by the hash of the placeholder in the arguments."""
    return {placeholder(o.derivation, "x", o.name).hash: o for o in task.candidates}


def outputs_of(task: Task, items: Mapping[str, PackageArgs]) -> dict[str, Output]:
    by_hash = requestable(task)
    outputs: dict[str, Output] = {}
    for name, item in items.items():
        output = by_hash.get(item.slice.hash)
        if output is not None:
            outputs[name] = output
    return outputs


def drive(
    task: Task, items: Mapping[str, PackageArgs], steps: linker.Fetch, parts: tuple[StorePath, ...] = ()
) -> Generator[Need, list[StorePath], tuple[LinkResult, set[str]]]:
    """Run a resolution and send it the packages that it requests. Return its result and the packages it searched.

    parts: the slices that the root will have in any case.
    """
    outputs = outputs_of(task, items)
    state = _advance(steps, None)
    searched: set[str] = set()
    while not isinstance(state, LinkResult):
        searched.update(state)
        needed = [outputs[name] for name in state if name in outputs]
        paths = iter((yield Need(needed, parts)) if needed else [])
        found = [next(paths) if name in outputs else items[name].slice for name in state]
        task.check()
        state = _advance(steps, [slice_table.load(task.tree(path)) for path in found])
    return state, searched


def missing_notes(missing: Sequence[MissingFile]) -> Iterator[str]:
    """Yield a line for each thing that files of a package load and that no package has."""
    files: dict[tuple[str, str], list[str]] = {}
    for item in missing:
        files.setdefault((item.package, item.what), []).append(item.file)
    for (package, what), names in files.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield f"{names[0]}{more} of {package}: no package has {what}; it may be optional"


def _advance(steps: linker.Fetch, answer: list[SliceTable] | None) -> list[str] | LinkResult:
    """Return the packages that the linker requests next, or its result."""
    try:
        return next(steps) if answer is None else steps.send(answer)
    except StopIteration as stop:
        linked: LinkResult = stop.value
        return linked


def declared_reasons(items: Sequence[PackageArgs]) -> dict[str, Reason]:
    """Return the reason for each package: its predecessor on the shortest dependency path from a seed."""
    depends = {item.package: item.depends for item in items}
    reasons = {item.package: Reason(SEED) for item in items if item.seed}
    level = list(reasons)  # breadth-first search
    while level:
        following: list[str] = []
        for name in level:
            for other in depends.get(name, ()):
                if other in depends and other not in reasons:
                    reasons[other] = Reason(DEPENDS, name, "", other)
                    following.append(other)
        level = following
    for name in depends:
        reasons.setdefault(name, Reason(ASKED, None, "", "a UTF-8 locale" if name == "libc-bin" else name))
    return reasons
