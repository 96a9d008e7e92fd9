"""Guess how a Node, Go, Rust or Ruby project is built and run."""

from __future__ import annotations

import re
from typing import Any

from .guess import Guess, clean_name, clean_version, record, shown, text
from .project import Project


def node(project: Project) -> Guess | None:
    if not project.has("package.json"):
        return None
    data = project.json("package.json")
    reasons, todo = ["package.json: a Node project"], []
    if project.has("package-lock.json"):
        reasons.append("package-lock.json: packages with integrity hashes")
        scripted = _scripted(project.json("package-lock.json"))
        if scripted:
            reasons.append(f"package-lock.json: {', '.join(scripted)} have installation scripts, which are not run")
    else:
        todo.append("lock the packages: npm install --package-lock-only")
    scripts = record(data.get("scripts"))
    fields = [("lock", "./package-lock.json")]
    if "build" in scripts:
        fields += [("omit", "[]"), ("build", text("npm run build"))]
        reasons.append(f"the build runs the script: {scripts['build']}")
    start = re.fullmatch(r"node\s+(\S+)", str(scripts.get("start", "")).strip())
    main = start[1] if start else data.get("main") if isinstance(data.get("main"), str) else None
    main = main or project.has("server.js", "index.js", "app.js", "src/index.js")
    entrypoint = ["/usr/bin/node", f"@/app/{main.removeprefix('./')}"] if main else None
    if entrypoint is None:
        todo.append("set the image's `entrypoint` to the program to run")
    else:
        reasons.append(f"the image runs {shown(entrypoint)}")
    name, version = clean_name(data.get("name"), project), clean_version(data.get("version"))
    return Guess("node", name, version, fields, [], entrypoint, [], reasons, todo)


def _scripted(lock: dict[str, Any]) -> list[str]:
    """Return the packages of a lock that have an installation script and are not development dependencies."""
    packages = record(lock.get("packages")).items()
    found = [where for where, p in packages if record(p).get("hasInstallScript") and not record(p).get("dev")]
    return [where.rpartition("node_modules/")[2] for where in found]
