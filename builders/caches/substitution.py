"""Offer the scheduler what caches have: the implementation of `builders/scheduler/substitution.py`.

The caches are first read when something must be built, all at once. A realisation counts if enough trusted signers say
the same; its content is verified in any case.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial

from fpack.builders.distribution.layout import DirectoryRepository
from fpack.builders.distribution.protocol import RepositoryError
from fpack.light_typing import TYPE_CHECKING
from fpack.store import derivation as derivations
from fpack.store import threads
from fpack.store.derivation import Output
from fpack.store.errors import FpackError, InvalidName, NotCanonical
from fpack.store.path import StorePath, parse
from fpack.store.store import Store

from .cache import Cache, SignedPath
from .cache_set import CacheSet
from .fetch import Fetcher
from .format.errors import CacheError
from .format.statements import Realisation, derivation_id, resolved_id

if TYPE_CHECKING:
    from fpack.builders.attest.keys import PrivateKey
    from fpack.builders.scheduler.substitution import MadePaths

    from .claims import BuildClaims
    from .push import BackgroundPush

_REFRESH = 0.2  # seconds between looks at a cache that other machines push to meanwhile


class CacheOffer:
    """Paths that the caches have."""

    def __init__(
        self,
        fetcher: Fetcher,
        paths: Mapping[str, StorePath],
        used: Callable[[list[StorePath]], None],
        related: Callable[[Iterable[Output], Collection[StorePath]], Mapping[Output, StorePath]],
        made: Callable[[Iterable[StorePath]], MadePaths],
    ) -> None:
        self._fetcher = fetcher
        self._related = related
        self._made = made
        self._fetched: list[StorePath] = []
        self._paths = paths
        self._used = used

    def fetch(self, progress: Callable[[int, int], None], check: Callable[[], None]) -> Mapping[str, StorePath]:
        """Fetch the outputs and their closures, and make them valid."""
        try:
            self._fetched = self._fetcher.fetch(list(self._paths.values()), progress, check)
            self._used(self._fetched)
        except RepositoryError as error:
            raise CacheError(error.what, where=error.where, why=error.why) from None
        return self._paths

    def related(self, outputs: Iterable[Output]) -> Mapping[Output, StorePath]:
        """Return the outputs of other derivations that were fetched with these."""
        return self._related(outputs, frozenset(self._fetched))

    def makers(self) -> MadePaths:
        """Return the derivations of which the fetched paths are outputs, as far as trusted signers say so."""
        return self._made(self._fetched)


class CacheSubstituter:
    """The caches of one run of the scheduler. Close it at the end.

    threshold: how many signers must say the same. push_to: the cache that receives what is built.
    """

    def __init__(
        self,
        store: Store,
        caches: Sequence[Cache],
        generation: int,
        *,
        threshold: int = 1,
        warn: Callable[[str], None] = lambda text: None,
        push_to: Cache | None = None,
        key: PrivateKey | None = None,
    ) -> None:
        self._store = store
        self._all = list(caches)
        self._caches = CacheSet(self._all, warn)
        self._generation = generation
        self._threshold = threshold
        self._warn = warn
        self._fetcher = Fetcher(store, self._caches, warn)
        self._loading = threading.Lock()
        self._is_loaded = False
        self._looked = 0.0
        self._push_to = push_to
        self._pushing: BackgroundPush | None = None
        self._claims: BuildClaims | None = None
        if push_to is not None:
            from .claims import BuildClaims
            from .push import BackgroundPush

            self._pushing = BackgroundPush(store, push_to, key, generation, warn)
            self._claims = BuildClaims(push_to.repository, store.root / "locks")
        self.used: set[StorePath] = set()  # paths that were fetched

    def of_derivation(self, digest: bytes, outputs: Sequence[str]) -> CacheOffer | None:
        """Return an offer of the outputs of a derivation whose inputs are not resolved, or None."""
        return self._offer(derivation_id(self._generation, digest), outputs)

    def of_key(self, key: bytes, outputs: Sequence[str]) -> CacheOffer | None:
        """Return an offer of the outputs of a resolved derivation, or None."""
        return self._offer(resolved_id(key), outputs)

    def fetch(self, paths: Sequence[StorePath]) -> list[StorePath]:
        """Make paths and their closures valid, and return the paths. Raise CacheError if no cache has them."""
        self.load()
        self.used.update(self._fetcher.fetch(paths))
        return list(paths)

    def fetch_output(self, output: Output) -> StorePath | None:
        """Fetch an output of a derivation and record it in the store. Return its path, or None if no cache has it."""
        offer = self.of_derivation(output.derivation, [output.name])
        if offer is None:
            return None
        paths = offer.fetch(lambda done, total: None, lambda: None)
        self._store.adopt(b"", {output: paths[output.name]})
        made = offer.makers()
        self._store.plan(made.bodies)
        self._store.adopt(b"", made.outputs)
        return paths[output.name]

    def claim(self, key: bytes) -> bool:
        """Tell other machines that this one builds a derivation. Return False if another machine builds it now."""
        if self._claims is None or self._push_to not in self._caches.alive:
            return True
        if not self._claims.take(key):
            self._refresh()
            return False
        self._refresh(force=True)
        return True

    def built(self, key: bytes, digest: bytes, outputs: Mapping[str, StorePath] | None) -> None:
        """Push the outputs of a build that ended, and end its claim."""
        if self._claims is None or self._pushing is None:
            return
        release = partial(self._claims.release, key)
        if outputs is None or self._push_to not in self._caches.alive:
            release()
            return
        rows = [
            Realisation(id_, name, path.base)
            for name, path in outputs.items()
            for id_ in (resolved_id(key), derivation_id(self._generation, digest))
        ]
        self._pushing.add(rows, list(outputs.values()), release)

    def close(self) -> None:
        """Wait for pushes, and delete what was fetched and not registered."""
        with contextlib.ExitStack() as ends:
            # Each of these also if one before it is interrupted: other machines wait for what is claimed.
            ends.callback(self._fetcher.close)
            if self._claims is not None:
                ends.callback(self._claims.close)
            ends.callback(self._record_uses)
            if self._pushing is not None:
                ends.callback(self._pushing.close)

    def _record_uses(self) -> None:
        """Tell the caches that this machine may write to what it took, for their gc. Failures do not matter."""
        for cache in self._caches.alive if self.used else ():
            if not cache.address.startswith("file:") and cache is not self._push_to:
                continue
            with contextlib.suppress(FpackError, OSError):
                taken = [path for path in self.used if cache.has(path)]
                if isinstance(cache.repository, DirectoryRepository):
                    found = (cache.record(path.base) for path in taken)
                    cache.repository.touch(
                        {digest for record in found if record is not None for digest in record.blobs}
                    )
                elif new := cache.memory.unrecorded(taken):
                    from . import uses

                    uses.record(cache.repository, new)
                    cache.memory.recorded(new)

    # Loading

    def load(self) -> None:
        """Read the indexes of all caches at once. A cache that fails is not used."""
        with self._loading:
            if self._is_loaded:
                return
            self._is_loaded = True
            asked = []
            for cache in self._all:
                if cache.memory.is_down():
                    self._caches.skip(cache)
                else:
                    asked.append((cache, threads.start(partial(self._load, cache), "cache")))
            for _, job in asked:
                while not job.wait(0.2):
                    pass  # Ctrl-C ends the wait
                job.result()
            self._looked = time.monotonic()

    def _load(self, cache: Cache) -> None:
        try:
            cache.refresh()
            cache.memory.answered()
        except FpackError as error:
            self._caches.failed(cache, error)
        except OSError as error:
            self._caches.failed(cache, CacheError(error.strerror or str(error)))

    def _refresh(self, *, force: bool = False) -> None:
        """Look for new indexes in the cache that other machines push to."""
        import random

        cache = self._push_to
        if cache is None or (not force and time.monotonic() - self._looked < _REFRESH * (1 + random.random())):
            return
        self._looked = time.monotonic()
        try:
            if cache.refresh():
                self._fetcher.forget_lookups()
        except FpackError as error:
            self._caches.failed(cache, error)

    # Choosing

    def _offer(self, id_: bytes, outputs: Sequence[str]) -> CacheOffer | None:
        self.load()
        paths: dict[str, StorePath] = {}
        for name in outputs:
            path = self._chosen(id_, name)
            if path is None:
                return None
            paths[name] = path
        if not all(map(self._fetcher.has_closure, paths.values())):
            return None
        return CacheOffer(self._fetcher, paths, self.used.update, self._among, self._makers)

    def _among(self, outputs: Iterable[Output], fetched: Collection[StorePath]) -> Mapping[Output, StorePath]:
        """Return the outputs whose paths are among those that were fetched."""
        if len(fetched) < 2:
            return {}
        found = {}
        for output in outputs:
            path = self._chosen(derivation_id(self._generation, output.derivation), output.name)
            if path is not None and path in fetched:
                found[output] = path
        return found

    def _makers(self, fetched: Iterable[StorePath]) -> MadePaths:
        """Return the derivations of paths that caches have, if enough signers say that they made these paths."""
        from fpack.builders.scheduler.substitution import MadePaths  # a fetch of store paths has no scheduler

        outputs: dict[Output, StorePath] = {}
        bodies: dict[bytes, bytes] = {}
        for path in fetched:
            for body in {body for cache in self._caches.alive for body in cache.makers(path.base)}:
                digest = derivations.digest(body)
                id_ = derivation_id(self._generation, digest)
                try:
                    names = [name for name in derivations.decode(body).outputs if self._chosen(id_, name) == path]
                except NotCanonical:
                    continue
                if names:
                    bodies[digest] = body
                outputs.update({Output(digest, name): path for name in names})
        return MadePaths(outputs, bodies)

    def _chosen(self, id_: bytes, output: str) -> StorePath | None:
        """Return the path that enough signers name: the one with the most, of the first cache among equals."""
        base = agreed(self._caches.alive, id_, output, self._threshold)
        try:
            return parse(base) if base else None
        except InvalidName:
            return None


def agreed(caches: Sequence[Cache], id_: bytes, output: str, threshold: int) -> str:
    """Return the base name that at least `threshold` signers give an output, or "".

    A signer counts once, however many caches repeat its statements, and with its latest one only.
    """
    latest: dict[bytes, SignedPath] = {}
    for cache in caches:
        for claim in cache.claims(id_, output):
            before = latest.get(claim.signer.spki)
            if before is None or before.time < claim.time:
                latest[claim.signer.spki] = claim
    votes: dict[str, int] = {}
    for claim in latest.values():
        votes[claim.base] = votes.get(claim.base, 0) + 1
    best = max(votes, key=votes.__getitem__, default="")
    return best if votes.get(best, 0) >= threshold else ""
