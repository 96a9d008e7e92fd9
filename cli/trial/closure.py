"""Find the packages that an image's root may take files from, with their payloads in the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fpack.builders.payload import meta
from fpack.builders.payload.globs import merged
from fpack.cli.workspace.containers import Container
from fpack.cli.workspace.workspace import Workspace
from fpack.store import derivation
from fpack.store.derivation import Derivation, Output, placeholder
from fpack.store.path import StorePath

from .findings import ClosurePackage, DropRules


def packages(workspace: Workspace, container: Container, root: StorePath) -> Iterator[ClosurePackage]:
    """Yield the packages of a container's root, which is built."""
    bodies = workspace.evaluator.derivations
    made = derivation.decode(bodies[container.root.derivation])
    _, extra = meta.load(workspace.store.tree(root))
    inside = {part["package"] for part in extra["slices"]}
    slices = _by_placeholder(made, bodies)
    for item in made.args["slices"]:
        slice_ = slices.get(item["slice"])
        if slice_ is not None:
            rule: Any = slice_.args
            payload = _by_placeholder(slice_, bodies, lambda output: output).get(rule["payload"])
            yield ClosurePackage(
                item["package"],
                item["package"] in inside,
                None if rule.get("keep") is None else tuple(rule["keep"]),
                tuple(rule.get("drop") or ()),
                _files(workspace, payload),
            )


def _by_placeholder(
    made: Derivation, bodies: Mapping[bytes, bytes], value: Callable[[Output], Any] | None = None
) -> dict[str, Any]:
    """Return the inputs and candidates of a derivation, decoded or as `value` returns them, by their placeholders."""
    found = {}
    for output in (*made.inputs, *made.candidates):
        one = derivation.decode(bodies[output.derivation])
        path = placeholder(output.derivation, one.name, output.name)
        found[str(path)] = value(output) if value is not None else one
    return found


def _files(workspace: Workspace, payload: Output | None) -> Callable[[frozenset[str]], frozenset[str]]:
    def found(wanted: frozenset[str]) -> frozenset[str]:
        path = workspace.store.database.built(payload) if payload is not None else None
        if path is None:
            return frozenset()
        # Damage would only change advice, so the table is not compared with the digest of its tree.
        entries, _ = meta.read(workspace.store.disk(path))
        return wanted & {merged(entry.path) for entry in entries if entry.kind != meta.DIRECTORY}

    return found


def drop_rules(workspace: Workspace) -> DropRules:
    """Return the globs of fpack's own rules."""
    text = 'let rules = import("fpack/rules") in { shared = rules.shared(true, null), lean = rules.lean }'
    value = workspace.evaluator.to_json(workspace.evaluator.expression(text))
    return DropRules(tuple(value["shared"]), {name: tuple(globs) for name, globs in value["lean"].items()})
