"""Find what the store knows of packages: facts that an earlier bill of materials left there. Nothing is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fpack.store.derivation import Output, digest
from fpack.store.errors import StoreError

if TYPE_CHECKING:
    from fpack.builders.manifest.reader import ManifestReader
    from fpack.builders.sbom.facts import Facts
    from fpack.builders.sbom.model import Licence
    from fpack.store.store import Store


def stored_facts(reader: ManifestReader, store: Store) -> dict[str, Facts]:
    """Return the facts of an image's packages that the store has, by name."""
    return StoredLicences(reader, store).all_facts()


class StoredLicences:
    """The declared licences of an image's packages, as far as the store knows them. reader: of its manifest."""

    def __init__(self, reader: ManifestReader, store: Store) -> None:
        from fpack.builders.sbom.gather import wanted
        from fpack.builders.sbom.provenance import Provenance

        self._store = store
        self._provenance = Provenance(reader.head, reader.derivations)
        self._paths = {path.package: path for path in wanted(reader.head) if path.package}

    def licence(self, package: str) -> Licence | None:
        """Return the declared licence of a package, or None if the store does not know it.

        A package may have a link instead of a copyright file, to that of another package of the image.
        """
        seen: set[str] = set()
        while package in self._paths and package not in seen:
            seen.add(package)
            facts = self._facts(package)
            if facts is None or facts.package is None or facts.copyright is not None:
                return facts.copyright.declared if facts is not None and facts.copyright is not None else None
            package = facts.package.documentation
        return None

    def all_facts(self) -> dict[str, Facts]:
        """Return the facts that the store has, by package."""
        return {name: facts for name in self._paths if (facts := self._facts(name)) is not None}

    def _facts(self, package: str) -> Facts | None:
        """Return the facts of a package, or None if they are not in the store, or are of another version of fpack."""
        from fpack.builders.kinds.facts import FILE, MAX_FACTS
        from fpack.builders.kinds.sbom import facts_derivation
        from fpack.builders.sbom.facts import decode

        store, wanted = self._store, self._paths[package]
        fetched = self._provenance.deb(wanted.derivation)
        deb = store.database.built(fetched) if fetched is not None else None
        if deb is None:
            return None
        path = store.database.built(Output(digest(facts_derivation(wanted, deb).encode())))
        if path is None or not store.is_there(path):
            return None
        try:
            return decode(store.tree(path).read(FILE, MAX_FACTS))
        except StoreError:
            return None
