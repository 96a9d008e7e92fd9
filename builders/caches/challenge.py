"""Compare what this machine and the signers of caches say about the outputs of derivations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fpack.builders.attest.keys import PublicKey
from fpack.store.derivation import Output
from fpack.store.path import StorePath

from .cache import Cache
from .format.statements import derivation_id, resolved_id

AGREE, DIFFER, ALONE, UNKNOWN = "agree", "differ", "alone", "unknown"
LOCAL, REBUILT = "this machine", "rebuilt here"


class Witness(NamedTuple):
    """Someone who says which store path an output is.

    base: `HASH-NAME` of the store path. source: a cache's address, LOCAL or REBUILT. signer: None for this machine.
    time: of the signed statement, in milliseconds since 1970.
    """

    base: str
    source: str
    signer: PublicKey | None = None
    time: int = 0


class ChallengedOutput(NamedTuple):
    """An output, and what is said about it."""

    name: str
    output: str
    witnesses: tuple[Witness, ...]

    @property
    def verdict(self) -> str:
        """AGREE or DIFFER if two independent witnesses spoke; ALONE with one, UNKNOWN with none.

        A signer is one witness, however many caches repeat its statements. What this machine took from a cache is no
        witness of its own.
        """
        if len({witness.base for witness in self.witnesses}) > 1:
            return DIFFER
        count = len({witness.signer.spki if witness.signer else b"" for witness in self.witnesses})
        return AGREE if count > 1 else ALONE if count else UNKNOWN


def challenge(
    caches: Sequence[Cache],
    outputs: Mapping[Output, str],
    generation: int,
    keys: Mapping[Output, bytes],
    local: Mapping[Output, StorePath],
    rebuilt: Mapping[Output, StorePath],
) -> list[ChallengedOutput]:
    """Return what is said about outputs, by their names.

    keys: of the resolved derivations, where known. local: what this machine built. rebuilt: what a rebuild gave.
    """
    found = []
    for output, name in outputs.items():
        witnesses = [
            Witness(paths[output].base, source)
            for source, paths in ((LOCAL, local), (REBUILT, rebuilt))
            if output in paths
        ]
        ids = [derivation_id(generation, output.derivation)]
        if output in keys:
            ids.append(resolved_id(keys[output]))
        for cache in caches:
            claims = {(claim.base, claim.signer.spki): claim for id_ in ids for claim in cache.claims(id_, output.name)}
            witnesses += [Witness(claim.base, cache.address, claim.signer, claim.time) for claim in claims.values()]
        found.append(ChallengedOutput(name, output.name, tuple(witnesses)))
    return found
