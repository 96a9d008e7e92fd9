"""Give the library the functions that plan the packages of Python and Node projects.

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

    return {"python-plan": python_plan, "node-plan": node_plan}


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
