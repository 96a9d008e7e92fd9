"""Plan the packages of a Python project for the library: from its lock, or resolved once and recorded in fpack.lock."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fpack.store.errors import FpackError

from .package_answers import PackageAnswers, text_field
from .project_files import file_text, relative

if TYPE_CHECKING:
    from fpack.builders.python.locks import PythonLock
    from fpack.builders.python.markers import Environment
    from fpack.builders.python.project import PythonProject
    from fpack.builders.python.resolver import UnresolvableProject
    from fpack.builders.python.wheels import IndexFile

KIND = "python"


def plan(given: Mapping[str, Any], answers: PackageAnswers) -> dict[str, Any]:
    """Return what a build installs.

    given: `python`, `libc` and `arch` of the target; `project`, `requirements` and `lock`: absolute paths or "", below
    `root`; `extras`, `groups` and `needs`: texts. The plan has `files` ({project, version, hashes, urls, role}),
    `local` (directories of the project to install), `installs` and `copies` (what to do with the project), `tools`
    (Debian packages), `sdists` (some packages are built from sources) and `compiles` (they or the project).
    """
    from fpack.builders.python import markers, native
    from fpack.builders.python.project import PythonProject
    from fpack.builders.python.requirements import requirement
    from fpack.builders.python.resolver import UnresolvableProject

    root = given["root"]
    project = read_project(_directory(given["project"]), root) if given["project"] else PythonProject()
    env = markers.environment(given["python"], given["arch"], given["extras"], given["groups"])
    lock, requirements, limits = _requested(given, project, env)
    installs = _installs(project)
    chosen = _chosen(lock, given)
    sdists = [(p, v, file.sha256) for p, v, file in chosen if file is not None and not file.name.endswith(".whl")]
    unknown = any(file is None for _, _, file in chosen)
    builds = [list(project.build)] if installs else []
    builds += [["setuptools", "wheel"]] if unknown else []
    request: dict[str, Any] = {"python": given["python"], "libc": given["libc"], "arch": given["arch"]}
    fields = {
        "requirements": sorted(set(requirements)),
        "builds": builds,
        "limits": sorted(set(limits)),
        "sources": sorted(map(list, sdists)),
    }
    request |= {name: value for name, value in fields.items() if value}
    located = {file.sha256: file for _, _, file in chosen if file is not None and file.url}
    try:
        found = _resolved(request, answers, located) if len(request) > 3 else []
    except UnresolvableProject as error:
        raise _of_build(error, builds, requirements, given["project"]) from None
    files = [
        *_locked(lock, chosen),
        *(
            {"project": text_field(f, "project"), "version": text_field(f, "version"), "role": text_field(f, "role"),
             "hashes": [text_field(f, "sha256")], "urls": _with_hash(text_field(f, "url"), text_field(f, "sha256"))}
            for f in found
        ),
    ]  # fmt: skip
    built = [p for p, _, _ in sdists]
    built += [text_field(f, "project") for f in found if not text_field(f, "file").endswith(".whl")]
    requires = {requirement(text).name for build in builds for text in build}
    requires |= {text_field(f, "project") for f in found if f.get("role") == "build"}
    compiles = bool(built) or unknown or (installs and project.extensions)
    tools = native.tools_for([*built, *([project.name or ""] if installs else [])], requires if compiles else ())
    return {
        "files": files,
        "local": list(lock.local),
        "installs": installs,
        "scm": installs and any(requirement(text).name == "setuptools-scm" for text in project.build),
        "copies": not installs or os.path.isfile(os.path.join(_directory(given["project"]), "manage.py")),
        "sdists": bool(built) or unknown,
        "compiles": compiles,
        "tools": [*(native.COMPILERS if compiles else ()), *tools],
    }


def _of_build(
    error: UnresolvableProject, builds: Sequence[Sequence[str]], requirements: Sequence[str], project: str | None
) -> UnresolvableProject:
    """Return an error that names the project's file if only its build requires the package."""
    from fpack.builders.python.requirements import requirement

    names = {requirement(text).name for build in builds for text in build}
    if not project or error.where not in names or error.where in {requirement(text).name for text in requirements}:
        return error
    return error.with_(where=project, why=f"its build-system.requires needs it: {error.why}")


def _resolved(
    request: Mapping[str, Any], answers: PackageAnswers, located: Mapping[str, IndexFile]
) -> list[dict[str, Any]]:
    def ask(_: list[int]) -> list[list[dict[str, Any]]]:
        target = {name: request[name] for name in ("python", "libc", "arch")}
        return [resolve(request, answers.former(KIND, target), located)]

    return answers.answer(KIND, [request], ask, "Python packages")[0]


def resolve(
    request: Mapping[str, Any],
    former: Sequence[Mapping[str, Any]] = (),
    located: Mapping[str, IndexFile] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """Return the files for a request, from the indexes.

    former: files whose versions are kept if they satisfy. located: files of the project's lock with their URLs, by
    SHA-256; they are no part of the request, so that the answer is the same wherever they are.
    """
    from fpack.builders.python.locking import PythonTarget, lock

    try:
        files = lock(
            PythonTarget(request["python"], request["libc"], request["arch"]),
            request.get("requirements", []),
            request.get("builds", []),
            request.get("limits", []),
            [(s[0], s[1], s[2]) for s in request.get("sources", [])],
            files=located,
            preferred={str(item.get("project")): str(item.get("version")) for item in former},
        )
    except ValueError as error:
        raise FpackError("The Python packages cannot be resolved", why=str(error)) from None
    return [file._asdict() for file in files]


# ---- the project


def read_project(directory: str, root: str) -> PythonProject:
    """Return what a Python project's files say; missing files count as empty."""
    from fpack.builders.python.project import read_python_project

    def read(name: str) -> str | None:
        path = os.path.join(directory, name)
        return file_text(path, root) if os.path.isfile(path) else None

    return read_python_project(read)


def _requested(
    given: Mapping[str, Any], project: PythonProject, env: Environment
) -> tuple[PythonLock, list[str], list[str]]:
    """Return the lock of a build, and the requirements and constraints that it does not cover."""
    from fpack.builders.python.locks import PythonLock, read_lock
    from fpack.builders.python.requirements import requirements_file

    lock = PythonLock(())
    requirements = list(given["needs"])
    limits: list[str] = []
    named = given["lock"] or given["requirements"]
    if given["lock"]:
        lock = read_lock(relative(named, given["root"]), file_text(named, given["root"]), env, project)
    elif given["requirements"]:
        content = requirements_file(
            os.path.basename(named), lambda name: file_text(_beside(named, name), given["root"])
        )
        _no_foreign(content.ignored, named)
        if content.hashed:
            lock = read_lock("requirements.txt", file_text(named, given["root"]), env, project)
        else:
            requirements += content.lines
            limits += content.constraints
    elif given["project"]:
        requirements += _own(project, env, given["project"])
    return lock, requirements, limits


def _own(project: PythonProject, env: Environment, path: str) -> list[str]:
    if project.unread:
        raise FpackError(
            "The project's dependencies cannot be read without running its code",
            where=path,
            why=project.unread,
            hint="list them in `needs`, or in a file that `requirements` names",
        )
    found = [*project.requirements]
    for name in sorted(env.extras):
        found += project.extras.get(name, ())
    for name in sorted(env.groups):
        found += project.groups.get(name, ())
    own = project.name or ""
    return [text for text in found if not own or not re.match(rf"{re.escape(own)}\b(?![-.\w])", text)]


def _installs(project: PythonProject) -> bool:
    """Return whether the project is installed. One with nothing but a [project] table is an application's, to copy."""
    return project.is_project and bool(project.scripts or not project.table_only)


def _no_foreign(ignored: Iterable[str], path: str) -> None:
    foreign = [line for line in ignored if not re.match(r"(-e|--editable)?\s*\.(\[[^\]]*\])?\s*\Z", line)]
    if foreign:
        raise FpackError(
            f"{foreign[0]} is not a package of an index",
            where=path,
            why="files and repositories have no hash, so they cannot be fetched",
            hint="use a release of an index, or add its sources to the project",
        )


# ---- files of a lock


def _chosen(lock: PythonLock, given: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    """Return the file of each package that suits the target; None for one of which the lock knows only hashes."""
    from fpack.builders.python.wheels import choose, target

    suits = target(given["python"], given["libc"], given["arch"])
    found: list[tuple[str, str, Any]] = []
    for package in lock.packages:
        if not all(file.name for file in package.files):
            found.append((package.project, package.version, None))
            continue
        file = choose(package.files, {f.sha256 for f in package.files}, suits)
        if file is None:
            raise FpackError(
                f"No file of {package.project} {package.version} is compatible",
                where=given["lock"] or given["requirements"],
                why=f"the build has Python {given['python']} for {given['arch']}, and the lock has "
                + ", ".join(sorted(f.name for f in package.files)[:5]),
                hint="lock again with a version that has a wheel for it or a source distribution",
            )
        found.append((package.project, package.version, file))
    return found


def _locked(lock: PythonLock, chosen: list[tuple[str, str, Any]]) -> Iterable[dict[str, Any]]:
    for package, (_, _, file) in zip(lock.packages, chosen, strict=True):
        files = package.files if file is None else [file]
        yield {
            "project": package.project,
            "version": package.version,
            "hashes": [f.sha256 for f in files],
            "urls": [text for f in files for text in _with_hash(f.url, f.sha256)],
            "role": "run",
        }


def _with_hash(url: str, digest: str) -> list[str]:
    return [f"{url}#sha256={digest}"] if url.startswith(("http:", "https:")) else []


# ---- files of the project


def _directory(path: str) -> str:
    return path if not path or os.path.isdir(path) else os.path.dirname(path)


def _beside(path: str, name: str) -> str:
    return os.path.normpath(os.path.join(os.path.dirname(path), name))
