"""Define how the scheduler uses caches, and run the transfer of an offered output as a job.

The scheduler knows no caches: whoever creates it passes a `Substituter`. An offer is the first choice. If its transfer
fails, the derivation is built like one that no cache has.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from fpack.builders.protocol import Cancelled
from fpack.store.derivation import Derivation, Output
from fpack.store.errors import FpackError, StoreError
from fpack.store.files import disk_errors
from fpack.store.path import StorePath
from fpack.store.sessions.registration import BuildRecord
from fpack.store.store import Store

from .reporter import BuildOutcome, Reporter
from .run import Result


class MadePaths(NamedTuple):
    """Outputs of derivations, and the encoded derivations by digest."""

    outputs: Mapping[Output, StorePath]
    bodies: Mapping[bytes, bytes]


class Offer(Protocol):
    """Outputs that a cache has, by name. They are not fetched yet."""

    def fetch(self, progress: Callable[[int, int], None], check: Callable[[], None]) -> Mapping[str, StorePath]:
        """Fetch the outputs and their closures, and make them valid. Raise FpackError if a cache fails.

        progress: receives the bytes read and their total. check: raises Cancelled if the transfer must stop.
        """

    def related(self, outputs: Iterable[Output]) -> Mapping[Output, StorePath]:
        """Return the paths of those outputs of other derivations that the store has now, as far as caches say."""

    def makers(self) -> MadePaths:
        """Return the derivations of which the fetched paths are outputs, as far as caches say."""


class Substituter(Protocol):
    """The caches of a run. The scheduling thread calls all methods but `fetch` of offers, and `built`."""

    def of_derivation(self, digest: bytes, outputs: Sequence[str]) -> Offer | None:
        """Return an offer of the outputs of a derivation whose inputs are not resolved, or None."""

    def of_key(self, key: bytes, outputs: Sequence[str]) -> Offer | None:
        """Return an offer of the outputs of a resolved derivation, or None."""

    def claim(self, key: bytes) -> bool:
        """Tell other machines that this one builds a derivation. Return False if another machine builds it now."""

    def built(self, key: bytes, digest: bytes, outputs: Mapping[str, StorePath] | None) -> None:
        """Note that a claimed build ended; outputs: None if it failed. Builder threads call this."""


class SubstitutionRun:
    """The transfer of one offer, in place of a `Run`."""

    def __init__(
        self,
        offer: Offer,
        store: Store,
        drv: Derivation,
        digest: bytes,
        key: bytes,
        reporter: Reporter,
        stop: threading.Event,
    ) -> None:
        self.answer: list[StorePath] = []
        self.running = False
        self._offer = offer
        self._store = store
        self._drv = drv
        self._digest = digest
        self._key = key
        self._reporter = reporter
        self._stop = stop

    def go(self) -> Result:
        """Fetch. The result is `absent` if the caches do not give what they offered."""
        self.running = True
        since = time.monotonic()
        try:
            paths = self._offer.fetch(self._progress, self._check)
            build = BuildRecord(self._drv.name, self._drv.kind, "substituted", time.monotonic() - since)
            outputs = {Output(self._digest, name): path for name, path in paths.items()}
            self._store.adopt(self._key, outputs, build)
            # The closure has outputs of inputs, such as the slices of a root: record what made them.
            if related := self._offer.related([*self._drv.inputs, *self._drv.candidates]):
                self._store.adopt(b"", related)
            # Builders make derivations that no evaluation gives, such as those of layers. Manifests name them.
            made = self._offer.makers()
            if made.outputs:
                self._store.plan(made.bodies)
                self._store.adopt(b"", made.outputs)
            return Result(paths=paths, outcome=BuildOutcome.SUBSTITUTED)
        except (Cancelled, StoreError) as error:
            return Result(error=error)
        except FpackError as error:
            self._reporter.warning(self._digest, f"{self._drv.name} could not be fetched from a cache: {error}")
            return Result(absent=True)
        except Exception as error:
            return Result(error=self.explain(error))
        finally:
            self.running = False

    def explain(self, error: BaseException) -> FpackError:
        """Return the error for the user."""
        if isinstance(error, FpackError):
            return error
        if isinstance(error, OSError):
            known = disk_errors.explain(error, self._drv.name, disk=str(self._store.root))
            if known is not None:
                return known
        return StoreError(
            f"{self._drv.name} could not be fetched from a cache", why=f"{error.__class__.__name__}: {error}",
            hint="--no-caches builds it",
        )  # fmt: skip

    def drop(self) -> None:
        """Do nothing: a transfer leaves nothing of its own."""

    def _progress(self, done: int, total: int) -> None:
        self._reporter.progress(self._digest, done, total)

    def _check(self) -> None:
        if self._stop.is_set():
            raise Cancelled("Interrupted")
