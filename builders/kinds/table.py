"""List the derivation kinds and create their builders.

A kind is one module of this directory, named as derivations name the kind. The module's function `make` takes the
caller's `Services` and returns the builder. Adding a kind means adding a file and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from fpack.builders.net.origins import Origins
    from fpack.builders.protocol import Builder
    from fpack.store.store import Store

_NOT_KINDS = ("__init__", "table")


class Services(Protocol):
    """The services that the caller provides to builders.

    origins: maps a URL of a derivation to the URLs to download from. source_paths: the path of each source on this
    machine, by its tree digest. keep_failed: keep the directories of failed builds.
    """

    @property
    def store(self) -> Store: ...
    @property
    def origins(self) -> Origins: ...
    @property
    def source_paths(self) -> Mapping[str, Path]: ...
    @property
    def keep_failed(self) -> bool: ...

    def missing(self, url: str) -> str:
        """Return a hint for a file that no URL serves any more."""


def kinds() -> list[str]:
    """Return the names of all kinds, sorted."""
    directory = os.path.dirname(__file__)
    return sorted({name.partition(".")[0] for name in os.listdir(directory) if ".py" in name} - set(_NOT_KINDS))


class Builders(Mapping[str, "Builder"]):
    """A mapping from each kind to its builder, which is imported and created on first use."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._kinds = kinds()
        self._builders: dict[str, Builder] = {}

    def __getitem__(self, kind: str) -> Builder:
        if kind not in self._kinds:
            raise KeyError(kind)
        if kind not in self._builders:
            from importlib import import_module

            module: Any = import_module(f"fpack.builders.kinds.{kind}")
            self._builders[kind] = module.make(self._services)
        return self._builders[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)
