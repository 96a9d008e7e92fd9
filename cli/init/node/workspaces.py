"""Find the package of a workspace of Node whose program an image runs. All functions are pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from fpack.builders.node.documents import parse_yaml
from fpack.builders.node.manifest import WorkspaceMember, read_members
from fpack.builders.node.model import table

from ..guess import record, strings
from ..project import Project

# A word of a root script that names the package to run: by its name, or by its directory.
_NAMES = re.compile(
    r"(?:--workspace|-w|--filter|-F|--prefix|--cwd|-C|--dir)[ =]\s*[\"']?([\w@./-]+)|"
    r"\byarn workspace ([\w@./-]+)|\bcd ([\w@./-]+)"
)


class WorkspaceProgram(NamedTuple):
    """A program of a workspace. path: the package's directory. words: the entrypoint. file: of the project, which it
    runs. data: of its package.json."""

    path: str
    words: Sequence[str]
    file: str
    data: dict[str, Any]


def workspace_program(
    project: Project,
    data: dict[str, Any],
    find_program: Callable[[Project, dict[str, Any]], tuple[list[str] | None, str | None]],
    servers: Collection[str],
) -> WorkspaceProgram | None:
    """Return the program of the package that the script `start` names, else of the only server or the only program.

    find_program: returns the entrypoint of a project with only these files, and its file. servers: packages of servers.
    """
    found: list[WorkspaceProgram] = []
    for member in _members(project):
        own = _below(project, member.path)
        words, file = find_program(own, dict(member.manifest.data))
        if words and file and words[0] == "/usr/bin/node":
            moved = [word.replace("@/app/", f"@/app/{member.path}/") for word in words]
            found.append(WorkspaceProgram(member.path, moved, f"{member.path}/{file}", dict(member.manifest.data)))
    start = _NAMES.search(str(record(data.get("scripts")).get("start", "")))
    if start:
        named = (start[1] or start[2] or start[3]).removeprefix("./").rstrip("/")
        return next((item for item in found if named in (item.path, item.data.get("name"))), None)
    serving = [item for item in found if record(item.data.get("dependencies")).keys() & set(servers)]
    return next((group[0] for group in (found, serving) if len(group) == 1), None)


def _members(project: Project) -> Sequence[WorkspaceMember]:
    """Return the packages of the workspace, without that at the top."""
    try:
        more = table(parse_yaml(project.text("pnpm-workspace.yaml") or "{}", aliases=True)).get("packages")
    except ValueError:
        return ()
    directories: dict[str, set[str]] = {}
    for file in project.files:
        parts = file.split("/")
        for depth in range(len(parts) - 1):
            directories.setdefault("/".join(parts[:depth]), set()).add(parts[depth])
    try:
        members = read_members(
            lambda path: project.text(path) or None,
            lambda at: sorted(directories.get(at.strip("/"), ())),
            strings(more),
        )
    except ValueError:
        return ()
    return [member for member in members if member.path]


def _below(project: Project, path: str) -> Project:
    prefix = f"{path}/"
    files = {name.removeprefix(prefix): text for name, text in project.files.items() if name.startswith(prefix)}
    return Project(path.rpartition("/")[2], files)
