"""Find the derivation that made a store path, so that a path can be used as the value that it was built from."""

from __future__ import annotations

from fpack.light_typing import TYPE_CHECKING
from fpack.store import derivation
from fpack.store.derivation import Output
from fpack.store.errors import FpackError
from fpack.store.path import parse

if TYPE_CHECKING:
    from .workspace import Workspace


def adopt(workspace: Workspace, text: str) -> str:
    """Make the derivation that made a store path known to the evaluation. Return the placeholder of its output.

    Raise FpackError if the store does not have the path, or does not know what made it.
    """
    path = parse(text)
    store = workspace.store if workspace.has_store else None
    info = store.info(path) if store is not None else None
    if store is None or info is None or info.path != path:
        raise FpackError(
            "The store does not have this path",
            where=text,
            hint="fpack build WHAT makes it; fpack store list lists all",
        )
    for output in store.database.outputs_of(path):
        if _adopt_all(workspace, output):
            made = derivation.decode(workspace.evaluator.derivations[output.derivation])
            return str(derivation.placeholder(output.derivation, made.name, output.name))
    raise FpackError(
        "It is not known what made this store path",
        where=text,
        why="it was imported, or its derivation is no longer recorded",
        hint="fpack store export writes its closure; name the derivation that makes it instead",
    )


def _adopt_all(workspace: Workspace, output: Output) -> bool:
    """Make a derivation and all that it is made from known. Return False if one of them is not recorded."""
    known = workspace.evaluator.derivations
    found: dict[bytes, bytes] = {}
    todo = [output.derivation]
    while todo:
        digest = todo.pop()
        if digest in known or digest in found:
            continue
        body = workspace.store.database.derivation(digest)
        if body is None:
            return False
        found[digest] = body
        made = derivation.decode(body)
        todo += [item.derivation for item in (*made.inputs, *made.candidates)]
    for body in found.values():
        workspace.evaluator.adopt(body)
    return True
