"""Find the payloads that built programs load from the root that they were built in.

NEEDED entries, interpreters and `#!` lines are resolved down to the libraries of libraries. The result has payloads and
no slices, because an image or a shell chooses its own slices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fpack.builders.payload.meta import LoadFacts
from fpack.builders.protocol import Task
from fpack.store.errors import FpackError
from fpack.store.files.presence import is_present
from fpack.store.path import STORE, StorePath

from .root_directory import RootDirectory


def linked(
    task: Task, view: RootDirectory, outputs: Sequence[Mapping[str, LoadFacts]]
) -> tuple[list[set[StorePath]], list[str]]:
    """Return the payloads that each output's programs load from the root, and a warning for each missing file.

    view: the root. outputs: the facts of each output's programs by path.
    """
    if not any(outputs):
        return [set() for _ in outputs], []
    own = {path.rpartition("/")[2] for programs in outputs for path in programs}
    own |= {facts.soname for programs in outputs for facts in programs.values()}
    missing: dict[str, str] = {}
    found = []
    for programs in outputs:
        slices: set[StorePath] = set()
        for path, facts in programs.items():
            for what, found_path in view.loads(facts):
                if facts.machine and what in facts.needed and _in_store(task, view, facts, what):
                    continue
                if found_path is not None:
                    slices |= view.closure(found_path)
                elif (
                    not what.startswith(STORE)
                    and what.rpartition("/")[2] not in own
                    and not any(directory.startswith(("$ORIGIN", "${ORIGIN}")) for directory in facts.runpath)
                ):
                    missing.setdefault(what, path)
        found.append({payload for slice_ in slices if (payload := task.payload(slice_)) is not None})
    return found, [f"{path or 'the output'} loads {what}, which is not in the root" for what, path in missing.items()]


def _in_store(task: Task, view: RootDirectory, facts: LoadFacts, what: str) -> bool:
    """Return whether a name is a store path, or is found in one along the RUNPATH before anything of the root."""
    if what.startswith(STORE + "/"):
        return True
    for directory in facts.runpath:
        if directory.startswith(STORE + "/"):
            try:
                disk_path = task.disk(directory)
            except FpackError:
                continue
            if is_present(disk_path / what):
                return True
        elif directory.startswith("/") and view.find(f"{directory.strip('/')}/{what}") is not None:
            return False
    return False
