"""Write a download to a file: resume a partial file and verify the size and digest of the whole."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import IO, NoReturn, Protocol

from .digests import Digests
from .errors import TooLarge, WrongContent, shown, web_page
from .response import CHUNK, Response

HTML = re.compile(rb"\s*(?:<!doctype\s+html|<html|<head|<body)", re.IGNORECASE)


class Opener(Protocol):
    """A server or a place that files are read from."""

    def open(self, url: str, offset: int = 0) -> Response:
        """Open a file from an offset. Raise an HttpError."""


class DownloadTarget:
    """The file that a download is written to, and the digest of the bytes that it holds so far."""

    def __init__(
        self,
        file: IO[bytes],
        size: int | None,
        sha256: str | None,
        sha512: str | None,
        limit: int | None,
        progress: Callable[[int, int], None] | None,
        check: Callable[[], None],
    ) -> None:
        self.file = file
        self.size = size
        self.sha256 = sha256.lower() if sha256 else None
        self.sha512 = sha512.lower() if sha512 else None
        self.limit = limit if size is None else size
        self.progress = progress
        self.check = check
        self.done = 0
        self._start()
        if not self.declared:
            self.reset()
        while chunk := file.read(CHUNK * 4):
            check()
            self._hash(chunk)
            self.done += len(chunk)
        if self.limit is not None and self.done > self.limit:
            self.reset()

    @property
    def declared(self) -> bool:
        """True if a digest of the file is declared."""
        return self.sha256 is not None or self.sha512 is not None

    def _start(self) -> None:
        # The SHA-256 is reported, declared or not.
        self.hash = hashlib.sha256()
        self._strong = Digests(sha512=self.sha512) if self.sha512 is not None else None

    def _hash(self, data: bytes) -> None:
        self.hash.update(data)
        if self._strong is not None:
            self._strong.update(data)

    def reset(self) -> None:
        """Empty the file and start over."""
        self.file.seek(0)
        self.file.truncate()
        self.done = 0
        self._start()

    def complete(self) -> bool:
        """Return whether the existing file already is the wanted file."""
        return self.declared and self.done == (self.size or self.done) and self._problem() is None

    def fill(self, http: Opener, url: str) -> None:
        """Download the missing part from `url` and verify the whole file."""
        if not self.declared or (self.size is not None and self.done >= self.size):
            self.reset()
        resumed = self.done > 0
        page = self._receive(http, url)
        problem = self._problem()
        if problem is None:
            return
        self.reset()
        if resumed:  # the part that existed before may be wrong
            page = self._receive(http, url)
            problem = self._problem()
            if problem is None:
                return
            self.reset()
        if page:
            raise web_page(url)
        raise WrongContent("The server sent a different file than expected", where=shown(url), why=problem)

    def _receive(self, http: Opener, url: str) -> bool:
        """Append the rest of the file. Return whether the body begins like a web page."""
        with http.open(url, self.done) as response:
            if response.offset != self.done:
                self.reset()
            total = response.total
            if self.size is not None and total is not None and total != self.size:
                self._wrong_size(response, total)
            if self.limit is not None and total is not None and total > self.limit:
                raise TooLarge(
                    "The file is too large", where=shown(url), why=f"{total} bytes; the limit is {self.limit}"
                )
            page = False
            for chunk in response.chunks():
                self.check()
                if self.done == 0:
                    page = HTML.match(chunk) is not None
                self.file.write(chunk)
                self._hash(chunk)
                self.done += len(chunk)
                if self.limit is not None and self.done > self.limit:
                    self.reset()
                    raise TooLarge("The file is too large", where=shown(url), why=f"the limit is {self.limit} bytes")
                if self.progress is not None:
                    self.progress(self.done, self.size or total or 0)
            return page

    def _wrong_size(self, response: Response, total: int) -> NoReturn:
        head = next(response.chunks(), b"") if self.done == 0 else b""
        if response.html or HTML.match(head):
            raise web_page(response.url)
        raise WrongContent(
            "The server sent a different file than expected",
            where=shown(response.url),
            why=f"it has {total} bytes instead of {self.size}",
        )

    def _problem(self) -> str | None:
        if self.size is not None and self.done != self.size:
            return f"it has {self.done} bytes instead of {self.size}"
        if self.sha256 is not None and self.hash.hexdigest() != self.sha256:
            return f"its SHA-256 is {self.hash.hexdigest()} instead of {self.sha256}"
        return (self._strong.problem() or None) if self._strong is not None else None
