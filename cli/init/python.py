"""Guess how a Python project is installed: its lock, its build requirements, its version and its Python."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fpack.builders.python.locks import LOCKS
from fpack.builders.python.native import crates_of
from fpack.builders.python.project import PythonProject, read_python_project
from fpack.builders.python.requirements import requirement

from .code.known_packages import known_libraries
from .guess import LIBRARY, Guess, clean_name, clean_version, record, records, shown, text
from .language_versions import allowed_pythons, choose_python
from .project import Project
from .python_programs import PythonProgram, find_program, released_scripts


def python(project: Project) -> Guess | None:
    """Guess from pyproject.toml, setup.py, setup.cfg, a lock, requirements.txt or a Django project."""
    why = project.has("pyproject.toml", "setup.py", "setup.cfg", *LOCKS, "requirements.txt", "Pipfile", "manage.py")
    if why is None or (why == "setup.cfg" and "[metadata]" not in project.text(why)):
        return None
    known = read_python_project(lambda name: project.text(name) if project.has(name) else None)
    if known.is_project and not known.scripts:
        known = known._replace(scripts=released_scripts(project))
    installs = known.is_project and bool(known.scripts or not known.table_only)
    reasons = [f"{why}: a Python project"]
    todo: list[str] = []
    fields = _locked(project, known, installs, reasons, todo)
    used = _used(project, known)
    program = find_program(project, known, used, installs)
    missing = [name for name in program.needs if name not in used]
    if missing and not any(key == "lock" for key, _ in fields):
        fields.append(("needs", f"[{', '.join(map(text, missing))}]"))
        reasons.append(f"{', '.join(missing)} serves it, and is added")
    elif missing:
        todo.append(f"add {', '.join(missing)} to the project's dependencies, and lock again")
    version = known.version or _module_version(project, known) or _info_version(project)
    chosen = choose_python(project, known)
    if chosen.version:
        fields.append(("python", text(chosen.version)))
    reasons += [chosen.reason] if chosen.reason else []
    todo += [chosen.todo] if chosen.todo else []
    if known.is_project and "build-system" not in project.toml("pyproject.toml") and _is_poetrys(project):
        todo.append(f"add a table [build-system] to pyproject.toml: {_WITHOUT_SYSTEM}")
    crates = crates_of(name for line in known.build if installs and (name := _required(line)))
    if crates and "vendor" not in project.directories:
        todo.append(f"the build uses {crates[0]}: vendor its crates with cargo vendor, no Python lock has them")
    fields += [("env", f"{{ {name} = {text(value)} }}") for name, value in program.env]
    library = program.entrypoint is None and installs and not program.reasons
    name = clean_name(known.name, project)
    if library:
        reasons.append(LIBRARY)
    elif program.entrypoint is None:
        todo.append("set the image's `entrypoint` to the program to run")
    else:
        reasons += [*program.reasons, f"the image runs {shown(list(program.entrypoint))}"]
    made = Guess(
        "python", name, clean_version(version), fields, ["python3-venv"], program.entrypoint, program.ports, reasons,
        todo, library,
    )  # fmt: skip
    asks = {"lock", "requirements", "project", "needs"} & {key for key, _ in fields}
    loads = list(known_libraries(used))
    made = made._replace(
        environment=bool(asks), image_env=program.image_env, release=chosen.release, loads=loads, first=program.first,
        also_installs=program.also_installs, uses=frozenset(used), pythons=allowed_pythons(project, known),
    )  # fmt: skip
    return _with_state(made, program) if program.state or program.writes_here else made


_WITHOUT_SYSTEM = (
    'without requires = ["poetry-core"] and build-backend = "poetry.core.masonry.api", pip does not install the modules'
)


def _is_poetrys(project: Project) -> bool:
    """Return whether only the table of Poetry says what a project is."""
    data = project.toml("pyproject.toml")
    poetry = record(record(data.get("tool")).get("poetry"))
    return bool(poetry) and "project" not in data and project.has("setup.py", "setup.cfg") is None


def _with_state(made: Guess, program: PythonProgram) -> Guess:
    """Return a guess whose program writes to a directory of the image in the place of one below the output."""
    where = f"/var/lib/{made.name}"
    if program.writes_here:
        reasons = [*made.reasons, f"its SQLite database is in {where}, the working directory; mount a volume there"]
        return made._replace(directories=[where], workdir=where, reasons=reasons)
    path = program.state
    above, _, name = path.rpartition("/")
    is_file = name.endswith((".db", ".sqlite", ".sqlite3"))
    target = f"{where}/{name}" if is_file else where
    link = f'mkdir -p "$out/{above}"; rm -rf "$out/{path}"; ln -s {target} "$out/{path}"'
    what = f"its SQLite database is {target}" if is_file else f"it writes to its instance folder, which is {where}"
    reasons = [*made.reasons, f"{what}; mount a volume at {where}"]
    # The state is in its place before other commands run.
    installs = "; ".join(filter(None, [link, made.also_installs]))
    return made._replace(also_installs=installs, directories=[where], reasons=reasons)


def _locked(
    project: Project, known: PythonProject, installs: bool, reasons: list[str], todo: list[str]
) -> list[tuple[str, str]]:
    """Return the fields that say which packages are installed."""
    fields: list[tuple[str, str]] = []
    described = project.has("pyproject.toml", "setup.cfg", "setup.py")
    lock = project.has(*LOCKS)
    requirements = project.text("requirements.txt")
    hashed = "--hash=" in requirements
    if lock is not None:
        fields.append(("lock", f"./{lock}"))
        reasons.append(f"{lock}: packages with hashes")
        built = _built_packages(project.toml(lock)) if lock == "pylock.toml" else []
        if built and not installs:
            fields.append(("sources", "true"))
            reasons.append(f"pylock.toml: {', '.join(built)} are built from source")
    elif hashed:
        fields.append(("requirements", "./requirements.txt"))
        reasons.append("requirements.txt: packages with hashes")
    elif requirements.strip() and (not known.requirements or not installs):
        fields.append(("requirements", "./requirements.txt"))
        reasons.append("requirements.txt: packages that the first build locks in fpack.lock")
    elif known.unread:
        todo.append(f"list the dependencies in `needs` ({known.unread})")
        fields.append(("needs", "[]"))
    elif known.requirements:
        reasons.append(f"{described}: dependencies that the first build locks in fpack.lock")
    if described and (
        installs or lock in ("uv.lock", "poetry.lock", "pdm.lock") or (known.requirements and not fields)
    ):
        fields.append(("project", f"./{described}"))
        backend = known.backend.partition(".")[0].partition(":")[0]
        if installs:
            reasons.append(f"{described}: it is built with {backend or 'setuptools'}")
    return fields


def _used(project: Project, known: PythonProject) -> set[str]:
    """Return the names of the packages that the project asks for, or that its lock has."""
    found = set()
    for line in [*known.requirements, *project.text("requirements.txt").splitlines()]:
        if name := _required(line):
            found.add(name)
    for lock in LOCKS:
        found |= set(re.findall(r'^name = "([A-Za-z0-9._-]+)"', project.text(lock).lower(), re.MULTILINE))
    return found


def _required(line: str) -> str | None:
    """Return the name of the package that a line requires, or None if it is no requirement."""
    if line.lstrip().startswith(("#", "-")):
        return None
    try:
        return requirement(re.split(r"\s--hash|\s#|\\$", line)[0]).name
    except ValueError:
        return None


def _module_version(project: Project, known: PythonProject) -> str | None:
    """Return `__version__` of the project's module."""
    module = re.sub(r"[-.]", "_", known.name or project.name)
    for path in (f"{module}/__init__.py", f"src/{module}/__init__.py", f"{module}.py", f"{module}/_version.py"):
        found = re.search(r"""^__version__\s*(?::\s*\w+\s*)?=\s*["']([^"']+)["']""", project.text(path), re.MULTILINE)
        if found:
            return found[1]
    return None


def _info_version(project: Project) -> str | None:
    found = re.search(r"^Version:\s*(\S+)", project.text("PKG-INFO").partition("\n\n")[0], re.MULTILINE)
    return found[1] if found else None


def _built_packages(lock: dict[str, Any]) -> Sequence[str]:
    """Return the packages of a pylock.toml that have no wheel."""
    packages = records(lock.get("packages"))
    return [str(p.get("name")) for p in packages if not p.get("wheels") and p.keys() & {"sdist", "archive"}]
