"""Read what a Python project says of itself: pyproject.toml, setup.cfg and setup.py, without running anything.

All functions are pure. Damaged files count as absent: the build reports them better.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fpack import strict_toml

from .names import normal
from .package_info import egg_requires, parse_info, split_extras
from .requirements import is_requirement
from .setup_code import UNKNOWN, from_files, setup_arguments

DEFAULT_BUILD = ("setuptools>=40.8.0",)
DEFAULT_BACKEND = "setuptools.build_meta:__legacy__"


class PythonProject(NamedTuple):
    """A project's metadata.

    version: None if it is computed when it is built. requirements: of the run, without extras. extras, groups: further
    requirements by name. build: requirements of the build. scripts: names of its commands, with the object that each
    calls. unread: why dependencies could not be read without running code, or "". is_project: it can be installed.
    extensions: it probably compiles code.
    """

    name: str | None = None
    version: str | None = None
    requirements: tuple[str, ...] = ()
    extras: Mapping[str, tuple[str, ...]] = {}
    groups: Mapping[str, tuple[str, ...]] = {}
    build: tuple[str, ...] = DEFAULT_BUILD
    backend: str = DEFAULT_BACKEND
    scripts: Mapping[str, str] = {}
    requires_python: str = ""
    unread: str = ""
    is_project: bool = False
    table_only: bool = False
    extensions: bool = False


def read_python_project(read: Callable[[str], str | None]) -> PythonProject:
    """Read a project. read: returns the text of a file by its relative path, or None if there is none."""
    texts = {name: read(name) for name in ("pyproject.toml", "setup.cfg", "setup.py")}
    data = _toml(texts["pyproject.toml"] or "")
    found = PythonProject(extensions=_compiles(texts["setup.py"] or "", data))
    system = _record(data.get("build-system"))
    if system:
        requires = strings(system.get("requires"))
        backend = system.get("build-backend")
        requires += _hooks(_record(_record(_record(data.get("tool")).get("hatch")).get("build")))
        found = found._replace(build=tuple(requires), backend=backend if isinstance(backend, str) else DEFAULT_BACKEND)
    project = _record(data.get("project"))
    poetry = _record(_record(data.get("tool")).get("poetry"))
    if project.get("name"):
        found = found._replace(table_only=not system and not texts["setup.cfg"] and not texts["setup.py"])
        found = _of_project(found, project, texts, read)
        if "dependencies" not in project and poetry:
            found = found._replace(requirements=_poetry_dependencies(_record(poetry.get("dependencies"))))
    elif poetry:
        found = _of_poetry(found, poetry)
    elif texts["setup.cfg"] or texts["setup.py"]:
        found = _of_setup(found, texts, read)
    else:
        flit = _record(_record(data.get("tool")).get("flit"))
        metadata = _record(flit.get("metadata"))
        if metadata:
            scripts = {k: v for k, v in _record(flit.get("scripts")).items() if isinstance(v, str)}
            name = metadata.get("dist-name") or metadata.get("module")
            found = found._replace(
                name=_text(name),
                requirements=tuple(strings(metadata.get("requires"))),
                scripts=scripts,
                is_project=True,
            )
        elif system:
            found = found._replace(is_project=bool(texts["pyproject.toml"]))
    runs_code = texts["setup.py"] and "dependencies" not in project and not poetry and not _names_requirements(texts)
    if found.unread or runs_code:
        found = _of_info(found, read)
    return found._replace(groups={**found.groups, **_groups(_record(data.get("dependency-groups")))})


def strings(value: Any) -> list[str]:
    """Return the strings in `value` if it is a list, else nothing."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _names_requirements(texts: Mapping[str, str | None]) -> bool:
    return bool(re.search(r"^install_requires\s*=", texts["setup.cfg"] or "", re.MULTILINE))


def _of_info(found: PythonProject, read: Callable[[str], str | None]) -> PythonProject:
    """Return a project with the requirements that a source distribution has of its setup.py.

    Its PKG-INFO has them, or else the requires.txt of setuptools.
    """
    info = parse_info(read("PKG-INFO") or "")
    if info.says:
        requires = info.requires
    elif info.name and (egg := next(filter(None, map(read, _eggs(info.name))), None)):
        requires = tuple(egg_requires(egg))
    else:
        return found
    requirements, extras = split_extras(requires)
    return found._replace(
        requirements=tuple(filter(is_requirement, requirements)),
        extras={**{normal(name): lines for name, lines in extras.items()}, **found.extras},
        unread="",
    )


def _eggs(name: str) -> list[str]:
    """Return where setuptools may have written the requirements of a source distribution."""
    plain = re.sub(r"[^A-Za-z0-9.]+", "_", name)
    names = dict.fromkeys([plain, plain.lower(), plain.replace(".", "_"), plain.lower().replace(".", "_")])
    return [f"{folder}{each}.egg-info/requires.txt" for folder in ("", "src/") for each in names]


# ---- pyproject.toml


def _of_project(
    found: PythonProject, project: dict[str, Any], texts: Mapping[str, str | None], read: Callable[[str], str | None]
) -> PythonProject:
    dynamic = strings(project.get("dynamic"))
    scripts = {**_record(project.get("scripts")), **_record(project.get("gui-scripts"))}
    made = found._replace(
        name=_text(project.get("name")),
        version=_text(project.get("version")),
        requirements=tuple(strings(project.get("dependencies"))),
        extras={normal(k): tuple(strings(v)) for k, v in _record(project.get("optional-dependencies")).items()},
        scripts={k: v for k, v in scripts.items() if isinstance(v, str)},
        requires_python=_text(project.get("requires-python")) or "",
        is_project=True,
    )
    if "dependencies" in dynamic:
        data = _toml(texts["pyproject.toml"] or "")
        table = _record(
            _record(_record(_record(data.get("tool")).get("setuptools")).get("dynamic")).get("dependencies")
        )
        files = table.get("file")
        names = [files] if isinstance(files, str) else strings(files)
        if names:
            made = made._replace(requirements=from_files(names, read))
        elif texts["setup.cfg"] or texts["setup.py"]:
            older = _of_setup(found, texts, read)
            made = made._replace(requirements=older.requirements, unread=older.unread)
        else:
            made = made._replace(unread="pyproject.toml: its dependencies are dynamic")
    return made


def _groups(table: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the dependency groups (PEP 735), with those that they include."""

    def expand(name: str, seen: tuple[str, ...]) -> list[str]:
        if name in seen:
            return []
        found = []
        items = table.get(next((key for key in table if normal(key) == name), ""))
        for item in items if isinstance(items, list) else []:
            if isinstance(item, str):
                found.append(item)
            elif isinstance(item, dict) and isinstance(item.get("include-group"), str):
                found += expand(normal(item["include-group"]), (*seen, name))
        return found[:10_000]

    return {normal(name): tuple(expand(normal(name), ())) for name in list(table)[:1000]}


def _hooks(table: dict[str, Any], depth: int = 0) -> list[str]:
    """Return what hatchling's build hooks depend on, of all targets."""
    found = []
    for hook in _record(table.get("hooks")).values():
        found += [text for text in strings(_record(hook).get("dependencies")) if is_requirement(text)]
    for target in _record(table.get("targets")).values() if depth == 0 else ():
        found += _hooks(_record(target), 1)
    return found


# ---- Poetry's own tables


def _of_poetry(found: PythonProject, poetry: dict[str, Any]) -> PythonProject:
    dependencies = _record(poetry.get("dependencies"))
    scripts = {k: v for k, v in _record(poetry.get("scripts")).items() if isinstance(v, str)}
    python = dependencies.get("python")
    optional = {k: v for k, v in dependencies.items() if isinstance(v, dict) and v.get("optional")}
    extras = {
        normal(extra): _poetry_dependencies({name: dependencies.get(name, "*") for name in strings(names)})
        for extra, names in _record(poetry.get("extras")).items()
    }
    groups = {
        normal(name): _poetry_dependencies(_record(_record(group).get("dependencies")))
        for name, group in _record(poetry.get("group")).items()
    }
    return found._replace(
        name=_text(poetry.get("name")),
        version=_text(poetry.get("version")),
        requirements=_poetry_dependencies({k: v for k, v in dependencies.items() if k not in optional}),
        extras=extras,
        groups=groups,
        scripts=scripts,
        requires_python=caret(python) if isinstance(python, str) else "",
        is_project=poetry.get("package-mode", True) is not False,
    )


def _poetry_dependencies(table: dict[str, Any]) -> tuple[str, ...]:
    found = []
    for name, value in table.items():
        if name == "python":
            continue
        for item in value if isinstance(value, list) else [value]:
            given = item if isinstance(item, dict) else {"version": item}
            version = given.get("version")
            if not isinstance(version, str):
                continue  # a path or a repository
            extras = ",".join(strings(given.get("extras")))
            markers = [given["markers"]] if isinstance(given.get("markers"), str) else []
            if isinstance(given.get("python"), str):
                markers += [f"python_version {c.strip()}" for c in _quoted_clauses(caret(given["python"]))]
            text = f"{name}{f'[{extras}]' if extras else ''}{caret(version)}"
            if markers:
                text += " ; " + " and ".join(f"({marker})" for marker in markers)
            if is_requirement(text):
                found.append(text)
    return tuple(found)


def _quoted_clauses(versions: str) -> list[str]:
    return [re.sub(r"^([<>=!~]+)(.*)$", r'\1 "\2"', clause.strip()) for clause in versions.split(",") if clause.strip()]


def caret(versions: str) -> str:
    """Return Poetry's version constraint as a specifier of PEP 440. Of alternatives, the last is kept."""
    text = " ".join(versions.split("||")[-1].split(" | ")[-1].split())
    found = []
    for clause in re.split(r"\s*,\s*|\s+(?=[<>=!~^])", text):
        clause = clause.strip()
        match = re.fullmatch(r"([~^]|)\s*v?(\d+(?:\.\d+)*)((?:[-.]?(?:a|b|rc|alpha|beta|dev|post)[-.]?+\d*+)*)", clause)
        if not clause or clause == "*":
            continue
        if match is None:
            found.append(clause.replace(" ", ""))
            continue
        numbers = [int(n) for n in match[2].split(".")]
        if match[1] == "":
            found.append(f"=={clause}")
            continue
        if match[1] == "~":
            upper = [numbers[0] + 1] if len(numbers) == 1 else [numbers[0], numbers[1] + 1]
        else:
            first = next((i for i, n in enumerate(numbers) if n), len(numbers) - 1)
            upper = [*numbers[:first], numbers[first] + 1]
        found += [f">={match[2]}{match[3]}", f"<{'.'.join(map(str, upper))}"]
    return ",".join(found)


# ---- setup.cfg and setup.py


def _of_setup(
    found: PythonProject, texts: Mapping[str, str | None], read: Callable[[str], str | None]
) -> PythonProject:
    given = setup_arguments(texts["setup.py"] or "", read)
    config = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        config.read_string(texts["setup.cfg"] or "")
    except (configparser.Error, ValueError):
        config = configparser.ConfigParser(interpolation=None)
    option = config.get
    name = option("metadata", "name", fallback=None) or given.get("name")
    version = option("metadata", "version", fallback=None) or given.get("version")
    lines = option("options", "install_requires", fallback="")
    requires: Any = _lines(lines, read) if lines.strip() else given.get("install_requires", [])
    unread = "" if requires is not UNKNOWN else "setup.py: install_requires is computed"
    sections = config.items("options.extras_require") if config.has_section("options.extras_require") else []
    extras = {normal(name): tuple(_lines(text, read)) for name, text in sections}
    further = given.get("extras_require")
    for key, value in (further if isinstance(further, dict) else {}).items():
        extras.setdefault(normal(str(key)), tuple(strings(value)))
    scripts: dict[str, str] = {}
    entries: Any = given.get("entry_points")
    own = option("options.entry_points", "console_scripts", fallback="")
    own += "\n" + option("entry_points", "console_scripts", fallback="")  # the section of pbr
    if isinstance(entries, str):
        parsed = configparser.ConfigParser(interpolation=None, strict=False, delimiters=("=",))
        try:
            parsed.read_string(re.sub(r"^[ \t]+", "", entries, flags=re.MULTILINE))
            own += "\n" + "\n".join(f"{k} = {v}" for k, v in parsed.items("console_scripts"))
        except (configparser.Error, ValueError):
            pass
    elif isinstance(entries, dict):
        listed = entries.get("console_scripts")
        own += "\n" + (listed if isinstance(listed, str) else "\n".join(strings(listed)))
    for line in own.splitlines():
        left, sign, right = line.partition("=")
        if sign and re.fullmatch(r"[\w.+-]+", left.strip()):
            scripts[left.strip()] = right.strip()
    for script in [*strings(given.get("scripts")), *option("files", "scripts", fallback="").split()]:
        scripts[script.rpartition("/")[2]] = script
    build, python = found.build, given.get("python_requires")
    for section in ("metadata", "options"):  # pbr has it beside the name
        python = option(section, "python_requires", fallback=None) or python
    setup_requires = given.get("setup_requires")
    if strings(setup_requires):
        build = (*build, *strings(setup_requires))
    return found._replace(
        name=_text(name),
        version=_text(version) if not re.match(r"(attr|file)\s*:", str(version)) else None,
        requirements=tuple(r for r in strings(requires) if is_requirement(r)),
        extras=extras,
        scripts=scripts,
        build=build,
        requires_python=_text(python) or "",
        unread=unread,
        is_project=True,
    )


def _lines(text: str, read: Callable[[str], str | None]) -> list[str]:
    if text.strip().startswith("file:"):
        return list(from_files([name.strip() for name in text.strip()[5:].split(",")], read))
    return [line.strip() for line in re.split(r"\n", text) if line.strip() and not line.strip().startswith("#")]


# ---- inside


_NATIVE = re.compile(r"\b(Extension|ext_modules|cythonize|CMakeExtension|RustExtension|cffi_modules|build_ext)\b")
_NATIVE_BACKENDS = ("mesonpy", "scikit_build_core", "maturin", "setuptools_rust", "py_build_cmake", "sipbuild")


def _compiles(setup: str, data: dict[str, Any]) -> bool:
    system = _record(data.get("build-system"))
    backend, requires = str(system.get("build-backend", "")), " ".join(strings(system.get("requires"))).lower()
    setuptools = _record(_record(data.get("tool")).get("setuptools"))
    return bool(
        _NATIVE.search(setup)
        or "ext-modules" in setuptools
        or backend.startswith(_NATIVE_BACKENDS)
        or re.search(r"\b(cython|pybind11|nanobind|cffi|scikit-build|mypyc|setuptools[-_]rust|swig)\b", requires)
    )


def _toml(text: str) -> dict[str, Any]:
    try:
        return strict_toml.parse(text)
    except ValueError:
        return {}


def _record(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
