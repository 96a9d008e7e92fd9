"""Write the locks that the build tools of a project's packages make, such as maven.lock.

A package that needs one has a field `extra.locker`: `out` builds the lock, a JSON file; `directory` and `name` tell
where it is; `of` tells what it is a lock of, and is written into it. Without `of`, the lock is the build tool's own, a
TOML file, which is made once. A project may have such a record made by hand, and its build decides what is in the
lock. So the name is that of a lock in a directory of the project, never a path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fpack.cli.paths import PROJECT_FILE
from fpack.store.errors import FpackError
from fpack.store.files.regular_file import read_bytes, read_small

if TYPE_CHECKING:
    from fpack.cli.workspace.workspace import Workspace
    from fpack.store.derivation import Output

MAX_SIZE = 64 << 20  # bytes
MAX_VALUES = 10_000
_NAME = re.compile(r"(?!fpack\.)[A-Za-z][A-Za-z0-9_-]{0,60}\.lock")


class ProjectLock(NamedTuple):
    """A lock to write. out: the output that makes it. path: where it is. of: what it is a lock of, or None."""

    out: Output
    path: Path
    of: str | None


def write_missing(workspace: Workspace, value: Any, *, frozen: bool = False) -> list[Path]:
    """Make and write the locks of a value's packages that do not exist, or are of other files. Return their paths."""
    from fpack.store.files import replace

    stale = [lock for lock in dict.fromkeys(_locks(workspace, value)) if _is_stale(lock)]
    if stale and frozen:
        raise FpackError(
            f"The lock is frozen, and {stale[0].path.name} is missing or outdated",
            where=str(stale[0].path),
            hint="fpack lock writes it",
        )
    for lock, made in zip(stale, workspace.realise([lock.out for lock in stale]), strict=True):
        content = read_small(workspace.store.disk(made), MAX_SIZE)
        if lock.of is None:
            _check_toml(content, made.base)
        else:
            data = _record(content)
            if data is None:
                raise FpackError("The build of a lock made no JSON object", where=made.base)
            content = (json.dumps({"of": lock.of, **data}, indent=1, sort_keys=True) + "\n").encode()
        replace.write(lock.path, content, within=lock.path.parent, mode=0o644)
    return [lock.path for lock in stale]


def _locks(workspace: Workspace, value: Any) -> Iterator[ProjectLock]:
    """Yield the locks of the packages in a value: of records and lists of packages."""
    from fpack.lang.runtime.values import OnDemand
    from fpack.lang.runtime.values import Path as SourcePath

    evaluator, todo = workspace.evaluator, [value]
    seen: dict[int, Any] = {}  # values are kept, as the id of a freed one may be reused
    while todo and len(seen) < MAX_VALUES:
        try:
            value = evaluator.force(todo.pop())
        except FpackError:
            continue  # an image may need the lock, and other errors are reported when the locks are there
        if id(value) in seen:
            continue
        seen[id(value)] = value
        if isinstance(value, list):
            todo += value
        elif isinstance(value, dict) and not isinstance(value, OnDemand):
            kind = workspace.field(value, "type")
            if kind == "derivation":
                extra = workspace.field(value, "extra")
                locker = workspace.field(extra, "locker") if isinstance(extra, dict) else None
                if isinstance(locker, dict) and isinstance(at := workspace.field(locker, "directory"), SourcePath):
                    path = Path(at.path, _checked(workspace.field(locker, "name"), at.path))
                    of = workspace.field(locker, "of")
                    if of is not None or not path.exists():  # what makes it is evaluated only if it may be needed
                        yield ProjectLock(workspace.output(locker), path, None if of is None else str(of))
            elif kind is None:
                todo += value.values()


def _checked(name: object, directory: str) -> str:
    """Return the name of a lock in a directory; raise FpackError for one that could be the path of another file."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        why = "a name ends with .lock and has letters, digits, _ and -, and fpack.lock is another file"
        raise FpackError(
            f"{str(name)[:200]!r} is not a valid name of a lock",
            where=f"{directory}/{PROJECT_FILE}",
            why=why,
            hint='give the `locker` of the package another `name`, such as "maven.lock"',
        )
    return name


def _is_stale(lock: ProjectLock) -> bool:
    """Return whether a lock does not exist, or is of other files."""
    return lock.of is None or _of(lock.path) != lock.of


def _check_toml(content: bytes, made: str) -> None:
    from fpack import strict_toml

    try:
        strict_toml.parse(content.decode())
    except ValueError as error:
        raise FpackError("The build of a lock made no TOML file", where=made, why=str(error)) from None


def _of(path: Path) -> str | None:
    """Return what an existing lock is of, or None if it is missing or damaged."""
    try:
        data = _record(read_bytes(path, MAX_SIZE))
    except OSError:
        return None
    return None if data is None else str(data.get("of"))


def _record(data: bytes) -> dict[str, Any] | None:
    """Return the JSON object that a lock is, or None if it is none."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
