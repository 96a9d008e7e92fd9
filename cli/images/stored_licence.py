"""Find what the store knows of packages: facts that an earlier bill of materials left there. Nothing is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fpack.store.derivation import Output, digest
from fpack.store.errors import StoreError

if TYPE_CHECKING:
    from fpack.builders.manifest.reader import ManifestReader
    from fpack.builders.sbom.facts import Facts
    from fpack.builders.sbom.gather import PathWanted
    from fpack.builders.sbom.model import Licence
    from fpack.builders.sbom.provenance import Provenance
    from fpack.store.store import Store


def stored_licence(reader: ManifestReader, package: str, store: Store) -> Licence | None:
    """Return the declared licence of a package of an image, or None if the store does not know it.

    A package may have a link instead of a copyright file, to that of another package of the image.
    """
    from fpack.builders.sbom.gather import wanted
    from fpack.builders.sbom.provenance import Provenance

    provenance = Provenance(reader.head, reader.derivations)
    paths = {path.package: path for path in wanted(reader.head) if path.package}
    seen: set[str] = set()
    while package in paths and package not in seen:
        seen.add(package)
        facts = _facts(provenance, paths, package, store)
        if facts is None or facts.package is None or facts.copyright is not None:
            return facts.copyright.declared if facts is not None and facts.copyright is not None else None
        package = facts.package.documentation
    return None


def stored_facts(reader: ManifestReader, store: Store) -> dict[str, Facts]:
    """Return the facts of an image's packages that the store has, by name."""
    from fpack.builders.sbom.gather import wanted
    from fpack.builders.sbom.provenance import Provenance

    provenance = Provenance(reader.head, reader.derivations)
    paths = {path.package: path for path in wanted(reader.head) if path.package}
    found = ((name, _facts(provenance, paths, name, store)) for name in paths)
    return {name: facts for name, facts in found if facts is not None}


def _facts(provenance: Provenance, paths: Mapping[str, PathWanted], package: str, store: Store) -> Facts | None:
    """Return the facts of a package, or None if they are not in the store, or are of another version of fpack."""
    from fpack.builders.kinds.facts import FILE, MAX_FACTS
    from fpack.builders.kinds.sbom import facts_derivation
    from fpack.builders.sbom.facts import decode

    fetched = provenance.deb(paths[package].derivation)
    deb = store.database.built(fetched) if fetched is not None else None
    if deb is None:
        return None
    path = store.database.built(Output(digest(facts_derivation(paths[package], deb).encode())))
    if path is None or not store.is_there(path):
        return None
    try:
        return decode(store.tree(path).read(FILE, MAX_FACTS))
    except StoreError:
        return None
