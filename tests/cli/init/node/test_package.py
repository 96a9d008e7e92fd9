"""Test what `fpack init` makes of packages that were unpacked from a registry of npm."""

from __future__ import annotations

import json

import pytest
from fpack.cli.init.node import node
from fpack.cli.init.project import Project

PACKAGE = {
    "name": "wave", "version": "1.0.0", "bin": "./dist/wave.js", "files": ["dist", "*.d.ts", "!dist/test"],
    "scripts": {"build": "tsc -b src"},
}  # fmt: skip
FILES = {"dist/wave.js": None, "wave.d.ts": None, "README.md": None, "LICENSE": None, "package-lock.json": "{}"}


def _builds(more: dict[str, str | None], **changes: object) -> tuple[bool, str]:
    files = {"package.json": json.dumps({**PACKAGE, **changes}), **FILES, **more}
    found = node(Project("package", files, frozenset(name.partition("/")[0] for name in files if "/" in name)))
    assert found is not None
    reasons = [line for line in found.reasons if "script" in line]
    return any(field == "build" for field, _ in found.fields), "; ".join(reasons)


def test_a_published_package_is_not_built_again_when_its_user_has_made_a_lock() -> None:
    what = "the result of its script `build` is among the files, so that it is not run"
    assert _builds({}) == (False, what)
    assert _builds({"CHANGELOG.md": None, ".gitignore": "node_modules/\n", "fpack.fp": None}) == (False, what)


@pytest.mark.parametrize(
    ("more", "changes"),
    [
        ({"src/wave.ts": None}, {}),  # a checkout has the sources
        ({"tsconfig.json": None}, {}),
        ({".gitignore": "/dist/\n"}, {}),  # and does not keep the results
        ({}, {"private": True}),
        ({}, {"files": []}),
        ({}, {"files": ["*"]}),
    ],
)
def test_a_checkout_is_built(more: dict[str, str | None], changes: dict[str, object]) -> None:
    does, why = _builds(more, **changes)
    assert does
    assert why == (
        "the build runs the script: tsc -b src, though ./dist/wave.js is among the files: delete `build` to use that"
    )


def test_what_is_not_there_is_built() -> None:
    assert _builds({}, bin="dist/other.js") == (True, "the build runs the script: tsc -b src")
