"""Guess how a static site is built and served: one of Hugo, or plain HTML."""

from __future__ import annotations

import re

from .guess import Guess, clean_name, text
from .project import Project

_HUGO = re.compile(r"^[ \t]*[\"']?(baseURL|languageCode|theme)\b", re.MULTILINE | re.IGNORECASE)
SITE = 'import("fpack/site").site'
_INDEX = ("index.html", "public/index.html", "www/index.html", "html/index.html", "site/index.html", "docs/index.html",
          "dist/index.html", "static/index.html")  # fmt: skip


def static(project: Project) -> Guess | None:
    """Guess from the configuration of Hugo, or from an index.html."""
    return _hugo(project) or plain_site(project)


def _hugo(project: Project) -> Guess | None:
    config = project.has("hugo.toml", "hugo.yaml", "hugo.yml", "hugo.json")
    if config is None:
        config = project.has("config.toml", "config.yaml", "config.yml")
        known = _HUGO.search(project.text(config or ""))
        if config is None or not known or not project.directories & {"content", "layouts", "themes"}:
            return None
    title = re.search(r"""^[ \t]*["']?publishDir["']?\s*[:=]\s*["']?([\w./-]+)""", project.text(config), re.MULTILINE)
    folder = title[1] if title else "public"
    fields = [
        ("tools", "[debian.hugo]"),
        ("build", text("hugo --minify --noBuildLock")),
        ("install", text(f'cp -r {folder} "$out"')),
    ]
    reasons = [f"{config}: a site of Hugo", f"the image serves {folder} with nginx"]
    return _site(project, fields, reasons)


def plain_site(project: Project) -> Guess | None:
    """Guess from an index.html alone."""
    index = project.has(*_INDEX)
    if index is None:
        return None
    folder = index.rpartition("/")[0]
    copy = f'cp -r {folder or "."} "$out"'
    # Files of fpack itself are no part of the site.
    install = copy if folder else f'{copy} && rm -f "$out"/fpack.fp "$out"/fpack.lock "$out"/.gitignore'
    reasons = [f"{index}: a site of static files", f"the image serves {folder or 'it'} with nginx"]
    fields = [("install", text(install))]
    return _site(project, fields, reasons)


def _site(project: Project, fields: list[tuple[str, str]], reasons: list[str]) -> Guess:
    """Return the guess for a site that a package has and nginx serves."""
    name, image = clean_name(None, project), [("content", "@")]
    return Guess("package", name, None, fields, [], None, [], reasons, image=image, image_call=SITE)
