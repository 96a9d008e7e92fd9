"""Define where a download looks besides URLs: places that keep files by digest, such as registries and directories.

`fpack.builders.mirrors` implements the protocol. What a place delivers is compared with the digests of the lock, like
what a mirror delivers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from .errors import HttpError, WrongContent

if TYPE_CHECKING:
    from .response import Response


class WantedFile(NamedTuple):
    """A file to find. sha256, sha512: hexadecimal, or "". aliases: other digests, such as `h1:...` of a Go module."""

    sha256: str = ""
    sha512: str = ""
    size: int | None = None
    aliases: tuple[str, ...] = ()


class FileOffer(Protocol):
    """A place's offer of a file. where: names the place and the file, for messages."""

    @property
    def where(self) -> str: ...

    def open(self, url: str, offset: int = 0) -> Response:
        """Open the file from an offset. url: ignored. Raise an HttpError."""

    def refuse(self, error: HttpError) -> None:
        """Record that the place delivered another file, or none."""


class KeptFiles(Protocol):
    """The places, in order."""

    def offers(self, wanted: WantedFile, *, late: bool) -> Iterator[FileOffer]:
        """Yield the offers of places to ask before the URLs, or, if late, of those to ask after them."""

    def named(self, sha256: str) -> str:
        """Return the name of a kept file with a digest, or "" if no place has it."""


def download_kept(
    kept: KeptFiles | None,
    wanted: WantedFile,
    path: Path,
    accepts: Callable[[Path], bool],
    *,
    limit: int,
    check: Callable[[], None] = lambda: None,
) -> str:
    """Write a file of which no SHA-256 or SHA-512 is known to `path`. Return where it is from, or "" if nowhere.

    accepts: compares the file with what is known of it.
    """
    if kept is None:
        return ""
    for late in (False, True):
        for offer in kept.offers(wanted, late=late):
            try:
                with offer.open("") as response, path.open("wb") as file:
                    done = 0
                    for chunk in response.chunks():
                        check()
                        done += len(chunk)
                        if done > limit:
                            raise WrongContent(
                                "The file is too large", where=offer.where, why=f"the limit is {limit} bytes"
                            )
                        file.write(chunk)
                if not accepts(path):
                    raise WrongContent("The mirror sent a different file than expected", where=offer.where)
            except HttpError as error:
                offer.refuse(error)
                continue
            return offer.where
    if path.exists():
        os.unlink(path)
    return ""
