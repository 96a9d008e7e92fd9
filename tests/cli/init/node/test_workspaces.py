"""Test which program of a workspace `fpack init` chooses for the image."""

from __future__ import annotations

import json

import pytest
from fpack.cli.init.guess import Guess
from fpack.cli.init.node import node
from fpack.cli.init.project import Project

NODE = "/usr/bin/node"
API = {"name": "@shop/api", "private": True, "scripts": {"start": "node src/server.js"}, "dependencies": {"koa": "2"}}
TOOL = {"name": "@shop/tool", "private": True, "scripts": {"start": "node tool.js"}}
LIBRARY = {"name": "@shop/lib", "version": "1.0.0", "main": "index.js"}
MEMBERS = {"packages/api": API, "packages/tool": TOOL, "packages/lib": LIBRARY}


def _guess(top: dict[str, object], more: dict[str, str] | None = None, **members: dict[str, object]) -> Guess:
    files = {"package.json": json.dumps({"name": "shop", "private": True, **top}), "packages/api/src/server.js": ""}
    files |= {f"{path}/package.json": json.dumps(data) for path, data in (members or MEMBERS).items()}
    found = node(Project("shop", {**files, **(more or {})}))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("start", "runs"),
    [
        (None, "packages/api/src/server.js"),  # the only server
        ("npm start -w packages/tool", "packages/tool/tool.js"),
        ("npm run start --workspace=@shop/tool", "packages/tool/tool.js"),
        ("pnpm --filter @shop/api start", "packages/api/src/server.js"),
        ("yarn workspace @shop/tool start", "packages/tool/tool.js"),
        ("cd packages/tool && npm start", "packages/tool/tool.js"),
        ("npm start -w packages/lib", None),
    ],
)
def test_the_package_that_starts(start: str | None, runs: str | None) -> None:
    found = _guess({"workspaces": ["packages/*"], "scripts": {"start": start} if start else {}})
    assert found.entrypoint == ([NODE, f"@/app/{runs}"] if runs else None)
    assert bool(found.todo) == (runs is None)


def test_a_workspace_of_pnpm() -> None:
    found = _guess({}, {"pnpm-workspace.yaml": "packages:\n  - 'packages/*'\n"})
    assert (
        found.entrypoint == [NODE, "@/app/packages/api/src/server.js"] and found.serves and list(found.ports) == [3000]
    )


def test_packages_outside_of_the_workspace_do_not_count() -> None:
    assert _guess({}).entrypoint is None
    assert _guess({"workspaces": ["packages/tool"]}).entrypoint == [NODE, "@/app/packages/tool/tool.js"]


def test_a_package_that_is_compiled_first() -> None:
    api = {**API, "scripts": {"start": "node dist/server.js", "build": "tsc"}}
    found = _guess({"workspaces": ["packages/*"]}, **{"packages/api": api})
    assert ("build", '"cd packages/api && npm run build"') in found.fields
    found = _guess({"workspaces": ["packages/*"], "scripts": {"build": "tsc -b"}}, **{"packages/api": api})
    assert ("build", '"npm run build"') in found.fields


def test_a_damaged_package_is_no_member() -> None:
    assert _guess({"workspaces": ["packages/*"]}, {"packages/api/package.json": "{"}).entrypoint is None


def test_the_directory_of_a_package_is_one_word_of_the_shell() -> None:
    api = {**API, "scripts": {"start": "node dist/server.js", "build": "tsc"}}
    found = _guess({"workspaces": ["packages/*"]}, **{"packages/a (b)": api})
    assert ("build", "\"cd 'packages/a (b)' && npm run build\"") in found.fields
