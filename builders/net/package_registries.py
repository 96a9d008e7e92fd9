"""Map the addresses of packages in derivations to URLs, by the registries that this machine's settings name.

An address begins with the name of a package manager, such as `cargo:`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from .cargo import MAX_CONFIG, SCHEME, Cargo

if TYPE_CHECKING:
    from .http import Http


class PackageRegistries:
    """A function of URLs. expand: maps all other URLs. http: creates a client."""

    def __init__(self, expand: Callable[[str], Sequence[str]], http: Callable[[], Http]) -> None:
        self._expand = expand
        self._http = http

    def __call__(self, url: str) -> Sequence[str]:
        """Return the URLs to download from."""
        return self._cargo.urls(url) if url.startswith(SCHEME) else self._expand(url)

    @cached_property
    def _cargo(self) -> Cargo:
        http = self._http()
        return Cargo(lambda url: http.get([url], limit=MAX_CONFIG)[1])
