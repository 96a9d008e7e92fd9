"""Ask servers that failed last: one that is down or throttles would otherwise delay each file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from .errors import HttpError, ServerError, Unreachable

PAUSE = 60.0  # seconds; doubled with each failure
MAX_PAUSE = 3600.0  # seconds


class HostBackoff:
    """The hosts that failed. say: shows a line to the user, once for each host."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: dict[str, int] = {}
        self._until: dict[str, float] = {}

    def ordered(self, urls: Sequence[str]) -> list[str]:
        """Return the URLs, those of hosts that failed lately last."""
        now = self._clock()
        return sorted(urls, key=lambda url: self._until.get(_host(url), 0.0) > now)

    def failed(self, url: str, error: HttpError) -> None:
        """Record a failure, if it is the host's: it cannot be reached, or failed after all attempts."""
        host = _host(url)
        if not host or not (error.transient or isinstance(error, Unreachable)):
            return
        with self._lock:
            count = self._failures[host] = self._failures.get(host, 0) + 1
            asked = error.retry_after if isinstance(error, ServerError) else None
            pause = max(min(PAUSE * 2 ** (count - 1), MAX_PAUSE), min(asked or 0.0, MAX_PAUSE))
            self._until[host] = self._clock() + pause
        if count == 1:
            why = f" ({error.why})" if error.why else ""
            self._say(f"warning: {host} is asked last for now: {error.what[:1].lower()}{error.what[1:]}{why}")


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return ""
