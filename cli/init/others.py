"""Guess how a Node, Go, Rust or Ruby project is built and run."""

from __future__ import annotations

import re
from typing import Any

from .guess import Guess, clean_name, clean_version, few, record, shown, text
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


def go(project: Project) -> Guess | None:
    if not project.has("go.mod"):
        return None
    module = re.search(r"^module\s+(\S+)", project.text("go.mod"), re.MULTILINE)
    path = module[1].strip('"') if module else project.name
    base = [part for part in path.split("/") if not re.fullmatch(r"v\d+", part)] or [project.name]
    name = clean_name(base[-1], project)
    reasons, todo = [f"go.mod: the Go module {path}"], []
    fields: list[tuple[str, str]] = []
    programs = sorted({file.split("/")[1] for file in project.files if re.fullmatch(r"cmd/[^/]+/[^/]+\.go", file)})
    below = bool(programs) and not any("/" not in file and file.endswith(".go") for file in project.files)
    if below:
        fields.append(("packages", '["./cmd/..."]'))
        reasons.append(f"cmd: the programs {', '.join(programs)}")
        name = clean_name(programs[0], project) if len(programs) == 1 else name
    if "vendor" in project.directories:
        reasons.append("vendor: vendored modules")
    elif project.text("go.sum").strip():
        fields.append(("lock", "./go.sum"))
        reasons.append("go.sum: modules with hashes")
    elif re.search(r"^require\b", project.text("go.mod"), re.MULTILINE):
        todo.append("lock the modules: go mod tidy")
    entrypoint = [f"@/bin/{programs[0] if below else base[-1]}"]
    return Guess("go", name, None, fields, [], entrypoint, [], reasons, todo)


def ruby(project: Project) -> Guess | None:
    if not project.has("Gemfile"):
        return None
    reasons, todo = ["Gemfile: a Ruby project"], []
    if not project.has("Gemfile.lock"):
        todo.append("lock the gems: bundle lock")
    fields: list[tuple[str, str]] = []
    gems = [file for file in project.files if file.startswith("vendor/cache/")]
    native = [gem for gem in gems if re.search(r"^extensions:\n *- ", project.text(gem), re.MULTILINE)]
    if native:
        fields.append(("native", "true"))
        reasons.append(f"vendor/cache: vendored gems; {few(native)} {'is' if len(native) == 1 else 'are'} compiled")
    elif gems:
        reasons.append("vendor/cache: vendored gems")
    else:
        todo.append("vendor the gems: bundle package")
    programs = sorted(file for file in project.files if re.fullmatch(r"bin/(?!bundle|rails|rake|setup|dev)[^/]+", file))
    entrypoint = None
    if project.has("config.ru"):
        server = "puma" if "puma" in project.text("Gemfile") else "rackup"
        entrypoint = [f"@/bin/{server}", "@/app/config.ru"]
        reasons.append(f"config.ru: the image runs {server}")
    elif len(programs) == 1:
        entrypoint = [f"@/{programs[0]}"]
        reasons.append(f"the image runs {programs[0]}")
    else:
        todo.append("set the image's `entrypoint` to the program to run")
    return Guess("ruby", clean_name(None, project), None, fields, [], entrypoint, [], reasons, todo)
