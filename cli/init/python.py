"""Guess how a Python project is built and run."""

from __future__ import annotations

import re
from typing import Any

from .guess import Guess, clean_name, clean_version, record, records, shown, strings
from .project import Project


def python(project: Project) -> Guess | None:
    """Guess from pyproject.toml, setup.py or requirements.txt."""
    why = project.has("pyproject.toml", "setup.py", "requirements.txt", "pylock.toml")
    if why is None:
        return None
    data: dict[str, Any] = record(project.toml("pyproject.toml").get("project"))
    name, version = clean_name(data.get("name"), project), clean_version(data.get("version"))
    reasons = [f"{why}: a Python project"]
    todo: list[str] = []
    fields: list[tuple[str, str]] = []
    locked = project.text("requirements.txt")
    if project.has("pylock.toml"):
        fields.append(("lock", "./pylock.toml"))
        reasons.append("pylock.toml: packages with hashes")
        built = _built_packages(project.toml("pylock.toml"))
        if built:
            fields.append(("sources", "true"))
            reasons.append(f"pylock.toml: {', '.join(built)} are built from source")
    elif "--hash=" in locked:
        fields.append(("requirements", "./requirements.txt"))
        reasons.append("requirements.txt: packages with hashes")
    elif locked.strip() or data.get("dependencies"):
        source = "requirements.txt" if locked.strip() else "pyproject.toml"
        fields.append(("requirements", "./requirements.lock.txt"))
        todo.append(f"lock the packages: pip-compile --generate-hashes -o requirements.lock.txt {source}")
    tools, unknown = _backend(project.toml("pyproject.toml"))
    if tools:
        fields.append(("tools", f"[{', '.join(f'debian.{tool}' for tool in tools)}]"))
        reasons.append(f"pyproject.toml: the build needs {', '.join(tools)}")
    todo += [f"add to `tools` the Debian package of {name}, which the build needs" for name in unknown]
    used = f"{locked} {project.text('pylock.toml')} {' '.join(strings(data.get('dependencies')))}".lower()
    entrypoint, ports = _python_program(project, used, data)
    if entrypoint is None:
        todo.append("set the image's `entrypoint` to the program to run")
    else:
        reasons.append(f"the image runs {shown(entrypoint)}")
    return Guess("python", name, version, fields, ["python3-venv"], entrypoint, ports, reasons, todo)


_BACKENDS = {
    "setuptools": "", "wheel": "", "hatchling": "python3-hatchling", "hatch-vcs": "python3-hatch-vcs",
    "poetry-core": "python3-poetry-core", "pdm-backend": "python3-pdm-backend", "flit-core": "flit",
    "setuptools-scm": "python3-setuptools-scm", "meson-python": "python3-mesonpy",
    "scikit-build-core": "python3-scikit-build-core", "cython": "cython3",
}  # fmt: skip


def _backend(data: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return the Debian packages of the build requirements, and the requirements without a known package."""
    requires = strings(record(data.get("build-system")).get("requires"))
    found = [re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0].lower() for requirement in requires]
    names = [re.sub(r"[-_.]+", "-", name) for name in found]
    return [_BACKENDS[n] for n in names if _BACKENDS.get(n)], [n for n in names if n not in _BACKENDS]


def _built_packages(lock: dict[str, Any]) -> list[str]:
    """Return the packages of a pylock.toml that have no wheel."""
    packages = records(lock.get("packages"))
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
