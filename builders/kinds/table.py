"""List the kinds of derivations, and make the builder of each.

A kind is one module of this folder, named like the kind in derivations. Its function `make` takes the services of the
caller and returns the builder. So a new kind is a new file, and nothing else.
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

_OTHERS = ("__init__", "table")


class Services(Protocol):
    """What builders need of their caller.

    origins: the URLs that one of a derivation's stands for. source_paths: where each source lies on this machine, by
    its tree's digest. keep_failed: whether the directory of a failed build stays.
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
        """Return what to do about a file that no place has any more."""


def kinds() -> list[str]:
    """Return the names of all kinds, sorted."""
    folder = os.path.dirname(__file__)
    return sorted({name.partition(".")[0] for name in os.listdir(folder) if ".py" in name} - set(_OTHERS))


class Builders(Mapping[str, "Builder"]):
    """The builder of each kind, imported and made when a derivation of the kind is to be built."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._kinds = kinds()
        self._made: dict[str, Builder] = {}

    def __getitem__(self, kind: str) -> Builder:
        if kind not in self._kinds:
            raise KeyError(kind)
        if kind not in self._made:
            from importlib import import_module

            module: Any = import_module(f"fpack.builders.kinds.{kind}")
            self._made[kind] = module.make(self._services)
        return self._made[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)
