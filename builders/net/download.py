"""The file that a download goes to: what it holds already is continued, and the whole is verified."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, NoReturn

from .errors import TooLarge, WrongContent, shown, web_page

if TYPE_CHECKING:
    from .http import Http, Response

CHUNK = 1 << 16
HTML = re.compile(rb"\s*(?:<!doctype\s+html|<html|<head|<body)", re.IGNORECASE)


class Sink:
    """The file that a download goes to, with the digest of what it holds."""

    def __init__(
        self,
        file: IO[bytes],
        size: int | None,
        sha256: str | None,
        limit: int | None,
        progress: Callable[[int, int], None] | None,
        check: Callable[[], None],
    ) -> None:
        self.file = file
        self.size = size
        self.sha256 = sha256.lower() if sha256 else None
        self.limit = limit if size is None else size
        self.progress = progress
        self.check = check
        self.done = 0
        self.hash = hashlib.sha256()
        if self.sha256 is None:
            self.reset()
        while chunk := file.read(CHUNK * 4):
            check()
            self.hash.update(chunk)
            self.done += len(chunk)
        if self.limit is not None and self.done > self.limit:
            self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self.file.seek(0)
        self.file.truncate()
        self.done = 0
        self.hash = hashlib.sha256()

    def complete(self) -> bool:
        """Whether the file as it was found is the one that is wanted."""
        return (
            self.sha256 is not None and self.done == (self.size or self.done) and self.hash.hexdigest() == self.sha256
        )

    def fill(self, http: Http, url: str) -> None:
        """Take what is missing from `url`, and verify the whole."""
        if self.sha256 is None or (self.size is not None and self.done >= self.size):
            self.reset()
        resumed = self.done > 0
        page = self._take(http, url)
        problem = self._problem()
        if problem is None:
            return
        self.reset()
        if resumed:  # the part that was there may have been the wrong one
            page = self._take(http, url)
            problem = self._problem()
            if problem is None:
                return
            self.reset()
        if page:
            raise web_page(url)
        raise WrongContent("A server has another file than the one asked for", where=shown(url), why=problem)

    def _take(self, http: Http, url: str) -> bool:
        with http.open(url, self.done) as response:
            if response.offset != self.done:
                self.reset()
            total = response.total
            if self.size is not None and total is not None and total != self.size:
                self._wrong_size(response, total)
            if self.limit is not None and total is not None and total > self.limit:
                raise TooLarge("A file is too large", where=shown(url), why=f"{total} bytes; the limit is {self.limit}")
            page = False
            for chunk in response.chunks():
                self.check()
                if self.done == 0:
                    page = HTML.match(chunk) is not None
                self.file.write(chunk)
                self.hash.update(chunk)
                self.done += len(chunk)
                if self.limit is not None and self.done > self.limit:
                    self.reset()
                    raise TooLarge("A file is too large", where=shown(url), why=f"the limit is {self.limit} bytes")
                if self.progress is not None:
                    self.progress(self.done, self.size or total or 0)
            return page

    def _wrong_size(self, response: Response, total: int) -> NoReturn:
        head = next(response.chunks(), b"") if self.done == 0 else b""
        if response.html or HTML.match(head):
            raise web_page(response.url)
        raise WrongContent(
            "A server has another file than the one asked for",
            where=shown(response.url),
            why=f"it has {total} bytes instead of {self.size}",
        )

    def _problem(self) -> str | None:
        if self.size is not None and self.done != self.size:
            return f"it has {self.done} bytes instead of {self.size}"
        if self.sha256 is not None and self.hash.hexdigest() != self.sha256:
            return f"its SHA-256 is {self.hash.hexdigest()} instead of {self.sha256}"
        return None
