"""Find the packages that the root of an image may take files from, with their payloads if the store has them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

from fpack.builders.payload import meta
from fpack.builders.payload.globs import Globs, merged
from fpack.cli.workspace.workspace import Workspace
from fpack.store import derivation
from fpack.store.derivation import Derivation, Output, placeholder
from fpack.store.errors import FpackError
from fpack.store.path import StorePath
from fpack.store.store import Store

from .findings import ClosurePackage, DropRules

if TYPE_CHECKING:
    from fpack.builders.manifest.reader import ManifestReader

PAYLOAD = "deb"  # the kind whose outputs have a table of files
_Decoded = Callable[[bytes], Derivation | None]  # None: an input that the image is not made of


def packages(workspace: Workspace, made: Derivation, root: StorePath) -> list[ClosurePackage]:
    """Return the packages that a container's root may take files from. made: its derivation. root: what it built."""
    bodies = workspace.evaluator.derivations
    _, extra = meta.load(workspace.store.tree(root))
    inside = {part["package"] for part in extra["slices"]}
    return list(_packages(workspace.store, made, inside, lambda digest: derivation.decode(bodies[digest])))


def packages_of(store: Store, made: Derivation, reader: ManifestReader) -> list[ClosurePackage]:
    """Return what `packages` does by the manifest of an image, which may be hostile. made: what `root_of` returns.

    A malformed derivation gives no packages: they are only advice.
    """
    inside = {origin.package for origin in reader.head.paths if origin.package}
    try:
        found = list(_packages(store, made, inside, lambda digest: reader.derivations.get(digest.hex())))
        for package in found:
            Globs([*(package.keep or ()), *package.drop])
    except (KeyError, TypeError, AttributeError, FpackError):
        return []
    return found if all(isinstance(package.name, str) for package in found) else []


def root_of(reader: ManifestReader) -> Derivation | None:
    """Return the derivation of the root of a manifest's image; None if the image has no packages."""
    made = (reader.derivations.get(origin.derivation or "") for origin in reader.head.paths)
    return next((one for one in made if one is not None and one.kind == "root"), None)


def _packages(store: Store, made: Derivation, inside: Collection[str], decoded: _Decoded) -> Iterator[ClosurePackage]:
    slices = _by_placeholder(made, decoded)
    for item in made.args["slices"]:
        name, slice_ = item["package"], slices.get(item["slice"])
        if slice_ is None:
            yield ClosurePackage(name, name in inside, None, (), None)
            continue
        rule: Any = slice_[1].args
        payload = _by_placeholder(slice_[1], decoded).get(rule["payload"])
        if payload is not None and payload[1].kind != PAYLOAD:
            payload = None
        yield ClosurePackage(
            name,
            name in inside,
            None if rule.get("keep") is None else tuple(rule["keep"]),
            tuple(rule.get("drop") or ()),
            _files(store, payload[0] if payload is not None else None),
        )


def _by_placeholder(made: Derivation, decoded: _Decoded) -> dict[str, tuple[Output, Derivation]]:
    """Return the inputs and candidates of a derivation by their placeholders."""
    return {
        str(placeholder(output.derivation, one.name, output.name)): (output, one)
        for output in (*made.inputs, *made.candidates)
        if (one := decoded(output.derivation)) is not None
    }


def _files(store: Store, payload: Output | None) -> Callable[[frozenset[str]], frozenset[str]] | None:
    """Return what tells which of some paths a payload has; None if the store does not have it."""
    path = store.database.built(payload) if payload is not None else None
    if path is None:
        return None

    def found(wanted: frozenset[str]) -> frozenset[str]:
        # Damage would only change advice, so the table is not compared with the digest of its tree.
        entries, _ = meta.read(store.disk(path))
        return wanted & {merged(entry.path) for entry in entries if entry.kind != meta.DIRECTORY}

    return found


def drop_rules(workspace: Workspace) -> DropRules:
    """Return the globs of fpack's own rules."""
    text = 'let rules = import("fpack/rules") in { shared = rules.shared(true, null), lean = rules.lean }'
    value = workspace.evaluator.to_json(workspace.evaluator.expression(text))
    return DropRules(tuple(value["shared"]), {name: tuple(globs) for name, globs in value["lean"].items()})
