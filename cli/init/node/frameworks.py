"""Recognise frameworks of Node projects that build a site or a server: what they build, and how that runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..guess import record
from ..project import Project


class Framework(NamedTuple):
    """The output of a framework.

    build: the command. site: the folder of static files, or None for a server. single_page: unknown paths are the
    start page's. entrypoint, ports: of a server.
    """

    build: str
    site: str | None
    reasons: Sequence[str]
    single_page: bool = False
    entrypoint: Sequence[str] = ()
    ports: Sequence[int] = ()


def find_framework(project: Project, data: dict[str, Any]) -> Framework | None:
    """Return the framework that the project's dependencies name, or None."""
    used = {**record(data.get("dependencies")), **record(data.get("devDependencies"))}
    scripts = record(data.get("scripts"))
    for name, find in _FRAMEWORKS:
        if name in used:
            found = find(project, data)
            if found is not None:
                build = "npm run build" if isinstance(scripts.get("build"), str) else found.build
                return found._replace(build=build)
    return None


def _config(project: Project, name: str) -> str:
    return "".join(project.text(f"{name}.config.{end}") for end in ("js", "mjs", "cjs", "ts", "mts"))


def _next(project: Project, data: dict[str, Any]) -> Framework | None:
    if not _is_application(data, "next"):
        return None
    config = _config(project, "next")
    exports = "next export" in str(record(data.get("scripts")).get("build", ""))
    if exports or re.search(r"""\boutput\s*:\s*["']export["']""", config):
        folder = re.search(r"""\bdistDir\s*:\s*["']([\w./-]+)["']""", config)
        return Framework("npx next build", folder[1] if folder else "out", ["Next.js: a static export"])
    run = ["/usr/bin/node", "@/app/node_modules/next/dist/bin/next", "start", "@/app"]
    return Framework("npx next build", None, ["Next.js: a server"], entrypoint=run, ports=[3000])


def _vite(project: Project, data: dict[str, Any]) -> Framework | None:
    if not _has_page(project, "vite") or "start" in record(data.get("scripts")) and _serves(data):
        return None
    folder = re.search(r"""\boutDir\s*:\s*["']([\w./-]+)["']""", _config(project, "vite"))
    root = re.search(r"""\broot\s*:\s*["']([\w./-]+)["']""", _config(project, "vite"))
    site = folder[1] if folder else "dist"
    at = f"{root[1].strip('./')}/" if root and root[1].strip("./") and not site.startswith("../") else ""
    site = re.sub(r"^(\.\./|\./)+", "", site)
    return Framework("npx vite build", f"{at}{site}", ["Vite: a site"], single_page=True)


def _astro(project: Project, data: dict[str, Any]) -> Framework | None:
    if "output:" in _config(project, "astro").replace(" ", "") and "static" not in _config(project, "astro"):
        run = ["/usr/bin/node", "@/app/dist/server/entry.mjs"]
        return Framework("npx astro build", None, ["Astro: a server"], entrypoint=run, ports=[4321])
    return Framework("npx astro build", "dist", ["Astro: a site"])


def _svelte(project: Project, data: dict[str, Any]) -> Framework | None:
    if "adapter-static" in str(data.get("devDependencies")):
        return Framework("npx vite build", "build", ["SvelteKit: a static site"])
    if "adapter-node" in str(data.get("devDependencies")):
        run = ["/usr/bin/node", "@/app/build/index.js"]
        return Framework("npx vite build", None, ["SvelteKit: a server"], entrypoint=run, ports=[3000])
    return None


def _nuxt(project: Project, data: dict[str, Any]) -> Framework | None:
    if not _is_application(data, "nuxt"):
        return None
    if re.search(r"(nuxt|nuxi) generate", str(record(data.get("scripts")).get("build", ""))):
        return Framework("npx nuxt generate", ".output/public", ["Nuxt: a static site"])
    run = ["/usr/bin/node", "@/app/.output/server/index.mjs"]
    return Framework("npx nuxt build", None, ["Nuxt: a server"], entrypoint=run, ports=[3000])


def _nest(project: Project, data: dict[str, Any]) -> Framework | None:
    if "@nestjs/core" not in record(data.get("dependencies")) or not any(
        f.startswith("src/main.") for f in project.files
    ):
        return None
    run = ["/usr/bin/node", "@/app/dist/main.js"]
    return Framework("npx nest build", None, ["NestJS: a server"], entrypoint=run, ports=[3000])


def _angular(project: Project, data: dict[str, Any]) -> Framework | None:
    if project.has("angular.json") is None:
        return None
    name = str(data.get("name", "app"))
    # From version 17 on, the browser's files are in a folder of their own.
    version = re.search(
        r"(\d+)", str({**record(data.get("dependencies")), **record(data.get("devDependencies"))}.get("@angular/core"))
    )
    below = "/browser" if version and int(version[1]) >= 17 else ""
    return Framework("npx ng build", f"dist/{name}{below}", ["Angular: a site"], single_page=True)


def _folder(
    tool: str, command: str, site: str, single: bool = False
) -> Callable[[Project, dict[str, Any]], Framework | None]:
    def find(project: Project, data: dict[str, Any]) -> Framework | None:
        words = " ".join(str(s) for s in record(data.get("scripts")).values())
        if command.split()[1] not in words:
            return None
        return Framework(command, site, [f"{tool}: a site"], single_page=single)

    return find


def _is_application(data: dict[str, Any], tool: str) -> bool:
    words = " ".join(str(script) for script in record(data.get("scripts")).values())
    return (
        bool(re.search(rf"\b{tool} (build|start|dev|generate|export)\b|\bnuxi\b", words)) or data.get("private") is True
    )


def _has_page(project: Project, tool: str) -> bool:
    config = _config(project, tool)
    library = re.search(r"\blib\s*:\s*\{", config)
    return not library and (
        project.has("index.html", "src/index.html") is not None or bool(re.search(r"\broot\s*:", config))
    )


def _serves(data: dict[str, Any]) -> bool:
    return bool(
        record(data.get("dependencies")).keys() & {"express", "koa", "fastify", "@hapi/hapi", "hono", "restify"}
    )


# The more specific first: many of these are built with vite.
_FRAMEWORKS: Sequence[tuple[str, Callable[[Project, dict[str, Any]], Framework | None]]] = (
    ("next", _next),
    ("nuxt", _nuxt),
    ("@sveltejs/kit", _svelte),
    ("astro", _astro),
    ("@nestjs/core", _nest),
    ("@angular/core", _angular),
    ("gatsby", _folder("Gatsby", "npx gatsby build", "public")),
    ("@docusaurus/core", _folder("Docusaurus", "npx docusaurus build", "build")),
    ("vitepress", _folder("VitePress", "npx vitepress build", ".vitepress/dist")),
    ("vuepress", _folder("VuePress", "npx vuepress build", ".vuepress/dist")),
    ("hexo", _folder("Hexo", "npx hexo generate", "public")),
    ("@11ty/eleventy", _folder("Eleventy", "npx eleventy", "_site")),
    ("react-scripts", _folder("Create React App", "npx react-scripts build", "build", single=True)),
    ("@vue/cli-service", _folder("Vue CLI", "npx vue-cli-service build", "dist", single=True)),
    ("parcel", _folder("Parcel", "npx parcel build index.html", "dist")),
    ("vite", _vite),
)
