"""What `fpack init` guesses of a project: pure functions from its files to what an fpack.fp says, and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .project import Project


class Guess(NamedTuple):
    """call: the function of the library that builds it. fields: of its record, as the language's text.

    packages: Debian's that a shell needs besides the build's tools. entrypoint: of the image, as items of a list.
    library: there is nothing to run, and so no image. said: why, in sentences; todo: what the user has to do before it
    builds.
    """

    call: str
    name: str
    version: str | None
    fields: Sequence[tuple[str, str]]
    packages: Sequence[str]
    entrypoint: Sequence[str] | None
    ports: Sequence[int] = ()
    said: Sequence[str] = ()
    todo: Sequence[str] = ()
    library: bool = False


def guess(project: Project) -> Guess | None:
    """The guess of the first kind of project that this is one of."""
    for kind in KINDS:
        found = kind(project)
        if found is not None:
            return found
    return None


def others(project: Project, chosen: Guess) -> list[str]:
    """What else the project could be built as, to be told."""
    found = [other for kind in KINDS if (other := kind(project)) is not None]
    return [other.said[0] for other in found if other.call != chosen.call]


# ---- one kind of project each


def python(project: Project) -> Guess | None:
    """pyproject.toml, setup.py or requirements.txt."""
    why = project.has("pyproject.toml", "setup.py", "requirements.txt", "pylock.toml")
    if why is None:
        return None
    data: dict[str, Any] = _record(project.toml("pyproject.toml").get("project"))
    name, version = _name(data.get("name"), project), _version(data.get("version"))
    said = [f"{why}: a Python project"]
    todo: list[str] = []
    fields: list[tuple[str, str]] = []
    locked = project.text("requirements.txt")
    if project.has("pylock.toml"):
        fields.append(("lock", "./pylock.toml"))
        said.append("pylock.toml: its packages, by their hashes")
        built = _built_packages(project.toml("pylock.toml"))
        if built:
            fields.append(("sources", "true"))
            said.append(f"pylock.toml: {', '.join(built)} come as sources, which are built")
    elif "--hash=" in locked:
        fields.append(("requirements", "./requirements.txt"))
        said.append("requirements.txt: its packages, by their hashes")
    elif locked.strip() or data.get("dependencies"):
        source = "requirements.txt" if locked.strip() else "pyproject.toml"
        fields.append(("requirements", "./requirements.lock.txt"))
        todo.append(f"lock the packages: pip-compile --generate-hashes -o requirements.lock.txt {source}")
    tools, unknown = _backend(project.toml("pyproject.toml"))
    if tools:
        fields.append(("tools", f"[{', '.join(f'debian.{each}' for each in tools)}]"))
        said.append(f"pyproject.toml: it is built with {', '.join(tools)}")
    todo += [f"name in `tools` the Debian package that has {each}, which builds the project" for each in unknown]
    used = f"{locked} {project.text('pylock.toml')} {' '.join(_strings(data.get('dependencies')))}".lower()
    entrypoint, ports = _python_program(project, used, data)
    if entrypoint is None:
        todo.append("say in the image's `entrypoint` what it runs")
    else:
        said.append(f"the image runs {_shown(entrypoint)}")
    return Guess("python", name, version, fields, ["python3-venv"], entrypoint, ports, said, todo)


_BACKENDS = {
    "setuptools": "", "wheel": "", "hatchling": "python3-hatchling", "hatch-vcs": "python3-hatch-vcs",
    "poetry-core": "python3-poetry-core", "pdm-backend": "python3-pdm-backend", "flit-core": "flit",
    "setuptools-scm": "python3-setuptools-scm", "meson-python": "python3-mesonpy",
    "scikit-build-core": "python3-scikit-build-core", "cython": "cython3",
}  # fmt: skip


def _backend(data: dict[str, Any]) -> tuple[list[str], list[str]]:
    """What builds a Python project: Debian's packages of it, and the names of what none is known for."""
    requires = _strings(_record(data.get("build-system")).get("requires"))
    found = [re.split(r"[^\w.-]", each.strip(), maxsplit=1)[0].lower() for each in requires]
    names = [re.sub(r"[-_.]+", "-", name) for name in found]
    return [_BACKENDS[n] for n in names if _BACKENDS.get(n)], [n for n in names if n not in _BACKENDS]


def _built_packages(lock: dict[str, Any]) -> list[str]:
    """The packages of a pylock.toml that have no wheel."""
    packages = _records(lock.get("packages"))
    return [str(p.get("name")) for p in packages if not p.get("wheels") and p.keys() & {"sdist", "archive"}]


def _python_program(project: Project, used: str, data: dict[str, Any]) -> tuple[list[str] | None, list[int]]:
    web = re.compile(r"^(\w+)\s*(?::\s*\w+\s*)?=\s*(Flask|FastAPI|Starlette|Quart)\(", re.MULTILINE)
    modules = [name for name in ("app.py", "main.py", "wsgi.py", "asgi.py", "server.py") if project.has(name)]
    for module in [*modules, *sorted(set(project.files) - set(modules))]:
        found = web.search(project.text(module)) if module.endswith(".py") and "/" not in module else None
        if found is None:
            continue
        target = f"{module.removesuffix('.py')}:{found[1]}"
        if "uvicorn" in used and found[2] != "Flask":
            return ["@/bin/uvicorn", "--app-dir", "@/app", "--host", "0.0.0.0", "--port", "8000", target], [8000]
        if "gunicorn" in used:
            return ["@/bin/gunicorn", "--chdir", "@/app", "--bind", "0.0.0.0:8000", target], [8000]
        if "waitress" in used:
            return ["@/bin/waitress-serve", "--listen=0.0.0.0:8000", target], [8000]
    scripts = data.get("scripts")
    if isinstance(scripts, dict) and scripts:
        return [f"@/bin/{min(map(str, scripts))}"], []
    if not project.has("pyproject.toml", "setup.py"):
        for module in modules:
            return ["@/bin/python3", f"@/app/{module}"], []
    return None, []


def node(project: Project) -> Guess | None:
    """package.json."""
    if not project.has("package.json"):
        return None
    data = project.json("package.json")
    said, todo = ["package.json: a Node project"], []
    if project.has("package-lock.json"):
        said.append("package-lock.json: its packages, by their integrity")
        scripted = _scripted(project.json("package-lock.json"))
        if scripted:
            said.append(
                f"package-lock.json: {', '.join(scripted)} have scripts that run at installation, and do not here"
            )
    else:
        todo.append("lock the packages: npm install --package-lock-only")
    scripts = _record(data.get("scripts"))
    fields = [("lock", "./package-lock.json")]
    if "build" in scripts:
        fields += [("omit", "[]"), ("build", text("npm run build"))]
        said.append(f"it is built by its script: {scripts['build']}")
    start = re.fullmatch(r"node\s+(\S+)", str(scripts.get("start", "")).strip())
    main = start[1] if start else data.get("main") if isinstance(data.get("main"), str) else None
    main = main or project.has("server.js", "index.js", "app.js", "src/index.js")
    entrypoint = ["/usr/bin/node", f"@/app/{main.removeprefix('./')}"] if main else None
    if entrypoint is None:
        todo.append("say in the image's `entrypoint` what it runs")
    else:
        said.append(f"the image runs {_shown(entrypoint)}")
    name, version = _name(data.get("name"), project), _version(data.get("version"))
    return Guess("node", name, version, fields, [], entrypoint, [], said, todo)


def _scripted(lock: dict[str, Any]) -> list[str]:
    """The packages of a lock that run something when they are installed, and are not for developers alone."""
    packages = _record(lock.get("packages")).items()
    found = [where for where, p in packages if _record(p).get("hasInstallScript") and not _record(p).get("dev")]
    return [where.rpartition("node_modules/")[2] for where in found]


def go(project: Project) -> Guess | None:
    """go.mod."""
    if not project.has("go.mod"):
        return None
    module = re.search(r"^module\s+(\S+)", project.text("go.mod"), re.MULTILINE)
    path = module[1].strip('"') if module else project.name
    base = [part for part in path.split("/") if not re.fullmatch(r"v\d+", part)] or [project.name]
    name = _name(base[-1], project)
    said, todo = [f"go.mod: the Go module {path}"], []
    fields: list[tuple[str, str]] = []
    programs = sorted({file.split("/")[1] for file in project.files if re.fullmatch(r"cmd/[^/]+/[^/]+\.go", file)})
    below = bool(programs) and not any("/" not in file and file.endswith(".go") for file in project.files)
    if below:
        fields.append(("packages", '["./cmd/..."]'))
        said.append(f"cmd: the programs {', '.join(programs)}")
        name = _name(programs[0], project) if len(programs) == 1 else name
    if "vendor" in project.folders:
        said.append("vendor: its modules")
    elif project.text("go.sum").strip():
        fields.append(("lock", "./go.sum"))
        said.append("go.sum: its modules, by their hashes")
    elif re.search(r"^require\b", project.text("go.mod"), re.MULTILINE):
        todo.append("lock its modules: go mod tidy")
    entrypoint = [f"@/bin/{programs[0] if below else base[-1]}"]
    return Guess("go", name, None, fields, [], entrypoint, [], said, todo)


def rust(project: Project) -> Guess | None:
    """Cargo.toml."""
    if not project.has("Cargo.toml"):
        return None
    data = project.toml("Cargo.toml")
    package = _record(data.get("package"))
    said, todo = ["Cargo.toml: a Rust crate"], []
    fields: list[tuple[str, str]] = []
    name = _name(package.get("name"), project)
    if not package:
        programs = sorted(file.removesuffix("/src/main.rs") for file in project.files if file.endswith("/src/main.rs"))
        if len(programs) == 1:
            fields.append(("crate", text(programs[0])))
            said.append(f"{programs[0]}: the crate of its program")
            name = _name(programs[0], project)
        else:
            todo.append("name the crate of the workspace that is built: crate = ...")
    if not project.has("Cargo.lock"):
        todo.append("lock its crates: cargo generate-lockfile")
    if "vendor" in project.folders:
        said.append("vendor: its crates")
    elif any(data.get(part) for part in ("dependencies", "build-dependencies", "dev-dependencies")):
        todo.append("put its crates beside it: cargo vendor")
    version = _version(package.get("version"))
    library = project.has("src/lib.rs") is not None and "bin" not in data
    library = library and not any(file == "src/main.rs" or file.startswith("src/bin/") for file in project.files)
    if library:
        said.append(_LIBRARY)
    return Guess("rust", name, version, fields, [], [f"@/bin/{name}"], [], said, todo, library)


def ruby(project: Project) -> Guess | None:
    """Gemfile."""
    if not project.has("Gemfile"):
        return None
    said, todo = ["Gemfile: a Ruby project"], []
    if not project.has("Gemfile.lock"):
        todo.append("lock its gems: bundle lock")
    fields: list[tuple[str, str]] = []
    gems = [file for file in project.files if file.startswith("vendor/cache/")]
    native = [gem for gem in gems if re.search(r"^extensions:\n *- ", project.text(gem), re.MULTILINE)]
    if native:
        fields.append(("native", "true"))
        said.append(f"vendor/cache: its gems, of which {_few(native)} {'is' if len(native) == 1 else 'are'} compiled")
    elif gems:
        said.append("vendor/cache: its gems")
    else:
        todo.append("put its gems beside it: bundle package")
    programs = sorted(file for file in project.files if re.fullmatch(r"bin/(?!bundle|rails|rake|setup|dev)[^/]+", file))
    entrypoint = None
    if project.has("config.ru"):
        server = "puma" if "puma" in project.text("Gemfile") else "rackup"
        entrypoint = [f"@/bin/{server}", "@/app/config.ru"]
        said.append(f"config.ru: the image runs {server}")
    elif len(programs) == 1:
        entrypoint = [f"@/{programs[0]}"]
        said.append(f"the image runs {programs[0]}")
    else:
        todo.append("say in the image's `entrypoint` what it runs")
    return Guess("ruby", _name(None, project), None, fields, [], entrypoint, [], said, todo)


def cmake(project: Project) -> Guess | None:
    """CMakeLists.txt."""
    if not project.has("CMakeLists.txt"):
        return None
    content = project.text("CMakeLists.txt")
    named = re.search(r"\bproject\s*\(\s*([\w.+-]+)(?:[^)]*?\bVERSION\s+([\d.]+))?", content, re.IGNORECASE)
    found = re.search(r"\badd_executable\s*\(\s*([\w.+-]+)", content, re.IGNORECASE)
    library = re.search(r"\badd_library\s*\(", content, re.IGNORECASE)
    below = re.search(r"\badd_subdirectory\s*\(", content, re.IGNORECASE)
    made = _compiled("cmake", project, "CMakeLists.txt: a CMake project", named, found and found[1])
    return _library(made) if library and not found and not below else made


def meson(project: Project) -> Guess | None:
    """meson.build."""
    if not project.has("meson.build"):
        return None
    content = project.text("meson.build")
    named = re.search(r"\bproject\s*\(\s*'([\w.+-]+)'(?:[^)]*?\bversion\s*:\s*'([^']+)')?", content)
    found = re.search(r"\bexecutable\s*\(\s*'([\w.+-]+)'", content)
    library = re.search(r"\b(?:shared_|static_|both_|)(?:library|libraries)\s*\(", content)
    made = _compiled("meson", project, "meson.build: a Meson project", named, found and found[1])
    return _library(made) if library and not found and not re.search(r"\bsubdir\s*\(", content) else made


def autotools(project: Project) -> Guess | None:
    """configure or configure.ac."""
    why = project.has("configure", "configure.ac")
    if why is None:
        return None
    named = re.search(r"\bAC_INIT\s*\(\s*\[?([\w.+-]+)\]?(?:\s*,\s*\[?([\w.+-]+)\]?)?", project.text("configure.ac"))
    found = re.search(r"^bin_PROGRAMS\s*=\s*([\w.+-]+)", project.text("Makefile.am"), re.MULTILINE)
    made = _compiled("autotools", project, f"{why}: a project with configure", named, found and found[1])
    if why == "configure":
        return made
    said = [*made.said, "configure is made first, from configure.ac"]
    return made._replace(fields=[("bootstrap", "true")], said=said)


def make(project: Project) -> Guess | None:
    """Makefile."""
    why = project.has("GNUmakefile", "makefile", "Makefile")
    if why is None:
        return None
    content = project.text(why)
    given = dict(re.findall(r"^(\w+)[ \t]*[:?]?=[ \t]*([^\s#]+)[ \t]*$", content, re.MULTILINE))
    content = re.sub(r"\$[({](\w+)[)}]", lambda name: given.get(name[1], name[0]), content)
    program = _installed(content) or _first_target(content)
    made = _compiled("make", project, f"{why}: a project with a Makefile", None, program)
    if re.search(r"^install\s*:", content, re.MULTILINE):
        return made
    todo = [*made.todo, f"{why} has no target `install`: say in `install` which files belong into $out"]
    program = program or made.name
    return made._replace(fields=[("install", text(f'install -D {program} "$out/bin/{program}"'))], todo=todo)


_INSTALLS = re.compile(
    r"[\t@-]*(?:install|cp|\$[({]INSTALL\w*[)}])\s.*?(\S+)\s+\S*bin(?:dir[)}])?(/\S*)?\s*\Z", re.IGNORECASE
)
_PROGRAM = re.compile(r"[A-Za-z0-9][\w+-]*")


def _installed(makefile: str) -> str | None:
    """The first program that a Makefile puts into a bin directory, by a line such as `install hello $(bindir)`."""
    for recipe in re.findall(r"^install[\w-]*[ \t]*:.*\n((?:\t.*(?:\n|\Z)|[ \t]*\n)+)", makefile, re.MULTILINE):
        for line in recipe.splitlines():
            into = _INSTALLS.match(line)
            name = into and ((into[2] or "").strip("/") or into[1]).rpartition("/")[2]
            if name and _PROGRAM.fullmatch(name):
                return name
    return None


def _first_target(makefile: str) -> str | None:
    """What a Makefile makes by itself, if that looks like a program."""
    found = re.search(r"^([^\s:#=.%][^\s:#=]*)[ \t]*:(?!=)[ \t]*([^\s#]*)", makefile, re.MULTILINE)
    name = found and (found[2] if found[1] in ("all", "default") else found[1])
    return name if name and _PROGRAM.fullmatch(name) and name != "install" else None


def _compiled(call: str, project: Project, why: str, named: re.Match[str] | None, program: str | None) -> Guess:
    name = _name(named[1] if named else None, project)
    version = _version(named[2] if named else None)
    run = program or name
    return Guess(call, name, version, [], [], [f"@/bin/{run}"], [], [why, f"the image runs its program {run}"])


_LIBRARY = "it is a library, so there is no image"


def _library(made: Guess) -> Guess:
    return made._replace(library=True, said=[made.said[0], _LIBRARY])


KINDS: Sequence[Callable[[Project], Guess | None]] = (
    python, node, go, rust, ruby, cmake, meson, autotools, make,
)  # fmt: skip


# ---- values that were found


def text(value: str) -> str:
    """A string of the language."""
    value = re.sub(r"[\x00-\x1f\x7f]", " ", value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${") + '"'


def _record(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _records(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _strings(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _name(value: Any, project: Project) -> str:
    found = value if isinstance(value, str) else project.name
    return re.sub(r"[^A-Za-z0-9+._-]+", "-", found.rpartition("/")[2]).strip("-.")[:100] or "app"


def _version(value: Any) -> str | None:
    found = re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,60}", value) if isinstance(value, str) else None
    return found[0] if found else None


def _few(files: Sequence[str]) -> str:
    names = [file.rpartition("/")[2] for file in files]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _shown(entrypoint: list[str]) -> str:
    """A command for people: what lies in the package is called by its place in there."""
    return " ".join(word.removeprefix("@/") for word in entrypoint)
