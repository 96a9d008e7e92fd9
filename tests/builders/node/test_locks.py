"""Locks of npm, pnpm and Yarn: what they install and where, and hostile ones."""

from __future__ import annotations

import contextlib
import json

import pytest
from fpack.builders.node import documents
from fpack.builders.node.manifest import Manifest, WorkspaceMember, read_members, read_spec
from fpack.builders.node.model import Graph, Importer, ModuleLayout, ModuleNode, NodePackage, Platform
from fpack.builders.node.package_lock import read_package_lock
from fpack.builders.node.placement import apart, hoisted
from fpack.builders.node.pnpm import read_pnpm_lock
from fpack.builders.node.yarn import _parse_classic, read_yarn_lock
from support.growth import check_linear
from support.traced_memory import peak_memory

HERE = Platform("20.19.2", "x64")
HASH = "sha512-" + "A" * 86 + "=="
SHA1 = "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk="


def _places(layout: ModuleLayout) -> dict[str, str]:
    return {placed.where: f"{placed.package.name} {placed.package.version}" for placed in layout.packages}


def test_npm_of_all_versions() -> None:
    old = {
        "lockfileVersion": 1,
        "dependencies": {
            "a": {
                "version": "1.0.0",
                "integrity": SHA1,
                "dependencies": {"b": {"version": "2.0.0", "integrity": HASH}},
            },
            "b": {"version": "1.0.0", "integrity": HASH, "dev": True},
        },
    }
    layout = read_package_lock(json.dumps(old), HERE, frozenset(["dev"]))
    assert _places(layout) == {"node_modules/a": "a 1.0.0", "node_modules/a/node_modules/b": "b 2.0.0"}
    assert (
        layout.packages[0].package.sha1 == "da39a3ee5e6b4b0d3255bfef95601890afd80709"
        and not layout.packages[0].package.integrity
    )
    new = {
        "lockfileVersion": 3,
        "packages": {
            "": {},
            "packages/x": {"version": "1.0.0"},
            "node_modules/x": {"resolved": "packages/x", "link": True},
            "node_modules/alias": {"name": "@s/real", "version": "1.0.0", "integrity": HASH},
            "node_modules/mac": {"version": "1.0.0", "integrity": HASH, "os": ["darwin"], "optional": True},
            "node_modules/dev": {"version": "1.0.0", "integrity": HASH, "dev": True},
        },
    }
    layout = read_package_lock(json.dumps(new), HERE, frozenset())
    assert _places(layout) == {"node_modules/alias": "@s/real 1.0.0", "node_modules/dev": "dev 1.0.0"}
    assert [placed.dev for placed in layout.packages] == [False, True]
    assert layout.links[0][:2] == ("node_modules/x", "packages/x")


PNPM_9 = f"""
lockfileVersion: '9.0'
importers:
  .:
    dependencies:
      a: {{ specifier: ^1.0.0, version: 1.0.0(b@2.0.0) }}
      x: {{ specifier: 'workspace:*', version: 'link:packages/x' }}
    devDependencies:
      d: {{ specifier: ^1.0.0, version: 1.0.0 }}
packages:
  a@1.0.0: {{ resolution: {{ integrity: {HASH} }} }}
  b@2.0.0: {{ resolution: {{ integrity: {HASH} }} }}
  d@1.0.0: {{ resolution: {{ integrity: {HASH} }} }}
  mac@1.0.0: {{ resolution: {{ integrity: {HASH} }}, os: [darwin] }}
snapshots:
  a@1.0.0(b@2.0.0):
    dependencies: {{ b: 2.0.0 }}
    optionalDependencies: {{ mac: 1.0.0 }}
  b@2.0.0: {{}}
  d@1.0.0: {{}}
  mac@1.0.0: {{}}
"""


@pytest.mark.parametrize(
    "text",
    [
        f"lockfileVersion: 5.4\ndependencies:\n  '@s/a': 1.0.0_b@2.0.0\npackages:\n"
        f"  /@s/a/1.0.0_b@2.0.0:\n    resolution: {{integrity: {HASH}}}\n    dependencies: {{b: 2.0.0}}\n"
        f"  /b/2.0.0:\n    resolution: {{integrity: {HASH}}}\n",
        f"lockfileVersion: '6.0'\ndependencies:\n  '@s/a':\n    specifier: ^1\n    version: 1.0.0(b@2.0.0)\npackages:\n"
        f"  /@s/a@1.0.0(b@2.0.0):\n    resolution: {{integrity: {HASH}}}\n    dependencies: {{b: 2.0.0}}\n"
        f"  /b@2.0.0:\n    resolution: {{integrity: {HASH}}}\n",
    ],
)
def test_older_pnpm(text: str) -> None:
    layout = apart(read_pnpm_lock(text, HERE), True)
    assert sorted(_places(layout).values()) == ["@s/a 1.0.0", "b 2.0.0"]
    assert "node_modules/@s/a" in {link.where for link in layout.links}


def test_pnpm() -> None:
    layout = apart(read_pnpm_lock(PNPM_9, HERE), False)
    assert sorted(_places(layout).values()) == ["a 1.0.0", "b 2.0.0"]
    links = {link.where: link.to for link in layout.links}
    home = "node_modules/.pnpm/a@1.0.0_b@2.0.0/node_modules"
    assert links["node_modules/a"] == f"{home}/a" and links[f"{home}/b"] == "node_modules/.pnpm/b@2.0.0/node_modules/b"
    assert links["node_modules/x"] == "packages/x" and "node_modules/d" not in links
    whole = apart(read_pnpm_lock(PNPM_9, HERE), True)
    assert [placed.package.name for placed in whole.packages if placed.dev] == ["d"]


def _members(**dependencies: str) -> list[WorkspaceMember]:
    return [WorkspaceMember("", Manifest("top", required=dependencies))]


def test_yarn_1() -> None:
    text = f"""# yarn lockfile v1

"@s/a@^1.0.0", "@s/a@^1.1.0":
  version "1.1.0"
  resolved "https://r.example.org/@s/a/-/a-1.1.0.tgz#{"0" * 40}"
  dependencies:
    b "^2.0.0"
  optionalDependencies:
    b-darwin-arm64 "1"

b@^1.0.0:
  version "1.0.0"
  resolved "https://r.example.org/b/-/b-1.0.0.tgz"
  integrity {HASH}

b@^2.0.0:
  version "2.0.0"
  resolved "https://r.example.org/b/-/b-2.0.0.tgz"
  integrity {HASH}

b-darwin-arm64@1:
  version "1.0.0"
  integrity {HASH}
"""
    layout = hoisted(read_yarn_lock(text, _members(**{"@s/a": "^1.0.0", "b": "^1.0.0"}), HERE), False)
    assert _places(layout) == {
        "node_modules/@s/a": "@s/a 1.1.0", "node_modules/@s/a/node_modules/b": "b 2.0.0", "node_modules/b": "b 1.0.0",
    }  # fmt: skip
    assert layout.packages[0].package.sha1 == "0" * 40
    with pytest.raises(ValueError, match="is not in the lock"):
        read_yarn_lock(text, _members(c="1"), HERE)


def test_later_yarn() -> None:
    text = """
__metadata:
  version: 8
"a@npm:^1.0.0":
  version: 1.0.0
  resolution: "a@npm:1.0.0"
  dependencies:
    b: "npm:^2.0.0"
  checksum: 10c0/00
"b@npm:^2.0.0, b@npm:^2.0.1":
  version: 2.0.1
  resolution: "b@npm:2.0.1"
  checksum: 10c0/00
"top@workspace:.":
  version: 0.0.0-use.local
  resolution: "top@workspace:."
"""
    layout = hoisted(read_yarn_lock(text, _members(a="^1.0.0"), HERE), False)
    assert _places(layout) == {"node_modules/a": "a 1.0.0", "node_modules/b": "b 2.0.1"}
    assert not layout.packages[0].package.integrity


def test_a_package_is_not_hidden_from_one_that_uses_another_version() -> None:
    def node(name: str, version: str, **uses: str) -> ModuleNode:
        return ModuleNode(NodePackage(name, version), uses)

    nodes = {
        "a": node("a", "1", b="b1", c="c"), "b1": node("b", "1"), "b2": node("b", "2"), "c": node("c", "1", b="b2"),
        "d": node("d", "1", b="b1"),
    }  # fmt: skip
    graph = Graph(nodes, [Importer("", {"a": "a", "d": "d", "c": "c"}, {}), Importer("packages/x", {"b": "b2"}, {})])
    places = _places(hoisted(graph, False))

    def seen(at: str, name: str) -> str:
        """Return what Node finds for a name in a directory."""
        parts = at.split("/")
        paths = ["/".join([*parts[:i], "node_modules", name]) for i in range(len(parts), -1, -1)]
        return next(places[path] for path in paths if path in places)

    users = [where for where in places if where.endswith(("/a", "/c", "/d"))] + ["packages/x"]
    wanted = {"a": "b 1", "c": "b 2", "d": "b 1", "x": "b 2"}
    assert all(seen(where, "b") == wanted[where[-1]] for where in users)


def test_members_of_a_workspace() -> None:
    files = {
        "package.json": '{"workspaces": ["packages/*", "!packages/old"]}', "packages/x/package.json": '{"name": "x"}',
        "packages/old/package.json": "{}",
    }  # fmt: skip
    found = read_members(files.get, lambda at: {"": ["packages"], "packages": ["old", "x", "none"]}.get(at, []))
    assert [member.path for member in found] == ["", "packages/x"]


def test_what_a_dependency_asks_for() -> None:
    assert read_spec("a", "npm:@s/b@^1")[:2] == ("@s/b", "^1") and read_spec("a", "")[1] == "*"
    kinds = {
        "git+ssh://x": "git",
        "user/name": "git",
        "file:../x": "file",
        "https://x/y.tgz": "url",
        "workspace:*": "workspace",
    }
    assert {text: read_spec("a", text).kind for text in kinds} == kinds


@pytest.mark.parametrize(
    "packages",
    [
        {"node_modules/../../etc": {"version": "1.0.0", "integrity": HASH}},
        {"node_modules/a/../../../x": {"version": "1.0.0", "integrity": HASH}},
        {"node_modules/a": {"version": "1.0.0; rm", "integrity": HASH}},
        {"node_modules/a": {"version": "1.0.0", "resolved": "git+ssh://x", "integrity": HASH}},
        {"node_modules/a": {"version": 1}},
        {"node_modules/a": {"link": True, "resolved": "../../x"}},
        {"node_modules/a\n/b": {"version": "1.0.0", "integrity": HASH}},
        {"node_modules/a": {"version": "1.0.0", "integrity": "sha1-!"}},
    ],
)
def test_hostile_locks_of_npm(packages: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        read_package_lock(json.dumps({"lockfileVersion": 3, "packages": packages}), HERE, frozenset())


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "lockfileVersion: '12.0'",
        PNPM_9.replace("link:packages/x", "link:../../x"),
        PNPM_9.replace("b: 2.0.0", "b: 3.0.0"),
        PNPM_9.replace(f"b@2.0.0: {{ resolution: {{ integrity: {HASH} }}", "b@2.0.0: { resolution: { type: git }"),
        "[" * 5000,
        PNPM_9 + "x: &x {}\ny: *x\n",
        PNPM_9 + f"x: [{'a, ' * 200}]\n",
    ],
)
def test_hostile_locks_of_pnpm(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_NODES", 200)
    with pytest.raises(ValueError):
        apart(read_pnpm_lock(text, HERE), True)


@pytest.mark.parametrize(("before", "repeated", "after"), [("x", "x", '":'), ("x", " ", "y:"), ('"', '\\"', ":")])
def test_an_entry_of_yarn_is_read_in_time_in_proportion_to_its_line(before: str, repeated: str, after: str) -> None:
    def read(size: int) -> None:
        with contextlib.suppress(ValueError):
            read_yarn_lock(before + repeated * size + after + "\n  version 1.0.0\n", (), HERE)

    check_linear(read)


@pytest.mark.parametrize("line", ['  version "{}"', '  "{}" 1', "  {} 1"])
def test_a_line_of_yarn_takes_memory_in_proportion_to_its_length(line: str) -> None:
    text = "a@1:\n" + line.format("x" * 200_000) + "\n"
    assert len(_parse_classic(text)) == 1
    assert peak_memory(lambda: _parse_classic(text)) < 20 * len(text)


def test_patterns_of_yarn_with_and_without_quotes() -> None:
    lock = 'a@^1, "b@>=1 <2" , "c@1, \\"x\\"":\n  version 1.0.0\n  resolved "https://example.org/a.tgz"\n'
    assert list(_parse_classic(lock)) == ["a@^1", "b@>=1 <2", 'c@1, \\"x\\"']
    with pytest.raises(ValueError, match="line 1 has a string without an end"):
        _parse_classic('a@^1, "b@1:\n')


def test_a_long_resolution_of_yarn_is_refused() -> None:
    lock = "__metadata:\n  version: 8\n\na@npm:1:\n  version: 1.0.0\n  resolution: '" + "a@npm:" * 1000 + "'\n"
    member = WorkspaceMember("", Manifest(required={"a": "1"}))
    with pytest.raises(ValueError, match="which is too long"):
        read_yarn_lock(lock, [member], HERE)


def test_a_long_pattern_of_a_workspace_matches_nothing() -> None:
    def read(size: int) -> None:
        manifest = json.dumps({"workspaces": ["{" * size]})
        assert len(read_members({"package.json": manifest}.get, lambda at: ["x"])) == 1

    check_linear(read, 8000)


@pytest.mark.parametrize(
    ("resolution", "why"),
    [
        ("{}", "a is locked without a hash"),
        ("{repo: https://x.example/a, commit: abc}", "a is locked from https://x.example/a without a hash"),
    ],
)
def test_a_package_of_pnpm_without_a_hash_is_refused(resolution: str, why: str) -> None:
    text = f"lockfileVersion: '9.0'\npackages:\n  a@1.0.0: {{resolution: {resolution}}}\nsnapshots:\n  a@1.0.0: {{}}\n"
    with pytest.raises(ValueError) as error:
        read_pnpm_lock(text, HERE)
    assert str(error.value) == why
