"""Find the store paths that a build mentions, and check those that its outputs mention or that it wrote."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from fpack.builders.protocol import BuildError
from fpack.store import path as store_path
from fpack.store.canonical import Value
from fpack.store.errors import InvalidName
from fpack.store.path import STORE, StorePath

from .outputs import ScannedOutput


def find(value: Value) -> list[StorePath]:
    """Return every store path in the strings of a value, sorted."""
    found: set[StorePath] = set()
    todo = [value]
    while todo:
        now = todo.pop()
        if isinstance(now, str):
            found.update(StorePath(*reference) for reference in store_path.find_references(now))
        elif isinstance(now, dict):
            todo += [*now.keys(), *now.values()]
        elif isinstance(now, (list, tuple)):
            todo += now
    return sorted(found)


def order(scanned: Mapping[str, ScannedOutput], by_hash: Mapping[bytes, str]) -> list[str]:
    """Sort the outputs so that each follows those it mentions. Raise BuildError if they mention each other."""
    needs = {o: {by_hash[h] for h in scan.found & by_hash.keys()} - {o} for o, scan in scanned.items()}
    done: list[str] = []
    while len(done) < len(needs):
        ready = [output for output in needs if output not in done and needs[output] <= set(done)]
        if not ready:
            left = sorted(set(needs) - set(done))
            raise BuildError(
                f"The outputs {', '.join(left)} mention each other",
                why="the path of an output depends on the paths it mentions, so each would have to be known first",
                hint="move the files that both need into one of them",
            )
        done += ready
    return done


def check_references(
    output: str, references: set[StorePath], allowed: Sequence[str] | None, disallowed: Sequence[str]
) -> None:
    """Raise BuildError if an output mentions a store path that it must not. allowed: None for all."""
    wrong = references & _paths(disallowed)
    if allowed is not None:
        wrong |= references - _paths(allowed)
    if wrong:
        names = ", ".join(str(path) for path in sorted(wrong))
        raise BuildError(
            f"The output {output} mentions a store path that it must not",
            why=names,
            hint="grep the output for the path; `allowed` and `disallowed` of the package define what it may mention",
        )


def _paths(values: Sequence[str]) -> set[StorePath]:
    return {store_path.parse(value.rstrip("/")) for value in values}


def check_strays(out: int, inputs: Sequence[StorePath], paths: Mapping[str, StorePath]) -> None:
    """Raise BuildError if a build wrote something to the store other than its outputs."""
    expected = {path.base for path in (*inputs, *paths.values())}
    stray = sorted(set(os.listdir(out)) - expected)
    if stray:
        shown = stray[0]
        try:
            shown = store_path.parse(shown).name
        except InvalidName:
            pass
        raise BuildError(
            f"The build wrote {shown} to the store, which is not one of its outputs",
            why=f"{STORE}/{stray[0]}",
            hint="write to $out, or list the output in `outputs`",
        )
