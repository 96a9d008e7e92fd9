"""Node projects with locks of pnpm and Yarn: laid out apart and in the build, with the same result."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from support.archives.language_packages import tar
from support.examples import World
from support.servers.httpserver import Server

pytestmark = pytest.mark.network

FILES = {
    "package.json": '{"name": "app", "version": "1.0.0", "bin": "app.js", "workspaces": ["packages/*"],'
    ' "dependencies": {"words": "^1.0.0", "own": "workspace:*"}}',
    "pnpm-workspace.yaml": "packages: ['packages/*']\n",
    "app.js": '#!/usr/bin/env node\nconsole.log(require("words"), require("own"))\n',
    "packages/own/package.json": '{"name": "own", "version": "0.0.0", "main": "own.js", "bin": {"own": "own.js"},'
    ' "dependencies": {"words": "^2.0.0"}}',
    "packages/own/own.js": '#!/usr/bin/env node\nmodule.exports = require("words") + " here"\n',
    # An installation of the user's own is no part of a build.
    "node_modules/words/index.js": 'module.exports = "stale"\n',
    "node_modules/stale.js": "",
}
PNPM = """lockfileVersion: '9.0'
importers:
  .:
    dependencies:
      words: {{ specifier: ^1.0.0, version: 1.0.0 }}
      own: {{ specifier: 'workspace:*', version: 'link:packages/own' }}
  packages/own:
    dependencies:
      words: {{ specifier: ^2.0.0, version: 2.0.0 }}
packages:
  words@1.0.0: {{ resolution: {{ integrity: {words[0]} }} }}
  words@2.0.0: {{ resolution: {{ integrity: {words[1]} }} }}
  tool@1.0.0: {{ resolution: {{ integrity: {tool} }} }}
snapshots:
  words@1.0.0: {{ dependencies: {{ tool: 1.0.0 }} }}
  words@2.0.0: {{}}
  tool@1.0.0: {{}}
"""
YARN = """# yarn lockfile v1

words@^1.0.0:
  version "1.0.0"
  resolved "{url}/words/-/words-1.0.0.tgz"
  integrity {words[0]}
  dependencies:
    tool "^1.0.0"

words@^2.0.0:
  version "2.0.0"
  resolved "{url}/words/-/words-2.0.0.tgz"
  integrity {words[1]}

tool@^1.0.0:
  version "1.0.0"
  resolved "{url}/tool/-/tool-1.0.0.tgz"
  integrity {tool}
"""
BERRY = """__metadata:
  version: 8
"words@npm:^1.0.0":
  version: 1.0.0
  resolution: "words@npm:1.0.0"
  dependencies:
    tool: "npm:^1.0.0"
"words@npm:^2.0.0":
  version: 2.0.0
  resolution: "words@npm:2.0.0"
"tool@npm:^1.0.0":
  version: 1.0.0
  resolution: "tool@npm:1.0.0"
"own@workspace:*, own@workspace:packages/own":
  version: 0.0.0-use.local
  resolution: "own@workspace:packages/own"
"app@workspace:.":
  version: 0.0.0-use.local
  resolution: "app@workspace:."
"""


class NpmRegistry:
    """A registry on loopback. integrity: of the packages' archives, by name and version."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.integrity: dict[str, str] = {}

    def add(self, name: str, versions: Mapping[str, Mapping[str, str]]) -> None:
        """Offer versions of a package with files, and what a registry says of them."""
        about = {}
        for version, files in versions.items():
            own = {"name": name, "version": version, **json.loads(files.get("package.json", "{}"))}
            data = tar({f"package/{k}": v.encode() for k, v in {**files, "package.json": json.dumps(own)}.items()})
            place = self.server.folder / name / "-" / f"{name}-{version}.tgz"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
            integrity = f"sha512-{base64.b64encode(hashlib.sha512(data).digest()).decode()}"
            self.integrity[f"{name} {version}"] = integrity
            url = f"{self.server.url}/{name}/-/{name}-{version}.tgz"
            about[version] = {**own, "dist": {"tarball": url, "integrity": integrity}}
        self.server.replace(f"/{name}", json.dumps({"name": name, "versions": about}).encode())


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NpmRegistry]:
    with Server(tmp_path_factory.mktemp("registry")) as server:
        made = NpmRegistry(server)
        script = '{"scripts": {"postinstall": "exit 1"}}'
        made.add("words", {
            "1.0.0": {"index.js": 'module.exports = require("tool")("good")\n', "package.json": script},
            "2.0.0": {"index.js": 'module.exports = "well"\n'},
        })  # fmt: skip
        # A command outside of its package is one inside.
        about = '{"bin": {"tool": "index.js", "app": "../../app.js"}}'
        made.add("tool", {"1.0.0": {"index.js": "module.exports = t => t + ' day'\n", "package.json": about}})
        made.add("npm", {"11.0.0": {"bin/npm-cli.js": 'throw new Error("it is not called")\n'}})
        yield made


@pytest.mark.parametrize(
    ("name", "lock"), [("pnpm-lock.yaml", PNPM), ("yarn.lock", YARN), ("yarn.lock", BERRY)], ids=["pnpm", "1", "berry"]
)
def test_a_workspace_has_the_same_result_with_its_packages_apart(
    world: World, registry: NpmRegistry, tmp_path: Path, name: str, lock: str
) -> None:
    known = registry.integrity
    text = lock.format(
        url=registry.server.url, words=[known["words 1.0.0"], known["words 2.0.0"]], tool=known["tool 1.0.0"]
    )
    for path, content in {**FILES, name: text}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    (tmp_path / "fpack.fp").write_text(
        f'app = node {{ name = "app", source = ./., lock = ./{name} }}\ntogether = app.with {{ apart = false }}\n'
    )
    env = {"NPM_CONFIG_REGISTRY": registry.server.url}

    def built(what: str) -> dict[str, str]:
        done = world.fpack("build", what, "--json", "--no-link", cwd=tmp_path, env=env, timeout=900)
        found: dict[str, str] = json.loads(done.stdout)
        return found

    apart = built("app")
    log = world.fpack("log", "app", cwd=tmp_path).stdout
    assert built("together")["path"] == apart["path"]
    assert "the scripts of words do not run: scripts = true runs them" in log
    assert world.fpack("log", "together", cwd=tmp_path).stdout.count("the scripts of words do not run") == 1
    said = world.fpack("run", "app", "--", "app", cwd=tmp_path, env=env).stdout
    assert said == "good day well here\n"
    app = Path(apart["disk"], "app")
    assert (app / "node_modules/own").readlink() == Path("../packages/own") and not (
        app / "node_modules/stale.js"
    ).exists()
    assert (app / "node_modules/.bin/own").exists() and (app / "packages/own/own.js").stat().st_mode & 0o111
    # An edit leaves the packages as they are, which are in the store.
    (tmp_path / "app.js").write_text(FILES["app.js"].replace("console.log(", 'console.log("now", '))
    done = world.fpack("build", "app", "-v", "--no-link", cwd=tmp_path, env=env)
    assert "build app-" in done.stderr and "node-modules" not in done.stderr
    assert world.fpack("run", "app", "--", "app", cwd=tmp_path, env=env).stdout == f"now {said}"


DEVELOPED = """lockfileVersion: '9.0'
importers:
  .:
    dependencies:
      words: {{ specifier: ^2.0.0, version: 2.0.0 }}
    devDependencies:
      tool: {{ specifier: ^1.0.0, version: 1.0.0 }}
packages:
  words@2.0.0: {{ resolution: {{ integrity: {words} }} }}
  tool@1.0.0: {{ resolution: {{ integrity: {tool} }} }}
snapshots:
  words@2.0.0: {{}}
  tool@1.0.0: {{}}
"""


def test_packages_of_development_are_apart_too_and_removed_after_the_build(
    world: World, registry: NpmRegistry, tmp_path: Path
) -> None:
    """The build is in a folder of the source, and sees the times of files, which are the same both ways."""
    known = registry.integrity
    files = {
        "web/package.json": '{"name": "app", "version": "1.0.0", "bin": "app.js",'
        ' "dependencies": {"words": "^2.0.0"}, "devDependencies": {"tool": "^1.0.0"}}',
        "web/app.js": '#!/usr/bin/env node\nconsole.log(require("./made.json"), require("words"))\n',
        "web/pnpm-lock.yaml": DEVELOPED.format(words=known["words 2.0.0"], tool=known["tool 1.0.0"]),
        "fpack.fp": 'app = node { name = "app", source = ./., folder = "web", lock = ./web/pnpm-lock.yaml,'
        " build = \"node -p 'JSON.stringify(require(`tool`)(`good`))' >made.json; "
        "find -L node_modules -printf '%p %T@\\n' | sort >times\" }\n"
        "together = app.with { apart = false }\n",
    }
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    env = {"NPM_CONFIG_REGISTRY": registry.server.url}
    words = ("--json", "--no-link")
    paths = [
        json.loads(world.fpack("build", what, *words, cwd=tmp_path, env=env, timeout=900).stdout)
        for what in ("app", "together")
    ]
    assert paths[0]["path"] == paths[1]["path"]
    app = Path(paths[0]["disk"], "app")
    assert "node_modules/.bin/tool 315619200" in (app / "times").read_text()
    assert not [path for path in (app / "node_modules").rglob("tool") if path.is_symlink() or path.is_dir()]
    assert world.fpack("run", "app", "--", "app", cwd=tmp_path, env=env).stdout == "good day well\n"
