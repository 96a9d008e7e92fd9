"""Read the locks of other tools: pylock.toml (PEP 751), uv.lock, poetry.lock, pdm.lock and requirements with hashes.

The readers are pure, and a lock is untrusted: what is malformed is a PythonLockUnreadable with the name of the entry. A
reader returns the packages that one Python on one platform needs, each with the files that the lock allows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from fpack import strict_toml
from fpack.store.errors import FpackError, malformation

from .markers import Environment, holds
from .names import normal
from .project import PythonProject, caret, strings
from .requirements import requirement
from .versions import satisfies, specifier
from .wheels import IndexFile

LOCKS = ("pylock.toml", "uv.lock", "poetry.lock", "pdm.lock")
MAX_PACKAGES = 20_000
_SHA256 = re.compile(r"(?:sha256:)?([0-9a-f]{64})\Z")


class PythonLockUnreadable(FpackError):
    """A lock of another tool that cannot be used."""

    exit_code = 4


class LockedProject(NamedTuple):
    """A package of a lock. files: those allowed by hash; without a name if the lock has only hashes."""

    project: str
    version: str
    files: tuple[IndexFile, ...]


class PythonLock(NamedTuple):
    """The content of a lock for one platform. local: directories of the project that are installed too, relative."""

    packages: tuple[LockedProject, ...]
    local: tuple[str, ...] = ()


def read_lock(name: str, text: str, env: Environment, project: PythonProject) -> PythonLock:
    """Read a lock. name: of the file, which tells the format. project: the project that it locks."""
    base = name.rpartition("/")[2]
    if base.endswith(".txt"):
        return PythonLock(tuple(_requirements(text, env)))
    try:
        data = strict_toml.parse(text)
    except ValueError as error:
        raise PythonLockUnreadable("A lock of Python packages is not valid TOML", where=name, why=str(error)) from None
    readers: dict[str, Callable[[dict[str, Any], Environment, PythonProject], PythonLock]] = {
        "uv.lock": _uv, "poetry.lock": _poetry, "pdm.lock": _pdm,
    }  # fmt: skip
    reader = readers.get(base)
    if reader is None:
        if "lock-version" not in data:
            raise PythonLockUnreadable(
                "The format of this lock of Python packages is unknown", where=name,
                hint="use a pylock.toml, uv.lock, poetry.lock, pdm.lock or requirements with hashes",
            )  # fmt: skip
        reader = _pylock
    try:
        found = reader(data, env, project)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PythonLockUnreadable(
            "A lock of Python packages cannot be read", where=name, why=malformation(error)
        ) from None
    except PythonLockUnreadable as error:
        raise error.with_(where=name) if not error.where else error from None
    own = normal(project.name) if project.name else ""
    return found._replace(packages=tuple(p for p in found.packages if p.project != own or p.files))


# ---- pylock.toml


def _pylock(data: dict[str, Any], env: Environment, project: PythonProject) -> PythonLock:
    env = env._replace(groups=env.groups | set(map(normal, strings(data.get("default-groups")))))
    found, local = [], []
    for package in _tables(data.get("packages")):
        name = _name(package)
        if not holds(_string(package, "marker"), env) or not _python_fits(_string(package, "requires-python"), env):
            continue
        if "directory" in package:
            local.append(_string(package["directory"], "path"))
            continue
        if "vcs" in package:
            raise _foreign(name, "a repository")
        files = [*_tables(package.get("wheels")), *(package[k] for k in ("sdist", "archive") if k in package)]
        found.append(_package(name, _string(package, "version"), files))
    return PythonLock(tuple(found), _below(local))


# ---- uv.lock


def _uv(data: dict[str, Any], env: Environment, project: PythonProject) -> PythonLock:
    packages = _tables(data.get("package"))
    by_name: dict[str, list[dict[str, Any]]] = {}
    for package in packages:
        by_name.setdefault(_name(package), []).append(package)
    own = normal(project.name) if project.name else ""
    roots = [p for p in by_name.get(own, []) if _is_local(p)]
    roots = roots or [
        p for p in packages if _record(p, "source").get("editable", _record(p, "source").get("virtual")) == "."
    ]
    if not roots:
        raise PythonLockUnreadable(
            "uv.lock has no entry for the project itself",
            why=f"it has no entry of the name {own}" if own else "no entry has the directory of the lock as its source",
            hint="run uv lock",
        )
    found: dict[tuple[str, str], LockedProject] = {}
    local: list[str] = []
    seen: set[tuple[int, str]] = set()
    todo: list[tuple[dict[str, Any], str]] = [(roots[0], ""), *((roots[0], extra) for extra in sorted(env.extras))]
    groups = _record(roots[0], "dev-dependencies")
    edges = [edge for group in groups if normal(group) in env.groups for edge in _tables(groups[group])]
    plain = env._replace(extras=frozenset())
    while True:
        for edge in edges:
            # A marker of uv may name conflicting extras, as `extra == 'extra-3-foo-bar'`.
            if not holds(_string(edge, "marker"), plain):
                continue
            target = _uv_target(edge, by_name, plain)
            todo.append((target, ""))
            todo += [(target, normal(extra)) for extra in strings(edge.get("extra"))]
        edges = []
        if not todo:
            break
        package, extra = todo.pop()
        if (id(package), extra) in seen:
            continue
        seen.add((id(package), extra))
        optional = _record(package, "optional-dependencies")
        listed: Any = next((optional[key] for key in optional if normal(key) == extra), []) if extra else None
        edges = _tables(package.get("dependencies") if listed is None else listed)
        if not extra:
            _uv_package(package, package is roots[0], found, local)
    return PythonLock(_ordered(found), _below(local))


def _uv_package(
    package: dict[str, Any], is_root: bool, found: dict[tuple[str, str], LockedProject], local: list[str]
) -> None:
    name, source = _name(package), _record(package, "source")
    if _is_local(package):
        if not is_root and "virtual" not in source:
            local.append(str(source.get("editable", source.get("directory"))))
        return
    if "git" in source:
        raise _foreign(name, "a repository")
    files = [*_tables(package.get("wheels")), *([package["sdist"]] if "sdist" in package else [])]
    if "url" in source:
        files = [{**file, "url": file.get("url", source["url"])} for file in files]
    version = _string(package, "version")
    found[name, version] = _package(name, version, files)


def _is_local(package: dict[str, Any]) -> bool:
    return bool(_record(package, "source").keys() & {"editable", "virtual", "directory"})


def _uv_target(edge: dict[str, Any], by_name: Mapping[str, list[dict[str, Any]]], env: Environment) -> dict[str, Any]:
    name, version = _name(edge), edge.get("version")
    choices = [p for p in by_name.get(name, []) if version is None or p.get("version") == version]
    if len(choices) > 1:  # a fork of the resolution, told apart by markers
        fitting = [p for p in choices if any(holds(m, env) for m in strings(p.get("resolution-markers")))]
        choices = fitting or choices
    if not choices:
        raise ValueError(f"{name} is required and has no entry")
    return choices[0]


# ---- poetry.lock


def _poetry(data: dict[str, Any], env: Environment, project: PythonProject) -> PythonLock:
    packages = _tables(data.get("package"))
    older = _record(_record(data, "metadata"), "files")  # until version 1 of the format
    by_name: dict[str, list[dict[str, Any]]] = {}
    for package in packages:
        by_name.setdefault(_name(package), []).append(package)
    roots = [*project.requirements]
    for extra in env.extras:
        roots += project.extras.get(extra, ())
    for group in env.groups:
        roots += project.groups.get(group, ())
    found: dict[tuple[str, str], LockedProject] = {}
    plain = env._replace(extras=frozenset())
    todo: list[tuple[str, str, str, str]] = []  # name, extra, versions, marker
    for text in roots:
        parsed = requirement(text)
        if holds(parsed.marker, env):
            todo += [(parsed.name, extra, _clauses(parsed.versions), "") for extra in ("", *sorted(parsed.extras))]
    seen = set()
    while todo:
        name, extra, versions, _ = item = todo.pop()
        if item in seen:
            continue
        seen.add(item)
        choice = _poetry_choice(name, versions, by_name, plain)
        if choice is None:
            continue  # such as one for another platform
        package = choice
        source = _record(package, "source")
        if source.get("type") in ("git", "directory", "file"):
            raise _foreign(name, "a repository" if source["type"] == "git" else f"a {source['type']}")
        version = _string(package, "version")
        files = _tables(package.get("files")) or _tables(older.get(package["name"]))
        if (name, version) not in found:
            url = source.get("url") if source.get("type") == "url" else None
            found[name, version] = _package(name, version, [{**f, "url": url} if url else f for f in files])
        asked = {requirement(t).name for t in strings(_extras(package).get(extra))} if extra else None
        for dependency, given in _record(package, "dependencies").items():
            for one in given if isinstance(given, list) else [given]:
                table = one if isinstance(one, dict) else {"version": one}
                optional = bool(table.get("optional"))
                if optional != (asked is not None) or (asked is not None and normal(dependency) not in asked):
                    continue
                marker = _string(table, "markers")
                if holds(marker, plain._replace(extras=frozenset([extra] if extra else []))):
                    wanted = str(table.get("version", "*"))
                    further = sorted(map(normal, strings(table.get("extras"))))
                    todo += [(normal(dependency), e, wanted, "") for e in ("", *further)]
    return PythonLock(_ordered(found))


def _extras(package: dict[str, Any]) -> dict[str, Any]:
    return {normal(key): value for key, value in _record(package, "extras").items()}


def _poetry_choice(
    name: str, versions: str, by_name: Mapping[str, list[dict[str, Any]]], env: Environment
) -> dict[str, Any] | None:
    """Return the entry of a package for this platform; of several, the one that the versions allow."""
    choices = []
    for package in by_name.get(name, []):
        marker = package.get("markers", "")
        markers = list(marker.values()) if isinstance(marker, dict) else [marker]
        if any(holds(m, env) for m in markers if isinstance(m, str)) and _python_fits(
            caret(_string(package, "python-versions")), env
        ):
            choices.append(package)
    if len(choices) < 2:
        return choices[0] if choices else None
    try:
        clauses = specifier(caret(versions))
    except ValueError:
        return choices[0]
    return next((p for p in choices if satisfies(_string(p, "version"), clauses)), choices[0])


# ---- pdm.lock


def _pdm(data: dict[str, Any], env: Environment, project: PythonProject) -> PythonLock:
    groups = {"default", *env.groups, *env.extras}
    found: dict[tuple[str, str], LockedProject] = {}
    known = _record(_record(data, "metadata"), "files")  # until version 4 of the format
    for package in _tables(data.get("package")):
        name, version = _name(package), _string(package, "version")
        listed = strings(package.get("groups"))
        if listed and not groups & set(map(normal, listed)):
            continue
        if not holds(_string(package, "marker"), env) or not _python_fits(_string(package, "requires_python"), env):
            continue
        if "git" in package:
            raise _foreign(name, "a repository")
        if "path" in package:
            continue  # the project itself, or a part of it
        files = _tables(package.get("files")) or _tables(known.get(f"{package['name']} {version}"))
        if package.get("url"):
            files = [{**file, "url": package["url"]} for file in files]
        if (name, version) not in found:
            found[name, version] = _package(name, version, files)
    return PythonLock(_ordered(found))


# ---- requirements with hashes


def _requirements(text: str, env: Environment) -> Iterable[LockedProject]:
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        if not line or line.startswith("-"):
            continue
        hashes = re.findall(r"--hash[=\s]\s*sha256:([0-9a-f]{64})", line)
        parsed = requirement(line.partition("--hash")[0])
        exact = [c.text for c in parsed.versions if c.operator in ("==", "===") and not c.text.endswith(".*")]
        if not exact or not hashes:
            raise PythonLockUnreadable(
                f"{parsed.name} has no exact version with hashes", where=line[:120],
                hint="pip-compile --generate-hashes writes such a file",
            )  # fmt: skip
        if holds(parsed.marker, env):
            yield LockedProject(parsed.name, exact[0], tuple(IndexFile("", "", h) for h in hashes))


# ---- inside


def _package(name: str, version: str, files: Iterable[Any]) -> LockedProject:
    found = []
    for file in files:
        if not isinstance(file, dict):
            raise ValueError(f"a file of {name} is not a table")
        hashes = file.get("hashes")
        digest = hashes.get("sha256") if isinstance(hashes, dict) else file.get("hash")
        match = _SHA256.match(digest) if isinstance(digest, str) else None
        if match is None:
            continue
        url = file["url"] if isinstance(file.get("url"), str) else ""
        named = file.get("name") or file.get("file") or file.get("filename") or file.get("path") or urlsplit(url).path
        if not isinstance(named, str):
            raise ValueError(f"a file of {name} has no name")
        found.append(IndexFile(unquote(named).rpartition("/")[2], url.partition("#")[0], match[1]))
    if not found:
        raise PythonLockUnreadable(
            f"{name} {version}".strip() + " has no file with a sha256 in the lock",
            why="fpack fetches packages by their hashes only",
            hint="lock again with hashes",
        )
    return LockedProject(name, version, tuple(found))


def _foreign(name: str, what: str) -> PythonLockUnreadable:
    return PythonLockUnreadable(
        f"{name} is locked from {what}",
        why="the lock has no hash of its files, so they cannot be fetched",
        hint="use a release of an index, or add its sources to the project",
    )


def _python_fits(text: str, env: Environment) -> bool:
    try:
        return satisfies(env.variables["python_full_version"], specifier(text if text != "*" else ""))
    except ValueError:
        return True


def _tables(value: Any) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MAX_PACKAGES or not all(isinstance(item, dict) for item in value):
        raise ValueError("a value in it should be a list of tables")
    return value


def _record(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = table.get(key)
    return value if isinstance(value, dict) else {}


def _string(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise ValueError(f"`{key}` of {table.get('name', 'an entry')} is not a string")
    return value


def _name(package: Mapping[str, Any]) -> str:
    name = _string(package, "name")
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", name):
        raise ValueError(f"{name[:60]!r} is not the name of a package" if name else "an entry has no name")
    return normal(name)


def _clauses(versions: Sequence[tuple[str, str]]) -> str:
    return ",".join(f"{operator}{text}" for operator, text in versions)


def _ordered(found: Mapping[tuple[str, str], LockedProject]) -> tuple[LockedProject, ...]:
    return tuple(found[key] for key in sorted(found))


def _below(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the directories that lie below the project, without the project itself; raise ValueError for others."""
    found = []
    for path in dict.fromkeys(paths):
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if path.startswith("/") or ".." in parts or not re.fullmatch(r"[\w./@+ -]*", path):
            raise ValueError(f"the directory {path[:80]!r} is outside of the project")
        if parts:
            found.append("/".join(parts))
    return tuple(found)
