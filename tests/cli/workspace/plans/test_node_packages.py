"""Test the requests to the registry for a Node project without a lock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fpack.builders.node.manifest import WorkspaceMember, read_manifest
from fpack.cli.workspace.plans import node_packages


class Answers:
    """Answers that record the requests."""

    def __init__(self) -> None:
        self.requests: list[Any] = []

    def answer(self, kind: str, requests: Sequence[Any], ask: Callable[..., Any], what: str) -> list[Any]:
        self.requests += requests
        return [[] for _ in requests]


def asked(text: str) -> list[Any]:
    answers: Any = Answers()
    members = [WorkspaceMember("", read_manifest(text))]
    node_packages._resolved(members, {"node": "20", "arch": "amd64"}, True, answers)
    return [request["members"] for request in answers.requests]


def test_the_peers_of_a_project_are_asked_for() -> None:
    peers = '"peerDependencies": {"p": "^1", "q": "*"}, "peerDependenciesMeta": {"q": {"optional": true}}'
    assert asked(f"{{{peers}}}") == [[{"peers": {"p": "^1"}}]]


def test_a_project_without_dependencies_asks_for_nothing() -> None:
    assert asked('{"name": "a"}') == []


def test_a_request_has_only_the_fields_that_say_something() -> None:
    assert asked('{"dependencies": {"a": "1"}}') == [[{"required": {"a": "1"}}]]
