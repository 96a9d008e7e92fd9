"""Questions to a registry of npm: what is asked for."""

from __future__ import annotations

from typing import Any

import pytest
from fpack.builders.node import registry
from fpack.builders.node.registry import Registry, RegistryError


class NoServer:
    """A client of which nothing may be asked."""

    def get(self, urls: Any, **options: Any) -> Any:
        raise AssertionError(urls)


@pytest.mark.parametrize("name", ["../x", "..", "a/b", "a?b", "a b", ""])
def test_only_names_of_packages_are_asked_for(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(registry, "npm_registry", lambda: "https://registry.example/npm")
    client: Any = NoServer()
    with Registry(client) as asked, pytest.raises(RegistryError, match="is not the name of a package"):
        asked.packument(name)
