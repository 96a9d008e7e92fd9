"""Map the addresses of packages in derivations to URLs, by the registries that this machine's settings name.

An address begins with the name of a package manager, such as `cargo:`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from . import cargo, maven, rubygems

if TYPE_CHECKING:
    from fpack.builders.net.http import Http


class PackageRegistries:
    """A function of URLs. expand: maps all other URLs. http: creates a client."""

    def __init__(self, expand: Callable[[str], Sequence[str]], http: Callable[[], Http]) -> None:
        self._expand = expand
        self._http = http

    def __call__(self, url: str) -> Sequence[str]:
        """Return the URLs to download from."""
        if url.startswith(cargo.SCHEME):
            return self._cargo.urls(url)
        if url.startswith(cargo.INDEX_SCHEME):
            return self._cargo.index_urls(url)
        if url.startswith(maven.SCHEME):
            return maven.urls(url, maven.user_mirrors)
        if url.startswith(rubygems.SCHEME):
            return rubygems.urls(url, rubygems.user_mirrors())
        return self._expand(url)

    @cached_property
    def _cargo(self) -> cargo.Cargo:
        http = self._http()
        return cargo.Cargo(lambda url: http.get([url], limit=cargo.MAX_CONFIG)[1])
