"""Fetch what rebuilders say about packages, with limits on size and time. The answers are judged elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from functools import partial

from fpack.builders.debian.lock.records import LockedDeb
from fpack.builders.net.errors import HttpError, NotFound
from fpack.builders.net.http import Http
from fpack.store.threads import Workers

from . import in_toto_link, rebuilder_answers, rebuilders
from .rebuilder_policy import Operator
from .rebuilders import RebuilderAnswer

JOBS = 8  # requests at a time
SECONDS = 60.0  # for one document, however slowly it arrives
TIMEOUT = 20.0  # without a byte
MAX_FAILURES = 3  # of a server, one after the other, before it is asked no more


class TooSlow(HttpError):
    """A document that did not arrive in time, or is no longer wanted."""


class RebuilderClient:
    """Fetches documents of servers and keeps them in `documents`. Safe for several threads."""

    def __init__(self, http: Http | None = None, *, seconds: float = SECONDS) -> None:
        self._http = http or Http(timeout=TIMEOUT, retries=1, same_host=True)
        self._seconds = seconds
        self._stopped = False
        self._lock = threading.Lock()
        self._failures: dict[str, int] = {}
        self.documents: dict[tuple[str, str], RebuilderAnswer] = {}

    def read(self, server: str, path: str) -> RebuilderAnswer:
        """Return a document of a server, or why there is none."""
        with self._lock:
            known = self.documents.get((server, path))
            is_down = self._failures.get(server, 0) >= MAX_FAILURES
        if known is not None:
            return known
        document = RebuilderAnswer(None, "it did not answer before") if is_down else self._fetch(server, path)
        with self._lock:
            if not is_down:
                self._failures[server] = self._failures.get(server, 0) + 1 if document.error else 0
            self.documents[server, path] = document
        return document

    def stop(self) -> None:
        """End the downloads that are under way."""
        self._stopped = True

    def _fetch(self, server: str, path: str) -> RebuilderAnswer:
        end = time.monotonic() + self._seconds

        def check() -> None:
            if self._stopped or time.monotonic() > end:
                raise TooSlow("The document did not arrive in time", why=f"within {self._seconds:g} seconds")

        limit = in_toto_link.MAX_SIZE if path.endswith("/attestation") else rebuilder_answers.MAX_LIST
        try:
            return RebuilderAnswer(self._http.get([server + path], limit=limit, check=check)[1])
        except NotFound:
            return RebuilderAnswer(None)
        except HttpError as error:
            return RebuilderAnswer(None, f"{error.what}: {error.why}" if error.why else error.what)


def collect(packages: Iterable[LockedDeb], operators: Iterable[Operator], client: RebuilderClient) -> None:
    """Fetch all documents that a judgement of these packages needs."""
    pairs = [(package, operator) for package in packages for operator in operators]
    with Workers(JOBS, "rebuilders") as pool:
        try:
            pool.map(partial(_ask, client), pairs)
        except BaseException:  # the user stopped it, and the pool waits for its threads
            client.stop()
            raise


def _ask(client: RebuilderClient, pair: tuple[LockedDeb, Operator]) -> None:
    rebuilders.ask(*pair, client.read)
