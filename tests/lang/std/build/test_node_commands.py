"""The commands pnpm and yarn of a build of Node: which scripts they run, in which order, and what they refuse."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from fpack.lang import std

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or shutil.which("npm") is None, reason="there is no node with npm"
)

COMMANDS = Path(std.__path__[0], "build", "node-commands.js")


def package(folder: Path, name: str, scripts: dict[str, str], **more: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(json.dumps({"name": name, "version": "1.0.0", "scripts": scripts, **more}))


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace whose packages write their names; `@demo/api`, the first by its path, uses `@demo/lib`."""
    top = tmp_path / "top"
    says = {name: f"echo {name} >>{tmp_path}/ran" for name in ("api", "lib", "docs", "top")}
    package(top, "top", {"build": "pnpm -r build", "say": says["top"], "all": "yarn workspaces foreach -A run all"},
            workspaces=["apps/*", "packages/*"])  # fmt: skip
    package(top / "apps/api", "@demo/api", {"build": says["api"], "all": says["api"], "only": says["api"]},
            dependencies={"@demo/lib": "workspace:*"})  # fmt: skip
    package(top / "packages/lib", "@demo/lib", {"build": says["lib"], "all": says["lib"]})
    package(top / "packages/docs", "docs", {"build": says["docs"]})
    package(top / "packages/lib/node_modules/other", "other", {"build": "exit 9"})
    package(top / "elsewhere/stray", "stray", {"build": "exit 9"})
    (top / "pnpm-workspace.yaml").write_text('packages:\n  # all of them\n  - "apps/*"\n  - packages/*\n')
    return top


def ran(workspace: Path, tool: str, *words: str, status: int = 0, below: str = ".") -> list[str]:
    """Run a command, and return the packages whose scripts ran, in this order."""
    bin = workspace.parent / "bin"
    bin.mkdir(exist_ok=True)
    for name in ("pnpm", "yarn"):
        (bin / name).write_text(f'#!/bin/sh\nexec node {COMMANDS} {name} "$@"\n')
        (bin / name).chmod(0o755)
    log = workspace.parent / "ran"
    log.write_text("")
    env = {**os.environ, "PATH": f"{bin}:{os.environ['PATH']}"}
    done = subprocess.run(
        [tool, *words], cwd=workspace / below, env=env, executable=shutil.which(tool, path=env["PATH"]),
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert (done.stderr != "") == (status != 0)
    return log.read_text().split()


@pytest.mark.parametrize(
    ("words", "packages"),
    [
        ("-r build", ["lib", "api", "docs"]),
        ("--recursive run build", ["lib", "api", "docs"]),
        ("run -r build", ["lib", "api", "docs"]),
        ("recursive run build", ["lib", "api", "docs"]),
        ("build", ["lib", "api", "docs"]),
        ("--filter @demo/api build", ["api"]),
        ("--filter=@demo/api... run build", ["lib", "api"]),
        ("--filter @demo/api^... build", ["lib"]),
        ("-F ...@demo/lib build", ["lib", "api"]),
        ("-F ./packages/* --stream build", ["lib", "docs"]),
        ("-r --filter !docs build", ["lib", "api"]),
        ("-r only", ["api"]),
        ("-r --if-present missing", []),
        ("-w say", ["top"]),
        ("--dir packages/lib build", ["lib"]),
        ("install --frozen-lockfile", []),
        ("--offline", []),
    ],
)
def test_pnpm(workspace: Path, words: str, packages: list[str]) -> None:
    assert ran(workspace, "pnpm", *words.split()) == packages


@pytest.mark.parametrize(
    ("words", "packages"),
    [
        ("workspace @demo/lib build", ["lib"]),
        ("workspace @demo/lib run build", ["lib"]),
        ("workspaces run build", ["lib", "api", "docs"]),
        ("workspaces foreach -Apt --verbose run only", ["api"]),
        ("workspaces foreach --all --exclude docs run only", ["api"]),
        ("workspaces foreach -R --from @demo/api run build", ["lib", "api"]),
        ("all", ["lib", "api"]),
        ("--cwd packages/docs build", ["docs"]),
        ("run say", ["top"]),
        ("", []),
        ("install --immutable", []),
    ],
)
def test_yarn(workspace: Path, words: str, packages: list[str]) -> None:
    assert ran(workspace, "yarn", *words.split()) == packages


@pytest.mark.parametrize(
    "words",
    [
        "pnpm -r missing",
        "pnpm missing",
        "pnpm --filter nobody build",
        "pnpm --filter [main] build",
        "pnpm run",
        "yarn workspace nobody build",
        "yarn workspaces foreach --since run build",
        "yarn missing",
    ],
)
def test_a_script_that_is_not_run_is_a_failure(workspace: Path, words: str) -> None:
    tool, *rest = words.split()
    assert ran(workspace, tool, *rest, status=1) == []


def test_a_failure_ends_the_build(workspace: Path) -> None:
    package(workspace / "packages/lib", "@demo/lib", {"build": "echo no >&2; exit 3"})
    assert ran(workspace, "pnpm", "-r", "build", status=3) == []


def test_packages_that_use_each_other_are_all_built(workspace: Path) -> None:
    package(workspace / "packages/lib", "@demo/lib", {"build": f"echo lib >>{workspace.parent}/ran"},
            devDependencies={"@demo/api": "workspace:*"})  # fmt: skip
    assert sorted(ran(workspace, "pnpm", "-r", "build")) == ["api", "docs", "lib"]
