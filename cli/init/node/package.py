"""Guess how a Node project is installed, built and run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from ..guess import LIBRARY, Guess, clean_name, clean_version, record, shown, strings, text
from ..language_versions import node_field
from ..project import Project
from ..static import SITE, plain_site
from .frameworks import Framework, find_framework
from .workspaces import workspace_program

LOCKS = ("package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock")
_SERVERS = ("express", "koa", "fastify", "@hapi/hapi", "restify", "@nestjs/core", "polka", "hono", "@hono/node-server",
            "connect", "micro", "socket.io", "ws", "json-server")  # fmt: skip
_PROGRAMS = ("server.js", "app.js", "index.js", "main.js", "src/index.js", "src/server.js", "server.mjs", "index.mjs")
# Tools that a start script runs to watch the sources; and what others need to listen on all addresses.
_WATCHERS = ("webpack", "webpack-dev-server", "parcel", "vite", "gulp", "grunt", "nodemon", "tsc", "npm-run-all")
_LISTENS = {"fastify": ["--address", "0.0.0.0"]}
_COMMON_NAMES = "cli|client|core|node|server"
_WORD = re.compile(r"[\w./@:=+-]+")
# What is published in any case, and what a user of the package, npm and fpack write.
_SENT = re.compile(
    r"package\.json|(?i:readme|licen[cs]e|copying|notice|changes|changelog|history)(?:[.-].*)?|node_modules|\.gitignore|"
    r"fpack\.(?:fp|lock)|package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|yarn\.lock"
)
_COMPILERS = re.compile(r"\b(tsc|rollup|tsup|babel|webpack|vite|esbuild|unbuild|build)\b")


class _Start(NamedTuple):
    """The command of `scripts.start`: flags of node, and the file."""

    flags: Sequence[str]
    file: str


def node(project: Project) -> Guess | None:
    """Guess from package.json."""
    if not project.has("package.json"):
        return None
    data = project.json("package.json")
    reasons = ["package.json: a Node project"]
    todo: list[str] = []
    lock = project.has(*LOCKS)
    fields: list[tuple[str, str]] = []
    if lock is not None:
        fields.append(("lock", f"./{lock}"))
        reasons.append(f"{lock}: packages with hashes")
        scripted = _scripted(project.json(lock)) if lock.endswith(".json") else []
        if scripted:
            reasons.append(f"{lock}: {', '.join(scripted)} have installation scripts, which are not run")
    elif _dependencies(data):
        reasons.append("package.json: dependencies that the first build locks in fpack.lock")
    if lock != "package-lock.json":
        fields.append(("project", "./package.json"))
    name, version = clean_name(_full_name(data.get("name")), project), clean_version(data.get("version"))
    version_fields = node_field(project, data, reasons)
    fields += version_fields
    # Builds without a lock and those with another Node do not have it among their tools.
    packages = ["npm"] if lock is None or version_fields else []
    has_results = _is_published(project, data) and (lock is None or is_release(project, data))
    framework = None if has_results else find_framework(project, data)
    if framework is not None:
        made = _of_framework(framework, project, name, version, fields, reasons, todo)
        words = _own_node(made.entrypoint) if version_fields else made.entrypoint
        return made._replace(entrypoint=words, packages=packages)
    entrypoint, target = _program(project, data)
    if entrypoint is None:
        site = plain_site(project)
        if site is not None:
            return site._replace(name=name, version=version, reasons=[reasons[0], *site.reasons])
    used = _dependencies(data)
    member = workspace_program(project, data, _program, _SERVERS) if entrypoint is None else None
    if member is not None:
        entrypoint, target = list(member.words), member.file
        used = {**used, **_dependencies(member.data)}
        reasons.append(f"{member.path}: the package of the workspace that runs")
    if version_fields:
        entrypoint = _own_node(entrypoint)
    build = _build(project, data, lock, target, reasons)
    if member is not None and not build:
        build = [
            (field, text(f"cd {shlex.quote(member.path)} && npm run build"))
            for field, _ in _build(project, member.data, lock, target, reasons)
        ]
    fields += build
    if lock == "package-lock.json" and any(field == "build" for field, _ in fields):
        fields.insert(1, ("project", "./package.json"))
    library = entrypoint is None and bool(data.keys() & {"main", "module", "exports", "browser", "types"})
    if entrypoint is not None:
        reasons.append(f"the image runs {shown(entrypoint)}")
    elif library:
        reasons.append(LIBRARY)
    else:
        todo.append("set the image's `entrypoint` to the program to run")
    ports = _ports(project, used, target) if entrypoint and target else []
    serves = entrypoint is not None and bool(used.keys() & set(_SERVERS))
    return Guess("node", name, version, fields, packages, entrypoint, ports, reasons, todo, library, serves=serves)


def _full_name(name: Any) -> Any:
    """Return a name of npm, joined with its scope if it says little without: `nuxt-cli` for @nuxt/cli."""
    found = re.fullmatch(rf"@([\w.-]+)/({_COMMON_NAMES})", name) if isinstance(name, str) else None
    return f"{found[1]}-{found[2]}" if found else name


def _own_node(entrypoint: Sequence[str] | None) -> list[str] | None:
    """Return an entrypoint that runs the Node that the package brings, instead of the release's."""
    return None if entrypoint is None else ["@/bin/node" if word == "/usr/bin/node" else word for word in entrypoint]


def _is_published(project: Project, data: dict[str, Any]) -> bool:
    """Return whether the files are those of a published package, which has its results already."""
    files = [file for file in (data.get("main"), data.get("module")) if isinstance(file, str)]
    return data.get("private") is not True and any(_found(project, file) in project.files for file in files)


def is_release(project: Project, data: dict[str, Any]) -> bool:
    """Return whether a project has no files but those that `npm publish` sends: it was unpacked from a registry."""
    listed = [entry for entry in strings(data.get("files")) if not re.fullmatch(r"!.*|[*./]+", entry)]
    if not listed or data.get("private") is True:
        return False
    always = [*_bins(data).values(), *(data.get(key) for key in ("main", "module", "browser", "types"))]
    sent = {_top(entry) for entry in [*listed, *always] if isinstance(entry, str)}
    ignored = {line.strip().strip("/") for line in project.text(".gitignore").splitlines()}
    tops = {_top(name) for name in project.files} | project.directories
    others = {name for name in tops if not _SENT.fullmatch(name) and not any(fnmatchcase(name, each) for each in sent)}
    return not others and not ignored & sent


def _top(path: str) -> str:
    return re.sub(r"^(?:\.?/)+", "", path).partition("/")[0]


def _of_framework(
    framework: Framework, project: Project, name: str, version: str | None, fields: list[tuple[str, str]],
    reasons: list[str], todo: list[str],
) -> Guess:  # fmt: skip
    if not any(field == "project" for field, _ in fields):
        fields.append(("project", "./package.json"))
    fields.append(("build", text(framework.build)))
    reasons += framework.reasons
    if framework.site is None:
        reasons.append(f"the image runs {shown(list(framework.entrypoint))}")
        return Guess("node", name, version, fields, [], framework.entrypoint, framework.ports, reasons, todo)
    fields.append(("install", text(f'cp -r {framework.site} "$out"')))
    reasons.append(f"the image serves {framework.site} with nginx")
    image = [("content", "@"), *([("single-page", "true")] if framework.single_page else [])]
    return Guess("node", name, version, fields, [], None, [], reasons, todo, image=image, image_call=SITE)


def _program(project: Project, data: dict[str, Any]) -> tuple[list[str] | None, str | None]:
    """Return the entrypoint, and the file of the project that it runs."""
    start = _start(str(record(data.get("scripts")).get("start", "")))
    main = data.get("main") if isinstance(data.get("main"), str) else None
    if start is not None:
        return ["/usr/bin/node", *start.flags, f"@/app/{_found(project, start.file)}"], start.file
    tool = _tool_start(project, data)
    if tool is not None:
        return tool
    bins = _bins(data)
    if bins:
        own = clean_name(data.get("name"), project)
        scope = str(data.get("name")).partition("/")[0].removeprefix("@")
        best = min(bins, key=lambda name: (name != own, not own.startswith(name), name != scope, name))
        return [f"@/bin/{best}"], bins[best]
    serves = bool(_dependencies(data).keys() & set(_SERVERS))
    published = isinstance(data.get("version"), str) and data.get("private") is not True
    top = project.has(
        "server.js", "app.js", "index.js", "main.js", "src/index.js", "src/server.js", "server.mjs", "index.mjs"
    )
    for file in [main, top] if serves or not published else []:
        if file:
            return ["/usr/bin/node", f"@/app/{_found(project, file)}"], file
    if not main and not data.keys() & {"module", "exports"} and top and not published:
        return ["/usr/bin/node", f"@/app/{top}"], top
    return None, main


def _start(command: str) -> _Start | None:
    """Return what a start script runs with node, also through tools that only restart it or set variables."""
    words = command.strip().split()
    while words and (re.fullmatch(r"\w+=\S*", words[0]) or words[0] in ("cross-env", "env", "exec", "dotenv", "--")):
        words = words[1:]
    if not words or words[0] not in ("node", "nodemon", "nodejs"):
        return None
    flags, rest = [], words[1:]
    while rest and rest[0].startswith("-"):
        takes = rest[0] in ("-r", "--require", "--import", "--loader", "--env-file") and len(rest) > 1
        flags += rest[: 2 if takes else 1]
        rest = rest[2 if takes else 1 :]
    if not rest or not re.fullmatch(r"[\w./@-]+", rest[0]) or ".." in rest[0]:
        return None
    if words[0] == "nodemon":
        flags = []
    return _Start([flag for flag in flags if "--watch" not in flag and "--inspect" not in flag], rest[0])


def _tool_start(project: Project, data: dict[str, Any]) -> tuple[list[str], str] | None:
    """Return what a start script runs with a dependency's program, as `fastify start app.js`, and the own file."""
    words = str(record(data.get("scripts")).get("start", "")).strip().split()
    names = {name.rpartition("/")[2].removesuffix("-cli") for name in record(data.get("dependencies"))}
    if not words or words[0] not in names or words[0] in _WATCHERS or not all(_WORD.fullmatch(word) for word in words):
        return None
    files = {word: f"@/app/{word.removeprefix('./')}" for word in words[1:] if project.has(word.removeprefix("./"))}
    if not files:
        return None
    own = _LISTENS.get(words[0], [])
    rest = [files.get(word, word) for word in words[1:]]
    return ["/usr/bin/node", f"@/app/node_modules/.bin/{words[0]}", *rest[:1], *own, *rest[1:]], next(iter(files))


def _found(project: Project, file: str) -> str:
    """Return the path of a module as node resolves it."""
    plain = re.sub(r"^(\./)+", "", file).rstrip("/")
    choices = (plain, f"{plain}.js", f"{plain}/index.js", f"{plain}.cjs", f"{plain}.mjs")
    return project.has(*choices) or plain or "index.js"


def _bins(data: dict[str, Any]) -> dict[str, str]:
    given = data.get("bin")
    if isinstance(given, str):
        return {str(data.get("name", "app")).rpartition("/")[2]: given}
    return {k: v for k, v in record(given).items() if isinstance(v, str) and re.fullmatch(r"[\w.+-]+", k)}


def _build(
    project: Project, data: dict[str, Any], lock: str | None, target: str | None, reasons: list[str]
) -> list[tuple[str, str]]:
    """Return the field `build` if the project has a build whose results are not among its files already."""
    script = record(data.get("scripts")).get("build")
    if not isinstance(script, str):
        compiles = record(data.get("scripts")).get("prepare")
        if not isinstance(compiles, str) or not _COMPILERS.search(compiles):
            return []
        name, script = "prepare", compiles
    else:
        name = "build"
    targets = [target] if target else [f for f in (data.get("main"), data.get("module")) if isinstance(f, str)]
    there = bool(targets) and all(_found(project, file) in project.files for file in targets)
    if there and (lock is None or name == "prepare" or is_release(project, data)):
        reasons.append(f"the result of its script `{name}` is among the files, so that it is not run")
        return []
    done = f", though {targets[0]} is among the files: delete `build` to use that" if there else ""
    reasons.append(f"the build runs the script: {script}{done}")
    return [("build", text(f"npm run {name}"))]


def _ports(project: Project, used: Mapping[str, Any], target: str) -> list[int]:
    """Return the port that the program names, or the usual one of servers."""
    content = project.text(_found(project, target))
    for pattern in (
        r"process\.env\.(?:PORT|port)\s*(?:\|\||\?\?)\s*['\"]?(\d{2,5})",
        r"\.listen\(\s*['\"]?(\d{2,5})",
        r"\bport\s*[:=]\s*['\"]?(\d{2,5})",
    ):
        found = re.search(pattern, content, re.IGNORECASE)
        if found and 0 < int(found[1]) < 65536:
            return [int(found[1])]
    exposed = re.search(r"^[ \t]*EXPOSE\s+(\d{1,5})\b", project.text("Dockerfile"), re.MULTILINE | re.IGNORECASE)
    if exposed:
        return [int(exposed[1])]
    return [3000] if used.keys() & {"express", "koa", "fastify", "@nestjs/core"} else []


def _dependencies(data: dict[str, Any]) -> dict[str, Any]:
    return {**record(data.get("dependencies")), **record(data.get("optionalDependencies"))}


def _scripted(lock: dict[str, Any]) -> list[str]:
    """Return the packages of a lock that have an installation script and are not development dependencies."""
    packages = record(lock.get("packages")).items()
    found = [where for where, p in packages if record(p).get("hasInstallScript") and not record(p).get("dev")]
    return [where.rpartition("node_modules/")[2] for where in found]
