"""Give the library the functions that plan the packages of Python and Node projects, and record digests of files.

The functions take and return values of the language. Only the library has them, in `settings`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fpack.light_typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fpack.cli.workspace.workspace import Workspace


def package_plans(workspace: Workspace) -> dict[str, Callable[..., Any]]:
    """Return the functions by name."""

    def python_plan(given: Any, /) -> Any:
        from .python_packages import plan

        return plan(_plain(workspace, given), workspace.answers)

    def node_plan(given: Any, /) -> Any:
        from .node_packages import plan

        return plan(_plain(workspace, given), workspace.answers)

    def file_digests(given: Any, /) -> Any:
        from fpack.builders.net.file_digests import file_digests

        from .file_digests import plan

        def fetch(files: Mapping[str, str]) -> Mapping[str, str]:
            return file_digests(files, workspace.http(), workspace.origins)

        return plan(_plain(workspace, given), workspace.answers, fetch)

    return {"python-plan": python_plan, "node-plan": node_plan, "file-digests": file_digests}


def _plain(workspace: Workspace, given: Any) -> Mapping[str, Any]:
    """Return a record with paths as absolute texts, and with the `root` that they lie in; null is ""."""
    from fpack.lang.runtime.values import Path

    record = workspace.evaluator.force(given, deep=True)
    paths = [value for value in record.values() if isinstance(value, Path)]
    roots = [path.root for path in paths]
    for path in paths:
        workspace.evaluator.reads_unseen(path)
    found = {
        name: value.path if isinstance(value, Path) else "" if value is None else value
        for name, value in record.items()
    }
    return {"root": roots[0] if roots else "", **found}
