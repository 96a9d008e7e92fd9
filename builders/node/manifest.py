"""Read package.json: what a package of a project depends on, and the packages of a workspace."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from .model import name_of, path_of, table, texts

MAX_MEMBERS = 2000
_MAX_PATTERN = 4096  # characters: a longer one matches no path


class DependencySpec(NamedTuple):
    """The request of a dependency: a package by its real name, and a range or tag of versions.

    kind: `registry`, or what else it is: `workspace`, `file`, `url`, `git`.
    """

    name: str
    wanted: str
    kind: str = "registry"


class Manifest(NamedTuple):
    """A package.json. required: dependencies and optional ones, by name. optional: names that may be missing."""

    name: str = ""
    version: str = ""
    required: Mapping[str, str] = {}
    dev: Mapping[str, str] = {}
    optional: frozenset[str] = frozenset()
    peers: Mapping[str, str] = {}
    overrides: Mapping[str, str] = {}
    workspaces: tuple[str, ...] = ()
    scripts: Mapping[str, str] = {}
    data: Mapping[str, Any] = {}


class WorkspaceMember(NamedTuple):
    """A package of the project. path: its directory, "" for the top."""

    path: str
    manifest: Manifest


def read_manifest(text: str, path: str = "package.json") -> Manifest:
    """Return the content of a package.json; raise ValueError if it cannot be read. path: of the file, for messages."""
    try:
        data = json.loads(text)
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise ValueError(f"{path} is not a JSON object")
    return manifest_of(data)


def manifest_of(data: Mapping[str, Any]) -> Manifest:
    optional = texts(data.get("optionalDependencies"))
    workspaces = data.get("workspaces")
    listed = workspaces.get("packages") if isinstance(workspaces, dict) else workspaces
    meta = table(data.get("peerDependenciesMeta"))
    return Manifest(
        data["name"] if isinstance(data.get("name"), str) else "",
        data["version"] if isinstance(data.get("version"), str) else "",
        {**texts(data.get("dependencies")), **optional},
        texts(data.get("devDependencies")),
        frozenset(optional),
        {n: w for n, w in texts(data.get("peerDependencies")).items() if not table(meta.get(n)).get("optional")},
        {**texts(data.get("resolutions")), **texts(data.get("overrides"))},
        tuple(item for item in listed if isinstance(item, str)) if isinstance(listed, list) else (),
        texts(data.get("scripts")),
        data,
    )


def read_spec(name: str, wanted: str) -> DependencySpec:
    """Return what a dependency asks for, such as `^1.2`, `npm:other@1` or `latest`."""
    wanted = wanted.strip()
    alias = re.match(r"npm:((?:@[^/@]+/)?[^@]+)(?:@(.*))?\Z", wanted)
    if alias:
        return DependencySpec(name_of(alias[1]), alias[2] or "*")
    wanted = wanted.removeprefix("npm:")
    if wanted.startswith(("workspace:", "link:", "portal:")):
        return DependencySpec(name, wanted, "workspace")
    if wanted.startswith(("file:", "./", "../", "/", "~/")):
        return DependencySpec(name, wanted, "file")
    if re.match(r"(git[+@:]|github:|gitlab:|bitbucket:|gist:|[\w.-]+/[\w.-]+(#|\Z)|ssh:)", wanted):
        return DependencySpec(name, wanted, "git")
    if re.match(r"https?:", wanted):
        return DependencySpec(name, wanted, "git" if ".git" in wanted else "url")
    return DependencySpec(name, wanted or "*")


def read_members(
    read: Callable[[str], str | None], directories: Callable[[str], Sequence[str]], more: Sequence[str] = ()
) -> list[WorkspaceMember]:
    """Return the packages of a project, the one at the top first. read: the text of a file, or None.

    directories: the names of the directories in one. more: patterns of directories, besides those of package.json.
    """
    text = read("package.json")
    top = read_manifest(text) if text is not None else Manifest()
    patterns = [*top.workspaces, *more]
    refused = [p[1:].removeprefix("./") for p in patterns if p.startswith("!")]
    found = [WorkspaceMember("", top)]
    for pattern in patterns:
        if pattern.startswith("!"):
            continue
        for path in _matching(pattern.removeprefix("./").strip("/"), directories):
            inner = read(f"{path}/package.json")
            known = any(member.path == path for member in found)
            if inner is not None and not known and not any(fnmatchcase(path, p) for p in refused):
                found.append(WorkspaceMember(path_of(path), read_manifest(inner, f"{path}/package.json")))
                if len(found) > MAX_MEMBERS:
                    raise ValueError(f"the project has more than {MAX_MEMBERS} packages")
    return found


def _matching(pattern: str, directories: Callable[[str], Sequence[str]]) -> list[str]:
    """Return the directories that match a pattern, in which `**` stands for up to four levels."""
    level = [""] if len(pattern) <= _MAX_PATTERN else []
    for part in pattern.split("/"):
        if part in ("", "."):
            continue
        below = []
        for at in level:
            if part == "**":
                below += [at, *_all_below(at, directories, 4)]
            elif re.search(r"[*?\[{]", part):
                below += [f"{at}/{name}".lstrip("/") for name in directories(at) if _fits(name, part)]
            else:
                below.append(f"{at}/{part}".lstrip("/"))
        level = below[:10_000]
    return sorted(set(level) - {""})


def _fits(name: str, pattern: str) -> bool:
    choices = re.search(r"\{([^}]*)\}", pattern)
    if choices:
        return any(
            fnmatchcase(name, pattern[: choices.start()] + choice + pattern[choices.end() :])
            for choice in choices[1].split(",")
        )
    return name != "node_modules" and fnmatchcase(name, pattern)


def _all_below(at: str, directories: Callable[[str], Sequence[str]], depth: int) -> list[str]:
    if depth == 0:
        return []
    found = []
    for name in directories(at):
        if name != "node_modules" and not name.startswith("."):
            path = f"{at}/{name}".lstrip("/")
            found += [path, *_all_below(path, directories, depth - 1)]
    return found[:10_000]
