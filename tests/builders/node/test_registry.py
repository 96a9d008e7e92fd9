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


class Answering:
    """A client that has one answer."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def get(self, urls: Any, **options: Any) -> Any:
        return urls[0], self._body


@pytest.mark.parametrize("piece", [b"[],", b'{"":{}},', b"1,"])
def test_an_answer_of_very_many_values_is_not_parsed(monkeypatch: pytest.MonkeyPatch, piece: bytes) -> None:
    """Each empty list of three bytes would take seventy of memory, and an answer may have 256 MB."""
    monkeypatch.setattr(registry, "npm_registry", lambda: "https://registry.example/npm")
    monkeypatch.setattr("json.loads", lambda body: pytest.fail("it was parsed"))
    client: Any = Answering(b'{"versions":[' + piece * (registry.MAX_VALUES + 1) + b"0]}")
    with Registry(client) as asked, pytest.raises(RegistryError, match="answer for a is too large") as caught:
        asked.packument("a")
    assert caught.value.where == "https://registry.example/npm/a"
    assert "values" in caught.value.why
