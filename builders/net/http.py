"""Download http, https and file URLs: try mirrors in order, resume by range requests, verify while streaming.

TLS certificates are always verified against the system's certificate store. Proxies come from the environment. Each
cause of failure has its own subclass of `HttpError`, so a caller can distinguish a missing file from a network failure.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlunsplit

from fpack.store.errors import FpackError
from fpack.store.settings import OFFLINE

from .connections import Connections
from .download import HTML, DownloadTarget
from .errors import (
    BadUrl,
    HttpError,
    Refused,
    ServerError,
    TooLarge,
    combined,
    join_url,
    shown,
    split_url,
    translate,
    web_page,
)
from .errors import offline as offline_error
from .kept_files import KeptFiles, WantedFile
from .logins.apt_auth import AptAuth
from .logins.netrc_file import Netrc
from .logins.request_login import LoggedIn, RequestLogin, basic, server_of
from .origins import is_this_machine
from .response import NO_VALIDATORS, Response, Validators, nothing, open_file, response_of

if TYPE_CHECKING:
    from .backoff import HostBackoff

RETRIES = 3
REDIRECTS = 10
TIMEOUT = 30.0  # seconds without a byte
MAX_WAIT = 30.0  # limit of the pause that a server may ask for
USER_AGENT = "fpack"


class Download(NamedTuple):
    """A finished download: its URL ("" if the file was complete already), size and hexadecimal SHA-256."""

    url: str
    size: int
    sha256: str


class Http:
    """A thread-safe client that keeps connections open. It opens none before the first request.

    same_host: do not follow redirects to other hosts and ports. accept: the media types to ask for; "": any. offline:
    request files of this machine only; None: as the setting says. kept: the places to look in for files of known
    digests. hosts: those that failed, which are asked last. apt_auth: the logins for private archives.
    """

    def __init__(
        self,
        *,
        timeout: float = TIMEOUT,
        retries: int = RETRIES,
        backoff: float = 0.5,
        environ: Mapping[str, str] | None = None,
        same_host: bool = False,
        accept: str = "",
        offline: bool | None = None,
        kept: KeptFiles | None = None,
        hosts: HostBackoff | None = None,
        apt_auth: AptAuth | None = None,
    ) -> None:
        self._timeout = timeout
        self._retries = retries
        self._backoff = backoff
        self._same_host = same_host
        self._netrc = Netrc(environ)
        self._apt = apt_auth or AptAuth()
        self._accept = accept
        self._offline = offline
        self.kept = kept
        self._hosts = hosts
        self._connections = Connections(environ)

    # Single requests.

    def open(
        self, url: str, offset: int = 0, known: Validators = NO_VALIDATORS, login: RequestLogin | None = None
    ) -> Response:
        """Request a file from byte `offset` on. Raise an HttpError if the request fails.

        A server without range support sends the whole file: check the response's `offset`. known: of a file that the
        caller has, and which need not be sent again. login: of the request, which no redirect to another server gets.
        """
        parts = split_url(url)
        if parts.scheme == "file":
            return open_file(url, offset)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadUrl("The URL cannot be fetched", where=shown(url), why="only http, https and file are supported")
        if self.is_offline:
            raise offline_error(url)
        return self._request(url, offset, known, login)

    @property
    def is_offline(self) -> bool:
        """True if only files of this machine may be requested."""
        if self._offline is None:
            self._offline = OFFLINE.find()
        return self._offline

    def _request(self, url: str, offset: int, known: Validators, login: RequestLogin | None) -> Response:
        import urllib3

        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        if self._accept:
            headers["Accept"] = self._accept
        if offset:
            headers["Range"] = f"bytes={offset}-"
        if known.etag:
            headers["If-None-Match"] = known.etag
        if known.modified:
            headers["If-Modified-Since"] = known.modified
        asked = split_url(url).hostname or ""
        first = server_of(url)
        for _ in range(REDIRECTS):
            parts = split_url(url)
            bare: str = url
            auth: dict[str, str] = {}
            if login is not None and server_of(url) == first:
                bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
                auth = login.headers(url)
            elif parts.username is not None:
                bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
                auth = basic(unquote(parts.username), unquote(parts.password or ""))
            elif (
                parts.hostname == asked
                and (found := self._netrc.login(parts.scheme, asked))
                or server_of(url) == first
                and (found := self._apt.login(parts))
            ):
                auth = basic(*found)
            try:
                answer = self._connections.pool(parts.scheme, parts.hostname or "").urlopen(
                    "GET",
                    bare,
                    headers=headers | auth,
                    redirect=False,
                    retries=False,
                    preload_content=False,
                    decode_content=False,
                    timeout=urllib3.Timeout(connect=min(self._timeout, 15.0), read=self._timeout),
                )
            except (urllib3.exceptions.HTTPError, ValueError, OSError) as error:
                translate(error, url)
            target = answer.get_redirect_location()
            if not target:
                return response_of(url, offset, answer, conditional=known != NO_VALIDATORS)
            answer.close()
            url = _redirected(url, target, self._same_host)
        raise ServerError("The server redirects too often", where=shown(url), why=f"after {REDIRECTS} redirects")

    # Whole files.

    def get(self, urls: Sequence[str], *, limit: int, check: Callable[[], None] = nothing) -> tuple[str, bytes]:
        """Return the first URL that has the file, and the file's content. Raise TooLarge above `limit` bytes.

        For files whose digest is not known in advance. A web page in place of the file is an error.
        """
        body = bytearray()

        def fetch(url: str) -> None:
            body.clear()
            with self.open(url) as response:
                for chunk in response.chunks():
                    check()
                    if not body and response.html and HTML.match(chunk):
                        raise web_page(url)
                    body.extend(chunk)
                    if len(body) > limit:
                        raise TooLarge("The file is too large", where=shown(url), why=f"the limit is {limit} bytes")

        url = self._first(urls, fetch, check)
        return url, bytes(body)

    def refresh(
        self, url: str, path: Path, known: Validators, *, limit: int, progress: Callable[[int, int], None] | None = None
    ) -> Validators | None:
        """Download to `path`, whose content is lost. Return what the server says of the file.

        Return None, and download nothing, if the file is as `known` says. A web page in place of the file is an error.
        """
        found: Validators | None = None

        def fetch(url: str) -> None:
            nonlocal found
            with self.open(url, known=known) as response, path.open("wb") as file:
                done = 0
                for chunk in response.chunks():
                    if not done and response.html and HTML.match(chunk):
                        raise web_page(url)
                    done += len(chunk)
                    if done > limit:
                        raise TooLarge("The file is too large", where=shown(url), why=f"the limit is {limit} bytes")
                    file.write(chunk)
                    if progress is not None:
                        progress(done, response.total or 0)
                found = None if response.unchanged else response.validators

        self._first([url], fetch, nothing)
        return found

    def download(
        self,
        urls: Sequence[str] | Callable[[], Sequence[str]],
        path: Path,
        *,
        size: int | None = None,
        sha256: str | None = None,
        sha512: str | None = None,
        limit: int | None = None,
        progress: Callable[[int, int], None] | None = None,
        check: Callable[[], None] = nothing,
        login: RequestLogin | None = None,
    ) -> Download:
        """Download to `path` from the first place or URL that delivers the complete, correct file.

        urls: a function is called only if no place that is asked before them has the file. If a digest is given, an
        existing part in `path` is resumed; the digest would reveal a mix of two files. After a failure `path` keeps the
        bytes received. login: of the requests to the URLs. `progress` is called with (bytes done, total bytes or 0).
        `check` may raise to cancel. Raise WrongContent if a complete file does not match `size` and each digest given;
        with several URLs, the error lists the failure of each.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o644), "r+b") as file:
            target = DownloadTarget(file, size, sha256, sha512, limit, progress, check)
            if target.complete():
                return Download("", target.done, target.hash.hexdigest())
            url = self._fill(target, urls, WantedFile(sha256 or "", sha512 or "", size), check, login)
            file.flush()
            return Download(url, target.done, target.hash.hexdigest())

    def _fill(
        self,
        target: DownloadTarget,
        urls: Sequence[str] | Callable[[], Sequence[str]],
        wanted: WantedFile,
        check: Callable[[], None],
        login: RequestLogin | None,
    ) -> str:
        """Download a file from a place or a URL. Return which one had it."""
        failures: list[HttpError] = []

        def place(late: bool) -> str:
            for offer in self.kept.offers(wanted, late=late) if self.kept is not None and target.declared else ():
                check()
                try:
                    target.fill(offer, offer.where)
                    return offer.where
                except HttpError as error:
                    offer.refuse(error)
                    failures.append(error)
            return ""

        if where := place(False):
            return where
        try:
            found = urls() if callable(urls) else urls
            if not found and failures:
                raise combined(failures)
            opener = self if login is None else LoggedIn(self, login)
            return self._first(found, lambda url: target.fill(opener, url), check)
        except FpackError as error:
            if where := place(True):
                return where
            if not failures or error is failures[0]:
                raise
            # A place that failed says more than that there is no mirror of an archive.
            raise combined([*failures, *([error] if isinstance(error, HttpError) else [])]) from None

    def _first(self, urls: Sequence[str], fetch: Callable[[str], None], check: Callable[[], None]) -> str:
        """Return the first URL for which `fetch` succeeds. Transient failures are retried."""
        failures: list[HttpError] = []
        for url in urls if self._hosts is None else self._hosts.ordered(urls):
            try:
                self._retry(url, fetch, check)
            except HttpError as error:
                failures.append(error)
                if self._hosts is not None:
                    self._hosts.failed(url, error)
            else:
                return url
        if not failures:
            raise BadUrl("No URL was given")
        raise combined(failures)

    def _retry(self, url: str, fetch: Callable[[str], None], check: Callable[[], None]) -> None:
        for attempt in range(self._retries + 1):
            check()
            try:
                fetch(url)
                return
            except HttpError as error:
                if not error.transient or attempt == self._retries:
                    raise
                wait = error.retry_after if isinstance(error, ServerError) else None
                pause = self._backoff * 2**attempt if wait is None else min(wait, MAX_WAIT)
            until = time.monotonic() + pause
            while (left := until - time.monotonic()) > 0:
                check()
                time.sleep(min(left, 0.05))


def _redirected(url: str, target: str, same_host: bool) -> str:
    new = join_url(url, target)
    parts = split_url(new)
    scheme = parts.scheme
    moved = same_host and parts.netloc.rpartition("@")[2] != split_url(url).netloc.rpartition("@")[2]
    inward = is_this_machine(parts.hostname or "") and not is_this_machine(split_url(url).hostname or "")
    if moved or inward or scheme not in ("http", "https") or (scheme == "http" and url.startswith("https:")):
        raise Refused("fpack does not follow the server's redirect", where=shown(url), why=f"to {shown(new)}")
    return new
