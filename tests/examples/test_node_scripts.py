"""Scripts that packages of Node run when they are installed: an extension that is compiled, and a file that is made.

They run in the build's sandbox where the project says so, without a network, and are named where it does not.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.examples import World
from support.servers.httpserver import Server
from support.stores.shared import shared_store

pytestmark = pytest.mark.network

ADDON = {
    "package.json": json.dumps({"name": "addon", "version": "1.0.0", "main": "build/Release/addon.node"}),
    "binding.gyp": '{ "targets": [{ "target_name": "addon", "sources": ["addon.c"] }] }\n',
    "addon.c": """#include <node_api.h>
static napi_value make(napi_env env, napi_value exports) {
  napi_value text;
  napi_create_string_utf8(env, "compiled", NAPI_AUTO_LENGTH, &text);
  return text;
}
NAPI_MODULE(addon, make)
""",
}
MADE = {
    "package.json": json.dumps(
        {"name": "made", "version": "2.0.0", "main": "made.js", "scripts": {"postinstall": "node make.js"}}
    ),
    "make.js": 'require("fs").writeFileSync("made.js", "module.exports = \'and made\'\\n")\n',
}
PROGRAM = 'console.log(require("addon"), require("made"))\n'


def archive(folder: Path, name: str, version: str, files: Mapping[str, str]) -> str:
    """Write a package's archive where a registry has it; its integrity."""
    place = folder / name / "-" / f"{name}-{version}.tgz"
    place.parent.mkdir(parents=True)
    with tarfile.open(place, "w:gz") as packed:
        for file, text in files.items():
            member = tarfile.TarInfo(f"package/{file}")
            member.size = len(text.encode())
            packed.addfile(member, io.BytesIO(text.encode()))
    return f"sha512-{base64.b64encode(hashlib.sha512(place.read_bytes()).digest()).decode()}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "registry").mkdir()
    with Server(tmp_path / "registry") as server:
        yield server


@pytest.fixture
def project(tmp_path: Path, server: Server) -> Path:
    place = tmp_path / "says"
    place.mkdir()
    wanted = {"addon": "1.0.0", "made": "2.0.0"}
    packages: dict[str, Any] = {"": {"name": "says", "version": "1.0.0", "dependencies": wanted}}
    for name, files in {"addon": ADDON, "made": MADE}.items():
        packages[f"node_modules/{name}"] = {
            "version": wanted[name],
            "resolved": f"{server.url}/{name}/-/{name}-{wanted[name]}.tgz",
            "integrity": archive(server.folder, name, wanted[name], files),
            "hasInstallScript": True,
        }
    about = {"name": "says", "version": "1.0.0", "dependencies": wanted, "bin": "says.js"}
    (place / "package.json").write_text(json.dumps(about))
    (place / "package-lock.json").write_text(
        json.dumps({"name": "says", "version": "1.0.0", "lockfileVersion": 3, "requires": True, "packages": packages})
    )
    (place / "says.js").write_text(f"#!/usr/bin/env node\n{PROGRAM}")
    return place


@pytest.fixture
def world(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, server: Server) -> World:
    (tmp_path / "world").mkdir()
    world = World(tmp_path / "world", store=shared_store(tmp_path_factory))
    world.fpack.env["NPM_CONFIG_REGISTRY"] = server.url
    return world


# Two tests, since each has a limit of time: the first to run makes a root of all packages of npm.
def test_scripts_do_not_run_unless_the_project_says_so(world: World, project: Path) -> None:
    told = json.loads(world.fpack("init", "--json", cwd=project).stdout)
    assert "addon, made have installation scripts, which are not run" in " ".join(told["guessed"])
    error = world.fpack("run", "says", "--", "says", cwd=project, status=None)
    assert error.returncode == 1 and "Cannot find module" in error.stderr
    log = world.fpack("log", "says", cwd=project).stdout
    assert "the scripts of addon, made do not run: scripts = true runs them" in log
    file = project / "fpack.fp"
    file.write_text(f"{file.read_text()}together = says.with {{ apart = false }}\n")
    built = [world.fpack("build", name, "--json", cwd=project).stdout for name in ("says", "together")]
    assert json.loads(built[0])["path"] == json.loads(built[1])["path"]


def test_scripts_run_where_they_are_asked_for(world: World, project: Path) -> None:
    world.fpack("init", cwd=project)
    file = project / "fpack.fp"
    file.write_text(file.read_text().replace("  lock ", "  scripts = true\n  lock "))
    done = world.fpack("run", "says", "--", "says", cwd=project)
    assert done.stdout == "compiled and made\n"
    path = json.loads(world.fpack("build", "says", "--json", cwd=project).stdout)["disk"]
    left = [each for each in Path(path).rglob("*") if each.suffix in (".o", ".d", ".mk") or each.name == "config.gypi"]
    assert left == []
