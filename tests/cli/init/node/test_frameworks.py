"""Test how `fpack init` reads Node projects that build a site or a server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fpack.cli.init import detect
from fpack.cli.init.guess import Guess
from fpack.cli.init.node import node
from fpack.cli.init.project import Project


def guess(data: dict[str, Any], files: dict[str, str] | None = None) -> Guess:
    found = node(Project("thing", {"package.json": json.dumps({"private": True, **data}), **(files or {})}))
    assert found is not None
    return found


def using(*names: str, **fields: Any) -> dict[str, Any]:
    return {"dependencies": dict.fromkeys(names, "^1"), **fields}


SITES = [
    (using("next"), {"next.config.mjs": 'export default { output: "export" }'}, "npx next build", "out", False),
    (using("next"), {"next.config.js": "module.exports = { output: 'export', distDir: 'site' }"},
     "npx next build", "site", False),
    (using("next", scripts={"build": "next build && next export"}), {}, "npm run build", "out", False),
    (using("nuxt", scripts={"build": "nuxi generate"}), {}, "npm run build", ".output/public", False),
    (using("astro"), {}, "npx astro build", "dist", False),
    (using(devDependencies={"@sveltejs/kit": "2", "@sveltejs/adapter-static": "3", "vite": "6"}), {},
     "npx vite build", "build", False),
    (using(name="shop", devDependencies={"@angular/core": "^19"}), {"angular.json": "{}"},
     "npx ng build", "dist/shop/browser", True),
    (using(name="shop", devDependencies={"@angular/core": "^16"}), {"angular.json": "{}"},
     "npx ng build", "dist/shop", True),
    (using("vite"), {"index.html": ""}, "npx vite build", "dist", True),
    (using("vite"), {"vite.config.ts": 'export default { root: "web", build: { outDir: "made" } }'},
     "npx vite build", "web/made", True),
    (using("vite"), {"vite.config.ts": 'export default { root: "web", build: { outDir: "../made" } }'},
     "npx vite build", "made", True),
    (using("gatsby", scripts={"build": "gatsby build"}), {}, "npm run build", "public", False),
    (using("@docusaurus/core", scripts={"build": "docusaurus build"}), {}, "npm run build", "build", False),
    (using("vitepress", scripts={"docs": "vitepress build"}), {}, "npx vitepress build", ".vitepress/dist", False),
    (using("hexo", scripts={"build": "hexo generate"}), {}, "npm run build", "public", False),
    (using("@11ty/eleventy", scripts={"build": "npx eleventy"}), {}, "npm run build", "_site", False),
    (using("react-scripts", scripts={"build": "react-scripts build"}), {}, "npm run build", "build", True),
    (using("@vue/cli-service", scripts={"build": "vue-cli-service build"}), {}, "npm run build", "dist", True),
    (using("parcel", scripts={"start": "parcel index.html"}), {}, "npx parcel build index.html", "dist", False),
]  # fmt: skip


@pytest.mark.parametrize(("data", "files", "build", "folder", "single"), SITES)
def test_a_site_is_built_and_served(
    data: dict[str, Any], files: dict[str, str], build: str, folder: str, single: bool
) -> None:
    found = guess(data, files)
    fields = dict(found.fields)
    assert (fields["build"], fields["install"]) == (f'"{build}"', f'"cp -r {folder} \\"$out\\""')
    assert fields["project"] == "./package.json" and found.entrypoint is None and not found.todo
    assert dict(found.image) == {"content": "@", **({"single-page": "true"} if single else {})}
    assert f"the image serves {folder} with nginx" in found.reasons


NODE = "/usr/bin/node"
SERVERS = [
    (using("next"), {}, "npx next build", ["@/app/node_modules/next/dist/bin/next", "start", "@/app"], 3000),
    (using("nuxt"), {}, "npx nuxt build", ["@/app/.output/server/index.mjs"], 3000),
    (using("astro"), {"astro.config.mjs": 'export default { output: "server" }'},
     "npx astro build", ["@/app/dist/server/entry.mjs"], 4321),
    (using(devDependencies={"@sveltejs/kit": "2", "@sveltejs/adapter-node": "5", "vite": "6"}), {},
     "npx vite build", ["@/app/build/index.js"], 3000),
    (using("@nestjs/core", scripts={"build": "nest build"}), {"src/main.ts": ""},
     "npm run build", ["@/app/dist/main.js"], 3000),
]  # fmt: skip


@pytest.mark.parametrize(("data", "files", "build", "words", "port"), SERVERS)
def test_a_server_is_built_and_run(
    data: dict[str, Any], files: dict[str, str], build: str, words: list[str], port: int
) -> None:
    found = guess(data, files)
    fields = dict(found.fields)
    assert fields["build"] == f'"{build}"' and "install" not in fields and not found.image
    assert (found.entrypoint, list(found.ports)) == ([NODE, *words], [port])
    # The Node that a project asks for is that of the package.
    other = guess({**data, "engines": {"node": ">=24"}}, files)
    assert dict(other.fields)["node"] == '">=24"' and other.entrypoint == ["@/bin/node", *words]


@pytest.mark.parametrize(
    ("data", "files"),
    [
        (using("vite", main="server.js"), {"server.js": ""}),  # no page
        (
            using("vite", bin="cli.js"),
            {"cli.js": "", "index.html": "", "vite.config.js": "export default { build: { lib: { entry: 'a' } } }"},
        ),
        (using("vite", "express", scripts={"start": "node server.js"}), {"index.html": "", "server.js": ""}),
        (using("next", private=False, main="server.js"), {"server.js": ""}),
        (using("gatsby", scripts={"test": "jest"}, main="server.js"), {"server.js": ""}),
        (using("@nestjs/core", main="server.js"), {"server.js": ""}),
        (using("@angular/core", main="server.js"), {"server.js": ""}),
        (using(devDependencies={"@sveltejs/kit": "2"}, main="server.js"), {"server.js": ""}),
    ],
)
def test_a_project_that_only_has_the_framework_is_no_site(data: dict[str, Any], files: dict[str, str]) -> None:
    found = guess(data, files)
    assert "build" not in dict(found.fields) and not any("nginx" in reason for reason in found.reasons)


def test_the_more_specific_framework_is_chosen() -> None:
    found = guess(using("vite", "astro", "parcel"), {"index.html": ""})
    assert "Astro: a site" in found.reasons


TSX = ["/usr/bin/node", "@/app/node_modules/.bin/tsx", "@/app/src/server.ts"]
FASTIFY = [
    "/usr/bin/node",
    "@/app/node_modules/.bin/fastify",
    "start",
    "--address",
    "0.0.0.0",
    "-l",
    "info",
    "@/app/app.js",
]


@pytest.mark.parametrize(
    ("data", "file", "words"),
    [
        (using("fastify-cli", "fastify", scripts={"start": "fastify start -l info app.js"}), "app.js", FASTIFY),
        (using("tsx", "fastify", scripts={"start": "tsx ./src/server.ts"}), "src/server.ts", TSX),
        (using("fastify", devDependencies={"tsx": "4"}, scripts={"start": "tsx app.js"}), "app.js", None),
        (using("fastify", "nodemon-cli", scripts={"start": "nodemon app.js"}), "app.js", None),
        (using("fastify", "tsx", scripts={"start": "tsx app.js && sleep 1"}), "app.js", None),
    ],
)
def test_a_start_script_runs_the_program_of_a_dependency(
    data: dict[str, Any], file: str, words: list[str] | None
) -> None:
    found = guess(data, {file: ""})
    assert (found.entrypoint, list(found.ports)) == (words or ["/usr/bin/node", "@/app/app.js"], [3000])


def test_a_page_beside_a_program_is_no_project_of_its_own() -> None:
    data = using(private=True, devDependencies={"vite": "6"})
    project = Project("thing", {"package.json": json.dumps(data), "index.html": ""})
    found = detect.guess(project)
    assert found is not None and found.image_call and not any("--kind" in reason for reason in found.reasons)
    assert detect.others(project, found) == []
    assert detect.others(Project("thing", {"public/index.html": "", "Makefile": "all:\n"}), found)
